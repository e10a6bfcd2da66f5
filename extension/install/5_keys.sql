/* Part 5: API keys, by which the HTTP server tells who may ask for what */

/*
 * A key has 256 random bits, so its SHA-256 alone tells it from every other one and leads nobody
 * back to it: neither a salt nor a slow hash would add anything.
 */
CREATE TABLE wallet.api_key (
    key_hash bytea PRIMARY KEY CHECK (octet_length(key_hash) = 32),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    scopes text[] COLLATE "C" NOT NULL CHECK (scopes <> '{}' AND scopes <@ ARRAY['read', 'transfer', 'deposit', 'operator']),
    user_id bigint CHECK (user_id > 0),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX api_key_name_key ON wallet.api_key (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE wallet.api_key IS 'who may ask for what over HTTP; for the owner alone';
COMMENT ON COLUMN wallet.api_key.key_hash IS 'SHA-256 of the key, which itself is kept nowhere';
COMMENT ON COLUMN wallet.api_key.name IS 'names one key that is not revoked';
COMMENT ON COLUMN wallet.api_key.user_id IS 'the only user for whom the key acts; null: for any';
COMMENT ON INDEX wallet.api_key_name_key IS 'a name is free again once its key is revoked';
SELECT pg_catalog.pg_extension_config_dump('wallet.api_key', '');

/* A key is revoked once, for good; nothing else of it changes. */
CREATE TRIGGER refuse_change BEFORE UPDATE OF key_hash, name, scopes, user_id, created_at OR DELETE OR TRUNCATE ON wallet.api_key
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE UPDATE ON wallet.api_key
    FOR EACH ROW WHEN (old.revoked_at IS NOT NULL) EXECUTE FUNCTION wallet.refuse_change();
ALTER TABLE wallet.api_key ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.api_key ENABLE ALWAYS TRIGGER refuse_row_change;

/*
 * Nothing of a key is in the text of a statement, in its parameters or in an error: so it is in no log.
 */
CREATE FUNCTION @extschema@.wallet_api_key_create(name text, scopes text[], user_id bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT text := 'pgw_' || encode(wallet.random_key(), 'hex');
BEGIN
    IF coalesce(name, '') = '' THEN
        RAISE EXCEPTION 'an API key needs a name' USING ERRCODE = 'invalid_parameter_value';
    ELSIF (scopes <> '{}' AND scopes <@ ARRAY['read', 'transfer', 'deposit', 'operator']) IS NOT TRUE THEN
        RAISE EXCEPTION 'unknown scope in %', coalesce(scopes::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The scopes are read, transfer, deposit and operator.';
    ELSIF user_id < 1 THEN
        PERFORM wallet.refuse('id_out_of_range');
    END IF;
    INSERT INTO wallet.api_key (key_hash, name, scopes, user_id, created_at)
        VALUES (sha256(convert_to(key, 'UTF8')), wallet_api_key_create.name,
                ARRAY(SELECT DISTINCT s.scope FROM unnest(wallet_api_key_create.scopes COLLATE "C") AS s (scope) ORDER BY 1),
                wallet_api_key_create.user_id, clock_timestamp())
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is an API key named "%" already', name
            USING ERRCODE = 'duplicate_object', HINT = 'Choose another name, or revoke that key first.';
    END IF;
    RETURN key;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_key_create(text, text[], bigint) IS
    'makes an API key and returns it, the only time that it can be seen';

CREATE FUNCTION @extschema@.wallet_api_key_revoke(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    UPDATE wallet.api_key AS k SET revoked_at = clock_timestamp()
        WHERE k.name = wallet_api_key_revoke.name AND k.revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no API key named "%"', name
            USING ERRCODE = 'undefined_object', HINT = 'wallet_api_keys() lists the keys.';
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_key_revoke(text) IS
    'ends an API key for good; a running HTTP server follows within a second of the commit';

CREATE FUNCTION @extschema@.wallet_api_keys()
RETURNS TABLE (name text, scopes text[], user_id bigint, created_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.name, k.scopes, k.user_id, k.created_at, k.revoked_at
        FROM wallet.api_key AS k ORDER BY k.created_at, k.name
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_keys() IS 'all API keys, the revoked ones too, without anything secret';

/* OFFSET 0: each key is looked up by itself, however few or many there are. */
CREATE FUNCTION @extschema@.wallet_api_key_check_many(key_hashes bytea[])
RETURNS TABLE (ordinal integer, scopes text[], user_id bigint)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
    SELECT h.ordinal::integer, k.scopes, k.user_id
        FROM unnest(key_hashes) WITH ORDINALITY AS h (key_hash, ordinal)
            LEFT JOIN LATERAL (SELECT * FROM wallet.api_key AS a
                                   WHERE a.key_hash = h.key_hash AND a.revoked_at IS NULL OFFSET 0) AS k ON true
        ORDER BY h.ordinal
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_key_check_many(bytea[]) IS
    'what each key may do, by its SHA-256; nulls where it is unknown or revoked';
