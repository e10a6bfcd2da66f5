-- Traps along the search_path: what runs with the owner's rights never steps into one. A role with every duty, and with
-- rights to create objects in the extension's schema and in one of its own, plants operators, functions, types and
-- tables there that count each time somebody else than that role runs them.
BEGIN;
SELECT no_plan();
CREATE ROLE tap_attacker;
CREATE SCHEMA tap_trap AUTHORIZATION tap_attacker;
CREATE SCHEMA tap_shop AUTHORIZATION tap_attacker;
-- Sequences roll nothing back, whatever becomes of the statement.
CREATE SEQUENCE tap_trap.sprung;
GRANT USAGE ON tap_trap.sprung TO PUBLIC;
GRANT USAGE ON SCHEMA tap_trap TO PUBLIC;
CREATE FUNCTION pg_temp.sprung() RETURNS boolean LANGUAGE sql SET search_path = pg_catalog AS 'SELECT is_called FROM tap_trap.sprung';

-- The body of every trap: whose rights does it run with?
CREATE FUNCTION tap_trap.spring(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_user <> 'tap_attacker' THEN
        PERFORM nextval('tap_trap.sprung');
        RAISE WARNING '% ran as %', what, current_user;
    END IF;
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION tap_trap.spring(text) TO PUBLIC;

-- Fills a schema: operators of all kinds between all pairs of types, functions of the names that pg_catalog has for any
-- type, and the same functions again with the very arguments that they have there.
CREATE FUNCTION pg_temp.plant(trap text, types text[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog SET check_function_bodies = off AS $$
DECLARE
    l text;
    r text;
    t text;
    o text;
    f record;
BEGIN
    FOREACH l IN ARRAY types LOOP
        FOREACH r IN ARRAY types LOOP
            FOREACH t IN ARRAY ARRAY['boolean', 'text', 'own'] LOOP
                EXECUTE format('CREATE FUNCTION %I.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', trap, 'op_' || t, l, r, CASE t WHEN 'own' THEN l ELSE t END,
                               format('BEGIN PERFORM tap_trap.spring(%L); RETURN NULL; END', format('operator of %s and %s', l, r)));
            END LOOP;
            FOREACH o IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '~'] LOOP
                EXECUTE format('CREATE OPERATOR %I.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %1$I.op_boolean)', trap, o, l, r);
            END LOOP;
            EXECUTE format('CREATE OPERATOR %I.|| (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %1$I.op_text)', trap, l, r);
            FOREACH o IN ARRAY ARRAY['+', '-', '*', '/', '^'] LOOP
                EXECUTE format('CREATE OPERATOR %I.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %1$I.op_own)', trap, o, l, r);
            END LOOP;
        END LOOP;
    END LOOP;
    FOR f IN
        SELECT n.name, a.arguments FROM unnest(ARRAY['format', 'num_nonnulls', 'num_nulls', 'concat', 'concat_ws', 'count', 'min', 'max', 'sum', 'round', 'unnest', 'cardinality', 'lag']) AS n (name),
            (SELECT y FROM unnest(types) AS y UNION ALL SELECT y || ', ' || y FROM unnest(types) AS y UNION ALL SELECT y || '[]' FROM unnest(types) AS y
             UNION ALL SELECT 'text, ' || repeat('bigint, ', n) || 'bigint' FROM generate_series(0, 2) AS n) AS a (arguments)
        UNION
        SELECT p.proname, oidvectortypes(p.proargtypes) FROM pg_proc AS p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
                AND p.proname IN ('now', 'clock_timestamp', 'gen_random_uuid', 'sha256', 'uuid_send', 'octet_length', 'pg_extension_config_dump', 'to_char', 'timezone',
                                  'aclexplode', 'acldefault', 'min_scale', 'length', 'left', 'num_nonnulls', 'set_config', 'format_type', 'jsonb_typeof')
                AND NOT 2276 = ANY (p.proargtypes)
    LOOP
        CONTINUE WHEN to_regprocedure(format('%I.%I(%s)', trap, f.name, f.arguments)) IS NOT NULL;
        EXECUTE format('CREATE FUNCTION %I.%I(%s) RETURNS text LANGUAGE plpgsql AS %L', trap, f.name, f.arguments,
                       format('BEGIN PERFORM tap_trap.spring(%L); RETURN NULL; END', format('%s(%s)', f.name, f.arguments)));
    END LOOP;
    FOREACH t IN ARRAY ARRAY['text', 'numeric', 'jsonb', 'timestamptz', 'uuid', 'bytea', 'regclass', 'regprocedure', 'regrole'] LOOP
        EXECUTE format('CREATE DOMAIN %I.%I AS pg_catalog.%2$I CHECK (tap_trap.spring(%3$L))', trap, t, 'type ' || t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['wallet', 'request', 'transfer', 'outcome', 'currency', 'secret', 'pg_extension', 'pg_class', 'pg_proc', 'pg_namespace', 'pg_depend'] LOOP
        EXECUTE format('CREATE VIEW %I.%I AS SELECT 1 AS wallet_id, 1 AS oid, tap_trap.spring(%L) AS ok', trap, t, 'view ' || t);
    END LOOP;
END
$$;
-- The attacker plants, not we: what is planted belongs to that role.
CREATE FUNCTION pg_temp.plant_as_attacker(trap text, types text[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    SET LOCAL ROLE tap_attacker;
    PERFORM pg_temp.plant(trap, types);
    RESET ROLE;
END
$$;
SELECT pg_temp.plant_as_attacker(trap, ARRAY['text', 'name', '"char"', 'bigint', 'integer', 'oid', 'numeric', 'boolean', 'timestamptz', 'bytea',
                                             'pg_catalog.regclass', 'pg_catalog.regprocedure', 'regnamespace'])
    FROM unnest(ARRAY['tap_trap', 'tap_shop']) AS trap;

-- The traps do work: a function of the owner's that leaves its search_path open steps into one.
CREATE FUNCTION public.tap_careless(a bigint, b integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN a = b; END';
CREATE FUNCTION public.tap_careful(a bigint, b integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN a = b; END';
SET LOCAL client_min_messages = warning;
SET LOCAL pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;

-- A schema that is there already is refused, whoever owns it; so is a function where one of ours would be.
CREATE SCHEMA wallet AUTHORIZATION tap_attacker;
SELECT throws_ok('CREATE EXTENSION pg_wallet SCHEMA tap_shop', '42P06', NULL, 'a schema wallet that is there already is not taken over');
DROP SCHEMA wallet;
CREATE FUNCTION tap_shop.wallet_lookup_many(kinds text[], user_ids bigint[], handshake_ids text[], include_links boolean[]) RETURNS text LANGUAGE sql AS 'SELECT $$mine$$';
ALTER FUNCTION tap_shop.wallet_lookup_many OWNER TO tap_attacker;
SELECT throws_ok('CREATE EXTENSION pg_wallet SCHEMA tap_shop', '42723', NULL, 'nor is a function');
DROP FUNCTION tap_shop.wallet_lookup_many;

-- CREATE EXTENSION in a schema full of traps. The owner's session has nothing else in its path.
CREATE FUNCTION tap_trap.wallet_lookup_many(text[], integer[], text[], boolean[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM tap_trap.spring('lookup'); RETURN NULL; END $$;
CREATE FUNCTION tap_shop.wallet_lookup_many(anyarray, anyarray, anyarray, anyarray) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM tap_trap.spring('lookup'); RETURN NULL; END $$;
SELECT lives_ok('CREATE EXTENSION pg_wallet SCHEMA tap_shop', 'the extension is made among traps');
SELECT is(pg_temp.sprung(), false, 'the install script has sprung none');
\ir ../matrix.sql
SELECT is_empty($$
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend AS d
        WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
            AND (d.refclassid, d.refobjid) IN (SELECT 'pg_proc'::regclass, p.oid FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text IN ('tap_trap', 'tap_shop')
                                               UNION ALL SELECT 'pg_operator'::regclass, o.oid FROM pg_operator AS o
                                               UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type AS t WHERE t.typnamespace::regnamespace::text IN ('tap_trap', 'tap_shop'))
            AND (d.refclassid, d.refobjid) NOT IN (SELECT m.classid, m.objid FROM member AS m)
            AND (EXISTS (SELECT FROM member AS m WHERE m.classid = d.classid AND m.objid = d.objid)
                 OR pg_describe_object(d.classid, d.objid, 0) LIKE '%wallet.%')$$,
    'nothing of the extension''s rests on anything of the attacker''s');

GRANT tap_client, tap_shim, tap_operator, tap_auditor, tap_monitor TO tap_attacker;
SELECT (tap_shop.wallet_create(i, 100)).wallet_id IS NOT NULL AS made FROM generate_series(1, 2) AS i;
SELECT tap_shop.wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1}') IS NOT NULL AS queued;
-- Operators of our own types, too, and tables that look like ours in the temporary schema.
CREATE SCHEMA tap_types AUTHORIZATION tap_attacker;
SELECT pg_temp.plant_as_attacker('tap_types', ARRAY['wallet.status', 'text']);
SELECT is(pg_temp.try_as('tap_attacker', 'CREATE TEMPORARY TABLE wallet (LIKE wallet.wallet)'), 'ok', 'a role may have tables of its own');
CREATE FUNCTION pg_temp.in_temp(statement text) RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $$
    SELECT 'CREATE TEMPORARY TABLE wallet AS SELECT * FROM wallet.wallet; CREATE TEMPORARY TABLE transfer AS SELECT * FROM wallet.transfer;
            CREATE TEMPORARY TABLE pg_extension AS SELECT 1 AS extname; CREATE TEMPORARY TABLE currency AS SELECT * FROM wallet.currency; ' || statement
$$;

-- Every function, along every path; views, too. What the attacker may not call is refused before anything else.
CREATE TEMPORARY TABLE path (path text);
INSERT INTO path VALUES ('tap_trap, pg_temp, pg_catalog'), ('tap_shop, tap_types, tap_trap, pg_catalog'), ('pg_temp, tap_types, tap_trap, pg_catalog, tap_shop'), ('tap_shop, public');
SELECT is(pg_temp.try_as('tap_attacker', m.call, p.path), CASE m.duties WHEN '' THEN '42501' ELSE 'ok' END, format('%s along %s', m.function, p.path))
    FROM may_execute AS m, path AS p ORDER BY m.function::text, p.path;
SELECT is(pg_temp.try_as('tap_attacker', pg_temp.in_temp(m.call), p.path), CASE m.duties WHEN '' THEN '42501' ELSE 'ok' END, format('%s with temporary tables, along %s', m.function, p.path))
    FROM may_execute AS m, path AS p WHERE p.path LIKE 'pg_temp%' ORDER BY m.function::text;
SELECT is(pg_temp.try_as('tap_attacker', format('SELECT count(*) FROM %s', m.relation), p.path), CASE m.duties WHEN '' THEN '42501' ELSE 'ok' END, format('%s along %s', m.relation, p.path))
    FROM may_select AS m, path AS p ORDER BY m.relation::text, p.path;
SELECT is(pg_temp.sprung(), false, 'no function or view has sprung a trap as its owner');

-- Nor do settings that everybody may change get into the way, all at once.
CREATE FUNCTION pg_temp.unsettled(statement text) RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $$
    SELECT string_agg(format('SET LOCAL %s = %L; ', name, value), '') || statement FROM (VALUES
        ('enable_indexscan', 'off'), ('enable_indexonlyscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_nestloop', 'off'), ('enable_seqscan', 'on'),
        ('enable_sort', 'off'), ('enable_material', 'off'), ('plan_cache_mode', 'force_custom_plan'), ('work_mem', '64kB'), ('geqo_threshold', '2'),
        ('join_collapse_limit', '1'), ('from_collapse_limit', '1'), ('constraint_exclusion', 'on'), ('row_security', 'off'), ('transform_null_equals', 'on'),
        ('standard_conforming_strings', 'off'), ('backslash_quote', 'off'), ('escape_string_warning', 'off'), ('quote_all_identifiers', 'on'), ('array_nulls', 'off'),
        ('datestyle', 'German, MDY'), ('intervalstyle', 'sql_standard'), ('timezone', 'Asia/Kolkata'), ('bytea_output', 'escape'), ('extra_float_digits', '-15'),
        ('plpgsql.extra_errors', 'all'), ('default_transaction_read_only', 'on'), ('check_function_bodies', 'on'), ('temp_tablespaces', '')) AS s (name, value)
$$;
SELECT is(pg_temp.try_as('tap_attacker', pg_temp.unsettled(m.call), 'tap_trap, pg_catalog'), CASE m.duties WHEN '' THEN '42501' ELSE 'ok' END, format('%s with odd settings', m.function))
    FROM may_execute AS m ORDER BY m.function::text;
SELECT is(pg_temp.sprung(), false, 'still no trap was sprung');
-- The owner, too, may have a bad path, as a database or a role can have one by its settings.
SELECT isnt(pg_temp.try_as(:'extension_owner', m.call, 'tap_shop, public'), '42501', format('%s, called by the owner', m.function)) FROM may_execute AS m ORDER BY m.function::text;

-- Whoever owns the schema of the functions can rename it, and make another one in its place. No function of ours goes there.
SELECT is(pg_temp.sprung(), false, 'no trap was sprung so far');
SELECT tap_shop.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') AS handshake \gset
ALTER SCHEMA tap_shop RENAME TO tap_moved;
CREATE SCHEMA tap_shop AUTHORIZATION tap_attacker;
SELECT format('CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql AS %L', 'tap_shop.' || p.proname, pg_get_function_identity_arguments(p.oid),
              pg_get_function_result(p.oid), format('BEGIN PERFORM tap_trap.spring(%L); RETURN; END', p.proname))
    FROM pg_proc AS p WHERE p.pronamespace = 'tap_moved'::regnamespace AND p.proname LIKE 'wallet\_%' AND p.proretset \gexec
SELECT format('CREATE FUNCTION tap_shop.%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', p.proname, pg_get_function_identity_arguments(p.oid),
              pg_get_function_result(p.oid), format('BEGIN PERFORM tap_trap.spring(%L); RETURN %s; END', p.proname, CASE WHEN p.prorettype <> 'void'::regtype THEN 'NULL' END))
    FROM pg_proc AS p WHERE p.pronamespace = 'tap_moved'::regnamespace AND p.proname LIKE 'wallet\_%' AND NOT p.proretset AND p.proargmodes IS NULL \gexec
GRANT ALL ON SCHEMA tap_shop TO PUBLIC;
CREATE SCHEMA cron;
CREATE TABLE cron.job (command text);
CREATE FUNCTION cron.schedule(job text, schedule text, command text) RETURNS bigint LANGUAGE sql AS 'INSERT INTO cron.job VALUES ($3) RETURNING 1::bigint';
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 1, 'pg_cron', e.extowner, 'cron'::regnamespace, false, '1' FROM pg_extension AS e WHERE e.extname = 'pg_wallet';
SELECT isnt_empty('SELECT * FROM tap_moved.wallet_schedule_maintenance()', 'jobs are scheduled');
SELECT is(pg_temp.try_as(:'extension_owner', j.command), 'ok', 'a job: ' || j.command) FROM cron.job AS j;
SELECT isnt(pg_temp.try_as('tap_attacker', replace(m.call, 'tap_shop.', 'tap_moved.')), 'nothing', format('%s after the move', m.function))
    FROM may_execute AS m ORDER BY m.function::text;
SELECT is(pg_temp.sprung(), false, 'no function calls another one by the name of a schema that somebody else may own');

-- The journal is in the way of an owner of that schema who wants to see the extension gone.
SET LOCAL pg_wallet.allow_drop = off;
SELECT matches(pg_temp.try_as('tap_attacker', statement), '^(PW|42501|2BP01)', 'the schema''s owner: ' || statement) FROM unnest(ARRAY[
    'DROP SCHEMA tap_moved CASCADE', 'DROP OWNED BY tap_attacker CASCADE', 'DROP FUNCTION tap_moved.wallet_get(bigint)', 'DROP FUNCTION tap_moved.wallet_get(bigint) CASCADE',
    'CREATE OR REPLACE FUNCTION tap_moved.wallet_ready(OUT worker_alive boolean, OUT detail text) LANGUAGE sql AS ''SELECT true, NULL''',
    'ALTER FUNCTION tap_moved.wallet_get(bigint) RESET ALL', 'ALTER EXTENSION pg_wallet DROP FUNCTION tap_moved.wallet_get(bigint)']) AS statement;

-- Last, since it does spring them.
SELECT pg_temp.try_as('tap_attacker', 'SELECT public.tap_careful(1, 1)', 'tap_trap, pg_catalog') AS careful \gset
SELECT is(pg_temp.sprung(), false, 'a fixed search_path keeps out of traps');
SELECT pg_temp.try_as('tap_attacker', 'SELECT public.tap_careless(1, 1)', 'tap_trap, pg_catalog') AS careless \gset
SELECT is(pg_temp.sprung(), true, 'an open search_path would not');

SELECT * FROM finish();
ROLLBACK;
