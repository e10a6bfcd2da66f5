-- Who may do what: every function and relation against every duty, and nobody.
BEGIN;
SELECT no_plan();

CREATE ROLE tap_client;
CREATE ROLE tap_operator;
CREATE ROLE tap_auditor;
CREATE ROLE tap_nobody;
SELECT wallet_grant('tap_client', 'client');
SELECT wallet_grant('tap_operator', 'operator');
SELECT wallet_grant('tap_auditor', 'auditor');
CREATE TEMPORARY TABLE duty (duty text, role name);
INSERT INTO duty VALUES ('client', 'tap_client'), ('operator', 'tap_operator'), ('auditor', 'tap_auditor'), ('nobody', 'tap_nobody');

-- The duties that may execute a function: c client, o operator, a auditor.
CREATE TEMPORARY TABLE may_execute (function regprocedure PRIMARY KEY, duties text);
INSERT INTO may_execute VALUES
    ('wallet_enqueue(text, json, text)', 'co'),
    ('wallet_enqueue_many(text[], text[], text[])', 'co'),
    ('wallet_lookup(text, bigint, text)', 'co'),
    ('wallet_lookup_many(text[], bigint[], text[])', 'co'),
    ('wallet_read_many(text[], bigint[], bigint[])', 'co'),
    ('wallet_history_page(bigint, bigint, bigint, integer)', 'co'),
    ('wallet_ready()', 'coa'),
    ('wallet_get(bigint)', 'oa'),
    ('wallet_history(bigint, bigint, integer)', 'oa'),
    ('wallet_verify()', 'oa'),
    ('wallet_create(bigint, numeric, text)', 'o'),
    ('wallet_deposit(bigint, numeric, jsonb, text)', 'o'),
    ('wallet_withdraw(bigint, numeric, jsonb, text)', 'o'),
    ('wallet_transfer(bigint, bigint, numeric, jsonb, text)', 'o'),
    ('wallet_set_status(bigint, text)', 'o'),
    ('wallet_process(integer)', 'o'),
    ('wallet_audit()', 'o'),
    ('wallet_expire_idempotency_keys()', 'o'),
    ('wallet_rotate_requests()', 'o'),
    ('wallet_expire_requests()', 'o'),
    ('wallet.worker_state()', 'oa'),
    ('wallet_schedule_maintenance()', ''),
    ('wallet_grant(regrole, text)', ''),
    ('wallet.refuse(text, text)', ''),
    ('wallet.code_message(text)', ''),
    ('wallet.refuse_change()', ''),
    ('wallet.replace_secret()', ''),
    ('wallet.amount(bigint, integer)', 'a'),
    ('wallet.amount_text(bigint, integer)', ''),
    ('wallet.time_text(timestamptz)', ''),
    ('wallet.history(bigint, bigint, integer)', ''),
    ('wallet.guard_drop()', ''),
    ('wallet.idempotency_retention()', ''),
    ('wallet.request_retention()', ''),
    ('wallet.expired_below()', ''),
    ('wallet.partition_start(bigint)', ''),
    ('wallet.current_partition()', ''),
    ('wallet.make_partition(bigint)', ''),
    ('wallet.is_expired(bigint)', ''),
    ('wallet.drop_partition(bigint)', ''),
    ('wallet.announce()', '');

-- The duties that may select from a relation; nobody may do anything else to any.
CREATE TEMPORARY TABLE may_select (relation regclass PRIMARY KEY, duties text);
INSERT INTO may_select VALUES
    ('wallet.queue', 'oa'),
    ('wallet.currency', 'oa'),
    ('wallet.audit', 'oa'),
    ('wallet.wallet', 'a'),
    ('wallet.request', 'a'),
    ('wallet.transfer', 'a'),
    ('wallet.outcome', 'a'),
    ('wallet.request_0', ''),
    ('wallet.request_1', ''),
    ('wallet.outcome_0', ''),
    ('wallet.outcome_1', ''),
    ('wallet.expiry', 'a'),
    ('wallet.idempotency_key', 'a'),
    ('wallet.operation', 'a'),
    ('wallet.queue_position', 'a'),
    ('wallet.opening', ''),
    ('wallet.secret', ''),
    ('wallet.wallet_id_seq', ''),
    ('wallet.request_id_seq', ''),
    ('wallet.transfer_id_seq', '');

CREATE TEMPORARY VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend AS d
        WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet');
SELECT set_eq('SELECT function::oid FROM may_execute', $$SELECT objid FROM member WHERE classid = 'pg_proc'::regclass$$, 'every function is in the table');
SELECT set_eq('SELECT relation::oid FROM may_select',
    $$SELECT m.objid FROM member AS m JOIN pg_class AS r ON r.oid = m.objid WHERE m.classid = 'pg_class'::regclass AND r.relkind <> 'c'$$, 'every relation is in the table');

SELECT is(has_function_privilege(d.role, m.function, 'EXECUTE'), position(left(replace(d.duty, 'nobody', '-'), 1) IN m.duties) > 0,
          format('%s: execute %s', d.duty, m.function))
    FROM may_execute AS m, duty AS d ORDER BY m.function::text, d.duty;

SELECT is(CASE r.relkind WHEN 'S' THEN has_sequence_privilege(d.role, m.relation::oid, 'SELECT')
                         ELSE has_table_privilege(d.role, m.relation, 'SELECT') END,
          position(left(replace(d.duty, 'nobody', '-'), 1) IN m.duties) > 0,
          format('%s: select from %s', d.duty, m.relation))
    FROM may_select AS m JOIN pg_class AS r ON r.oid = m.relation, duty AS d ORDER BY m.relation::text, d.duty;

SELECT is(CASE r.relkind WHEN 'S' THEN has_sequence_privilege(d.role, m.relation::oid, 'USAGE, UPDATE')
                         ELSE has_table_privilege(d.role, m.relation, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                             OR has_any_column_privilege(d.role, m.relation, 'INSERT, UPDATE, REFERENCES') END,
          false, format('%s: changes nothing in %s', d.duty, m.relation))
    FROM may_select AS m JOIN pg_class AS r ON r.oid = m.relation, duty AS d ORDER BY m.relation::text, d.duty;

SELECT is(has_schema_privilege(d.role, 'wallet', 'USAGE'), d.duty IN ('operator', 'auditor'), format('%s: usage of schema wallet', d.duty)) FROM duty AS d ORDER BY d.duty;
SELECT is(has_schema_privilege(d.role, 'wallet', 'CREATE'), false, format('%s: creates nothing in schema wallet', d.duty)) FROM duty AS d ORDER BY d.duty;

-- Rights are not handed on.
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(p.proacl) AS acl, duty AS d
        WHERE acl.grantee = d.role::regrole AND acl.is_grantable$$, 'no grant option on a function');
SELECT is_empty($$
    SELECT r.oid::regclass FROM pg_class AS r, aclexplode(r.relacl) AS acl, duty AS d
        WHERE acl.grantee = d.role::regrole AND acl.is_grantable$$, 'no grant option on a relation');

-- What a duty needs it can really use, in a session of its own.
SET LOCAL ROLE tap_operator;
SELECT lives_ok('SELECT wallet_create(1, 10)', 'an operator makes a wallet');
SELECT lives_ok('SELECT wallet_process()', 'an operator posts');
SET LOCAL ROLE tap_client;
SELECT lives_ok($$SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'k')$$, 'a client enqueues');
SELECT throws_ok('SELECT * FROM wallet.request', '42501', NULL, 'a client reads no table');
SET LOCAL ROLE tap_auditor;
SELECT lives_ok('SELECT * FROM wallet_verify()', 'an auditor verifies');
SELECT lives_ok('SELECT * FROM wallet.operation', 'an auditor reads the journal by wallet');
SELECT throws_ok('SELECT wallet_create(2)', '42501', NULL, 'an auditor makes no wallet');
SET LOCAL ROLE tap_nobody;
SELECT throws_ok($$SELECT wallet_enqueue('wallet', '{"user_id":3}')$$, '42501', NULL, 'nobody enqueues');
RESET ROLE;
SELECT throws_ok($$SELECT wallet_grant('tap_nobody', 'boss')$$, '22023', 'unknown duty "boss"', 'there are three duties');

SELECT * FROM finish();
ROLLBACK;
