/* Types and tables: the first part of the install script of pg_wallet */

\echo Use "CREATE EXTENSION pg_wallet" to load this file. \quit

/*
 * An operator or function that somebody has left in the extension's schema fits some calls better
 * than pg_catalog's, and would run with the rights of whoever creates the extension.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

/*
 * What is made does not depend on what the session, its role or the database have set: tables are in
 * the database's own tablespace, until somebody moves them, and of the kind that rows.c reads and writes.
 */
SET LOCAL default_tablespace = '';
SET LOCAL default_table_access_method = heap;
SET LOCAL session_replication_role = origin;
SET LOCAL row_security = on;
SET LOCAL transform_null_equals = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL quote_all_identifiers = off;
SET LOCAL check_function_bodies = off;

/*
 * The tables live in the schema wallet, whose name is fixed: the C code names it.  The functions
 * wallet_* that people call live in the schema that the extension is created in.  They call nothing
 * there, but in the schema wallet: whoever owns the other one might be less mighty than the owner of
 * the functions, and can give its name to another schema.  Nothing is granted to PUBLIC;
 * wallet_grant() gives a role what it needs.
 */
DO $$
DECLARE
    owner name;
    objects bigint;
BEGIN
    /* Whoever owns a schema may put objects into it, on which ours would stumble: none is taken over, not even an empty one. */
    SELECT pg_get_userbyid(n.nspowner), (SELECT count(DISTINCT (d.classid, d.objid)) FROM pg_depend AS d
            WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.classid <> 'pg_extension'::regclass)
        INTO owner, objects
        FROM pg_namespace AS n WHERE n.nspname = 'wallet';
    IF FOUND THEN
        RAISE duplicate_schema USING
            MESSAGE = 'schema "wallet" exists already',
            DETAIL = format('It belongs to role "%s" and holds %s objects. pg_wallet makes a schema of this name for its tables.', owner, objects),
            HINT = CASE objects WHEN 0 THEN 'The schema is empty: run DROP SCHEMA wallet first.'
                ELSE 'Give the schema another name first, by ALTER SCHEMA wallet RENAME TO ..., or drop it.' END;
    END IF;
END
$$;

CREATE SCHEMA wallet;
COMMENT ON SCHEMA wallet IS 'tables of pg_wallet: wallets, the queue of requests and the journal';

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
#variable_conflict use_variable
BEGIN
    PERFORM wallet.refuse('append_only', format('%s of table %I.%I.', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION wallet.refuse_change() IS 'trigger of the tables whose rows are never changed';

/*
 * ---- Tables ----
 *
 * Every text has the collation "C".  Another one's order, and with it what an index finds, is the
 * business of a library that the next release of the system may bring anew: then a key that was used
 * would not be found, and its payment be made again.
 */


/* What extension/rules/kinds.h says, which the library knows. */
CREATE FUNCTION wallet.kind_name(number smallint) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_kind_name';
COMMENT ON FUNCTION wallet.kind_name(smallint) IS 'the name of the kind that has this number; null where none has';

CREATE FUNCTION wallet.kind_number(name text) RETURNS smallint
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_kind_number';
COMMENT ON FUNCTION wallet.kind_number(text) IS 'the number of the kind that has this name; null where none has';

/* No table refers to it: a foreign key is a trigger, and would make a statement of each row that is stored. */
CREATE TABLE wallet.kind (
    number smallint PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);
INSERT INTO wallet.kind (number, name)
    SELECT n.number, wallet.kind_name(n.number::smallint) FROM generate_series(1, 32767) AS n (number)
        WHERE wallet.kind_name(n.number::smallint) IS NOT NULL;
COMMENT ON TABLE wallet.kind IS 'the kinds of requests and of transfers; made by CREATE EXTENSION, so not part of a dump';
COMMENT ON COLUMN wallet.kind.number IS 'what wallet.request and wallet.transfer store';
COMMENT ON COLUMN wallet.kind.name IS 'what functions and HTTP take and show';

CREATE TABLE wallet.currency (
    code text COLLATE "C" PRIMARY KEY CHECK (code ~ '^[a-z]{3}$'),
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
 * and no index on anything that a transfer changes, so that a balance change is a HOT update: always,
 * as long as dead versions can be pruned, and every other time while an old snapshot keeps them.  (The
 * others leave an entry in both indexes; whoever looks for a wallet comes to its newest one first.)
 * What a transfer changes stands together: the write-ahead log has what lies between the first byte
 * that an update changes and the last.
 */
CREATE SEQUENCE wallet.wallet_id_seq;
CREATE TABLE wallet.wallet (
    wallet_id bigint PRIMARY KEY CHECK (wallet_id > 0),
    user_id bigint NOT NULL CONSTRAINT wallet_user_id_key UNIQUE CHECK (user_id > 0),
    created_at timestamptz NOT NULL,
    floor bigint NOT NULL DEFAULT 0,
    ceiling bigint NOT NULL DEFAULT 9223372036854775807 CHECK (floor <= ceiling),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    balance bigint NOT NULL,
    last_transfer_id bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    status wallet.status NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (octet_length(currency) = 3)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER SEQUENCE wallet.wallet_id_seq OWNED BY wallet.wallet.wallet_id;
COMMENT ON SEQUENCE wallet.wallet_id_seq IS 'ids of wallets';
COMMENT ON TABLE wallet.wallet IS 'one wallet per user';
COMMENT ON COLUMN wallet.wallet.balance IS 'in minor units';
COMMENT ON COLUMN wallet.wallet.held IS 'what its open holds reserve, in minor units; those that are due are still in it';
COMMENT ON COLUMN wallet.wallet.floor IS 'a debit must leave so much, in minor units; negative: a credit line';
COMMENT ON COLUMN wallet.wallet.ceiling IS 'a credit may make no more of the balance, in minor units; 9223372036854775807: there is none';
COMMENT ON COLUMN wallet.wallet.currency IS
    'one of wallet.currency, whose rows never go; no foreign key, since pg_restore -j loads tables in any order';
COMMENT ON COLUMN wallet.wallet.last_transfer_id IS 'where the chain of this wallet''s transfers begins; 0: none yet';

/* CACHE 1, as is the default: the queue takes an id below another for one that was drawn before. */
CREATE SEQUENCE wallet.request_id_seq;
/*
 * Requests and their outcomes are partitioned by ranges of ids, so that old ones go by dropping a
 * partition; see wallet.make_partition().  The key is each partition's own, since the ranges do not
 * overlap.  Were it the parent's too, attaching a restored partition would make a second one.
 */
CREATE TABLE wallet.request (
    request_id bigint NOT NULL,
    user_id bigint NOT NULL,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount bigint,
    enqueued_at timestamptz NOT NULL,
    kind smallint NOT NULL,
    amount_scale smallint,
    currency text COLLATE "C" NOT NULL DEFAULT '',
    extra bytea NOT NULL DEFAULT ''
) PARTITION BY RANGE (request_id);
ALTER SEQUENCE wallet.request_id_seq OWNED BY wallet.request.request_id;
COMMENT ON SEQUENCE wallet.request_id_seq IS 'ids of requests, in the order in which they were asked';
COMMENT ON TABLE wallet.request IS 'what was asked for through the queue; append-only, in partitions that go when they are old';
COMMENT ON COLUMN wallet.request.kind IS 'what is asked for: a number of wallet.kind';
COMMENT ON COLUMN wallet.request.amount IS
    'digits of the amount, which is amount / 10^amount_scale: exact in a currency that may not be known yet';
COMMENT ON COLUMN wallet.request.user_id IS 'who asks; 0: an operator, for nobody in particular';
COMMENT ON COLUMN wallet.request.extra IS
    'the members that have no column, such as the legs of a group: wallet.request_extra() shows them; empty for most, where a null would make the row longer';
COMMENT ON COLUMN wallet.request.currency IS
    'of a new wallet; empty otherwise: a null would make every row eight bytes longer';

/*
 * Ids grow, and nothing is put between them: their indexes are filled to the brim, which spares disk and
 * write-ahead log.  The same goes for requests and outcomes.
 */
CREATE SEQUENCE wallet.transfer_id_seq;
CREATE TABLE wallet.transfer (
    transfer_id bigint PRIMARY KEY WITH (fillfactor = 100),
    request_id bigint,
    source_wallet_id bigint NOT NULL,
    destination_wallet_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    source_balance bigint,
    destination_balance bigint,
    source_previous bigint,
    destination_previous bigint,
    posted_at timestamptz NOT NULL,
    kind smallint NOT NULL,
    group_size smallint,
    overdraw boolean,
    held bigint,
    link_id bigint,
    group_id bigint,
    expires_at timestamptz,
    max_capture bigint,
    metadata jsonb,
    CHECK (source_wallet_id <> destination_wallet_id)
);
/* Nulls would be the last in it, so that no new id were. */
CREATE UNIQUE INDEX transfer_request_id_key ON wallet.transfer (request_id)
    WITH (fillfactor = 100) WHERE request_id IS NOT NULL;
/* The later rows of a hold, and the reversals of a transfer: a hold's first row, which links to itself, is found by its id. */
CREATE INDEX transfer_by_link ON wallet.transfer (link_id) WITH (deduplicate_items = off) WHERE link_id <> transfer_id;
ALTER SEQUENCE wallet.transfer_id_seq OWNED BY wallet.transfer.transfer_id;
COMMENT ON SEQUENCE wallet.transfer_id_seq IS 'ids of transfers, drawn with the wallets locked';
COMMENT ON TABLE wallet.transfer IS 'the journal: every operation on record; most move money, the rows of a hold reserve or release it; append-only';
COMMENT ON COLUMN wallet.transfer.request_id IS
    'the request that made the transfer; null for a direct call, and for all rows but the first of several that one request makes';
COMMENT ON COLUMN wallet.transfer.kind IS 'a number of wallet.kind';
COMMENT ON COLUMN wallet.transfer.amount IS 'in minor units: what was moved, or what a hold''s row reserves or releases; 0 for an extension of the time alone';
COMMENT ON COLUMN wallet.transfer.source_balance IS 'after this transfer, in minor units; null for the outside';
COMMENT ON COLUMN wallet.transfer.destination_balance IS 'after this transfer, in minor units; null for the outside';
COMMENT ON COLUMN wallet.transfer.held IS 'what the source''s holds reserve after this transfer, in minor units; null: nothing';
COMMENT ON COLUMN wallet.transfer.link_id IS 'the hold of a hold''s row or a capture, or the transfer that is reversed';
COMMENT ON COLUMN wallet.transfer.group_id IS 'the first row of the group that this one belongs to';
COMMENT ON COLUMN wallet.transfer.group_size IS 'on the first row of a group: how many rows the group has';
COMMENT ON COLUMN wallet.transfer.expires_at IS 'of a hold or its extension: when the hold ends from then on; infinity: never';
COMMENT ON COLUMN wallet.transfer.max_capture IS 'of a hold or its extension: how much may be captured in all from then on, in minor units';
COMMENT ON COLUMN wallet.transfer.overdraw IS 'true: a reversal that an operator let take more than was available';
COMMENT ON COLUMN wallet.transfer.source_previous IS
    'the source wallet''s transfer before this one: its history is a chain that needs no index';
COMMENT ON COLUMN wallet.transfer.destination_previous IS 'the destination wallet''s transfer before this one';

CREATE TABLE wallet.outcome (
    request_id bigint NOT NULL,
    wallet_id bigint,
    balance bigint,
    updated_at timestamptz,
    posted_at timestamptz NOT NULL,
    status wallet.status,
    leg smallint,
    code text COLLATE "C" NOT NULL
) PARTITION BY RANGE (request_id);
COMMENT ON TABLE wallet.outcome IS
    'how each request ended that has no transfer of its own: refusals, new wallets and queued reads; append-only, partitioned as wallet.request';
COMMENT ON COLUMN wallet.outcome.leg IS 'of a group that was refused: the leg that failed, from 0 on';
COMMENT ON COLUMN wallet.outcome.balance IS 'what a queued read saw, in minor units';
COMMENT ON COLUMN wallet.outcome.code IS 'processed, or why it was rejected';

/*
 * The present state of each hold, which follows from the journal's rows that link to it.  Whoever
 * changes a row has changed the source wallet before: its lock is the hold's.
 */
CREATE TABLE wallet.hold (
    hold_id bigint PRIMARY KEY WITH (fillfactor = 50, deduplicate_items = off),
    source_wallet_id bigint NOT NULL,
    destination_wallet_id bigint NOT NULL,
    rest bigint NOT NULL CHECK (rest >= 0),
    captured bigint NOT NULL CHECK (captured >= 0),
    max_capture bigint NOT NULL CHECK (max_capture >= captured),
    expires_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    CHECK ((state = 0) = (rest > 0))
) WITH (fillfactor = 50);
CREATE INDEX hold_by_source ON wallet.hold (source_wallet_id, expires_at) WITH (deduplicate_items = off) WHERE state = 0;
CREATE INDEX hold_by_destination ON wallet.hold (destination_wallet_id) WITH (deduplicate_items = off) WHERE state = 0;
CREATE INDEX hold_by_expires_at ON wallet.hold (expires_at) WITH (deduplicate_items = off) WHERE state = 0;
COMMENT ON TABLE wallet.hold IS 'the present state of each hold: its total is captured + rest';
COMMENT ON COLUMN wallet.hold.hold_id IS 'the transfer_id of the row that made the hold';
COMMENT ON COLUMN wallet.hold.destination_wallet_id IS 'who may capture; negative: the outside';
COMMENT ON COLUMN wallet.hold.rest IS 'what is still reserved, in minor units; a hold whose rest is 0 is over';
COMMENT ON COLUMN wallet.hold.captured IS 'what has been captured, in minor units';
COMMENT ON COLUMN wallet.hold.max_capture IS 'how much may be captured in all, in minor units';
COMMENT ON COLUMN wallet.hold.expires_at IS 'from then on the hold counts nowhere; infinity: it has no end';
COMMENT ON COLUMN wallet.hold.state IS '0 open, 1 captured, 2 voided, 3 expired: what took the last of the rest';

CREATE TABLE wallet.reversed (
    transfer_id bigint PRIMARY KEY,
    amount bigint NOT NULL CHECK (amount > 0)
) WITH (fillfactor = 90);
COMMENT ON TABLE wallet.reversed IS 'how much of a transfer has been reversed; no row: nothing';
COMMENT ON COLUMN wallet.reversed.amount IS 'in minor units: what its reversals add up to';

CREATE SEQUENCE wallet.limit_change_id_seq;
CREATE TABLE wallet.limit_change (
    change_id bigint PRIMARY KEY DEFAULT nextval('wallet.limit_change_id_seq'),
    wallet_id bigint NOT NULL,
    floor_before bigint NOT NULL,
    floor_after bigint NOT NULL,
    ceiling_before bigint NOT NULL,
    ceiling_after bigint NOT NULL,
    last_transfer_id bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text COLLATE "C" NOT NULL
);
CREATE INDEX limit_change_by_wallet ON wallet.limit_change (wallet_id, last_transfer_id);
ALTER SEQUENCE wallet.limit_change_id_seq OWNED BY wallet.limit_change.change_id;
COMMENT ON SEQUENCE wallet.limit_change_id_seq IS 'ids of changes of limits, drawn with the wallet locked';
COMMENT ON TABLE wallet.limit_change IS 'who has changed a wallet''s floor and ceiling, and when; append-only';
COMMENT ON COLUMN wallet.limit_change.last_transfer_id IS
    'the wallet''s last transfer at that moment: the change is in force for its transfers with larger ids';
COMMENT ON COLUMN wallet.limit_change.changed_by IS 'the role that asked';

CREATE TABLE wallet.expiry (
    expired_below bigint PRIMARY KEY,
    expired_at timestamptz NOT NULL
);
COMMENT ON TABLE wallet.expiry IS 'when old requests were dropped, with their outcomes; append-only';
COMMENT ON COLUMN wallet.expiry.expired_below IS 'requests with smaller ids are gone';

/*
 * Up to which moment each expiry has counted, and what the monotonic clock said then; see
 * wallet.expiry_moment().  No part of a dump: a restored database begins to count anew.
 */
CREATE FUNCTION wallet.monotonic_clock() RETURNS interval
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_monotonic_clock';
COMMENT ON FUNCTION wallet.monotonic_clock() IS
    'a clock that nobody sets, from some moment before the server''s start';

CREATE FUNCTION wallet.clock() RETURNS timestamptz
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_clock';
COMMENT ON FUNCTION wallet.clock() IS 'the ledger''s clock: the server''s, shifted by pg_wallet.clock_offset';

CREATE TABLE wallet.expiry_clock (
    job text COLLATE "C" PRIMARY KEY,
    counted_until timestamptz NOT NULL,
    server_started_at timestamptz NOT NULL,
    monotonic interval NOT NULL
);
INSERT INTO wallet.expiry_clock (job, counted_until, server_started_at, monotonic)
    SELECT j.job, clock_timestamp(), pg_postmaster_start_time(), wallet.monotonic_clock()
        FROM unnest(ARRAY['idempotency keys', 'requests']) AS j (job);
COMMENT ON TABLE wallet.expiry_clock IS 'up to which moment the expiry of keys and of requests has counted';
COMMENT ON COLUMN wallet.expiry_clock.monotonic IS
    'wallet.monotonic_clock() at that time; means something until the server starts again';

/*
 * One key for each request or direct call that was sent with one.  The user who owns the money
 * that the call moves is the scope: two users may choose the same key.
 */
CREATE TABLE wallet.idempotency_key (
    user_id bigint,
    key text COLLATE "C",
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
 * How far the queue has been worked off: every request up to highest has its outcome, but for those
 * whose ids are in unsettled.  The first request or hold ever made adds a row, and until there is
 * one nothing is posted and no hold expires.  Two sessions that are first at the same time add a
 * row each, so that neither waits for the other: the one that is farthest counts.
 *
 * A row counts only while wallet.opening names its origin.  After a restore that is so when pg_dump
 * has refreshed that view, which it leaves for the very end, also with parallel jobs: nobody posts
 * from half a restored queue, nor lets a hold expire in half a journal.
 */
CREATE TABLE wallet.queue_position (
    opener uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    origin uuid NOT NULL,
    low_water bigint NOT NULL DEFAULT 0,
    highest bigint NOT NULL DEFAULT 0,
    unsettled int8multirange NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE wallet.queue_position IS 'how far the queue has been worked off';
COMMENT ON COLUMN wallet.queue_position.opener IS 'of no meaning: whoever opens the queue does not wait for others that do so';
COMMENT ON COLUMN wallet.queue_position.low_water IS 'every request up to here has its outcome';
COMMENT ON COLUMN wallet.queue_position.highest IS 'every request up to here that is not in unsettled has its outcome';
COMMENT ON COLUMN wallet.queue_position.unsettled IS
    'ids of requests that wait for a wallet, or that an open transaction may commit yet; at most 64 ranges, with what lies close between them';
COMMENT ON COLUMN wallet.queue_position.origin IS 'what wallet.opening said when the queue was opened';

CREATE MATERIALIZED VIEW wallet.opening AS
    SELECT coalesce((SELECT p.origin FROM wallet.queue_position AS p LIMIT 1), gen_random_uuid()) AS origin;
COMMENT ON MATERIALIZED VIEW wallet.opening IS
    'the origin of the queue that may be posted; refreshed at the end of a restore, which opens the restored queue';

CREATE TABLE wallet.secret (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    handshake_key bytea NOT NULL CHECK (octet_length(handshake_key) = 32),
    database oid NOT NULL
);
COMMENT ON TABLE wallet.secret IS 'the key that handshakes are sealed with; for the owner alone';
COMMENT ON COLUMN wallet.secret.database IS
    'the database that the key was made for or restored into; a copy made by CREATE DATABASE ... TEMPLATE derives a key of its own';

/*
 * A restored key takes the place of the one that CREATE EXTENSION has just made.  Whoever writes a key,
 * a restore and logical replication too, makes it the key of this database.
 */
CREATE FUNCTION wallet.replace_secret() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF TG_OP = 'INSERT' THEN
        DELETE FROM wallet.secret;
    END IF;
    NEW.database := (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database());
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION wallet.replace_secret() IS
    'trigger: keeps the secret a single row when a dump is restored, and a key of this database';
CREATE TRIGGER replace_secret BEFORE INSERT OR UPDATE ON wallet.secret
    FOR EACH ROW EXECUTE FUNCTION wallet.replace_secret();
ALTER TABLE wallet.secret ENABLE ALWAYS TRIGGER replace_secret;

/* gen_random_uuid() has 122 random bits: three of them fill the 256 of a key. */
CREATE FUNCTION wallet.random_key() RETURNS bytea
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;
COMMENT ON FUNCTION wallet.random_key() IS '32 bytes that nobody can guess';

INSERT INTO wallet.secret (handshake_key) VALUES (wallet.random_key());

CREATE TABLE wallet.audit (
    checked_at timestamptz NOT NULL,
    name text COLLATE "C" NOT NULL,
    ok boolean NOT NULL,
    detail text,
    covered text COLLATE "C",
    PRIMARY KEY (checked_at, name)
);
COMMENT ON TABLE wallet.audit IS 'results of wallet_audit(), a row for each check';
COMMENT ON COLUMN wallet.audit.covered IS 'which rows this audit has read';

/*
 * What money and rights depend on is not destroyed by a slip, not even of the owner's.  A trigger of a
 * statement refuses it whatever rows there are; one of a row sees a statement that names a table from
 * which ours inherits.  What posting, expiry, revoking a key and a restore do is all that is left.
 */
CREATE FUNCTION wallet.keep_fresh_keys() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF EXISTS (SELECT FROM gone AS g WHERE g.created_at >= now() - wallet.idempotency_retention()) THEN
        PERFORM wallet.refuse('append_only', 'DELETE of idempotency keys that have not expired.');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION wallet.keep_fresh_keys() IS 'trigger: an idempotency key is kept until it expires, or its payment could be made again';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON wallet.transfer
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.request
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.outcome
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.expiry
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.kind
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.currency
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.audit
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
/* Payments update wallets, but never these columns. */
CREATE TRIGGER refuse_change BEFORE UPDATE OF wallet_id, user_id, created_at, currency OR DELETE OR TRUNCATE ON wallet.wallet
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE DELETE ON wallet.wallet
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();
/* Nor do the operations of a hold change what it is for, or those of a reversal what is reversed. */
CREATE TRIGGER refuse_change BEFORE UPDATE OF hold_id, source_wallet_id, destination_wallet_id OR DELETE OR TRUNCATE ON wallet.hold
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE DELETE ON wallet.hold
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OF transfer_id OR DELETE OR TRUNCATE ON wallet.reversed
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE DELETE ON wallet.reversed
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.limit_change
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON wallet.limit_change
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON wallet.queue_position
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
/* A restored key takes the place of another one: replace_secret deletes that. */
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON wallet.secret
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OF user_id, key, fingerprint, request_id, transfer_id OR TRUNCATE ON wallet.idempotency_key
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER keep_fresh_keys AFTER DELETE ON wallet.idempotency_key
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION wallet.keep_fresh_keys();
/* Also where session_replication_role would silence an ordinary trigger. */
ALTER TABLE wallet.transfer ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.transfer ENABLE ALWAYS TRIGGER refuse_row_change;
ALTER TABLE wallet.request ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.outcome ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.expiry ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.kind ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.currency ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.audit ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.wallet ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.wallet ENABLE ALWAYS TRIGGER refuse_row_change;
ALTER TABLE wallet.hold ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.hold ENABLE ALWAYS TRIGGER refuse_row_change;
ALTER TABLE wallet.reversed ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.reversed ENABLE ALWAYS TRIGGER refuse_row_change;
ALTER TABLE wallet.limit_change ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.limit_change ENABLE ALWAYS TRIGGER refuse_row_change;
ALTER TABLE wallet.queue_position ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.secret ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.idempotency_key ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.idempotency_key ENABLE ALWAYS TRIGGER keep_fresh_keys;
