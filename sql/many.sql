-- wallet_transfer_many: many transfers in the caller's transaction, judged one after the other.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(i, 10)) FROM generate_series(1, 3) AS i;
SELECT wallet_id FROM wallet_create(4, 10, 'eur');

-- Each row is judged as the rows before it left things; one that is refused is no reason for another.
SELECT ordinal, transfer_id IS NOT NULL AS moved, code, message FROM wallet_transfer_many(
    ARRAY[1, 2, 2, 3, 1, 9, 1, 0, 1, 1, 1, 3], ARRAY[2, 3, 3, 1, 1, 1, 9, 1, 4, 2, 2, 2], ARRAY[10, 20, 0.01, 30, 1, 1, 1, 1, 1, 0, 0.001, 'NaN']);
SELECT wallet_id, amount FROM generate_series(1, 3) AS i, LATERAL wallet_get(i) ORDER BY 1;
SELECT count(*) AS rows, count(DISTINCT posted_at) AS moments, bool_and(request_id IS NULL AND group_id IS NULL) AS plain FROM wallet.transfer WHERE kind = 2;

-- All or nothing: the first refusal is an error, which names its row.
SELECT wallet_transfer_many(ARRAY[1, 2], ARRAY[2, 3], ARRAY[1, 100], all_or_nothing => true);
SELECT wallet_transfer_many(ARRAY[1, 0], ARRAY[2, 3], ARRAY[1, 1], all_or_nothing => true);
SELECT wallet_transfer_many(ARRAY[1, 1], ARRAY[2, 3], ARRAY[1, 0], all_or_nothing => true);
SELECT ordinal, code FROM wallet_transfer_many(ARRAY[1, 2], ARRAY[2, 3], ARRAY[1, 1], all_or_nothing => true);
SELECT wallet_id, amount FROM generate_series(1, 3) AS i, LATERAL wallet_get(i) ORDER BY 1;

-- Nothing is left of a transaction that rolls back.
BEGIN;
SELECT count(transfer_id) FROM wallet_transfer_many(ARRAY[1], ARRAY[2], ARRAY[1]);
SELECT amount FROM wallet_get(1);
ROLLBACK;
SELECT amount FROM wallet_get(1);

-- Due holds are left out, and expire.
SELECT kind FROM wallet_hold(1, 2, 29, '1 hour');
SELECT code FROM wallet_transfer_many(ARRAY[1], ARRAY[2], ARRAY[5]);
SET pg_wallet.clock_offset = '2 hours';
SELECT transfer_id AS moved FROM wallet_transfer_many(ARRAY[1], ARRAY[2], ARRAY[5]) \gset
SELECT wallet.kind_name(kind) AS kind, amount, transfer_id = :moved AS is_it FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 2;
RESET pg_wallet.clock_offset;

-- Arguments that cannot be.
SELECT * FROM wallet_transfer_many('{}', '{}', '{}');
SELECT statement, pg_temp.attempt('SELECT wallet_transfer_many(' || statement || ')') FROM (VALUES
    (1, '''{1,2}'', ''{2}'', ''{1,1}'''),
    (2, '''{1}'', ''{2}'', ''{1,1}'''),
    (3, '''{NULL}'', ''{2}'', ''{1}'''),
    (4, '''{1}'', ''{NULL}'', ''{1}'''),
    (5, '''{1}'', ''{2}'', ''{NULL}'''),
    (6, 'NULL, ''{2}'', ''{1}'''),
    (7, '''{1}'', NULL, ''{1}'''),
    (8, '''{1}'', ''{2}'', NULL'),
    (9, '''{1}'', ''{2}'', ''{1}'', ''{order}'''),
    (10, '''{1}'', ''{2}'', ''{1}'', ''{NULL}'''),
    (11, 'array_fill(1, ARRAY[65537]), array_fill(2, ARRAY[65537]), array_fill(1, ARRAY[65537])'),
    (12, '''{1}'', ''{2}'', ''{1}'', NULL, NULL')) AS t (n, statement) ORDER BY n;
BEGIN READ ONLY;
SELECT wallet_transfer_many('{1}', '{2}', '{1}');
ROLLBACK;

-- As many as a call may have, between few wallets and between many.
SELECT count(transfer_id), count(DISTINCT code) AS codes FROM wallet_transfer_many(
    ARRAY(SELECT 1 + i % 2 FROM generate_series(1, 65536) AS i), ARRAY(SELECT 2 - i % 2 FROM generate_series(1, 65536) AS i), array_fill(0.01, ARRAY[65536]));
SELECT count(wallet_create(i, 1)) FROM generate_series(5, 400) AS i;
SELECT count(transfer_id) FROM wallet_transfer_many(
    ARRAY(SELECT 5 + i FROM generate_series(0, 394) AS i), ARRAY(SELECT 6 + i FROM generate_series(0, 394) AS i), array_fill(0.5, ARRAY[395]));
SELECT * FROM pg_temp.faults();

-- A call takes its turn at its first wallets; further calls of the transaction need no more room in the lock table.
BEGIN;
SELECT count(transfer_id) FROM wallet_transfer_many(ARRAY(SELECT 5 + i FROM generate_series(0, 49) AS i), ARRAY(SELECT 6 + i FROM generate_series(0, 49) AS i), array_fill(0.1, ARRAY[50]));
SELECT count(transfer_id) FROM wallet_transfer_many(ARRAY(SELECT 205 + i FROM generate_series(0, 49) AS i), ARRAY(SELECT 206 + i FROM generate_series(0, 49) AS i), array_fill(0.1, ARRAY[50]));
SELECT count(*) AS turns FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid();
ROLLBACK;

-- Tables that a statement has to write, since somebody has added a trigger.
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER note BEFORE UPDATE ON wallet.wallet FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT ordinal, code FROM wallet_transfer_many(ARRAY(SELECT 5 + i FROM generate_series(0, 29) AS i), ARRAY(SELECT 6 + i FROM generate_series(0, 29) AS i), array_fill(0.5, ARRAY[30])) WHERE code <> 'processed';
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
