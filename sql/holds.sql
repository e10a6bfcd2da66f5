-- wallet_hold, wallet_capture, wallet_void and wallet_hold_extend: what they return and do, and where they stop.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100) UNION ALL SELECT wallet_id FROM wallet_create(2) UNION ALL SELECT wallet_id FROM wallet_create(3, 5, 'eur') ORDER BY 1;
CREATE VIEW shown AS SELECT wallet_id, amount, held, floor, ceiling, available FROM generate_series(1, 2) AS i, LATERAL wallet_get(i);

-- A hold reserves, and moves nothing.
SELECT transfer_id AS hold_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, kind, held, link_id, group_id, max_capture, overdraw,
       expires_at - posted_at AS lasts FROM wallet_hold(1, 2, 60) \gx
SELECT max(transfer_id) AS hold FROM wallet.transfer WHERE kind = 7 \gset
SELECT * FROM shown;
SELECT wallet_transfer(1, 2, 40.01);
SELECT source_balance FROM wallet_transfer(1, 2, 40);

-- Parts of it are captured and voided; a capture up to the rest is never refused for funds.
SELECT amount, source_balance, destination_balance, kind, held, link_id = :hold AS linked FROM wallet_capture(:hold, 10, final => false);
SELECT amount, source_balance, destination_balance, kind, held, link_id = :hold AS linked FROM wallet_void(:hold, 20);
SELECT wallet_capture(:hold, 30.01);
SELECT wallet_void(:hold, 30.01);
SELECT amount, source_balance, destination_balance, kind, held FROM wallet_capture(:hold, 25);
SELECT wallet_capture(:hold);
SELECT wallet_void(:hold, 1);
SELECT wallet_hold_extend(:hold, 100);
-- What is missing is told, with a key, too, be the key one or none.
SELECT wallet_hold_extend(:hold);
SELECT wallet_hold_extend(:hold, idempotency_key => 'extend');
SELECT wallet_hold_extend(:hold, idempotency_key => '');
SELECT * FROM shown;
SELECT hold_id = :hold AS same, rest, captured, max_capture, state FROM wallet.hold;

-- Over-capture that the payer has agreed to; the excess is judged as a transfer is.
SELECT transfer_id AS hold, amount, max_capture FROM wallet_hold(1, 2, 20, max_capture => 30) \gset
SELECT wallet_capture(:hold, 30.01);
SELECT wallet_capture(:hold, 26);
SELECT amount, source_balance, held FROM wallet_capture(:hold, 25);

-- An extension raises the total and moves the end later, never the other way.
SELECT source_balance FROM wallet_transfer(2, 1, 50);
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 20, interval '1 day') \gset
SELECT amount, held, max_capture, expires_at - posted_at AS lasts FROM wallet_hold_extend(:hold, 30, expires_in => '2 days');
SELECT amount, held, max_capture, expires_at FROM wallet_hold_extend(:hold, expires_at => 'infinity');
SELECT statement, pg_temp.attempt(replace(statement, '#', :'hold')) FROM (VALUES
    (1, 'SELECT wallet_hold_extend(#)'),
    (2, 'SELECT wallet_hold_extend(#, 30)'),
    (3, 'SELECT wallet_hold_extend(#, 29)'),
    (4, 'SELECT wallet_hold_extend(#, expires_in => ''1 year'')'),
    (5, 'SELECT wallet_hold_extend(#, 50.01)'),
    (6, 'SELECT wallet_hold_extend(#, 0)'),
    (7, 'SELECT wallet_capture(#, 0)'),
    (8, 'SELECT wallet_void(#, -1)'),
    (9, 'SELECT wallet_hold(1, 2, 0)'),
    (10, 'SELECT wallet_hold(1, 1, 1)'),
    (11, 'SELECT wallet_hold(1, 3, 1)'),
    (12, 'SELECT wallet_hold(1, 9, 1)'),
    (13, 'SELECT wallet_hold(9, 1, 1)'),
    (14, 'SELECT wallet_hold(1, 2, 10, max_capture => 9.99)'),
    (15, 'SELECT wallet_hold(1, 2, 1, ''0 s'')'),
    (16, 'SELECT wallet_hold(1, 2, 1, ''-1 s'')'),
    (17, 'SELECT wallet_hold(1, 2, 1, ''1 day'', expires_at => ''infinity'')'),
    (18, 'SELECT wallet_hold(1, 2, 1, expires_at => now() - interval ''1 s'')'),
    (19, 'SELECT wallet_hold(1, 2, 1, expires_at => ''2000-01-01 00:00 UTC'')'),
    (20, 'SELECT wallet_hold(1, 2, 1, expires_at => ''-infinity'')'),
    (21, 'SELECT wallet_hold(1, 2, 0.001)'),
    (22, 'SELECT wallet_hold(1, 2, 1, max_capture => 1.001)'),
    (23, 'SELECT wallet_hold(1, 2, NULL)'),
    (24, 'SELECT wallet_hold(NULL, 2, 1)'),
    (25, 'SELECT wallet_hold(1, 0, 1)'),
    (26, 'SELECT wallet_capture(0)'),
    (27, 'SELECT wallet_capture(NULL)'),
    (28, 'SELECT wallet_capture(999)'),
    (29, 'SELECT wallet_void(1)'),
    (30, 'SELECT wallet_hold_extend(999, 5)')) AS t (n, statement) ORDER BY n;

-- Towards the outside.
SELECT transfer_id AS out, destination_wallet_id, held FROM wallet_hold(1, NULL, 5) \gset
SELECT source_wallet_id, destination_wallet_id, amount, destination_balance, kind FROM wallet_capture(:out);

-- A due hold counts nowhere: not in what is shown, and not in what is judged. Whoever counts on that records its expiry.
SELECT transfer_id AS short FROM wallet_hold(1, 2, 15, interval '1 hour') \gset
SELECT * FROM shown WHERE wallet_id = 1;
SELECT wallet_transfer(1, 2, 11);
SET pg_wallet.clock_offset = '59 minutes';
SELECT held, available FROM wallet_get(1);
SET pg_wallet.clock_offset = '61 minutes';
SELECT held, available FROM wallet_get(1);
SELECT count(*) AS expiries FROM wallet.transfer WHERE kind = 11;
SELECT wallet_transfer(1, 2, 100);
SELECT count(*) AS expiries_of_a_refusal FROM wallet.transfer WHERE kind = 11;
SELECT wallet_capture(:short);
SELECT source_balance FROM wallet_transfer(1, 2, 11, metadata => '{"order":17}');
SELECT amount, held, link_id = :short AS linked, metadata, request_id, group_id FROM wallet.transfer WHERE kind = 11;
SELECT state FROM wallet.hold WHERE hold_id = :short;
SELECT wallet_void(:short);
-- when the clock is set back it is still over
RESET pg_wallet.clock_offset;
SELECT wallet_capture(:short);

-- Frozen and closed wallets: captures and extensions are refused, a void is not.
SELECT status FROM wallet_set_status(2, 'frozen');
SELECT wallet_capture(:hold);
SELECT wallet_hold_extend(:hold, 40);
SELECT wallet_hold(1, 2, 1);
SELECT amount, held FROM wallet_void(:hold, 1);
SELECT status FROM wallet_set_status(2, 'active');
SELECT wallet_set_status(1, 'closed');

-- Keys: the first result however late, and nothing is reserved or moved twice.
SELECT transfer_id AS first, held FROM wallet_hold(1, 2, 1, '1 hour', metadata => '{"a":1}', idempotency_key => 'k') \gset
SELECT transfer_id = :first AS same, amount, held, expires_at - posted_at AS lasts FROM wallet_hold(1, 2, 1, '1 hour', metadata => '{"a":1}', idempotency_key => 'k');
SELECT wallet_hold(1, 2, 1, '2 hours', metadata => '{"a":1}', idempotency_key => 'k');
SELECT wallet_hold(1, 2, 0, idempotency_key => 'k');
SELECT transfer_id AS taken FROM wallet_capture(:first, idempotency_key => 'c') \gset
SELECT transfer_id = :taken AS same, amount, held FROM wallet_capture(:first, idempotency_key => 'c');
-- also after the end that was given
SELECT now() + interval '1 day' AS at \gset
SELECT transfer_id AS first FROM wallet_hold(1, 2, 1, expires_at => :'at', idempotency_key => 'at') \gset
SET pg_wallet.clock_offset = '2 days';
SELECT transfer_id = :first AS same FROM wallet_hold(1, 2, 1, expires_at => :'at', idempotency_key => 'at');
RESET pg_wallet.clock_offset;
-- a refusal leaves no key
SELECT wallet_hold(1, 2, 1000, idempotency_key => 'r');
SELECT count(*) AS keys FROM wallet.idempotency_key WHERE key = 'r';

-- Nothing is left of what is rolled back.
SELECT held AS before FROM wallet_get(1) \gset
BEGIN;
SELECT transfer_id AS undone FROM wallet_hold(1, 2, 1) \gset
ROLLBACK;
SELECT held = :before AS same FROM wallet_get(1);
SELECT wallet_capture(:undone);

-- Without a statement's help: a hold that was made, extended and captured in one transaction.
BEGIN;
SELECT transfer_id AS h FROM wallet_hold(1, 2, 1) \gset
SELECT held - :before AS more FROM wallet_hold_extend(:h, 2);
SELECT amount FROM wallet_capture(:h);
COMMIT;
SELECT * FROM pg_temp.faults();

-- Arguments are read in their order: the id is refused before an amount that fits nowhere.
SELECT call, pg_temp.attempt(format('SELECT %s(-1, 9223372036854775808)', call))
    FROM unnest('{wallet_deposit,wallet_withdraw,wallet_capture,wallet_void,wallet_hold_extend,wallet_reverse}'::text[]) AS call;

DROP VIEW shown;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
