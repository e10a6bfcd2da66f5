-- Money is not dropped by accident: the journal refuses to go while it holds a transfer.
\i test/helpers.sql

-- Without a transfer there is nothing to lose, wallets or not.
CREATE SCHEMA pay;
CREATE EXTENSION pg_wallet SCHEMA pay;
SELECT wallet_id FROM pay.wallet_create(1);
DROP EXTENSION pg_wallet;

CREATE EXTENSION pg_wallet SCHEMA pay;
SELECT wallet_id FROM pay.wallet_create(1, 10);
SELECT pay.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') AS handshake \gset
DROP EXTENSION pg_wallet;
SET client_min_messages = warning;
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'DROP EXTENSION pg_wallet'),
    (2, 'DROP EXTENSION pg_wallet CASCADE'),
    (3, 'DROP EXTENSION IF EXISTS pg_wallet'),
    (4, 'DROP SCHEMA pay CASCADE'),
    (5, 'DROP SCHEMA pay'),
    (6, 'DROP SCHEMA wallet CASCADE'),
    (7, 'DROP SCHEMA wallet, pay CASCADE'),
    (8, 'DROP TABLE wallet.transfer CASCADE'),
    (9, 'DROP EVENT TRIGGER pg_wallet_guard_drop'),
    (10, 'DROP TABLE wallet.kind CASCADE')) AS t (n, statement) ORDER BY n;

-- Nor where the table was taken out of the extension, nor where triggers are silenced.
BEGIN;
ALTER EXTENSION pg_wallet DROP TABLE wallet.transfer;
DROP TABLE wallet.transfer CASCADE;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
DROP EXTENSION pg_wallet;
ROLLBACK;

-- All is still there, and works.
SELECT pay.wallet_process();
SELECT amount FROM pay.wallet_get(1);
SELECT state FROM pay.wallet_lookup('deposit', 1, :'handshake');

-- The switch is for superusers alone.
CREATE ROLE regress_wallet_clerk;
SET ROLE regress_wallet_clerk;
SET pg_wallet.allow_drop = on;
RESET ROLE;
SHOW pg_wallet.allow_drop;

-- With the switch it goes, and a rollback brings everything back.
BEGIN;
SET LOCAL pg_wallet.allow_drop = on;
DROP SCHEMA pay CASCADE;
ROLLBACK;
SHOW pg_wallet.allow_drop;
SELECT amount FROM pay.wallet_get(1);
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
RESET pg_wallet.allow_drop;
SELECT count(*) FROM pg_event_trigger;

-- Made again in the same session, it works: no plan and no handshake of the old one is left.
CREATE EXTENSION pg_wallet SCHEMA pay;
SELECT wallet_id, amount FROM pay.wallet_create(1, 5);
SELECT wallet_id, amount FROM pay.wallet_create(2, 5);
SELECT source_balance, destination_balance FROM pay.wallet_transfer(1, 2, 1, idempotency_key => 'k');
SELECT pg_temp.attempt(format('SELECT pay.wallet_lookup(''deposit'', 1, %L)', :'handshake'));
SELECT pay.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'q') AS second \gset
SELECT pay.wallet_process();
SELECT state FROM pay.wallet_lookup('deposit', 1, :'second');
SELECT bool_and(ok) AS well FROM pay.wallet_verify();
SELECT count(*) FROM pay.wallet_history(1);

-- DROP OWNED by whoever owns it.
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
RESET pg_wallet.allow_drop;
CREATE ROLE regress_wallet_owner SUPERUSER;
SET ROLE regress_wallet_owner;
CREATE EXTENSION pg_wallet;
SELECT wallet_id FROM wallet_create(1, 10);
RESET ROLE;
DROP OWNED BY regress_wallet_owner CASCADE;
SELECT amount FROM wallet_get(1);
BEGIN;
SET LOCAL pg_wallet.allow_drop = on;
DROP OWNED BY regress_wallet_owner CASCADE;
COMMIT;
SELECT count(*) AS left_over FROM pg_namespace WHERE nspname = 'wallet';

-- A table of that name elsewhere is nobody's journal.
CREATE TABLE pay.transfer AS SELECT 1 AS one;
DROP SCHEMA pay CASCADE;

-- Nor is one of exactly that name where there is no extension, whatever it is and whoever made it.
CREATE ROLE regress_wallet_stranger;
CREATE SCHEMA wallet AUTHORIZATION regress_wallet_stranger;
CREATE FOREIGN DATA WRAPPER regress_wallet_wrapper;
CREATE SERVER regress_wallet_server FOREIGN DATA WRAPPER regress_wallet_wrapper;
GRANT USAGE ON FOREIGN SERVER regress_wallet_server TO regress_wallet_stranger;
SET ROLE regress_wallet_stranger;
SELECT made, pg_temp.attempt(made) AS makes, pg_temp.attempt(dropped) AS drops FROM (VALUES
    (1, 'CREATE VIEW wallet.transfer AS SELECT 1 AS one', 'DROP VIEW wallet.transfer'),
    (2, 'CREATE MATERIALIZED VIEW wallet.transfer AS SELECT 1 AS one', 'DROP MATERIALIZED VIEW wallet.transfer'),
    (3, 'CREATE SEQUENCE wallet.transfer', 'DROP SEQUENCE wallet.transfer'),
    (4, 'CREATE TYPE wallet.transfer AS (one integer)', 'DROP TYPE wallet.transfer'),
    (5, 'CREATE TABLE wallet.list AS SELECT 1 AS one; CREATE INDEX transfer ON wallet.list (one)', 'DROP INDEX wallet.transfer'),
    (6, 'CREATE INDEX transfer ON wallet.list (one)', 'DROP TABLE wallet.list'),
    (7, 'CREATE FOREIGN TABLE wallet.transfer (one integer) SERVER regress_wallet_server', 'DROP FOREIGN TABLE wallet.transfer'),
    (8, 'CREATE TABLE wallet.transfer (one integer) PARTITION BY LIST (one);
         CREATE TABLE wallet.part PARTITION OF wallet.transfer FOR VALUES IN (1);
         INSERT INTO wallet.transfer VALUES (1)', 'DROP TABLE wallet.transfer'),
    (9, 'CREATE TABLE wallet.list (one integer) PARTITION BY LIST (one);
         CREATE INDEX transfer ON wallet.list (one)', 'DROP TABLE wallet.list'),
    (10, 'CREATE TABLE wallet.transfer AS SELECT 1 AS one', 'DROP TABLE wallet.transfer'),
    (11, 'CREATE TABLE wallet.transfer AS SELECT 1 AS one', 'DROP SCHEMA wallet CASCADE')) AS t (n, made, dropped) ORDER BY n;
RESET ROLE;
DROP SERVER regress_wallet_server;
DROP FOREIGN DATA WRAPPER regress_wallet_wrapper;
DROP ROLE regress_wallet_clerk, regress_wallet_owner, regress_wallet_stranger;
