-- Somebody has altered the types of what functions return.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SET client_min_messages = error;
SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2, 1000);
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2.50}') AS handshake \gset
SELECT wallet_process();

-- Attributes of one's own are null.
ALTER TYPE wallet.wallet_info ADD ATTRIBUTE note text, ADD ATTRIBUTE number bigint;
ALTER TYPE wallet.transfer_info ADD ATTRIBUTE note text, ADD ATTRIBUTE number bigint;
ALTER TYPE wallet.request_info ADD ATTRIBUTE note text, ADD ATTRIBUTE number bigint;
ALTER TYPE wallet.answer ADD ATTRIBUTE note text, ADD ATTRIBUTE number bigint;
SELECT wallet_id, user_id, amount, currency, note, number FROM wallet_create(3, 7);
SELECT wallet_id, status, amount, currency, note, number FROM wallet_set_status(3, 'frozen');
SELECT wallet_id, status, amount, currency, note, number FROM wallet_get(3);
SELECT source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, note, number FROM wallet_transfer(1, 2, 5);
SELECT source_wallet_id, destination_wallet_id, amount, destination_balance, note, number FROM wallet_deposit(1, 5);
SELECT destination_wallet_id, amount, source_balance, note, number FROM wallet_withdraw(1, 5);
SELECT state, code, source_wallet_id, destination_wallet_id, note, number FROM wallet_lookup('transaction', 1, :'handshake');
SELECT ordinal, state, code, destination_wallet_id, note, number
    FROM wallet_lookup_many('{transaction,transaction}', '{1,2}', ARRAY[:'handshake', :'handshake']);
SELECT ordinal, state, wallet_id, amount, currency, note, number FROM wallet_read_many('{wallet,wallet}', '{1,1}', '{1,2}');
SELECT (wallet_transfer(1, 2, 1)).note IS NULL AS is_null, (wallet_lookup_many('{transaction}', '{1}', ARRAY[:'handshake'])).number IS NULL AS is_null;

-- Others have other types now, or are gone.
ALTER TYPE wallet.transfer_info ALTER ATTRIBUTE amount TYPE text, ALTER ATTRIBUTE source_balance TYPE numeric(20, 1), ALTER ATTRIBUTE posted_at TYPE timestamptz(0);
ALTER TYPE wallet.transfer_info DROP ATTRIBUTE destination_wallet_id;
ALTER TYPE wallet.transfer_info RENAME ATTRIBUTE destination_balance TO rest;
SELECT pg_typeof(amount), amount, source_balance, rest, posted_at = date_trunc('second', posted_at) AS is_rounded, note FROM wallet_transfer(1, 2, 0.25);
ALTER TYPE wallet.answer ALTER ATTRIBUTE transfer_id TYPE text, ALTER ATTRIBUTE ordinal TYPE bigint, DROP ATTRIBUTE message;
SELECT ordinal, state, code, pg_typeof(transfer_id), destination_wallet_id, note
    FROM wallet_lookup_many('{transaction,transaction}', '{1,2}', ARRAY[:'handshake', :'handshake']);

-- What does not fit its type is refused, with nothing done.
ALTER TYPE wallet.transfer_info ALTER ATTRIBUTE amount TYPE bigint;
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 0.25)');
SELECT wallet_id, balance FROM wallet.wallet ORDER BY wallet_id;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
