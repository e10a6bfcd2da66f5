-- Idempotency keys: the same key and payload is the same call; the key with another payload is refused.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2, 100);

-- Through the queue: one request, one handshake.
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10.5}', 'order-1') AS handshake \gset
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10.5}', 'order-1') = :'handshake' AS same;
-- written in another way, it is the same payload
SELECT wallet_enqueue('transaction', '{"trans_sum":"10.50","dest_wallet_id":2,"source_wallet_id":1,"user_id":1}', 'order-1') = :'handshake' AS same;
SELECT count(*) AS requests FROM wallet.request;
SELECT wallet_process();
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10.5}', 'order-1') = :'handshake' AS same_when_posted;
-- and draws no id: ids that are never used are gaps, which the queue has to remember
SELECT last_value FROM wallet.request_id_seq;
SELECT wallet_process();
SELECT amount FROM wallet_get(1);

-- Anything else under that key is refused, whatever differs.
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10.51}', 'order-1');
SELECT pg_temp.attempt(format('SELECT wallet_enqueue(%L, %L, %L)', kind, payload, 'order-1')) FROM (VALUES
    ('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":3,"trans_sum":10.5}'),
    ('transaction', '{"user_id":1,"source_wallet_id":2,"dest_wallet_id":1,"trans_sum":10.5}'),
    ('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":105}'),
    ('deposit', '{"user_id":1,"wallet_id":2,"amount":10.5}'),
    ('withdrawal', '{"user_id":1,"wallet_id":1,"amount":10.5}'),
    ('wallet', '{"user_id":1,"amount":10.5}'),
    ('wallet_read', '{"user_id":1,"wallet_id":1}')) AS v (kind, payload);

-- Another user may choose the same key.
SELECT wallet_enqueue('transaction', '{"user_id":2,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":10.5}', 'order-1') <> :'handshake' AS another;
SELECT wallet_enqueue('wallet', '{"user_id":3}', 'order-1') IS NOT NULL AS queued;

-- A refused request keeps its key: the retry learns of the refusal, and is not tried again.
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":1000}', 'too much') AS handshake \gset
SELECT wallet_process();
SELECT destination_balance FROM wallet_deposit(1, 1000);
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":1000}', 'too much') = :'handshake' AS same;
SELECT wallet_process();
SELECT state, code FROM wallet_lookup('withdrawal', 1, :'handshake');

-- What was never stored keeps no key.
SELECT pg_temp.attempt($$SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":0}', 'wrong')$$);
BEGIN;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'rolled back') IS NOT NULL AS queued;
ROLLBACK;
SELECT key FROM wallet.idempotency_key WHERE user_id = 1 ORDER BY 1;

-- Keys that cannot be.
SELECT what, pg_temp.attempt(format('SELECT wallet_enqueue(%L, %L, %L)', 'wallet_read', '{"user_id":1,"wallet_id":1}', key))
    FROM (VALUES (1, 'empty', ''), (2, '255 characters', repeat('é', 255)), (3, '256 characters', repeat('k', 256)), (4, '100 KB', repeat('k', 100000)), (5, 'none', NULL)) AS v (n, what, key)
    ORDER BY n;

-- Many at once: new ones, repeated ones, a mismatch, and the same key twice in one call.
SELECT ordinal, code, message, handshake_id = first_value(handshake_id) OVER (ORDER BY ordinal) AS as_the_first
    FROM wallet_enqueue_many(
        ARRAY['deposit', 'deposit', 'deposit', 'deposit', 'deposit'],
        ARRAY['{"user_id":1,"wallet_id":1,"amount":1}', '{"user_id":1,"wallet_id":1,"amount":1.0}', '{"user_id":1,"wallet_id":1,"amount":1}',
              '{"user_id":1,"wallet_id":1,"amount":2}', '{"user_id":2,"wallet_id":2,"amount":1}'],
        ARRAY['twice', 'twice', NULL, 'twice', 'twice'])
    ORDER BY ordinal;
SELECT wallet_process();
SELECT count(*) AS deposits FROM wallet.request WHERE kind = wallet.kind_number('deposit') AND user_id = 1;

-- Direct calls: the first result, again.
SELECT transfer_id, amount, source_balance, destination_balance FROM wallet_transfer(1, 2, 5, 'exact', '{"for": "tea"}', 'direct-1');
SELECT transfer_id FROM wallet_deposit(1, 1);
SELECT transfer_id, amount, source_balance, destination_balance FROM wallet_transfer(1, 2, 5.00, 'exact', '{ "for" : "tea" }', 'direct-1');
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_transfer(1, 2, 5.01, ''exact'', ''{"for": "tea"}'', ''direct-1'')'),
    (2, 'SELECT wallet_transfer(1, 2, 5, ''exact'', ''{"for": "coffee"}'', ''direct-1'')'),
    (3, 'SELECT wallet_transfer(1, 2, 5, ''exact'', NULL, ''direct-1'')'),
    (4, 'SELECT wallet_withdraw(1, 5, ''exact'', ''{"for": "tea"}'', ''direct-1'')'),
    (5, 'SELECT wallet_deposit(1, 5, ''{"for": "tea"}'', ''direct-1'')'),
    -- a queued request has that key
    (6, 'SELECT wallet_withdraw(1, 1000, ''exact'', NULL, ''too much'')'),
    -- the key belongs to the user of the source wallet
    (7, 'SELECT wallet_transfer(2, 1, 5, ''exact'', NULL, ''direct-1'')'),
    -- a refused call leaves no key
    (8, 'SELECT wallet_withdraw(1, 100000, ''exact'', NULL, ''direct-2'')'),
    (9, 'SELECT wallet_withdraw(1, 1, ''exact'', NULL, ''direct-2'')')) AS t (n, statement) ORDER BY n;
SELECT pg_temp.attempt($$SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":1}', 'direct-2')$$);
SELECT count(*) AS transfers FROM wallet.transfer WHERE metadata IS NOT NULL;

-- A repeated call is answered even when it could not be made any more.
SELECT source_balance > 0 AS had FROM wallet_withdraw(2, 1, 'exact', NULL, 'before it froze');
SELECT status FROM wallet_set_status(2, 'frozen');
SELECT amount FROM wallet_withdraw(2, 1, 'exact', NULL, 'before it froze');

-- Keys expire: after that the key is new.
SELECT count(*) AS keys FROM wallet.idempotency_key \gset
SELECT wallet_expire_idempotency_keys();
UPDATE wallet.idempotency_key SET created_at = created_at - current_setting('pg_wallet.idempotency_retention')::interval + '1 hour' WHERE user_id = 1;
SELECT wallet_expire_idempotency_keys();
UPDATE wallet.idempotency_key SET created_at = created_at - '2 hours'::interval WHERE user_id = 1 AND key IN ('order-1', 'direct-1');
SELECT wallet_expire_idempotency_keys();
SELECT :keys - count(*) AS expired FROM wallet.idempotency_key;
SELECT wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}', 'order-1') IS NOT NULL AS new_one;
-- What would be refused by itself, late or of a currency that nobody knows, is a repeated request behind the first in its call.
WITH asked (n, kind, payload, key) AS (VALUES
        (1, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2020-01-01"}', 'in one call'),
        (2, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'in one call'),
        (3, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2020-01-01"}', 'in one call'),
        (4, 'deposit', '{"user_id":1,"wallet_id":1,"amount":2,"valid_until":"2020-01-01"}', 'in one call'),
        (5, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2020-01-01"}', 'alone'),
        (6, 'wallet', '{"user_id":1,"amount":1,"currency":"zzz"}', 'in one call'),
        (7, 'wallet', '{"user_id":7,"amount":1,"currency":"zzz"}', 'in one call'),
        (8, 'wallet', '{"user_id":7,"amount":1,"currency":"zzz"}', NULL)),
    answers AS (SELECT e.* FROM (SELECT array_agg(kind ORDER BY n) AS kinds, array_agg(payload ORDER BY n) AS payloads, array_agg(key ORDER BY n) AS keys FROM asked) AS a,
        wallet_enqueue_many(a.kinds, a.payloads, a.keys) AS e)
SELECT ordinal, code, handshake_id = (SELECT f.handshake_id FROM answers AS f WHERE f.ordinal = 2) AS like_2 FROM answers ORDER BY ordinal;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
