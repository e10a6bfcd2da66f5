-- wallet.metric and wallet_metrics(): what whoever watches the system sees.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
-- What was counted before, by other tests in this database, is left out.
CREATE TEMPORARY TABLE before AS SELECT name, labels, value FROM wallet.metric;
CREATE FUNCTION pg_temp.grown(pattern text) RETURNS TABLE (name text, labels jsonb, grown double precision)
LANGUAGE sql AS $$
    SELECT m.name, m.labels, m.value - coalesce(b.value, 0)
        FROM wallet.metric AS m LEFT JOIN before AS b USING (name, labels)
        WHERE m.name LIKE pattern AND m.value <> coalesce(b.value, 0) ORDER BY 1, 2
$$;
-- Nothing waits, and nobody has looked.
SELECT name, labels, value FROM wallet.metric
    WHERE family IN ('wallet_queue_requests', 'wallet_queue_oldest_age_seconds', 'wallet_verify_age_seconds', 'wallet_verify_ok', 'wallet_holds_open', 'wallet_worker_alive');

-- What waits.
SELECT count(wallet_create(user_id, 100)) FROM generate_series(1, 2) AS user_id;
SELECT count(wallet_create(user_id, 100, 'jpy')) FROM generate_series(3, 4) AS user_id;
SELECT count(*) FROM wallet_enqueue_many(array_fill('transaction'::text, ARRAY[5]),
    ARRAY(SELECT format('{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":%s}', 20 * i) FROM generate_series(1, 5) AS i));
SELECT count(wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}'));
SELECT value FROM wallet.metric WHERE name = 'wallet_queue_requests';
SELECT value > 0 AND value < 60 AS is_age FROM wallet.metric WHERE name = 'wallet_queue_oldest_age_seconds';

-- What was posted and refused counts at the commit.
BEGIN;
SELECT wallet_process();
SELECT * FROM pg_temp.grown('wallet_requests_total');
ROLLBACK;
SELECT * FROM pg_temp.grown('wallet_requests_total');
SELECT value FROM wallet.metric WHERE name = 'wallet_queue_requests';
SELECT wallet_process();
SELECT * FROM pg_temp.grown('wallet_requests_total');
SELECT name, value FROM wallet.metric WHERE name IN ('wallet_queue_requests', 'wallet_queue_oldest_age_seconds') ORDER BY name;

-- Holds, in units of each currency. The sums are kept for a moment.
SELECT count(wallet_hold(1, 2, 2.5)), count(wallet_hold(2, 1, 10)), count(wallet_hold(3, 4, 7)) FROM generate_series(1, 2);
DO $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        EXIT WHEN (SELECT sum(value) FROM wallet.metric WHERE family = 'wallet_holds_open') = 6;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
SELECT name, labels, value FROM wallet.metric WHERE family IN ('wallet_holds_open', 'wallet_held_amount') ORDER BY 1, 2;

-- The last audit, well and not.
SELECT wallet_audit();
SELECT name, value FROM wallet.metric WHERE family = 'wallet_verify_ok';
SELECT value >= 0 AND value < 60 AS is_age FROM wallet.metric WHERE family = 'wallet_verify_age_seconds';
INSERT INTO wallet.audit SELECT clock_timestamp(), 'money_conserved', false, 'made up';
SELECT name, value FROM wallet.metric WHERE family = 'wallet_verify_ok';

-- Each family has a type and a help; each sample stands once; no sample names a user or a wallet.
SELECT count(DISTINCT family || name || labels) = count(*) AS once, bool_and(type IN ('gauge', 'counter', 'histogram') AND help ~ '^[A-Z].*\.$') AS said FROM wallet.metric;
SELECT DISTINCT k AS label FROM wallet.metric CROSS JOIN jsonb_object_keys(labels) AS k WHERE family NOT LIKE 'wallet_batch%' ORDER BY k;

-- As Prometheus reads it: each family once, with its help and its type before its samples.
SELECT count(*) FILTER (WHERE l !~ '^(# HELP \w+ .+|# TYPE \w+ (gauge|counter|histogram)|\w+(\{(\w+="[^"]*",?)+\})? ([0-9.e+-]+|\+Inf))$') AS malformed, count(*) > 30 AS many
    FROM regexp_split_to_table(rtrim(wallet_metrics(), E'\n'), E'\n') AS l;
SELECT l FROM regexp_split_to_table(wallet_metrics(), E'\n') AS l WHERE l ~ 'holds_open|verify_ok';

-- Who may look: numbers alone.
CREATE ROLE regress_wallet_monitor;
SELECT wallet_grant('regress_wallet_monitor', 'monitor');
SET ROLE regress_wallet_monitor;
SELECT count(*) > 10 AS sees FROM wallet.metric;
SELECT wallet_metrics() LIKE '# HELP %' AS sees;
SELECT * FROM wallet.queue;
SELECT * FROM wallet.wallet;
SELECT wallet.counts();
RESET ROLE;
DROP OWNED BY regress_wallet_monitor;
DROP ROLE regress_wallet_monitor;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
