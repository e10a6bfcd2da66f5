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
