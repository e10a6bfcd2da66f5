-- Pays :count times between random wallets of :wallets by wallet_transfer_many(), :size a call, one
-- transaction a call. The arrays are made beforehand. Prints the seconds that the calls took.
CREATE TEMPORARY TABLE batch AS
    SELECT number, array_agg(source) AS sources, array_agg(1 + (source - 1 + step) % :wallets) AS destinations,
           array_agg(0.01::numeric) AS amounts
        FROM (SELECT (i - 1) / :size AS number, 1 + floor(random() * :wallets)::bigint AS source,
                     1 + floor(random() * (:wallets - 1))::bigint AS step
                  FROM generate_series(1, least(:count, 100000)) AS i) AS transfer
        GROUP BY number;
SELECT count(*) AS batches FROM batch \gset
SELECT clock_timestamp() AS begun \gset
\o /dev/null
SELECT format('SELECT count(m.transfer_id) FROM batch AS b, wallet_transfer_many(b.sources, b.destinations, b.amounts) AS m '
              'WHERE b.number = %s', i % :batches)
    FROM generate_series(0, :count / :size - 1) AS i
\gexec
\o
SELECT extract(epoch FROM clock_timestamp() - :'begun');
