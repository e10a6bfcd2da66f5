-- wallet_deposit, wallet_withdraw and wallet_transfer: what they return, and what they do within transactions.
-- In which order the rules stand: test/scenarios/precedence.scenario.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id, amount FROM wallet_create(1, 7100) UNION ALL SELECT wallet_id, amount FROM wallet_create(2, 0.5);

SELECT transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance FROM wallet_transfer(1, 2, 777.88);
SELECT transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance FROM wallet_deposit(2, 0.01);
SELECT transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance FROM wallet_withdraw(2, 778);
SELECT wallet_id, amount FROM wallet_get(1) UNION ALL SELECT wallet_id, amount FROM wallet_get(2);
SELECT amount, metadata FROM wallet_history(1, max_rows => 1);
SELECT transfer_id FROM wallet_transfer(1, 2, 0.12, 'exact', '{"order": [7, null], "text": "naïve \"quotes\""}');
SELECT amount, metadata FROM wallet_history(1, max_rows => 1);

-- The moment is that of the call, and the wallet says when its money moved.
SELECT transfer_id, posted_at >= now() AND posted_at <= clock_timestamp() AS is_now FROM wallet_deposit(2, 1);
SELECT w.updated_at = h.posted_at AS same FROM wallet_get(2) AS w, wallet_history(2, max_rows => 1) AS h;

-- The last cent, and not one more.
SELECT wallet_withdraw(2, 1.52);
SELECT source_balance FROM wallet_withdraw(2, 1.51);
SELECT wallet_transfer(1, 1, 5);
SELECT wallet_transfer(1, 99, 5);

-- Arguments that cannot be.
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_transfer(0, 1, 1)'),
    (2, 'SELECT wallet_transfer(1, -840, 1)'),
    (3, 'SELECT wallet_transfer(NULL, 1, 1)'),
    (4, 'SELECT wallet_transfer(1, NULL, 1)'),
    (5, 'SELECT wallet_transfer(1, 2, NULL)'),
    (6, 'SELECT wallet_deposit(-840, 1)'),
    (7, 'SELECT wallet_deposit(NULL, 1)'),
    (8, 'SELECT wallet_withdraw(1, NULL)'),
    (9, 'SELECT wallet_transfer(1, 2, 1, idempotency_key => '''')'),
    (10, 'SELECT wallet_transfer(1, 2, 1, idempotency_key => repeat(''é'', 256))')) AS t (n, statement) ORDER BY n;

-- Nothing is left of a transaction that rolls back, nor of a savepoint.
BEGIN;
SELECT source_balance FROM wallet_transfer(1, 2, 100);
SAVEPOINT s;
SELECT source_balance FROM wallet_transfer(1, 2, 1000);
ROLLBACK TO s;
SELECT amount FROM wallet_get(1);
COMMIT;
BEGIN;
SELECT source_balance FROM wallet_transfer(1, 2, 1000);
ROLLBACK;
SELECT amount FROM wallet_get(1);

-- Payments and the application's own rows are one transaction: a hundred payments by one statement, each
-- finding what the one before has left.
CREATE TABLE invoice (amount numeric, paid_by bigint);
INSERT INTO invoice SELECT i * 0.01, t.transfer_id FROM generate_series(1, 100) AS i, LATERAL wallet_transfer(1, 2, i * 0.01) AS t;
SELECT count(*), sum(i.amount), bool_and(t.amount = i.amount * 100) AS same FROM invoice AS i JOIN wallet.transfer AS t ON t.transfer_id = i.paid_by;
SELECT wallet_id, amount FROM wallet_get(1) UNION ALL SELECT wallet_id, amount FROM wallet_get(2);
DROP TABLE invoice;

BEGIN READ ONLY;
SELECT wallet_transfer(1, 2, 1);
ROLLBACK;

-- Ids rise with the order in which a wallet's money moved: where a sequence was set back, nothing is posted.
SELECT last_value AS last_transfer_id FROM wallet.transfer_id_seq \gset
SELECT setval('wallet.transfer_id_seq', 1, false);
SELECT source_balance FROM wallet_transfer(1, 2, 1);
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_transfer(2, 1, 1)'),
    (2, 'SELECT wallet_deposit(1, 1)'),
    (3, 'SELECT wallet_withdraw(2, 1)'),
    (4, 'SELECT wallet_create(9, 1)')) AS t (n, statement) ORDER BY n;
SELECT max(transfer_id) = :last_transfer_id AS nothing_posted FROM wallet.transfer;
SELECT * FROM pg_temp.faults();
SELECT setval('wallet.transfer_id_seq', :last_transfer_id) = :last_transfer_id AS back;
SELECT transfer_id > :last_transfer_id AS higher FROM wallet_transfer(1, 2, 1);
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
