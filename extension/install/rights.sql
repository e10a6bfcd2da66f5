/* The last part: nothing for PUBLIC, nor for anybody else whom default privileges would let in */

DO $$
DECLARE
    granted text;
BEGIN
    FOR granted IN
        SELECT pg_catalog.format('%s FROM %s', entry.object,
                   CASE WHEN entry.grantee = 0 THEN 'PUBLIC' ELSE entry.grantee::pg_catalog.regrole::text END)
            FROM (
                SELECT 'FUNCTION ' || d.objid::pg_catalog.regprocedure, a.grantee, p.proowner
                    FROM pg_catalog.pg_depend AS d
                        JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
                        CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
                        AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                        AND d.refobjid = (SELECT e.oid FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_wallet')
                UNION
                SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::pg_catalog.regclass, a.grantee, c.relowner
                    FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
                    WHERE c.relnamespace = 'wallet'::pg_catalog.regnamespace
                UNION
                /* That PUBLIC may name a type in a definition is as PostgreSQL has it. */
                SELECT 'TYPE ' || t.oid::pg_catalog.regtype, a.grantee, t.typowner
                    FROM pg_catalog.pg_type AS t CROSS JOIN LATERAL pg_catalog.aclexplode(t.typacl) AS a
                    WHERE t.typnamespace = 'wallet'::pg_catalog.regnamespace AND a.grantee <> 0
                UNION
                SELECT 'SCHEMA wallet', a.grantee, n.nspowner
                    FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
                    WHERE n.nspname = 'wallet'
            ) AS entry (object, grantee, owner)
            WHERE entry.grantee <> entry.owner
    LOOP
        EXECUTE 'REVOKE ALL ON ' || granted;
    END LOOP;
END
$$;
