/* A description of the tables, from the catalogs */

/*
 * All that CREATE and ALTER can say of our tables, each object with the statement that makes it.  In
 * PL/pgSQL, since a session then plans this long query once.
 * Steps below 20 are taken before the rows come, from 30 to 39 before pg_dump attaches indexes.
 * how: 'create' makes an object, and nothing is to be done where one of that name is; 'set' is said
 * again where the statement would be another one; 'reset' takes back what CREATE EXTENSION has set.
 */
CREATE FUNCTION wallet.shape()
RETURNS TABLE (step integer, how text, object text, statement text, undo text, relation text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off SET datestyle = iso SET intervalstyle = postgres SET timezone = 'UTC' SET bytea_output = hex
    SET extra_float_digits = 1 SET enable_nestloop = on SET enable_hashjoin = on SET enable_mergejoin = on SET enable_seqscan = on
    SET enable_indexscan = on SET enable_bitmapscan = on SET enable_sort = on SET enable_hashagg = on SET enable_material = on SET jit = off
    SET standard_conforming_strings = on AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH rel AS MATERIALIZED (
        SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name,
               CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
            FROM pg_depend AS d
                JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_wallet'
                JOIN pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm', 'v')
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    ), col AS MATERIALIZED (
        SELECT r.name, r.kind, r.relispartition, a.*, format('%s.%I', r.name, a.attname) AS column_name,
               format('ALTER TABLE %s ALTER COLUMN %I', r.name, a.attname) AS alter,
               format_type(a.atttypid, a.atttypmod) AS type, t.typstorage,
               pg_get_expr(ad.adbin, ad.adrelid) AS expression,
               -- Nothing but types has to be there before such a default or generated column.
               NOT EXISTS (SELECT FROM pg_depend AS d
                               WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid AND d.deptype = 'n'
                                   AND d.refclassid NOT IN ('pg_type'::regclass, 'pg_collation'::regclass)
                                   AND d.refobjid <> a.attrelid) AS is_simple,
               CASE WHEN a.attcollation <> t.typcollation
                   THEN (SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
                             FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace
                             WHERE l.oid = a.attcollation) END AS collation
            FROM rel AS r
                JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                JOIN pg_type AS t ON t.oid = a.atttypid
                LEFT JOIN pg_attrdef AS ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
            WHERE r.relkind IN ('r', 'p')
    ), idx AS MATERIALIZED (
        SELECT r.name, r.relkind AS table_kind, i.*, x.relkind, x.reloptions, x.reltablespace,
               format('%I.%I', n.nspname, x.relname) AS index_name,
               parent.inhparent::regclass::text AS parent,
               c.conname, pg_get_constraintdef(c.oid) AS definition, c.contype,
               r.relkind = 'r' AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL AS is_plain_key
            FROM rel AS r
                JOIN pg_index AS i ON i.indrelid = r.oid
                JOIN pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_namespace AS n ON n.oid = x.relnamespace
                LEFT JOIN pg_inherits AS parent ON parent.inhrelid = x.oid
                LEFT JOIN pg_constraint AS c ON c.conindid = x.oid AND c.contype IN ('p', 'u', 'x')
            WHERE i.indisvalid OR x.relkind = 'I'
    ), described AS (
        SELECT 'pg_class'::regclass AS class, r.oid AS id, r.name FROM rel AS r
        UNION ALL
        SELECT 'pg_class'::regclass, i.indexrelid, i.name FROM idx AS i
        UNION ALL
        SELECT 'pg_constraint'::regclass, c.oid, r.name FROM pg_constraint AS c JOIN rel AS r ON r.oid = c.conrelid
        UNION ALL
        SELECT 'pg_trigger'::regclass, t.oid, r.name FROM pg_trigger AS t JOIN rel AS r ON r.oid = t.tgrelid
            WHERE NOT t.tgisinternal AND t.tgparentid = 0
        UNION ALL
        SELECT 'pg_rewrite'::regclass, w.oid, r.name FROM pg_rewrite AS w JOIN rel AS r ON r.oid = w.ev_class
            WHERE w.rulename <> '_RETURN'
        UNION ALL
        SELECT 'pg_policy'::regclass, p.oid, r.name FROM pg_policy AS p JOIN rel AS r ON r.oid = p.polrelid
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid, r.name FROM pg_statistic_ext AS s JOIN rel AS r ON r.oid = s.stxrelid
    )
    -- Columns.  Those of a partition come and go with the parent's.
    SELECT CASE WHEN c.attgenerated <> '' AND NOT c.is_simple THEN 22 ELSE 10 END, 'create', 'column ' || c.column_name,
           format('ALTER TABLE %s ADD COLUMN %I %s%s%s', c.name, c.attname, c.type, c.collation,
               CASE WHEN c.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s)%s', c.expression, CASE c.attgenerated WHEN 's' THEN ' STORED' END)
                    WHEN c.expression IS NOT NULL AND c.is_simple THEN ' DEFAULT ' || c.expression END),
           NULL, c.name
        FROM col AS c WHERE NOT c.relispartition
    UNION ALL
    SELECT 12, 'set', 'type of column ' || c.column_name,
           format('%s TYPE %s%s USING %I::text::%s', c.alter, c.type, c.collation, c.attname, c.type), NULL, c.name
        FROM col AS c WHERE NOT c.relispartition AND c.attgenerated = ''
    UNION ALL
    SELECT 14, 'create', 'not null of column ' || c.column_name, c.alter || ' SET NOT NULL', NULL, c.name
        FROM col AS c WHERE c.attnotnull AND NOT c.relispartition
    UNION ALL
    SELECT 20, 'set', 'default of column ' || c.column_name, format('%s SET DEFAULT %s', c.alter, c.expression), NULL, c.name
        FROM col AS c WHERE c.expression IS NOT NULL AND c.attgenerated = ''
    UNION ALL
    -- pg_dump does not keep the numbers of such a sequence: it goes on after those that are in the table.
    SELECT 24, 'create', 'identity of column ' || c.column_name,
           format('%s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s); '
                  'SELECT setval(%L, m.last) FROM (SELECT %s(t.%I) AS last FROM %s AS t) AS m WHERE m.last IS NOT NULL',
               c.alter, CASE c.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
               g.name, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' END,
               g.name, CASE WHEN q.seqincrement > 0 THEN 'max' ELSE 'min' END, c.attname, c.name), NULL, c.name
        FROM col AS c
            JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.attrelid AND d.refobjsubid = c.attnum
                AND d.classid = 'pg_class'::regclass AND d.deptype = 'i'
            JOIN pg_sequence AS q ON q.seqrelid = d.objid
            CROSS JOIN LATERAL (SELECT q.seqrelid::regclass::text) AS g (name)
        WHERE c.attidentity <> '' AND NOT c.relispartition
    UNION ALL
    SELECT 26, 'create', format('column %s of sequence %I.%I', c.column_name, n.nspname, q.relname),
           format('ALTER SEQUENCE %I.%I OWNED BY %s', n.nspname, q.relname, c.column_name), NULL, c.name
        FROM col AS c
            JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.attrelid AND d.refobjsubid = c.attnum
                AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
            JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
            JOIN pg_namespace AS n ON n.oid = q.relnamespace
    UNION ALL
    SELECT 16, 'set', 'storage of column ' || c.column_name,
           format('%s SET STORAGE %s', c.alter, word.storage), format('%s SET STORAGE %s', c.alter, word.type), c.name
        FROM col AS c
            CROSS JOIN LATERAL (SELECT max(v.word) FILTER (WHERE v.letter = c.attstorage), max(v.word) FILTER (WHERE v.letter = c.typstorage)
                                    FROM (VALUES ('p', 'PLAIN'), ('e', 'EXTERNAL'), ('m', 'MAIN'), ('x', 'EXTENDED')) AS v (letter, word)) AS word (storage, type)
        WHERE c.attstorage <> c.typstorage
    UNION ALL
    SELECT 16, 'set', 'compression of column ' || c.column_name,
           format('%s SET COMPRESSION %s', c.alter, CASE c.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END), c.alter || ' SET COMPRESSION default', c.name
        FROM col AS c WHERE c.attcompression <> ''
    UNION ALL
    SELECT 16, 'set', 'statistics of column ' || c.column_name,
           format('%s SET STATISTICS %s', c.alter, c.attstattarget), c.alter || ' SET STATISTICS -1', c.name
        FROM col AS c WHERE c.attstattarget >= 0
    UNION ALL
    SELECT 16, 'set', format('option %s of column %s', o.option_name, c.column_name),
           format('%s SET (%s = %L)', c.alter, o.option_name, o.option_value), format('%s RESET (%s)', c.alter, o.option_name), c.name
        FROM col AS c CROSS JOIN LATERAL pg_options_to_table(c.attoptions) AS o
        -- What an owner can set; a server may keep values of its own beside them.
        WHERE o.option_name IN ('n_distinct', 'n_distinct_inherited')
    -- How rows are stored.
    UNION ALL
    SELECT 15, 'set', 'access method of ' || r.name, format('ALTER %s %s SET ACCESS METHOD %I', r.kind, r.name, m.amname), NULL, r.name
        FROM rel AS r JOIN pg_am AS m ON m.oid = r.relam
    UNION ALL
    SELECT 15, 'set', 'tablespace of ' || r.name, format('ALTER %s %s SET TABLESPACE %I', r.kind, r.name, t.spcname), NULL, r.name
        FROM rel AS r JOIN pg_tablespace AS t ON t.oid = r.reltablespace
    UNION ALL
    SELECT 16, 'set', format('option %s%s of %s', o.prefix, o.option_name, r.name),
           format('ALTER %s %s SET (%s%s = %L)', r.kind, r.name, o.prefix, o.option_name, o.option_value),
           format('ALTER %s %s RESET (%s%s)', r.kind, r.name, o.prefix, o.option_name), r.name
        FROM rel AS r
            LEFT JOIN pg_class AS t ON t.oid = r.reltoastrelid
            CROSS JOIN LATERAL (SELECT '' AS prefix, p.* FROM pg_options_to_table(r.reloptions) AS p
                                UNION ALL SELECT 'toast.', p.* FROM pg_options_to_table(t.reloptions) AS p) AS o
    -- Indexes, and the constraints that have one.
    UNION ALL
    SELECT CASE WHEN i.relkind = 'I' THEN 30 WHEN i.parent IS NOT NULL THEN 31
                WHEN i.is_plain_key THEN 18 WHEN i.contype IS NOT NULL THEN 44 ELSE 40 END, 'create',
           CASE WHEN i.contype IS NULL THEN 'index ' || i.index_name ELSE format('constraint %I on %s', i.conname, i.name) END,
           CASE WHEN i.contype IS NULL THEN pg_get_indexdef(i.indexrelid)
                ELSE format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s', i.name, i.conname, i.definition) END, NULL, i.name
        FROM idx AS i
    UNION ALL
    SELECT 32, 'create', 'place of index ' || i.index_name, format('ALTER INDEX %s ATTACH PARTITION %s', i.parent, i.index_name), NULL, i.name
        FROM idx AS i WHERE i.parent IS NOT NULL
    UNION ALL
    SELECT 42, 'set', format('option %s of index %s', o.option_name, i.index_name),
           format('ALTER INDEX %s SET (%s = %L)', i.index_name, o.option_name, o.option_value),
           format('ALTER INDEX %s RESET (%s)', i.index_name, o.option_name), i.name
        FROM idx AS i CROSS JOIN LATERAL pg_options_to_table(i.reloptions) AS o
    UNION ALL
    SELECT 42, 'set', 'tablespace of index ' || i.index_name, format('ALTER INDEX %s SET TABLESPACE %I', i.index_name, t.spcname), NULL, i.name
        FROM idx AS i JOIN pg_tablespace AS t ON t.oid = i.reltablespace WHERE i.relkind = 'i'
    UNION ALL
    SELECT 68, 'set', 'clustering of ' || i.name,
           format('ALTER TABLE %s CLUSTER ON %s', i.name, substr(i.index_name, strpos(i.index_name, '.') + 1)), NULL, i.name
        FROM idx AS i WHERE i.indisclustered
    -- Other constraints.  Those of partitions are the parent's.
    UNION ALL
    SELECT CASE c.contype WHEN 'c' THEN 46 ELSE 48 END, 'create', format('constraint %I on %s', c.conname, r.name),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.name, c.conname, pg_get_constraintdef(c.oid)), NULL, r.name
        FROM pg_constraint AS c JOIN rel AS r ON r.oid = c.conrelid
        WHERE c.contype IN ('c', 'f') AND c.conparentid = 0 AND c.conislocal
    -- What observes and changes rows.
    UNION ALL
    SELECT 50, 'create', format('statistics %I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid), NULL, r.name
        FROM pg_statistic_ext AS s JOIN rel AS r ON r.oid = s.stxrelid JOIN pg_namespace AS n ON n.oid = s.stxnamespace
    UNION ALL
    SELECT 52, 'set', format('target of statistics %I.%I', n.nspname, s.stxname),
           format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, s.stxstattarget), NULL, r.name
        FROM pg_statistic_ext AS s JOIN rel AS r ON r.oid = s.stxrelid JOIN pg_namespace AS n ON n.oid = s.stxnamespace
        WHERE s.stxstattarget >= 0
    UNION ALL
    SELECT 60, 'create', format('rule %I on %s', w.rulename, r.name), pg_get_ruledef(w.oid), NULL, r.name
        FROM pg_rewrite AS w JOIN rel AS r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT 62, 'create', format('trigger %I on %s', t.tgname, r.name), pg_get_triggerdef(t.oid), NULL, r.name
        FROM pg_trigger AS t JOIN rel AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT 64, 'set', format('firing of %s %I on %s', lower(f.kind), f.name, r.name),
           format('ALTER TABLE %s %s %s %I', r.name,
               CASE f.enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, f.kind, f.name), NULL, r.name
        FROM rel AS r
            JOIN (SELECT t.tgrelid, 'TRIGGER', t.tgname, t.tgenabled FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
                      -- Those that guard the tables are on in every restored database.
                      WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND p.pronamespace <> 'wallet'::regnamespace
                  UNION ALL
                  SELECT w.ev_class, 'RULE', w.rulename, w.ev_enabled FROM pg_rewrite AS w
                      WHERE w.rulename <> '_RETURN') AS f (relation, kind, name, enabled) ON f.relation = r.oid
        WHERE f.enabled <> 'O'
    UNION ALL
    SELECT 66, 'create', format('policy %I on %s', p.polname, r.name),
           format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, r.name,
               CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               (SELECT string_agg(CASE u.id WHEN 0 THEN 'PUBLIC' ELSE u.id::regrole::text END, ', ') FROM unnest(p.polroles) AS u (id)),
               format(' USING (%s)', nullif(pg_get_expr(p.polqual, p.polrelid), '')),
               ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), NULL, r.name
        FROM pg_policy AS p JOIN rel AS r ON r.oid = p.polrelid
    UNION ALL
    SELECT 66, 'set', 'row security of ' || r.name, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.name), NULL, r.name
        FROM rel AS r WHERE r.relrowsecurity
    UNION ALL
    SELECT 66, 'set', 'row security for the owner of ' || r.name, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', r.name), NULL, r.name
        FROM rel AS r WHERE r.relforcerowsecurity
    UNION ALL
    SELECT 68, 'set', 'replica identity of ' || r.name,
           format('ALTER TABLE %s REPLICA IDENTITY %s', r.name,
               CASE r.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
                   ELSE (SELECT format('USING INDEX %I', x.relname) FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
                             WHERE i.indrelid = r.oid AND i.indisreplident) END),
           format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', r.name), r.name
        FROM rel AS r WHERE r.relkind IN ('r', 'p') AND r.relreplident <> 'd'
    UNION ALL
    SELECT 70, 'create', format('inheritance of %s from %s', r.name, i.inhparent::regclass),
           format('ALTER TABLE %s INHERIT %s', r.name, i.inhparent::regclass), NULL, r.name
        FROM rel AS r JOIN pg_inherits AS i ON i.inhrelid = r.oid WHERE NOT r.relispartition
    UNION ALL
    SELECT 80, 'create', format('publication of %s by %I', r.name, p.pubname),
           format('ALTER PUBLICATION %I ADD TABLE ONLY %s%s%s', p.pubname, r.name,
               (SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY u.position) || ')'
                    FROM unnest(m.prattrs::smallint[]) WITH ORDINALITY AS u (number, position)
                        JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = u.number),
               ' WHERE (' || pg_get_expr(m.prqual, m.prrelid) || ')'), NULL, r.name
        FROM pg_publication_rel AS m JOIN rel AS r ON r.oid = m.prrelid JOIN pg_publication AS p ON p.oid = m.prpubid
    UNION ALL
    SELECT 90, 'set', format('comment on %s %s', o.type, o.identity),
           format('COMMENT ON %s %s IS %L',
               CASE WHEN o.type LIKE '% column' THEN 'COLUMN' WHEN o.type = 'table constraint' THEN 'CONSTRAINT'
                    WHEN o.type = 'statistics object' THEN 'STATISTICS' ELSE upper(o.type) END, o.identity, t.description), NULL, d.name
        FROM described AS d
            JOIN pg_description AS t ON t.classoid = d.class AND t.objoid = d.id
            CROSS JOIN LATERAL pg_identify_object(t.classoid, t.objoid, t.objsubid) AS o;
END
$$;
COMMENT ON FUNCTION wallet.shape() IS 'all that CREATE and ALTER can say of the tables, each object with the statement that makes it';
