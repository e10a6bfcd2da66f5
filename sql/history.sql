-- wallet_history: newest first, page by page, with the balance after each operation.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2);
SELECT wallet_id FROM wallet_create(3, 7, 'jpy');
SELECT wallet_id FROM wallet_create(4);

SELECT transfer_id FROM wallet_transfer(1, 2, 10, 'exact', '{"n": 1}');
SELECT transfer_id FROM wallet_transfer(2, 1, 2.5);
SELECT transfer_id FROM wallet_deposit(3, 1000);
SELECT transfer_id FROM wallet_withdraw(1, 0.01);
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":3}') IS NOT NULL AS queued;
SELECT wallet_process();

SELECT transfer_id, kind, source_wallet_id AS source, destination_wallet_id AS destination, amount, balance, metadata, request_id FROM wallet_history(1);
SELECT transfer_id, kind, source_wallet_id AS source, destination_wallet_id AS destination, amount, balance, metadata, request_id FROM wallet_history(2);
SELECT transfer_id, kind, source_wallet_id AS source, destination_wallet_id AS destination, amount, balance, metadata, request_id FROM wallet_history(3);
SELECT count(*) FROM wallet_history(4);

-- Page by page: before is the last row's transfer_id.
SELECT transfer_id, balance FROM wallet_history(1, NULL, 2);
SELECT transfer_id, balance FROM wallet_history(1, 6, 2);
SELECT transfer_id, balance FROM wallet_history(1, 3, 2);
SELECT transfer_id, balance FROM wallet_history(1, 1, 2);

-- What came in between does not disturb a later page.
SELECT transfer_id FROM wallet_deposit(1, 1);
SELECT transfer_id, balance FROM wallet_history(1, 6, 2);

-- All pages together are the whole, whatever their size.
SELECT count(*) FROM generate_series(1, 120) AS i, LATERAL wallet_deposit(2, i * 0.01) AS t;
CREATE FUNCTION pg_temp.pages(wallet_id bigint, page_size integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    collected bigint[] := '{}';
    page bigint[];
BEGIN
    LOOP
        SELECT array_agg(h.transfer_id) INTO page FROM wallet_history(wallet_id, collected[cardinality(collected)], page_size) AS h;
        EXIT WHEN page IS NULL;
        collected := collected || page;
    END LOOP;
    RETURN collected;
END
$$;
SELECT page_size, cardinality(pages) AS rows,
       pages = ARRAY(SELECT transfer_id FROM wallet.transfer WHERE 2 IN (source_wallet_id, destination_wallet_id) ORDER BY 1 DESC) AS whole
    FROM unnest(ARRAY[1, 7, 50, 123, 1000]) AS page_size, LATERAL (SELECT pg_temp.pages(2, page_size)) AS p (pages);
SELECT count(*) AS by_default FROM wallet_history(2);

-- Cursors and limits that cannot be: the limit comes first, then the wallet, then the cursor.
SELECT wallet_history(1, 2);
SELECT wallet_history(1, max_rows => 1001);
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_history(99)'),
    (2, 'SELECT wallet_history(NULL)'),
    (3, 'SELECT wallet_history(0)'),
    (4, 'SELECT wallet_history(-840)'),
    (6, 'SELECT wallet_history(1, 2)'),
    (7, 'SELECT wallet_history(1, 0)'),
    (8, 'SELECT wallet_history(1, -1)'),
    (9, 'SELECT wallet_history(1, 9223372036854775807)'),
    (10, 'SELECT wallet_history(1, NULL, 0)'),
    (11, 'SELECT wallet_history(1, NULL, -1)'),
    (12, 'SELECT wallet_history(1, NULL, NULL)'),
    (13, 'SELECT wallet_history(1, NULL, 1000)'),
    (14, 'SELECT wallet_history(99, 1)'),
    (15, 'SELECT wallet_history(99, NULL, 0)'),
    (16, 'SELECT wallet_history(1, 2, 0)')) AS t (n, statement) ORDER BY n;

-- The same for a user, as JSON shows it: only of the user's own wallet.
SELECT transfer_id, kind, source_wallet_id AS source, destination_wallet_id AS destination, amount, balance, posted_at ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$' AS time
    FROM wallet_history_page(1, 1, NULL, 3);
SELECT transfer_id, amount, balance FROM wallet_history_page(3, 3, NULL, 3);
SELECT transfer_id, balance FROM wallet_history_page(1, 1, 4, 10);
SELECT statement, pg_temp.attempt(statement) FROM (VALUES
    (1, 'SELECT wallet_history_page(2, 1, NULL, 3)'),
    (2, 'SELECT wallet_history_page(NULL, 1, NULL, 3)'),
    (3, 'SELECT wallet_history_page(1, 99, NULL, 3)'),
    (4, 'SELECT wallet_history_page(1, 1, 2, 3)'),
    (5, 'SELECT wallet_history_page(1, 1, NULL, 0)'),
    (6, 'SELECT wallet_history_page(1, 99, NULL, 0)'),
    (7, 'SELECT wallet_history_page(2, 1, 1, 3)'),
    (8, 'SELECT wallet_history_page(1, 1, 2, NULL)')) AS t (n, statement) ORDER BY n;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
