-- What the detail of a refused direct call says: which wallet, share, transfer or member is the cause, and the numbers that the rule compares.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
CREATE FUNCTION pg_temp.detail(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLERRM || ' | ' || detail;
END
$$;
CREATE FUNCTION pg_temp.split(shares text, amount numeric DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.detail(format('SELECT wallet_group(%L)', format('[{"kind":"deposit","wallet_id":1,"amount":1},{"kind":"transaction","source_wallet_id":1,"amount":%s,"split":[%s]}]', amount, shares)))
$$;
SELECT count(wallet_create(i, 100)) FROM generate_series(1, 6) AS i;
SELECT wallet_id FROM wallet_create(7, 1, 'jpy');
SELECT status FROM wallet_set_status(3, 'frozen');
SELECT balance FROM wallet_withdraw(4, NULL, 'all') AS w (transfer_id, source, destination, amount, balance);
SELECT status FROM wallet_close(4);
SELECT ceiling FROM wallet_set_limits(5, ceiling => 101);

-- A split: the wallet of the share that is the cause, and the share, counted from 0.
SELECT n, pg_temp.split(shares, amount) FROM (VALUES
    (1, '{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":3,"rest":true}', 1),
    (2, '{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":4,"rest":true}', 1),
    (3, '{"dest_wallet_id":99,"amount":0.5},{"dest_wallet_id":2,"rest":true}', 1),
    (4, '{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":7,"rest":true}', 1),
    (5, '{"dest_wallet_id":2,"amount":1},{"dest_wallet_id":5,"amount":0.5},{"dest_wallet_id":5,"amount":1}', 2.5),
    (6, '{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":5,"amount":0.125},{"dest_wallet_id":6,"rest":true}', 1),
    (7, '{"dest_wallet_id":2,"amount":0.5}', 0.125),
    (8, '{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":6,"amount":0.25}', 1),
    (9, '{"dest_wallet_id":2,"amount":0.75},{"dest_wallet_id":6,"parts_per_million":500000},{"dest_wallet_id":5,"rest":true}', 1),
    (10, '{"dest_wallet_id":2,"amount":92233720368547758.07},{"dest_wallet_id":6,"amount":92233720368547758.07}', 1),
    (11, '{"dest_wallet_id":2,"amount":1000},{"dest_wallet_id":6,"rest":true}', 2000)) AS t (n, shares, amount) ORDER BY n;
SELECT status FROM wallet_set_status(1, 'frozen');
SELECT pg_temp.detail('SELECT wallet_group(''[{"kind":"transaction","source_wallet_id":1,"amount":1,"split":[{"dest_wallet_id":2,"amount":0.5},{"dest_wallet_id":3,"rest":true}]}]'')');
SELECT status FROM wallet_set_status(1, 'active');

-- The reversal of a group: the transfer that was to be reversed, and the wallet.
SELECT min(transfer_id) AS sale FROM wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":10},{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":6,"amount":20},{"kind":"fee","source_wallet_id":2,"dest_wallet_id":5,"amount":1}]') \gset
SELECT amount FROM wallet_withdraw(6, NULL, 'all');
SELECT destination_balance FROM wallet_deposit(6, 1.5);
SELECT amount FROM wallet_reverse(:sale + 1, 0.5);
SELECT :sale AS sale, pg_temp.detail(format('SELECT wallet_reverse_group(%s)', :sale));
SELECT pg_temp.detail(format('SELECT wallet_reverse(%s)', :sale + 1));
SELECT status FROM wallet_set_status(6, 'frozen');
SELECT pg_temp.detail(format('SELECT wallet_reverse_group(%s)', :sale));
SELECT status FROM wallet_set_status(6, 'active');
SELECT destination_balance FROM wallet_deposit(6, 50);
SELECT ceiling FROM wallet_set_limits(1, ceiling => 75);
SELECT pg_temp.detail(format('SELECT wallet_reverse_group(%s)', :sale));
SELECT ceiling FROM wallet_set_limits(1, ceiling => 'infinity');

-- Holds: the total and the end, which an extension must not lower; what a capture may take, and what a void.
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 50, max_capture => 60, expires_at => '2200-01-01 00:00 UTC') \gset
SELECT transfer_id AS endless FROM wallet_hold(1, 2, 5, expires_at => 'infinity') \gset
SELECT amount FROM wallet_capture(:hold, 20, final => false);
SELECT :hold AS hold, :endless AS endless;
SELECT call, pg_temp.detail('SELECT ' || replace(replace(call, '#', :'hold'), '!', :'endless')) FROM (VALUES
    (1, 'wallet_hold_extend(#, 40)'),
    (2, 'wallet_hold_extend(#, 50)'),
    (3, 'wallet_hold_extend(#, 60, ''1 day'')'),
    (4, 'wallet_hold_extend(!, 5)'),
    (5, 'wallet_void(#, 35)'),
    (6, 'wallet_capture(#, 45)'),
    (7, 'wallet_hold(1, 2, 1, ''0 s'')'),
    (8, 'wallet_hold(1, 2, 1, ''-1 day'')'),
    (9, 'wallet_hold(1, 2, 1, ''-1000 years'')'),
    (10, 'wallet_hold(1, 2, 1, ''1 day'', expires_at => ''2200-01-01'')'),
    (11, 'wallet_hold(1, 2, 1, ''1000 years'', expires_at => ''2200-01-01'')'),
    (12, 'wallet_hold(1, 2, 1, ''1000 years'')'),
    (13, 'wallet_hold(1, 2, 1, ''1000 years'', idempotency_key => ''k'')'),
    (14, 'wallet_hold(1, 2, 1, ''178000000 years'')'),
    (15, 'wallet_hold(1, 2, 1, ''-178000000 years'')'),
    (16, 'wallet_hold(1, 2, 1, expires_at => ''2001-01-01'')'),
    (17, 'wallet_hold(1, 2, 1, expires_at => ''2000-01-01 00:00 UTC'')'),
    (18, 'wallet_hold(1, 2, 1, expires_at => ''2001-01-01'', idempotency_key => ''k'')'),
    (19, 'wallet_hold_extend(#, 60, ''0 s'')'),
    (20, 'wallet_hold(1, 2, 1, max_capture => 1.001)'),
    (21, 'wallet_hold(1, 2, 1.001, max_capture => 2.001)'),
    (22, 'wallet_hold(1, 2, 1, max_capture => 1.123456789)'),
    (23, 'wallet_hold(1, 2, 1, max_capture => ''NaN'')'),
    (24, 'wallet_hold(1, 2, 1, max_capture => 922337203685477580.7)'),
    (25, 'wallet_hold(1, 2, 2, max_capture => 1.5)'),
    (26, 'wallet_hold(1, 2, 2, max_capture => -1.5)'),
    (27, 'wallet_deposit(7, 0.5)'),
    (28, 'wallet_deposit(7, 0)')) AS t (n, call) ORDER BY n;
SELECT amount FROM wallet_hold(1, 2, 1, '359999 days');
SELECT pg_temp.detail('SELECT wallet_group(''[{"kind":"hold","source_wallet_id":1,"amount":1},{"kind":"hold","source_wallet_id":1,"amount":1,"expires_at":"2001-01-01T00:00:00Z"}]'')');

-- Which of the wallets is frozen or closed.
SELECT n, pg_temp.detail('SELECT ' || call) FROM (VALUES
    (1, 'wallet_transfer(1, 3, 1)'),
    (2, 'wallet_transfer(3, 1, 1)'),
    (3, 'wallet_transfer(3, 4, 1)'),
    (4, 'wallet_transfer(4, 1, 1)'),
    (5, 'wallet_hold(1, 3, 1)'),
    (6, 'wallet_deposit(3, 1)'),
    (7, 'wallet_withdraw(4, 1)'),
    (8, 'wallet_close(1, 3)'),
    (9, 'wallet_set_limits(4, 1)'),
    (10, 'wallet_transfer_many(''{2,1}'', ''{1,3}'', ''{1,1}'', all_or_nothing => true)')) AS t (n, call) ORDER BY n;

-- A debt keeps a wallet open, as money does.
SELECT floor FROM wallet_set_limits(6, -5);
SELECT source_balance FROM wallet_withdraw(6, 51.5);
SELECT amount FROM wallet_get(6);
SELECT n, pg_temp.detail('SELECT ' || call) FROM (VALUES
    (1, 'wallet_close(6)'), (2, 'wallet_close(6, 2)'), (3, 'wallet_set_status(6, ''closed'')'), (4, 'wallet_close(2)')) AS t (n, call) ORDER BY n;

-- Limits: the floor and the ceiling that would be, and what leaves 64 bits.
SELECT floor, ceiling FROM wallet_set_limits(2, 10, 200);
SELECT n, pg_temp.detail('SELECT ' || call) FROM (VALUES
    (1, 'wallet_set_limits(2, 300)'),
    (2, 'wallet_set_limits(2, ceiling => 9.99)'),
    (3, 'wallet_set_limits(2, 5, 4)'),
    (4, 'wallet_set_limits(2, 1.125)'),
    (5, 'wallet_set_limits(2, ceiling => 250.125)'),
    (6, 'wallet_set_limits(2, ceiling => 250.123456789)'),
    (7, 'wallet_set_limits(7, -92233720368547758070)'),
    (8, 'wallet_set_limits(2, 92233720368547758.08)'),
    (9, 'wallet_set_limits(4, ceiling => 1)')) AS t (n, call) ORDER BY n;
SELECT floor FROM wallet_set_limits(1, -92233720368547758.07);
SELECT transfer_id FROM wallet_hold(1, NULL, 92233720368547700) \gset big_
SELECT pg_temp.detail('SELECT wallet_hold(1, NULL, 60)');
SELECT pg_temp.detail(format('SELECT wallet_hold_extend(%s, 92233720368547758.07)', :big_transfer_id));
SELECT amount FROM wallet_void(:big_transfer_id);
SELECT pg_temp.detail('SELECT wallet_transfer(1, 5, 0.51)');
SELECT ceiling FROM wallet_set_limits(5, ceiling => 'infinity');
SELECT pg_temp.detail('SELECT wallet_deposit(5, 92233720368547758.07)');
SELECT wallet_id FROM wallet_create(8);
SELECT floor FROM wallet_set_limits(8, -1);
SELECT transfer_id AS deposit FROM wallet_deposit(8, 92233720368547758.07) \gset
SELECT source_balance FROM wallet_withdraw(8, 92233720368547758.07);
SELECT source_balance FROM wallet_withdraw(8, 1);
SELECT pg_temp.detail(format('SELECT wallet_reverse(%s, shortfall => ''overdraw'')', :deposit));

-- Arguments that are missing.
SELECT n, pg_temp.detail('SELECT ' || call) FROM (VALUES
    (1, 'wallet_get(NULL)'), (2, 'wallet_holds(NULL)'), (3, 'wallet_hold_get(NULL)'), (4, 'wallet_history(NULL)'), (5, 'wallet_get(99)'), (6, 'wallet_holds(99)'),
    (7, 'wallet_hold_get(99)'), (8, 'wallet_api_key_create(''shop'', ''{}'')'), (9, 'wallet_api_key_create(''shop'', NULL)'),
    (10, 'wallet_api_key_create(''shop'', ''{read,write}'')'), (11, 'wallet_history(NULL, 1)')) AS t (n, call) ORDER BY n;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
