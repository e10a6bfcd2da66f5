-- The journal is kept for ever, the queue and the outcomes until they expire: not even the owner changes a row.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":100}') IS NOT NULL AS queued;
SELECT wallet_process();

DELETE FROM wallet.transfer;
UPDATE wallet.request SET amount = 1 WHERE false;
CREATE TEMPORARY TABLE forbidden AS
    SELECT row_number() OVER (ORDER BY change COLLATE "C", kept COLLATE "C") AS n, format(change, kept) AS statement
        FROM unnest(ARRAY['transfer', 'request', 'outcome', 'currency']) AS kept,
            unnest(ARRAY['DELETE FROM wallet.%s', 'TRUNCATE wallet.%s CASCADE', 'DELETE FROM wallet.%s WHERE false']) AS change;
INSERT INTO forbidden VALUES
    (101, 'UPDATE wallet.transfer SET amount = amount + 1'),
    (102, 'UPDATE wallet.request SET amount = 1'),
    (103, 'UPDATE wallet.outcome SET code = ''processed'''),
    (104, 'UPDATE wallet.currency SET minor_digits = 3'),
    (105, 'INSERT INTO wallet.transfer SELECT * FROM wallet.transfer ON CONFLICT (transfer_id) DO UPDATE SET amount = 1'),
    (106, 'MERGE INTO wallet.outcome AS o USING wallet.request AS r ON r.request_id = o.request_id WHEN MATCHED THEN DELETE'),
    (107, 'TRUNCATE wallet.wallet, wallet.transfer CASCADE'),
    (108, 'WITH gone AS (DELETE FROM wallet.outcome RETURNING 1) SELECT count(*) FROM gone'),
    (109, 'UPDATE wallet.request_0 SET amount = 1'),
    (110, 'DELETE FROM wallet.outcome_0'),
    (111, 'TRUNCATE wallet.request_0, wallet.outcome_0'),
    (112, 'TRUNCATE ONLY wallet.request_1');
SET client_min_messages = warning;
SELECT statement, pg_temp.attempt(statement) FROM forbidden ORDER BY n;

-- Nor where session_replication_role silences ordinary triggers.
SET session_replication_role = replica;
SELECT count(*) AS statements, count(*) FILTER (WHERE pg_temp.attempt(statement) LIKE 'PW903:%') AS refused FROM forbidden;
RESET session_replication_role;

-- A wallet's balance does not go below zero, whoever writes it.
SELECT pg_temp.attempt('UPDATE wallet.wallet SET balance = -1');
SELECT count(*) AS transfers FROM wallet.transfer;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
