-- What tests of the proof use, in the session's temporary schema, after test/helpers.sql.
\set ECHO none
-- Tampers as only a superuser can, and shows what wallet_verify finds, and which of it wallet_audit
-- does not find, or finds besides; nothing of it stays.
CREATE TEMPORARY TABLE tampering (n serial, statements text[]);
CREATE FUNCTION pg_temp.unguard() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    guarded regclass;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['wallet.wallet', 'wallet.transfer', 'wallet.request', 'wallet.outcome', 'wallet.currency', 'wallet.audit',
                                   'wallet.hold', 'wallet.reversed', 'wallet.limit_change']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', guarded);
    END LOOP;
END
$$;
CREATE FUNCTION pg_temp.tamper(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
    by_proof text[];
    by_audit text[];
    change text;
BEGIN
    PERFORM pg_temp.unguard();
    FOREACH change IN ARRAY statements LOOP
        EXECUTE change;
    END LOOP;
    SELECT string_agg(name || ' (' || detail || ')', ', '), coalesce(array_agg(name), '{}') INTO found, by_proof FROM pg_temp.faults();
    DELETE FROM wallet.audit;
    PERFORM wallet_audit();
    by_audit := ARRAY(SELECT a.name FROM wallet.audit AS a WHERE NOT a.ok ORDER BY a.name);
    RAISE EXCEPTION USING ERRCODE = 'WVRFY', MESSAGE = concat(coalesce(found, 'nothing'),
        '; the audit not: ' || (SELECT string_agg(v, ', ') FROM unnest(by_proof) AS v WHERE v <> ALL (by_audit)),
        '; the audit also: ' || (SELECT string_agg(v, ', ') FROM unnest(by_audit) AS v WHERE v <> ALL (by_proof)));
EXCEPTION WHEN SQLSTATE 'WVRFY' THEN
    RETURN SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.tampered(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tampering (statements) VALUES (tampered.statements);
    RETURN pg_temp.tamper(VARIADIC tampered.statements);
END
$$;
\set ECHO all
