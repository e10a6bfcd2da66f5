-- What several regression tests use, in the session's temporary schema.
\set ECHO none
\set SHOW_CONTEXT never

-- Runs a statement: "ok", or the SQLSTATE and message of its error.  What failed leaves nothing.
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;

-- What wallet_verify complains of; no row when all is well.
CREATE FUNCTION pg_temp.faults() RETURNS TABLE (name text, detail text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT v.name, v.detail FROM wallet_verify() AS v WHERE NOT v.ok;
END
$$;
\set ECHO all
