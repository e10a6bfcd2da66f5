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

-- An index of one's own on a part of the journal has an entry for every transfer of that part.
CREATE INDEX own_large ON wallet.transfer (amount) WHERE amount >= 5000;
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 60);
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 40);
SELECT count(wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":60}')) AS queued;
SELECT wallet_process();
SET enable_seqscan = off;
SELECT count(*) FROM wallet.transfer WHERE amount >= 5000 AND amount < 7000;

-- So have indexes of other sorts: of an expression, with another access method, with a predicate of the user's.
CREATE INDEX own_order ON wallet.transfer ((metadata->>'order'));
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 60, 'exact', '{"order": "A1"}');
SELECT amount FROM wallet.transfer WHERE metadata->>'order' = 'A1';
SELECT bt_index_check('wallet.own_order', true);
DROP INDEX wallet.own_order;
CREATE INDEX own_metadata ON wallet.transfer USING gin (metadata);
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 60, 'exact', '{"order": "A2"}');
SELECT amount FROM wallet.transfer WHERE metadata @> '{"order": "A2"}';
DROP INDEX wallet.own_metadata;
CREATE FUNCTION pg_temp.is_large(amount bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT amount >= 5000';
CREATE INDEX own_judged ON wallet.transfer (amount) WHERE pg_temp.is_large(amount);
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 60);
SELECT count(*) FROM wallet.transfer WHERE pg_temp.is_large(amount) AND amount < 7000;
SELECT bt_index_check('wallet.own_judged', true), bt_index_check('wallet.own_large', true);
RESET enable_seqscan;

-- An index on whole rows depends on every column.
CREATE FUNCTION own_rest(whole wallet.wallet) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT whole.balance % 1000';
DROP INDEX wallet.own_balance;
CREATE INDEX own_whole ON wallet.wallet (own_rest(wallet.*));
SELECT transfer_id > 0 AS paid FROM wallet_transfer(1, 2, 0.03);
SELECT bt_index_check('wallet.own_whole', true);
DROP FUNCTION own_rest CASCADE;

-- A capture of a part leaves what the indexes of holds have as it is, and is HOT; the last capture takes the hold out of three.
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 10) \gset
CREATE TEMPORARY VIEW hold_updates AS
    SELECT pg_stat_get_xact_tuples_updated(to_regclass('wallet.hold')) AS updated, pg_stat_get_xact_tuples_hot_updated(to_regclass('wallet.hold')) AS hot;
BEGIN;
SELECT amount FROM wallet_capture(:hold, 4, final => false);
SELECT * FROM hold_updates;
COMMIT;
BEGIN;
SELECT amount FROM wallet_capture(:hold);
SELECT * FROM hold_updates;
COMMIT;
SELECT hold_id, state FROM wallet_holds(1, 'captured') WHERE hold_id = :hold AND captured = 10 AND rest = 0;
SELECT count(*) AS open FROM wallet_holds(1);
SELECT bt_index_check(i.indexrelid, true) FROM pg_index AS i WHERE i.indrelid = 'wallet.hold'::regclass;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
DROP EXTENSION amcheck;
