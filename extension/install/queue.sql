/* The queue, from a request to its outcome */

CREATE FUNCTION @extschema@.wallet_enqueue(kind text, payload json, idempotency_key text DEFAULT NULL)
RETURNS text
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_enqueue';
COMMENT ON FUNCTION @extschema@.wallet_enqueue(text, json, text) IS 'stores a request and returns its handshake';

CREATE FUNCTION @extschema@.wallet_enqueue_many(kinds text[], payloads text[], idempotency_keys text[] DEFAULT NULL)
RETURNS TABLE (ordinal integer, handshake_id text, code text, message text)
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_enqueue_many';
COMMENT ON FUNCTION @extschema@.wallet_enqueue_many(text[], text[], text[]) IS
    'stores many requests in one go: one that is refused does not fail the others';

/*
 * For the shim, which knows who asks: rights has, for each item, 1 when the asker speaks for all users,
 * so that user_id may be missing, and 2 when the asker may reverse anybody's transfers, added up; null:
 * neither.  max_amounts has the most that a row of the asker's may move, in the row's currency; null: no
 * limit.  Both are stored with the request.  is_repeated: the key has named an earlier request.
 */
CREATE FUNCTION @extschema@.wallet_enqueue_utf8(kinds text[], payloads bytea[], idempotency_keys bytea[] DEFAULT NULL, rights integer[] DEFAULT NULL, max_amounts text[] DEFAULT NULL)
RETURNS TABLE (ordinal integer, handshake_id text, code text, message text, user_id bigint, is_repeated boolean)
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_enqueue_utf8';
COMMENT ON FUNCTION @extschema@.wallet_enqueue_utf8(text[], bytea[], bytea[], integer[], text[]) IS
    'wallet_enqueue_many with payloads and keys in UTF-8, whatever the encoding of the database, and with the rights of each asker: a text that cannot be converted is its own item''s refusal';

/* The right of an operator is that to call wallet_set_status, wherever that function is now. */
CREATE FUNCTION wallet.speaks_for_all(role oid) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bool_or(has_function_privilege(role, p.oid, 'EXECUTE')), false)
        FROM pg_extension AS e
            JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
            JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        WHERE e.extname = 'pg_wallet' AND p.proname = 'wallet_set_status'
$$;
COMMENT ON FUNCTION wallet.speaks_for_all(oid) IS
    'whether a role is an operator''s: it may queue requests without a user, and reverse anybody''s transfers';

CREATE FUNCTION wallet.request_extra(extra bytea) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_request_extra';
COMMENT ON FUNCTION wallet.request_extra(bytea) IS 'what the column extra of wallet.request says: the members that have no column of their own';

CREATE FUNCTION wallet.expired_below() RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_expired_below';
COMMENT ON FUNCTION wallet.expired_below() IS
    'requests with smaller ids are gone, as of now, whatever the snapshot; 0: none has gone yet';

/* include_links: for which requests reversed, reversals and links are looked for; empty: for none. */
CREATE FUNCTION @extschema@.wallet_lookup_many(kinds text[], user_ids bigint[], handshake_ids text[], include_links boolean[] DEFAULT '{}')
RETURNS SETOF wallet.answer
LANGUAGE c STRICT SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_lookup_many';
COMMENT ON FUNCTION @extschema@.wallet_lookup_many(text[], bigint[], text[], boolean[]) IS 'how many requests stand';

CREATE FUNCTION wallet.lookup_many(kinds text[], user_ids bigint[], handshake_ids text[], include_links boolean[] DEFAULT '{}')
RETURNS SETOF wallet.answer
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'wallet_lookup_many';
COMMENT ON FUNCTION wallet.lookup_many(text[], bigint[], text[], boolean[]) IS 'wallet_lookup_many, for the owner alone';

CREATE FUNCTION @extschema@.wallet_lookup(kind text, user_id bigint, handshake_id text, include_links boolean DEFAULT false)
RETURNS wallet.request_info
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    answer wallet.answer;
    info wallet.request_info;
    digits integer;
BEGIN
    SELECT * INTO answer
        FROM wallet.lookup_many(ARRAY[kind], ARRAY[user_id], ARRAY[handshake_id], ARRAY[include_links]);
    IF answer.state = 'unknown' THEN
        PERFORM wallet.refuse(answer.code);
    END IF;
    info.state := answer.state;
    info.code := answer.code;
    info.message := answer.message;
    info.wallet_id := answer.wallet_id;
    info.wallet_status := answer.wallet_status;
    digits := (SELECT c.minor_digits FROM wallet.currency AS c WHERE c.code = answer.currency);
    info.amount := CASE WHEN answer.currency IS NULL THEN answer.amount::numeric ELSE round(answer.amount::numeric, digits) END;
    info.currency := answer.currency;
    info.created_at := answer.created_at::timestamp AT TIME ZONE 'UTC';
    info.updated_at := answer.updated_at::timestamp AT TIME ZONE 'UTC';
    info.transfer_id := answer.transfer_id;
    info.source_wallet_id := answer.source_wallet_id;
    info.destination_wallet_id := answer.destination_wallet_id;
    info.kind := answer.kind;
    info.link_id := answer.link_id;
    info.group_id := answer.group_id;
    info.leg := answer.leg;
    info.rows := answer.rows;
    info.held := round(answer.held::numeric, digits);
    info.floor := round(answer.floor::numeric, digits);
    info.ceiling := round(answer.ceiling::numeric, digits);
    info.available := round(answer.available::numeric, digits);
    info.reversed := answer.reversed::numeric;
    info.reversals := answer.reversals;
    info.links := answer.links;
    RETURN info;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_lookup(text, bigint, text, boolean) IS 'how a request stands; only for the user who made it';

/*
 * Reads past the queue; a wallet or transfer of somebody else is one that does not exist.  A wallet
 * without an id is the user's one wallet.  include_links is as in wallet_lookup_many.
 */
CREATE FUNCTION @extschema@.wallet_read_many(kinds text[], user_ids bigint[], ids bigint[], include_links boolean[] DEFAULT '{}')
RETURNS SETOF wallet.answer
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    answer wallet.answer;
BEGIN
    /* Not in the statement below, which is to take no longer for it. */
    IF num_nulls(VARIADIC ids) > 0 THEN
        ids := ARRAY(SELECT CASE WHEN a.id IS NULL AND a.kind = 'wallet'
                            THEN (SELECT own.wallet_id FROM wallet.wallet AS own WHERE own.user_id = a.user_id)
                            ELSE a.id END
                         FROM unnest(kinds, user_ids, ids) WITH ORDINALITY AS a (kind, user_id, id, ordinal)
                         ORDER BY a.ordinal);
    END IF;
    /* One by one, since somebody may have added attributes to the type: they are null. */
    FOR answer IN
        SELECT a.ordinal::integer,
               CASE WHEN found.id IS NULL THEN 'unknown' ELSE 'processed' END,
               code.name,
               wallet.code_message(code.name),
               w.wallet_id, w.status::text,
               wallet.amount_text(coalesce(w.balance, t.amount), c.minor_digits), w.currency,
               wallet.time_text(w.created_at), wallet.time_text(w.updated_at),
               t.transfer_id,
               nullif(greatest(t.source_wallet_id, 0), 0),
               nullif(greatest(t.destination_wallet_id, 0), 0),
               wallet.kind_name(t.kind), t.link_id, t.group_id, NULL::integer, NULL::jsonb,
               wallet.amount_text(h.held, c.minor_digits), wallet.amount_text(w.floor, c.minor_digits),
               wallet.amount_text(nullif(w.ceiling, 9223372036854775807), c.minor_digits),
               wallet.number_text(wallet.available(w.balance, h.held, w.floor, c.minor_digits)), NULL::text,
               NULL::text, NULL::bigint[], NULL::bigint[]
            FROM unnest(kinds, user_ids, ids) WITH ORDINALITY AS a (kind, user_id, id, ordinal)
                LEFT JOIN wallet.wallet AS w ON a.kind = 'wallet' AND w.wallet_id = a.id AND w.user_id = a.user_id
                LEFT JOIN wallet.transfer AS t ON a.kind = 'transaction' AND t.transfer_id = a.id
                    AND EXISTS (SELECT FROM wallet.wallet AS own
                                    WHERE own.wallet_id IN (t.source_wallet_id, t.destination_wallet_id)
                                        AND own.user_id = a.user_id)
                LEFT JOIN wallet.wallet AS side ON side.wallet_id = greatest(t.source_wallet_id, t.destination_wallet_id)
                LEFT JOIN wallet.currency AS c ON c.code = coalesce(w.currency, side.currency)
                CROSS JOIN LATERAL (SELECT CASE WHEN w.held <> 0 THEN wallet.held(w.wallet_id, w.held, w.updated_at) ELSE w.held END OFFSET 0) AS h (held)
                CROSS JOIN LATERAL (SELECT coalesce(w.wallet_id, t.transfer_id)) AS found (id)
                CROSS JOIN LATERAL (SELECT CASE WHEN found.id IS NOT NULL THEN 'processed'
                                                WHEN a.kind = 'wallet' THEN 'wallet_not_found'
                                                ELSE 'transaction_not_found' END) AS code (name)
            ORDER BY a.ordinal
    LOOP
        /* A statement of its own, too. */
        IF include_links[answer.ordinal] AND answer.transfer_id IS NOT NULL THEN
            SELECT l.reversed, l.reversals, l.links INTO answer.reversed, answer.reversals, answer.links
                FROM wallet.links(answer.transfer_id) AS l;
        END IF;
        RETURN NEXT answer;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_read_many(text[], bigint[], bigint[], boolean[]) IS 'wallets and transactions as the tables have them now';

CREATE FUNCTION @extschema@.wallet_history_page(user_id bigint, wallet_id bigint, before bigint, max_rows integer, include_holds boolean DEFAULT false)
RETURNS TABLE (
    transfer_id bigint,
    kind text,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount text,
    balance text,
    posted_at text,
    link_id bigint,
    group_id bigint,
    held text,
    expires_at text,
    overdraw boolean,
    reversed text,
    reversals bigint[],
    next bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    digits integer;
BEGIN
    /* wallet.history would say so, too, but the wallet comes after it. */
    IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000 THEN
        PERFORM wallet.refuse('invalid_limit');
    END IF;
    SELECT c.minor_digits INTO digits
        FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
        WHERE w.wallet_id = wallet_history_page.wallet_id AND w.user_id = wallet_history_page.user_id;
    IF NOT FOUND THEN
        PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || wallet_history_page.wallet_id || '.', 'wallet_id is null.'));
    END IF;
    RETURN QUERY
        SELECT (h.operation).transfer_id, wallet.kind_name((h.operation).kind),
               nullif(greatest((h.operation).source_wallet_id, 0), 0),
               nullif(greatest((h.operation).destination_wallet_id, 0), 0),
               wallet.amount_text((h.operation).amount, digits), wallet.amount_text(h.balance, digits),
               wallet.time_text((h.operation).posted_at),
               (h.operation).link_id, (h.operation).group_id,
               CASE WHEN (h.operation).source_wallet_id = wallet_history_page.wallet_id THEN wallet.amount_text(coalesce((h.operation).held, 0), digits) END,
               wallet.time_text((h.operation).expires_at), (h.operation).overdraw,
               wallet.amount_text(v.amount, digits),
               CASE WHEN v.amount > 0 THEN wallet.reversals((h.operation).transfer_id) END,
               h.next
            FROM wallet.history(wallet_history_page.wallet_id, wallet_history_page.before, wallet_history_page.max_rows, wallet_history_page.include_holds) AS h
                LEFT JOIN LATERAL (SELECT r.amount FROM wallet.reversed AS r WHERE r.transfer_id = (h.operation).transfer_id OFFSET 0) AS v ON true
            ORDER BY 1 DESC;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_history_page(bigint, bigint, bigint, integer, boolean) IS
    'a page of the history of a user''s own wallet, with amounts and times as JSON shows them; next: where the next page goes on, null where there is none';

CREATE FUNCTION @extschema@.wallet_process(max_requests integer DEFAULT NULL) RETURNS bigint
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_process';
COMMENT ON FUNCTION @extschema@.wallet_process(integer) IS
    'posts what is queued, in the caller''s transaction, and returns how many requests got their outcome; it and the worker exclude each other';

CREATE FUNCTION wallet.worker_state(
    OUT worker_pid integer, OUT started_at timestamptz, OUT heartbeat timestamptz,
    OUT posted bigint, OUT refused bigint, OUT batch_requests integer, OUT batch_duration interval,
    OUT gaps integer, OUT deferred bigint, OUT heartbeat_age interval,
    OUT failing integer, OUT failing_request_id bigint, OUT failing_since timestamptz,
    OUT failing_error text, OUT failing_attempts integer)
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_worker_state';
COMMENT ON FUNCTION wallet.worker_state() IS 'what this database''s worker says of itself; nulls when there is none';

/* What is known to be settled is not looked at, however much of it there is above a request that waits. */
CREATE VIEW wallet.queue AS
    SELECT waiting.queued, waiting.oldest_age, s.posted, s.refused, s.batch_requests, s.batch_duration,
           s.worker_pid, s.started_at, s.heartbeat, s.gaps, s.deferred,
           s.failing, s.failing_request_id, s.failing_since, s.failing_error, s.failing_attempts
        FROM (SELECT count(*) AS queued, CASE WHEN count(*) > 0 THEN greatest(clock_timestamp() - min(r.enqueued_at), interval '0') END AS oldest_age
                  FROM (SELECT lower(u.ids) AS first, upper(u.ids) - 1 AS last
                            FROM (SELECT p.unsettled FROM wallet.queue_position AS p ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1) AS position
                                CROSS JOIN LATERAL unnest(position.unsettled) AS u (ids)
                        UNION ALL
                        SELECT coalesce(max(p.highest), 0) + 1, 9223372036854775807 FROM wallet.queue_position AS p) AS open (first, last)
                      CROSS JOIN LATERAL (SELECT i.request_id, i.enqueued_at FROM wallet.request AS i
                                              WHERE i.request_id BETWEEN open.first AND open.last OFFSET 0) AS r
                  WHERE (SELECT true FROM wallet.outcome AS o WHERE o.request_id = r.request_id) IS NULL
                      AND (SELECT true FROM wallet.transfer AS t WHERE t.request_id = r.request_id) IS NULL
             ) AS waiting, wallet.worker_state() AS s;
COMMENT ON VIEW wallet.queue IS
    'the queue''s state: what waits, and what the worker has done since it started (posted, refused: requests; gaps: ids not seen yet; deferred: requests that wait for a locked wallet, for one before them, or because they fail; failing: requests that fail through nobody''s fault, of which the other columns describe the one that has failed for longest)';

CREATE FUNCTION @extschema@.wallet_ready(OUT worker_alive boolean, OUT detail text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_ready';
COMMENT ON FUNCTION @extschema@.wallet_ready() IS
    'whether this database''s worker posts what is queued; if not, detail says why, and what to do';

CREATE FUNCTION @extschema@.wallet_position(OUT reached text, OUT is_standby boolean)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_position';
COMMENT ON FUNCTION @extschema@.wallet_position() IS
    'how far this server has come, as TIMELINE-LSN: on a primary past every commit that can be seen, on a standby what has been replayed';

/* ---- What requests would do ---- */

CREATE FUNCTION @extschema@.wallet_dry_run(kind text, payload json) RETURNS jsonb
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_dry_run';
COMMENT ON FUNCTION @extschema@.wallet_dry_run(text, json) IS
    'what a request would do if it were carried out now; writes nothing, and also works on a standby';

CREATE FUNCTION @extschema@.wallet_dry_run_utf8(kinds text[], payloads bytea[], idempotency_keys bytea[] DEFAULT NULL, rights integer[] DEFAULT NULL, max_amounts text[] DEFAULT NULL)
RETURNS TABLE (ordinal integer, answer text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_dry_run_utf8';
COMMENT ON FUNCTION @extschema@.wallet_dry_run_utf8(text[], bytea[], bytea[], integer[], text[]) IS
    'what requests would do if they were carried out now, for the shim: the arguments are those of wallet_enqueue_utf8';
