-- Rows of plain transfers and of their requests end before the kind, and whoever reads them sees it; a
-- table that was written anew has whole rows.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SET client_min_messages = warning;
SET enable_seqscan = off;
SELECT count(wallet_create(user_id, 10000)) FROM generate_series(1, 2) AS user_id;

CREATE FUNCTION pg_temp.queue(count integer, amount text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(wallet_enqueue('transaction', format('{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":%s}', amount)::json))
        FROM generate_series(1, count)
$$;
-- How many rows of 8192 bytes less a header the last full page has: 107 of requests and 75 of transfers
-- when they are 72 and 104 bytes long, 97 and 70 when they are 80 and 112.
CREATE FUNCTION pg_temp.rows_a_page() RETURNS TABLE (requests bigint, transfers bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM wallet.request_0 GROUP BY (ctid::text::point)[0] ORDER BY (ctid::text::point)[0] DESC OFFSET 1 LIMIT 1),
           (SELECT count(*) FROM wallet.transfer GROUP BY (ctid::text::point)[0] ORDER BY (ctid::text::point)[0] DESC OFFSET 1 LIMIT 1)
$$;
-- Which kinds the last operations are of, whether they go by a batch or by direct calls.
CREATE FUNCTION pg_temp.operate() RETURNS TABLE (requests text, transfers text) LANGUAGE plpgsql AS $$
DECLARE
    first_request bigint := (SELECT max(request_id) FROM wallet.request);
    first_transfer bigint := (SELECT max(transfer_id) FROM wallet.transfer);
    hold bigint;
BEGIN
    PERFORM pg_temp.queue(1, '0.25'), pg_temp.queue(1, '1'),
        wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":0.25}'),
        wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}'),
        wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":0.25}'),
        wallet_enqueue('wallet', '{"user_id":1,"currency":"usd"}'),
        wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":0.25,"valid_until":"2999-01-01T00:00:00Z"}');
    PERFORM wallet_process();
    PERFORM wallet_transfer(1, 2, 0.25);
    hold := (SELECT h.transfer_id FROM wallet_hold(1, 2, 0.5) AS h);
    PERFORM wallet_capture(hold, 0.25);
    PERFORM wallet_void(h.hold_id) FROM wallet.hold AS h WHERE h.state = 0;
    RETURN QUERY SELECT
        (SELECT string_agg(concat_ws(' ', wallet.kind_name(r.kind), r.amount, coalesce(r.amount_scale::text, 'null'), quote_literal(r.currency), length(r.extra) > 0), ', ' ORDER BY r.request_id)
            FROM wallet.request AS r WHERE r.request_id > first_request),
        (SELECT string_agg(concat_ws(' ', wallet.kind_name(t.kind), t.amount), ', ' ORDER BY t.transfer_id) FROM wallet.transfer AS t WHERE t.transfer_id > first_transfer);
END
$$;
CREATE FUNCTION pg_temp.usual() RETURNS TABLE (part regclass, usual text) LANGUAGE sql AS $$
    SELECT attrelid::regclass, string_agg(concat_ws(' ', attname, attmissingval), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid::regclass::text LIKE 'wallet.%' AND atthasmissing GROUP BY attrelid ORDER BY attrelid::regclass::text
$$;

SELECT wallet.make_partition(2);
SELECT * FROM pg_temp.usual();
SELECT pg_temp.queue(300, '0.01'), wallet_process();
SELECT * FROM pg_temp.rows_a_page();
\x on
SELECT * FROM pg_temp.operate();
SELECT * FROM pg_temp.faults();

-- Indexes, constraints and other readers see the values.
CREATE INDEX own_kind ON wallet.transfer (kind) WHERE kind = 2;
CREATE INDEX own_scale ON wallet.request (amount_scale) WHERE kind = 2 AND extra = '';
ALTER TABLE wallet.transfer ADD CONSTRAINT own_check CHECK (kind > 0);
SELECT (SELECT count(*) FROM wallet.transfer WHERE kind = 2) AS transfers,
       (SELECT count(*) FROM wallet.request WHERE kind = 2 AND extra = '' AND amount_scale = 2) AS requests,
       (SELECT count(*) FROM wallet.transfer AS t WHERE (to_jsonb(t) ->> 'kind')::int = 2) AS whole_rows;
DROP INDEX wallet.own_kind, wallet.own_scale;
ALTER TABLE wallet.transfer DROP CONSTRAINT own_check;

-- A default is another thing, and there is none.
ALTER TABLE wallet.transfer ALTER kind SET DEFAULT 3;
SELECT * FROM pg_temp.operate();
ALTER TABLE wallet.transfer ALTER kind DROP DEFAULT;
SELECT pg_temp.attempt('INSERT INTO wallet.transfer (transfer_id, source_wallet_id, destination_wallet_id, amount, posted_at) VALUES (nextval(''wallet.transfer_id_seq''), 1, 2, 1, now())');
SELECT pg_temp.attempt($$SELECT wallet.set_usual_value('wallet.transfer', 'kind', '{3}')$$),
       pg_temp.attempt($$SELECT wallet.set_usual_value('wallet.operation', 'kind', '{3}')$$) AS view;

-- A table that is written anew has no usual values any more; where that was rolled back it has.
BEGIN;
SELECT * FROM pg_temp.operate();
SAVEPOINT altered;
ALTER TABLE wallet.transfer ALTER overdraw TYPE boolean USING CASE WHEN overdraw THEN true END;
SELECT * FROM pg_temp.usual() WHERE part = 'wallet.transfer'::regclass;
SELECT * FROM pg_temp.operate();
ROLLBACK TO altered;
SELECT * FROM pg_temp.operate();
COMMIT;
SELECT * FROM pg_temp.usual() WHERE part = 'wallet.transfer'::regclass;
SELECT * FROM pg_temp.faults();
VACUUM FULL wallet.transfer;
VACUUM FULL wallet.request_0;
SELECT * FROM pg_temp.usual() WHERE part IN ('wallet.transfer'::regclass, 'wallet.request_0'::regclass);
SELECT * FROM pg_temp.operate();
SELECT pg_temp.queue(300, '0.01'), wallet_process();
SELECT * FROM pg_temp.rows_a_page();
SELECT * FROM pg_temp.faults();
ALTER TABLE wallet.request ALTER amount_scale TYPE smallint USING amount_scale + 0;
ALTER TABLE wallet.transfer ALTER overdraw TYPE boolean USING CASE WHEN overdraw THEN true END;
SELECT * FROM pg_temp.usual();
SELECT * FROM pg_temp.operate();
SELECT * FROM pg_temp.faults();
SELECT wallet.kind_name(kind), count(*) FROM wallet.transfer GROUP BY kind ORDER BY kind;

-- A partition that is made later has them.
SELECT wallet.make_partition(3);
SELECT * FROM pg_temp.usual();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
