-- A wallet that was locked and changed in different savepoints, and whose transaction has been rolled back: nobody holds the wallet.
-- A batch writes such a wallet without a lock of its own, which would be seen in the new version.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(g, 100)) FROM generate_series(1, 2) AS g;

BEGIN;
SELECT FROM wallet.wallet WHERE wallet_id = 1 FOR NO KEY UPDATE;
SAVEPOINT s;
SELECT transfer_id FROM wallet_withdraw(1, 1);
ROLLBACK;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT xmax, balance FROM wallet.wallet WHERE wallet_id = 1;

-- The change that was kept counts.
BEGIN;
SELECT FROM wallet.wallet WHERE wallet_id = 1 FOR NO KEY UPDATE;
SAVEPOINT s;
SELECT transfer_id FROM wallet_withdraw(1, 1);
COMMIT;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT balance FROM wallet.wallet WHERE wallet_id = 1;

-- What the caller's own transaction has locked in a savepoint is written.
BEGIN;
SELECT FROM wallet.wallet WHERE wallet_id = 2 FOR NO KEY UPDATE;
SAVEPOINT s;
SELECT transfer_id FROM wallet_withdraw(2, 1);
ROLLBACK TO s;
SELECT wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":1}') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT transfer_id FROM wallet_withdraw(2, 1);
COMMIT;
SELECT wallet_id, balance FROM wallet.wallet ORDER BY 1;
SELECT name, detail FROM wallet_verify() WHERE NOT ok;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
