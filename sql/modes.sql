-- amount_mode of wallet_transfer and wallet_withdraw: exact, up_to and all.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100) UNION ALL SELECT wallet_id FROM wallet_create(2) ORDER BY 1;

SELECT amount, source_balance FROM wallet_transfer(1, 2, 10, 'exact');
SELECT amount, source_balance FROM wallet_transfer(1, 2, 10, NULL);
SELECT amount, source_balance FROM wallet_transfer(1, 2, 10, 'up_to');
SELECT amount, source_balance FROM wallet_transfer(1, 2, 1000, 'up_to', idempotency_key => 'u');
-- a retry moves nothing again, and gives the first result
SELECT destination_balance FROM wallet_deposit(1, 500);
SELECT amount, source_balance FROM wallet_transfer(1, 2, 1000, 'up_to', idempotency_key => 'u');
SELECT wallet_transfer(1, 2, 1000, 'exact', idempotency_key => 'u');
SELECT wallet_transfer(1, 2, 0, 'up_to', idempotency_key => 'u');
SELECT amount FROM wallet_get(1);

-- all: own money, without the credit line; up_to may draw it.
SELECT available FROM wallet_set_limits(1, -100);
SELECT kind FROM wallet_hold(1, 2, 50);
SELECT amount, source_balance FROM wallet_withdraw(1, NULL, 'all');
SELECT wallet_withdraw(1, NULL, 'all');
SELECT amount, source_balance FROM wallet_withdraw(1, 500, 'up_to');
SELECT wallet_withdraw(1, 0.01, 'up_to');
-- a positive floor stays
SELECT destination_balance FROM wallet_deposit(1, 150.01);
SELECT available FROM wallet_set_limits(1, 30);
SELECT amount, source_balance FROM wallet_transfer(1, 2, NULL, 'all');

-- Both look at the payer alone: the payee's ceiling refuses the whole.
SELECT destination_balance FROM wallet_deposit(1, 10);
SELECT ceiling FROM wallet_set_limits(2, ceiling => 125);
SELECT wallet_transfer(1, 2, 100, 'up_to');

SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_transfer(1, 2, 1, ''all'')'),
    (2, 'SELECT wallet_transfer(1, 2, 1, ''ALL'')'),
    (3, 'SELECT wallet_transfer(1, 2, 1, '''')'),
    (4, 'SELECT wallet_transfer(1, 2, NULL, ''up_to'')'),
    (5, 'SELECT wallet_transfer(1, 2, NULL)'),
    (6, 'SELECT wallet_withdraw(1, 0, ''up_to'')'),
    (7, 'SELECT wallet_withdraw(1, 0.001, ''up_to'')'),
    (8, 'SELECT wallet_withdraw(9, NULL, ''all'')'),
    (9, 'SELECT wallet_transfer(1, 1, NULL, ''all'')')) AS t (n, statement) ORDER BY n;

-- The payload comes before the key, whatever the kind: a known key does not hide what is wrong with the call.
SELECT transfer_id > 0 AS made FROM wallet_deposit(1, 5, idempotency_key => 'd');
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_deposit(1, 0, idempotency_key => ''d'')'),
    (2, 'SELECT wallet_withdraw(1, -1, idempotency_key => ''d'')'),
    (3, 'SELECT wallet_transfer(1, 1, 1, idempotency_key => ''d'')'),
    (4, 'SELECT wallet_hold(1, 2, 5, max_capture => 4, idempotency_key => ''d'')'),
    (5, 'SELECT wallet_hold(1, 2, 5, ''-1 s'', idempotency_key => ''d'')'),
    (6, 'SELECT wallet_hold_extend(1, idempotency_key => ''d'')'),
    (7, 'SELECT wallet_capture(1, 0, idempotency_key => ''d'')'),
    (8, 'SELECT wallet_deposit(1, 5.00000000001, idempotency_key => ''d'')'),
    (9, 'SELECT wallet_deposit(1, 5.001, idempotency_key => ''d'')'),
    (10, 'SELECT wallet_deposit(1, 6, idempotency_key => ''d'')'),
    (11, 'SELECT wallet_withdraw(1, 6000, idempotency_key => ''d'')'),
    (12, 'SELECT wallet_deposit(9, 6, idempotency_key => ''d'')')) AS t (n, statement) ORDER BY n;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
