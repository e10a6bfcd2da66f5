-- Rows are the same in every column, whether they are written without a statement or by one.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

SELECT wallet_id FROM wallet_create(1, 1000);
SELECT wallet_id FROM wallet_create(2, 2000);
SET client_min_messages = error;
SELECT nextval('wallet.request_id_seq') AS before;
CREATE SCHEMA own;
CREATE FUNCTION own.leave_alone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

-- Something of each sort, directly and through the queue.
CREATE FUNCTION pg_temp.do_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM wallet_create(3, 10, 'eur');
    PERFORM wallet_transfer(1, 2, 1, 'exact', '{"order": 7}', 'key');
    PERFORM wallet_transfer(1, 2, 1, 'exact', '{"order": 7}', 'key');
    PERFORM wallet_deposit(1, 5);
    PERFORM wallet_withdraw(2, 6);
    PERFORM wallet_set_status(2, 'frozen');
    PERFORM wallet_enqueue_many('{transaction,wallet_read}', ARRAY[
        '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2}', '{"user_id":2,"wallet_id":2}']);
    PERFORM wallet_process();
    PERFORM wallet_set_status(2, 'active');
    PERFORM wallet_enqueue_many('{transaction,wallet,wallet,wallet_read,deposit,withdrawal,transaction}', ARRAY[
        '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2.5}', '{"user_id":4,"amount":3.25,"currency":"gbp"}', '{"user_id":5}',
        '{"user_id":1,"wallet_id":1}', '{"user_id":1,"wallet_id":1,"amount":4}', '{"user_id":1,"wallet_id":1,"amount":0.1}',
        '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":9999999}']);
    PERFORM wallet_process();
END
$$;

-- Every value of every column of the tables, as the catalog names them.
CREATE FUNCTION pg_temp.all_values() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    relation text;
    found jsonb;
    result jsonb := '[]';
BEGIN
    FOREACH relation IN ARRAY '{wallet,transfer,request,outcome}'::text[] LOOP
        EXECUTE format('SELECT jsonb_agg(jsonb_build_object(''relation'', %L, ''row'', r.n, ''column'', a.attname, ''type'', a.atttypid::regtype, ''value'', r.value -> a.attname::text))
            FROM (SELECT row_number() OVER (ORDER BY t), to_jsonb(t) FROM wallet.%I AS t) AS r (n, value)
                CROSS JOIN pg_attribute AS a WHERE a.attrelid = ''wallet.%2$I''::regclass AND a.attnum > 0 AND NOT a.attisdropped', relation, relation)
            INTO found;
        result := result || found;
    END LOOP;
    RETURN result;
END
$$;

-- Does all, looks and takes it back.  Ids are counted from the ones before; of times it is said in which order they come.
CREATE FUNCTION pg_temp.written(alteration text) RETURNS TABLE (relation text, n integer, name text, value text) LANGUAGE plpgsql AS $$
DECLARE
    transfers bigint := last_value FROM wallet.transfer_id_seq;
    requests bigint := last_value FROM wallet.request_id_seq;
    wallets bigint := last_value FROM wallet.wallet_id_seq;
    found jsonb;
BEGIN
    BEGIN
        EXECUTE alteration;
        PERFORM pg_temp.do_all();
        found := pg_temp.all_values();
        RAISE SQLSTATE 'ZZZZZ';
    EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
        NULL;
    END;
    RETURN QUERY
        SELECT v.relation, v."row", v."column",
            CASE WHEN v.value IS NULL THEN NULL
                WHEN v.type = 'timestamp with time zone' THEN 'time ' || dense_rank() OVER (PARTITION BY v.type, v.value IS NULL ORDER BY v.value::text)
                WHEN v."column" ~ '(transfer_id|_previous)$' AND v.value::bigint > transfers THEN 'new ' || v.value::bigint - transfers
                WHEN v."column" ~ 'request_id$' THEN 'new ' || v.value::bigint - requests
                WHEN v."column" ~ 'wallet_id$' AND v.value::bigint > wallets THEN 'new ' || v.value::bigint - wallets
                ELSE v.value END
            FROM jsonb_to_recordset(found) AS v (relation text, "row" integer, "column" text, type text, value text);
END
$$;

CREATE TEMPORARY TABLE by_slot AS SELECT * FROM pg_temp.written('SELECT');
CREATE TEMPORARY TABLE by_statement AS SELECT * FROM pg_temp.written($$
    CREATE TRIGGER a BEFORE INSERT OR UPDATE ON wallet.wallet FOR EACH ROW EXECUTE FUNCTION own.leave_alone();
    CREATE TRIGGER a BEFORE INSERT OR UPDATE ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION own.leave_alone();
    CREATE TRIGGER a BEFORE INSERT OR UPDATE ON wallet.request FOR EACH ROW EXECUTE FUNCTION own.leave_alone();
    CREATE TRIGGER a BEFORE INSERT OR UPDATE ON wallet.outcome FOR EACH ROW EXECUTE FUNCTION own.leave_alone()$$);

SELECT relation, n, name, s.value, t.value AS by_statement
    FROM by_slot AS s FULL JOIN by_statement AS t USING (relation, n, name)
    WHERE s.value IS DISTINCT FROM t.value ORDER BY relation, n, name;
-- Each column has been written somewhere.
SELECT relation, name FROM by_slot GROUP BY relation, name HAVING bool_and(value IS NULL) ORDER BY relation, name;
SELECT relation, count(DISTINCT name) AS columns, count(DISTINCT n) AS rows FROM by_slot GROUP BY relation ORDER BY relation;
SELECT * FROM pg_temp.faults();

DROP SCHEMA own CASCADE;
SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
