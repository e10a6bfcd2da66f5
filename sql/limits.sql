-- wallet_set_limits, wallet_close and reopening: what a wallet allows, and who has changed that.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id, amount, held, floor, ceiling, available FROM wallet_create(1, 100) UNION ALL SELECT wallet_id, amount, held, floor, ceiling, available FROM wallet_create(2) ORDER BY 1;

-- A positive floor stays, a negative one is a credit line; a debit needs available money.
SELECT amount, floor, ceiling, available FROM wallet_set_limits(1, floor => 30);
SELECT wallet_transfer(1, 2, 70.01);
SELECT source_balance FROM wallet_transfer(1, 2, 70);
SELECT amount, floor, ceiling, available FROM wallet_set_limits(1, -50);
SELECT source_balance FROM wallet_transfer(1, 2, 80);
SELECT wallet_transfer(1, 2, 0.01);
-- a credit line is cut while it is used: debits stop until credits have repaired it
SELECT amount, floor, available FROM wallet_set_limits(1, 0);
SELECT wallet_withdraw(1, 0.01);
SELECT destination_balance FROM wallet_deposit(1, 60);

-- A ceiling bounds what credits may make of the balance; lowering it below the balance stops credits.
SELECT amount, floor, ceiling, available FROM wallet_set_limits(2, ceiling => 160);
SELECT wallet_deposit(2, 10.01);
SELECT destination_balance FROM wallet_deposit(2, 10);
SELECT ceiling FROM wallet_set_limits(2, ceiling => 100);
SELECT wallet_deposit(2, 0.01);
SELECT source_balance FROM wallet_withdraw(2, 10);
SELECT ceiling IS NULL AS none FROM wallet_set_limits(2, ceiling => 'infinity');
SELECT destination_balance FROM wallet_deposit(2, 1000);
-- refunds and captures are credits too
SELECT transfer_id AS paid FROM wallet_transfer(2, 1, 10) \gset
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 5) \gset
SELECT ceiling FROM wallet_set_limits(2, ceiling => 1000);
SELECT wallet_reverse(:paid);
SELECT wallet_capture(:hold);
SELECT amount FROM wallet_void(:hold);

SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_set_limits(1)'),
    (2, 'SELECT wallet_set_limits(1, NULL, NULL)'),
    (3, 'SELECT wallet_set_limits(9, 1)'),
    (4, 'SELECT wallet_set_limits(0, 1)'),
    (5, 'SELECT wallet_set_limits(NULL, 1)'),
    (6, 'SELECT wallet_set_limits(2, 1000.01)'),
    (7, 'SELECT wallet_set_limits(2, 5, 4)'),
    (8, 'SELECT wallet_set_limits(2, ''infinity'')'),
    (9, 'SELECT wallet_set_limits(2, ''NaN'')'),
    (10, 'SELECT wallet_set_limits(2, ceiling => ''-infinity'')'),
    (11, 'SELECT wallet_set_limits(2, 0.001)'),
    (12, 'SELECT wallet_set_limits(2, -92233720368547758.08)'),
    (13, 'SELECT wallet_set_limits(2, -92233720368547758.07)')) AS t (n, statement) ORDER BY n;

-- What is available is exact where it leaves 64 bits.
SELECT available FROM wallet_set_limits(1, -92233720368547758.07);
SELECT available FROM wallet_get(1);
SELECT available FROM wallet_set_limits(1, 92233720368547758.07);
SELECT wallet_transfer(1, 2, 1);
SELECT floor FROM wallet_set_limits(1, 0);

-- Every change is kept: who, from, to, and the wallet's last transfer at that moment.
SELECT wallet_id, floor_before, floor_after, ceiling_before, ceiling_after, changed_by = current_user AS by_me,
       last_transfer_id = (SELECT w.last_transfer_id FROM wallet.wallet AS w WHERE w.wallet_id = l.wallet_id) AS since_last, changed_at <= clock_timestamp() AS past
    FROM wallet.limit_change AS l ORDER BY change_id;
CREATE ROLE limit_operator;
SELECT wallet_grant('limit_operator', 'operator');
SET ROLE limit_operator;
SELECT floor FROM wallet_set_limits(2, 1);
RESET ROLE;
SELECT changed_by FROM wallet.limit_change ORDER BY change_id DESC LIMIT 1;
SELECT floor FROM wallet_set_limits(2, 0);

-- Frozen: allowed; closed: not.
SELECT status FROM wallet_set_status(1, 'frozen');
SELECT floor FROM wallet_set_limits(1, 1);
SELECT floor FROM wallet_set_limits(1, 0);
SELECT status FROM wallet_set_status(1, 'active');

-- Closing with a sweep: the whole booked balance, whatever the floor.
SELECT floor FROM wallet_set_limits(1, 5);
SELECT wallet_close(1);
SELECT wallet_close(1, 1);
SELECT wallet_close(1, 9);
SELECT wallet_close(9, 1);
SELECT wallet_close(1, 2);
SELECT ceiling FROM wallet_set_limits(2, ceiling => 2000);
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 5) \gset
SELECT wallet_close(1, 2);
SELECT amount FROM wallet_void(:hold);
SELECT status, amount, floor FROM wallet_close(1, 2);
SELECT wallet.kind_name(kind) AS kind, source_wallet_id, destination_wallet_id, amount, source_balance FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1;
SELECT status FROM wallet_close(1);
SELECT wallet_set_limits(1, 0);
SELECT wallet_set_status(1, 'frozen');
SELECT status FROM wallet_set_status(1, 'closed');
-- an operator reopens it: a user has one wallet
SELECT status FROM wallet_set_status(1, 'active');
SELECT destination_balance FROM wallet_deposit(1, 1);
-- a debt is not swept, and nothing to sweep only closes
SELECT floor FROM wallet_set_limits(1, -1);
SELECT source_balance FROM wallet_withdraw(1, 2);
SELECT wallet_close(1, 2);
SELECT destination_balance FROM wallet_deposit(1, 1);
SELECT status FROM wallet_close(1, 2);
-- due holds are released first
SELECT status FROM wallet_set_status(1, 'active');
SELECT destination_balance FROM wallet_deposit(1, 3);
SELECT kind FROM wallet_hold(1, NULL, 3, '1 hour');
SELECT wallet_close(1, 2);
SET pg_wallet.clock_offset = '2 hours';
SELECT status, held FROM wallet_close(1, 2);
RESET pg_wallet.clock_offset;
SELECT wallet.kind_name(kind) AS kind, amount FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 2;
SELECT * FROM pg_temp.faults();

DROP OWNED BY limit_operator;
DROP ROLE limit_operator;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
