/* What whoever watches the system sees: numbers of the queue, the worker, holds and the last audit */

CREATE FUNCTION wallet.counts(OUT name text, OUT kind text, OUT code text, OUT le double precision, OUT value double precision)
RETURNS SETOF record
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_counts';
COMMENT ON FUNCTION wallet.counts() IS
    'what the queue has settled in this database since the server started, by kind and code, and how long and large its batches were';

CREATE FUNCTION wallet.held_sums(OUT currency text, OUT holds bigint, OUT held text)
RETURNS SETOF record
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_held_sums';
COMMENT ON FUNCTION wallet.held_sums() IS
    'the open holds of each currency and what they hold, in minor units; kept for a hundred times as long as it takes to add them up';

CREATE FUNCTION wallet.metric_state(OUT worker_alive boolean, OUT waiting bigint, OUT highest bigint, OUT first_deferred bigint, OUT standbys_missing integer)
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_metric_state';
COMMENT ON FUNCTION wallet.metric_state() IS
    'whether what is queued is posted, how many requests wait, the highest that the worker has read, the lowest that it has deferred, and how many synchronous standbys are missing; null: unknown';

/*
 * When the oldest request was queued that waits.  A worker that runs knows the first one that it has
 * deferred, and that all above the highest it has read wait.  Without a worker, the stored position
 * knows the first, and the outcomes tell the second.  After somebody else has posted, both may be
 * settled: so many rows are passed over, and no more.
 */
CREATE FUNCTION wallet.oldest_waiting(highest bigint, first_deferred bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    stored wallet.queue_position;
BEGIN
    IF highest IS NULL THEN
        SELECT * INTO stored FROM wallet.queue_position AS p ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1;
        first_deferred := (SELECT min(lower(u.ids)) FROM unnest(stored.unsettled) AS u (ids));
        highest := greatest(stored.highest, (SELECT max(t.request_id) FROM wallet.transfer AS t),
                            (SELECT max(o.request_id) FROM wallet.outcome AS o), 0);
    END IF;
    RETURN (SELECT min(n.enqueued_at)
                FROM (VALUES (first_deferred - 1), (highest)) AS start (id)
                    CROSS JOIN LATERAL
                        (SELECT r.enqueued_at
                             FROM (SELECT i.request_id, i.enqueued_at FROM wallet.request AS i
                                       WHERE i.request_id > start.id ORDER BY i.request_id LIMIT 1000) AS r
                             WHERE (SELECT true FROM wallet.outcome AS o WHERE o.request_id = r.request_id) IS NULL
                                 AND (SELECT true FROM wallet.transfer AS t WHERE t.request_id = r.request_id) IS NULL
                             ORDER BY r.request_id LIMIT 1) AS n);
END
$$;
COMMENT ON FUNCTION wallet.oldest_waiting(bigint, bigint) IS
    'when the oldest request that waits was queued; null: none waits';

/*
 * Each family of samples: what it is called, of which type it is, and what it says.  A sample of a
 * histogram has a name of its own: the family's with _bucket, _sum or _count.
 */
CREATE TYPE wallet.metric_sample AS (family text, type text, help text, name text, labels jsonb, value double precision);
COMMENT ON TYPE wallet.metric_sample IS 'a row of wallet.metric';

CREATE FUNCTION wallet.metric_help(family text, OUT type text, OUT help text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.type, f.help
        FROM (VALUES
            ('wallet_queue_requests', 'gauge', 'Requests that wait in the queue.'),
            ('wallet_queue_oldest_age_seconds', 'gauge', 'How long the oldest request has waited; 0: none waits.'),
            ('wallet_queue_deferred', 'gauge', 'Requests that wait for a locked wallet, for one before them, or because they fail.'),
            ('wallet_queue_failing', 'gauge', 'Requests that fail through nobody''s fault, and are tried again.'),
            ('wallet_queue_gaps', 'gauge', 'Ranges of request ids that are not visible yet.'),
            ('wallet_requests_total', 'counter', 'Requests that the queue has settled since the server started; code processed: carried out, any other: refused.'),
            ('wallet_batch_seconds', 'histogram', 'How long the worker''s batches took, with their commits.'),
            ('wallet_batch_requests', 'histogram', 'How many requests the worker''s batches have settled.'),
            ('wallet_worker_alive', 'gauge', 'Whether queued requests are posted, as wallet_ready() says.'),
            ('wallet_worker_heartbeat_age_seconds', 'gauge', 'How long ago the worker has last shown that it lives.'),
            ('wallet_holds_open', 'gauge', 'Holds that are open, by currency.'),
            ('wallet_held_amount', 'gauge', 'What open holds reserve, in units of the currency.'),
            ('wallet_verify_ok', 'gauge', 'Whether the last wallet_audit() has found all well.'),
            ('wallet_verify_age_seconds', 'gauge', 'How long ago the last wallet_audit() was; infinite: there was none.'),
            ('wallet_in_recovery', 'gauge', 'Whether the database is a standby.'),
            ('wallet_standbys', 'gauge', 'Standbys, and others who receive the write-ahead log, that are connected.'),
            ('wallet_standbys_missing', 'gauge', 'Synchronous standbys that commits need and that are not connected.'),
            ('wallet_standby_lag_bytes', 'gauge', 'Write-ahead log that the slowest connected standby has not replayed.'),
            ('wallet_replay_lag_seconds', 'gauge', 'On a standby: how old what it shows is.'),
            ('wallet_database_connections', 'gauge', 'Sessions of this database.'),
            ('wallet_database_connections_max', 'gauge', 'Sessions that the server takes, of all databases.')
        ) AS f (name, type, help)
        WHERE f.name = metric_help.family
$$;
COMMENT ON FUNCTION wallet.metric_help(text) IS 'the type of a family of metrics, and what it says';

/*
 * Reads no more of the journal than the newest row, and of the queue no more than its first ones: what
 * is counted stands in shared memory.  In the order in which it is shown.
 */
CREATE FUNCTION wallet.metrics() RETURNS SETOF wallet.metric_sample
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    is_standby CONSTANT boolean := pg_is_in_recovery();
    state CONSTANT record := wallet.metric_state();
    worker CONSTANT record := wallet.worker_state();
    oldest CONSTANT timestamptz := wallet.oldest_waiting(state.highest, state.first_deferred);
    last_audit CONSTANT timestamptz := (SELECT max(a.checked_at) FROM wallet.audit AS a);
    own_lsn CONSTANT pg_lsn := CASE WHEN is_standby THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END;
BEGIN
    RETURN QUERY
        SELECT s.family, h.type, h.help, s.name, s.labels, s.value
            FROM (
                SELECT one.name, one.name, '{}'::jsonb, one.value, NULL::double precision
                    FROM (VALUES
                        ('wallet_queue_requests', state.waiting::double precision),
                        ('wallet_queue_oldest_age_seconds', greatest(extract(epoch FROM coalesce(clock_timestamp() - oldest, interval '0')), 0)::double precision),
                        ('wallet_queue_deferred', worker.deferred),
                        ('wallet_queue_failing', worker.failing),
                        ('wallet_queue_gaps', worker.gaps),
                        ('wallet_worker_alive', state.worker_alive::integer),
                        ('wallet_worker_heartbeat_age_seconds', extract(epoch FROM worker.heartbeat_age)),
                        ('wallet_verify_ok', (SELECT bool_and(a.ok)::integer FROM wallet.audit AS a WHERE a.checked_at = last_audit)),
                        ('wallet_verify_age_seconds', coalesce(extract(epoch FROM clock_timestamp() - last_audit), 'Infinity')),
                        ('wallet_in_recovery', is_standby::integer),
                        ('wallet_standbys', (SELECT count(*) FROM pg_stat_get_wal_senders())),
                        ('wallet_standbys_missing', state.standbys_missing),
                        ('wallet_standby_lag_bytes', (SELECT max(pg_wal_lsn_diff(own_lsn, w.replay_lsn)) FROM pg_stat_get_wal_senders() AS w WHERE w.state = 'streaming')),
                        ('wallet_replay_lag_seconds', CASE WHEN is_standby THEN
                            CASE WHEN own_lsn = pg_last_wal_replay_lsn() AND (SELECT r.pid FROM pg_stat_get_wal_receiver() AS r) IS NOT NULL THEN 0
                                 ELSE extract(epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())) END END),
                        ('wallet_database_connections', (SELECT pg_stat_get_db_numbackends(d.oid) FROM pg_database AS d WHERE d.datname = current_database())),
                        ('wallet_database_connections_max', current_setting('max_connections')::integer)
                    ) AS one (name, value)
                    WHERE one.value IS NOT NULL
                UNION ALL
                SELECT regexp_replace(c.name, '_(bucket|sum|count)$', ''), c.name,
                       jsonb_strip_nulls(jsonb_build_object('kind', c.kind, 'code', c.code, 'le', CASE WHEN c.le = 'Infinity' THEN '+Inf' ELSE c.le::text END)), c.value, c.le
                    FROM wallet.counts() AS c
                UNION ALL
                SELECT sum.name, sum.name, jsonb_build_object('currency', h.currency), sum.value, NULL
                    FROM wallet.held_sums() AS h
                        JOIN wallet.currency AS c ON c.code = h.currency
                        CROSS JOIN LATERAL (VALUES ('wallet_holds_open', h.holds::double precision), ('wallet_held_amount', (h.held::numeric / 10::numeric ^ c.minor_digits)::double precision)) AS sum (name, value)
            ) AS s (family, name, labels, value, le)
                CROSS JOIN LATERAL wallet.metric_help(s.family) AS h
            ORDER BY s.family, s.le, s.name, s.labels;
END
$$;
COMMENT ON FUNCTION wallet.metrics() IS 'what wallet.metric shows';

CREATE VIEW wallet.metric AS SELECT m.family, m.type, m.help, m.name, m.labels, m.value FROM wallet.metrics() AS m;
COMMENT ON VIEW wallet.metric IS
    'numbers of the queue, the worker, holds and the last audit, as samples that Prometheus knows: a row each';

/* Prometheus' text format 0.0.4. */
CREATE FUNCTION @extschema@.wallet_metrics() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET extra_float_digits = 1 AS $$
BEGIN
    RETURN (
        SELECT string_agg(f.head || f.samples, '' ORDER BY f.family)
            FROM (SELECT m.family, format(E'# HELP %s %s\n# TYPE %s %s\n', m.family, min(m.help), m.family, min(m.type)) AS head,
                         string_agg(m.name || coalesce('{' || l.labels || '}', '') || ' '
                                    || CASE m.value WHEN 'Infinity' THEN '+Inf' ELSE m.value::text END || E'\n', '' ORDER BY m.position) AS samples
                      FROM wallet.metrics() WITH ORDINALITY AS m (family, type, help, name, labels, value, position)
                          CROSS JOIN LATERAL
                              (SELECT string_agg(format('%s="%s"', e.key, replace(replace(replace(e.value, E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n')), ',' ORDER BY e.key)
                                   FROM jsonb_each_text(m.labels) AS e) AS l (labels)
                      GROUP BY m.family) AS f);
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_metrics() IS 'wallet.metric in the text format 0.0.4 of Prometheus: what /metrics of the shim carries';
