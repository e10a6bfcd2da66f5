-- Columns of one's own that have the names of our functions' arguments and variables mislead no function.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SET client_min_messages = error;
SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2, 1000);
SELECT wallet_rotate_requests();

CREATE FUNCTION pg_temp.names() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT v.name
        FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
            JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_wallet'
            CROSS JOIN LATERAL (
                SELECT unnest(p.proargnames)
                UNION ALL
                SELECT (regexp_matches(substring(p.prosrc FROM 'DECLARE(.*?)\nBEGIN'), '^ +([a-z_]+) ', 'gn'))[1]
            ) AS v (name)
        WHERE v.name <> ''
$$;
DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['wallet', 'transfer', 'request', 'outcome', 'idempotency_key', 'currency', 'expiry', 'audit', 'api_key'] LOOP
        EXECUTE (SELECT format('ALTER TABLE wallet.%I %s', part, string_agg(format('ADD COLUMN %I text', n.name), ', '))
                     FROM pg_temp.names() AS n (name)
                     WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
                                           WHERE a.attrelid = format('wallet.%I', part)::regclass AND a.attname = n.name));
    END LOOP;
END
$$;
SELECT count(*) > 50 AS many FROM pg_temp.names();

SELECT transfer_id, amount FROM wallet_transfer(1, 2, 5, 'exact', NULL, 'a key');
SELECT transfer_id, amount FROM wallet_transfer(1, 2, 5, 'exact', NULL, 'a key');
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2.50}', 'its key') AS handshake \gset
SELECT wallet_enqueue('wallet', '{"user_id":3,"amount":7}') AS made \gset
SELECT wallet_process();
SELECT state, code, source_wallet_id FROM wallet_lookup('transaction', 1, :'handshake');
SELECT state, code, amount FROM wallet_lookup('wallet', 3, :'made');
SELECT wallet_id, status, amount FROM wallet_get(2);
SELECT transfer_id, kind, amount, balance FROM wallet_history(1);
SELECT transfer_id, kind, amount, balance FROM wallet_history_page(1, 1, 4, 2);
SELECT ordinal, state, wallet_id, amount, transfer_id FROM wallet_read_many('{wallet,transaction}', '{1,1}', '{1,3}');
SELECT wallet_api_key_create('shop', '{read}') ~ '^pgw_' AS is_key;
SELECT name, scopes FROM wallet_api_keys();
SELECT count(*) FROM wallet_api_key_check_many('{x}');
SELECT wallet_api_key_revoke('shop');
SELECT * FROM pg_temp.faults();
SELECT wallet_audit(), wallet_audit(full => true);
SELECT wallet_expire_idempotency_keys(), wallet_rotate_requests(), wallet_expire_requests();
SELECT queued FROM wallet.queue;
SELECT wallet_grant(current_user::regrole, 'auditor');
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
