-- wallet_group and wallet_reverse_group: all legs or none.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(i, 100)) FROM generate_series(1, 4) AS i;
SELECT wallet_id FROM wallet_create(5, 100, 'eur') UNION ALL SELECT wallet_id FROM wallet_create(6, 1000, 'eur') UNION ALL SELECT wallet_id FROM wallet_create(7, 1000, 'usd') ORDER BY 1;

-- A sale with a fee and a split: shares are rounded down, and the rest takes what remains.
SELECT kind, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, group_id = first_value(transfer_id) OVER (ORDER BY transfer_id) AS grouped
    FROM wallet_group('[{"kind":"transaction","source_wallet_id":1,"amount":10.01,"split":[{"dest_wallet_id":2,"parts_per_million":333333},{"dest_wallet_id":3,"rest":true}]},
                        {"kind":"fee","source_wallet_id":2,"dest_wallet_id":4,"amount":0.5}]', metadata => '{"order":"7"}') ORDER BY transfer_id;
SELECT group_size, count(*) OVER () AS rows, metadata FROM wallet.transfer WHERE group_id IS NOT NULL ORDER BY transfer_id;

-- An exchange is two legs through a desk's two wallets.
SELECT source_wallet_id, destination_wallet_id, amount FROM wallet_group(
    '[{"kind":"transaction","source_wallet_id":5,"dest_wallet_id":6,"amount":10},{"kind":"transaction","source_wallet_id":7,"dest_wallet_id":1,"amount":"10.8"}]') ORDER BY transfer_id;

-- Holds, captures, voids and reversals among the legs; a leg sees what the legs before it did.
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 50) \gset
SELECT transfer_id AS paid FROM wallet_transfer(1, 3, 5) \gset
SELECT kind, amount, source_balance, held, link_id IN (:hold, :paid) AS linked FROM wallet_group(json_build_array(
    json_build_object('kind', 'capture', 'hold_id', :hold, 'amount', 20, 'final', false),
    json_build_object('kind', 'hold_extend', 'hold_id', :hold, 'amount', 60),
    json_build_object('kind', 'void', 'hold_id', :hold),
    json_build_object('kind', 'reversal', 'transfer_id', :paid),
    json_build_object('kind', 'hold', 'source_wallet_id', 1, 'amount', 1, 'expires_at', 'infinity'),
    json_build_object('kind', 'deposit', 'wallet_id', 4, 'amount', 1),
    json_build_object('kind', 'withdrawal', 'wallet_id', 4, 'amount_mode', 'all'))::jsonb) ORDER BY transfer_id;

-- The first leg that fails gives the group its code, and nothing is done.
SELECT sum(amount) AS before FROM generate_series(1, 4) AS i, LATERAL wallet_get(i) \gset
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1},{"kind":"transaction","source_wallet_id":3,"dest_wallet_id":2,"amount":1000}]');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1},{"kind":"void","hold_id":1}]');
SELECT wallet_group('[]');
SELECT wallet_group('{}');
SELECT wallet_group('null');
SELECT wallet_group(NULL);
SELECT wallet_group('[{"kind":"wallet","user_id":9}]');
SELECT wallet_group('[{"kind":"group","legs":[]}]');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2}]');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":0}]');
SELECT wallet_group('[{"kind":"transaction","user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":1}]');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":1,"amount":1,"split":[{"dest_wallet_id":2,"parts_per_million":1}]}]');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":1,"amount":1,"split":[{"dest_wallet_id":2,"amount":0.5}]}]');
SELECT wallet_group((SELECT jsonb_agg('{"kind":"deposit","wallet_id":1,"amount":1}'::jsonb) FROM generate_series(1, 65)));
SELECT sum(amount) = :before AS same FROM generate_series(1, 4) AS i, LATERAL wallet_get(i);
SELECT count(*) FROM wallet_group((SELECT jsonb_agg('{"kind":"deposit","wallet_id":1,"amount":1}'::jsonb) FROM generate_series(1, 64)));

-- Keys belong to the user of the first leg's wallet; a retry gives the first rows.
SELECT array_agg(transfer_id ORDER BY transfer_id) AS first FROM wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1},{"kind":"fee","source_wallet_id":3,"dest_wallet_id":4,"amount":1}]', idempotency_key => 'g') \gset
SELECT array_agg(transfer_id ORDER BY transfer_id) = :'first' AS same FROM wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1.0},{"kind":"fee","source_wallet_id":3,"dest_wallet_id":4,"amount":1}]', idempotency_key => 'g');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1},{"kind":"fee","source_wallet_id":3,"dest_wallet_id":4,"amount":2}]', idempotency_key => 'g');
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":1}]', idempotency_key => 'g');
SELECT user_id FROM wallet.idempotency_key WHERE key = 'g';
SELECT wallet_group('[{"kind":"transaction","source_wallet_id":2,"trans_sum":1,"split":[{"dest_wallet_id":3,"rest":true},{"dest_wallet_id":4,"rest":true}]}]', idempotency_key => '');

-- A group is reversed as a whole, last row first, but for what was reversed already, and fees that are kept.
SELECT min(transfer_id) AS sale FROM wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":10},{"kind":"fee","source_wallet_id":2,"dest_wallet_id":4,"amount":1},{"kind":"transaction","source_wallet_id":2,"dest_wallet_id":3,"amount":2}]') \gset
SELECT amount FROM wallet_reverse(:sale, 4);
SELECT kind, source_wallet_id, destination_wallet_id, amount, link_id - :sale AS of_row, group_id = first_value(transfer_id) OVER (ORDER BY transfer_id) AS grouped
    FROM wallet_reverse_group(:sale, keep_fees => true, idempotency_key => 'r') ORDER BY transfer_id;
SELECT count(*) FROM wallet_reverse_group(:sale, keep_fees => true, idempotency_key => 'r');
SELECT wallet_reverse_group(:sale, keep_fees => true);
SELECT amount, link_id - :sale AS of_row FROM wallet_reverse_group(:sale);
SELECT wallet_reverse_group(:sale);
SELECT wallet_reverse_group(:sale + 1);
SELECT min(transfer_id) AS held FROM wallet_group('[{"kind":"hold","source_wallet_id":1,"dest_wallet_id":2,"amount":1}]') \gset
SELECT wallet_reverse_group(:held);
-- one of the wallets cannot give back: nothing is reversed
SELECT min(transfer_id) AS sale FROM wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":1},{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":3,"amount":1}]') \gset
SELECT status FROM wallet_set_status(2, 'frozen');
SELECT wallet_reverse_group(:sale);
SELECT count(*) FROM wallet.reversed WHERE transfer_id >= :sale;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
