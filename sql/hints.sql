-- A hint to where a wallet's row was last seen may be wrong, and does no harm then.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
DO $$ BEGIN PERFORM wallet_create(user_id, 100) FROM generate_series(1, 500) AS user_id; END $$;

-- Another wallet is there: rows are written anew, and then their next versions in another order.
DO $$ BEGIN PERFORM wallet_deposit(wallet_id, 1) FROM generate_series(1, 500) AS wallet_id; END $$;
CREATE TEMPORARY TABLE place AS SELECT ctid AS row, wallet_id FROM wallet.wallet;
VACUUM FULL wallet.wallet;
DO $$ BEGIN PERFORM wallet_deposit(wallet_id, wallet_id) FROM generate_series(500, 2, -1) AS wallet_id; END $$;
SELECT count(*) > 100 AS taken FROM place JOIN wallet.wallet ON wallet.ctid = place.row WHERE wallet.wallet_id <> place.wallet_id;
SELECT source_balance, destination_balance FROM wallet_transfer(1, 2, 50);
SELECT count(*) FROM wallet.wallet WHERE wallet_id > 2 AND balance <> 10100 + wallet_id * 100;

-- The table is shorter: many versions of each row have made it long.
DO $$ BEGIN PERFORM wallet_deposit(wallet_id, 1) FROM generate_series(1, 500) AS wallet_id, generate_series(1, 5); END $$;
SELECT max((ctid::text::point)[0]) AS longest FROM wallet.wallet \gset
VACUUM FULL wallet.wallet;
SELECT max((ctid::text::point)[0]) < :longest / 2 AS shorter FROM wallet.wallet;
DO $$ BEGIN PERFORM wallet_deposit(wallet_id, 1) FROM generate_series(1, 500) AS wallet_id; END $$;

-- The version there was never committed.
BEGIN;
SELECT source_balance, destination_balance FROM wallet_transfer(3, 4, 50);
ROLLBACK;
SELECT source_balance, destination_balance FROM wallet_transfer(3, 4, 1);

-- Nor is there anything where the worker looks.
SELECT wallet_enqueue('deposit', '{"user_id":3,"wallet_id":3,"amount":1}') IS NOT NULL AS queued;
VACUUM FULL wallet.wallet;
SELECT wallet_process();
SELECT sum(balance) FROM wallet.wallet;

-- A hint spares the search in the index.
SELECT count(transfer_id) FROM wallet_transfer(3, 4, 1);
BEGIN;
SELECT pg_stat_get_xact_numscans('wallet.wallet_pkey'::regclass) AS before \gset
SELECT count(transfer_id) FROM wallet_transfer(3, 4, 1);
SELECT pg_stat_get_xact_numscans('wallet.wallet_pkey'::regclass) - :before AS searches;
ROLLBACK;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
