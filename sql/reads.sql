-- Reads: queued ones see what was asked before them and stay what they were; others read the tables.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_id FROM wallet_create(2, 0, 'jpy');

-- A queued read is later than all that was asked before it, and earlier than what was asked after it.
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":5}') AS deposit \gset
SELECT wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}') AS read \gset
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":7}') AS withdrawal \gset
SELECT state, code, wallet_id, amount FROM wallet_lookup('wallet_read', 1, :'read');
SELECT wallet_process();
SELECT state, code, message, wallet_id, wallet_status, amount, currency, transfer_id, updated_at > created_at AS moved FROM wallet_lookup('wallet_read', 1, :'read');

-- It stays what it was; its handshake serves for the kind wallet as well, and for no other.
SELECT status FROM wallet_set_status(1, 'frozen');
SELECT amount, status FROM wallet_get(1);
SELECT amount, wallet_status FROM wallet_lookup('wallet', 1, :'read');
SELECT pg_temp.attempt(format('SELECT wallet_lookup(''transaction'', 1, %L)', :'read'));
SELECT pg_temp.attempt(format('SELECT wallet_lookup(''wallet'', 2, %L)', :'read'));
SELECT pg_temp.attempt(format('SELECT wallet_lookup(''wallet_read'', 1, %L)', :'deposit'));

-- A frozen or closed wallet can be read, a wallet of somebody else cannot.
SELECT wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}') AS frozen \gset
SELECT wallet_enqueue('wallet_read', '{"user_id":2,"wallet_id":1}') AS other \gset
SELECT wallet_enqueue('wallet_read', '{"user_id":2,"wallet_id":99}') AS none \gset
SELECT wallet_enqueue('wallet_read', '{"user_id":2,"wallet_id":2}') AS yen \gset
SELECT wallet_process();
SELECT state, code, amount, wallet_status FROM wallet_lookup('wallet', 1, :'frozen');
SELECT state, code, wallet_id, amount, wallet_status FROM wallet_lookup('wallet', 2, :'other');
SELECT state, code, wallet_id, amount, wallet_status FROM wallet_lookup('wallet', 2, :'none');
SELECT state, code, amount, currency FROM wallet_lookup('wallet', 2, :'yen');

-- Past the queue: wallets of one's own, and transactions that touch one's own wallet.
SELECT wallet_id FROM wallet_create(3, 1);
SELECT status FROM wallet_set_status(1, 'active');
SELECT transfer_id FROM wallet_transfer(1, 3, 2);
SELECT ordinal, state, code, message, wallet_id, wallet_status, amount, currency, transfer_id, source_wallet_id, destination_wallet_id, created_at IS NOT NULL AS made
    FROM wallet_read_many(
        ARRAY['wallet', 'wallet', 'wallet', 'wallet', 'transaction', 'transaction', 'transaction', 'transaction', 'transaction', 'deposit', NULL],
        ARRAY[1, 2, 2, 1, 1, 3, 2, 1, 1, 1, 1],
        ARRAY[1, 1, 2, 99, 5, 5, 5, 1, 99, 1, 1]);
SELECT count(*) FROM wallet_read_many('{}', '{}', '{}');
-- Without an id: the user's one wallet, or none.
SELECT ordinal, state, code, wallet_id, amount, currency, transfer_id
    FROM wallet_read_many(ARRAY['wallet', 'wallet', 'wallet', 'wallet', 'transaction'], ARRAY[1, 2, 99, NULL, 1], ARRAY[NULL, NULL, NULL, NULL, NULL]::bigint[]);

-- Who has a wallet already is told which one.
SELECT wallet_enqueue('wallet', '{"user_id":2,"amount":1}') AS second \gset
SELECT wallet_process();
SELECT state, code, message, wallet_id FROM wallet_lookup('wallet', 2, :'second');
SELECT count(*) FROM wallet_read_many(NULL, NULL, NULL);

-- The worker's state: it is switched off here.
SELECT worker_alive, detail FROM wallet_ready();
SELECT queued, worker_pid, heartbeat, posted, refused, batch_requests, batch_duration, gaps, deferred, failing, failing_request_id, failing_since, failing_error, failing_attempts FROM wallet.queue;

-- However small tables are, and whatever the session prefers, rows are found by their keys: only tables of a single row
-- are read from one end to the other.
SELECT user_id, wallet_id FROM wallet_create(901, 10) \gset
ANALYZE wallet.wallet, wallet.transfer, wallet.request, wallet.outcome, wallet.idempotency_key;
SET enable_indexscan = off;
SET enable_nestloop = off;
BEGIN;
CREATE TEMPORARY TABLE before AS SELECT relid, seq_scan FROM pg_stat_xact_user_tables;
SELECT wallet_enqueue('deposit', json_build_object('user_id', :user_id, 'wallet_id', :wallet_id, 'amount', 1), 'by-key') AS handshake \gset
SELECT wallet_process();
SELECT state FROM wallet_lookup('deposit', :user_id, :'handshake');
SELECT amount FROM wallet_deposit(:wallet_id, 1, idempotency_key => 'by-key-too');
SELECT t.relname FROM pg_stat_xact_user_tables AS t LEFT JOIN before AS b USING (relid)
    WHERE t.schemaname = 'wallet' AND t.seq_scan > coalesce(b.seq_scan, 0) ORDER BY 1;
ROLLBACK;
RESET enable_indexscan;
RESET enable_nestloop;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
