-- One request may make several transfers: the first row carries its request_id, the later ones carry none and have the same
-- moment. Nothing makes such rows yet, so they are made by hand here. Whatever looks up a request finds its first row, once.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2);
SELECT wallet_id FROM wallet_create(3);
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10}', 'sale') AS sale \gset
SELECT wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":5}') AS deposit \gset
SELECT wallet_process();

-- Two more rows of the sale, as its posting would have written them: 1 to wallet 3, and 2 back to wallet 1.
BEGIN;
INSERT INTO wallet.transfer (transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance,
                             source_previous, destination_previous, posted_at, kind)
    SELECT nextval('wallet.transfer_id_seq'), 1, 3, 100, s.balance - 100, d.balance + 100, s.last_transfer_id, nullif(d.last_transfer_id, 0),
           greatest(s.updated_at, d.updated_at), wallet.kind_number('transaction')
        FROM wallet.wallet AS s, wallet.wallet AS d WHERE s.wallet_id = 1 AND d.wallet_id = 3;
UPDATE wallet.wallet AS w SET last_transfer_id = t.transfer_id, updated_at = t.posted_at,
        balance = CASE w.wallet_id WHEN t.source_wallet_id THEN t.source_balance ELSE t.destination_balance END
    FROM (SELECT * FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1) AS t WHERE w.wallet_id IN (t.source_wallet_id, t.destination_wallet_id);
INSERT INTO wallet.transfer (transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance,
                             source_previous, destination_previous, posted_at, kind)
    SELECT nextval('wallet.transfer_id_seq'), 2, 1, 200, s.balance - 200, d.balance + 200, s.last_transfer_id, d.last_transfer_id,
           greatest(s.updated_at, d.updated_at), wallet.kind_number('transaction')
        FROM wallet.wallet AS s, wallet.wallet AS d WHERE s.wallet_id = 2 AND d.wallet_id = 1;
UPDATE wallet.wallet AS w SET last_transfer_id = t.transfer_id, updated_at = t.posted_at,
        balance = CASE w.wallet_id WHEN t.source_wallet_id THEN t.source_balance ELSE t.destination_balance END
    FROM (SELECT * FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1) AS t WHERE w.wallet_id IN (t.source_wallet_id, t.destination_wallet_id);
COMMIT;
SELECT transfer_id, request_id, source_wallet_id AS source, destination_wallet_id AS destination, amount FROM wallet.transfer ORDER BY 1;
SELECT count(DISTINCT posted_at) AS moments FROM wallet.transfer WHERE transfer_id > 1;

-- What became of the request, alone and among others.
SELECT state, code, transfer_id, source_wallet_id AS source, destination_wallet_id AS destination FROM wallet_lookup('transaction', 1, :'sale');
SELECT ordinal, state, transfer_id FROM wallet_lookup_many(ARRAY['transaction', 'deposit', 'transaction'], ARRAY[1, 2, 1], ARRAY[:'sale', :'deposit', :'sale']) ORDER BY 1;
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10}', 'sale') = :'sale' AS replayed;
SELECT queued FROM wallet.queue;

-- Each row is an operation of its own.
SELECT ordinal, state, transfer_id, source_wallet_id AS source, destination_wallet_id AS destination
    FROM wallet_read_many(array_fill('transaction'::text, ARRAY[3]), ARRAY[1, 1, 1], ARRAY[2, 4, 5]) ORDER BY 1;
SELECT transfer_id, request_id, amount, balance FROM wallet_history(1);
SELECT transfer_id, request_id, amount, balance FROM wallet_history(2);
SELECT wallet_id, transfer_id, request_id, change FROM wallet.operation WHERE transfer_id > 1 ORDER BY 1, 2;

-- A worker that has lost its place finds the request settled, and settles it no second time.
\c
\i test/helpers.sql
UPDATE wallet.queue_position SET low_water = 0, highest = 0, unsettled = '{}';
SELECT queued FROM wallet.queue;
SELECT wallet_process();
SELECT count(*) AS transfers, count(request_id) AS requests FROM wallet.transfer;

-- The chains go on, and the whole adds up. No second row can carry the request's id.
SELECT transfer_id FROM wallet_transfer(1, 2, 1);
SELECT transfer_id FROM wallet_transfer(3, 2, 1);
SELECT wallet_audit();
SELECT * FROM pg_temp.faults();
SELECT pg_temp.attempt('INSERT INTO wallet.transfer SELECT 100, request_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, source_previous, destination_previous, posted_at, kind FROM wallet.transfer WHERE request_id = 1');

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
