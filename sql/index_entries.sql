-- What indexes are owed when an update is not HOT.
CREATE EXTENSION pg_wallet;
CREATE EXTENSION amcheck;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2);

-- Versions that somebody's snapshot may still want to see fill the page. A version on another page owes every index an
-- entry.
BEGIN;
SELECT count(pg_current_xact_id());
PREPARE TRANSACTION 'old';
SELECT count(wallet_transfer(1, 2, 0.01)) FROM generate_series(1, 100);
SELECT count(wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":0.01}')) AS queued
    FROM generate_series(1, 100);
SELECT count(wallet_process(1)) FROM generate_series(1, 100);
SELECT wallet_id, (ctid::text::point)[0] > 0 AS is_elsewhere FROM wallet.wallet WHERE wallet_id < 3 ORDER BY wallet_id;
SELECT bt_index_check('wallet.wallet_pkey', true), bt_index_check('wallet.wallet_user_id_key', true);
SELECT wallet_id FROM wallet_create(3);
SELECT pg_temp.attempt('INSERT INTO wallet.wallet (wallet_id, user_id, balance, last_transfer_id, created_at, updated_at, status, currency) SELECT 9, user_id, 9, 0, created_at, updated_at, status, currency FROM wallet.wallet WHERE wallet_id = 2');

-- A unique index of one's own on what changes still sees to it that balances differ.
CREATE UNIQUE INDEX own_balance ON wallet.wallet (balance);
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, (a.amount - b.amount) / 2) FROM wallet_get(1) AS a, wallet_get(2) AS b');
SELECT bt_index_check('wallet.own_balance', true);
ROLLBACK PREPARED 'old';
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
DROP EXTENSION amcheck;
