-- Whatever the session, the role or the database has set, CREATE EXTENSION makes the same objects, and so does a new partition.
\i test/helpers.sql
SET client_min_messages = warning;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_wallet_space LOCATION '';
CREATE ACCESS METHOD regress_wallet_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ROLE regress_wallet_guest;

-- All that there is of the extension, a line for each property.
SET check_function_bodies = off;
CREATE FUNCTION pg_temp.made() RETURNS SETOF text LANGUAGE sql
    SET search_path = pg_catalog SET quote_all_identifiers = off SET datestyle = iso SET intervalstyle = postgres SET bytea_output = hex SET jit = off SET enable_nestloop = off AS $$
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_depend AS d
            WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
                AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet')
        UNION SELECT 'pg_class'::regclass, c.oid FROM pg_class AS c WHERE c.relnamespace = 'wallet'::regnamespace
    ), class AS (SELECT c.* FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid)
    SELECT format('object %s: %s', pg_describe_object(m.classid, m.objid, 0), obj_description(m.objid, m.classid::regclass::text)) FROM member AS m
    UNION ALL
    SELECT format('relation %s %s %s %s %s %s %s %s %s', c.oid::regclass, c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity, c.reloptions,
                  coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)),
                  (SELECT a.amname FROM pg_am AS a WHERE a.oid = c.relam), (SELECT t.spcname FROM pg_tablespace AS t WHERE t.oid = c.reltablespace)) FROM class AS c
    UNION ALL
    SELECT format('column %s.%s %s %s %s %s %s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, a.attstorage,
                  a.attcompression, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
        FROM class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT format('constraint %s %s', n.conrelid::regclass, pg_get_constraintdef(n.oid)) FROM class AS c JOIN pg_constraint AS n ON n.conrelid = c.oid
    UNION ALL
    SELECT format('index %s %s', pg_get_indexdef(i.indexrelid), i.indisvalid) FROM class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
    UNION ALL
    SELECT format('trigger %s %s', pg_get_triggerdef(t.oid), t.tgenabled) FROM class AS c JOIN pg_trigger AS t ON t.tgrelid = c.oid
    UNION ALL
    SELECT format('partition %s %s', c.oid::regclass, pg_get_expr(c.relpartbound, c.oid)) FROM class AS c WHERE c.relispartition
    UNION ALL
    SELECT format('view %s %s', c.oid::regclass, pg_get_viewdef(c.oid)) FROM class AS c WHERE c.relkind IN ('v', 'm')
    UNION ALL
    SELECT format('sequence %s %s', s.seqrelid::regclass, to_jsonb(s) - 'seqrelid') FROM class AS c JOIN pg_sequence AS s ON s.seqrelid = c.oid
    UNION ALL
    SELECT format('function %s %s', pg_get_functiondef(p.oid), p.proacl) FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT format('type %s %s', t.oid::regtype, coalesce(t.typacl, acldefault('T', t.typowner))) FROM pg_type AS t JOIN member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT format('schema %s', coalesce(n.nspacl, acldefault('n', n.nspowner))) FROM pg_namespace AS n WHERE n.nspname = 'wallet'
    UNION ALL
    SELECT format('event trigger %s %s', e.evtname, e.evtenabled) FROM pg_event_trigger AS e
    UNION ALL
    SELECT format('dumped %s %s', c.table::regclass, c.condition) FROM pg_extension AS e CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS c ("table", condition) WHERE e.extname = 'pg_wallet'
    UNION ALL
    SELECT format('currency %s', c) FROM wallet.currency AS c
$$;

-- What differs from the ones remembered, or the error; nothing of it stays.
CREATE TEMPORARY TABLE usual (line text COLLATE "C");
CREATE FUNCTION pg_temp.made_under(settings text, remember boolean DEFAULT false) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    lines text[];
    found text;
BEGIN
    EXECUTE settings;
    CREATE EXTENSION pg_wallet SCHEMA public;
    PERFORM public.wallet_create(1, 10), public.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}');
    PERFORM wallet.make_partition(2), public.wallet_process();
    lines := ARRAY(SELECT pg_temp.made());
    RAISE EXCEPTION 'done' USING ERRCODE = 'WDONE';
EXCEPTION
    WHEN SQLSTATE 'WDONE' THEN
        RESET ROLE;
        IF remember THEN
            INSERT INTO pg_temp.usual SELECT unnest(lines);
        END IF;
        SELECT string_agg(left(line, 150), E'\n') INTO found
            FROM (SELECT u.line FROM unnest(lines) AS u (line) EXCEPT SELECT u.line FROM pg_temp.usual AS u
                  UNION ALL SELECT 'missing: ' || m.line FROM (SELECT u.line FROM pg_temp.usual AS u EXCEPT SELECT unnest(lines)) AS m) AS d (line);
        RETURN coalesce(found, 'the same');
    WHEN OTHERS THEN
        RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
SELECT pg_temp.made_under('', true);
SELECT count(*) > 500 AS all_of_it FROM usual;
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' => '
SELECT settings, pg_temp.made_under(settings) FROM (VALUES
    (1, 'SET LOCAL default_tablespace = pg_default'),
    (2, 'SET LOCAL default_tablespace = regress_wallet_space; SET LOCAL temp_tablespaces = regress_wallet_space'),
    (3, 'SET LOCAL default_table_access_method = regress_wallet_heap; SET LOCAL default_toast_compression = lz4'),
    (4, 'SET LOCAL session_replication_role = replica; SET LOCAL row_security = off; SET LOCAL allow_system_table_mods = on'),
    (5, 'SET LOCAL check_function_bodies = on; SET LOCAL plpgsql.extra_errors = "all"; SET LOCAL plpgsql.extra_warnings = "all"; SET LOCAL plpgsql.variable_conflict = use_column'),
    (6, 'SET LOCAL transform_null_equals = on; SET LOCAL array_nulls = off; SET LOCAL quote_all_identifiers = on; SET LOCAL plpgsql.variable_conflict = use_variable'),
    (7, 'SET LOCAL standard_conforming_strings = off; SET LOCAL escape_string_warning = on; SET LOCAL backslash_quote = off; SET LOCAL client_encoding = LATIN1; SET LOCAL lo_compat_privileges = on'),
    (8, 'SET LOCAL client_encoding = SQL_ASCII; SET LOCAL search_path = pg_temp, wallet, nowhere; SET LOCAL default_text_search_config = simple; SET LOCAL extra_float_digits = -15'),
    (9, 'SET LOCAL datestyle = german; SET LOCAL intervalstyle = sql_standard; SET LOCAL timezone = ''Asia/Kolkata''; SET LOCAL bytea_output = escape; SET LOCAL xmlbinary = hex; SET LOCAL xmloption = document'),
    (10, 'SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = off; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL constraint_exclusion = on'),
    (11, 'SET LOCAL search_path = ''''; SET LOCAL default_transaction_isolation = serializable; SET LOCAL default_transaction_read_only = on; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = ''50ms'''),
    (12, 'ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_wallet_guest; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_wallet_guest; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_wallet_guest; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_wallet_guest; ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_wallet_guest'),
    (13, 'ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC')
) AS s (n, settings) ORDER BY n;

-- A partition goes where its table has been put, with its index; who rotates has no say in that.
\pset tuples_only off
CREATE EXTENSION pg_wallet;
SELECT wallet_id FROM wallet_create(1, 10);
ALTER TABLE wallet.request SET TABLESPACE regress_wallet_space;
SET default_tablespace = pg_default;
SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}') IS NOT NULL AS queued;
SELECT wallet_rotate_requests();
SELECT c.relname, coalesce(t.spcname, 'the database''s') AS tablespace FROM pg_class AS c LEFT JOIN pg_tablespace AS t ON t.oid = c.reltablespace
    WHERE c.relname ~ '^(request|outcome)_[0-9]+(_pkey)?$' ORDER BY c.relname COLLATE "C";
SELECT wallet_process();
SELECT * FROM pg_temp.faults();
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
RESET default_tablespace;
DROP TABLESPACE regress_wallet_space;
DROP ACCESS METHOD regress_wallet_heap;
DROP ROLE regress_wallet_guest;
