-- wallet_grant: what a client, the shim, an operator and an auditor can do; nobody else can do anything.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SELECT wallet_id FROM wallet_create(1, 10);
SELECT wallet_id FROM wallet_create(2);
CREATE ROLE regress_wallet_client;
CREATE ROLE regress_wallet_shim;
CREATE ROLE regress_wallet_operator;
CREATE ROLE "regress wallet auditor";
CREATE ROLE regress_wallet_nobody;
SELECT wallet_grant('regress_wallet_client', 'client');
SELECT wallet_grant('regress_wallet_shim', 'shim');
SELECT wallet_grant('regress_wallet_operator', 'operator');
SELECT wallet_grant('"regress wallet auditor"', 'auditor');
SELECT wallet_grant('regress_wallet_nobody', 'boss');
SELECT wallet_grant('regress_wallet_missing', 'client');

-- What each of them tries.
CREATE TEMPORARY TABLE tried (n serial, statement text);
INSERT INTO tried (statement) VALUES
    ('SELECT wallet_enqueue(''wallet_read'', ''{"user_id":1,"wallet_id":1}'')'),
    ('SELECT wallet_enqueue_many(ARRAY[''wallet_read''], ARRAY[''{"user_id":1,"wallet_id":1}''])'),
    ('SELECT wallet_lookup(''wallet'', 1, '''')'),
    ('SELECT wallet_lookup_many(ARRAY[''wallet''], ARRAY[1], ARRAY[''''])'),
    ('SELECT wallet_read_many(ARRAY[''wallet''], ARRAY[1], ARRAY[1])'),
    ('SELECT wallet_history_page(1, 1, NULL, 1)'),
    ('SELECT wallet_ready()'),
    ('SELECT wallet_position()'),
    ('SELECT wallet_of(1)'),
    ('SELECT wallet_get(1)'),
    ('SELECT wallet_history(1)'),
    ('SELECT wallet_verify()'),
    ('SELECT * FROM wallet.queue'),
    ('SELECT * FROM wallet.currency'),
    ('SELECT * FROM wallet.audit'),
    ('SELECT wallet_create(9)'),
    ('SELECT wallet_deposit(1, 1)'),
    ('SELECT wallet_withdraw(1, 1)'),
    ('SELECT wallet_transfer(1, 2, 1, idempotency_key => ''k'')'),
    ('SELECT wallet_set_status(1, ''active'')'),
    ('SELECT wallet_process()'),
    ('SELECT wallet_audit()'),
    ('SELECT wallet_expire_idempotency_keys()'),
    ('SELECT * FROM wallet.wallet'),
    ('SELECT * FROM wallet.request'),
    ('SELECT * FROM wallet.transfer'),
    ('SELECT * FROM wallet.outcome'),
    ('SELECT * FROM wallet.idempotency_key'),
    ('SELECT * FROM wallet.queue_position'),
    ('SELECT * FROM wallet.secret'),
    ('SELECT * FROM wallet.api_key'),
    ('SELECT wallet_api_key_create(''k'', ''{read}'')'),
    ('SELECT wallet_api_key_revoke(''k'')'),
    ('SELECT wallet_api_keys()'),
    ('SELECT wallet_api_key_check_many(ARRAY[sha256(''k'')])'),
    ('SELECT nextval(''wallet.request_id_seq'')'),
    ('SELECT last_value FROM wallet.transfer_id_seq'),
    ('SELECT wallet_grant(''regress_wallet_nobody'', ''client'')'),
    ('SELECT wallet.history(1, NULL, 1, true)'),
    ('SELECT wallet.amount(1, 2)'),
    ('SELECT wallet.refuse(''wallet_closed'')'),
    ('SELECT wallet.announce()'),
    ('INSERT INTO wallet.request (request_id, user_id, enqueued_at, kind) VALUES (999, 1, now(), 1)'),
    ('UPDATE wallet.wallet SET balance = 1000000'),
    ('DELETE FROM wallet.idempotency_key'),
    ('TRUNCATE wallet.audit'),
    ('LOCK TABLE wallet.wallet');
GRANT SELECT ON tried TO PUBLIC;
CREATE FUNCTION pg_temp.can(statement text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN result LIKE '42501:%' THEN '' WHEN result = 'ok' THEN 'yes' ELSE left(result, 5) END FROM pg_temp.attempt(statement) AS result
$$;
CREATE TEMPORARY TABLE results (role text, n integer, result text);
GRANT INSERT ON results TO PUBLIC;
SET ROLE regress_wallet_client;
INSERT INTO results SELECT 'client', n, pg_temp.can(statement) FROM tried ORDER BY n;
SET ROLE regress_wallet_shim;
INSERT INTO results SELECT 'shim', n, pg_temp.can(statement) FROM tried ORDER BY n;
SET ROLE regress_wallet_operator;
INSERT INTO results SELECT 'operator', n, pg_temp.can(statement) FROM tried ORDER BY n;
SET ROLE "regress wallet auditor";
INSERT INTO results SELECT 'auditor', n, pg_temp.can(statement) FROM tried ORDER BY n;
SET ROLE regress_wallet_nobody;
INSERT INTO results SELECT 'nobody', n, pg_temp.can(statement) FROM tried ORDER BY n;
RESET ROLE;
SELECT statement, max(result) FILTER (WHERE role = 'client') AS client, max(result) FILTER (WHERE role = 'shim') AS shim, max(result) FILTER (WHERE role = 'operator') AS operator,
       max(result) FILTER (WHERE role = 'auditor') AS auditor, max(result) FILTER (WHERE role = 'nobody') AS nobody
    FROM tried JOIN results USING (n) GROUP BY n, statement ORDER BY n;

-- A client's own objects do not get into the way of functions that run with the owner's rights.
CREATE SCHEMA regress_trap AUTHORIZATION regress_wallet_client;
SET ROLE regress_wallet_client;
SET search_path = regress_trap, public;
CREATE FUNCTION regress_trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
CREATE FUNCTION regress_trap.coalesce_trap(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
CREATE TEMPORARY TABLE wallet (wallet_id bigint);
CREATE OPERATOR regress_trap.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = pg_catalog.int8ne);
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'trapped') IS NOT NULL AS queued;
SELECT state, wallet_id, amount FROM wallet_read_many(ARRAY['wallet'], ARRAY[1], ARRAY[1]);
RESET ROLE;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_trap CASCADE;
RESET client_min_messages;

-- A role that is not to have its rights any longer gives them back with DROP OWNED, and the money stays.
DROP OWNED BY regress_wallet_client, regress_wallet_shim, regress_wallet_operator, "regress wallet auditor", regress_wallet_nobody;
DROP ROLE regress_wallet_client, regress_wallet_shim, regress_wallet_operator, "regress wallet auditor", regress_wallet_nobody;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
