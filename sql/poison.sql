-- A request that the tables refuse does not stop the queue: it alone is rejected with internal_error.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
ALTER TABLE wallet.transfer ADD CONSTRAINT poison CHECK (amount <> 66613);
SELECT wallet_id FROM wallet_create(1, 10000);
SELECT wallet_id FROM wallet_create(2);
CREATE FUNCTION pg_temp.deposit(VARIADIC amounts numeric[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(wallet_enqueue('deposit', format('{"user_id":1,"wallet_id":1,"amount":%s}', amount)::json)) FROM unnest(amounts) AS amount
$$;
CREATE VIEW pg_temp.latest AS
    SELECT row_number() OVER (ORDER BY r.request_id) AS n, wallet.kind_name(r.kind) AS kind, r.amount / 10 ^ r.amount_scale AS amount, coalesce(o.code, CASE WHEN t.transfer_id IS NOT NULL THEN 'processed' END) AS code
        FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id);

-- One among others.
SELECT pg_temp.deposit(1, 2, 666.13, 4, 5);
SELECT wallet_process();
SELECT * FROM pg_temp.latest;
SELECT amount FROM wallet_get(1);

-- Alone, first, last, and several.
SELECT pg_temp.deposit(666.13);
SELECT wallet_process();
SELECT pg_temp.deposit(666.13, 1, 666.13, 666.13, 2, 3, 4, 666.13);
SELECT wallet_process();
SELECT n, amount, code FROM pg_temp.latest WHERE n > 5 ORDER BY n;
SELECT amount FROM wallet_get(1);

-- In a new wallet's first deposit: neither the deposit nor the wallet is made.
SELECT wallet_enqueue('wallet', '{"user_id":3,"amount":666.13}') AS handshake \gset
SELECT wallet_enqueue('wallet', '{"user_id":4,"amount":666.12}') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT state, code, message, wallet_id FROM wallet_lookup('wallet', 3, :'handshake');
SELECT user_id, balance FROM wallet.wallet ORDER BY 1;

-- Those that come after it see the money that did not move.
SELECT code FROM wallet_enqueue_many(
    ARRAY['withdrawal', 'transaction', 'withdrawal', 'transaction'],
    ARRAY['{"user_id":1,"wallet_id":1,"amount":9300}', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":666.13}',
          '{"user_id":2,"wallet_id":2,"amount":1}', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":700}']);
SELECT wallet_process();
SELECT kind, amount, code FROM pg_temp.latest ORDER BY n DESC LIMIT 4;

-- Many, with one in a hundred bad.
SELECT pg_temp.deposit(VARIADIC ARRAY(SELECT CASE WHEN i % 100 = 50 THEN 666.13 ELSE 1 END FROM generate_series(1, 1000) AS i));
SELECT wallet_process();
SELECT code, count(*) FROM pg_temp.latest WHERE n > 19 GROUP BY code ORDER BY code;

-- A direct call has an error of its own.
SELECT pg_temp.attempt('SELECT wallet_deposit(1, 666.13)');

-- An exception that somebody's trigger raises counts as the request's fault as well.
ALTER TABLE wallet.transfer DROP CONSTRAINT poison;
CREATE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no % today', NEW.amount; END $$;
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW WHEN (NEW.amount = 13) EXECUTE FUNCTION pg_temp.bite();
SELECT pg_temp.deposit(1, 0.13, 2);
SELECT wallet_process();
SELECT amount, code FROM pg_temp.latest ORDER BY n DESC LIMIT 3;
DROP TRIGGER bite ON wallet.transfer;

-- What is not the data's fault is charged to nobody: the error is the caller's, and the requests wait.
CREATE OR REPLACE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION pg_temp.bite();
SELECT pg_temp.deposit(1, 2);
SELECT pg_temp.attempt('SELECT wallet_process()');
SELECT queued FROM wallet.queue;
DROP TRIGGER bite ON wallet.transfer;
SELECT wallet_process();
SELECT amount, code FROM pg_temp.latest ORDER BY n DESC LIMIT 2;

-- Whose fault is it?  The request's, unless the class of the SQLSTATE says that it is nobody's.
CREATE OR REPLACE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bitten' USING ERRCODE = TG_ARGV[0]; END $$;
CREATE FUNCTION pg_temp.bitten(code text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM pg_temp.deposit(1, 7.13, 2);
    EXECUTE format('CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW WHEN (NEW.amount = 713) EXECUTE FUNCTION pg_temp.bite(%L)', code);
    result := pg_temp.attempt('SELECT wallet_process()');
    DROP TRIGGER bite ON wallet.transfer;
    PERFORM wallet_process();
    RETURN result || ', then ' || (SELECT string_agg(l.code, ' ' ORDER BY l.n) FROM (SELECT * FROM pg_temp.latest ORDER BY n DESC LIMIT 3) AS l);
END
$$;
SET client_min_messages = error;
SELECT code, pg_temp.bitten(code) FROM unnest(ARRAY[
    'AP001', 'WALLT', '01000', '02000', '09000', '20000', '21000', '22000', '22003', '22012', '22P02', '23000', '23502', '23503', '23505', '23514', '23P01',
    '27000', '38000', '44000', 'P0001', 'P0002', 'P0003', 'P0004',
    '03000', '08006', '0A000', '0B000', '0F000', '0LP01', '0P000', '0Z000', '2200H', '24000', '25006', '26000', '28000', '2BP01', '2D000', '2F000', '34000',
    '39000', '39P01', '3B000', '3D000', '3F000', '40001', '40P01', '42501', '42703', '42704', '42883', '42P01', '53100', '53200', '53300', '54000', '54001',
    '55000', '55P03', '57P03', '58030', '72000', 'F0000', 'HV000', 'XX000', 'XX001', 'XX002']) WITH ORDINALITY AS t (code, n) ORDER BY n;

-- A constraint of ours is violated only when something else is wrong; one of somebody else's by the request.
CREATE OR REPLACE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bitten' USING ERRCODE = split_part(TG_ARGV[0], ' ', 1),
    SCHEMA = split_part(TG_ARGV[0], ' ', 2), TABLE = split_part(TG_ARGV[0], ' ', 3), CONSTRAINT = split_part(TG_ARGV[0], ' ', 4); END $$;
SELECT code, pg_temp.bitten(code) FROM unnest(ARRAY[
    '23505 wallet transfer transfer_pkey', '23505 wallet transfer transfer_request_id_key', '23505 wallet wallet wallet_pkey', '23505 wallet outcome_0 outcome_0_pkey',
    '23502 wallet transfer', '23505 wallet transfer transfer_order_key', '23505 public transfer transfer_pkey', '23502 public log', '23514 wallet transfer poison'])
    WITH ORDINALITY AS t (code, n) ORDER BY n;
RESET client_min_messages;

-- A trigger that keeps a row out without an error would lose money: that is an error, and nobody's fault.
CREATE OR REPLACE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT amount FROM wallet_get(1);
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW WHEN (NEW.amount = 13) EXECUTE FUNCTION pg_temp.bite();
SELECT pg_temp.attempt('SELECT wallet_deposit(1, 0.13)');
SELECT pg_temp.attempt('SELECT wallet_create(9, 0.13)');
SELECT pg_temp.deposit(1, 0.13);
SELECT pg_temp.attempt('SELECT wallet_process()');
SELECT queued FROM wallet.queue;
SELECT amount FROM wallet_get(1);
DROP TRIGGER bite ON wallet.transfer;
SELECT wallet_process();
CREATE TRIGGER bite BEFORE INSERT ON wallet.outcome FOR EACH ROW EXECUTE FUNCTION pg_temp.bite();
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":1000000}') IS NOT NULL AS queued;
SELECT pg_temp.attempt('SELECT wallet_process()');
SELECT queued FROM wallet.queue;
DROP TRIGGER bite ON wallet.outcome;
SELECT wallet_process();
SELECT amount, code FROM pg_temp.latest ORDER BY n DESC LIMIT 2;

-- Neither is a table that does not even take the refusal.
ALTER TABLE wallet.transfer ADD CONSTRAINT poison CHECK (amount <> 66613);
ALTER TABLE wallet.outcome ADD CONSTRAINT poison CHECK (code <> 'internal_error') NOT VALID;
SELECT pg_temp.deposit(1, 666.13);
SELECT pg_temp.attempt('SELECT wallet_process()');
SELECT queued FROM wallet.queue;
ALTER TABLE wallet.outcome DROP CONSTRAINT poison;
SELECT wallet_process();
SELECT amount, code FROM pg_temp.latest ORDER BY n DESC LIMIT 2;
SELECT * FROM pg_temp.faults();

DROP VIEW pg_temp.latest;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
