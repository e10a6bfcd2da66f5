-- The journal is kept for ever, the queue and the outcomes until they expire: not even the owner changes a row,
-- nor destroys by a slip what money and rights depend on.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_enqueue('withdrawal', '{"user_id":1,"wallet_id":1,"amount":100}') IS NOT NULL AS queued;
SELECT wallet_process();

DELETE FROM wallet.transfer;
UPDATE wallet.request SET amount = 1 WHERE false;
CREATE TEMPORARY TABLE forbidden AS
    SELECT row_number() OVER (ORDER BY change COLLATE "C", kept COLLATE "C") AS n, format(change, kept) AS statement
        FROM unnest(ARRAY['transfer', 'request', 'outcome', 'currency']) AS kept,
            unnest(ARRAY['DELETE FROM wallet.%s', 'TRUNCATE wallet.%s CASCADE', 'DELETE FROM wallet.%s WHERE false']) AS change;
INSERT INTO forbidden VALUES
    (101, 'UPDATE wallet.transfer SET amount = amount + 1'),
    (102, 'UPDATE wallet.request SET amount = 1'),
    (103, 'UPDATE wallet.outcome SET code = ''processed'''),
    (104, 'UPDATE wallet.currency SET minor_digits = 3'),
    (105, 'INSERT INTO wallet.transfer SELECT * FROM wallet.transfer ON CONFLICT (transfer_id) DO UPDATE SET amount = 1'),
    (106, 'MERGE INTO wallet.outcome AS o USING wallet.request AS r ON r.request_id = o.request_id WHEN MATCHED THEN DELETE'),
    (107, 'TRUNCATE wallet.wallet, wallet.transfer CASCADE'),
    (108, 'WITH gone AS (DELETE FROM wallet.outcome RETURNING 1) SELECT count(*) FROM gone'),
    (109, 'UPDATE wallet.request_0 SET amount = 1'),
    (110, 'DELETE FROM wallet.outcome_0'),
    (111, 'TRUNCATE wallet.request_0, wallet.outcome_0'),
    (112, 'TRUNCATE ONLY wallet.request_1'),
    (201, 'DELETE FROM wallet.wallet'),
    (202, 'DELETE FROM wallet.wallet WHERE balance = 0'),
    (203, 'TRUNCATE wallet.wallet'),
    (204, 'TRUNCATE wallet.wallet RESTART IDENTITY CASCADE'),
    (205, 'UPDATE wallet.wallet SET user_id = 7'),
    (206, 'UPDATE wallet.wallet SET wallet_id = 7 WHERE wallet_id = 1'),
    (207, 'UPDATE wallet.wallet SET currency = ''eur'', balance = 0'),
    (208, 'UPDATE wallet.wallet SET created_at = now()'),
    (209, 'MERGE INTO wallet.wallet AS w USING wallet.currency AS c ON c.code = w.currency WHEN MATCHED THEN DELETE'),
    (210, 'DELETE FROM wallet_parent'),
    (211, 'TRUNCATE wallet_parent'),
    (212, 'DELETE FROM transfer_parent'),
    (213, 'UPDATE transfer_parent SET amount = 1'),
    (214, 'TRUNCATE wallet_referred CASCADE'),
    (221, 'DELETE FROM wallet.secret'),
    (222, 'TRUNCATE wallet.secret'),
    (223, 'DELETE FROM wallet.queue_position'),
    (224, 'TRUNCATE wallet.queue_position'),
    (225, 'DELETE FROM wallet.expiry'),
    (226, 'UPDATE wallet.expiry SET expired_below = 0'),
    (227, 'TRUNCATE wallet.expiry'),
    (228, 'DELETE FROM wallet.audit'),
    (229, 'UPDATE wallet.audit SET ok = true'),
    (230, 'TRUNCATE wallet.audit'),
    (241, 'DELETE FROM wallet.idempotency_key'),
    (242, 'DELETE FROM wallet.idempotency_key WHERE key = ''k'''),
    (243, 'WITH gone AS (DELETE FROM wallet.idempotency_key RETURNING key) SELECT count(*) FROM gone'),
    (244, 'TRUNCATE wallet.idempotency_key'),
    (245, 'UPDATE wallet.idempotency_key SET key = ''other'''),
    (246, 'UPDATE wallet.idempotency_key SET user_id = 2'),
    (247, 'UPDATE wallet.idempotency_key SET fingerprint = ''\x00'''),
    (248, 'UPDATE wallet.idempotency_key SET request_id = NULL, transfer_id = 1'),
    (251, 'DELETE FROM wallet.api_key'),
    (252, 'TRUNCATE wallet.api_key'),
    (253, 'UPDATE wallet.api_key SET scopes = ''{operator}'''),
    (254, 'UPDATE wallet.api_key SET user_id = NULL'),
    (255, 'UPDATE wallet.api_key SET key_hash = sha256(''mine'')'),
    (256, 'UPDATE wallet.api_key SET name = ''other'''),
    (257, 'UPDATE wallet.api_key SET revoked_at = NULL'),
    (258, 'UPDATE wallet.api_key SET expires_at = NULL'),
    (259, 'UPDATE wallet.api_key SET key_end = ''0000'''),
    (260, 'UPDATE wallet.api_key SET last_used_at = created_at'),
    (270, 'DELETE FROM wallet.hold'),
    (271, 'TRUNCATE wallet.hold'),
    (272, 'UPDATE wallet.hold SET hold_id = 7'),
    (273, 'UPDATE wallet.hold SET source_wallet_id = 7, rest = 0'),
    (274, 'UPDATE wallet.hold SET destination_wallet_id = 7'),
    (275, 'MERGE INTO wallet.hold AS h USING wallet.wallet AS w ON w.wallet_id = h.source_wallet_id WHEN MATCHED THEN DELETE'),
    (276, 'DELETE FROM hold_parent'),
    (277, 'DELETE FROM wallet.reversed'),
    (278, 'TRUNCATE wallet.reversed'),
    (279, 'UPDATE wallet.reversed SET transfer_id = 7'),
    (280, 'DELETE FROM reversed_parent'),
    (281, 'DELETE FROM wallet.limit_change'),
    (282, 'TRUNCATE wallet.limit_change'),
    (283, 'UPDATE wallet.limit_change SET floor_after = -1'),
    (284, 'UPDATE limit_change_parent SET floor_after = -1'),
    (285, 'DELETE FROM limit_change_parent'),
    (361, 'ALTER TABLE wallet.request DETACH PARTITION wallet.request_0'),
    (362, 'ALTER TABLE ONLY wallet.outcome DETACH PARTITION wallet.outcome_0');
-- A key of each kind, and a user's tables around ours.
SELECT wallet_deposit(1, 1, NULL, 'k') IS NOT NULL AS deposited, wallet_api_key_create('teller', '{read}', 1) IS NOT NULL AS made;
SELECT wallet_api_key_revoke('teller');
SELECT transfer_id FROM wallet_hold(1, NULL, 2);
SELECT transfer_id FROM wallet_reverse(1, 1);
SELECT floor FROM wallet_set_limits(1, 1);
CREATE TABLE hold_parent (rest bigint NOT NULL);
CREATE TABLE reversed_parent (amount bigint NOT NULL);
CREATE TABLE limit_change_parent (floor_after bigint NOT NULL);
ALTER TABLE hold_parent REPLICA IDENTITY FULL;
ALTER TABLE reversed_parent REPLICA IDENTITY FULL;
ALTER TABLE limit_change_parent REPLICA IDENTITY FULL;
ALTER TABLE wallet.hold INHERIT hold_parent;
ALTER TABLE wallet.reversed INHERIT reversed_parent;
ALTER TABLE wallet.limit_change INHERIT limit_change_parent;
CREATE TABLE wallet_parent (wallet_id bigint NOT NULL);
CREATE TABLE transfer_parent (amount bigint NOT NULL);
CREATE TABLE wallet_referred (wallet_id bigint PRIMARY KEY);
INSERT INTO wallet_referred VALUES (1);
ALTER TABLE wallet_parent REPLICA IDENTITY FULL;
ALTER TABLE transfer_parent REPLICA IDENTITY FULL;
ALTER TABLE wallet.wallet INHERIT wallet_parent;
ALTER TABLE wallet.transfer INHERIT transfer_parent;
ALTER TABLE wallet.wallet ADD FOREIGN KEY (wallet_id) REFERENCES wallet_referred;
SET client_min_messages = warning;
SELECT statement, pg_temp.attempt(statement) FROM forbidden ORDER BY n;

-- Nor where session_replication_role silences ordinary triggers.
SET session_replication_role = replica;
SELECT count(*) AS statements, count(*) FILTER (WHERE pg_temp.attempt(statement) LIKE 'PW903:%') AS refused FROM forbidden WHERE n < 361;
RESET session_replication_role;
ALTER TABLE wallet.request DETACH PARTITION wallet.request_0 CONCURRENTLY;
ALTER TABLE wallet.wallet NO INHERIT wallet_parent;
ALTER TABLE wallet.transfer NO INHERIT transfer_parent;
ALTER TABLE wallet.hold NO INHERIT hold_parent;
ALTER TABLE wallet.reversed NO INHERIT reversed_parent;
ALTER TABLE wallet.limit_change NO INHERIT limit_change_parent;
ALTER TABLE wallet.wallet DROP CONSTRAINT wallet_wallet_id_fkey;

-- What is needed goes on: a restored key takes another one's place, old idempotency keys go, API keys are revoked, an
-- empty partition is nobody's.
INSERT INTO wallet.secret (handshake_key) VALUES (sha256('restored'));
UPDATE wallet.idempotency_key SET created_at = created_at - interval '1 year';
SELECT wallet_expire_idempotency_keys();
SELECT wallet_api_key_create('teller', '{read}', 1) IS NOT NULL AS made;
SELECT wallet_api_key_revoke('teller');
ALTER TABLE wallet.request DETACH PARTITION wallet.request_1;
SELECT count(*) FROM wallet.secret;

-- What payments, holds and reversals change is the extension's own: whoever else does so is found out.
SELECT pg_temp.attempt('UPDATE wallet.wallet SET balance = -1');
SELECT pg_temp.attempt('UPDATE wallet.hold SET captured = 1, max_capture = 201');
SELECT pg_temp.attempt('UPDATE wallet.reversed SET amount = 7');
SELECT count(*) AS transfers FROM wallet.transfer;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
