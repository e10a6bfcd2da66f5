-- Index entries that are made in runs: whatever the order of ids, each index is as PostgreSQL makes it, and finds every row.
CREATE EXTENSION pg_wallet;
CREATE EXTENSION amcheck;
\i test/helpers.sql
SELECT count(wallet_create(g, 100000)) FROM generate_series(1, 20) AS g;

-- Queues n deposits of 1 into the wallets from first to last, in turns.
CREATE FUNCTION pg_temp.queue(n integer, first integer, last integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(e.handshake_id) FROM (SELECT array_agg('deposit'::text) AS kinds,
            array_agg(format('{"user_id":%s,"wallet_id":%1$s,"amount":1}', first + g % (last - first + 1))) AS payloads
        FROM generate_series(0, n - 1) AS g) AS a, wallet_enqueue_many(a.kinds, a.payloads) AS e
$$;
-- Every index of ours is in order, leads to every row, and is large enough to have been split.
CREATE FUNCTION pg_temp.damaged() RETURNS TABLE (index regclass) LANGUAGE plpgsql AS $$
BEGIN
    FOR index IN SELECT i.indexrelid::regclass FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
            WHERE c.relnamespace = 'wallet'::regnamespace AND a.amname = 'btree' AND c.relkind = 'i' ORDER BY 1 LOOP
        BEGIN
            PERFORM bt_index_parent_check(index, true);
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE '%: %', index, SQLERRM;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;

-- Runs of every length, from the first entry of an empty index to many pages.
SELECT sum(pg_temp.queue(n, 1, 20)) FROM generate_series(1, 70) AS n;
SELECT wallet_process();
SELECT pg_temp.queue(3000, 1, 20);
SELECT wallet_process();
SELECT * FROM pg_temp.damaged();
SELECT relname, pg_relation_size(oid) > 8 * 8192 AS is_large FROM pg_class
    WHERE relname IN ('request_0_pkey', 'transfer_pkey', 'transfer_request_id_key') ORDER BY 1;

-- Each id leads to its row by the index alone.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) AS requests, count(t.transfer_id) AS by_request,
       count((SELECT i.request_id FROM wallet.transfer AS i WHERE i.transfer_id = t.transfer_id)) AS by_transfer
    FROM wallet.request AS r LEFT JOIN LATERAL (SELECT * FROM wallet.transfer AS o WHERE o.request_id = r.request_id) AS t ON true;

-- A key that somebody has put above the others: the entries after it find their places below.
INSERT INTO wallet.outcome (request_id, code, posted_at) SELECT max(request_id) + 100, 'wallet_not_found', now() FROM wallet.request;
SELECT pg_temp.queue(60, 21, 21);
SELECT wallet_process();
SELECT count(*) AS outcomes, count(DISTINCT request_id) AS of_requests FROM wallet.outcome;
SELECT * FROM pg_temp.damaged();

-- A rolled back run leaves entries of rows that nobody sees, and so does a batch that is posted again.
BEGIN;
SELECT pg_temp.queue(1000, 1, 20);
ROLLBACK;
SELECT pg_temp.queue(1000, 1, 20);
SELECT wallet_process();
VACUUM wallet.request, wallet.transfer;
SELECT pg_temp.queue(100, 1, 20);
SELECT wallet_process();
SELECT * FROM pg_temp.damaged();
-- The audit finds the outcome that was made by hand.
SELECT * FROM pg_temp.faults();

-- Indexes that take no runs get their entries too: in descending order, on two columns, on another type.
CREATE INDEX descending ON wallet.transfer (transfer_id DESC);
CREATE INDEX pair ON wallet.transfer (transfer_id, amount);
CREATE INDEX covering ON wallet.transfer (transfer_id) INCLUDE (amount);
CREATE INDEX moment ON wallet.transfer (posted_at);
CREATE INDEX partial ON wallet.transfer (transfer_id) WHERE transfer_id % 3 > 0;
CREATE INDEX wallets ON wallet.transfer (source_wallet_id);
SELECT pg_temp.queue(500, 1, 20);
SELECT wallet_process();
SELECT * FROM pg_temp.damaged();

-- Entries that belong in the middle: of holds by wallet and by end, of captures and voids by their holds. Many share a
-- page, or few do; some have a null for a key, which comes last.
CREATE INDEX linked ON wallet.transfer (link_id);
CREATE INDEX nullable_pair ON wallet.transfer (link_id, amount);
CREATE INDEX end_of_hold ON wallet.hold (expires_at DESC);
CREATE FUNCTION pg_temp.queue_holds(n integer, wallets integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(e.handshake_id) FROM (SELECT array_agg('hold'::text) AS kinds,
            array_agg(format('{"user_id":%s,"source_wallet_id":%1$s,"dest_wallet_id":%s,"amount":1,"expires_in":"%s minutes"}',
                             1 + g * 7 % wallets, 1 + (g * 7 + 1) % wallets, 60 + g * 13 % 300)) AS payloads
        FROM generate_series(0, n - 1) AS g) AS a, wallet_enqueue_many(a.kinds, a.payloads) AS e
$$;
-- Of the open holds each nth one, the newest first.
CREATE FUNCTION pg_temp.queue_ends(kind text, nth integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(e.handshake_id) FROM (SELECT array_agg(kind ORDER BY h.hold_id DESC) AS kinds,
            array_agg(format('{"user_id":%s,"hold_id":%s,"amount":0.4}', h.destination_wallet_id, h.hold_id) ORDER BY h.hold_id DESC) AS payloads
        FROM (SELECT *, row_number() OVER (ORDER BY o.hold_id) AS number FROM wallet.hold AS o WHERE o.state = 0) AS h WHERE h.number % nth = 0) AS a,
        wallet_enqueue_many(a.kinds, a.payloads) AS e
$$;
SELECT pg_temp.queue_holds(3000, 20), wallet_process();
SELECT pg_temp.queue_ends('capture', 3), wallet_process();
SELECT pg_temp.queue_holds(40, 20), wallet_process();
SELECT pg_temp.queue_holds(1000, 3), wallet_process();
SELECT pg_temp.queue_ends('void', 50), wallet_process();
SELECT pg_temp.queue_ends('void', 2), wallet_process();
SELECT pg_temp.queue(500, 1, 20), wallet_process();
BEGIN;
SELECT pg_temp.queue_holds(700, 20), wallet_process();
ROLLBACK;
SELECT pg_temp.queue_holds(700, 20), wallet_process();
VACUUM wallet.hold, wallet.transfer;
SELECT pg_temp.queue_holds(700, 20), wallet_process();
SELECT * FROM pg_temp.damaged();
SELECT state, count(*) FROM wallet.hold GROUP BY state ORDER BY state;
SELECT count(*) FROM wallet.hold AS h
    WHERE NOT EXISTS (SELECT FROM wallet.transfer AS t WHERE t.link_id = h.hold_id AND t.transfer_id = h.hold_id)
       OR (h.state = 0 AND NOT EXISTS (SELECT FROM wallet.hold AS o WHERE o.state = 0 AND o.source_wallet_id = h.source_wallet_id
                                           AND o.expires_at = h.expires_at AND o.hold_id = h.hold_id));
SELECT * FROM pg_temp.faults();

-- A block of ids is drawn whole or not at all, up to the last id that there is.
SELECT last_value - (SELECT max(transfer_id) FROM wallet.transfer) AS ahead FROM wallet.transfer_id_seq;
ALTER SEQUENCE wallet.transfer_id_seq MAXVALUE 1000000;
SELECT setval('wallet.transfer_id_seq', 999990);
SELECT pg_temp.queue(10, 1, 20);
SELECT wallet_process();
SELECT max(transfer_id), count(*) FILTER (WHERE transfer_id > 999990) FROM wallet.transfer;
SELECT last_value FROM wallet.transfer_id_seq;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
DROP EXTENSION amcheck;
