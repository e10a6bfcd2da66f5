-- Amounts: exact, never rounded, in every currency; how they are read and how they are shown.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

-- As JSON shows them, and as numeric.
SELECT minor_units, minor_digits, wallet.amount_text(minor_units, minor_digits), wallet.amount(minor_units, minor_digits)
    FROM (VALUES (0, 2), (1, 2), (10, 2), (50, 2), (100, 2), (77788, 2), (710000, 2), (-1, 2), (-77788, 2), (-10, 2),
                 (0, 0), (7, 0), (70, 0), (-70, 0), (1, 3), (1000, 3), (1010, 3), (1, 8), (100000000, 8),
                 (9223372036854775807, 0), (9223372036854775807, 2), (9223372036854775807, 8),
                 (-9223372036854775808, 0), (-9223372036854775808, 2), (-9223372036854775808, 8)) AS v (minor_units, minor_digits);
SELECT wallet.amount_text(1, -1);
SELECT wallet.amount_text(1, 9);
SELECT wallet.amount(1, 9);
SELECT wallet.amount_text(NULL, 2) IS NULL AS strict;

-- Read as numeric: the value counts, not how it was written.
SELECT w.wallet_id, w.currency
    FROM (VALUES (1, 'usd'), (2, 'jpy'), (3, 'kwd'), (4, 'clf')) AS v (user_id, currency), wallet_create(v.user_id, 0, v.currency) AS w
    ORDER BY 1;
SELECT written, currency, pg_temp.attempt(format('SELECT wallet_deposit(%s, %s)', wallet_id, written))
    FROM (VALUES
        (1, 1, '1'), (2, 1, '1.5'), (3, 1, '1.50000'), (4, 1, '0.01'), (5, 1, '1e2'), (6, 1, '+3'), (7, 1, '007'),
        (8, 1, '0.001'), (9, 1, '777.885'), (10, 1, '777.8800000000000000001'), (11, 1, '0.000000000000000000000000001'),
        (12, 1, '0'), (13, 1, '-0.00'), (14, 1, '-1'), (15, 1, '''NaN'''), (16, 1, '''Infinity'''), (17, 1, '''-Infinity'''),
        (18, 1, '9223372036854775807'), (19, 1, '9223372036854775808'), (20, 1, '-9223372036854775809'),
        (21, 1, '92233720368547758.08'), (22, 1, '1e20'), (23, 1, '1e1000'), (24, 1, '-1e1000'), (25, 1, '1e-1000'),
        (26, 2, '1'), (27, 2, '1.0'), (28, 2, '0.1'), (29, 2, '1e3'), (30, 2, '9223372036854775808'),
        (31, 3, '0.001'), (32, 3, '1.0010'), (33, 3, '0.0001'), (34, 3, '9223372036854775.808'),
        (35, 4, '0.0001'), (36, 4, '0.00001')) AS v (n, id, written), wallet_get(v.id)
    ORDER BY n;
SELECT wallet_id, amount, currency FROM generate_series(1, 4) AS id, wallet_get(id) ORDER BY 1;

-- The same from JSON, where the text decides: no exponent, no plus sign, no leading zero, no more
-- decimals than the currency has.
SELECT written, (SELECT w.currency FROM wallet.wallet AS w WHERE w.wallet_id = v.id) AS currency, code, message
    FROM (VALUES
        (1, 1, '1'), (2, 1, '1.5'), (3, 1, '1.50'), (4, 1, '1.500'), (5, 1, '0.01'), (6, 1, '1e2'), (7, 1, '1E2'), (8, 1, '1e-2'),
        (9, 1, '0.001'), (10, 1, '777.8800000000000000001'), (11, 1, '0'), (12, 1, '0.00'), (13, 1, '-0'), (14, 1, '-0.01'), (15, 1, '-1'),
        (16, 1, '92233720368547758.07'), (17, 1, '92233720368547758.08'), (18, 1, '9223372036854775807'),
        (19, 1, '9223372036854775808'), (20, 1, '99999999999999999999'), (21, 1, '-9223372036854775808'), (22, 1, '-9223372036854775809'),
        (23, 1, '"1.5"'), (24, 1, '"777.88"'), (25, 1, '"+1"'), (26, 1, '"01"'), (27, 1, '"1."'), (28, 1, '".5"'), (29, 1, '" 1"'), (30, 1, '"1 "'),
        (31, 1, '"1e2"'), (32, 1, '"NaN"'), (33, 1, '"Infinity"'), (34, 1, '""'), (35, 1, '"-"'), (36, 1, '"1,5"'), (37, 1, '"0x10"'),
        (38, 1, '"１"'), (39, 1, '"1\u0030"'),
        (40, 1, 'NaN'), (41, 1, '01'), (42, 1, '1.'), (43, 1, '.5'), (44, 1, '+1'), (45, 1, 'null'), (46, 1, 'true'), (47, 1, '[1]'), (48, 1, '{"a":1}'),
        (49, 2, '1'), (50, 2, '1.0'), (51, 2, '100'), (52, 2, '1.000'), (53, 3, '0.001'), (54, 3, '0.0001'), (55, 4, '0.00000001'), (56, 4, '0.000000001'),
        (57, 9, '0.001'), (58, 9, '0.01')) AS v (n, id, written)
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['deposit'], ARRAY[format('{"user_id":%s,"wallet_id":%s,"amount":%s}', id, id, written)])
    ORDER BY n;

-- What looked right is judged again when its turn comes: jpy has no decimals, and wallet 1 is almost full.
SELECT wallet_process() AS settled;
SELECT r.amount AS digits, r.amount_scale AS scale, w.currency, coalesce(o.code, 'processed') AS code, t.amount AS minor_units
    FROM wallet.request AS r LEFT JOIN wallet.wallet AS w ON w.wallet_id = r.destination_wallet_id
        LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id)
    ORDER BY r.request_id;
SELECT wallet_id, amount, currency FROM generate_series(1, 4) AS id, wallet_get(id) ORDER BY 1;

-- A new wallet's initial amount.
SELECT written, currency, q.code, message
    FROM (VALUES (1, 'usd', '0'), (2, 'usd', '-0'), (3, 'usd', '0.00'), (4, 'usd', '0.001'), (5, 'usd', '-1'), (6, 'JPY', '7'), (7, 'jpy', '7.0'),
                 (8, 'kwd', '"0.001"'), (9, 'kwd', '9223372036854775.807'), (10, 'kwd', '9223372036854775.808')) AS v (n, currency, written)
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['wallet'], ARRAY[format('{"user_id":%s,"currency":"%s","amount":%s}', 10 + n, currency, written)]) AS q
    ORDER BY n;
SELECT wallet_process() AS settled;
SELECT user_id, balance, currency FROM wallet.wallet WHERE user_id > 10 ORDER BY 1;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
