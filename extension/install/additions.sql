/* Columns, indexes, constraints, triggers and settings that an owner adds, and how a dump keeps them */

/*
 * The tables are members of the extension, so pg_dump keeps their rows and says nothing of what an
 * owner has added to them.  A restore would fail at the first COPY that names an added column, and
 * lose the rest without a word.  So:
 *
 * - wallet.made keeps what CREATE EXTENSION has made, as wallet.shape() of shape.sql describes it.
 * - After a command that concerns the tables, an event trigger compares, and writes what has been
 *   added into the body of the function wallet.additions().  That function is no member, so pg_dump
 *   keeps it, before all tables and rows, and after most types.  A second one, wallet.addition_types(),
 *   depends on the types of the columns, so pg_dump puts it after the last of them.
 * - When a restore makes wallet.additions(), an event trigger adds the columns at once (and what the
 *   rows are stored by, and unique keys that a foreign key may need), and keeps the rest in
 *   wallet.addition.  A column whose type is not there yet takes text, until the type is.  When the
 *   restore ends, which is the refresh of wallet.opening, another one adds the rest.  Indexes of
 *   partitioned tables come in between, before pg_dump attaches their parts.
 *
 * An addition that cannot be made again is left in wallet.addition with the error, and costs nothing
 * else.  pg_upgrade carries everything along as it is: no event trigger is there while it restores.
 */

CREATE TABLE wallet.made (
    object text COLLATE "C" PRIMARY KEY,
    how text COLLATE "C" NOT NULL,
    statement text COLLATE "C" NOT NULL,
    undo text COLLATE "C",
    relation text COLLATE "C" NOT NULL
);
COMMENT ON TABLE wallet.made IS 'the tables as CREATE EXTENSION has made them: what differs has been added by an owner';
COMMENT ON COLUMN wallet.made.undo IS 'what takes a setting back to the server''s default';

CREATE TABLE wallet.addition (
    object text COLLATE "C" PRIMARY KEY,
    step integer NOT NULL,
    position bigint NOT NULL,
    how text COLLATE "C" NOT NULL,
    statement text COLLATE "C" NOT NULL,
    error text COLLATE "C"
);
COMMENT ON TABLE wallet.addition IS 'what a restored dump has added to the tables, as long as it has not been added here';
COMMENT ON COLUMN wallet.addition.error IS 'why it could not be added; null: not tried yet';

/*
 * What wallet.additions() says is carried out with the rights of the extension's owner: so it counts only
 * where that owner, or a superuser, has made it, whoever else may create things in the schema.
 */
CREATE FUNCTION wallet.additions_are_trusted() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.rolsuper OR p.proowner = (SELECT c.relowner FROM pg_class AS c WHERE c.oid = 'wallet.made'::regclass)
        FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
        WHERE p.oid = to_regprocedure('wallet.additions()')
$$;
COMMENT ON FUNCTION wallet.additions_are_trusted() IS
    'whether wallet.additions(), which keeps the additions of an owner in a dump, is the owner''s; null: there is none';

/* What wallet.additions() says.  It may be absent, and is changed under way: so the statement is a new one each time. */
CREATE FUNCTION wallet.recorded_additions()
RETURNS TABLE (step integer, how text, object text, statement text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF wallet.additions_are_trusted() THEN
        RETURN QUERY EXECUTE 'SELECT a.step, a.how, a.object, a.statement FROM wallet.additions() AS a';
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.recorded_additions() IS 'what an owner has added to the tables, as a dump keeps it';

/* An upgrade script that changes tables ends with it, too: what an owner has added stays an addition. */
CREATE FUNCTION wallet.keep_shape() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    DELETE FROM wallet.made AS m
        WHERE m.object <> ALL (ARRAY(SELECT a.object FROM wallet.recorded_additions() AS a));
    INSERT INTO wallet.made (object, how, statement, undo, relation)
        SELECT s.object, s.how, s.statement, s.undo, s.relation
            FROM wallet.shape() AS s
            WHERE s.object <> ALL (ARRAY(SELECT a.object FROM wallet.recorded_additions() AS a));
END
$$;
COMMENT ON FUNCTION wallet.keep_shape() IS 'takes the tables as they are, but for recorded additions, for what CREATE EXTENSION has made';

/* What differs from what CREATE EXTENSION has made, and what has yet to be added after a restore. */
CREATE FUNCTION wallet.present_additions()
RETURNS TABLE (step integer, how text, object text, statement text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH shape AS MATERIALIZED (
        SELECT s.* FROM wallet.shape() AS s
    ), addition AS (
        SELECT s.step, s.how, s.object, s.statement
            FROM shape AS s LEFT JOIN wallet.made AS m USING (object)
            WHERE m.object IS NULL OR s.how = 'set' AND m.statement <> s.statement
        UNION ALL
        SELECT 17, 'reset', m.object, m.undo
            FROM wallet.made AS m
            WHERE m.undo IS NOT NULL AND to_regclass(m.relation) IS NOT NULL
                AND NOT EXISTS (SELECT FROM shape AS s WHERE s.object = m.object)
    )
    SELECT a.step, a.how, a.object, a.statement FROM addition AS a
    UNION ALL
    SELECT p.step, p.how, p.object, p.statement FROM wallet.addition AS p
        WHERE NOT EXISTS (SELECT FROM addition AS a WHERE a.object = p.object)
    ORDER BY 1, 3;
END
$$;
COMMENT ON FUNCTION wallet.present_additions() IS 'what an owner has added to the tables, as they are now';

/* Types and collations of the columns: pg_dump puts them before a function that names them. */
CREATE FUNCTION wallet.addition_needs() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH col AS (
        SELECT a.attrelid, a.attnum, a.atttypid, a.attcollation
            FROM pg_attribute AS a
            WHERE a.attrelid IN (SELECT to_regclass(m.relation) FROM wallet.made AS m) AND a.attnum > 0 AND NOT a.attisdropped
    ), needed (text) AS (
        SELECT format('NULL::%s IS NULL', format_type(t.id, NULL))
            FROM (SELECT c.atttypid FROM col AS c
                  UNION
                  SELECT d.refobjid
                      FROM col AS c
                          JOIN pg_attrdef AS ad ON ad.adrelid = c.attrelid AND ad.adnum = c.attnum
                          JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid
                      WHERE d.refclassid = 'pg_type'::regclass) AS t (id)
            WHERE t.id >= 16384
        UNION
        SELECT format('NULL::text COLLATE %I.%I IS NULL', n.nspname, l.collname)
            FROM col AS c
                JOIN pg_collation AS l ON l.oid = c.attcollation
                JOIN pg_namespace AS n ON n.oid = l.collnamespace
            WHERE l.oid >= 16384
    )
    SELECT string_agg(' OR ' || n.text, '' ORDER BY n.text) FROM needed AS n
$$;
COMMENT ON FUNCTION wallet.addition_needs() IS 'a condition that names the types and collations of added columns';

/*
 * Write wallet.additions() anew where it does not say what has been added.  The lock is held until the
 * transaction ends, so that two sessions do so one after the other.  While a restore is under way, the
 * function stays as the dump has it: parallel jobs would wait for each other in a circle.
 */
CREATE FUNCTION wallet.record_additions() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    old text;
    new text;
    granted text;
BEGIN
    IF EXISTS (SELECT FROM wallet.addition AS a WHERE a.error IS NULL) THEN
        RETURN;
    END IF;
    LOCK TABLE wallet.made IN SHARE ROW EXCLUSIVE MODE;
    SELECT string_agg(format('(%s, %L, %L, %L)', a.step, a.how, a.object, a.statement), E',\n' ORDER BY a.step, a.object)
        INTO old FROM wallet.recorded_additions() AS a;
    SELECT string_agg(format('(%s, %L, %L, %L)', a.step, a.how, a.object, a.statement), E',\n' ORDER BY a.step, a.object)
        INTO new FROM wallet.present_additions() AS a;
    IF old IS NOT DISTINCT FROM new THEN
        RETURN;
    END IF;
    PERFORM set_config('wallet_additions.busy', 'on', true);
    IF NOT wallet.additions_are_trusted() THEN
        DROP ROUTINE wallet.additions();
    END IF;
    IF new IS NULL THEN
        DROP FUNCTION wallet.additions(), wallet.addition_types();
    ELSE
        EXECUTE format('CREATE OR REPLACE FUNCTION wallet.additions(OUT step integer, OUT how text, OUT object text, OUT statement text) '
            'RETURNS SETOF record LANGUAGE sql STABLE BEGIN ATOMIC '
            'SELECT v.step, v.how, v.object, v.statement FROM (VALUES %s) AS v (step, how, object, statement); END', new);
        EXECUTE format('CREATE OR REPLACE FUNCTION wallet.addition_types() RETURNS boolean LANGUAGE sql STABLE '
            'BEGIN ATOMIC SELECT true%s; END', wallet.addition_needs());
        ALTER FUNCTION wallet.additions() DEPENDS ON EXTENSION pg_wallet;
        ALTER FUNCTION wallet.addition_types() DEPENDS ON EXTENSION pg_wallet;
        COMMENT ON FUNCTION wallet.additions() IS
            'what an owner has added to the tables of pg_wallet, for a restore of a dump; written by an event trigger';
        COMMENT ON FUNCTION wallet.addition_types() IS
            'names the types of all columns of pg_wallet, so that a dump has the types before this function';
        FOR granted IN
            SELECT format('%s FROM %s', p.oid::regprocedure, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
                FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                WHERE p.oid IN ('wallet.additions()'::regprocedure, 'wallet.addition_types()'::regprocedure) AND a.grantee <> p.proowner
        LOOP
            EXECUTE 'REVOKE ALL ON FUNCTION ' || granted;
        END LOOP;
    END IF;
    PERFORM set_config('wallet_additions.busy', '', true);
END
$$;
COMMENT ON FUNCTION wallet.record_additions() IS 'writes wallet.additions(), which a dump keeps';

/* Whether an addition of a dump is there; so it is where pg_dump has made it, as it makes policies. */
CREATE FUNCTION wallet.forget_made_additions() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH shape AS MATERIALIZED (
        SELECT s.object, s.statement FROM wallet.shape() AS s
    )
    DELETE FROM wallet.addition AS a
        WHERE CASE a.how
              WHEN 'create' THEN EXISTS (SELECT FROM shape AS s WHERE s.object = a.object)
              WHEN 'reset' THEN NOT EXISTS (SELECT FROM shape AS s WHERE s.object = a.object)
              ELSE EXISTS (SELECT FROM shape AS s WHERE s.object = a.object AND s.statement = a.statement) END
$$;
COMMENT ON FUNCTION wallet.forget_made_additions() IS 'forgets what need not be added any more';

/*
 * Whatever stands in the way of a column, the rows of its table must find one: its text will do until
 * the end of the restore, where the column gets its type.
 */
CREATE FUNCTION wallet.make_text_column(column_object text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name CONSTANT text[] := regexp_match(column_object, '^column (wallet[.][a-z0-9_]+)[.](.*)$');
BEGIN
    EXECUTE format('ALTER TABLE %s ADD COLUMN %s text', name[1], name[2]);
END
$$;
COMMENT ON FUNCTION wallet.make_text_column(text) IS 'adds a column that takes any value of a restored dump';

/*
 * Add what a restored dump has, of the steps up to this one.  One that fails is tried again at the end
 * of the restore; then it stays, with its error, until somebody calls wallet_restore_additions().  The
 * lock keeps parallel jobs of a restore apart.
 */
CREATE FUNCTION wallet.make_additions(first_step integer, last_step integer, again boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    entry wallet.addition;
    message text;
    step_now integer;
BEGIN
    LOCK TABLE wallet.addition IN SHARE ROW EXCLUSIVE MODE;
    PERFORM set_config('wallet_additions.busy', 'on', true);
    -- The columns first: each brings its type and default, which need not be set then.
    FOREACH step_now IN ARRAY ARRAY[10, last_step] LOOP
        PERFORM wallet.forget_made_additions();
        FOR entry IN
            SELECT a.* FROM wallet.addition AS a
                WHERE a.step BETWEEN first_step AND step_now AND (again OR a.error IS NULL) ORDER BY a.step, a.position
        LOOP
            BEGIN
                EXECUTE entry.statement;
                DELETE FROM wallet.addition AS a WHERE a.object = entry.object;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
                IF entry.step = 10 AND last_step < 1000 THEN
                    PERFORM wallet.make_text_column(entry.object);
                ELSIF last_step = 1000 THEN
                    UPDATE wallet.addition AS a SET error = message WHERE a.object = entry.object;
                    RAISE WARNING 'could not add to the restored tables: %', entry.object
                        USING DETAIL = format('%s: %s', entry.statement, message),
                              HINT = 'Everything else is restored. wallet_additions() shows what is missing, and wallet_restore_additions() tries again.';
                END IF;
            END;
        END LOOP;
    END LOOP;
    PERFORM wallet.forget_made_additions();
    PERFORM set_config('wallet_additions.busy', '', true);
END
$$;
COMMENT ON FUNCTION wallet.make_additions(integer, integer, boolean) IS 'adds to the tables what a restored dump has added to them';

/* A restore has made wallet.additions(). */
CREATE FUNCTION wallet.take_additions() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF NOT wallet.additions_are_trusted() THEN
        RAISE EXCEPTION 'the function wallet.additions() belongs to the owner of the extension'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO wallet.addition (object, step, position, how, statement)
        SELECT a.object, a.step, row_number() OVER (), a.how, a.statement FROM wallet.recorded_additions() AS a
        ON CONFLICT DO NOTHING;
    PERFORM wallet.make_additions(0, 19);
END
$$;
COMMENT ON FUNCTION wallet.take_additions() IS 'adds what has to be there before the rows of a restore come, and keeps the rest for its end';

CREATE FUNCTION wallet.is_used(class oid, id oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_depend AS d
                LEFT JOIN pg_constraint AS c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
                LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
                LEFT JOIN pg_attrdef AS a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
                LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
                LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
                JOIN pg_class AS r ON r.oid = coalesce(c.conrelid, t.tgrelid, a.adrelid, w.ev_class, p.polrelid,
                                                       CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END)
            WHERE d.refclassid = class AND d.refobjid = id AND r.relnamespace = 'wallet'::regnamespace)
$$;
COMMENT ON FUNCTION wallet.is_used(oid, oid) IS 'whether something on a table of ours depends on this object';

/*
 * After a command.  What it has done is looked at only where it may concern our tables: themselves, what
 * stands on them, or something that has been renamed and that they may use.
 */
CREATE FUNCTION wallet.note_command() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF current_setting('wallet_additions.busy', true) = 'on' THEN
        RETURN;
    END IF;
    IF tg_tag = 'CREATE FUNCTION' THEN
        IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c
                       WHERE c.classid = 'pg_proc'::regclass AND c.objid = to_regprocedure('wallet.additions()')) THEN
            PERFORM wallet.take_additions();
        ELSIF EXISTS (SELECT FROM wallet.addition AS a WHERE a.error IS NULL)
            AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c
                            WHERE c.classid = 'pg_proc'::regclass AND c.objid = to_regprocedure('wallet.addition_types()')) THEN
            PERFORM wallet.make_additions(0, 19);
        END IF;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c
                   WHERE NOT c.in_extension
                       AND (c.schema_name = 'wallet' OR c.object_identity ~ '(^| on )wallet[.]'
                            OR c.object_type IN ('publication', 'publication relation', 'statistics object')
                            OR tg_tag = 'ALTER SCHEMA'
                            OR tg_tag ~ '^ALTER ' AND wallet.additions_are_trusted() AND wallet.is_used(c.classid, c.objid))) THEN
        PERFORM wallet.record_additions();
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.note_command() IS 'event trigger: records what a command has added to the tables, and takes what a restore brings';

CREATE FUNCTION wallet.note_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    -- ALTER TABLE ends with an event of its own.
    IF tg_tag <> 'ALTER TABLE' AND current_setting('wallet_additions.busy', true) IS DISTINCT FROM 'on'
        AND EXISTS (SELECT FROM pg_event_trigger_dropped_objects() AS d
                        WHERE (d.schema_name = 'wallet' OR d.object_identity ~ '(^| on |^for )wallet[.]'
                               OR d.object_type IN ('publication relation', 'statistics object'))
                            AND d.object_identity NOT IN ('wallet.additions()', 'wallet.addition_types()')) THEN
        PERFORM wallet.record_additions();
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.note_drop() IS 'event trigger: records that something added to the tables has been dropped';

/* Before pg_dump attaches an index of a partition, and at the very end. */
CREATE FUNCTION wallet.note_restore() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first_step CONSTANT integer := CASE tg_tag WHEN 'ALTER INDEX' THEN 30 ELSE 0 END;
    last_step CONSTANT integer := CASE tg_tag WHEN 'ALTER INDEX' THEN 39 ELSE 1000 END;
BEGIN
    IF current_setting('wallet_additions.busy', true) IS DISTINCT FROM 'on'
        AND EXISTS (SELECT FROM wallet.addition AS a WHERE a.error IS NULL AND a.step BETWEEN first_step AND last_step)
        AND pg_has_role(session_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = 'wallet.addition'::regclass), 'MEMBER') THEN
        PERFORM wallet.make_additions(first_step, last_step);
        PERFORM wallet.record_additions();
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.note_restore() IS 'event trigger: adds the rest of what a restored dump has added to the tables';

/*
 * What a session has set must not change how the functions of this part read the catalog and print
 * what they find: their bodies need every kind of plan to be quick, and the recorded statements must
 * come out the same each time.
 */
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['recorded_additions', 'keep_shape', 'present_additions', 'addition_needs', 'record_additions',
                                'forget_made_additions', 'make_additions', 'take_additions', 'is_used',
                                'note_command', 'note_drop', 'note_restore'] LOOP
        EXECUTE format('ALTER FUNCTION wallet.%I SET jit = off SET quote_all_identifiers = off '
            'SET standard_conforming_strings = on SET enable_nestloop = on SET enable_hashjoin = on '
            'SET enable_seqscan = on SET enable_indexscan = on', name);
    END LOOP;
END
$$;

CREATE FUNCTION @extschema@.wallet_additions()
RETURNS TABLE (object text, statement text, in_place boolean, error text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT a.object, a.statement, p.object IS NULL, p.error
        FROM wallet.present_additions() AS a LEFT JOIN wallet.addition AS p USING (object)
        ORDER BY a.step, a.object
$$;
COMMENT ON FUNCTION @extschema@.wallet_additions() IS
    'what an owner has added to the tables, and whether a restore has added it here';

CREATE FUNCTION @extschema@.wallet_restore_additions() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM wallet.make_additions(0, 1000, true);
    PERFORM wallet.record_additions();
    RETURN (SELECT count(*) FROM wallet.addition);
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_restore_additions() IS
    'adds what a restore has left out, and returns how much could not be added';

CREATE EVENT TRIGGER pg_wallet_note_command ON ddl_command_end
    WHEN TAG IN ('CREATE FUNCTION', 'ALTER TABLE', 'CREATE INDEX', 'ALTER INDEX', 'CREATE TRIGGER', 'ALTER TRIGGER',
                 'CREATE RULE', 'ALTER RULE', 'CREATE POLICY', 'ALTER POLICY', 'CREATE STATISTICS', 'ALTER STATISTICS',
                 'CREATE PUBLICATION', 'ALTER PUBLICATION', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'COMMENT',
                 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER SCHEMA', 'ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE',
                 'ALTER COLLATION', 'ALTER SEQUENCE')
    EXECUTE FUNCTION wallet.note_command();
CREATE EVENT TRIGGER pg_wallet_note_drop ON sql_drop
    EXECUTE FUNCTION wallet.note_drop();
CREATE EVENT TRIGGER pg_wallet_note_restore ON ddl_command_start
    WHEN TAG IN ('ALTER INDEX', 'REFRESH MATERIALIZED VIEW')
    EXECUTE FUNCTION wallet.note_restore();
ALTER EVENT TRIGGER pg_wallet_note_command ENABLE ALWAYS;
ALTER EVENT TRIGGER pg_wallet_note_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER pg_wallet_note_restore ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pg_wallet_note_command IS 'a dump keeps what an owner adds to the tables';
COMMENT ON EVENT TRIGGER pg_wallet_note_drop IS 'a dump keeps what an owner adds to the tables';
COMMENT ON EVENT TRIGGER pg_wallet_note_restore IS 'a restore adds what an owner had added to the tables';

SELECT wallet.keep_shape();
