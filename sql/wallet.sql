-- wallet_create and wallet_get: a user has one wallet, in one currency.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

SELECT wallet_id, user_id, status, amount, currency, created_at = updated_at AS untouched FROM wallet_create(1);
SELECT wallet_id, user_id, status, amount, currency FROM wallet_create(2, 7100.5);
SELECT wallet_id, user_id, status, amount, currency FROM wallet_create(3, amount => 7, currency => 'EUR');
SELECT wallet_id, user_id, status, amount, currency FROM wallet_create(9223372036854775807, 0.001, 'kwd');

-- An initial amount is a deposit; without one there is no transfer.
SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance FROM wallet_history(2);
SELECT count(*) FROM wallet_history(1);

SELECT wallet_id, user_id, status, amount, currency, created_at <= clock_timestamp() AS made_before FROM wallet_get(2);

-- A user's one wallet can be found by the user.
SELECT wallet_of(1), wallet_of(2), wallet_of(9223372036854775807), wallet_of(5) AS nobody, wallet_of(0) AS no_id, wallet_of(NULL) AS null;
SELECT amount, currency FROM wallet_get(wallet_of(2));

-- Refusals, and what they say: of a second wallet, which the first one is.
SELECT wallet_create(1);
SELECT wallet_create(5, currency => 'xxx');
SELECT wallet_get(99);
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_create(0)'),
    (2, 'SELECT wallet_create(-1)'),
    (3, 'SELECT wallet_create(NULL)'),
    (4, 'SELECT wallet_create(5, NULL)'),
    (5, 'SELECT wallet_create(5, 1, NULL)'),
    (6, 'SELECT wallet_create(5, -0.01)'),
    (7, 'SELECT wallet_create(5, 1, '''')'),
    (8, 'SELECT wallet_create(5, 1, ''us'')'),
    (9, 'SELECT wallet_create(5, 1, ''usdd'')'),
    (10, 'SELECT wallet_create(5, 1, ''us''''d'')'),
    (11, 'SELECT wallet_create(5, 0.001, ''usd'')'),
    (12, 'SELECT wallet_get(0)'),
    (13, 'SELECT wallet_get(NULL)')) AS t (n, statement) ORDER BY n;

-- The order of the rules: each statement breaks one and those that come after it.
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_create(1, -0.001, ''xxx'')'),
    (2, 'SELECT wallet_create(1, 0.001, ''xxx'')'),
    (3, 'SELECT wallet_create(1, 0.001, ''usd'')'),
    (4, 'SELECT wallet_create(5, 0.001, ''usd'')')) AS t (n, statement) ORDER BY n;

-- What was refused has left nothing; what is rolled back neither.
BEGIN;
SELECT wallet_id > 4 AS made FROM wallet_create(5, 1);
ROLLBACK;
SELECT wallet_id, user_id FROM wallet.wallet ORDER BY 1;

-- An owner may add currencies of his own.
INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('xbt', 1000, 8);
SELECT amount, currency FROM wallet_create(6, 20999999.97690000, 'xbt');
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'INSERT INTO wallet.currency (code, number, minor_digits) VALUES (''XYZ'', 1001, 2)'),
    (2, 'INSERT INTO wallet.currency (code, number, minor_digits) VALUES (''xyz'', 1001, 9)'),
    (3, 'INSERT INTO wallet.currency (code, number, minor_digits) VALUES (''xyz'', 840, 2)'),
    (4, 'INSERT INTO wallet.currency (code, number, minor_digits) VALUES (''usd'', 1001, 2)')) AS t (n, statement) ORDER BY n;
-- One that was undone is forgotten.
BEGIN;
INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('pts', 1001, 4);
SELECT wallet_id, amount, currency FROM wallet_create(20, 0.0001, 'pts');
ROLLBACK;
SELECT pg_temp.attempt('SELECT wallet_create(20, 0, ''pts'')');

-- A read-only transaction reads.
BEGIN READ ONLY;
SELECT amount FROM wallet_get(2);
SELECT wallet_create(7);
ROLLBACK;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
