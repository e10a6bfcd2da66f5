-- What the server under valgrind is asked to do: every way in, with what is right and what is wrong.
\set ON_ERROR_STOP on
SELECT count(wallet_create(n, 1000)) FROM generate_series(1, 40) AS n;
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- Direct payments, some refused.
SELECT pg_temp.attempt(format('SELECT wallet_transfer(%s, %s, %L::numeric, idempotency_key => %L)', n % 45, n * 7 % 45,
        (ARRAY['0.01', '1', '777.88', '0.001', '1e30', '-1', 'NaN'])[n % 7 + 1], CASE WHEN n % 3 = 0 THEN 'k' || n / 6 END)) AS said, count(*)
    FROM generate_series(1, 200) AS n GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(format('SELECT wallet_%s(%s, 1.25, metadata => %L)', (ARRAY['deposit', 'withdraw'])[n % 2 + 1], n, '{"n":1}'))
        AS said, count(*)
    FROM generate_series(1, 50) AS n GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(format('SELECT wallet_set_status(%s, %L)', n, status)) FROM
    (VALUES (1, 'frozen'), (1, 'active'), (2, 'closed'), (2, 'nothing'), (99, 'frozen')) AS v (n, status);

-- Holds, captures, reversals and groups, some refused; limits, a sweep, many at once.
SELECT pg_temp.attempt(format('SELECT wallet_hold(%s, %s, %L::numeric, %L, max_capture => %L)', n % 45, n * 3 % 43, n % 11, (n % 5) * interval '1 ms', n % 13)) AS said, count(*)
    FROM generate_series(1, 200) AS n GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(format((ARRAY['SELECT wallet_capture(%s, 0.5, false)', 'SELECT wallet_void(%s, 0.25)', 'SELECT wallet_hold_extend(%s, 20)',
        'SELECT wallet_reverse(%s, 0.01)', 'SELECT wallet_reverse(%s, shortfall => ''available'')'])[n % 5 + 1], n * 2)) AS said, count(*)
    FROM generate_series(1, 300) AS n GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(format('SELECT wallet_group(%L)', format('[{"kind":"fee","source_wallet_id":%1$s,"dest_wallet_id":5,"amount":0.5},
        {"kind":"transaction","source_wallet_id":%1$s,"amount":%2$s,"split":[{"dest_wallet_id":6,"parts_per_million":1},{"dest_wallet_id":7,"rest":true}]},
        {"kind":"hold","source_wallet_id":%1$s,"amount":1,"expires_in":"2 ms"},{"kind":"reversal","transfer_id":%1$s,"shortfall":"available"}]', n, n * 30))) AS said, count(*)
    FROM generate_series(1, 60) AS n GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(format('SELECT wallet_reverse_group(%s)', g.group_id)) AS said, count(*)
    FROM (SELECT DISTINCT t.group_id FROM wallet.transfer AS t WHERE t.group_id IS NOT NULL) AS g GROUP BY said ORDER BY said;
SELECT pg_temp.attempt(statement) FROM (VALUES ('SELECT wallet_set_limits(8, -5, 2000)'), ('SELECT wallet_set_limits(8, 9, 8)'), ('SELECT wallet_close(9, 8)'),
    ('SELECT wallet_dry_run(''hold'', ''{"user_id":3,"source_wallet_id":3,"amount":1}'')'), ('SELECT count(*) FROM wallet_holds(3, NULL)')) AS v (statement);
SELECT code, count(*) FROM wallet_transfer_many(ARRAY(SELECT n % 45 FROM generate_series(1, 500) AS n), ARRAY(SELECT n * 7 % 45 FROM generate_series(1, 500) AS n),
    ARRAY(SELECT n % 3 FROM generate_series(1, 500) AS n)) GROUP BY code ORDER BY code;

-- Through the queue, in many small transactions and in a few large ones.
CREATE FUNCTION pg_temp.payload(n integer) RETURNS text LANGUAGE sql AS $$
    SELECT (ARRAY[
        format('{"user_id":%s,"source_wallet_id":%s,"dest_wallet_id":%s,"trans_sum":0.%s}', n % 40 + 1, n % 40 + 1, n * 3 % 43 + 1, n % 100),
        format('{"user_id":%s,"source_wallet_id":%s,"dest_wallet_id":%s,"trans_sum":"1%s"}', n % 40 + 1, n % 40 + 1, n % 40 + 2, n),
        '{"user_id":1', '{"user_id":"1"}', '[]', '{"' || repeat('€', 60) || '":1}', '{"user_id":1e5}',
        '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":0.123456789}'])[n % 8 + 1]
$$;
SELECT code, count(*) FROM wallet_enqueue_many(
        (SELECT array_agg('transaction'::text ORDER BY n) FROM generate_series(1, 2000) AS n),
        (SELECT array_agg(pg_temp.payload(n) ORDER BY n) FROM generate_series(1, 2000) AS n),
        (SELECT array_agg(CASE WHEN n % 5 = 0 THEN 'key ' || n / 2 END ORDER BY n) FROM generate_series(1, 2000) AS n))
    GROUP BY code ORDER BY code;
CREATE TEMPORARY TABLE asked (kind text, user_id bigint, handshake text);
DO $$
DECLARE
    n integer;
BEGIN
    FOR n IN 1 .. 60 LOOP
        INSERT INTO asked SELECT 'wallet', 100 + n, wallet_enqueue('wallet', format('{"user_id":%s,"amount":%s}', 100 + n, n)::json);
        INSERT INTO asked SELECT 'deposit', n % 40 + 1, wallet_enqueue('deposit', format('{"user_id":%s,"wallet_id":%s,"amount":1.5}', n % 40 + 1, n % 40 + 1)::json);
        INSERT INTO asked SELECT 'hold', 4, wallet_enqueue('hold', '{"user_id":4,"source_wallet_id":4,"dest_wallet_id":5,"amount":2,"expires_in":"5 ms"}');
        INSERT INTO asked SELECT 'capture', 5, wallet_enqueue('capture', format('{"user_id":5,"hold_handshake_id":"%s","amount":1}', a.handshake)::json)
            FROM asked AS a WHERE a.kind = 'hold' OFFSET n - 1 LIMIT 1;
        INSERT INTO asked SELECT 'group', 6, wallet_enqueue('group', '{"user_id":6,"legs":[{"kind":"fee","source_wallet_id":6,"dest_wallet_id":5,"amount":0.5},
            {"kind":"transaction","source_wallet_id":6,"amount":3,"split":[{"dest_wallet_id":7,"rest":true}]}]}');
        INSERT INTO asked SELECT 'reversal', 6, wallet_enqueue('reversal', format('{"user_id":6,"transfer_id":%s,"amount":0.01}', n * 9)::json);
        INSERT INTO asked SELECT 'withdrawal', 3, wallet_enqueue('withdrawal', format('{"user_id":3,"wallet_id":3,"amount":%s00}', n)::json);
        INSERT INTO asked SELECT 'wallet', 3, wallet_enqueue('wallet_read', '{"user_id":3,"wallet_id":3}');
        COMMIT;
    END LOOP;
END
$$;
DO $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '4 minutes';
BEGIN
    WHILE EXISTS (SELECT FROM asked AS a, wallet_lookup(a.kind, a.user_id, a.handshake) AS l WHERE l.state = 'queued') LOOP
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'the worker has not settled everything in time';
        END IF;
        PERFORM pg_sleep(0.2);
        COMMIT;
    END LOOP;
END
$$;
SELECT l.state, l.code, count(*) FROM asked AS a, wallet_lookup(a.kind, a.user_id, a.handshake) AS l
    GROUP BY l.state, l.code ORDER BY l.state, l.code;
SELECT state, count(*) FROM wallet_lookup_many((SELECT array_agg(kind) FROM asked), (SELECT array_agg(user_id) FROM asked),
        (SELECT array_agg(handshake) FROM asked)) GROUP BY state ORDER BY state;
SELECT count(*) FROM wallet_history(1);
SELECT count(*) FROM wallet_history_page(1, 1, NULL, 10);
SELECT count(*) FROM wallet_read_many(ARRAY['wallet', 'wallet'], ARRAY[1, 2]::bigint[], ARRAY[1, 1]::bigint[]);
SELECT name, detail FROM wallet_verify() WHERE NOT ok;
SELECT wallet_audit();
