-- What somebody has altered in the tables of holds, reversals and limits is honoured by operations, as statements honour it.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2, 2000);
SET client_min_messages = error; -- wal_level is not logical
CREATE SCHEMA own;
CREATE TABLE own.event (n integer GENERATED ALWAYS AS IDENTITY, event text);
CREATE FUNCTION own.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO own.event (event) VALUES (TG_OP || ' ' || TG_TABLE_NAME);
    RETURN NEW;
END
$$;
CREATE FUNCTION own.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE DOMAIN own.small AS bigint CHECK (VALUE < 5000);

\i test/alterations.sql

-- Two holds, one of them captured, extended and voided, the other one due at once; a payment that needs what the due one held;
-- two reversals; a change of limits. The same through the queue, as far as the queue has it.
CREATE OR REPLACE FUNCTION pg_temp.pay() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    results text[];
    held bigint;
    paid bigint;
    handshakes text[];
BEGIN
    BEGIN
        held := (wallet_hold(1, 2, 40, '1 day', 50)).transfer_id;
        results := ARRAY[
            pg_temp.attempt(format('SELECT wallet_capture(%s, 10, false)', held)),
            pg_temp.attempt(format('SELECT wallet_hold_extend(%s, 60)', held)),
            pg_temp.attempt(format('SELECT wallet_void(%s, 20)', held)),
            pg_temp.attempt(format('SELECT wallet_capture(%s)', held)),
            pg_temp.attempt('SELECT wallet_hold(1, NULL, 900, ''1 microsecond'')'),
            pg_temp.attempt('SELECT wallet_transfer(1, 2, 100)')];
        paid := (SELECT max(transfer_id) FROM wallet.transfer);
        results := results || ARRAY[
            pg_temp.attempt(format('SELECT wallet_reverse(%s, 30)', paid)),
            pg_temp.attempt(format('SELECT wallet_reverse(%s, 60)', paid)),
            pg_temp.attempt('SELECT wallet_set_limits(1, -5)')];
    EXCEPTION WHEN OTHERS THEN
        results := results || (SQLSTATE || ': ' || SQLERRM);
    END;
    BEGIN
        handshakes := ARRAY[wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":7}')];
        handshakes := handshakes || wallet_enqueue('capture', format('{"user_id":2,"hold_handshake_id":"%s","amount":3,"final":false}', handshakes[1])::json);
        handshakes := handshakes || wallet_enqueue('reversal', format('{"user_id":2,"transfer_id":%s,"amount":5}', paid)::json);
        PERFORM wallet_process();
        results := results || ARRAY(SELECT a.code FROM wallet_lookup_many('{hold,capture,reversal}', '{1,2,2}', handshakes) AS a ORDER BY a.ordinal);
    EXCEPTION WHEN OTHERS THEN
        results := results || (SQLSTATE || ': ' || SQLERRM);
    END;
    RETURN concat_ws('; ', (SELECT string_agg(r || ' x' || n, ', ' ORDER BY first) FROM
            (SELECT r, count(*) AS n, min(i) AS first FROM unnest(results) WITH ORDINALITY AS u (r, i) GROUP BY r) AS g),
        (SELECT string_agg(concat_ws(' ', w.balance, w.held, w.floor), ', ' ORDER BY w.wallet_id) FROM wallet.wallet AS w),
        (SELECT string_agg(concat_ws(' ', h.rest, h.captured, h.max_capture, h.state), ', ' ORDER BY h.hold_id) FROM wallet.hold AS h),
        (SELECT string_agg(v.amount::text, ' ' ORDER BY v.transfer_id) FROM wallet.reversed AS v));
END
$$;

CREATE TABLE pg_temp.alteration (n integer GENERATED ALWAYS AS IDENTITY, alteration text, look text DEFAULT '');
INSERT INTO alteration (alteration, look) VALUES
    ('SELECT', ''),
    -- columns
    ('ALTER TABLE wallet.hold ALTER updated_at TYPE timestamptz(0)', 'SELECT bool_and(updated_at = date_trunc(''second'', updated_at)) FROM wallet.hold'),
    ('ALTER TABLE wallet.hold ALTER rest TYPE numeric', ''),
    ('ALTER TABLE wallet.hold ALTER rest TYPE integer', ''),
    ('ALTER TABLE wallet.hold ALTER rest TYPE own.small', ''),
    ('ALTER TABLE wallet.hold ALTER state TYPE bigint', ''),
    ('ALTER TABLE wallet.reversed ALTER amount TYPE numeric', ''),
    ('ALTER TABLE wallet.reversed ALTER amount TYPE own.small', ''),
    ('ALTER TABLE wallet.hold ADD total bigint GENERATED ALWAYS AS (captured + rest) STORED', 'SELECT bool_and(total = captured + rest) FROM wallet.hold'),
    ('ALTER TABLE wallet.hold ADD note text DEFAULT ''noted''', 'SELECT string_agg(DISTINCT note, '' '') FROM wallet.hold'),
    ('ALTER TABLE wallet.reversed ADD note text NOT NULL DEFAULT ''noted''', 'SELECT string_agg(DISTINCT note, '' '') FROM wallet.reversed'),
    ('ALTER TABLE wallet.hold ADD note text NOT NULL', ''),
    ('ALTER TABLE wallet.limit_change ADD note text NOT NULL', ''),
    ('ALTER TABLE wallet.hold ALTER hold_id ADD GENERATED ALWAYS AS IDENTITY', ''),
    ('ALTER TABLE wallet.hold SET UNLOGGED, SET (fillfactor = 100)', ''),
    -- constraints and indexes
    ('ALTER TABLE wallet.hold ADD CONSTRAINT own CHECK (captured < 3000)', ''),
    ('ALTER TABLE wallet.reversed ADD CONSTRAINT own CHECK (amount <> 9000)', ''),
    ('ALTER TABLE wallet.limit_change ADD CONSTRAINT own CHECK (floor_after >= 0)', ''),
    ('ALTER TABLE wallet.hold ADD CONSTRAINT own UNIQUE (source_wallet_id)', ''),
    ('ALTER TABLE wallet.hold ADD CONSTRAINT own EXCLUDE (captured WITH =) WHERE (captured > 0) DEFERRABLE', ''),
    ('ALTER TABLE wallet.hold DROP CONSTRAINT hold_pkey', ''),
    ('ALTER TABLE wallet.reversed DROP CONSTRAINT reversed_pkey', ''),
    ('ALTER TABLE wallet.hold DROP CONSTRAINT hold_pkey, ADD PRIMARY KEY (hold_id, state)', ''),
    ('DROP INDEX wallet.hold_by_source', ''),
    ('DROP INDEX wallet.hold_by_source; CREATE INDEX hold_by_source ON wallet.hold (source_wallet_id, expires_at DESC) WHERE state = 0', ''),
    ('DROP INDEX wallet.hold_by_source; CREATE INDEX hold_by_source ON wallet.hold (expires_at, source_wallet_id) WHERE state = 0', ''),
    ('DROP INDEX wallet.hold_by_source; CREATE INDEX hold_by_source ON wallet.hold (source_wallet_id, expires_at) WHERE state = 1', ''),
    ('CREATE INDEX own ON wallet.hold (captured)', 'SELECT count(*) FROM wallet.hold WHERE captured = 4000'),
    ('CREATE TABLE own.seen (hold_id bigint REFERENCES wallet.hold, transfer_id bigint REFERENCES wallet.reversed)', ''),
    ('CREATE TABLE own.known (wallet_id bigint PRIMARY KEY); INSERT INTO own.known VALUES (1), (2); ALTER TABLE wallet.hold ADD FOREIGN KEY (destination_wallet_id) REFERENCES own.known', ''),
    -- triggers and rules
    ('CREATE TRIGGER a AFTER INSERT OR UPDATE ON wallet.hold FOR EACH ROW EXECUTE FUNCTION own.see()', 'SELECT string_agg(event, '', '' ORDER BY n) FROM own.event'),
    ('CREATE TRIGGER a AFTER INSERT OR UPDATE ON wallet.reversed FOR EACH ROW EXECUTE FUNCTION own.see()', 'SELECT string_agg(event, '', '' ORDER BY n) FROM own.event'),
    ('CREATE TRIGGER a AFTER INSERT ON wallet.limit_change FOR EACH STATEMENT EXECUTE FUNCTION own.see()', 'SELECT string_agg(event, '', '' ORDER BY n) FROM own.event'),
    ('CREATE TRIGGER a BEFORE INSERT ON wallet.hold FOR EACH ROW EXECUTE FUNCTION own.swallow()', ''),
    ('CREATE TRIGGER a BEFORE UPDATE ON wallet.hold FOR EACH ROW EXECUTE FUNCTION own.swallow()', ''),
    ('CREATE TRIGGER a BEFORE INSERT ON wallet.reversed FOR EACH ROW EXECUTE FUNCTION own.swallow()', ''),
    ('CREATE TRIGGER a BEFORE UPDATE ON wallet.reversed FOR EACH ROW EXECUTE FUNCTION own.swallow()', ''),
    ('CREATE TRIGGER a BEFORE INSERT ON wallet.limit_change FOR EACH ROW EXECUTE FUNCTION own.swallow()', ''),
    ('CREATE RULE a AS ON INSERT TO wallet.hold DO INSTEAD NOTHING', ''),
    ('CREATE RULE a AS ON UPDATE TO wallet.reversed DO INSTEAD NOTHING', ''),
    -- whose they are, and who may
    ('ALTER TABLE wallet.hold ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', ''),
    ('CREATE TABLE own.child () INHERITS (wallet.hold)', ''),
    ('ALTER TABLE wallet.hold RENAME TO hold_0; CREATE VIEW wallet.hold AS SELECT * FROM wallet.hold_0', ''),
    -- logical replication
    ('ALTER TABLE wallet.hold REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE wallet.hold', ''),
    ('ALTER TABLE wallet.reversed REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE wallet.reversed', '');

-- Operations that nothing forces to be made by statements end as those do.
\a
\t on
SELECT split_part(a.alteration, ';', 1) AS alteration, o.outcome, s.outcome AS by_statement
    FROM alteration AS a
        CROSS JOIN LATERAL pg_temp.outcome(a.alteration, a.look) AS o (outcome)
        CROSS JOIN LATERAL pg_temp.outcome(a.alteration || pg_temp.by_statement(), a.look) AS s (outcome)
    WHERE o.outcome IS DISTINCT FROM s.outcome AND a.alteration NOT LIKE '% VIEW %'
    ORDER BY a.n;

-- How they end.
SELECT left(a.alteration, 230), pg_temp.outcome(a.alteration, a.look) FROM alteration AS a ORDER BY a.n;
\t off
\a
SELECT * FROM pg_temp.faults();

-- One wallet has a great many due holds, and a later one of the same call has some: those count nowhere either.
BEGIN;
ALTER TABLE wallet.hold ADD note text;
SELECT count(wallet_hold(1, 2, 1, '1 minute')) FROM generate_series(1, 20);
SELECT count(wallet_hold(2, 1, 100, '1 minute')) FROM generate_series(1, 10);
SET LOCAL pg_wallet.clock_offset = '1 hour';
SELECT available FROM wallet_get(2);
SAVEPOINT due;
SELECT code FROM wallet_transfer_many('{1,2}', '{2,1}', '{1,1500}');
ROLLBACK TO due;
SELECT source_wallet_id, amount FROM wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":1},
    {"kind":"transaction","source_wallet_id":2,"dest_wallet_id":1,"amount_mode":"all"}]');
ROLLBACK;

DROP SCHEMA own CASCADE;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
