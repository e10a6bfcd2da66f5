-- What CREATE EXTENSION makes: the objects, their comments, and nothing for PUBLIC.
CREATE EXTENSION pg_wallet;

CREATE VIEW member AS
    SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
        FROM pg_depend AS d
            LEFT JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
            LEFT JOIN pg_class AS r ON r.oid = t.typrelid
        WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet')
            -- array types and the row types of tables come with what they belong to
            AND (t.oid IS NULL OR t.typtype = 'e');

SELECT object FROM member ORDER BY object COLLATE "C";

-- Every object says what it is.
SELECT object FROM member WHERE coalesce(obj_description(objid, classid::regclass::text), '') = '' ORDER BY 1;

-- Nothing is granted to PUBLIC, nor to anybody else.
CREATE VIEW granted AS
    SELECT object, acl.grantee::regrole, acl.privilege_type
        FROM member
            CROSS JOIN LATERAL (SELECT coalesce(
                (SELECT coalesce(p.proacl, acldefault('f', p.proowner))
                    FROM pg_proc AS p WHERE classid = 'pg_proc'::regclass AND p.oid = objid),
                (SELECT coalesce(r.relacl, acldefault('r', r.relowner))
                    FROM pg_class AS r WHERE classid = 'pg_class'::regclass AND r.oid = objid),
                (SELECT coalesce(n.nspacl, acldefault('n', n.nspowner))
                    FROM pg_namespace AS n WHERE classid = 'pg_namespace'::regclass AND n.oid = objid))) AS had (acl)
            CROSS JOIN LATERAL aclexplode(had.acl) AS acl
        WHERE acl.grantee <> (SELECT e.extowner FROM pg_extension AS e WHERE e.extname = 'pg_wallet');
SELECT * FROM granted ORDER BY 1, 2, 3;

-- Functions that run with the owner's rights look nowhere but where they say. These, and no others, pin their search_path
-- where it matters (search_path.c).
SELECT p.oid::regprocedure
    FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    WHERE p.prosecdef AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))
    ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Every table and sequence is part of a dump, but for how far an expiry has counted on this server.
SELECT r.relname
    FROM pg_class AS r JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = r.oid, pg_extension AS e
    WHERE e.extname = 'pg_wallet' AND r.relkind IN ('r', 'S') AND NOT r.oid = ANY (e.extconfig)
    ORDER BY 1;

-- No index on what a transfer changes: every balance change is a HOT update.
SELECT i.indexrelid::regclass, a.attname
    FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = 'wallet.wallet'::regclass
    ORDER BY 2;

-- A key of 32 bytes, one row of it for ever; a restored one takes its place.
SELECT octet_length(handshake_key) AS octets FROM wallet.secret;
SELECT handshake_key AS first_key FROM wallet.secret \gset
INSERT INTO wallet.secret (handshake_key) VALUES (sha256('restored'));
SELECT count(*), bool_and(handshake_key = sha256('restored')) AS restored FROM wallet.secret;
SET session_replication_role = replica;
INSERT INTO wallet.secret (handshake_key) VALUES (sha256('replicated'));
RESET session_replication_role;
SELECT count(*), bool_and(handshake_key = sha256('replicated')) AS replicated FROM wallet.secret;
DO $$
BEGIN
    INSERT INTO wallet.secret (handshake_key) VALUES ('\x00');
EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'a short key is refused';
END
$$;

-- Once, and not to be moved.
CREATE EXTENSION pg_wallet;
CREATE SCHEMA pay;
ALTER EXTENSION pg_wallet SET SCHEMA pay;
DROP EXTENSION pg_wallet;
DROP SCHEMA pay;

-- What this owner otherwise lets everybody do does not count here.
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
CREATE EXTENSION pg_wallet;
SELECT * FROM granted ORDER BY 1, 2, 3;
CREATE ROLE regress_wallet_teller;
SET ROLE regress_wallet_teller;
SELECT handshake_key FROM wallet.secret;
RESET ROLE;
DROP VIEW granted, member;
DROP EXTENSION pg_wallet;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC;

-- In a schema of its own, whose name needs quotes; the tables stay where they are.
CREATE SCHEMA "The 1% Bank";
CREATE EXTENSION pg_wallet SCHEMA "The 1% Bank";
SELECT handshake_key <> :'first_key' AS another_key FROM wallet.secret;
SELECT to_regproc('wallet_create') IS NULL AS not_in_the_path;
SELECT wallet_id, amount FROM "The 1% Bank".wallet_create(1, 10);
SELECT "The 1% Bank".wallet_enqueue('wallet', '{"user_id":2}') AS handshake \gset
SELECT "The 1% Bank".wallet_process();
SELECT state, wallet_id FROM "The 1% Bank".wallet_lookup('wallet', 2, :'handshake');
SELECT wallet_id, user_id FROM "The 1% Bank".wallet_get(2);
SELECT "The 1% Bank".wallet_audit() AS well;
SELECT "The 1% Bank".wallet_expire_idempotency_keys() AS expired;
SELECT "The 1% Bank".wallet_grant('regress_wallet_teller', 'operator');
SET ROLE regress_wallet_teller;
SELECT amount FROM "The 1% Bank".wallet_get(1);
RESET ROLE;

-- The schema gets another name, one function another schema: rights are given where the functions are.
CREATE ROLE regress_wallet_clerk;
CREATE SCHEMA pay;
ALTER SCHEMA "The 1% Bank" RENAME TO "The ""2%"" Bank";
SELECT "The ""2%"" Bank".wallet_grant('regress_wallet_clerk', 'operator');
SET ROLE regress_wallet_clerk;
SELECT amount FROM "The ""2%"" Bank".wallet_get(1);
SELECT "The ""2%"" Bank".wallet_audit() AS well;
SELECT "The ""2%"" Bank".wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":1}') IS NOT NULL AS queued;
SELECT "The ""2%"" Bank".wallet_process();
SELECT "The ""2%"" Bank".wallet_rotate_requests() AS rotated, "The ""2%"" Bank".wallet_expire_requests() AS expired;
RESET ROLE;
SELECT "The ""2%"" Bank".wallet_grant('regress_wallet_clerk', 'auditor'), "The ""2%"" Bank".wallet_grant('regress_wallet_clerk', 'shim');
DROP OWNED BY regress_wallet_clerk;
ALTER FUNCTION "The ""2%"" Bank".wallet_get(bigint) SET SCHEMA pay;
SELECT "The ""2%"" Bank".wallet_grant('regress_wallet_clerk', 'operator');
SET ROLE regress_wallet_clerk;
SELECT amount FROM pay.wallet_get(2);
RESET ROLE;

-- The schema of the tables keeps its name, by which the library knows it.
ALTER SCHEMA wallet RENAME TO purse;
ALTER SCHEMA pay RENAME TO paid;
SET pg_wallet.allow_drop = on;
SET client_min_messages = warning;
DROP OWNED BY regress_wallet_clerk, regress_wallet_teller;
DROP SCHEMA "The ""2%"" Bank" CASCADE;
SELECT count(*) AS left_over FROM pg_namespace WHERE nspname IN ('wallet', 'The "2%" Bank');
DROP SCHEMA paid;
DROP ROLE regress_wallet_teller, regress_wallet_clerk;
