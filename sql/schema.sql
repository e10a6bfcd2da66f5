-- A schema called wallet that was there before is not taken over, whoever owns it, whatever is in it.
\set SHOW_CONTEXT never
CREATE ROLE regress_wallet_trojan;
CREATE SCHEMA wallet AUTHORIZATION regress_wallet_trojan;
CREATE EXTENSION pg_wallet;
SET ROLE regress_wallet_trojan;
CREATE TABLE wallet.wallet (wallet_id bigint PRIMARY KEY, balance bigint);
CREATE FUNCTION wallet.refuse(text, text) RETURNS void LANGUAGE sql AS '';
RESET ROLE;
\set VERBOSITY default
CREATE EXTENSION pg_wallet;
-- Nor is it one for the functions.
CREATE EXTENSION pg_wallet SCHEMA wallet;
\set VERBOSITY sqlstate
CREATE EXTENSION pg_wallet;
\set VERBOSITY default
SELECT count(*) FROM pg_extension WHERE extname = 'pg_wallet';
-- The hints are the cure.
ALTER SCHEMA wallet RENAME TO before;
CREATE SCHEMA wallet;
CREATE EXTENSION pg_wallet;
DROP SCHEMA wallet;
CREATE EXTENSION pg_wallet;
SELECT wallet_id FROM wallet_create(1, 5);
SELECT count(*) FROM before.wallet;

-- From then on it is the extension's: it is not dropped alone, has no other name.
DROP SCHEMA wallet CASCADE;
ALTER SCHEMA wallet RENAME TO after;
ALTER EXTENSION pg_wallet SET SCHEMA before;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
SET client_min_messages = error;
DROP SCHEMA before CASCADE;
DROP ROLE regress_wallet_trojan;
