-- The queue: from wallet_enqueue through wallet_process to wallet_lookup.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
CREATE FUNCTION pg_temp.show(kind text, user_id bigint, handshake text)
RETURNS TABLE (state text, code text, message text, wallet_id bigint, wallet_status text, amount numeric, currency text,
               transfer_id bigint, source bigint, destination bigint)
LANGUAGE sql AS $$
    SELECT l.state, l.code, l.message, l.wallet_id, l.wallet_status, l.amount, l.currency, l.transfer_id, l.source_wallet_id, l.destination_wallet_id
        FROM wallet_lookup(kind, user_id, handshake) AS l
$$;

-- Nothing queued, nothing posted.
SELECT wallet_process();

-- Not from a snapshot that may be older than what others have posted.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT wallet_process();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.attempt('SELECT wallet_process()');
ROLLBACK;
SELECT queued, oldest_age, worker_pid, posted, gaps FROM wallet.queue;

-- Queued: durable, and nothing has happened yet.
SELECT wallet_enqueue('wallet', '{"user_id":1,"amount":7100}') AS first \gset
SELECT wallet_enqueue('wallet', '{"user_id":2,"amount":0.5}') AS second \gset
SELECT * FROM pg_temp.show('wallet', 1, :'first');
SELECT queued, oldest_age > '0' AS ages FROM wallet.queue;
SELECT count(*) FROM wallet.wallet;

SELECT wallet_process();
SELECT * FROM pg_temp.show('wallet', 1, :'first');
SELECT * FROM pg_temp.show('wallet', 2, :'second');
SELECT queued FROM wallet.queue;
SELECT wallet_process();

-- A payment, a deposit and a withdrawal.
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":777.88}') AS payment \gset
SELECT wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":1}') AS deposit \gset
SELECT wallet_enqueue('withdrawal', '{"user_id":2,"wallet_id":2,"amount":"2.00"}') AS withdrawal \gset
SELECT wallet_process();
SELECT * FROM pg_temp.show('transaction', 1, :'payment');
SELECT * FROM pg_temp.show('deposit', 2, :'deposit');
SELECT * FROM pg_temp.show('withdrawal', 2, :'withdrawal');
SELECT wallet_id, amount FROM wallet_get(1) UNION ALL SELECT wallet_id, amount FROM wallet_get(2);

-- The handshake of a new wallet reads the wallet as it is now.
SELECT * FROM pg_temp.show('wallet', 1, :'first');

-- Who asks for the wrong kind, as another user or with a handshake that is not one learns nothing.
SELECT who, pg_temp.attempt(format('SELECT wallet_lookup(%L, %L, %L)', kind, user_id, handshake)) FROM (VALUES
    (1, 'as another user', 'transaction', 2, :'payment'),
    (2, 'as nobody', 'transaction', NULL, :'payment'),
    (3, 'as another kind', 'wallet', 1, :'payment'),
    (4, 'as no kind', 'payment', 1, :'payment'),
    (5, 'one digit off at the end', 'transaction', 1, left(:'payment', 63) || CASE right(:'payment', 1) WHEN '0' THEN '1' ELSE '0' END),
    (6, 'one digit off at the start', 'transaction', 1, CASE left(:'payment', 1) WHEN '0' THEN '1' ELSE '0' END || substr(:'payment', 2)),
    (7, 'in capitals', 'transaction', 1, translate(:'payment', '0123456789abcdef', 'ABCDEFABCDEFABCD')),
    (8, 'cut', 'transaction', 1, left(:'payment', 63)),
    (9, 'with more', 'transaction', 1, :'payment' || '0'),
    (10, 'empty', 'transaction', 1, ''),
    (11, 'null', 'transaction', 1, NULL),
    (12, 'no hex', 'transaction', 1, repeat('é', 32)),
    (13, 'zeros', 'transaction', 1, repeat('0', 64))) AS v (n, who, kind, user_id, handshake) ORDER BY n;
SELECT :'first' <> :'second' AND left(:'first', 8) <> left(:'second', 8) AS nothing_in_common;

-- Many at once, in the order in which they were asked for, unknown ones among them.
SELECT ordinal, state, code, message, wallet_id, wallet_status, amount, currency, transfer_id, source_wallet_id, destination_wallet_id,
       created_at ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$' AS time
    FROM wallet_lookup_many(ARRAY['wallet', 'deposit', 'wallet', NULL, 'transaction'], ARRAY[1, 2, 2, 1, 1],
                            ARRAY[:'first', :'deposit', :'first', :'first', :'payment']);
SELECT pg_temp.attempt('SELECT wallet_lookup_many(ARRAY[''wallet''], ARRAY[1, 2], ARRAY[''''])');
SELECT count(*) FROM wallet_lookup_many('{}', '{}', '{}');

-- A refused request keeps its reason.  In which order the rules stand: test/scenarios/precedence.scenario.
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":100000}') AS refused \gset
SELECT wallet_process();
SELECT * FROM pg_temp.show('transaction', 1, :'refused');

-- wallet_process posts as many as it is told, in their order.
SELECT count(wallet_enqueue('deposit', format('{"user_id":1,"wallet_id":1,"amount":%s}', i)::json)) AS queued FROM generate_series(1, 5) AS i;
SELECT wallet_process(2);
SELECT queued FROM wallet.queue;
SELECT amount FROM wallet_history(1, max_rows => 2);
SELECT wallet_process(2);
SELECT wallet_process(2);
SELECT amount FROM wallet_history(1, max_rows => 5);
SELECT wallet_process(0);
SELECT wallet_process(-1);

-- Enqueued and posted in one transaction; rolled back, nothing was.
SELECT amount AS before FROM wallet_get(1) \gset
BEGIN;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":5}') AS gone \gset
SELECT wallet_process();
SELECT amount - :before AS more FROM wallet_get(1);
ROLLBACK;
SELECT amount - :before AS more FROM wallet_get(1);
SELECT pg_temp.attempt(format('SELECT wallet_lookup(''deposit'', 1, %L)', :'gone'));

-- Ids that were rolled back are gaps that die; what comes after them is posted, and the low-water mark passes them.
BEGIN;
SELECT count(wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":5}')) FROM generate_series(1, 3);
ROLLBACK;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":6}') AS kept \gset
SELECT wallet_process();
SELECT amount - :before AS more FROM wallet_get(1);
SELECT max(p.low_water) = (SELECT max(request_id) FROM wallet.request) AS passed FROM wallet.queue_position AS p;

-- More than a batch holds.
SELECT count(*) AS queued FROM wallet_enqueue_many(
    array_fill('transaction'::text, ARRAY[20000]),
    (SELECT array_agg(format('{"user_id":%s,"source_wallet_id":%s,"dest_wallet_id":%s,"trans_sum":0.01}', 1 + i % 2, 1 + i % 2, 2 - i % 2))
        FROM generate_series(1, 20000) AS i));
SELECT wallet_process();
SELECT amount - :before AS more FROM wallet_get(1);
SELECT queued FROM wallet.queue;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
