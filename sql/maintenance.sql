-- wallet_schedule_maintenance, wallet_audit and the expiry of keys.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

-- Without pg_cron it says what to do.
SELECT * FROM wallet_schedule_maintenance();

-- With it there are four jobs, whose commands work.  A stand-in here, which keeps what it is told.
BEGIN;
CREATE SCHEMA cron;
CREATE TABLE cron.kept (job text, schedule text, command text);
CREATE FUNCTION cron.schedule(job text, schedule text, command text) RETURNS bigint LANGUAGE sql AS
    'INSERT INTO cron.kept VALUES ($1, $2, $3) RETURNING 1::bigint';
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 1, 'pg_cron', e.extowner, 'cron'::regnamespace, false, '1' FROM pg_extension AS e WHERE e.extname = 'pg_wallet';
SELECT * FROM wallet_schedule_maintenance();
SELECT job, schedule, pg_temp.attempt(command) FROM cron.kept ORDER BY job;
SELECT name, ok, detail FROM wallet.audit ORDER BY name;
ROLLBACK;

-- The audit keeps what it found, also when something is wrong.
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_audit();
BEGIN;
UPDATE wallet.wallet SET balance = balance + 1;
SELECT wallet_audit();
SELECT name, detail FROM wallet.audit WHERE NOT ok ORDER BY name;
ROLLBACK;
SELECT count(DISTINCT checked_at) AS audits, bool_and(ok) AS well FROM wallet.audit;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
