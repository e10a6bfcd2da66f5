-- What a user hangs on the tables counts, whether rows are written with a statement or without.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

-- What must not be null is not.
ALTER TABLE wallet.transfer ALTER COLUMN request_id SET NOT NULL;
SELECT pg_temp.attempt('SELECT wallet_create(1, 1000)');
DROP EXTENSION pg_wallet;
CREATE EXTENSION pg_wallet;
SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2);
CREATE FUNCTION pg_temp.pay(amount text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    handshake text;
    answer wallet.request_info;
BEGIN
    PERFORM wallet_transfer(1, 2, amount::numeric);
    handshake := wallet_enqueue('transaction', format('{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":%s}', amount)::json);
    PERFORM wallet_process();
    answer := wallet_lookup('transaction', 1, handshake);
    RETURN answer.code;
END
$$;

-- An index of one's own has an entry for every row.
CREATE INDEX own_source ON wallet.transfer (source_wallet_id, transfer_id);
CREATE INDEX own_balance ON wallet.wallet (balance);
CREATE INDEX own_user ON wallet.request (user_id) WHERE kind = 2;
SELECT pg_temp.pay('1');
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT transfer_id, amount FROM wallet.transfer WHERE source_wallet_id = 1;
SELECT transfer_id, amount FROM wallet.transfer WHERE source_wallet_id = 1;
SELECT wallet_id FROM wallet.wallet WHERE balance = 200;
SELECT wallet_id FROM wallet.wallet WHERE balance = 0;
SELECT count(*) FROM wallet.request WHERE user_id = 1 AND kind = wallet.kind_number('transaction');
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX wallet.own_balance;

-- A constraint of one's own holds.
ALTER TABLE wallet.wallet ADD CONSTRAINT allowance CHECK (wallet_id <> 2 OR balance <= 500);
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 4)');
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":4}') AS handshake \gset
SELECT wallet_process();
SELECT state, code FROM wallet_lookup('transaction', 1, :'handshake');
ALTER TABLE wallet.wallet DROP CONSTRAINT allowance;

-- So does one that calls a function of one's own, as the function is at the time.
CREATE FUNCTION allowance(wallet_id bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 100000::bigint';
ALTER TABLE wallet.wallet ADD CONSTRAINT allowance CHECK (balance <= allowance(wallet_id));
SELECT pg_temp.pay('4');
CREATE OR REPLACE FUNCTION allowance(wallet_id bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT CASE wallet_id WHEN 1 THEN 100000 ELSE 500 END';
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 4)');
ALTER TABLE wallet.wallet DROP CONSTRAINT allowance;
DROP FUNCTION allowance;

-- And a unique index.
CREATE UNIQUE INDEX own_unique ON wallet.transfer (amount) WHERE amount = 600;
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 6), wallet_transfer(1, 2, 6)');
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":6}') AS first,
       wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":6}') AS handshake \gset
SELECT wallet_process();
SELECT state, code FROM wallet_lookup('transaction', 1, :'first');
SELECT state, code FROM wallet_lookup('transaction', 1, :'handshake');
DROP INDEX wallet.own_unique;
SELECT * FROM pg_temp.faults();

-- A foreign key that points to the tables costs nothing, and holds.
CREATE TABLE invoice (wallet_id bigint REFERENCES wallet.wallet, transfer_id bigint REFERENCES wallet.transfer);
INSERT INTO invoice SELECT 1, transfer_id FROM wallet_transfer(1, 2, 0.5);
SELECT pg_temp.pay('0.5');
SELECT pg_temp.attempt('INSERT INTO invoice VALUES (3, NULL)');
SELECT pg_temp.attempt('INSERT INTO invoice VALUES (1, 99)');
DROP TABLE invoice;

-- Row triggers see each change.
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_temp.seen (relation, operation, amount)
        VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'wallet' THEN 'balance' ELSE 'amount' END);
    RETURN NULL;
END
$$;
CREATE TEMPORARY TABLE seen (n serial, relation text, operation text, amount text);
CREATE TRIGGER see AFTER INSERT OR UPDATE ON wallet.wallet FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see AFTER INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see AFTER INSERT ON wallet.request FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see AFTER INSERT ON wallet.outcome FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
SELECT pg_temp.pay('0.25');
SELECT wallet_enqueue('wallet', '{"user_id":1}') IS NOT NULL;
SELECT wallet_process();
SELECT relation, operation, amount FROM pg_temp.seen ORDER BY n;
DROP TRIGGER see ON wallet.wallet;
DROP TRIGGER see ON wallet.transfer;
DROP TRIGGER see ON wallet.request;
DROP TRIGGER see ON wallet.outcome;

-- A trigger that swallows a row is noticed.
CREATE FUNCTION pg_temp.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION pg_temp.swallow();
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 1)');
DROP TRIGGER swallow ON wallet.transfer;

-- Columns of one's own get their defaults, and keep what they have.
ALTER TABLE wallet.wallet ADD COLUMN note text;
ALTER TABLE wallet.transfer ADD COLUMN note text DEFAULT 'noted';
ALTER TABLE wallet.request ADD COLUMN note text DEFAULT 'asked';
ALTER TABLE wallet.outcome ADD COLUMN note text DEFAULT 'done';
UPDATE wallet.wallet SET note = 'mine' WHERE wallet_id = 1;
SELECT pg_temp.pay('0.1');
SELECT note FROM wallet.wallet ORDER BY wallet_id;
SELECT note FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1;
SELECT note FROM wallet.request ORDER BY request_id DESC LIMIT 1;
ALTER TABLE wallet.wallet DROP COLUMN note;
SELECT pg_temp.pay('0.1');

-- The view shows each transfer from both sides, newest last.
SELECT wallet_id, transfer_id, kind, other_wallet_id, change, balance, currency FROM wallet.operation WHERE wallet_id = 1 ORDER BY transfer_id;
SELECT count(*), sum(change) FROM wallet.operation WHERE wallet_id = 2;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
