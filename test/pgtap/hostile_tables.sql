-- Traps along the search_path, on tables and types that the owner has altered: the owner's CHECK constraints, triggers,
-- indexes, domains and operator classes call functions whose bodies name nothing with its schema. Whoever pays may have
-- a search_path full of traps; none of them is sprung with the owner's rights. hostile.sql does this for tables as they
-- were made.
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;
-- Made anew, so that no id is drawn that another test counts on.
SET LOCAL pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
CREATE EXTENSION pg_wallet SCHEMA public;
\ir ../matrix.sql
CREATE ROLE tap_attacker;
GRANT tap_client, tap_shim, tap_operator TO tap_attacker;
CREATE SCHEMA tap_evil AUTHORIZATION tap_attacker;
GRANT USAGE ON SCHEMA tap_evil TO PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC;

-- Sequences roll nothing back: which traps were sprung, and whether the owner's functions ran at all.
CREATE SEQUENCE public.tap_sprung;
CREATE SEQUENCE public.tap_ran;
GRANT USAGE ON public.tap_sprung, public.tap_ran TO PUBLIC;
SET LOCAL ROLE tap_attacker;
CREATE FUNCTION tap_evil.spring() RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    IF current_user <> 'tap_attacker' THEN
        PERFORM nextval('public.tap_sprung');
    END IF;
    RETURN true;
END
$$;
CREATE FUNCTION tap_evil.abs(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM tap_evil.spring(); RETURN $1; END';
CREATE FUNCTION tap_evil.equal(bigint, bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN tap_evil.spring(); END';
CREATE OPERATOR tap_evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = tap_evil.equal);
CREATE DOMAIN tap_evil.int4 AS pg_catalog.int4 CHECK (tap_evil.spring());
CREATE TEMPORARY VIEW pg_am AS SELECT FROM pg_catalog.pg_am WHERE tap_evil.spring();
CREATE TEMPORARY TABLE wallet AS SELECT 1::bigint AS wallet_id;
CREATE TEMPORARY TABLE transfer AS SELECT 1::bigint AS transfer_id;
RESET ROLE;
GRANT SELECT ON pg_temp.pg_am TO PUBLIC;

-- What the owner has made. A function that an index needs is immutable; PostgreSQL takes the owner's word for it.
CREATE FUNCTION public.tap_number(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_catalog.nextval('public.tap_ran');
    PERFORM FROM pg_am LIMIT 1;
    RETURN CASE WHEN n = n AND '1'::int4 IS NOT NULL THEN abs(n) ELSE 0 END;
END
$$;
CREATE FUNCTION public.tap_holds(n bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.tap_number(n) OPERATOR(pg_catalog.>=) 0; END';
CREATE FUNCTION public.tap_see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.tap_number(pg_trigger_depth()); RETURN NEW; END';
CREATE FUNCTION public.tap_compare(a bigint, b bigint) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.tap_number(a); RETURN pg_catalog.btint8cmp(a, b); END';
CREATE OPERATOR CLASS public.tap_ops FOR TYPE bigint USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 public.tap_compare(bigint, bigint);
CREATE DOMAIN public.tap_amount AS numeric CHECK (public.tap_holds(VALUE::bigint));
CREATE DOMAIN public.tap_text AS text CHECK (public.tap_holds(length(VALUE)));
-- A type whose operator = PostgreSQL's own function for arrays calls.
CREATE TYPE public.tap_id;
CREATE FUNCTION public.tap_id_in(cstring) RETURNS public.tap_id LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION public.tap_id_out(public.tap_id) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE public.tap_id (INPUT = public.tap_id_in, OUTPUT = public.tap_id_out, LIKE = bigint);
CREATE CAST (bigint AS public.tap_id) WITHOUT FUNCTION;
CREATE FUNCTION public.tap_id_equal(public.tap_id, public.tap_id) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.tap_holds(pg_backend_pid()); END';
CREATE FUNCTION public.tap_id_hash(public.tap_id) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE OPERATOR public.= (LEFTARG = public.tap_id, RIGHTARG = public.tap_id, FUNCTION = public.tap_id_equal, HASHES);
CREATE OPERATOR CLASS public.tap_id_ops DEFAULT FOR TYPE public.tap_id USING hash AS OPERATOR 1 public.=, FUNCTION 1 public.tap_id_hash(public.tap_id);

SELECT (wallet_create(901, 100)).wallet_id AS a, (wallet_create(902, 100)).wallet_id AS b, (wallet_create(903, 1, 'kwd')).wallet_id AS c \gset
SELECT wallet_enqueue('wallet', '{"user_id":904,"amount":5}') AS handshake \gset
SELECT wallet_enqueue('deposit', json_build_object('user_id', 901, 'wallet_id', :a, 'amount', 1)) AS deposit \gset
SELECT wallet_process() AS processed \gset

CREATE TEMPORARY TABLE call (call text);
INSERT INTO call SELECT replace(replace(replace(replace(replace(c, '@a', :'a'), '@b', :'b'), '@c', :'c'), '@h', :'handshake'), '@d', :'deposit') FROM (VALUES
    ('SELECT public.wallet_transfer(@a, @b, 1)'), ('SELECT public.wallet_deposit(@a, 1)'), ('SELECT public.wallet_withdraw(@a, 1)'),
    ('SELECT public.wallet_transfer(@a, @b, 1, ''exact'', ''{"a":1}'', ''a key'')'),
    ('SELECT public.wallet_capture(h.transfer_id) FROM public.wallet_hold(@a, @b, 2) AS h'),
    ('SELECT public.wallet_void(h.transfer_id, 1, NULL, ''another key'') FROM public.wallet_hold(@a, NULL, 2) AS h'),
    ('SELECT public.wallet_enqueue(''deposit'', ''{"user_id":901,"wallet_id":@a,"amount":1}'')'),
    ('SELECT public.wallet_enqueue(''deposit'', ''{"user_id":903,"wallet_id":@c,"amount":1.125}'', ''a key'')'),
    ('SELECT public.wallet_enqueue_many(''{deposit,transaction,none}'', ARRAY[''{"user_id":901,"wallet_id":@a,"amount":1.5}'', ''{"user_id":901,"source_wallet_id":@a,"dest_wallet_id":@b,"trans_sum":1}'', ''{''], ''{a,b,c}'')'),
    ('SELECT public.wallet_enqueue_utf8(''{deposit}'', ARRAY[''{"user_id":901,"wallet_id":@a,"amount":1}'']::bytea[])'),
    ('SELECT public.wallet_lookup_many(''{wallet,deposit}'', ''{904,901}'', ''{@h,@d}'', ''{false,true}'')')) AS v (c);

-- Alters something, makes all calls as the attacker, and takes everything back. Returns what has gone wrong, or "ok".
CREATE FUNCTION pg_temp.altered(alteration text, path text, settings text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    calls text[] := ARRAY(SELECT c.call FROM pg_temp.call AS c);
    call text;
    result text;
    results text := '';
BEGIN
    BEGIN
        EXECUTE alteration;
        PERFORM setval('public.tap_sprung', 1, false), setval('public.tap_ran', 1, false);
        FOREACH call IN ARRAY calls LOOP
            result := pg_temp.try_as('tap_attacker', settings || call, path);
            IF result <> 'ok' THEN
                results := results || format('%s: %s ', call, result);
            END IF;
            IF (SELECT s.is_called FROM public.tap_sprung AS s) THEN
                results := results || format('%s: sprung a trap ', call);
                PERFORM setval('public.tap_sprung', 1, false);
            END IF;
        END LOOP;
        IF alteration <> '' AND NOT (SELECT r.is_called FROM public.tap_ran AS r) THEN
            results := results || 'nothing of the owner''s ran';
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
    EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
        NULL;
    END;
    RETURN CASE results WHEN '' THEN 'ok' ELSE results END;
END
$$;

CREATE TEMPORARY TABLE alteration (alteration text);
INSERT INTO alteration VALUES
    (''),
    ('ALTER TABLE wallet.transfer ADD CHECK (public.tap_holds(amount))'),
    ('ALTER TABLE wallet.wallet ADD CHECK (public.tap_holds(balance))'),
    ('ALTER TABLE wallet.request ADD CHECK (public.tap_holds(user_id))'),
    ('ALTER TABLE wallet.idempotency_key ADD CHECK (public.tap_holds(user_id))'),
    ('ALTER TABLE wallet.transfer ADD CHECK (ARRAY[amount::public.tap_id] = ARRAY[''2''::public.tap_id])'),
    ('ALTER TABLE wallet.transfer ADD CHECK (amount::public.tap_amount > 0)'),
    ('CREATE TRIGGER see BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION public.tap_see()'),
    ('CREATE TRIGGER see AFTER INSERT ON wallet.transfer FOR EACH STATEMENT EXECUTE FUNCTION public.tap_see()'),
    ('CREATE TRIGGER see BEFORE UPDATE ON wallet.wallet FOR EACH ROW EXECUTE FUNCTION public.tap_see()'),
    ('CREATE TRIGGER see AFTER INSERT ON wallet.request FOR EACH ROW EXECUTE FUNCTION public.tap_see()'),
    ('CREATE TRIGGER see BEFORE INSERT ON wallet.idempotency_key FOR EACH ROW EXECUTE FUNCTION public.tap_see()'),
    ('ALTER TABLE wallet.hold ADD CHECK (public.tap_holds(max_capture))'),
    ('CREATE TRIGGER see AFTER UPDATE ON wallet.hold FOR EACH ROW EXECUTE FUNCTION public.tap_see()'),
    ('CREATE INDEX ON wallet.hold (public.tap_number(max_capture))'),
    ('CREATE INDEX ON wallet.transfer (public.tap_number(amount))'),
    ('CREATE INDEX ON wallet.wallet (public.tap_number(balance))'),
    ('CREATE INDEX ON wallet.request (public.tap_number(user_id))'),
    ('CREATE INDEX ON wallet.transfer (amount) WHERE public.tap_holds(amount)'),
    ('CREATE INDEX ON wallet.transfer (amount public.tap_ops)'),
    ('CREATE INDEX ON wallet.wallet (balance public.tap_ops)'),
    ('CREATE INDEX ON wallet.request (user_id public.tap_ops)'),
    ('CREATE RULE see AS ON INSERT TO wallet.transfer DO ALSO SELECT public.tap_number(pg_backend_pid())'),
    ('ALTER TYPE wallet.transfer_info ALTER ATTRIBUTE amount TYPE public.tap_amount'),
    ('ALTER TYPE wallet.answer ALTER ATTRIBUTE amount TYPE public.tap_text');

-- With the settings of PostgreSQL, and with those that statements of pg_wallet would otherwise set.
CREATE TEMPORARY TABLE path (path text, settings text);
INSERT INTO path VALUES ('tap_evil, pg_temp, pg_catalog', ''),
    ('pg_temp, tap_evil, pg_catalog, public', 'SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; ');
SELECT is(pg_temp.altered(a.alteration, p.path, p.settings), 'ok', format('"%s" along %s', a.alteration, p.path)) FROM alteration AS a, path AS p;

-- The traps do work: what the owner has made steps into them when a function leaves its search_path open.
CREATE FUNCTION public.tap_careless() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN public.tap_holds(1); END';
SELECT setval('public.tap_sprung', 1, false);
SELECT is(pg_temp.try_as('tap_attacker', 'SELECT public.tap_careless()', 'tap_evil, pg_temp, pg_catalog'), 'ok', 'a function with an open search_path');
SELECT is((SELECT is_called FROM public.tap_sprung), true, 'would spring them');

SELECT * FROM finish();
ROLLBACK;
