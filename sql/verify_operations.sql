-- wallet_verify and wallet_audit of holds, reversals, groups and limits: each falsification is found.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(i, 100)) AS wallets FROM generate_series(1, 4) AS i;

-- A hold with everything that can become of it, and one that a payment finds due.
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 40, '1 day', 50) \gset
SELECT transfer_id, kind, amount, held FROM wallet_capture(:hold, 10, false);
SELECT transfer_id, amount, source_balance FROM wallet_transfer(2, 1, 5);
SELECT transfer_id, kind, amount, held FROM wallet_void(:hold, 5);
SELECT transfer_id, kind, amount, held, max_capture FROM wallet_hold_extend(:hold, 50, '2 days');
SELECT transfer_id, amount, source_balance FROM wallet_transfer(1, 3, 50);
SELECT transfer_id, kind, amount, held FROM wallet_capture(:hold);
SELECT transfer_id, kind, amount, held FROM wallet_hold(1, 2, 3, '1 min');
SET pg_wallet.clock_offset = '2 min';
SELECT transfer_id, amount, source_balance FROM wallet_transfer(1, 3, 5);
-- A reversal that overdraws, two of one payment; a hold to the outside, which stays open.
SELECT transfer_id, kind, amount, link_id, overdraw FROM wallet_reverse(7, shortfall => 'overdraw');
SELECT transfer_id, kind, amount, held FROM wallet_hold(3, NULL, 2, expires_at => 'infinity');
SELECT transfer_id, kind, amount, link_id FROM wallet_reverse(10, 20);
SELECT transfer_id, kind, amount, link_id FROM wallet_reverse(10);
SELECT transfer_id, amount, source_balance FROM wallet_transfer(2, 3, 144.5);
-- A credit line that is used, and then cut; a ceiling; a wallet that is swept.
SELECT floor, ceiling, available FROM wallet_set_limits(1, -40);
SELECT transfer_id, amount, source_balance FROM wallet_transfer(1, 3, 70);
SELECT floor, ceiling, available FROM wallet_set_limits(1, 0, 1000);
SELECT status, amount FROM wallet_close(4, 3);
-- A group of a payment in two shares, a fee and a hold; what is asked through the queue.
SELECT wallet_enqueue('group', '{"user_id":3,"legs":[
    {"kind":"transaction","source_wallet_id":3,"amount":10,"split":[{"dest_wallet_id":1,"parts_per_million":500000},{"dest_wallet_id":2,"rest":true}]},
    {"kind":"fee","source_wallet_id":3,"dest_wallet_id":2,"amount":0.5},
    {"kind":"hold","source_wallet_id":3,"dest_wallet_id":2,"amount":1,"expires_in":86400}]}') IS NOT NULL AS queued;
SELECT wallet_process();
SELECT count(q.handshake_id) AS queued FROM (SELECT max(hold_id) AS id FROM wallet.hold) AS h, LATERAL wallet_enqueue_many(
    '{hold_extend,void,transaction,reversal,group}',
    ARRAY[format('{"user_id":3,"hold_id":%s,"amount":2,"expires_at":"2199-01-01"}', h.id), format('{"user_id":2,"hold_id":%s,"amount":0.25}', h.id),
          '{"user_id":2,"source_wallet_id":2,"dest_wallet_id":3,"trans_sum":2,"amount_mode":"up_to"}', '{"user_id":3,"transfer_id":19,"amount":3,"shortfall":"available"}',
          '{"user_id":3,"legs":[{"kind":"fee","source_wallet_id":3,"dest_wallet_id":2,"amount":1},{"kind":"void","hold_id":1}]}']) AS q;
SELECT wallet_process();
SELECT name, ok, detail FROM wallet_verify() WHERE NOT ok;

-- The tables as the faults below know them.
SELECT transfer_id AS id, request_id AS request, source_wallet_id AS source, destination_wallet_id AS destination, amount, source_balance, destination_balance,
       wallet.kind_name(kind) AS kind, held, link_id AS link, group_id AS "group", group_size AS size, max_capture, overdraw FROM wallet.transfer ORDER BY 1;
SELECT hold_id, source_wallet_id AS source, destination_wallet_id AS destination, rest, captured, max_capture, wallet.hold_state(state) AS state FROM wallet.hold ORDER BY 1;
SELECT * FROM wallet.reversed ORDER BY 1;
SELECT change_id, wallet_id, floor_before, floor_after, ceiling_before, ceiling_after, last_transfer_id FROM wallet.limit_change ORDER BY 1;
SELECT r.request_id AS request, wallet.kind_name(r.kind) AS kind, o.code, o.leg FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id) ORDER BY 1;
SELECT wallet_audit();

\i test/tamper.sql
\pset format unaligned
\pset tuples_only on
-- What is held: of a wallet, of a payment that leaves it alone, of the last row.
SELECT pg_temp.tamper('UPDATE wallet.wallet SET held = 100 WHERE wallet_id = 3');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET held = 3999 WHERE transfer_id = 10');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET held = NULL WHERE transfer_id = 10');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET held = NULL WHERE transfer_id = 11', 'UPDATE wallet.transfer SET held = 300 WHERE transfer_id = 13');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET amount = amount + 100 WHERE transfer_id = 8');
-- The state of a hold.
SELECT pg_temp.tamper('UPDATE wallet.hold SET rest = 100 WHERE hold_id = 16');
SELECT pg_temp.tamper('UPDATE wallet.hold SET state = 2 WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET captured = captured - 1 WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET max_capture = max_capture + 1 WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET expires_at = expires_at + interval ''1 s'' WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET expires_at = ''infinity'' WHERE hold_id = 12');
SELECT pg_temp.tamper('UPDATE wallet.hold SET updated_at = updated_at - interval ''1 s'' WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET source_wallet_id = 3 WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.hold SET destination_wallet_id = 3 WHERE hold_id = 5');
SELECT pg_temp.tamper('DELETE FROM wallet.hold WHERE hold_id = 5');
SELECT pg_temp.tamper('INSERT INTO wallet.hold SELECT 7, source_wallet_id, destination_wallet_id, rest, captured, max_capture, expires_at, updated_at, state FROM wallet.hold WHERE hold_id = 5');
-- The rows of a hold: an end that is moved back or after the expiry, a maximum, another hold or none, other sides, another kind.
SELECT pg_temp.tamper('UPDATE wallet.transfer SET expires_at = posted_at WHERE transfer_id = 9');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET expires_at = expires_at + interval ''1 h'' WHERE transfer_id = 12', 'UPDATE wallet.hold SET expires_at = expires_at + interval ''1 h'' WHERE hold_id = 12');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET expires_at = posted_at + interval ''1 us'' WHERE transfer_id IN (5, 9)', 'UPDATE wallet.hold SET expires_at = (SELECT max(expires_at) FROM wallet.transfer WHERE link_id = 5) WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET max_capture = 4999 WHERE transfer_id = 9');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET max_capture = 6000 WHERE transfer_id = 9', 'UPDATE wallet.hold SET max_capture = 6000 WHERE hold_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 12 WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 7 WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = NULL WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 5 WHERE transfer_id = 10');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET destination_wallet_id = 3 WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET destination_balance = 1, destination_previous = 6 WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET kind = wallet.kind_number(''expiry'') WHERE transfer_id = 8');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET kind = wallet.kind_number(''void'') WHERE transfer_id = 13', 'UPDATE wallet.hold SET state = 2, max_capture = 0 WHERE hold_id = 12');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET amount = 0 WHERE transfer_id = 7');
-- Reversals: the sum, what is reversed, more than there was.
SELECT pg_temp.tamper('UPDATE wallet.reversed SET amount = amount - 1 WHERE transfer_id = 10');
SELECT pg_temp.tamper('DELETE FROM wallet.reversed WHERE transfer_id = 7');
SELECT pg_temp.tamper('INSERT INTO wallet.reversed VALUES (14, 1)');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 7 WHERE transfer_id = 17', 'UPDATE wallet.reversed SET amount = CASE transfer_id WHEN 7 THEN 2500 ELSE 3000 END WHERE transfer_id IN (7, 10)');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 14 WHERE transfer_id IN (17, 18)', 'UPDATE wallet.reversed SET transfer_id = 14 WHERE transfer_id = 10');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET link_id = 5 WHERE transfer_id IN (17, 18)', 'UPDATE wallet.reversed SET transfer_id = 5 WHERE transfer_id = 10');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET overdraw = NULL WHERE transfer_id = 15');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET overdraw = true WHERE transfer_id = 14');
-- Limits: what a wallet has, what was changed, and when; the history as a whole.
SELECT pg_temp.tamper('UPDATE wallet.wallet SET floor = -1 WHERE wallet_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.wallet SET ceiling = 1 WHERE wallet_id = 2');
SELECT pg_temp.tamper('DELETE FROM wallet.limit_change');
SELECT pg_temp.tamper('DELETE FROM wallet.limit_change WHERE change_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET floor_after = -2499 WHERE change_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET floor_after = -2499 WHERE change_id = 1', 'UPDATE wallet.limit_change SET floor_before = -2499 WHERE change_id = 2');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET ceiling_before = 1 WHERE change_id = 2');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET last_transfer_id = 20 WHERE change_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET last_transfer_id = 19 WHERE change_id = 2');
SELECT pg_temp.tamper('UPDATE wallet.limit_change SET wallet_id = 2');
-- A ceiling that would have refused the last credit, and the lowest that allowed it.
SELECT pg_temp.tamper('SELECT wallet_set_limits(2, ceiling => 1000)', 'SELECT wallet_deposit(2, 1)', 'UPDATE wallet.wallet SET ceiling = balance - 1 WHERE wallet_id = 2',
                      'UPDATE wallet.limit_change SET ceiling_after = (SELECT w.ceiling FROM wallet.wallet AS w WHERE w.wallet_id = 2) WHERE wallet_id = 2');
SELECT pg_temp.tamper('SELECT wallet_set_limits(2, ceiling => 1000)', 'SELECT wallet_deposit(2, 1)', 'UPDATE wallet.wallet SET ceiling = balance WHERE wallet_id = 2',
                      'UPDATE wallet.limit_change SET ceiling_after = (SELECT w.ceiling FROM wallet.wallet AS w WHERE w.wallet_id = 2) WHERE wallet_id = 2');
-- Groups: a last row that is missing, one too many, a size, a second request.
SELECT pg_temp.tamper('DELETE FROM wallet.transfer WHERE link_id = 25', 'DELETE FROM wallet.hold WHERE hold_id = 25', 'DELETE FROM wallet.request WHERE request_id IN (2, 3)',
    'UPDATE wallet.transfer SET destination_previous = 24 WHERE transfer_id = 28', 'UPDATE wallet.transfer SET held = 200 WHERE transfer_id = 29', 'UPDATE wallet.wallet SET held = 200 WHERE wallet_id = 3');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET group_id = NULL WHERE transfer_id = 25');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET group_id = 22 WHERE transfer_id = 18');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET group_id = 22 WHERE transfer_id = 28');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET group_size = 3 WHERE transfer_id = 22');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET group_size = NULL WHERE transfer_id = 22');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET request_id = 1000 WHERE transfer_id = 23');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET kind = wallet.kind_number(''fee'') WHERE transfer_id = 20');
-- A request that asked for something else: a group, an extension, another end, an amount that may be less, a reversal.
-- (Which leg has failed is in the digest alone.)
SELECT pg_temp.tamper('UPDATE wallet.request SET extra = ''\x00'' WHERE request_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.request SET extra = (SELECT extra FROM wallet.request WHERE request_id = 6) WHERE request_id = 1');
SELECT pg_temp.tamper('UPDATE wallet.request SET amount = 1 WHERE request_id = 2');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET expires_at = expires_at + interval ''1 h'' WHERE request_id = 2', 'UPDATE wallet.hold SET expires_at = expires_at + interval ''1 h'' WHERE hold_id = 25');
SELECT pg_temp.tamper('UPDATE wallet.request SET amount = 1 WHERE request_id = 4');
SELECT pg_temp.tamper('UPDATE wallet.request SET extra = (SELECT extra FROM wallet.request WHERE request_id = 2) WHERE request_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.outcome SET leg = 0 WHERE request_id = 6');
-- A sweep that has left something.
SELECT pg_temp.tamper('UPDATE wallet.transfer SET source_balance = 1, amount = amount - 1, destination_balance = destination_balance - 1 WHERE transfer_id = 21');
\pset format aligned
\pset tuples_only off

-- What comes after an audit is verified together with what was there: a hold goes on, a transfer is reversed once more.
SELECT transfer_id, kind, held FROM wallet_void(16, 0.5);
SELECT transfer_id, kind, amount FROM wallet_reverse(19, 1);
SELECT pg_temp.tamper('UPDATE wallet.hold SET rest = rest - 1 WHERE hold_id = 16');
SELECT pg_temp.tamper('UPDATE wallet.reversed SET amount = amount + 1 WHERE transfer_id = 19');
SELECT wallet_audit();
SELECT area, block, currency, ok FROM wallet.verified ORDER BY 1, 2, 3;
-- A hold that is falsified is reported until it is what it was.
UPDATE wallet.hold SET max_capture = max_capture + 1 WHERE hold_id = 16;
SELECT wallet_audit(), wallet_audit();
SELECT area, block, ok FROM wallet.verified WHERE NOT ok;
UPDATE wallet.hold SET max_capture = max_capture - 1 WHERE hold_id = 16;
SELECT wallet_audit();
SELECT bool_and(ok) AS well FROM wallet_verify();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
