-- The first request after the server's start that a limit applies to: what waits is counted then, however many requests
-- have been settled since the oldest one that an open transaction may still bring.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 100);
SET pg_wallet.queue_limit = 0; -- none: nothing is counted yet
CREATE FUNCTION pg_temp.enqueue(count integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(m.handshake_id)
        FROM wallet_enqueue_many(array_fill('deposit'::text, ARRAY[count]), array_fill('{"user_id":1,"wallet_id":1,"amount":1}'::text, ARRAY[count]), NULL) AS m
$$;
SELECT pg_temp.enqueue(5000);
SELECT wallet_process();
SELECT pg_temp.enqueue(5);
UPDATE wallet.queue_position SET low_water = 0;

-- So many entries of indexes have been read in the schema, by this session before the current transaction.
CREATE FUNCTION pg_temp.entries_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(s.idx_tup_read)::bigint FROM pg_stat_all_indexes AS s WHERE s.schemaname = 'wallet'
$$;
SELECT FROM pg_stat_force_next_flush();
SELECT pg_temp.entries_read() AS before \gset
SET pg_wallet.queue_limit = 7;
SELECT pg_temp.enqueue(3) AS accepted;
SELECT FROM pg_stat_force_next_flush();
SELECT pg_temp.entries_read() - :before < 100 AS are_few;

-- What is posted makes room.
SELECT wallet_process();
SELECT pg_temp.enqueue(8) AS accepted;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
