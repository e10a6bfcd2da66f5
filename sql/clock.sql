-- The ledger's clock: one clock for all that decides about money, which a superuser may shift.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SHOW pg_wallet.clock_offset;
SHOW pg_wallet.hold_expiry;
SELECT wallet.clock() BETWEEN statement_timestamp() AND clock_timestamp() AS is_the_servers;

-- Forward, back and further: each text that is an interval. A day is 24 hours, a month 30 days.
CREATE FUNCTION pg_temp.shift(by text) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pg_wallet.clock_offset', by, false);
    RETURN round(extract(epoch FROM wallet.clock() - clock_timestamp()), 1);
END
$$;
SELECT by, pg_temp.shift(by) AS seconds FROM (VALUES
    (1, '7 days'), (2, '-1 day'), (3, '1 mon'), (4, 'P1DT2H'), (5, '90'), (6, '-1:30'), (7, '1 day ago'), (8, '0')) AS v (n, by) ORDER BY n;
-- also where the session reads intervals as SQL does, in which one minus sign applies to all
SET IntervalStyle = sql_standard;
SELECT pg_temp.shift('-1 00:10:00') AS seconds;
RESET IntervalStyle;

SELECT left(pg_temp.attempt(format('SET pg_wallet.%s = %L', setting, value)), 90) AS outcome, setting, left(value, 30) AS value
    FROM (VALUES
        (1, 'clock_offset', 'tomorrow'), (2, 'clock_offset', ''), (3, 'clock_offset', 'infinity'), (4, 'clock_offset', '1000 years'),
        (5, 'clock_offset', '999 years'), (6, 'clock_offset', repeat('1', 300)),
        (7, 'hold_expiry', '0'), (8, 'hold_expiry', '-1 s'), (9, 'hold_expiry', '1h'), (10, 'hold_expiry', 'never')) AS v (n, setting, value) ORDER BY n;
RESET pg_wallet.hold_expiry;

-- What is posted has the ledger's moment, and so has the wallet.
SET pg_wallet.clock_offset = '30 days';
SELECT created_at - now() BETWEEN '29 days 23:59' AND '30 days 00:01' AS later FROM wallet_create(1, 100);
SELECT posted_at - now() BETWEEN '29 days 23:59' AND '30 days 00:01' AS later FROM wallet_deposit(1, 1);
-- and never goes back along a wallet's chain
SET pg_wallet.clock_offset = '-30 days';
SELECT posted_at - now() BETWEEN '29 days 23:59' AND '30 days 00:01' AS later FROM wallet_deposit(1, 1);
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'a key') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT count(DISTINCT posted_at) = 1 AS same FROM wallet_history(1, max_rows => 2);
-- Requests and keys are kept by the server's clock.
SELECT enqueued_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS real FROM wallet.request;
SELECT created_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS real FROM wallet.idempotency_key;
RESET pg_wallet.clock_offset;
SELECT * FROM pg_temp.faults();

-- A superuser's alone.
CREATE ROLE clock_user;
SET ROLE clock_user;
SET pg_wallet.clock_offset = '1 day';
SET pg_wallet.hold_expiry = '1 day';
SELECT wallet.clock();
RESET ROLE;
DROP ROLE clock_user;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
