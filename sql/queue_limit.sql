-- pg_wallet.queue_limit: how many requests may wait.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(user_id, 100)) FROM generate_series(1, 2) AS user_id;
CREATE FUNCTION pg_temp.deposits(first int, last int, key text DEFAULT NULL) RETURNS TABLE (ordinal int, stored boolean, code text)
LANGUAGE sql AS $$
    SELECT m.ordinal, m.handshake_id IS NOT NULL, m.code
        FROM wallet_enqueue_many(
            array_fill('deposit'::text, ARRAY[last - first + 1]),
            ARRAY(SELECT format('{"user_id":1,"wallet_id":1,"amount":%s}', i) FROM generate_series(first, last) AS i),
            CASE WHEN key IS NOT NULL THEN ARRAY(SELECT key || '/' || i FROM generate_series(first, last) AS i) END) AS m
$$;
SHOW pg_wallet.queue_limit;

-- Each is judged on its own: what there is room for is stored, in order.
SET pg_wallet.queue_limit = 3;
SELECT * FROM pg_temp.deposits(1, 2);
SELECT * FROM pg_temp.deposits(3, 5, 'key');
SELECT queued FROM wallet.queue;

-- A call for one raises the error; what was stored under its key is answered all the same.
SELECT pg_temp.attempt($$SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":9}')$$);
SELECT * FROM pg_temp.deposits(3, 3, 'key');

-- Nothing of a refused one was stored: no id drawn, no key taken.
SELECT count(*), max(request_id) - min(request_id) AS distance FROM wallet.request;
SELECT count(*) FROM wallet.idempotency_key;

-- Posting makes room, and the keys of the refused ones can be used.
SELECT wallet_process(2);
SELECT * FROM pg_temp.deposits(3, 6, 'key');
SELECT wallet_process();
SELECT * FROM pg_temp.deposits(3, 6, 'key');
SELECT wallet_process();

-- What is rolled back does not wait, nor has it been posted.
BEGIN;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(11, 14);
ROLLBACK;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(11, 14);
BEGIN;
SELECT wallet_process();
ROLLBACK;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(15, 15);

-- Nor does what a savepoint takes back, of what was stored or posted.
SELECT wallet_process();
SET pg_wallet.queue_limit = 3;
BEGIN;
SAVEPOINT one;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(15, 17);
ROLLBACK TO one;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(15, 15);
SAVEPOINT two;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(16, 16);
SELECT wallet_process();
ROLLBACK TO two;
RELEASE two;
COMMIT;
SELECT * FROM pg_temp.deposits(16, 18);
SELECT wallet_process();

-- What somebody has prepared and rolled back counts until the queue has been posted to its end.
BEGIN;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(19, 21);
PREPARE TRANSACTION 'lost';
ROLLBACK PREPARED 'lost';
SELECT * FROM pg_temp.deposits(19, 19);
SELECT wallet_process();
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(19, 21);
SELECT wallet_process(1);
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(22, 23);
SELECT wallet_process();

-- No limit; what is stored counts all the same.
SET pg_wallet.queue_limit = 0;
SELECT count(*) FILTER (WHERE stored) FROM pg_temp.deposits(21, 30);
SET pg_wallet.queue_limit = 11;
SELECT * FROM pg_temp.deposits(31, 32);
SELECT wallet_process();
SELECT name FROM wallet_verify() WHERE NOT ok;

RESET pg_wallet.queue_limit;
SET client_min_messages = warning;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
