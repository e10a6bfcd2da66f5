-- Queues :calls times 1000 transfers between random wallets of :wallets, one transaction a call; of
-- a hundred transfers :hot go into wallet 1. The arrays are made beforehand, so that little else
-- is measured. Prints the seconds that the calls took.
CREATE TEMPORARY TABLE batch AS
    SELECT array_agg('transaction'::text) AS kinds,
           array_agg(format('{"user_id":%s,"source_wallet_id":%1$s,"dest_wallet_id":%s,"trans_sum":0.01}',
               source, CASE WHEN heat < :hot AND source <> 1 THEN 1 ELSE 1 + (source - 1 + step) % :wallets END)) AS payloads
        FROM (SELECT (i - 1) / 1000 AS number, 1 + floor(random() * :wallets)::bigint AS source,
                     1 + floor(random() * (:wallets - 1))::bigint AS step, random() * 100 AS heat
                  FROM generate_series(1, 1000 * least(:calls, 100)) AS i) AS transfer
        GROUP BY number;
SELECT clock_timestamp() AS begun \gset
\o /dev/null
SELECT format('SELECT count(handshake_id) FROM batch AS b, wallet_enqueue_many(b.kinds, b.payloads) '
              'WHERE b.ctid = %L', ctids[1 + i % cardinality(ctids)])
    FROM (SELECT array_agg(ctid) AS ctids FROM batch) AS b, generate_series(1, :calls) AS i
\gexec
\o
SELECT extract(epoch FROM clock_timestamp() - :'begun');
