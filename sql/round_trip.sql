-- What is shown is accepted: an amount or an id as it is printed, sent back as that very text, by every way in.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
-- Currencies of 0, 2 and 3 decimals are there; one of 8 is added as its owner may.
INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('xbt', 1000, 8);

-- Queues a payload in each of the ways: how many handshakes there are, or why one way did not take it.
CREATE FUNCTION pg_temp.queue(kind text, payload text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(q.way || ': ' || q.code || ' ' || q.message, ', ' ORDER BY q.way) FILTER (WHERE q.code IS NOT NULL),
                    count(q.handshake_id)::text)
        FROM (SELECT 'one' AS way, wallet_enqueue(kind, payload::json) AS handshake_id, NULL AS code, NULL AS message
              UNION ALL SELECT 'many', m.handshake_id, m.code, m.message FROM wallet_enqueue_many(ARRAY[kind], ARRAY[payload]) AS m
              UNION ALL SELECT 'utf8', u.handshake_id, u.code, u.message FROM wallet_enqueue_utf8(ARRAY[kind], ARRAY[convert_to(payload, 'UTF8')]) AS u) AS q
$$;

-- What a wallet's amount, and each amount and balance of its history, is shown as, everywhere.
CREATE FUNCTION pg_temp.shown(user_id bigint, wallet_id bigint) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT amount FROM wallet_read_many(ARRAY['wallet'], ARRAY[$1], ARRAY[$2])
    UNION SELECT amount::text FROM wallet_get($2)
    UNION SELECT amount FROM wallet_history_page($1, $2, NULL, 1000)
    UNION SELECT balance FROM wallet_history_page($1, $2, NULL, 1000)
    UNION SELECT amount::text FROM wallet_history($2, NULL, 1000)
    UNION SELECT balance::text FROM wallet_history($2, NULL, 1000)
    UNION SELECT balance::text FROM wallet.operation AS o WHERE o.wallet_id = $2
$$;

-- A user and a wallet for each currency and amount of minor units, made from what amount_text shows.
CREATE TABLE pg_temp.purse AS
    SELECT row_number() OVER (ORDER BY c.minor_digits, m.minor) * 2 + 1 AS user_id, c.code AS currency, c.minor_digits, m.minor, wallet.amount_text(m.minor, c.minor_digits) AS shown
        FROM wallet.currency AS c CROSS JOIN (VALUES (1::bigint), (10), (100), (1000), (110), (100000000), (123456789)) AS m (minor)
        WHERE c.code IN ('jpy', 'usd', 'kwd', 'xbt');
-- one as a number, the other as a string
SELECT count(wallet_enqueue('wallet', format('{"user_id":%s,"amount":%s,"currency":"%s"}', user_id, shown, currency)::json)),
       count(wallet_enqueue('wallet', format('{"user_id":"%s","amount":"%s","currency":"%s"}', user_id + 1, shown, currency)::json))
    FROM pg_temp.purse;
SELECT wallet_process();
SELECT count(*) AS wallets FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id IN (p.user_id, p.user_id + 1) WHERE w.balance = p.minor;

-- What is shown of each, in every place, is paid in and out again, as a number and as a string; each is
-- queued in three ways, and the moves cancel each other out.  There is enough for all of them.
CREATE TABLE pg_temp.shown AS
    SELECT p.user_id, s.shown AS sent FROM pg_temp.purse AS p JOIN wallet.wallet AS w USING (user_id) CROSS JOIN LATERAL pg_temp.shown(w.user_id, w.wallet_id) AS s (shown);
SELECT count(wallet_deposit(w.wallet_id, wallet.amount(1000000000000, p.minor_digits)))
    FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id IN (p.user_id, p.user_id + 1);
SELECT p.currency, p.shown, s.sent, string_agg(DISTINCT pg_temp.queue(v.kind, v.payload), ', ') AS queued
    FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id = p.user_id JOIN wallet.wallet AS other ON other.user_id = p.user_id + 1
        JOIN pg_temp.shown AS s ON s.user_id = p.user_id
        CROSS JOIN LATERAL (VALUES
            ('deposit', format('{"user_id":%s,"wallet_id":%s,"amount":%s}', w.user_id, w.wallet_id, s.sent)),
            ('deposit', format('{"user_id":%s,"wallet_id":%s,"amount":"%s"}', w.user_id, w.wallet_id, s.sent)),
            ('withdrawal', format('{"user_id":%s,"wallet_id":%s,"amount":%s}', w.user_id, w.wallet_id, s.sent)),
            ('withdrawal', format('{"user_id":%s,"wallet_id":%s,"amount":"%s"}', w.user_id, w.wallet_id, s.sent)),
            ('transaction', format('{"user_id":%s,"source_wallet_id":%s,"dest_wallet_id":%s,"trans_sum":%s}', w.user_id, w.wallet_id, other.wallet_id, s.sent)),
            ('transaction', format('{"user_id":"%s","source_wallet_id":"%s","dest_wallet_id":"%s","trans_sum":"%s"}', other.user_id, other.wallet_id, w.wallet_id, s.sent))
            ) AS v (kind, payload)
    GROUP BY p.currency, p.minor_digits, p.minor, p.shown, s.sent
    ORDER BY p.minor_digits, p.minor, s.sent;
SELECT wallet_process() > 0 AS settled;
SELECT count(*) FILTER (WHERE o.code <> 'processed') AS misread, count(t.*) AS moved FROM wallet.request AS r
    LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id);

SELECT count(*) AS unchanged FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id IN (p.user_id, p.user_id + 1) WHERE w.balance = p.minor + 1000000000000;

-- Direct calls take it as well.
SELECT p.currency, p.shown, s.sent, pg_temp.attempt(format('SELECT wallet_deposit(%s, %s), wallet_transfer(%1$s, %3$s, %2$s), wallet_transfer(%3$s, %1$s, %2$s), wallet_withdraw(%1$s, %2$s)',
                                                                    w.wallet_id, s.sent, other.wallet_id))
    FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id = p.user_id JOIN wallet.wallet AS other ON other.user_id = p.user_id + 1
        JOIN pg_temp.shown AS s ON s.user_id = p.user_id
    ORDER BY p.minor_digits, p.minor, s.sent;
SELECT p.currency, p.shown, pg_temp.attempt(format('SELECT wallet_create(%s, %s, %L)', 1000 + p.user_id, p.shown, p.currency))
    FROM pg_temp.purse AS p ORDER BY p.minor_digits, p.minor;
SELECT count(*) AS as_shown FROM pg_temp.purse AS p JOIN wallet.wallet AS w ON w.user_id = 1000 + p.user_id WHERE w.balance = p.minor;

-- The largest amount of each, too.
SELECT c.code, a.shown, q.code AS refusal FROM wallet.currency AS c CROSS JOIN LATERAL wallet.amount_text(9223372036854775807, c.minor_digits) AS a (shown)
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['wallet'], ARRAY[format('{"user_id":%s,"amount":%s,"currency":"%s"}', 5000 + c.number, a.shown, c.code)]) AS q
    WHERE c.code IN ('jpy', 'usd', 'kwd', 'xbt') ORDER BY c.minor_digits;
SELECT wallet_process();
SELECT currency, balance FROM wallet.wallet WHERE user_id > 5000 ORDER BY user_id;

-- Zeros beyond a currency's decimals are exact; a digit that is not zero is not.
SELECT wallet_id, user_id, currency FROM wallet.wallet WHERE user_id IN (3, 17, 31, 45) ORDER BY wallet_id;
SELECT written, currency, coalesce(q.code, (SELECT pg_temp.attempt('SELECT wallet_process()'))) AS queued, message
    FROM (VALUES
        (1, 3, '1.000'), (2, 3, '"1.000"'), (3, 3, '1.001'), (4, 3, '0.0'), (5, 3, '9223372036854775808.0'),
        (6, 17, '1.100'), (7, 17, '"1.100"'), (8, 17, '1.1000000000000000000000000000000000'), (9, 17, '1.101'), (10, 17, '1.1000000000000000000000000000000001'),
        (11, 17, '0.000000000'), (12, 17, '0.010000000000'), (13, 17, '0.001000000000'), (14, 17, '1.100e0'), (15, 17, '-1.100'), (16, 17, '"1.100 "'), (17, 17, '01.100'),
        (18, 31, '0.0010'), (19, 31, '0.0011'), (20, 45, '0.000000010'), (21, 45, '0.000000011')) AS v (n, user_id, written)
        JOIN wallet.wallet AS w USING (user_id)
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['deposit'], ARRAY[format('{"user_id":%s,"wallet_id":%s,"amount":%s}', w.user_id, w.wallet_id, written)]) AS q
    ORDER BY n;
SELECT wallet_process();
SELECT r.amount AS digits, r.amount_scale AS scale, w.currency, coalesce(o.code, 'processed') AS code, t.amount AS minor_units
    FROM wallet.request AS r JOIN wallet.wallet AS w ON w.wallet_id = r.destination_wallet_id
        LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id)
    ORDER BY r.request_id DESC LIMIT 8;

-- An amount has 1024 characters at most, however many of them are zeros.
SELECT length(written), q.code, q.message
    FROM (VALUES (1, '1.1' || repeat('0', 1021)), (2, '1.1' || repeat('0', 1022)), (3, '0.' || repeat('0', 1022)), (4, repeat('9', 1024)), (5, repeat('9', 1025)),
                 (6, '0.' || repeat('0', 1021) || '1'), (7, '1.1' || repeat('0', 1000000))) AS v (n, written)
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['wallet'], ARRAY[format('{"user_id":%s,"amount":"%s"}', 7000 + n, written)]) AS q
    ORDER BY n;

-- A key that comes again with the same amount in another form is a repetition, and so it is with ids.
SELECT q.code, count(DISTINCT q.handshake_id) AS handshakes
    FROM wallet_enqueue_many(array_fill('deposit'::text, ARRAY[9]),
                             ARRAY['{"user_id":17,"wallet_id":15,"amount":1.1}', '{"user_id":17,"wallet_id":15,"amount":1.10}', '{"user_id":17,"wallet_id":15,"amount":1.100}',
                                   '{"user_id":17,"wallet_id":15,"amount":"1.1"}', '{"user_id":17,"wallet_id":15,"amount":"1.1000000000"}', '{"user_id":"17","wallet_id":15,"amount":1.1}',
                                   '{"user_id":17.0,"wallet_id":"15","amount":1.1}', '{"user_id":"17.00","wallet_id":15.0,"amount":1.1}', '{"user_id":17,"wallet_id":15,"amount":1.11}'],
                             array_fill('order'::text, ARRAY[9])) AS q
    GROUP BY q.code ORDER BY q.code NULLS FIRST;

-- Rows that were stored with their zeros, by whatever means, are posted as what they say.
INSERT INTO wallet.request (request_id, user_id, destination_wallet_id, amount, amount_scale, enqueued_at, kind)
    SELECT nextval('wallet.request_id_seq'), 3, w.wallet_id, 1000, 1, now(), wallet.kind_number('deposit') FROM wallet.wallet AS w WHERE w.user_id = 3;
SELECT wallet_process() > 0 AS settled;
SELECT t.amount FROM wallet.transfer AS t ORDER BY t.request_id DESC NULLS LAST LIMIT 1;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
