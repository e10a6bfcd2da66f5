-- wallet_verify: all is well, and each check finds its own fault.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT * FROM wallet_verify();

-- Something of everything: direct and queued, posted and refused, three currencies.
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2);
SELECT wallet_id FROM wallet_create(3, 5, 'eur');
SELECT count(handshake_id) AS queued FROM wallet_enqueue_many(
    ARRAY['wallet', 'wallet', 'transaction', 'deposit', 'withdrawal', 'withdrawal', 'wallet_read', 'wallet_read'],
    ARRAY['{"user_id":4,"amount":7}', '{"user_id":5,"currency":"jpy"}', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2.5}',
          '{"user_id":2,"wallet_id":2,"amount":1}', '{"user_id":1,"wallet_id":1,"amount":0.5}', '{"user_id":1,"wallet_id":1,"amount":1000}',
          '{"user_id":1,"wallet_id":1}', '{"user_id":1,"wallet_id":2}']);
SELECT wallet_process();
SELECT transfer_id FROM wallet_transfer(2, 1, 1);
SELECT count(handshake_id) AS queued FROM wallet_enqueue_many(ARRAY['deposit'], ARRAY['{"user_id":2,"wallet_id":2,"amount":1}']);
SELECT name, ok, detail FROM wallet_verify();

-- The tables as the faults below know them.
SELECT transfer_id AS id, request_id AS request, source_wallet_id AS source, destination_wallet_id AS destination, amount, source_balance, destination_balance, source_previous, destination_previous, wallet.kind_name(kind) AS kind
    FROM wallet.transfer ORDER BY 1;
SELECT r.request_id AS request, wallet.kind_name(r.kind) AS kind, r.user_id, o.code, o.wallet_id FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id) ORDER BY 1;

\i test/tamper.sql
\pset format unaligned
\pset tuples_only on
-- A cent more, from nowhere.
SELECT pg_temp.tampered('UPDATE wallet.wallet SET balance = balance + 1 WHERE wallet_id = 1');
-- A cent from one wallet to another, without a transfer.
SELECT pg_temp.tampered('UPDATE wallet.wallet SET balance = balance + CASE wallet_id WHEN 1 THEN 1 ELSE -1 END WHERE wallet_id IN (1, 2)');
-- A wallet that has lost its last operation, and one that is gone with its money.
SELECT pg_temp.tampered('UPDATE wallet.wallet SET last_transfer_id = 1 WHERE wallet_id = 1');
SELECT pg_temp.tampered('DELETE FROM wallet.wallet WHERE wallet_id = 3');
-- A transfer of another amount, to another wallet, without its balance, out of the chain, twice.
SELECT pg_temp.tampered('UPDATE wallet.transfer SET amount = amount + 1 WHERE transfer_id = 7');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET destination_wallet_id = 4 WHERE transfer_id = 7');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET source_balance = NULL WHERE transfer_id = 7');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET destination_balance = destination_balance + 1 WHERE transfer_id = 1');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET source_previous = NULL WHERE transfer_id = 7');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET destination_previous = 1 WHERE transfer_id = 7');
SELECT pg_temp.tampered('DELETE FROM wallet.transfer WHERE transfer_id = 1');
SELECT pg_temp.tampered('INSERT INTO wallet.transfer SELECT 100, NULL, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, source_previous, destination_previous, posted_at, kind FROM wallet.transfer WHERE transfer_id = 7');
-- Money from an outside that stands for no currency.
SELECT pg_temp.tampered('UPDATE wallet.transfer SET source_wallet_id = -5000 WHERE transfer_id = 2');
-- A transfer of no kind that is known.
SELECT pg_temp.tampered('UPDATE wallet.transfer SET kind = 99 WHERE transfer_id = 2');
-- More than there was, in a chain that fits.
SELECT pg_temp.tampered('UPDATE wallet.transfer SET amount = 11000, source_balance = -1000, destination_balance = 11000 WHERE transfer_id = 4');
-- A wallet that has changed its currency.
SELECT pg_temp.tampered('UPDATE wallet.wallet SET currency = ''eur'' WHERE wallet_id = 2');
-- A request with a transfer that is said to be refused; one that is refused, and without a request.
SELECT pg_temp.tampered('INSERT INTO wallet.outcome (request_id, posted_at, code) VALUES (3, now(), ''insufficient_funds'')');
SELECT pg_temp.tampered('INSERT INTO wallet.outcome (request_id, posted_at, code) VALUES (1000, now(), ''insufficient_funds'')');
SELECT pg_temp.tampered('UPDATE wallet.outcome SET code = ''processed'' WHERE request_id = 6');
SELECT pg_temp.tampered('UPDATE wallet.outcome SET code = ''wallet_exists'' WHERE request_id = 1');
-- A request that asked for something else than what was done.
SELECT pg_temp.tampered('UPDATE wallet.request SET amount = amount + 1 WHERE request_id = 4');
SELECT pg_temp.tampered('UPDATE wallet.request SET amount_scale = amount_scale + 1 WHERE request_id = 4');
SELECT pg_temp.tampered('UPDATE wallet.request SET kind = wallet.kind_number(''deposit'') WHERE request_id = 5');
SELECT pg_temp.tampered('UPDATE wallet.request SET source_wallet_id = 4 WHERE request_id = 3');
SELECT pg_temp.tampered('UPDATE wallet.request SET destination_wallet_id = 4 WHERE request_id = 3');
SELECT pg_temp.tampered('DELETE FROM wallet.request WHERE request_id = 4');
-- A new wallet for somebody else, or without its first deposit; a read of somebody else's.
SELECT pg_temp.tampered('UPDATE wallet.outcome SET wallet_id = 1 WHERE request_id = 2');
SELECT pg_temp.tampered('UPDATE wallet.outcome SET wallet_id = 2 WHERE request_id = 7');
SELECT pg_temp.tampered('DELETE FROM wallet.transfer WHERE request_id = 1', 'UPDATE wallet.wallet SET balance = 0, last_transfer_id = 0 WHERE user_id = 4');
-- A request that was passed over: its outcome is gone, or its transfer.
SELECT pg_temp.tampered('DELETE FROM wallet.outcome WHERE request_id = 6');
SELECT pg_temp.tampered('UPDATE wallet.transfer SET request_id = NULL WHERE request_id = 5');
-- The low-water mark beyond what is still queued.
SELECT pg_temp.tampered('UPDATE wallet.queue_position SET low_water = 9');
-- An hour before the wallet's transfer before it.
SELECT pg_temp.tampered('UPDATE wallet.transfer SET posted_at = posted_at - interval ''1 h'' WHERE transfer_id = 7');
\pset format aligned
\pset tuples_only off

-- Nothing of it has stayed.
SELECT bool_and(ok) AS well FROM wallet_verify();

-- The same once more when an audit has verified all of it before: what it finds of it in the past.
SELECT wallet_audit();
SELECT transfer_id, request_id, waiting FROM wallet.checkpoint;
SELECT area, block, currency, row_count, balance, ok FROM wallet.verified ORDER BY area, block, currency;
SELECT t.n, f.found FROM tampering AS t CROSS JOIN LATERAL pg_temp.tamper(VARIADIC t.statements) AS f (found) ORDER BY t.n;

-- What the proof does not look at, and what is changed together with all that belongs to it.
\pset format unaligned
\pset tuples_only on
SELECT pg_temp.tamper('UPDATE wallet.transfer SET metadata = ''{"a": "b"}'' WHERE transfer_id = 7');
SELECT pg_temp.tamper('UPDATE wallet.request SET enqueued_at = enqueued_at - interval ''1 h'' WHERE request_id = 5');
SELECT pg_temp.tamper('UPDATE wallet.outcome SET balance = balance + 1 WHERE request_id = 7');
SELECT pg_temp.tamper('UPDATE wallet.transfer SET amount = amount + 1, source_balance = source_balance - 1, destination_balance = destination_balance + 1 WHERE transfer_id = 7',
    'UPDATE wallet.wallet SET balance = balance + CASE wallet_id WHEN 2 THEN -1 ELSE 1 END WHERE wallet_id IN (1, 2)');
SELECT pg_temp.tamper('UPDATE wallet.currency SET minor_digits = 3 WHERE code = ''chf''');
SELECT pg_temp.tamper('INSERT INTO wallet.transfer SELECT 0, NULL, source_wallet_id, destination_wallet_id, amount, 0, NULL, NULL, NULL, posted_at, kind FROM wallet.transfer WHERE transfer_id = 6');
\pset format aligned
\pset tuples_only off

-- What comes after it is new; the request that has waited is settled.
SELECT wallet_process();
SELECT transfer_id FROM wallet_transfer(1, 4, 1);
SELECT pg_temp.tamper('UPDATE wallet.transfer SET amount = amount + 1 WHERE transfer_id = 9');
SELECT pg_temp.tamper('DELETE FROM wallet.transfer WHERE transfer_id = 8');
SELECT wallet_audit();
SELECT transfer_id, request_id, waiting FROM wallet.checkpoint;
SELECT detail, covered FROM wallet.audit WHERE checked_at = (SELECT max(checked_at) FROM wallet.audit) AND name = 'verified_unchanged';

-- A fault in what is new is reported until it is repaired, and nothing is taken as verified until then.
SELECT transfer_id FROM wallet_transfer(1, 4, 1);
UPDATE wallet.wallet SET balance = balance + 1 WHERE wallet_id = 4;
SELECT wallet_audit(), wallet_audit();
SELECT transfer_id FROM wallet.checkpoint;
UPDATE wallet.wallet SET balance = balance - 1 WHERE wallet_id = 4;
SELECT wallet_audit();
SELECT transfer_id FROM wallet.checkpoint;
-- So is one in the past. What is left other than it was after a repair is taken as it is from then on.
ALTER TABLE wallet.transfer DISABLE TRIGGER USER;
UPDATE wallet.transfer SET metadata = '{"repaired": "yes"}' WHERE transfer_id = 2;
SELECT wallet_audit(), wallet_audit(full => true);
SELECT area, block, ok FROM wallet.verified WHERE NOT ok;
UPDATE wallet.transfer SET metadata = NULL WHERE transfer_id = 2;
SELECT wallet_audit();
SELECT area, block, ok FROM wallet.verified WHERE NOT ok;
UPDATE wallet.transfer SET metadata = '{"repaired": "yes"}' WHERE transfer_id = 2;
SELECT wallet_audit();
SELECT wallet.forget_verified();
SELECT wallet_audit(), wallet_audit();
SELECT transfer_id, request_id, waiting FROM wallet.checkpoint;
ALTER TABLE wallet.transfer ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.transfer ENABLE ALWAYS TRIGGER refuse_row_change;
TRUNCATE wallet.verified;
SELECT wallet_audit(past_rows => -1);

SELECT bool_and(ok) AS well FROM wallet_verify();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
