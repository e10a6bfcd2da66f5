-- wallet_reverse: money goes back, once, and in parts; three ways of a shortfall.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100) UNION ALL SELECT wallet_id FROM wallet_create(2) ORDER BY 1;
SELECT transfer_id AS paid FROM wallet_transfer(1, 2, 60) \gset

SELECT source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, kind, link_id = :paid AS linked, overdraw FROM wallet_reverse(:paid, 10);
SELECT wallet_reverse(:paid, 50.01);
SELECT transfer_id AS back, amount FROM wallet_reverse(:paid) \gset
SELECT wallet_reverse(:paid);
SELECT wallet_reverse(:paid, 1);
SELECT wallet_reverse(:back);
SELECT amount FROM wallet.reversed WHERE transfer_id = :paid;

-- The money has been spent.
SELECT transfer_id AS paid FROM wallet_transfer(1, 2, 60) \gset
SELECT destination_balance FROM wallet_transfer(2, 1, 45);
SELECT wallet_reverse(:paid);
SELECT wallet_reverse(:paid, shortfall => 'all');
SELECT amount, source_balance, overdraw FROM wallet_reverse(:paid, shortfall => 'available');
SELECT wallet_reverse(:paid, shortfall => 'available');
SELECT amount, source_balance, overdraw FROM wallet_reverse(:paid, 5, shortfall => 'overdraw');
SELECT wallet_transfer(2, 1, 0.01);
SELECT destination_balance FROM wallet_transfer(1, 2, 5);
SELECT wallet_transfer(2, 1, 0.01);
SELECT amount, available FROM wallet_get(2);

-- What touches the outside, and what is no transfer.
SELECT transfer_id AS paid_in FROM wallet_deposit(2, 10) \gset
SELECT source_wallet_id, destination_wallet_id, amount, source_balance, kind FROM wallet_reverse(:paid_in, 4);
SELECT transfer_id AS paid_out FROM wallet_withdraw(1, 10) \gset
SELECT source_wallet_id, destination_wallet_id, amount, destination_balance, held, kind FROM wallet_reverse(:paid_out);
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 10) \gset
SELECT wallet_reverse(:hold);
SELECT statement, pg_temp.attempt(replace(statement, '#', :'paid_in')) FROM (VALUES
    (1, 'SELECT wallet_reverse(0)'),
    (2, 'SELECT wallet_reverse(NULL)'),
    (3, 'SELECT wallet_reverse(99999)'),
    (4, 'SELECT wallet_reverse(#, 0)'),
    (5, 'SELECT wallet_reverse(#, -1)'),
    (6, 'SELECT wallet_reverse(#, 0.001)'),
    (7, 'SELECT wallet_reverse(#, 1, ''Refuse'')'),
    (8, 'SELECT wallet_reverse_group(#)'),
    (9, 'SELECT wallet_reverse_group(0)')) AS t (n, statement) ORDER BY n;

-- A reversal never touches a hold: after a capture of 4 of 10 and its reversal the rest is still 6.
SELECT transfer_id AS taken FROM wallet_capture(:hold, 4, final => false) \gset
SELECT amount, kind FROM wallet_reverse(:taken);
SELECT rest, captured, state FROM wallet.hold WHERE hold_id = :hold;
SELECT amount FROM wallet_void(:hold);

-- Frozen and closed wallets refuse it; an operator unfreezes, reverses and freezes in one transaction.
SELECT transfer_id AS paid FROM wallet_transfer(1, 2, 1) \gset
SELECT status FROM wallet_set_status(2, 'frozen');
SELECT wallet_reverse(:paid);
BEGIN;
SELECT status FROM wallet_set_status(2, 'active');
SELECT amount FROM wallet_reverse(:paid);
SELECT status FROM wallet_set_status(2, 'frozen');
COMMIT;
SELECT status FROM wallet_set_status(2, 'active');

-- Keys belong to the one who gives back.
SELECT transfer_id AS paid FROM wallet_transfer(1, 2, 2) \gset
SELECT transfer_id AS first FROM wallet_reverse(:paid, 1, idempotency_key => 'back') \gset
SELECT transfer_id = :first AS same, amount FROM wallet_reverse(:paid, 1, idempotency_key => 'back');
SELECT wallet_reverse(:paid, 2, idempotency_key => 'back');
SELECT user_id FROM wallet.idempotency_key WHERE key = 'back';
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
