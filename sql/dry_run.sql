-- wallet_dry_run: what a request would do if it were carried out now. Nothing is written, locked or drawn.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT count(wallet_create(i, 100)) FROM generate_series(1, 2) AS i;
SELECT transfer_id AS paid FROM wallet_transfer(1, 2, 10) \gset
SELECT transfer_id AS hold FROM wallet_hold(1, 2, 60) \gset
SELECT last_value AS transfers FROM wallet.transfer_id_seq \gset
SELECT last_value AS wallets FROM wallet.wallet_id_seq \gset
SELECT last_value AS requests FROM wallet.request_id_seq \gset
CREATE VIEW asked AS SELECT n, kind, replace(replace(payload, '#hold', (SELECT max(hold_id)::text FROM wallet.hold)), '#paid', '3')::json AS payload FROM (VALUES
    (1, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":30}'),
    (2, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":30.01}'),
    (3, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":300,"amount_mode":"up_to"}'),
    (4, 'transaction', '{"user_id":2,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1}'),
    (5, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":9,"trans_sum":1}'),
    (6, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":0}'),
    (7, 'transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2}'),
    (8, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1}'),
    (9, 'deposit', '{"wallet_id":1,"amount":1}'),
    (10, 'withdrawal', '{"user_id":1,"wallet_id":1,"amount":31}'),
    (11, 'wallet', '{"user_id":3,"amount":5}'),
    (12, 'wallet', '{"user_id":1}'),
    (13, 'wallet_read', '{"user_id":1,"wallet_id":1}'),
    (14, 'wallet_read', '{"user_id":2,"wallet_id":1}'),
    (15, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":30}'),
    (16, 'hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":30.01}'),
    (17, 'capture', '{"user_id":2,"hold_id":#hold}'),
    (18, 'capture', '{"user_id":1,"hold_id":#hold}'),
    (19, 'capture', '{"user_id":2,"hold_id":#hold,"amount":60.01}'),
    (20, 'void', '{"user_id":2,"hold_id":#hold,"amount":60}'),
    (21, 'hold_extend', '{"user_id":1,"hold_id":#hold,"amount":90}'),
    (22, 'hold_extend', '{"user_id":1,"hold_id":#hold,"amount":90.01}'),
    (23, 'reversal', '{"user_id":2,"transfer_id":#paid}'),
    (24, 'reversal', '{"user_id":1,"transfer_id":#hold}'),
    (25, 'group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":30},{"kind":"fee","source_wallet_id":1,"dest_wallet_id":2,"amount":0.01}]}'),
    (26, 'group', '{"user_id":1,"legs":[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":29},{"kind":"fee","source_wallet_id":1,"dest_wallet_id":2,"amount":1}]}'),
    (27, 'group_reversal', '{"user_id":1,"group_id":#paid}'),
    (28, 'deposit', '{"user_id":1,"wallet_id":1,"amount":1,"valid_until":"2020-01-01"}'),
    (29, 'sweep', '{"user_id":1}'),
    (30, 'none', '{}')) AS v (n, kind, payload);
SELECT n, kind, d ->> 'would' AS would, d ->> 'code' AS code, d ->> 'leg' AS leg, d ->> 'queued_before' AS queued, d ->> 'message' AS message
    FROM asked, LATERAL wallet_dry_run(kind, payload) AS d ORDER BY n;

-- Nothing has been written or drawn.
SELECT t.last_value = :transfers AS transfers, w.last_value = :wallets AS wallets, r.last_value = :requests AS requests
    FROM wallet.transfer_id_seq AS t, wallet.wallet_id_seq AS w, wallet.request_id_seq AS r;
-- It works where nothing may be written, and says the same.
BEGIN READ ONLY;
SELECT count(*) AS alike FROM asked, LATERAL wallet_dry_run(kind, payload) AS d WHERE d ->> 'would' IS NOT NULL;
ROLLBACK;

-- Keys are left out of account, and what is queued before is counted.
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":30}', 'key') IS NOT NULL AS queued;
SELECT wallet_dry_run('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":30}');
SELECT wallet_process();
SELECT wallet_dry_run('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":30}');
SELECT destination_balance FROM wallet_deposit(1, 1);

-- A hold by its handshake, once it has been made.
SELECT destination_balance FROM wallet_deposit(1, 10);
SELECT wallet_enqueue('hold', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"amount":1}') AS handshake \gset
SELECT wallet_dry_run('void', json_build_object('user_id', 2, 'hold_handshake_id', :'handshake'));
SELECT wallet_process();
SELECT wallet_dry_run('void', json_build_object('user_id', 2, 'hold_handshake_id', :'handshake'));
SELECT wallet_dry_run('void', json_build_object('user_id', 2, 'hold_handshake_id', repeat('0', 64))) ->> 'code' AS code;

-- Due holds count as gone.
SET pg_wallet.clock_offset = '8 days';
SELECT wallet_dry_run('withdrawal', '{"user_id":1,"wallet_id":1,"amount":71}') ->> 'would' AS would;
SELECT wallet_dry_run('capture', json_build_object('user_id', 2, 'hold_id', :hold)) ->> 'code' AS code;
RESET pg_wallet.clock_offset;

-- As the shim calls it, with the rights of API keys.
SELECT ordinal, answer FROM wallet_dry_run_utf8(
    '{withdrawal,withdrawal,reversal,reversal}',
    ARRAY['{"user_id":1,"wallet_id":1,"amount":1}', '{"wallet_id":1,"amount":1}', '{"user_id":1,"transfer_id":3}', '{"user_id":1,"transfer_id":3}']::bytea[],
    NULL, '{0,1,0,2}', '{0.99,NULL,NULL,NULL}');
SELECT wallet_dry_run(NULL, '{}');
SELECT wallet_dry_run('wallet', NULL);

DROP VIEW asked;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
