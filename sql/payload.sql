-- Payloads: one flat JSON object with known members, each once and of its type.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2);

-- What is accepted, in any order and with any blanks.
SELECT kind, payload, q.code, q.message, q.handshake_id ~ '^[0-9a-f]{64}$' AS handshake
    FROM (VALUES
        (1, 'wallet', '{"user_id":3}'),
        (2, 'wallet', '{"currency":"EUR","amount":"7.50","user_id":4}'),
        (3, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":7.88}'),
        (4, 'transaction', E' {\t"trans_sum" : 0.5 ,\r\n"dest_wallet_id" : 2 , "source_wallet_id" : 1 , "user_id" : 1 } '),
        (5, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1}'),
        (6, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount":1}'),
        (7, 'wallet_read', '{"user_id":1,"wallet_id":1}'),
        -- ids in strings, as amounts are: JavaScript's numbers are exact to 2^53 only; and what is exactly whole
        (8, 'wallet', '{"user_id":"9223372036854775807"}'),
        (9, 'wallet', '{"user_id":9223372036854775806.0}'),
        (10, 'wallet', '{"user_id":"9007199254740993.00","amount":"1"}'),
        (11, 'transaction', '{"user_id":"1","source_wallet_id":"1","dest_wallet_id":"2","trans_sum":"0.5"}'),
        (12, 'transaction', '{"user_id":1.0,"source_wallet_id":1.00,"dest_wallet_id":2.000000000000,"trans_sum":0.5}'),
        (13, 'deposit', '{"user_id":"1","wallet_id":"1.0","amount":1}'),
        (14, 'withdrawal', '{"user_id":"1.0","wallet_id":"1","amount":1}'),
        (15, 'wallet_read', '{"user_id":"1","wallet_id":1.0}')) AS v (n, kind, payload),
        wallet_enqueue_many(ARRAY[kind], ARRAY[payload]) AS q
    ORDER BY n;
SELECT wallet_process() AS settled;
SELECT count(*) FILTER (WHERE code <> 'processed') AS refused FROM wallet.outcome;
SELECT user_id FROM wallet.wallet WHERE user_id > 10 ORDER BY 1;
SELECT count(*) AS queued FROM wallet.request \gset before_

-- What is not.
SELECT kind, payload, q.code, q.message
    FROM (VALUES
        (1, 'wallet', ''), (2, 'wallet', ' '), (3, 'wallet', '{'), (4, 'wallet', '{"user_id":5'), (5, 'wallet', '{"user_id":'), (6, 'wallet', '{"user_id"'),
        (7, 'wallet', '{"user_id'), (8, 'wallet', '{"user_id":5,}'), (9, 'wallet', '{,"user_id":5}'), (10, 'wallet', '{"user_id":5} '), (11, 'wallet', '{"user_id":6}{}'),
        (12, 'wallet', '{"user_id":6} x'), (13, 'wallet', '{"user_id" 6}'), (14, 'wallet', '{user_id:6}'), (15, 'wallet', '{''user_id'':6}'), (16, 'wallet', '{"user_id":6 "amount":1}'),
        (17, 'wallet', '{"user_id":6,"amount":}'), (18, 'wallet', '{"user_id":nul}'), (19, 'wallet', '{"user_id":6}]'), (20, 'wallet', '/**/{"user_id":6}'), (21, 'wallet', '}'),
        (22, 'wallet', '[]'), (23, 'wallet', '[{"user_id":6}]'), (24, 'wallet', 'null'), (25, 'wallet', '6'), (26, 'wallet', '"user_id"'), (27, 'wallet', 'true'),
        (28, 'wallet', '{}'), (29, 'wallet', '{"amount":1}'), (30, 'transaction', '{"user_id":1}'), (31, 'transaction', '{"user_id":1,"source_wallet_id":1}'),
        (32, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2}'), (33, 'deposit', '{"user_id":1,"amount":1}'), (34, 'withdrawal', '{"wallet_id":1,"amount":1}'),
        (35, 'wallet_read', '{"user_id":1}'),
        (36, 'wallet', '{"user_id":6,"user_id":6}'), (37, 'wallet', '{"user_id":6,"user_id":7,"x":1}'),
        (38, 'wallet', '{"user_id":6,"x":1}'), (39, 'wallet', '{"user_id":6,"User_id":6}'), (40, 'wallet', '{"user_id":6,"":6}'), (41, 'wallet', '{"user_id":6,"wallet_id":1}'),
        (42, 'transaction', '{"user_id":1,"source_wallet_id":1,"destination_wallet_id":2,"trans_sum":1}'),
        (43, 'wallet', '{"user\u005fid":6}'), (44, 'wallet', '{"user_id":6,"naïve\n\"quoted\"":1}'), (45, 'wallet', '{"user_id\u0000":6}'),
        (46, 'wallet', '{"user_id":"six"}'), (47, 'wallet', '{"user_id":null}'), (48, 'wallet', '{"user_id":true}'), (49, 'wallet', '{"user_id":[6]}'), (50, 'wallet', '{"user_id":{"user_id":6}}'),
        (51, 'wallet', '{"user_id":6.0e1}'), (52, 'wallet', '{"user_id":6e0}'), (53, 'wallet', '{"user_id":6.5}'), (54, 'wallet', '{"user_id":6.0000000001}'),
        (55, 'wallet', '{"user_id":0}'), (56, 'wallet', '{"user_id":-0}'), (57, 'wallet', '{"user_id":-6}'), (58, 'wallet', '{"user_id":9223372036854775808}'),
        (59, 'wallet', '{"user_id":99999999999999999999999999}'), (60, 'wallet', '{"user_id":1e400}'),
        (61, 'wallet', '{"user_id":6,"currency":7}'), (62, 'wallet', '{"user_id":6,"currency":null}'), (63, 'wallet', '{"user_id":6,"currency":""}'), (64, 'wallet', '{"user_id":6,"currency":"us"}'),
        (65, 'wallet', '{"user_id":6,"currency":"usdd"}'), (66, 'wallet', '{"user_id":6,"currency":"zzz"}'), (67, 'wallet', '{"user_id":6,"currency":"u''d"}'), (68, 'wallet', '{"user_id":6,"currency":"é1"}'),
        (69, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":1,"trans_sum":1}'), (70, 'transaction', '{"user_id":1,"source_wallet_id":-840,"dest_wallet_id":1,"trans_sum":1}'),
        (76, 'wallet', '{"user_id":""}'), (77, 'wallet', '{"user_id":"01"}'), (78, 'wallet', '{"user_id":" 1"}'), (79, 'wallet', '{"user_id":"1 "}'), (80, 'wallet', '{"user_id":"+1"}'),
        (81, 'wallet', '{"user_id":"1.5"}'), (82, 'wallet', '{"user_id":"-1"}'), (83, 'wallet', '{"user_id":"-0"}'), (84, 'wallet', '{"user_id":"0"}'), (85, 'wallet', '{"user_id":"6e0"}'),
        (86, 'wallet', '{"user_id":"9223372036854775808"}'), (87, 'wallet', '{"user_id":9223372036854775808.0}'), (88, 'wallet', '{"user_id":"0x6"}'), (89, 'wallet', '{"user_id":"\u0036"}'),
        (90, 'wallet', '{"user_id":"６"}'), (91, 'wallet', '{"user_id":-1.0}'), (92, 'wallet', '{"user_id":0.0}'), (93, 'wallet', '{"user_id":"1."}'), (94, 'wallet', '{"user_id":".1"}'),
        (95, 'transaction', '{"user_id":1,"source_wallet_id":"1x","dest_wallet_id":2,"trans_sum":1}'), (96, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":"-2","trans_sum":1}'),
        (97, 'deposit', '{"user_id":1,"wallet_id":"1.01","amount":1}'), (98, 'withdrawal', '{"user_id":1,"wallet_id":[1],"amount":1}'), (99, 'wallet_read', '{"user_id":1,"wallet_id":"00"}'),
        (71, 'payment', '{"user_id":6}'), (72, '', '{"user_id":6}'), (73, 'WALLET', '{"user_id":6}'), (74, NULL, '{"user_id":6}'), (75, 'wallet', NULL)) AS v (n, kind, payload),
        wallet_enqueue_many(ARRAY[kind], ARRAY[payload]) AS q
    ORDER BY n;

-- Large and deep ones are refused as cheaply as small ones.
SELECT what, length(payload), q.code, length(q.message) < 200 AS short_message
    FROM (VALUES
        (1, 'a long name', format('{"user_id":6,"%s":1}', repeat('n', 100000))),
        (2, 'a long name of wide characters', format('{"user_id":6,"%s":1}', repeat('é', 50000))),
        (3, 'a long number', format('{"user_id":%s}', repeat('9', 100000))),
        (4, 'a long amount', format('{"user_id":6,"amount":0.%s}', repeat('0', 100000))),
        (5, 'a long string', format('{"user_id":6,"amount":"%s"}', repeat('1', 100000))),
        (6, 'many blanks', format('{"user_id":%s7}', repeat(' ', 100000))),
        (7, 'deep arrays', format('{"user_id":%s%s}', repeat('[', 100000), repeat(']', 100000))),
        (8, 'deep objects', format('{"user_id":%s1%s}', repeat('{"a":', 100000), repeat('}', 100000))),
        (12, 'deep arrays that are not closed', format('{"user_id":%s}', repeat('[', 100000))),
        (13, 'deep objects that are not closed', format('{"user_id":%s', repeat('{"a":', 100000))),
        (14, 'deep in what is not known', format('{"user_id":6,"a":%s1%s}', repeat('[{"a":', 50000), repeat('}]', 50000))),
        (10, 'a long id', format('{"user_id":6.%s}', repeat('0', 100000))),
        (11, 'a long id in a string', format('{"user_id":"%s"}', repeat('9', 100000))),
        (9, 'a long currency', format('{"user_id":6,"currency":"%s"}', repeat('u', 100000)))) AS v (n, what, payload),
        wallet_enqueue_many(ARRAY['wallet'], ARRAY[payload]) AS q
    ORDER BY n;

-- Only the three that were in order have been stored; one of them is the owner's, who speaks for all users.
SELECT count(*) - :before_queued AS stored FROM wallet.request;

-- A single call raises the same as an error; what is no JSON at all the type json refuses before.
SELECT wallet_enqueue('wallet', '{"user_id":6,"x":1}');
SELECT wallet_enqueue('wallet', '{"user_id":6,"amount":1.234}');
SELECT wallet_enqueue('wallet', '[]');
SELECT wallet_enqueue('payment', '{}');
SELECT pg_temp.attempt('SELECT wallet_enqueue(NULL, ''{}'')'), pg_temp.attempt('SELECT wallet_enqueue(''wallet'', NULL)');
SELECT left(pg_temp.attempt('SELECT wallet_enqueue(''wallet'', ''{"user_id":6'')'), 5) AS sqlstate;

-- A byte order mark is named, since nobody sees it.
SELECT code, message FROM wallet_enqueue_many('{wallet}', ARRAY[chr(65279) || '{"user_id":6}']);

-- Arrays that do not fit each other.
SELECT pg_temp.attempt('SELECT wallet_enqueue_many(NULL, NULL)');
SELECT pg_temp.attempt('SELECT wallet_enqueue_many(ARRAY[''wallet''], ''{}'')');
SELECT pg_temp.attempt('SELECT wallet_enqueue_many(ARRAY[''wallet''], ARRAY[''{}''], ''{}'')');
SELECT count(*) FROM wallet_enqueue_many('{}', '{}');
BEGIN READ ONLY;
SELECT wallet_enqueue('wallet', '{"user_id":8}');
ROLLBACK;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
