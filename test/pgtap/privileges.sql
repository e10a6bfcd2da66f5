-- Who may do what: the whole matrix of test/matrix.sql, as the catalogs have it and as it is when it is tried.
BEGIN;
SELECT no_plan();
-- Made anew, whose ids begin with 1: those of a transaction that was rolled back are not drawn again.
DROP EXTENSION pg_wallet;
CREATE EXTENSION pg_wallet;
\ir ../matrix.sql
SELECT wallet_id FROM wallet_create(1, 100);
SELECT wallet_id FROM wallet_create(2, 100);

-- Nothing is missing in the matrix.
SELECT set_eq('SELECT function::oid FROM may_execute', $$SELECT objid FROM member WHERE classid = 'pg_proc'::regclass$$, 'every function is in the matrix');
SELECT set_eq('SELECT relation::oid FROM may_select',
    $$SELECT m.objid FROM member AS m JOIN pg_class AS r ON r.oid = m.objid WHERE m.classid = 'pg_class'::regclass AND r.relkind NOT IN ('c', 'i', 'I')$$,
    'every relation is in the matrix');
SELECT set_eq('SELECT setting, context FROM may_set', $$SELECT name, context FROM pg_settings WHERE name LIKE 'pg\_wallet.%'$$,
    'every setting is in the matrix, and can be changed by whom it says');
SELECT set_eq($$SELECT DISTINCT classid::regclass::text FROM member$$,
    $$VALUES ('pg_proc'), ('pg_class'), ('pg_type'), ('pg_namespace'), ('pg_event_trigger')$$, 'there are no other kinds of objects');

-- Execution, as the catalog has it and as it is.
SELECT is(has_function_privilege(d.role, m.function, 'EXECUTE'), pg_temp.may(m.duties, d.letter), format('%s: execute %s', d.duty, m.function))
    FROM may_execute AS m, duty AS d ORDER BY m.function::text, d.duty;
SELECT is(pg_temp.try_as(d.role, m.call), CASE WHEN pg_temp.may(m.duties, d.letter) THEN 'ok' ELSE '42501' END, format('%s: tries %s', d.duty, m.function))
    FROM may_execute AS m, duty AS d WHERE d.duty <> 'owner' ORDER BY m.function::text, d.duty;
SELECT isnt(pg_temp.try_as(d.role, m.call), '42501', format('%s: tries %s', d.duty, m.function))
    FROM may_execute AS m, duty AS d WHERE d.duty = 'owner' ORDER BY m.function::text;

-- Relations, by each privilege that there is.
SELECT is(has_table_privilege(d.role, m.relation, p.privilege), pg_temp.may(CASE p.privilege WHEN 'SELECT' THEN m.duties ELSE '' END, d.letter),
          format('%s: %s on %s', d.duty, lower(p.privilege), m.relation))
    FROM may_select AS m JOIN pg_class AS r ON r.oid = m.relation AND r.relkind <> 'S', duty AS d,
        (SELECT DISTINCT a.privilege_type FROM aclexplode(acldefault('rp', 10)) AS a) AS p (privilege)
    ORDER BY m.relation::text, p.privilege, d.duty;
SELECT is(has_sequence_privilege(d.role, m.relation::oid, p.privilege), d.letter = '*', format('%s: %s on %s', d.duty, lower(p.privilege), m.relation))
    FROM may_select AS m JOIN pg_class AS r ON r.oid = m.relation AND r.relkind = 'S', duty AS d, unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS p (privilege)
    ORDER BY m.relation::text, p.privilege, d.duty;
SELECT is_empty($$SELECT attrelid::regclass, attname FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'wallet'::regnamespace)$$,
    'no column has privileges of its own');

-- What is in the schema without being of the extension, such as a partition, is for the owner alone.
SELECT is_empty($$
    SELECT r.oid::regclass, acl.grantee::regrole, acl.privilege_type FROM pg_class AS r, aclexplode(r.relacl) AS acl
        WHERE r.relnamespace = 'wallet'::regnamespace AND acl.grantee <> r.relowner AND r.oid NOT IN (SELECT relation FROM may_select)$$,
    'nothing is granted on what is not in the matrix');

-- The same, tried. A statement for each thing that somebody could do; X is the relation, C one of its columns.
CREATE SCHEMA tap_own;
CREATE FUNCTION tap_own.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
GRANT ALL ON SCHEMA tap_own TO PUBLIC;
CREATE TEMPORARY TABLE attempt (kinds text, statement text);
INSERT INTO attempt VALUES
    ('rpvm', 'SELECT C FROM X FOR UPDATE'), ('rpvm', 'INSERT INTO X DEFAULT VALUES'), ('rpvm', 'UPDATE X SET C = C'), ('rpvm', 'UPDATE X SET C = NULL'),
    ('rpvm', 'DELETE FROM X'), ('rpvm', 'MERGE INTO X USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE'), ('rp', 'TRUNCATE X'),
    ('rpvm', 'LOCK TABLE X IN ACCESS EXCLUSIVE MODE'), ('rp', 'CREATE TRIGGER tap_pass BEFORE INSERT ON X FOR EACH ROW EXECUTE FUNCTION tap_own.pass()'),
    ('rp', 'CREATE TABLE tap_own.child (c bigint REFERENCES X (C))'), ('rp', 'CREATE TABLE tap_own.child () INHERITS (X)'),
    ('rpv', 'CREATE RULE tap_rule AS ON INSERT TO X DO INSTEAD NOTHING'), ('rp', 'CREATE INDEX ON X (C)'), ('rp', 'CREATE POLICY p ON X'),
    ('rp', 'ALTER TABLE X DISABLE TRIGGER ALL'), ('rp', 'ALTER TABLE X ADD tap_column integer'), ('rp', 'ALTER TABLE X OWNER TO CURRENT_USER'),
    ('rp', 'ALTER TABLE X SET UNLOGGED'), ('rp', 'ALTER TABLE X RENAME TO tap_renamed'), ('rp', 'DROP TABLE X'),
    ('v', 'DROP VIEW X'), ('m', 'REFRESH MATERIALIZED VIEW X'), ('S', 'SELECT nextval($$X$$)'), ('S', 'SELECT setval($$X$$, 1)'),
    ('S', 'SELECT currval($$X$$)'), ('S', 'ALTER SEQUENCE X RESTART');
CREATE TEMPORARY VIEW tried AS
    SELECT m.relation, regexp_replace(regexp_replace(a.statement, '\mC\M', (SELECT quote_ident(c.attname) FROM pg_attribute AS c
                WHERE c.attrelid = m.relation AND c.attnum > 0 AND c.attgenerated = '' ORDER BY c.attnum LIMIT 1), 'g'), '\mX\M', m.relation::text) AS statement
        FROM may_select AS m JOIN pg_class AS r ON r.oid = m.relation JOIN attempt AS a ON position(r.relkind::text IN a.kinds) > 0;
SELECT is(pg_temp.try_as(d.role, format('SELECT count(*) FROM %s', m.relation)), CASE WHEN pg_temp.may(m.duties, d.letter) THEN 'ok' ELSE '42501' END,
          format('%s: reads %s', d.duty, m.relation))
    FROM may_select AS m, duty AS d ORDER BY m.relation::text, d.duty;
-- Who may only read a view may not change it, whether it could be changed or not; the error of that comes first.
SELECT ok(result ~ '^(42501|55000|0A000|42809)', format('%s: %s: %s', t.duty, t.statement, result))
    FROM (SELECT d.duty, t.statement, pg_temp.try_as(d.role, t.statement) AS result FROM tried AS t JOIN pg_class AS r ON r.oid = t.relation AND r.relkind IN ('v', 'm'), duty AS d
              WHERE d.duty <> 'owner') AS t ORDER BY t.statement, t.duty;
-- A foreign key also needs a unique one to point to, and nothing inherits from a partition, whoever asks.
SELECT matches(pg_temp.try_as(d.role, t.statement), '^(42501$|42830:|42809: cannot inherit)', format('%s: %s', d.duty, t.statement))
    FROM tried AS t JOIN pg_class AS r ON r.oid = t.relation AND r.relkind NOT IN ('v', 'm'), duty AS d WHERE d.duty <> 'owner' ORDER BY t.statement, d.duty;

-- Schemas, types, what is handed on, and what comes later.
SELECT is(has_schema_privilege(d.role, 'wallet', 'USAGE'), pg_temp.may('oam', d.letter), format('%s: usage of schema wallet', d.duty)) FROM duty AS d ORDER BY d.duty;
SELECT is(has_schema_privilege(d.role, 'wallet', 'CREATE'), d.letter = '*', format('%s: creation in schema wallet', d.duty)) FROM duty AS d ORDER BY d.duty;
SELECT is(pg_temp.try_as(d.role, 'CREATE TABLE wallet.tap_table ()'), '42501', format('%s: makes nothing in schema wallet', d.duty)) FROM duty AS d WHERE d.letter <> '*' ORDER BY d.duty;
SELECT is_empty($$SELECT t.oid::regtype FROM pg_type AS t JOIN member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid WHERE t.typacl IS NOT NULL$$,
    'types have the privileges that types have');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(p.proacl) AS acl, duty AS d
        WHERE acl.grantee = d.role::regrole AND acl.is_grantable AND d.letter <> '*'$$, 'no grant option on a function');
SELECT is_empty($$
    SELECT r.oid::regclass FROM pg_class AS r, aclexplode(r.relacl) AS acl, duty AS d
        WHERE acl.grantee = d.role::regrole AND acl.is_grantable AND d.letter <> '*'$$, 'no grant option on a relation');
SELECT is_empty($$SELECT defaclobjtype FROM pg_default_acl$$, 'no default privileges are left behind');
SELECT is_empty($$SELECT rolname FROM pg_roles AS r, duty AS d WHERE r.rolname = d.role AND d.letter <> '*' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)$$,
    'a duty makes nobody mighty');
SELECT is_empty($$SELECT m.objid FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid, duty AS d WHERE d.letter = '*' AND p.proowner <> d.role::regrole$$,
    'the owner owns every function');

-- Settings, tried.
SELECT ok(pg_temp.try_as(d.role, format('SET %s = DEFAULT', m.setting)) ~ '^(42501|55P02)', format('%s: sets no %s', d.duty, m.setting))
    FROM may_set AS m, duty AS d WHERE d.letter <> '*' AND m.context <> 'user' ORDER BY m.setting, d.duty;
SELECT is(pg_temp.try_as(d.role, 'SET session_replication_role = replica'), '42501', format('%s: silences no trigger', d.duty)) FROM duty AS d WHERE d.letter <> '*' ORDER BY d.duty;
SELECT is(pg_temp.try_as(d.role, 'ALTER EVENT TRIGGER pg_wallet_guard_drop DISABLE'), '42501', format('%s: leaves the guard alone', d.duty)) FROM duty AS d WHERE d.letter <> '*' ORDER BY d.duty;
SELECT is(pg_temp.try_as(d.role, 'DROP EXTENSION pg_wallet CASCADE'), '42501', format('%s: drops nothing', d.duty)) FROM duty AS d WHERE d.letter <> '*' ORDER BY d.duty;
SELECT throws_ok($$SELECT wallet_grant('tap_nobody', 'boss')$$, '22023', 'unknown duty "boss"', 'there are four duties');

-- Whose statements may have a handshake among their parameters, which are not for the log.
SELECT is((SELECT s.setconfig FROM pg_db_role_setting AS s JOIN pg_database AS b ON b.oid = s.setdatabase AND b.datname = current_database() WHERE s.setrole = d.role::regrole),
          CASE WHEN d.letter IN ('c', 's', 'o') THEN ARRAY['log_parameter_max_length=0', 'log_parameter_max_length_on_error=0'] END, format('%s: what is not logged', d.duty))
    FROM duty AS d ORDER BY d.duty;

-- Whoever may not call a function may not have it called either, by whatever the server runs for him.
SET LOCAL ROLE tap_nobody;
CREATE FUNCTION tap_own.pay(x integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (public.wallet_transfer(1, 2, 1)).transfer_id; END $$;
CREATE FUNCTION tap_own.pay_definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT tap_own.pay(1)';
CREATE FUNCTION tap_own.pay_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM tap_own.pay(1); RETURN NEW; END';
CREATE TABLE tap_own.bait (x integer, y bigint);
INSERT INTO tap_own.bait SELECT i, i FROM generate_series(1, 10) AS i;
CREATE VIEW tap_own.window AS SELECT tap_own.pay(1);
CREATE MATERIALIZED VIEW tap_own.picture AS SELECT tap_own.pay(1) WITH NO DATA;
CREATE TABLE tap_own.empty (x integer DEFAULT tap_own.pay(1), CHECK (tap_own.pay(x) > 0));
CREATE TABLE tap_own.indexed (x integer);
CREATE INDEX ON tap_own.indexed (tap_own.pay(x)) WHERE x < 0;
INSERT INTO tap_own.indexed VALUES (1);
CREATE TABLE tap_own.fired (x integer);
CREATE TRIGGER pay BEFORE INSERT ON tap_own.fired FOR EACH ROW EXECUTE FUNCTION tap_own.pay_trigger();
RESET ROLE;
SELECT is(pg_temp.try_as('tap_nobody', statement), '42501', 'nobody: ' || statement) FROM unnest(ARRAY[
    'SELECT tap_own.pay(1)', 'SELECT tap_own.pay_definer()', 'SELECT * FROM tap_own.window', 'REFRESH MATERIALIZED VIEW tap_own.picture',
    'INSERT INTO tap_own.empty DEFAULT VALUES', 'INSERT INTO tap_own.indexed VALUES (-1)', 'INSERT INTO tap_own.fired VALUES (1)',
    'CREATE INDEX ON tap_own.bait (tap_own.pay(x))', 'ALTER TABLE tap_own.bait ALTER y TYPE bigint USING tap_own.pay(x)',
    'DO $$ BEGIN PERFORM tap_own.pay(1); END $$', 'EXPLAIN ANALYZE SELECT tap_own.pay(1)', 'DECLARE c CURSOR FOR SELECT public.wallet_transfer(1, 2, 1); FETCH c']) AS statement;
-- The owner looks after the table of somebody else: what that somebody hung on it runs with that somebody's rights.
SELECT is(pg_temp.try_as(:'extension_owner', statement), '42501', 'the owner, for nobody: ' || statement) FROM unnest(ARRAY[
    'SELECT tap_own.pay_definer()', 'REFRESH MATERIALIZED VIEW tap_own.picture', 'CREATE INDEX ON tap_own.bait (tap_own.pay(x))']) AS statement;

SELECT * FROM finish();
ROLLBACK;
