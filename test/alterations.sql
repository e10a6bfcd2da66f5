-- For the tests of altered tables: each alteration is made, paid with, and taken back.
-- A direct payment, and one of each kind through the queue: how they end, and what has been moved.
CREATE FUNCTION pg_temp.pay() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    handshakes text[];
    before bigint[] := ARRAY(SELECT balance FROM wallet.wallet ORDER BY wallet_id);
BEGIN
    result := pg_temp.attempt('SELECT wallet_transfer(1, 2, 1)');
    BEGIN
        handshakes := ARRAY[
            wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2}'),
            wallet_enqueue('wallet', '{"user_id":3,"amount":3}'),
            wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}')];
        PERFORM wallet_process();
        result := concat_ws('; ', result, (SELECT string_agg(CASE WHEN a.code IN ('processed', 'not_owner') THEN a.code ELSE 'failed' END, ', ' ORDER BY a.ordinal)
            FROM wallet_lookup_many('{transaction,wallet,wallet_read}', '{1,3,1}', handshakes) AS a));
    EXCEPTION WHEN OTHERS THEN
        result := result || '; failed';
    END;
    RETURN concat_ws('; ', result, (SELECT string_agg((w.balance - before[w.wallet_id])::text, ' ' ORDER BY w.wallet_id)
        FROM wallet.wallet AS w WHERE w.user_id < 3));
END
$$;

-- Alters the tables, pays, looks, and takes all of it back.
CREATE FUNCTION pg_temp.outcome(alteration text, look text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    seen text;
BEGIN
    EXECUTE alteration;
    /* SET UNLOGGED makes the table's sequence anew, and taking that back sets it back. */
    PERFORM setval('wallet.wallet_id_seq', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    result := pg_temp.pay();
    IF look <> '' THEN
        EXECUTE look INTO seen;
        result := result || '; ' || coalesce(seen, 'null');
    END IF;
    RAISE SQLSTATE 'ZZZZZ';
EXCEPTION
    WHEN SQLSTATE 'ZZZZZ' THEN RETURN result;
    WHEN OTHERS THEN RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;

-- A row trigger that changes nothing has every payment made by statements.
CREATE FUNCTION own.leave_alone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION pg_temp.by_statement() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('; CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON wallet.%I FOR EACH ROW EXECUTE FUNCTION own.leave_alone()', t), '')
        FROM unnest('{wallet,transfer,request,outcome,hold,reversed}'::text[]) AS t
$$;
