-- Of several faults of a payload the first in the order of docs/codes.md is told: by a direct call, by the queue, by
-- the shim's way into it, and by a dry run.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

CREATE FUNCTION pg_temp.direct(legs text, key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM wallet_group(legs::jsonb, idempotency_key => key);
    RETURN 'processed';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
-- The same words where all ways agree, otherwise what each of them says.
CREATE FUNCTION pg_temp.told(kind text, payload text, key text = NULL) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN count(DISTINCT word) = 1 THEN max(word) ELSE string_agg(way || ' ' || word, ', ' ORDER BY way) END
        FROM (
            SELECT 'queue', q.code || ': ' || q.message FROM wallet_enqueue_many(ARRAY[kind], ARRAY[payload], ARRAY[key]) AS q
            UNION ALL
            SELECT 'shim', q.code || ': ' || q.message
                FROM wallet_enqueue_utf8(ARRAY[kind], ARRAY[convert_to(payload, 'UTF8')], ARRAY[convert_to(key, 'UTF8')]) AS q
            UNION ALL
            SELECT 'dry run', concat_ws(': ', d ->> 'code', d ->> 'message') FROM wallet_dry_run(kind, payload::json) AS d WHERE key IS NULL
        ) AS ways (way, word)
$$;
CREATE FUNCTION pg_temp.legs_told(legs text, key text = NULL) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN substr(direct, 8) = regexp_replace(queued, '^\w+: ', '') THEN queued ELSE concat_ws(', ', queued, 'direct ' || direct) END
        FROM (SELECT pg_temp.told('group', format('{"user_id":1,"legs":[%s]}', legs), key), pg_temp.direct(format('[%s]', legs), key)) AS ways (queued, direct)
$$;

-- Legs that have one fault each, by its code: what is read, and what the whole of a leg says.
CREATE TEMPORARY TABLE leg (n integer, fault text, json text);
INSERT INTO leg VALUES
    (1, 'member', '{"kind":"deposit","wallet_id":1,"amount":1,"color":1}'),
    (2, 'missing', '{"kind":"deposit","wallet_id":1}'),
    (3, 'type', '{"kind":"deposit","wallet_id":[],"amount":1}'),
    (4, 'amount', '{"kind":"deposit","wallet_id":1,"amount":"x"}'),
    (5, 'legs', '{"kind":"wallet_read","wallet_id":1}'),
    (6, 'split', '{"kind":"transaction","source_wallet_id":1,"amount":5,"split":[{"dest_wallet_id":2,"parts_per_million":5}]}'),
    (7, 'split, read', '{"kind":"transaction","source_wallet_id":1,"amount":5,"split":[]}'),
    (8, 'mode', '{"kind":"withdrawal","wallet_id":1,"amount":5,"amount_mode":"all"}'),
    (9, 'mode, read', '{"kind":"withdrawal","wallet_id":1,"amount":5,"amount_mode":"x"}'),
    (10, 'shortfall, read', '{"kind":"reversal","transfer_id":1,"shortfall":"x"}'),
    (11, 'expiry', '{"kind":"hold","source_wallet_id":1,"amount":1,"expires_in":0}'),
    (12, 'not positive', '{"kind":"deposit","wallet_id":1,"amount":0}'),
    (13, 'same', '{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":1,"amount":1}'),
    (14, 'max_capture', '{"kind":"hold","source_wallet_id":1,"amount":2,"max_capture":1}'),
    (15, 'precision, read', '{"kind":"deposit","wallet_id":1,"amount":0.000000001}'),
    (16, 'too large, read', '{"kind":"deposit","wallet_id":1,"amount":9223372036854775808}');
SELECT n, fault, pg_temp.legs_told(json) AS told FROM leg ORDER BY n;
-- Two legs: the first of both codes in either order; but an amount that no currency could hold is told before any rule.
SELECT a.fault, b.fault AS other, t.told, t.told <> replace(replace(replace(o.told, 'legs[0]', 'legs[x]'), 'legs[1]', 'legs[0]'), 'legs[x]', 'legs[1]') AS turned
    FROM leg AS a JOIN leg AS b ON a.n < b.n,
        pg_temp.legs_told(a.json || ',' || b.json) AS t (told), pg_temp.legs_told(b.json || ',' || a.json) AS o (told)
    ORDER BY a.n, b.n;
-- One leg.
SELECT n, pg_temp.legs_told(json) AS told
    FROM (VALUES
        (1, '{"kind":"transaction","source_wallet_id":1,"amount":5,"amount_mode":"x","split":[{"dest_wallet_id":2,"parts_per_million":5}]}'),
        (2, '{"kind":"transaction","source_wallet_id":1,"amount":5,"amount_mode":"x","split":[{"dest_wallet_id":2,"rest":true}]}'),
        (3, '{"kind":"transaction","source_wallet_id":1,"amount":5,"amount_mode":"x","split":[{"dest_wallet_id":2,"amount":0},{"dest_wallet_id":3,"rest":true}]}'),
        (4, '{"kind":"transaction","source_wallet_id":1,"amount":5,"amount_mode":"x","split":[{"dest_wallet_id":2,"amount":9223372036854775808}]}'),
        (5, '{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":1,"amount":9223372036854775808,"amount_mode":"x"}'),
        (6, '{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":9223372036854775808,"amount_mode":"all"}'),
        (7, '{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount_mode":"x"}'),
        (8, '{"kind":"reversal","transfer_id":1,"amount":0,"shortfall":"x"}')) AS v (n, json)
    ORDER BY n;
-- Requests that are no groups.
SELECT kind, payload, pg_temp.told(kind, payload) AS told
    FROM (VALUES
        (1, 'wallet', '{"user_id":1,"amount":-1,"currency":"dollars"}'),
        (2, 'wallet', '{"user_id":1,"amount":1,"currency":"dollars"}'),
        (3, 'wallet', '{"user_id":1,"amount":"x","currency":"dollars"}'),
        (4, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":1,"trans_sum":0,"amount_mode":"x"}'),
        (5, 'reversal', '{"user_id":1,"transfer_id":1,"amount":0,"shortfall":"x"}')) AS v (n, kind, payload)
    ORDER BY n;
-- An idempotency key that cannot be one stands among them.
SELECT n, fault, pg_temp.legs_told(json, '') AS told FROM leg ORDER BY n;
SELECT kind, payload, pg_temp.told(kind, payload, '') AS told
    FROM (VALUES
        (1, 'wallet', '{"user_id":1,"amount":"x"}'),
        (2, 'wallet', '{"user_id":1,"currency":"dollars"}'),
        (3, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":1,"trans_sum":0,"amount_mode":"x"}'),
        (4, 'capture', '{"user_id":1,"hold_handshake_id":"0"}')) AS v (n, kind, payload)
    ORDER BY n;
-- So does one that is no UTF-8.
SELECT q.code FROM wallet_enqueue_utf8('{capture,capture}', ARRAY[convert_to('{"user_id":1,"hold_handshake_id":"0"}', 'UTF8'), convert_to('{"user_id":1,"hold_id":0}', 'UTF8')],
    ARRAY['\xff'::bytea, '\xff'::bytea]) AS q ORDER BY q.ordinal;
SELECT count(*) AS queued FROM wallet.request;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
