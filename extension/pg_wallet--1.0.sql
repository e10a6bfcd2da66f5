/* pg_wallet 1.0, part 1 of 4 of the install script: types and tables */

\echo Use "CREATE EXTENSION pg_wallet" to load this file. \quit

/*
 * The tables live in the schema wallet, whose name is fixed: the C code names it.  The functions
 * wallet_* that people call live in the schema that the extension is created in.  Nothing is
 * granted to PUBLIC; wallet_grant() gives a role what it needs.
 */
CREATE SCHEMA wallet;
COMMENT ON SCHEMA wallet IS 'tables of pg_wallet: wallets, the queue of requests and the journal';

CREATE TYPE wallet.kind AS ENUM ('wallet', 'transaction', 'deposit', 'withdrawal', 'wallet_read');
COMMENT ON TYPE wallet.kind IS 'what a request asks for';

CREATE TYPE wallet.status AS ENUM ('active', 'frozen', 'closed');
COMMENT ON TYPE wallet.status IS 'no money moves into or out of a wallet that is not active';

CREATE FUNCTION wallet.refuse(code text, detail text DEFAULT NULL) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_refuse';
COMMENT ON FUNCTION wallet.refuse(text, text) IS 'raises the error of this code, with its SQLSTATE and hint';

CREATE FUNCTION wallet.code_message(code text) RETURNS text
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_code_message';
COMMENT ON FUNCTION wallet.code_message(text) IS 'what a code means, in words';

CREATE FUNCTION wallet.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM wallet.refuse('append_only', format('%s of table %I.%I.', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION wallet.refuse_change() IS 'trigger of the tables whose rows are never changed';

/* ---- Tables ---- */

CREATE TABLE wallet.currency (
    code text PRIMARY KEY CHECK (code ~ '^[a-z]{3}$'),
    number integer NOT NULL UNIQUE CHECK (number > 0),
    minor_digits integer NOT NULL CHECK (minor_digits BETWEEN 0 AND 8),
    builtin boolean NOT NULL DEFAULT false,
    outside_wallet_id bigint NOT NULL UNIQUE GENERATED ALWAYS AS (- number) STORED
);
COMMENT ON TABLE wallet.currency IS 'ISO 4217, to which an owner may add rows with numbers above 999';
COMMENT ON COLUMN wallet.currency.number IS 'ISO 4217 numeric code';
COMMENT ON COLUMN wallet.currency.minor_digits IS 'decimals of an amount: one minor unit is 10^-minor_digits';
COMMENT ON COLUMN wallet.currency.builtin IS 'made by CREATE EXTENSION, so not part of a dump';
COMMENT ON COLUMN wallet.currency.outside_wallet_id IS
    'the wallet that stands for the outside world in transfers; its balance is what the journal says';

/*
 * The hot table.  Fixed width for all purposes (every code has three letters), space on each page
 * and no index on anything that a transfer changes, so that every balance change is a HOT update.
 */
CREATE SEQUENCE wallet.wallet_id_seq;
CREATE TABLE wallet.wallet (
    wallet_id bigint PRIMARY KEY CHECK (wallet_id > 0),
    user_id bigint NOT NULL CONSTRAINT wallet_user_id_key UNIQUE CHECK (user_id > 0),
    balance bigint NOT NULL CHECK (balance >= 0),
    last_transfer_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    status wallet.status NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER SEQUENCE wallet.wallet_id_seq OWNED BY wallet.wallet.wallet_id;
COMMENT ON SEQUENCE wallet.wallet_id_seq IS 'ids of wallets';
COMMENT ON TABLE wallet.wallet IS 'one wallet per user';
COMMENT ON COLUMN wallet.wallet.balance IS 'in minor units';
COMMENT ON COLUMN wallet.wallet.currency IS
    'one of wallet.currency, whose rows never go; no foreign key, since pg_restore -j loads tables in any order';
COMMENT ON COLUMN wallet.wallet.last_transfer_id IS 'where the chain of this wallet''s transfers begins; 0: none yet';

CREATE SEQUENCE wallet.request_id_seq;
CREATE TABLE wallet.request (
    request_id bigint PRIMARY KEY,
    user_id bigint NOT NULL,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount bigint,
    enqueued_at timestamptz NOT NULL,
    kind wallet.kind NOT NULL,
    amount_scale smallint,
    currency text
);
ALTER SEQUENCE wallet.request_id_seq OWNED BY wallet.request.request_id;
COMMENT ON SEQUENCE wallet.request_id_seq IS 'ids of requests, in the order in which they were asked';
COMMENT ON TABLE wallet.request IS 'what was asked for through the queue; append-only';
COMMENT ON COLUMN wallet.request.amount IS
    'the digits as they were written: the amount is amount / 10^amount_scale, in a currency that may not be known yet';
COMMENT ON COLUMN wallet.request.currency IS 'of a new wallet';

CREATE SEQUENCE wallet.transfer_id_seq;
CREATE TABLE wallet.transfer (
    transfer_id bigint PRIMARY KEY,
    request_id bigint CONSTRAINT transfer_request_id_key UNIQUE,
    source_wallet_id bigint NOT NULL,
    destination_wallet_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    source_balance bigint,
    destination_balance bigint,
    source_previous bigint,
    destination_previous bigint,
    posted_at timestamptz NOT NULL,
    kind wallet.kind NOT NULL,
    metadata jsonb,
    CHECK (source_wallet_id <> destination_wallet_id)
);
ALTER SEQUENCE wallet.transfer_id_seq OWNED BY wallet.transfer.transfer_id;
COMMENT ON SEQUENCE wallet.transfer_id_seq IS 'ids of transfers, drawn with the wallets locked';
COMMENT ON TABLE wallet.transfer IS 'the journal: every movement of money; append-only';
COMMENT ON COLUMN wallet.transfer.request_id IS 'null for a direct call';
COMMENT ON COLUMN wallet.transfer.amount IS 'in minor units';
COMMENT ON COLUMN wallet.transfer.source_balance IS 'after this transfer, in minor units; null for the outside';
COMMENT ON COLUMN wallet.transfer.destination_balance IS 'after this transfer, in minor units; null for the outside';
COMMENT ON COLUMN wallet.transfer.source_previous IS
    'the source wallet''s transfer before this one: its history is a chain that needs no index';
COMMENT ON COLUMN wallet.transfer.destination_previous IS 'the destination wallet''s transfer before this one';

CREATE TABLE wallet.outcome (
    request_id bigint PRIMARY KEY,
    wallet_id bigint,
    balance bigint,
    updated_at timestamptz,
    posted_at timestamptz NOT NULL,
    status wallet.status,
    code text NOT NULL
);
COMMENT ON TABLE wallet.outcome IS
    'how each request ended that has no transfer of its own: refusals, new wallets and queued reads; append-only';
COMMENT ON COLUMN wallet.outcome.balance IS 'what a queued read saw, in minor units';
COMMENT ON COLUMN wallet.outcome.code IS 'processed, or why it was rejected';

/*
 * One key for each request or direct call that was sent with one.  The user who owns the money
 * that the call moves is the scope: two users may choose the same key.
 */
CREATE TABLE wallet.idempotency_key (
    user_id bigint,
    key text,
    fingerprint bytea NOT NULL,
    request_id bigint,
    transfer_id bigint,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key),
    CHECK (num_nonnulls(request_id, transfer_id) = 1)
);
COMMENT ON TABLE wallet.idempotency_key IS 'which request or transfer a key stands for, until it expires';
COMMENT ON COLUMN wallet.idempotency_key.fingerprint IS 'SHA-256 of what was asked: another payload is another fingerprint';

/*
 * How far the queue has been worked off: every request up to low_water has its outcome.  The first
 * request ever queued adds a row, and until there is one nothing is posted.  Two sessions that are
 * first at the same time add a row each, so that neither waits for the other: the largest counts.
 *
 * A row counts only while wallet.opening names its origin.  After a restore that is so when pg_dump
 * has refreshed that view, which it leaves for the very end, also with parallel jobs: nobody posts
 * from half a restored queue.
 */
CREATE TABLE wallet.queue_position (
    low_water bigint NOT NULL,
    takeovers bigint NOT NULL,
    origin uuid NOT NULL
);
COMMENT ON TABLE wallet.queue_position IS 'how far the queue has been worked off';
COMMENT ON COLUMN wallet.queue_position.takeovers IS
    'how often somebody else than the worker posted: tells the worker to read its position again';
COMMENT ON COLUMN wallet.queue_position.origin IS 'what wallet.opening said when the queue was opened';

CREATE MATERIALIZED VIEW wallet.opening AS
    SELECT coalesce((SELECT p.origin FROM wallet.queue_position AS p LIMIT 1), gen_random_uuid()) AS origin;
COMMENT ON MATERIALIZED VIEW wallet.opening IS
    'the origin of the queue that may be posted; refreshed at the end of a restore, which opens the restored queue';

CREATE TABLE wallet.secret (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    handshake_key bytea NOT NULL CHECK (octet_length(handshake_key) = 32)
);
COMMENT ON TABLE wallet.secret IS 'the key that handshakes are sealed with; for the owner alone';

/* A restored key takes the place of the one that CREATE EXTENSION has just made. */
CREATE FUNCTION wallet.replace_secret() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM wallet.secret;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION wallet.replace_secret() IS 'trigger: keeps the secret a single row when a dump is restored';
CREATE TRIGGER replace_secret BEFORE INSERT ON wallet.secret
    FOR EACH ROW EXECUTE FUNCTION wallet.replace_secret();

/* gen_random_uuid() has 122 random bits: three of them fill the 256 of the key. */
INSERT INTO wallet.secret (handshake_key) VALUES (sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE TABLE wallet.audit (
    checked_at timestamptz NOT NULL,
    name text NOT NULL,
    ok boolean NOT NULL,
    detail text,
    PRIMARY KEY (checked_at, name)
);
COMMENT ON TABLE wallet.audit IS 'results of the scheduled wallet_verify()';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.request
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.outcome
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.currency
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
/* Also where session_replication_role would silence an ordinary trigger. */
ALTER TABLE wallet.transfer ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.request ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.outcome ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.currency ENABLE ALWAYS TRIGGER refuse_change;

/* Rows and sequences that belong to the users, so that pg_dump keeps them. */
SELECT pg_catalog.pg_extension_config_dump('wallet.currency', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('wallet.wallet', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.wallet_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.request', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.request_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.transfer', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.transfer_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.outcome', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.idempotency_key', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.queue_position', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.opening', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.secret', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.audit', '');

INSERT INTO wallet.currency (builtin, code, number, minor_digits)
SELECT true, c.code, c.number, c.minor_digits FROM (VALUES
    ('aed', 784, 2), ('afn', 971, 2), ('all', 8, 2), ('amd', 51, 2),
    ('ang', 532, 2), ('aoa', 973, 2), ('ars', 32, 2), ('aud', 36, 2),
    ('awg', 533, 2), ('azn', 944, 2), ('bam', 977, 2), ('bbd', 52, 2),
    ('bdt', 50, 2), ('bgn', 975, 2), ('bhd', 48, 3), ('bif', 108, 0),
    ('bmd', 60, 2), ('bnd', 96, 2), ('bob', 68, 2), ('bov', 984, 2),
    ('brl', 986, 2), ('bsd', 44, 2), ('btn', 64, 2), ('bwp', 72, 2),
    ('byn', 933, 2), ('bzd', 84, 2), ('cad', 124, 2), ('cdf', 976, 2),
    ('che', 947, 2), ('chf', 756, 2), ('chw', 948, 2), ('clf', 990, 4),
    ('clp', 152, 0), ('cny', 156, 2), ('cop', 170, 2), ('cou', 970, 2),
    ('crc', 188, 2), ('cuc', 931, 2), ('cup', 192, 2), ('cve', 132, 2),
    ('czk', 203, 2), ('djf', 262, 0), ('dkk', 208, 2), ('dop', 214, 2),
    ('dzd', 12, 2), ('egp', 818, 2), ('ern', 232, 2), ('etb', 230, 2),
    ('eur', 978, 2), ('fjd', 242, 2), ('fkp', 238, 2), ('gbp', 826, 2),
    ('gel', 981, 2), ('ghs', 936, 2), ('gip', 292, 2), ('gmd', 270, 2),
    ('gnf', 324, 0), ('gtq', 320, 2), ('gyd', 328, 2), ('hkd', 344, 2),
    ('hnl', 340, 2), ('hrk', 191, 2), ('htg', 332, 2), ('huf', 348, 2),
    ('idr', 360, 2), ('ils', 376, 2), ('inr', 356, 2), ('iqd', 368, 3),
    ('irr', 364, 2), ('isk', 352, 0), ('jmd', 388, 2), ('jod', 400, 3),
    ('jpy', 392, 0), ('kes', 404, 2), ('kgs', 417, 2), ('khr', 116, 2),
    ('kmf', 174, 0), ('kpw', 408, 2), ('krw', 410, 0), ('kwd', 414, 3),
    ('kyd', 136, 2), ('kzt', 398, 2), ('lak', 418, 2), ('lbp', 422, 2),
    ('lkr', 144, 2), ('lrd', 430, 2), ('lsl', 426, 2), ('lyd', 434, 3),
    ('mad', 504, 2), ('mdl', 498, 2), ('mga', 969, 2), ('mkd', 807, 2),
    ('mmk', 104, 2), ('mnt', 496, 2), ('mop', 446, 2), ('mru', 929, 2),
    ('mur', 480, 2), ('mvr', 462, 2), ('mwk', 454, 2), ('mxn', 484, 2),
    ('mxv', 979, 2), ('myr', 458, 2), ('mzn', 943, 2), ('nad', 516, 2),
    ('ngn', 566, 2), ('nio', 558, 2), ('nok', 578, 2), ('npr', 524, 2),
    ('nzd', 554, 2), ('omr', 512, 3), ('pab', 590, 2), ('pen', 604, 2),
    ('pgk', 598, 2), ('php', 608, 2), ('pkr', 586, 2), ('pln', 985, 2),
    ('pyg', 600, 0), ('qar', 634, 2), ('ron', 946, 2), ('rsd', 941, 2),
    ('rub', 643, 2), ('rwf', 646, 0), ('sar', 682, 2), ('sbd', 90, 2),
    ('scr', 690, 2), ('sdg', 938, 2), ('sek', 752, 2), ('sgd', 702, 2),
    ('shp', 654, 2), ('sle', 925, 2), ('sll', 694, 2), ('sos', 706, 2),
    ('srd', 968, 2), ('ssp', 728, 2), ('stn', 930, 2), ('svc', 222, 2),
    ('syp', 760, 2), ('szl', 748, 2), ('thb', 764, 2), ('tjs', 972, 2),
    ('tmt', 934, 2), ('tnd', 788, 3), ('top', 776, 2), ('try', 949, 2),
    ('ttd', 780, 2), ('twd', 901, 2), ('tzs', 834, 2), ('uah', 980, 2),
    ('ugx', 800, 0), ('usd', 840, 2), ('usn', 997, 2), ('uyi', 940, 0),
    ('uyu', 858, 2), ('uyw', 927, 4), ('uzs', 860, 2), ('ved', 926, 2),
    ('ves', 928, 2), ('vnd', 704, 0), ('vuv', 548, 0), ('wst', 882, 2),
    ('xaf', 950, 0), ('xcd', 951, 2), ('xof', 952, 0), ('xpf', 953, 0),
    ('yer', 886, 2), ('zar', 710, 2), ('zmw', 967, 2), ('zwl', 932, 2)) AS c (code, number, minor_digits);

/* Part 2: what functions return, direct payments and history */

/* ---- Rows that functions return ---- */

CREATE TYPE wallet.wallet_info AS (
    wallet_id bigint,
    user_id bigint,
    status text,
    amount numeric,
    currency text,
    created_at timestamptz,
    updated_at timestamptz
);
COMMENT ON TYPE wallet.wallet_info IS 'a wallet as users see it';

CREATE TYPE wallet.transfer_info AS (
    transfer_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount numeric,
    source_balance numeric,
    destination_balance numeric,
    posted_at timestamptz
);
COMMENT ON TYPE wallet.transfer_info IS 'a transfer as users see it: the outside is null';

CREATE TYPE wallet.request_info AS (
    state text,
    code text,
    message text,
    wallet_id bigint,
    wallet_status text,
    amount numeric,
    currency text,
    created_at timestamptz,
    updated_at timestamptz,
    transfer_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint
);
COMMENT ON TYPE wallet.request_info IS 'how a request stands: queued, processed or rejected';

/* One row of wallet_lookup_many and wallet_read_many: amounts and times as JSON shows them. */
CREATE TYPE wallet.answer AS (
    ordinal integer,
    state text,
    code text,
    message text,
    wallet_id bigint,
    wallet_status text,
    amount text,
    currency text,
    created_at text,
    updated_at text,
    transfer_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint
);
COMMENT ON TYPE wallet.answer IS 'how a request stands, with amounts and times as JSON shows them';

CREATE FUNCTION wallet.amount(minor_units bigint, minor_digits integer) RETURNS numeric
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_amount';
COMMENT ON FUNCTION wallet.amount(bigint, integer) IS 'minor units as a number with the currency''s decimals';

CREATE FUNCTION wallet.amount_text(minor_units bigint, minor_digits integer) RETURNS text
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_amount_text';
COMMENT ON FUNCTION wallet.amount_text(bigint, integer) IS 'minor units as JSON shows an amount';

CREATE FUNCTION wallet.time_text(moment timestamptz) RETURNS text
LANGUAGE sql STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') $$;
COMMENT ON FUNCTION wallet.time_text(timestamptz) IS 'a moment as JSON shows it: UTC, without a zone';

/* ---- Direct calls: in the caller's own transaction ---- */

CREATE FUNCTION @extschema@.wallet_create(user_id bigint, amount numeric DEFAULT 0, currency text DEFAULT 'usd')
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_create';
COMMENT ON FUNCTION @extschema@.wallet_create(bigint, numeric, text) IS
    'makes a user''s wallet; an initial amount is recorded as a deposit';

CREATE FUNCTION @extschema@.wallet_deposit(wallet_id bigint, amount numeric, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_deposit';
COMMENT ON FUNCTION @extschema@.wallet_deposit(bigint, numeric, jsonb, text) IS 'moves money from the outside into a wallet';

CREATE FUNCTION @extschema@.wallet_withdraw(wallet_id bigint, amount numeric, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_withdraw';
COMMENT ON FUNCTION @extschema@.wallet_withdraw(bigint, numeric, jsonb, text) IS 'moves money from a wallet to the outside';

CREATE FUNCTION @extschema@.wallet_transfer(source_wallet_id bigint, destination_wallet_id bigint, amount numeric, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_transfer';
COMMENT ON FUNCTION @extschema@.wallet_transfer(bigint, bigint, numeric, jsonb, text) IS 'moves money from one wallet to another';

CREATE FUNCTION @extschema@.wallet_set_status(wallet_id bigint, status text)
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_set_status';
COMMENT ON FUNCTION @extschema@.wallet_set_status(bigint, text) IS 'freezes, unfreezes or closes a wallet; closing needs a balance of zero';

CREATE FUNCTION @extschema@.wallet_get(wallet_id bigint)
RETURNS wallet.wallet_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    info wallet.wallet_info;
BEGIN
    SELECT w.wallet_id, w.user_id, w.status, wallet.amount(w.balance, c.minor_digits), w.currency, w.created_at, w.updated_at
        INTO info
        FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
        WHERE w.wallet_id = wallet_get.wallet_id;
    IF NOT FOUND THEN
        PERFORM wallet.refuse('wallet_not_found', format('Wallet %s.', wallet_get.wallet_id));
    END IF;
    RETURN info;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_get(bigint) IS 'a wallet as it is now';

/*
 * A wallet's operations, newest first, in minor units: from its last transfer, or from the one
 * before the cursor, along the chain of previous transfers.  Each step is one primary-key lookup.
 */
CREATE FUNCTION wallet.history(wallet_id bigint, before bigint, max_rows integer)
RETURNS TABLE (operation wallet.transfer, balance bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    next_id bigint;
BEGIN
    IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000 THEN
        PERFORM wallet.refuse('invalid_limit');
    END IF;
    IF before IS NULL THEN
        SELECT w.last_transfer_id INTO next_id FROM wallet.wallet AS w WHERE w.wallet_id = history.wallet_id;
        IF NOT FOUND THEN
            PERFORM wallet.refuse('wallet_not_found', format('Wallet %s.', history.wallet_id));
        END IF;
    ELSE
        SELECT coalesce(CASE history.wallet_id WHEN t.source_wallet_id THEN t.source_previous ELSE t.destination_previous END, 0)
            INTO next_id
            FROM wallet.transfer AS t
            WHERE t.transfer_id = before AND history.wallet_id IN (t.source_wallet_id, t.destination_wallet_id);
        IF NOT FOUND THEN
            PERFORM wallet.refuse('invalid_cursor', format('Transfer %s, wallet %s.', before, history.wallet_id));
        END IF;
    END IF;
    FOR i IN 1 .. max_rows LOOP
        SELECT t.* INTO operation FROM wallet.transfer AS t WHERE t.transfer_id = next_id;
        EXIT WHEN NOT FOUND;
        IF operation.source_wallet_id = history.wallet_id THEN
            balance := operation.source_balance;
            next_id := operation.source_previous;
        ELSE
            balance := operation.destination_balance;
            next_id := operation.destination_previous;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wallet.history(bigint, bigint, integer) IS 'a wallet''s operations, newest first, in minor units';

CREATE FUNCTION @extschema@.wallet_history(wallet_id bigint, before bigint DEFAULT NULL, max_rows integer DEFAULT 50)
RETURNS TABLE (
    transfer_id bigint,
    kind text,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount numeric,
    balance numeric,
    metadata jsonb,
    request_id bigint,
    posted_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (h.operation).transfer_id, (h.operation).kind,
           nullif(greatest((h.operation).source_wallet_id, 0), 0),
           nullif(greatest((h.operation).destination_wallet_id, 0), 0),
           wallet.amount((h.operation).amount, digits.minor),
           wallet.amount(h.balance, digits.minor),
           (h.operation).metadata, (h.operation).request_id, (h.operation).posted_at
        FROM wallet.history($1, $2, $3) AS h
            CROSS JOIN (SELECT (SELECT c.minor_digits
                                    FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
                                    WHERE w.wallet_id = $1)) AS digits (minor)
        ORDER BY 1 DESC
$$;
COMMENT ON FUNCTION @extschema@.wallet_history(bigint, bigint, integer) IS
    'a wallet''s operations, newest first, with the balance after each; before is the transfer_id of the previous page''s last row';

/* Part 3: the queue, from a request to its outcome */

CREATE FUNCTION @extschema@.wallet_enqueue(kind text, payload json, idempotency_key text DEFAULT NULL)
RETURNS text
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_enqueue';
COMMENT ON FUNCTION @extschema@.wallet_enqueue(text, json, text) IS 'stores a request and returns its handshake';

CREATE FUNCTION @extschema@.wallet_enqueue_many(kinds text[], payloads text[], idempotency_keys text[] DEFAULT NULL)
RETURNS TABLE (ordinal integer, handshake_id text, code text, message text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_enqueue_many';
COMMENT ON FUNCTION @extschema@.wallet_enqueue_many(text[], text[], text[]) IS
    'stores many requests in one go: one that is refused does not fail the others';

CREATE FUNCTION @extschema@.wallet_lookup_many(kinds text[], user_ids bigint[], handshake_ids text[])
RETURNS SETOF wallet.answer
LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS 'MODULE_PATHNAME', 'wallet_lookup_many';
COMMENT ON FUNCTION @extschema@.wallet_lookup_many(text[], bigint[], text[]) IS 'how many requests stand';

CREATE FUNCTION @extschema@.wallet_lookup(kind text, user_id bigint, handshake_id text)
RETURNS wallet.request_info
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    answer wallet.answer;
    info wallet.request_info;
BEGIN
    SELECT * INTO answer
        FROM @extschema@.wallet_lookup_many(ARRAY[kind], ARRAY[user_id], ARRAY[handshake_id]);
    IF answer.state = 'unknown' THEN
        PERFORM wallet.refuse(answer.code);
    END IF;
    info.state := answer.state;
    info.code := answer.code;
    info.message := answer.message;
    info.wallet_id := answer.wallet_id;
    info.wallet_status := answer.wallet_status;
    info.amount := round(answer.amount::numeric,
        (SELECT c.minor_digits FROM wallet.currency AS c WHERE c.code = answer.currency));
    info.currency := answer.currency;
    info.created_at := answer.created_at::timestamp AT TIME ZONE 'UTC';
    info.updated_at := answer.updated_at::timestamp AT TIME ZONE 'UTC';
    info.transfer_id := answer.transfer_id;
    info.source_wallet_id := answer.source_wallet_id;
    info.destination_wallet_id := answer.destination_wallet_id;
    RETURN info;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_lookup(text, bigint, text) IS 'how a request stands; only for the user who made it';

/* Reads past the queue; a wallet or transfer of somebody else is one that does not exist. */
CREATE FUNCTION @extschema@.wallet_read_many(kinds text[], user_ids bigint[], ids bigint[])
RETURNS SETOF wallet.answer
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
    SELECT a.ordinal::integer,
           CASE WHEN found.id IS NULL THEN 'unknown' ELSE 'processed' END,
           code.name,
           wallet.code_message(code.name),
           w.wallet_id, w.status::text,
           wallet.amount_text(w.balance, c.minor_digits), w.currency,
           wallet.time_text(w.created_at), wallet.time_text(w.updated_at),
           t.transfer_id,
           nullif(greatest(t.source_wallet_id, 0), 0),
           nullif(greatest(t.destination_wallet_id, 0), 0)
        FROM unnest(kinds, user_ids, ids) WITH ORDINALITY AS a (kind, user_id, id, ordinal)
            LEFT JOIN wallet.wallet AS w ON a.kind = 'wallet' AND w.wallet_id = a.id AND w.user_id = a.user_id
            LEFT JOIN wallet.currency AS c ON c.code = w.currency
            LEFT JOIN wallet.transfer AS t ON a.kind = 'transaction' AND t.transfer_id = a.id
                AND EXISTS (SELECT FROM wallet.wallet AS own
                                WHERE own.wallet_id IN (t.source_wallet_id, t.destination_wallet_id)
                                    AND own.user_id = a.user_id)
            CROSS JOIN LATERAL (SELECT coalesce(w.wallet_id, t.transfer_id)) AS found (id)
            CROSS JOIN LATERAL (SELECT CASE WHEN found.id IS NOT NULL THEN 'processed'
                                            WHEN a.kind = 'wallet' THEN 'wallet_not_found'
                                            ELSE 'transaction_not_found' END) AS code (name)
        ORDER BY a.ordinal
$$;
COMMENT ON FUNCTION @extschema@.wallet_read_many(text[], bigint[], bigint[]) IS 'wallets and transactions as the tables have them now';

CREATE FUNCTION @extschema@.wallet_history_page(user_id bigint, wallet_id bigint, before bigint, max_rows integer)
RETURNS TABLE (
    transfer_id bigint,
    kind text,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount text,
    balance text,
    posted_at text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    digits integer;
BEGIN
    SELECT c.minor_digits INTO digits
        FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
        WHERE w.wallet_id = wallet_history_page.wallet_id AND w.user_id = wallet_history_page.user_id;
    IF NOT FOUND THEN
        PERFORM wallet.refuse('wallet_not_found', format('Wallet %s.', wallet_history_page.wallet_id));
    END IF;
    RETURN QUERY
        SELECT (h.operation).transfer_id, (h.operation).kind::text,
               nullif(greatest((h.operation).source_wallet_id, 0), 0),
               nullif(greatest((h.operation).destination_wallet_id, 0), 0),
               wallet.amount_text((h.operation).amount, digits), wallet.amount_text(h.balance, digits),
               wallet.time_text((h.operation).posted_at)
            FROM wallet.history(wallet_history_page.wallet_id, wallet_history_page.before, wallet_history_page.max_rows) AS h
            ORDER BY 1 DESC;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_history_page(bigint, bigint, bigint, integer) IS
    'a page of the history of a user''s own wallet, with amounts and times as JSON shows them';

CREATE FUNCTION @extschema@.wallet_process(max_requests integer DEFAULT NULL) RETURNS bigint
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off
AS 'MODULE_PATHNAME', 'wallet_process';
COMMENT ON FUNCTION @extschema@.wallet_process(integer) IS
    'posts what is queued, in the caller''s transaction, and returns how many requests got their outcome; it and the worker exclude each other';

CREATE FUNCTION wallet.worker_state(
    OUT worker_pid integer, OUT started_at timestamptz, OUT heartbeat timestamptz,
    OUT posted bigint, OUT refused bigint, OUT batch_requests integer, OUT batch_duration interval,
    OUT gaps integer, OUT deferred integer)
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_worker_state';
COMMENT ON FUNCTION wallet.worker_state() IS 'what this database''s worker says of itself; nulls when there is none';

CREATE VIEW wallet.queue AS
    SELECT waiting.queued, waiting.oldest_age, s.posted, s.refused, s.batch_requests, s.batch_duration,
           s.worker_pid, s.started_at, s.heartbeat, s.gaps, s.deferred
        FROM (SELECT count(*) AS queued, clock_timestamp() - min(r.enqueued_at) AS oldest_age
                  FROM wallet.request AS r
                  WHERE r.request_id > (SELECT coalesce(max(p.low_water), 0) FROM wallet.queue_position AS p)
                      AND NOT EXISTS (SELECT FROM wallet.outcome AS o WHERE o.request_id = r.request_id)
                      AND NOT EXISTS (SELECT FROM wallet.transfer AS t WHERE t.request_id = r.request_id)
             ) AS waiting, wallet.worker_state() AS s;
COMMENT ON VIEW wallet.queue IS
    'the queue''s state: what waits, and what the worker has done since it started (posted, refused: requests; gaps: ids not seen yet; deferred: requests that wait for a locked wallet)';

CREATE FUNCTION @extschema@.wallet_ready(OUT worker_alive boolean, OUT detail text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT alive, CASE WHEN alive THEN 'the worker is alive' ELSE 'the worker is not running' END
        FROM (SELECT coalesce(s.heartbeat > clock_timestamp() - interval '10 s', false) AS alive
                  FROM wallet.worker_state() AS s) AS state
$$;
COMMENT ON FUNCTION @extschema@.wallet_ready() IS 'whether this database''s worker is alive';

/* Part 4: the proof, maintenance, rights, and the guard of the journal */

/*
 * The proof, from the tables alone.  One statement, so one snapshot: it may run at any time.
 */
CREATE FUNCTION @extschema@.wallet_verify()
RETURNS TABLE (name text, ok boolean, detail text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH side AS MATERIALIZED (
        SELECT t.transfer_id, t.source_wallet_id AS wallet_id, - t.amount AS change,
               t.source_balance AS balance, t.source_previous AS previous
            FROM wallet.transfer AS t
        UNION ALL
        SELECT t.transfer_id, t.destination_wallet_id, t.amount, t.destination_balance, t.destination_previous
            FROM wallet.transfer AS t
    ), chain AS (
        SELECT s.*, lag(s.balance, 1, 0) OVER by_wallet AS balance_before,
               lag(s.transfer_id) OVER by_wallet AS expected_previous
            FROM side AS s WHERE s.wallet_id > 0
            WINDOW by_wallet AS (PARTITION BY s.wallet_id ORDER BY s.transfer_id)
    ), journal AS (
        SELECT s.wallet_id, sum(s.change) AS balance, max(s.transfer_id) AS last_transfer_id
            FROM side AS s GROUP BY s.wallet_id
    ), inside AS (
        SELECT w.currency, sum(w.balance) AS balance FROM wallet.wallet AS w GROUP BY w.currency
    ), fault (name, detail) AS (
        SELECT 'money_conserved', format('%s: wallets %s, outside %s', coalesce(c.code, i.currency), coalesce(i.balance, 0), coalesce(j.balance, 0))
            FROM wallet.currency AS c
                FULL JOIN inside AS i ON i.currency = c.code
                LEFT JOIN journal AS j ON j.wallet_id = c.outside_wallet_id
            WHERE coalesce(i.balance, 0) + coalesce(j.balance, 0) <> 0
        UNION ALL
        SELECT 'balance_matches_journal', format('wallet %s', coalesce(w.wallet_id, j.wallet_id))
            FROM wallet.wallet AS w FULL JOIN (SELECT * FROM journal AS a WHERE a.wallet_id > 0) AS j USING (wallet_id)
            WHERE w.wallet_id IS NULL OR w.balance <> coalesce(j.balance, 0)
                OR w.last_transfer_id <> coalesce(j.last_transfer_id, 0)
        UNION ALL
        SELECT 'outside_known', format('wallet %s', j.wallet_id)
            FROM journal AS j
            WHERE j.wallet_id < 0
                AND NOT EXISTS (SELECT FROM wallet.currency AS c WHERE c.outside_wallet_id = j.wallet_id)
        UNION ALL
        SELECT 'journal_chain', format('wallet %s at transfer %s', h.wallet_id, h.transfer_id)
            FROM chain AS h
            WHERE h.balance IS DISTINCT FROM h.balance_before + h.change
                OR h.previous IS DISTINCT FROM h.expected_previous
        UNION ALL
        SELECT 'balance_floor', format('wallet %s', h.wallet_id) FROM chain AS h WHERE h.balance < 0
        UNION ALL
        SELECT 'one_currency', format('transfer %s', t.transfer_id)
            FROM wallet.transfer AS t
                JOIN wallet.wallet AS s ON s.wallet_id = t.source_wallet_id
                JOIN wallet.wallet AS d ON d.wallet_id = t.destination_wallet_id
            WHERE s.currency <> d.currency
        UNION ALL
        SELECT 'one_outcome', format('request %s', o.request_id)
            FROM wallet.outcome AS o
                JOIN wallet.transfer AS t USING (request_id)
                LEFT JOIN wallet.request AS r USING (request_id)
            WHERE r.kind IS DISTINCT FROM 'wallet' OR o.code <> 'processed'
        UNION ALL
        SELECT 'outcome_fits_request', format('transfer %s', t.transfer_id)
            FROM wallet.transfer AS t
                LEFT JOIN wallet.request AS r USING (request_id)
                LEFT JOIN wallet.outcome AS o USING (request_id)
                LEFT JOIN wallet.wallet AS w ON w.wallet_id = greatest(t.source_wallet_id, t.destination_wallet_id)
                LEFT JOIN wallet.currency AS c ON c.code = w.currency
            WHERE t.request_id IS NOT NULL
                AND (t.amount = r.amount * 10::numeric ^ (c.minor_digits - r.amount_scale)
                     AND CASE r.kind
                         WHEN 'wallet' THEN t.kind = 'deposit' AND t.destination_wallet_id = o.wallet_id
                         ELSE t.kind = r.kind
                             AND coalesce(r.source_wallet_id, c.outside_wallet_id) = t.source_wallet_id
                             AND coalesce(r.destination_wallet_id, c.outside_wallet_id) = t.destination_wallet_id
                         END) IS NOT TRUE
        UNION ALL
        SELECT 'outcome_fits_request', format('outcome of request %s', o.request_id)
            FROM wallet.outcome AS o
                LEFT JOIN wallet.request AS r USING (request_id)
                LEFT JOIN wallet.transfer AS t USING (request_id)
                LEFT JOIN wallet.wallet AS w ON w.wallet_id = o.wallet_id
            WHERE (CASE
                   WHEN o.code <> 'processed' THEN r.request_id IS NOT NULL
                   ELSE r.kind IN ('wallet', 'wallet_read') AND w.user_id = r.user_id
                       AND (t.transfer_id IS NOT NULL) = (r.kind = 'wallet' AND r.amount > 0)
                   END) IS NOT TRUE
        UNION ALL
        SELECT 'all_settled_below_low_water', format('request %s', r.request_id)
            FROM wallet.request AS r
            WHERE r.request_id <= (SELECT max(p.low_water) FROM wallet.queue_position AS p)
                AND NOT EXISTS (SELECT FROM wallet.outcome AS o WHERE o.request_id = r.request_id)
                AND NOT EXISTS (SELECT FROM wallet.transfer AS t WHERE t.request_id = r.request_id)
    )
    SELECT check_name, count(f.name) = 0,
           CASE WHEN count(f.name) > 0 THEN format('%s faults, such as %s', count(f.name), min(f.detail)) END
        FROM unnest(ARRAY['money_conserved', 'balance_matches_journal', 'outside_known', 'journal_chain',
                          'balance_floor', 'one_currency', 'one_outcome', 'outcome_fits_request',
                          'all_settled_below_low_water']) WITH ORDINALITY AS checks (check_name, position)
            LEFT JOIN fault AS f ON f.name = check_name
        GROUP BY check_name, position ORDER BY position
$$;
COMMENT ON FUNCTION @extschema@.wallet_verify() IS 'proves from the tables alone that no money was lost, made or moved twice';

CREATE FUNCTION @extschema@.wallet_audit() RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH checked AS (
        INSERT INTO wallet.audit (checked_at, name, ok, detail)
            SELECT clock.now, v.name, v.ok, v.detail
                FROM (SELECT clock_timestamp() AS now) AS clock, @extschema@.wallet_verify() AS v
            RETURNING ok
    ) SELECT bool_and(ok) FROM checked
$$;
COMMENT ON FUNCTION @extschema@.wallet_audit() IS 'runs wallet_verify(), keeps the result in wallet.audit and says whether all was well';

CREATE FUNCTION wallet.idempotency_retention() RETURNS interval
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_idempotency_retention';
COMMENT ON FUNCTION wallet.idempotency_retention() IS 'pg_wallet.idempotency_retention, also where the library is not preloaded';

CREATE FUNCTION @extschema@.wallet_expire_idempotency_keys() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH expired AS (
        DELETE FROM wallet.idempotency_key
            WHERE created_at < now() - wallet.idempotency_retention()
            RETURNING 1
    ) SELECT count(*) FROM expired
$$;
COMMENT ON FUNCTION @extschema@.wallet_expire_idempotency_keys() IS
    'forgets the keys that are older than pg_wallet.idempotency_retention and returns how many';

CREATE FUNCTION @extschema@.wallet_schedule_maintenance()
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'pg_cron is not installed in this database'
            USING ERRCODE = 'undefined_function',
                  DETAIL = 'The jobs wallet_audit, analyze and wallet_expire_idempotency_keys were not scheduled.',
                  HINT = 'Add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart, CREATE EXTENSION pg_cron and call this function again; or call SELECT wallet_audit(), SELECT wallet_expire_idempotency_keys() and ANALYZE of the tables from another scheduler.';
    END IF;
    FOR job, schedule, command IN VALUES
        ('pg_wallet audit', '7 * * * *', 'SELECT @extschema@.wallet_audit()'),
        ('pg_wallet analyze', '23 * * * *', 'ANALYZE wallet.wallet, wallet.request, wallet.transfer, wallet.outcome, wallet.idempotency_key'),
        ('pg_wallet expire idempotency keys', '41 * * * *', 'SELECT @extschema@.wallet_expire_idempotency_keys()')
    LOOP
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING job, schedule, command;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_schedule_maintenance() IS
    'sets up pg_cron jobs: audit, analyze and expiry of idempotency keys';

/*
 * A client enqueues and looks up, and reads no table.  An operator moves money by direct calls as
 * well, and cares for wallets and the queue.  An auditor reads everything but the secret.
 */
CREATE FUNCTION @extschema@.wallet_grant(role regrole, duty text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    client CONSTANT text[] := ARRAY[
        'wallet_enqueue(text, json, text)', 'wallet_enqueue_many(text[], text[], text[])',
        'wallet_lookup(text, bigint, text)', 'wallet_lookup_many(text[], bigint[], text[])',
        'wallet_read_many(text[], bigint[], bigint[])', 'wallet_history_page(bigint, bigint, bigint, integer)',
        'wallet_ready()'];
    reader CONSTANT text[] := ARRAY[
        'wallet_get(bigint)', 'wallet_history(bigint, bigint, integer)', 'wallet_verify()', 'wallet_ready()'];
    operator CONSTANT text[] := ARRAY[
        'wallet_create(bigint, numeric, text)', 'wallet_deposit(bigint, numeric, jsonb, text)',
        'wallet_withdraw(bigint, numeric, jsonb, text)', 'wallet_transfer(bigint, bigint, numeric, jsonb, text)',
        'wallet_set_status(bigint, text)', 'wallet_process(integer)', 'wallet_audit()',
        'wallet_expire_idempotency_keys()'];
    functions text[];
BEGIN
    CASE duty
        WHEN 'client' THEN functions := client;
        WHEN 'operator' THEN functions := client || reader || operator;
        WHEN 'auditor' THEN functions := reader;
        ELSE RAISE EXCEPTION 'unknown duty "%"', duty
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The duties are client, operator and auditor.';
    END CASE;
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', '@extschema@', role);
    FOR i IN 1 .. cardinality(functions) LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s.%s TO %s', '@extschema@', functions[i], role);
    END LOOP;
    IF duty IN ('operator', 'auditor') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA wallet TO %s', role);
        EXECUTE format('GRANT SELECT ON wallet.queue, wallet.currency, wallet.audit TO %s', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION wallet.worker_state() TO %s', role);
    END IF;
    IF duty = 'auditor' THEN
        EXECUTE format('GRANT SELECT ON wallet.wallet, wallet.request, wallet.transfer, wallet.outcome, '
                       'wallet.idempotency_key, wallet.queue_position TO %s', role);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_grant(regrole, text) IS
    'gives a role the rights of a client, an operator or an auditor';

/* ---- Guard against dropping money by accident ---- */

CREATE FUNCTION wallet.guard_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_guard_drop';
COMMENT ON FUNCTION wallet.guard_drop() IS
    'loads the library, whose hook refuses to drop a journal that holds transfers';
CREATE EVENT TRIGGER pg_wallet_guard_drop ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION wallet.guard_drop();
ALTER EVENT TRIGGER pg_wallet_guard_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pg_wallet_guard_drop IS 'money is not dropped by accident';

/* ---- Nothing for PUBLIC ---- */

DO $$
DECLARE
    member regprocedure;
BEGIN
    FOR member IN
        SELECT d.objid FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
                AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                AND d.refobjid = (SELECT e.oid FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_wallet')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', member);
    END LOOP;
END
$$;

/* The launcher starts a worker for this database as soon as CREATE EXTENSION commits. */
CREATE FUNCTION wallet.announce() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_announce';
COMMENT ON FUNCTION wallet.announce() IS 'tells the launcher that this database wants a worker';
REVOKE ALL ON FUNCTION wallet.announce() FROM PUBLIC;
SELECT wallet.announce();
