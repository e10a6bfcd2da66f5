-- The payloads of all kinds: what is read, and what is refused for which member.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
-- What is told of a payload: its refusal, or what is stored of it.
CREATE FUNCTION pg_temp.read(kind text, payload text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    message text;
    stored text;
BEGIN
    SELECT q.code, q.message INTO code, message FROM wallet_enqueue_utf8(ARRAY[kind], ARRAY[convert_to(payload, 'UTF8')]) AS q;
    IF code IS NOT NULL THEN
        RETURN format('%s: %s', code, message);
    END IF;
    SELECT concat_ws(' ', r.source_wallet_id, '->', r.destination_wallet_id, wallet.amount_text(r.amount, r.amount_scale), wallet.request_extra(r.extra))
        INTO stored FROM wallet.request AS r ORDER BY r.request_id DESC LIMIT 1;
    RETURN stored;
END
$$;
CREATE FUNCTION pg_temp.handshake(digit text) RETURNS text LANGUAGE sql AS $$ SELECT repeat(digit, 64) $$;

-- A plain transfer takes no byte more.
SELECT pg_temp.read('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":3}');
SELECT octet_length(extra), extra FROM wallet.request;

SELECT kind, payload, pg_temp.read(kind, payload)
    FROM (VALUES
        -- modes
        (1, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":"3.50","amount_mode":"up_to"}'),
        (2, 'withdrawal', '{"amount_mode":"all","user_id":1,"wallet_id":1}'),
        (3, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount":1,"amount_mode":"all"}'),
        (4, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount_mode":"up_to"}'),
        (5, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount":1,"amount_mode":"ALL"}'),
        (6, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount":1,"amount_mode":1}'),
        (7, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"amount_mode":"exact"}'),
        -- holds
        (11, 'hold', '{"user_id":1,"source_wallet_id":1,"amount":5}'),
        (12, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"max_capture":7.5,"expires_in":"2 days 3:00"}'),
        (13, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":0.5}'),
        (14, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":"P1M"}'),
        (15, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_at":"infinity"}'),
        (16, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_at":"2999-12-31T23:30:00.25-01:30"}'),
        (17, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_at":"2026-02-30"}'),
        (18, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_at":"tomorrow"}'),
        (19, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_at":"2020-01-01"}'),
        (20, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":0}'),
        (21, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":-1}'),
        (22, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":"-2 days"}'),
        (23, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":"soon"}'),
        (24, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":1e3}'),
        (25, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":99999999999999999999}'),
        (26, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"expires_in":5,"expires_at":"2999-01-01"}'),
        (27, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"max_capture":4.99}'),
        (28, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5,"amount_mode":"exact"}'),
        (29, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":null,"amount":5}'),
        -- what names a hold
        (31, 'capture', '{"user_id":1,"hold_id":7}'),
        (32, 'capture', '{"user_id":1,"hold_id":7,"amount":2.5,"final":false}'),
        (33, 'capture', '{"user_id":1,"hold_id":7,"final":"false"}'),
        (34, 'capture', format('{"user_id":1,"hold_handshake_id":"%s"}', pg_temp.handshake('a'))),
        (35, 'capture', format('{"user_id":1,"hold_handshake_id":"%s"}', pg_temp.handshake('A'))),
        (36, 'capture', format('{"user_id":1,"hold_handshake_id":"%s","hold_id":7}', pg_temp.handshake('a'))),
        (37, 'capture', '{"user_id":1}'),
        (38, 'void', '{"user_id":1,"hold_id":7,"amount":0}'),
        (39, 'void', '{"user_id":1,"hold_id":7,"final":true}'),
        (40, 'hold_extend', '{"user_id":1,"hold_id":7}'),
        (41, 'hold_extend', '{"user_id":1,"hold_id":7,"expires_in":60}'),
        (42, 'void', '{"user_id":1,"hold_id":1.5}'),
        -- reversals
        (51, 'reversal', '{"user_id":1,"transfer_id":9,"amount":1,"shortfall":"available"}'),
        (52, 'reversal', '{"user_id":1,"transfer_id":9,"shortfall":"some"}'),
        (53, 'reversal', '{"user_id":1}'),
        (54, 'group_reversal', '{"user_id":1,"group_id":9,"keep_fees":true}'),
        (55, 'group_reversal', '{"user_id":1,"group_id":9,"keep_fees":1}'),
        -- deadlines
        (61, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2999-01-01 00:00:00Z"}'),
        (62, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"infinity"}'),
        (63, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":32472144000}'),
        (64, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2020-01-01"}'),
        (65, 'wallet_read', '{"user_id":1,"wallet_id":1,"valid_until":"2999-01-01"}'),
        -- the amount that is meant
        (66, 'hold', '{"user_id":1,"source_wallet_id":1,"amount":1,"max_capture":0}'),
        (67, 'hold', '{"user_id":1,"source_wallet_id":1,"amount":-1,"max_capture":0}'),
        -- kinds that nobody may ask for
        (71, 'fee', '{"source_wallet_id":1,"dest_wallet_id":2,"amount":1}'),
        (72, 'expiry', '{"user_id":1}'),
        (73, 'sweep', '{"user_id":1}')) AS v (n, kind, payload)
    ORDER BY n;

-- Groups.
SELECT legs, pg_temp.read('group', format('{"user_id":1,"legs":%s}', legs))
    FROM (VALUES
        (1, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"trans_sum":3},{"amount":1,"source_wallet_id":2,"dest_wallet_id":3,"kind":"fee"}]'),
        (2, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":3,"amount_mode":"up_to"}]'),
        (3, '[{"kind":"hold","source_wallet_id":1,"amount":3,"expires_in":5},{"kind":"capture","hold_id":9,"final":false},{"kind":"reversal","transfer_id":8,"shortfall":"available"}]'),
        (4, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":250000},{"dest_wallet_id":3,"rest":true},{"dest_wallet_id":4,"amount":"0.5"}]}]'),
        (5, '[]'),
        (6, '{}'),
        (7, '[1]'),
        (8, '[{}]'),
        (9, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"trans_sum":3},{"kind":"nothing"}]'),
        (10, '[{"kind":"group","legs":[]}]'),
        (11, '[{"kind":7}]'),
        (12, '[{"kind":"deposit","kind":"deposit","wallet_id":1,"amount":1}]'),
        (13, '[{"kind":"deposit","wallet_id":1,"amount":1,"user_id":1}]'),
        (14, '[{"kind":"deposit","wallet_id":1,"amount":1,"valid_until":"2999-01-01"}]'),
        (15, format('[{"kind":"void","hold_handshake_id":"%s"}]', pg_temp.handshake('a'))),
        (16, '[{"kind":"deposit","wallet_id":1,"amount":1},{"kind":"deposit","wallet_id":"x","amount":1}]'),
        (17, '[{"kind":"deposit","wallet_id":1,"amount":1},{"kind":"deposit","wallet_id":1,"amount":0}]'),
        (18, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":3,"trans_sum":3}]'),
        (19, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":1,"trans_sum":-3}]'),
        (20, '[{"kind":"transaction","source_wallet_id":1,"amount":3}]'),
        (21, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":3,"split":[{"dest_wallet_id":2,"rest":true}]}]'),
        (22, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[]}]'),
        (23, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":{"rest":true}}]'),
        (24, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true,"amount":1}]}]'),
        (25, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true},{"dest_wallet_id":3,"rest":true}]}]'),
        (26, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":1000}]}]'),
        (27, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":0},{"dest_wallet_id":3,"rest":true}]}]'),
        (28, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":1000001},{"dest_wallet_id":3,"rest":true}]}]'),
        (29, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":1.5},{"dest_wallet_id":3,"rest":true}]}]'),
        (30, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"rest":true}]}]'),
        (31, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true,"share":1}]}]'),
        (32, '[{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true,"rest":true}]}]'),
        (33, '[{"kind":"fee","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true}]}]'),
        -- of several faults the one whose code stands first
        (34, '[{"kind":"deposit","wallet_id":0,"amount":"x"},{"kind":"deposit","wallet_id":1},{"kind":"deposit","wallet_id":1,"amount":1,"x":1}]'),
        (35, '[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":1,"amount":1},{"kind":"deposit","wallet_id":1,"amount":0}]'),
        -- Both are refused while they are read, whether the parts are too few or too many.
        (36, '[{"kind":"deposit","wallet_id":1,"amount":92233720368547758.08},{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":0},{"dest_wallet_id":3,"rest":true}]}]'),
        (37, '[{"kind":"deposit","wallet_id":1,"amount":92233720368547758.08},{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"parts_per_million":1000001},{"dest_wallet_id":3,"rest":true}]}]'),
        (38, '[{"kind":"deposit","wallet_id":1,"amount":1},{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true},{"dest_wallet_id":3,"amount":0}]}]'),
        (39, '[{"kind":"hold","source_wallet_id":1,"amount":3,"max_capture":0}]')) AS v (n, legs)
    ORDER BY n;
-- A split stands in a leg alone.
SELECT pg_temp.read('transaction', '{"user_id":1,"source_wallet_id":1,"trans_sum":3,"split":[{"dest_wallet_id":2,"rest":true}]}');

-- 64 legs, the shares of splits among them.
CREATE FUNCTION pg_temp.legs(legs integer, shares integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('{"user_id":1,"legs":[%s]}', concat_ws(',',
        (SELECT string_agg('{"kind":"deposit","wallet_id":1,"amount":1}', ',') FROM generate_series(1, legs)),
        CASE WHEN shares > 0 THEN format('{"kind":"transaction","source_wallet_id":1,"amount":3,"split":[{"dest_wallet_id":2,"rest":true}%s]}',
            (SELECT string_agg(',{"dest_wallet_id":2,"amount":1}', '') FROM generate_series(2, shares))) END))
$$;
SELECT legs, shares, left(pg_temp.read('group', pg_temp.legs(legs, shares)), 80)
    FROM (VALUES (64, 0), (65, 0), (0, 64), (0, 65), (60, 4), (60, 5), (100000, 0), (1, 20000)) AS v (legs, shares);

-- Who may leave out user_id.
CREATE ROLE regress_payload_client;
CREATE ROLE regress_payload_operator;
SELECT wallet_grant('regress_payload_client', 'client'), wallet_grant('regress_payload_operator', 'operator');
SET ROLE regress_payload_client;
SELECT pg_temp.attempt($$SELECT wallet_enqueue('deposit', '{"wallet_id":1,"amount":1}')$$);
SELECT code, message FROM wallet_enqueue_many('{deposit}', ARRAY['{"wallet_id":1,"amount":1}']);
SELECT length(wallet_enqueue('reversal', '{"user_id":1,"transfer_id":1}'));
SET ROLE regress_payload_operator;
SELECT length(wallet_enqueue('deposit', '{"wallet_id":1,"amount":1}', 'a key')) AS handshake;
SELECT ordinal, length(handshake_id), code, message FROM wallet_enqueue_many('{deposit,wallet,reversal}', ARRAY['{"wallet_id":1,"amount":1}', '{"amount":1}', '{"user_id":1,"transfer_id":1}']);
RESET ROLE;
SELECT user_id, wallet.kind_name(kind), wallet.request_extra(extra) FROM wallet.request ORDER BY request_id DESC LIMIT 4;
SELECT user_id, key FROM wallet.idempotency_key;
-- The shim tells what its askers may.
SELECT ordinal, length(handshake_id), code, message
    FROM wallet_enqueue_utf8(array_fill('reversal'::text, ARRAY[6]), array_fill('{"transfer_id":1}'::bytea, ARRAY[5]) || '{"user_id":3,"transfer_id":1}'::bytea,
            NULL, '{0,1,3,NULL,1,2}', '{NULL,NULL,10.50,1,x,0.01}');
SELECT user_id, wallet.request_extra(extra) FROM wallet.request ORDER BY request_id DESC LIMIT 3;

-- Bytes that nobody has packed.
SELECT bytes, pg_temp.attempt(format('SELECT wallet.request_extra(%L)', bytes))
    FROM (VALUES ('\x'::bytea), ('\x00'), ('\x01'), ('\x0100'), ('\x0180'), ('\x018000'), ('\x0102'), ('\x01020102'), ('\x0201'), ('\x0200'), ('\x0209'),
        ('\x40'), ('\x41'), ('\x4100'), ('\x410100'), ('\x41010001'), ('\x4101000101'), ('\x4101000102'), ('\x4101000103'), ('\x41ffffffffffffffffff01'),
        ('\x07090102'), ('\x0902'), ('\x09ffffffffffffffffff01'), ('\xff')) AS v (bytes);

DROP OWNED BY regress_payload_client, regress_payload_operator;
DROP ROLE regress_payload_client, regress_payload_operator;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
