-- Queues :count requests of the kind :kind between random wallets of :wallets, 1000 a call, one
-- transaction a call: holds, captures of the holds that are open, or groups of two transfers. User n
-- has wallet n.
CREATE TEMPORARY TABLE payload AS
    SELECT i AS number,
           CASE :'kind'
               WHEN 'hold' THEN format('{"user_id":%s,"source_wallet_id":%1$s,"dest_wallet_id":%s,"amount":0.01}', p.source, p.destination)
               WHEN 'group' THEN format('{"user_id":%s,"legs":[{"kind":"transaction","source_wallet_id":%1$s,"dest_wallet_id":%s,"trans_sum":0.01},'
                   '{"kind":"transaction","source_wallet_id":%1$s,"dest_wallet_id":%s,"trans_sum":0.01}]}',
                   p.source, p.destination, 1 + p.source % :wallets)
           END AS text
        FROM (SELECT i, source, 1 + (source - 1 + step) % :wallets AS destination
                  FROM (SELECT i, 1 + floor(random() * :wallets)::bigint AS source, 1 + floor(random() * (:wallets - 1))::bigint AS step
                            FROM generate_series(1, :count) AS i WHERE :'kind' <> 'capture') AS pair) AS p
    UNION ALL
    SELECT row_number() OVER (ORDER BY h.hold_id),
           format('{"user_id":%s,"hold_id":%s}', h.destination_wallet_id, h.hold_id)
        FROM (SELECT o.hold_id, o.destination_wallet_id FROM wallet.hold AS o WHERE o.state = 0 LIMIT :count) AS h
        WHERE :'kind' = 'capture';
\o /dev/null
SELECT format('SELECT count(handshake_id) FROM (SELECT array_agg(%L::text) AS kinds, array_agg(p.text) AS payloads '
              'FROM payload AS p WHERE (p.number - 1) / 1000 = %s) AS b, wallet_enqueue_many(b.kinds, b.payloads)', :'kind', i)
    FROM generate_series(0, (:count - 1) / 1000) AS i
\gexec
\o
