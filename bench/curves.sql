-- What samples of the cost curves are taken with: temporary functions for the session that includes
-- this file. A procedure gives the CPU time, in microseconds, of one item.

-- The CPU time that the processes have used so far, all of their threads together. The time of a process
-- is exact when it has slept.
CREATE FUNCTION pg_temp.cpu_us(VARIADIC pids integer[]) RETURNS numeric LANGUAGE sql AS $$
    SELECT pg_sleep(0.001);
    SELECT sum(split_part(pg_read_file(format('/proc/%s/task/%s/schedstat', pid, task)), ' ', 1)::numeric) / 1000
        FROM unnest(pids) AS pid, pg_ls_dir(format('/proc/%s/task', pid)) AS task
$$;

-- Payloads of the payments first to last: between random wallets, or, when each wallet is to have one
-- payment, between the wallets of one half and those of the other.
CREATE FUNCTION pg_temp.payloads(first integer, last integer, wallets integer, has_one boolean)
RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(format('{"user_id":%s,"source_wallet_id":%1$s,"dest_wallet_id":%s,"trans_sum":0.01}',
               source, CASE WHEN has_one THEN source + wallets / 2
                            ELSE 1 + (source - 1 + step) % wallets END) ORDER BY turn)
        FROM (SELECT CASE WHEN has_one THEN i ELSE 1 + floor(random() * wallets)::integer END AS source,
                     1 + floor(random() * (wallets - 1))::integer AS step, random() AS turn
                  FROM generate_series(first, last) AS i) AS payment
$$;

-- The backend, for a request of wallet_enqueue_many(); n requests a call, each call a transaction.
CREATE PROCEDURE pg_temp.enqueue(n integer, calls integer, INOUT us numeric DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    kinds text[] := array_fill('transaction'::text, ARRAY[n]);
    payments text[] := pg_temp.payloads(1, n, 10000, false);
BEGIN
    FOR i IN 0..calls LOOP
        IF i = 1 THEN -- the first call has filled the session's caches
            us := pg_temp.cpu_us(pg_backend_pid());
        END IF;
        PERFORM count(handshake_id) FROM wallet_enqueue_many(kinds, payments);
        COMMIT;
    END LOOP;
    us := (pg_temp.cpu_us(pg_backend_pid()) - us) / (n * calls);
END
$$;

-- The worker, for a transfer. Queues count transfers in one transaction, so that the worker finds them
-- all at once, and waits until they are posted; rounds times.
CREATE PROCEDURE pg_temp.post(count integer, wallets integer, has_one boolean, rounds integer,
                              INOUT us numeric DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    worker record;
    goal bigint;
    payments text[];
    used numeric := 0;
BEGIN
    FOR i IN 1..rounds LOOP
        FOR from_i IN 1..count BY 10000 LOOP
            payments := pg_temp.payloads(from_i, least(count, from_i + 9999), wallets, has_one);
            PERFORM count(handshake_id) FROM
                wallet_enqueue_many(array_fill('transaction'::text, ARRAY[cardinality(payments)]), payments);
        END LOOP;
        SELECT w.worker_pid, w.posted, w.refused INTO STRICT worker FROM wallet.worker_state() AS w;
        goal := worker.posted + count;
        us := pg_temp.cpu_us(worker.worker_pid);
        COMMIT;
        WHILE worker.posted < goal LOOP
            PERFORM pg_sleep(0.01);
            COMMIT;
            SELECT w.worker_pid, w.posted, w.refused INTO STRICT worker FROM wallet.worker_state() AS w;
        END LOOP;
        used := used + pg_temp.cpu_us(worker.worker_pid) - us;
    END LOOP;
    us := used / (count * rounds);
END
$$;

-- The backend, for a handshake of wallet_lookup_many(); n handshakes a call.
CREATE PROCEDURE pg_temp.lookup(n integer, calls integer, INOUT us numeric DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    kinds text[] := array_fill('transaction'::text, ARRAY[n]);
    users bigint[];
    handshakes text[];
BEGIN
    SELECT array_agg(user_id), array_agg(handshake_id) INTO users, handshakes
        FROM (SELECT * FROM known ORDER BY random() LIMIT n) AS chosen;
    FOR i IN 0..calls LOOP
        IF i = 1 THEN
            us := pg_temp.cpu_us(pg_backend_pid());
        END IF;
        ASSERT n = (SELECT count(*) FROM wallet_lookup_many(kinds, users, handshakes) WHERE state = 'processed');
    END LOOP;
    us := (pg_temp.cpu_us(pg_backend_pid()) - us) / (n * calls);
END
$$;

-- 10,000 processed requests, for pg_temp.lookup().
CREATE PROCEDURE pg_temp.remember() LANGUAGE plpgsql AS $$
DECLARE
    payments text[] := pg_temp.payloads(1, 10000, 100, false);
BEGIN
    CREATE TABLE known AS
        SELECT (payments[ordinal]::json->>'user_id')::bigint AS user_id, handshake_id
            FROM wallet_enqueue_many(array_fill('transaction'::text, ARRAY[10000]), payments);
END
$$;

-- Statements that make payments, n a transaction.
CREATE FUNCTION pg_temp.payments(n integer, transactions integer, wallets integer)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT unnest(CASE WHEN n > 1 AND i % n = 0 THEN ARRAY['BEGIN'] END
               || format('EXECUTE pay(%s, %s)', source, 1 + (source - 1 + step) % wallets)
               || CASE WHEN n > 1 AND i % n = n - 1 THEN ARRAY['COMMIT'] END)
        FROM (SELECT i, 1 + floor(random() * wallets)::integer AS source,
                     1 + floor(random() * (wallets - 1))::integer AS step
                  FROM generate_series(0, n * transactions - 1) AS i) AS payment
$$;
PREPARE pay(bigint, bigint) AS SELECT wallet_transfer($1, $2, 0.01);

-- Statements that insert a row into the table of the bare INSERT, each a transaction.
CREATE FUNCTION pg_temp.inserts(n integer) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('EXECUTE insert(%s)', i) FROM generate_series(1, n) AS i
$$;
SELECT to_regclass('payment') IS NOT NULL AS has_bare_table \gset
\if :has_bare_table
PREPARE insert(bigint) AS INSERT INTO payment (source, destination, amount) VALUES ($1, $1, 1);
\endif
