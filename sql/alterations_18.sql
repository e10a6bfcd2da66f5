-- What PostgreSQL 18 has made new in tables is honoured by payments, as statements honour it.
SELECT current_setting('server_version_num')::integer < 180000 AS is_older \gset
\if :is_older
\quit
\endif
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2, 2000);
SET client_min_messages = error; -- wal_level is not logical
CREATE SCHEMA own;
\i test/alterations.sql

CREATE TABLE pg_temp.alteration (n integer GENERATED ALWAYS AS IDENTITY, alteration text, look text DEFAULT '');
INSERT INTO alteration (alteration, look) VALUES
    ('ALTER TABLE wallet.transfer ADD twice bigint GENERATED ALWAYS AS (amount * 2) VIRTUAL', 'SELECT bool_and(twice = 2 * amount) FROM wallet.transfer'),
    ('ALTER TABLE wallet.wallet ADD twice bigint GENERATED ALWAYS AS (balance * 2)', 'SELECT bool_and(twice = 2 * balance) FROM wallet.wallet'),
    ('ALTER TABLE wallet.wallet ADD twice bigint GENERATED ALWAYS AS (balance * 2) VIRTUAL NOT NULL CHECK (twice < 400400)', ''),
    ('ALTER TABLE wallet.transfer ADD part bigint GENERATED ALWAYS AS (1 / (amount - 100)) VIRTUAL NOT NULL', ''),
    ('ALTER TABLE wallet.request ADD twice numeric GENERATED ALWAYS AS (amount * 2) VIRTUAL', 'SELECT bool_and(twice = 2 * amount) FROM wallet.request'),
    ('ALTER TABLE wallet.outcome ADD twice bigint GENERATED ALWAYS AS (balance * 2) VIRTUAL', 'SELECT bool_and(twice = 2 * balance) FROM wallet.outcome'),
    ('ALTER TABLE wallet.wallet RENAME balance TO saldo; ALTER TABLE wallet.wallet ADD balance bigint GENERATED ALWAYS AS (saldo) VIRTUAL', ''),
    ('ALTER TABLE wallet.wallet ADD CONSTRAINT own CHECK (balance < 0) NOT ENFORCED', ''),
    ('ALTER TABLE wallet.transfer ADD CONSTRAINT own CHECK (amount < 0) NOT ENFORCED', ''),
    ('CREATE TABLE own.known (wallet_id bigint PRIMARY KEY); ALTER TABLE wallet.transfer ADD FOREIGN KEY (destination_wallet_id) REFERENCES own.known NOT ENFORCED', ''),
    ('CREATE TABLE own.seen (wallet_id bigint, FOREIGN KEY (wallet_id) REFERENCES wallet.wallet NOT ENFORCED); INSERT INTO own.seen VALUES (99)', 'SELECT count(*) FROM own.seen'),
    ('ALTER TABLE wallet.transfer ADD CONSTRAINT own NOT NULL metadata NOT VALID', ''),
    ('CREATE EXTENSION btree_gist; ALTER TABLE wallet.wallet ADD valid_at tstzrange NOT NULL DEFAULT ''[,]''; ALTER TABLE wallet.wallet ADD CONSTRAINT own UNIQUE (user_id, valid_at WITHOUT OVERLAPS)', ''),
    ('ALTER TABLE wallet.transfer ADD token uuid NOT NULL DEFAULT uuidv7()', 'SELECT count(DISTINCT token) = count(*) FROM wallet.transfer');

-- Payments that nothing forces to be made by statements end as those do.
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

DROP SCHEMA own CASCADE;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
