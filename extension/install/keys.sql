/* API keys, by which the HTTP server tells who may ask for what */

/*
 * A key has 256 random bits, so its SHA-256 alone tells it from every other one and leads nobody
 * back to it: neither a salt nor a slow hash would add anything.
 */
CREATE TABLE wallet.api_key (
    key_hash bytea PRIMARY KEY CHECK (octet_length(key_hash) = 32),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    scopes text[] COLLATE "C" NOT NULL CHECK (scopes <> '{}' AND scopes <@ ARRAY['read', 'transfer', 'deposit', 'capture', 'reverse', 'operator']),
    user_id bigint CHECK (user_id > 0),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    key_end text COLLATE "C" NOT NULL CHECK (key_end ~ '^[0-9a-f]{4}$'),
    expires_at timestamptz CHECK (isfinite(expires_at) AND expires_at > created_at),
    last_used_at timestamptz,
    max_amount numeric CHECK (max_amount > 0 AND max_amount <= 9223372036854775807 AND scale(max_amount) <= 8),
    requests_per_second integer CHECK (requests_per_second BETWEEN 1 AND 1000000)
);
CREATE UNIQUE INDEX api_key_name_key ON wallet.api_key (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE wallet.api_key IS 'who may ask for what over HTTP; for the owner alone';
COMMENT ON COLUMN wallet.api_key.key_hash IS 'SHA-256 of the key, which itself is kept nowhere';
COMMENT ON COLUMN wallet.api_key.name IS 'names one key that is not revoked';
COMMENT ON COLUMN wallet.api_key.user_id IS 'the only user for whom the key acts; null: for any';
COMMENT ON COLUMN wallet.api_key.key_end IS 'the last four characters of the key, by which a person knows it again';
COMMENT ON COLUMN wallet.api_key.expires_at IS 'from then on the key is as good as unknown; null: it does not expire';
COMMENT ON COLUMN wallet.api_key.last_used_at IS 'when the key was last looked up, at most an hour too early; null: never';
COMMENT ON COLUMN wallet.api_key.max_amount IS 'the most that one row of the journal may move or hold for the key, in the currency of the row; null: no bound';
COMMENT ON COLUMN wallet.api_key.requests_per_second IS 'how many requests each HTTP server takes of the key in a second; null: no bound';
COMMENT ON INDEX wallet.api_key_name_key IS 'a name is free again once its key is revoked';
SELECT pg_catalog.pg_extension_config_dump('wallet.api_key', '');

/* A key is revoked once, for good; nothing else of it changes, but when it was last used. */
CREATE TRIGGER refuse_change BEFORE UPDATE OF key_hash, name, scopes, user_id, created_at, key_end, expires_at, max_amount, requests_per_second OR DELETE OR TRUNCATE ON wallet.api_key
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE UPDATE ON wallet.api_key
    FOR EACH ROW WHEN (old.revoked_at IS NOT NULL) EXECUTE FUNCTION wallet.refuse_change();
ALTER TABLE wallet.api_key ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.api_key ENABLE ALWAYS TRIGGER refuse_row_change;

/*
 * Nothing of a key is in the text of a statement, in its parameters or in an error: so it is in no log.
 */
CREATE FUNCTION @extschema@.wallet_api_key_create(name text, scopes text[], user_id bigint DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
    max_amount numeric DEFAULT NULL, requests_per_second integer DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    key CONSTANT text := 'pgw_' || encode(wallet.random_key(), 'hex');
    created_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF coalesce(name, '') = '' THEN
        RAISE EXCEPTION 'an API key needs a name' USING ERRCODE = 'invalid_parameter_value';
    ELSIF coalesce(scopes, '{}') = '{}' THEN
        RAISE EXCEPTION 'an API key needs a scope'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The scopes are read, transfer, deposit, capture, reverse and operator.';
    ELSIF NOT scopes <@ ARRAY['read', 'transfer', 'deposit', 'capture', 'reverse', 'operator'] THEN
        RAISE EXCEPTION 'unknown scope in %', scopes
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The scopes are read, transfer, deposit, capture, reverse and operator.';
    ELSIF user_id < 1 THEN
        PERFORM wallet.refuse('id_out_of_range');
    ELSIF expires_at <= created_at THEN
        RAISE EXCEPTION 'expires_at must be in the future'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', expires_at),
                HINT = 'Leave it out for a key that does not expire.';
    ELSIF max_amount IN ('NaN', 'Infinity', '-Infinity') THEN
        PERFORM wallet.refuse('invalid_amount');
    ELSIF max_amount <= 0 THEN
        PERFORM wallet.refuse('amount_not_positive');
    ELSIF max_amount > 9223372036854775807 THEN
        PERFORM wallet.refuse('amount_too_large');
    ELSIF scale(trim_scale(max_amount)) > 8 THEN
        PERFORM wallet.refuse('amount_precision');
    ELSIF requests_per_second NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'requests_per_second must be a number from 1 to 1000000'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', requests_per_second), HINT = 'Leave it out for a key without a bound.';
    END IF;
    INSERT INTO wallet.api_key (key_hash, name, scopes, user_id, created_at, key_end, expires_at, max_amount, requests_per_second)
        VALUES (sha256(convert_to(key, 'UTF8')), wallet_api_key_create.name,
                ARRAY(SELECT DISTINCT s.scope FROM unnest(wallet_api_key_create.scopes COLLATE "C") AS s (scope) ORDER BY 1),
                wallet_api_key_create.user_id, created_at, right(key, 4), nullif(wallet_api_key_create.expires_at, 'infinity'),
                trim_scale(wallet_api_key_create.max_amount), wallet_api_key_create.requests_per_second)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is an API key named "%" already', name
            USING ERRCODE = 'duplicate_object', HINT = 'Choose another name, or revoke that key first, also where it has expired.';
    END IF;
    RETURN key;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_key_create(text, text[], bigint, timestamptz, numeric, integer) IS
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

/* The character in the middle of a hint is not in every encoding; convert_from() is not computed where it is not needed. */
CREATE FUNCTION @extschema@.wallet_api_keys()
RETURNS TABLE (name text, scopes text[], user_id bigint, created_at timestamptz, revoked_at timestamptz,
               hint text, expires_at timestamptz, last_used_at timestamptz, max_amount numeric, requests_per_second integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.name, k.scopes, k.user_id, k.created_at, k.revoked_at,
           'pgw_' || CASE WHEN getdatabaseencoding() = 'UTF8' THEN convert_from(decode('e280a6', 'hex'), 'UTF8') ELSE '...' END || k.key_end,
           k.expires_at, k.last_used_at, k.max_amount, k.requests_per_second
        FROM wallet.api_key AS k ORDER BY k.created_at, k.name
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_keys() IS 'all API keys, the revoked ones too, without anything secret';

CREATE FUNCTION wallet.is_alone() RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_is_alone';
COMMENT ON FUNCTION wallet.is_alone() IS
    'whether this statement is a transaction by itself, and has written nothing yet';

/*
 * Who calls this answers a request, which must neither wait nor fail for a note. So locks that others hold are not waited
 * for, and errors are passed over: the key is noted by a later look. Nor is the disk or a standby waited for, where nothing
 * but the note is committed: a note that a crash takes back is made again within the hour.
 */
CREATE FUNCTION wallet.note_key_use(key_hashes bytea[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    alone CONSTANT boolean := wallet.is_alone();
BEGIN
    IF alone THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    LOCK TABLE wallet.api_key IN ROW EXCLUSIVE MODE NOWAIT;
    UPDATE wallet.api_key AS k SET last_used_at = statement_timestamp()
        FROM (SELECT a.key_hash FROM wallet.api_key AS a
                  WHERE a.key_hash = ANY (note_key_use.key_hashes) AND a.revoked_at IS NULL
                      AND (a.last_used_at > statement_timestamp() - interval '1 hour') IS NOT TRUE
                  ORDER BY a.key_hash FOR NO KEY UPDATE SKIP LOCKED) AS due
        WHERE k.key_hash = due.key_hash;
EXCEPTION
    WHEN OTHERS THEN
        NULL;
END
$$;
COMMENT ON FUNCTION wallet.note_key_use(bytea[]) IS
    'notes that API keys are in use, where that was last noted an hour ago or more';

/* OFFSET 0: each key is looked up by itself, however few or many there are. */
CREATE FUNCTION @extschema@.wallet_api_key_check_many(key_hashes bytea[])
RETURNS TABLE (ordinal integer, scopes text[], user_id bigint, expires_in_ms integer, max_amount numeric, name text, requests_per_second integer)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    writes CONSTANT boolean := NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean);
    due bytea;
    all_due bytea[];
BEGIN
    FOR ordinal, scopes, user_id, expires_in_ms, max_amount, name, requests_per_second, due IN
        SELECT h.ordinal, k.scopes, k.user_id,
               CASE WHEN k.expires_at < statement_timestamp() + interval '1 minute'
                   THEN floor(extract(epoch FROM k.expires_at - statement_timestamp()) * 1000) END,
               k.max_amount, k.name, k.requests_per_second,
               CASE WHEN (k.last_used_at > statement_timestamp() - interval '1 hour') IS NOT TRUE THEN k.key_hash END
            FROM unnest(wallet_api_key_check_many.key_hashes) WITH ORDINALITY AS h (key_hash, ordinal)
                LEFT JOIN LATERAL (SELECT a.key_hash, a.scopes, a.user_id, a.expires_at, a.last_used_at, a.max_amount, a.name, a.requests_per_second FROM wallet.api_key AS a
                                       WHERE a.key_hash = h.key_hash AND a.revoked_at IS NULL
                                           AND (a.expires_at <= statement_timestamp()) IS NOT TRUE OFFSET 0) AS k ON true
            ORDER BY h.ordinal
    LOOP
        IF due IS NOT NULL THEN
            all_due := all_due || due;
        END IF;
        RETURN NEXT;
    END LOOP;
    IF writes AND all_due IS NOT NULL THEN
        PERFORM wallet.note_key_use(all_due);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_api_key_check_many(bytea[]) IS
    'what each key may do, by its SHA-256, what it is called, up to which amount, how often in a second, and within how many milliseconds it expires, where that is less than a minute; nulls where it is unknown, revoked or expired';
