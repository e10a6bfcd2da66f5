-- What an error of somebody's own trigger or constraint means to the client: one of our codes (class PW) is that code's
-- refusal, in the queue, when a request is stored, and in a direct call; any other goes by docs/operations.md.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql
SET client_min_messages = error;
SELECT wallet_id FROM wallet_create(1, 1000000);
SELECT wallet_id FROM wallet_create(2);

-- A trigger that raises, for the amount of n minor units, the error number n of this table.
CREATE TABLE public.errors (n integer PRIMARY KEY, sqlstate text, what text);
INSERT INTO public.errors VALUES
    (1, 'PW215', 'one of our refusals'), (2, 'PW216', 'another one'), (3, 'PW211', 'a transient one'), (4, 'PW209', 'one that a rule gives'),
    (5, 'PW101', 'one of the payload''s'), (6, 'PW404', 'one of HTTP''s'), (7, 'PW901', 'internal_error itself'), (8, 'PW302', 'one of the lookup''s'),
    (9, 'PW999', 'none of ours, in our class'), (10, 'P0001', 'RAISE EXCEPTION'), (11, '23514', 'a constraint'), (12, '22012', 'a division by zero'), (13, 'ZZ001', 'a class of nobody''s');
CREATE FUNCTION public.raise_error() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    error public.errors;
BEGIN
    SELECT * INTO error FROM public.errors AS e WHERE e.n = NEW.amount;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = error.sqlstate, MESSAGE = 'no, says the trigger: ' || error.what;
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION pg_temp.payload(kind text, amount text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE kind WHEN 'transaction' THEN format('{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":%s}', amount)
                     WHEN 'wallet' THEN format('{"user_id":%s,"amount":%s,"currency":"jpy"}', 100 + amount::integer, amount)
                     ELSE format('{"user_id":1,"wallet_id":1,"amount":%s}', amount) END
$$;

-- In the queue: the error is met when money moves.  The others are carried out.
CREATE TRIGGER raise_error BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION public.raise_error();
SELECT count(wallet_enqueue(k.kind, pg_temp.payload(k.kind, CASE k.kind WHEN 'wallet' THEN n::text ELSE (n / 100.0)::numeric(10, 2)::text END)::json))
    FROM generate_series(1, 15) AS n CROSS JOIN (VALUES ('transaction'), ('deposit'), ('withdrawal'), ('wallet')) AS k (kind);
SELECT wallet_process();
SELECT e.n, e.sqlstate, e.what, string_agg(DISTINCT coalesce(o.code, 'processed'), ', ') AS code, count(*)
    FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id)
        LEFT JOIN public.errors AS e ON e.n = (CASE wallet.kind_name(r.kind) WHEN 'wallet' THEN r.amount ELSE r.amount * 10 ^ (2 - r.amount_scale) END)
    GROUP BY e.n, e.sqlstate, e.what ORDER BY e.n NULLS LAST;

-- The handshake tells the code with its own words.
SELECT wallet_enqueue('transaction', pg_temp.payload('transaction', '0.01')::json) AS handshake \gset
SELECT wallet_process();
SELECT state, code, message FROM wallet_lookup('transaction', 1, :'handshake');

-- A trigger's own payment that is refused, with the refusal of the one who asked.
DROP TRIGGER raise_error ON wallet.transfer;
CREATE FUNCTION public.take_fee() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount = 777 THEN
        PERFORM public.wallet_withdraw(2, 1000000);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER take_fee BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION public.take_fee();
SELECT wallet_enqueue('deposit', pg_temp.payload('deposit', '7.77')::json) AS handshake \gset
SELECT wallet_process();
SELECT state, code, message FROM wallet_lookup('deposit', 1, :'handshake');
DROP TRIGGER take_fee ON wallet.transfer;

-- On the other tables that posting writes.
CREATE FUNCTION public.refuse_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'PW211', MESSAGE = 'not while I look';
END
$$;
CREATE TRIGGER refuse_frozen BEFORE UPDATE ON wallet.wallet FOR EACH ROW WHEN (OLD.wallet_id = 2) EXECUTE FUNCTION public.refuse_frozen();
CREATE TRIGGER refuse_new BEFORE INSERT ON wallet.wallet FOR EACH ROW WHEN (NEW.user_id = 300) EXECUTE FUNCTION public.refuse_frozen();
CREATE TRIGGER refuse_read BEFORE INSERT ON wallet.outcome FOR EACH ROW WHEN (NEW.balance IS NOT NULL) EXECUTE FUNCTION public.refuse_frozen();
SELECT h.kind, wallet_enqueue(h.kind, h.payload) AS handshake, h.user_id INTO pg_temp.asked
    FROM (VALUES (1, 'transaction', pg_temp.payload('transaction', '1')::json, 1), (2, 'wallet', '{"user_id":300}', 300), (3, 'wallet_read', '{"user_id":1,"wallet_id":1}', 1),
                 (4, 'deposit', pg_temp.payload('deposit', '1')::json, 1)) AS h (n, kind, payload, user_id) ORDER BY n;
SELECT wallet_process();
SELECT a.kind, l.state, l.code FROM pg_temp.asked AS a, wallet_lookup(CASE a.kind WHEN 'wallet_read' THEN 'wallet' ELSE a.kind END, a.user_id, a.handshake) AS l ORDER BY 1;

-- In direct calls: the error as it was raised.
SELECT pg_temp.attempt('SELECT wallet_transfer(1, 2, 1)'), pg_temp.attempt('SELECT wallet_create(300)');
DROP TRIGGER refuse_frozen ON wallet.wallet;
DROP TRIGGER refuse_new ON wallet.wallet;
DROP TRIGGER refuse_read ON wallet.outcome;
CREATE TRIGGER raise_error BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION public.raise_error();
SELECT n, sqlstate, pg_temp.attempt(format('SELECT wallet_deposit(1, %s)', n / 100.0)) FROM public.errors ORDER BY n;
DROP TRIGGER raise_error ON wallet.transfer;

-- When a request is stored: many at once, one of many, and one alone, which raises it.
CREATE TRIGGER raise_error BEFORE INSERT ON wallet.request FOR EACH ROW EXECUTE FUNCTION public.raise_error();
SELECT e.n, e.sqlstate, q.code, q.message, one.code = q.code AND one.message = q.message AS alike_alone, utf8.code = q.code AND utf8.message = q.message AS alike_as_bytes,
       pg_temp.attempt(format('SELECT wallet_enqueue(%L, %L)', 'deposit', pg_temp.payload('deposit', e.n::text))) AS raised
    FROM wallet_enqueue_many(array_fill('deposit'::text, ARRAY[15]), (SELECT array_agg(pg_temp.payload('deposit', n::text) ORDER BY n) FROM generate_series(1, 15) AS n)) AS q
        LEFT JOIN public.errors AS e ON e.n = q.ordinal
        CROSS JOIN LATERAL wallet_enqueue_many(ARRAY['deposit'], ARRAY[pg_temp.payload('deposit', q.ordinal::text)]) AS one
        CROSS JOIN LATERAL wallet_enqueue_utf8(ARRAY['deposit'], ARRAY[convert_to(pg_temp.payload('deposit', q.ordinal::text), 'UTF8')]) AS utf8
    WHERE e.n IS NOT NULL OR q.code IS NOT NULL
    ORDER BY q.ordinal;
DROP TRIGGER raise_error ON wallet.request;
-- and with a key
CREATE FUNCTION public.refuse_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'PW403', MESSAGE = 'not with this key';
END
$$;
CREATE TRIGGER refuse_key BEFORE INSERT ON wallet.idempotency_key FOR EACH ROW WHEN (NEW.key = 'bad') EXECUTE FUNCTION public.refuse_key();
SELECT ordinal, code, message FROM wallet_enqueue_many(ARRAY['deposit', 'deposit'], ARRAY[pg_temp.payload('deposit', '1'), pg_temp.payload('deposit', '1')], ARRAY['bad', 'good']);
SELECT ordinal, code, message FROM wallet_enqueue_many(ARRAY['deposit'], ARRAY[pg_temp.payload('deposit', '1')], ARRAY['bad']);
SELECT wallet_process() > 0 AS settled;
SELECT * FROM pg_temp.faults();

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
DROP TABLE public.errors;
DROP FUNCTION public.raise_error, public.take_fee, public.refuse_frozen, public.refuse_key;
