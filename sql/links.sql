-- What links to a transfer: told where it is asked for, as a history tells it.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 1000), LATERAL wallet_create(2, 500) AS w (w2), LATERAL wallet_create(3, 50000, 'jpy') AS v (w3);

SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":100}') AS paid \gset
SELECT wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":60}') AS held \gset
SELECT wallet_enqueue('deposit', '{"user_id":3,"wallet_id":3,"amount":700}') AS yen \gset
SELECT wallet_enqueue('group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"trans_sum":9},{"kind":"hold","source_wallet_id":1,"dest_wallet_id":2,"amount":5}]}') AS both \gset
SELECT wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}') AS read \gset
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":100000}') AS refused \gset
SELECT wallet_process();
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') AS queued \gset
SELECT transfer_id AS paid_id FROM wallet_lookup('transaction', 1, :'paid') \gset
SELECT transfer_id AS held_id FROM wallet_lookup('hold', 1, :'held') \gset
SELECT transfer_id AS yen_id FROM wallet_lookup('deposit', 3, :'yen') \gset
SELECT group_id AS both_id FROM wallet_lookup('group', 1, :'both') \gset

-- Nothing links to anything yet.
SELECT reversed, reversals, links FROM wallet_lookup('transaction', 1, :'paid', include_links => true);
SELECT reversed, reversals, links FROM wallet_lookup('hold', 1, :'held', include_links => true);
SELECT l.rows = p.rows AS same FROM wallet_lookup('group', 1, :'both', true) AS l, wallet_lookup('group', 1, :'both') AS p;

-- Two reversals, a capture that is reversed, the void of the rest, and what becomes of a group.
SELECT amount FROM wallet_reverse(:paid_id, 20);
SELECT amount FROM wallet_reverse(:paid_id, 0.5);
SELECT amount FROM wallet_reverse(:yen_id);
SELECT r.kind, r.link_id = c.transfer_id AS of_the_capture FROM wallet_capture(:held_id, 40, false) AS c, LATERAL wallet_reverse(c.transfer_id, 1) AS r;
SELECT kind FROM wallet_void(:held_id);
SELECT amount FROM wallet_reverse(:both_id, 4);
SELECT amount FROM wallet_reverse_group(:both_id);
SELECT amount FROM wallet_void(:both_id + 1);

-- Only where it is asked for.
SELECT reversed, reversals, links FROM wallet_lookup('transaction', 1, :'paid');
SELECT l.reversed, l.reversals, l.links, l.reversed = h.reversed AND l.reversals = h.reversals AS as_in_history
    FROM wallet_lookup('transaction', 1, :'paid', include_links => true) AS l, wallet_history(1, max_rows => 1000) AS h WHERE h.transfer_id = l.transfer_id;
SELECT l.reversed, l.reversals, l.links, (SELECT array_agg(h.kind ORDER BY h.transfer_id) FROM wallet_history(1, include_holds => true) AS h WHERE h.transfer_id = ANY (l.links)) AS kinds
    FROM wallet_lookup('hold', 1, :'held', include_links => true) AS l;
SELECT r -> 'kind' AS kind, r -> 'reversed' AS reversed, r -> 'reversals' AS reversals, r -> 'links' AS links, r - '{reversed,reversals,links}'::text[] = p AS rest_is_same
    FROM wallet_lookup('group', 1, :'both', true) AS l, wallet_lookup('group', 1, :'both') AS g, ROWS FROM (jsonb_array_elements(l.rows), jsonb_array_elements(g.rows)) AS rows (r, p);
SELECT reversed, reversals, links FROM wallet_lookup('group', 1, :'both', true);

-- Many: each as it was asked for.
SELECT ordinal, state, kind, reversed, reversals, links, rows::text ~ 'reversals' AS in_rows
    FROM wallet_lookup_many('{transaction,transaction,transaction,hold,deposit,NULL,wallet,withdrawal,deposit,group,wallet}', '{1,1,1,1,3,1,1,1,1,1,NULL}',
        ARRAY[:'paid', :'paid', :'paid', :'held', :'yen', :'both', :'read', :'refused', :'queued', :'both', NULL], '{true,false,NULL,true,true,true,true,true,true,false,true}')
    ORDER BY ordinal;
SELECT count(*) FROM wallet_lookup_many(ARRAY['transaction'], ARRAY[1], ARRAY[:'paid'], '{}') WHERE reversals IS NULL;
SELECT count(*) FROM wallet_lookup_many(ARRAY['withdrawal'], ARRAY[1], ARRAY[:'refused'], '{true}') WHERE reversals IS NULL;
SELECT count(*) FROM wallet_lookup_many('{}', '{}', '{}', '{}');
SELECT pg_temp.attempt(format('SELECT wallet_lookup_many(''{transaction,hold}'', ''{1,1}'', ARRAY[%L, %L], ''{true}'')', :'paid', :'held'));
SELECT state, reversals FROM wallet_lookup('transaction', 1, :'paid', NULL);

-- Past the queue; a wallet has no links.
SELECT ordinal, kind, reversed, reversals, links
    FROM wallet_read_many('{transaction,transaction,transaction,transaction,wallet,transaction}', '{1,1,2,3,1,3}', ARRAY[:paid_id, :paid_id, :held_id, :yen_id, 1, :paid_id], '{true,false,true,true,true,true}');
SELECT count(*) FROM wallet_read_many('{transaction}', '{1}', ARRAY[:paid_id]) WHERE reversals IS NULL;

-- An attribute that somebody has altered is converted.
ALTER TYPE wallet.answer ALTER ATTRIBUTE reversals TYPE text, ALTER ATTRIBUTE links TYPE integer[], ADD ATTRIBUTE note text;
SELECT reversals, links, note FROM wallet_lookup_many('{transaction,hold}', '{1,1}', ARRAY[:'paid', :'held'], '{true,true}') ORDER BY ordinal;
SELECT reversals, links, note FROM wallet_read_many('{transaction,transaction}', '{1,1}', ARRAY[:paid_id, :held_id], '{true,true}');
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
