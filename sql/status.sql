-- wallet_set_status: freeze, unfreeze, close; no money moves into or out of a wallet that is not active.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_id FROM wallet_create(2);
SELECT wallet_id FROM wallet_create(3);

SELECT wallet_id, user_id, status, amount, currency, updated_at > created_at AS changed FROM wallet_set_status(1, 'frozen');
SELECT status FROM wallet_get(1);
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_deposit(1, 1)'),
    (2, 'SELECT wallet_withdraw(1, 1)'),
    (3, 'SELECT wallet_transfer(1, 2, 1)'),
    (4, 'SELECT wallet_transfer(2, 1, 1)'),
    (5, 'SELECT wallet_set_status(1, ''frozen'')'),
    (6, 'SELECT wallet_set_status(1, ''closed'')'),
    (7, 'SELECT wallet_set_status(1, ''active'')'),
    (8, 'SELECT wallet_transfer(1, 2, 1)')) AS t (n, statement) ORDER BY n;
SELECT amount, status FROM wallet_get(1);

-- Only an empty wallet can be closed, and that is for ever; its user gets no second one.
SELECT wallet_set_status(2, 'closed');
SELECT source_balance FROM wallet_withdraw(2, 1);
SELECT wallet_id, status FROM wallet_set_status(2, 'closed');
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_deposit(2, 1)'),
    (2, 'SELECT wallet_transfer(1, 2, 1)'),
    (3, 'SELECT wallet_transfer(2, 1, 1)'),
    (4, 'SELECT wallet_set_status(2, ''active'')'),
    (5, 'SELECT wallet_set_status(2, ''frozen'')'),
    (6, 'SELECT wallet_set_status(2, ''closed'')'),
    (7, 'SELECT wallet_create(2)')) AS t (n, statement) ORDER BY n;

-- A frozen wallet that is empty can be closed.
SELECT status FROM wallet_set_status(3, 'frozen');
SELECT status FROM wallet_set_status(3, 'closed');

-- What was queued before is judged when its turn comes.
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":1}') AS handshake \gset
SELECT status FROM wallet_set_status(1, 'frozen');
SELECT wallet_process();
SELECT state, code, message FROM wallet_lookup('withdrawal', 1, :'handshake');
SELECT status FROM wallet_set_status(1, 'active');
SELECT wallet_process();
SELECT state, code FROM wallet_lookup('withdrawal', 1, :'handshake');

-- Arguments that cannot be: the status comes before the wallet.
SELECT wallet_set_status(1, 'blocked');
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_set_status(99, ''active'')'),
    (2, 'SELECT wallet_set_status(99, ''blocked'')'),
    (3, 'SELECT wallet_set_status(0, ''active'')'),
    (4, 'SELECT wallet_set_status(-840, ''frozen'')'),
    (5, 'SELECT wallet_set_status(NULL, ''active'')'),
    (6, 'SELECT wallet_set_status(1, NULL)'),
    (7, 'SELECT wallet_set_status(1, ''Active'')'),
    (8, 'SELECT wallet_set_status(1, '''')'),
    (9, 'SELECT wallet_set_status(0, ''blocked'')'),
    (10, 'SELECT wallet_set_status(2, ''blocked'')')) AS t (n, statement) ORDER BY n;
BEGIN READ ONLY;
SELECT wallet_set_status(1, 'frozen');
ROLLBACK;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
