-- The queue with all kinds: holds named by handshakes, groups, deadlines, and what lookups tell.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
-- What the handshake of a request tells: state or code, and what it moved.
CREATE FUNCTION pg_temp.tell(kind text, user_id bigint, handshake text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', coalesce(l.code, l.state), 'transfer ' || l.transfer_id, l.source_wallet_id || '->', l.destination_wallet_id, 'amount ' || l.amount,
                     'link ' || l.link_id, 'group ' || l.group_id, 'leg ' || l.leg, 'kind ' || l.kind)
        FROM wallet_lookup_many(ARRAY[kind], ARRAY[user_id], ARRAY[handshake]) AS l
$$;
SELECT wallet_id FROM wallet_create(1, 1000), LATERAL wallet_create(2, 0) AS w (w2), LATERAL wallet_create(3, 0) AS v (w3);
SELECT w.wallet_id, w.balance, w.held FROM wallet.wallet AS w ORDER BY 1;

-- A hold and what names it by its handshake, queued at once.
SELECT wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":100,"max_capture":120}') AS hold \gset
SELECT wallet_enqueue('capture', json_build_object('user_id', 2, 'hold_handshake_id', :'hold', 'amount', 40, 'final', false)) AS capture \gset
SELECT wallet_enqueue('hold_extend', json_build_object('user_id', 1, 'hold_handshake_id', :'hold', 'amount', 110)) AS extend \gset
SELECT wallet_enqueue('void', json_build_object('user_id', 2, 'hold_handshake_id', :'hold', 'amount', 10)) AS void \gset
SELECT wallet_enqueue('capture', json_build_object('user_id', 2, 'hold_handshake_id', :'hold')) AS rest \gset
SELECT wallet_enqueue('capture', json_build_object('user_id', 2, 'hold_handshake_id', :'hold')) AS again \gset
SELECT pg_temp.tell('hold', 1, :'hold'), pg_temp.tell('capture', 2, :'capture');
SELECT wallet_process();
SELECT pg_temp.tell('hold', 1, :'hold');
SELECT pg_temp.tell('capture', 2, :'capture');
SELECT pg_temp.tell('hold_extend', 1, :'extend');
SELECT pg_temp.tell('void', 2, :'void');
SELECT pg_temp.tell('capture', 2, :'rest');
SELECT pg_temp.tell('capture', 2, :'again');
SELECT w.wallet_id, w.balance, w.held FROM wallet.wallet AS w ORDER BY 1;

-- Who may is judged as with hold_id, and the handshake opens nothing.
SELECT wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":10}') AS hold \gset
SELECT wallet_enqueue('capture', json_build_object('user_id', 1, 'hold_handshake_id', :'hold')) AS by_payer \gset
SELECT wallet_enqueue('void', json_build_object('user_id', 3, 'hold_handshake_id', :'hold')) AS by_stranger \gset
SELECT wallet_enqueue('void', json_build_object('hold_handshake_id', :'hold')) AS by_operator \gset
SELECT wallet_process();
SELECT pg_temp.tell('capture', 1, :'by_payer'), pg_temp.tell('void', 3, :'by_stranger'), pg_temp.tell('void', 0, :'by_operator');

-- A hold that was refused, what is no hold, and what nobody has sealed.
SELECT wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":5000}') AS refused \gset
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') AS deposit \gset
SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"hold","source_wallet_id":1,"dest_wallet_id":2,"amount":1}]}') AS in_group \gset
SELECT name, wallet_enqueue('capture', json_build_object('user_id', 2, 'hold_handshake_id', handshake)) AS handshake INTO TEMPORARY asked
    FROM (VALUES (1, 'refused', :'refused'), (2, 'a deposit', :'deposit'), (3, 'of a group', :'in_group'), (4, 'forged', repeat('0', 64)),
        (5, 'another tag', overlay(:'hold' PLACING translate(left(:'hold', 1), '0123456789abcdef', '123456789abcdef0') FROM 1))) AS v (n, name, handshake)
    ORDER BY n;
SELECT wallet_process();
SELECT name, pg_temp.tell('capture', 2, handshake) FROM asked;

-- Groups: all or none, with the leg that failed, and the rows.
SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"trans_sum":10,"split":[{"dest_wallet_id":2,"parts_per_million":333333},{"dest_wallet_id":3,"rest":true}]},
    {"kind":"fee","source_wallet_id":1,"dest_wallet_id":3,"amount":0.5},{"kind":"hold","source_wallet_id":1,"dest_wallet_id":3,"amount":7},{"kind":"withdrawal","wallet_id":1,"amount":2}]}', 'once') AS good \gset
SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10},{"kind":"fee","source_wallet_id":1,"dest_wallet_id":9,"amount":0.5}]}') AS bad \gset
SELECT wallet_process();
SELECT pg_temp.tell('group', 1, :'good'), pg_temp.tell('group', 1, :'bad');
SELECT jsonb_pretty(rows -> 0) AS first, jsonb_array_length(rows) AS rows, (SELECT string_agg(concat_ws(' ', r ->> 'kind', r ->> 'amount'), ', ') FROM jsonb_array_elements(rows) AS r)
    FROM wallet_lookup('group', 1, :'good');
SELECT info.state, info.code, info.leg FROM wallet_lookup('group', 1, :'bad') AS info;
-- Once means once: the same legs in other words, other legs, and a deadline more.
SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"amount":"10.00","split":[{"dest_wallet_id":2,"parts_per_million":333333},{"dest_wallet_id":3,"rest":true}]},
    {"kind":"fee","source_wallet_id":1,"dest_wallet_id":3,"amount":0.5},{"kind":"hold","source_wallet_id":1,"dest_wallet_id":3,"amount":7},{"kind":"withdrawal","wallet_id":1,"amount":2}],"valid_until":"2999-01-01"}', 'once') = :'good' AS same;
SELECT pg_temp.attempt($$SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"withdrawal","wallet_id":1,"amount":2}]}', 'once')$$);
SELECT wallet_enqueue('group_reversal', json_build_object('user_id', 1, 'group_id', (wallet_lookup('group', 1, :'good')).group_id)) AS by_payer \gset
SELECT wallet_enqueue('group_reversal', json_build_object('group_id', (wallet_lookup('group', 1, :'good')).group_id, 'keep_fees', true)) AS back \gset
SELECT wallet_process();
SELECT pg_temp.tell('group_reversal', 1, :'by_payer'), pg_temp.tell('group_reversal', 0, :'back');
SELECT r ->> 'kind' AS kind, r -> 'amount' AS amount, r -> 'link_id' IS NOT NULL AS linked FROM wallet_lookup('group_reversal', 0, :'back') AS l, jsonb_array_elements(l.rows) AS r;

-- What was moved, where the request leaves that open.
SELECT wallet_enqueue('transaction', '{"user_id":2,"source_wallet_id":2,"dest_wallet_id":3,"trans_sum":500,"amount_mode":"up_to"}') AS up_to \gset
SELECT wallet_enqueue('withdrawal', '{"user_id":3,"wallet_id":3,"amount_mode":"all"}') AS everything \gset
SELECT wallet_process();
SELECT pg_temp.tell('transaction', 2, :'up_to'), pg_temp.tell('withdrawal', 3, :'everything');

-- Deadlines: on time at the very moment, and refused after it.
SELECT wallet_enqueue('deposit', json_build_object('user_id', 1, 'wallet_id', 1, 'amount', 1, 'valid_until', wallet.clock() + interval '1 hour'), 'in time') AS in_time \gset
SELECT wallet_enqueue('deposit', json_build_object('user_id', 1, 'wallet_id', 9, 'amount', 1, 'valid_until', wallet.clock() + interval '1 hour')) AS nowhere \gset
SET pg_wallet.clock_offset = '2 hours';
SELECT wallet_process();
SELECT pg_temp.tell('deposit', 1, :'in_time'), pg_temp.tell('deposit', 1, :'nowhere');
-- A key gives the first result however late it comes; another request is refused, and nothing of it is kept.
SELECT count(*) AS before FROM wallet.request \gset
SELECT wallet_enqueue('deposit', json_build_object('user_id', 1, 'wallet_id', 1, 'amount', 1, 'valid_until', wallet.clock() - interval '1 hour'), 'in time') = :'in_time' AS same;
SELECT pg_temp.attempt($$SELECT wallet_enqueue('deposit', json_build_object('user_id', 1, 'wallet_id', 1, 'amount', 1, 'valid_until', wallet.clock() - interval '1 us'), 'free')$$);
SELECT ordinal, code, message FROM wallet_enqueue_many('{deposit}', ARRAY[json_build_object('user_id', 1, 'wallet_id', 1, 'amount', 1, 'valid_until', '2020-01-01')::text], '{free}');
SELECT count(*) - :before AS stored FROM wallet.request;
SELECT count(*) FROM wallet.idempotency_key WHERE key = 'free';
SELECT wallet_enqueue('hold', json_build_object('user_id', 1, 'source_wallet_id', 1, 'amount', 1, 'expires_at', wallet.clock() + interval '1 hour'), 'a hold') AS held \gset
SET pg_wallet.clock_offset = '4 hours';
SELECT wallet_process();
SELECT pg_temp.tell('hold', 1, :'held');
SELECT wallet_enqueue('hold', json_build_object('user_id', 1, 'source_wallet_id', 1, 'amount', 1, 'expires_at', (SELECT wallet.request_extra(extra) ->> 'expires_at' FROM wallet.request ORDER BY request_id DESC LIMIT 1)), 'a hold') = :'held' AS same;
RESET pg_wallet.clock_offset;

-- A request that nobody can read is refused, and the others go on.
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') AS sound \gset
INSERT INTO wallet.request (request_id, user_id, destination_wallet_id, amount, amount_scale, enqueued_at, kind, extra)
    SELECT nextval('wallet.request_id_seq'), 1, 1, 1, 0, now(), kind, extra FROM (VALUES (3, '\xff'::bytea), (3, '\x0102'), (13, '\x'), (13, '\x4102'), (8, '\x40'), (3, '\x4101000103')) AS v (kind, extra);
SELECT wallet_process();
SELECT pg_temp.tell('deposit', 1, :'sound');
SELECT encode(r.extra, 'hex') AS extra, r.kind, o.code FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id) ORDER BY r.request_id DESC LIMIT 6;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
