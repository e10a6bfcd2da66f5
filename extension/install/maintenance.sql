/* Maintenance, rights, and the guard of the journal */

CREATE FUNCTION wallet.idempotency_retention() RETURNS interval
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_idempotency_retention';
COMMENT ON FUNCTION wallet.idempotency_retention() IS 'pg_wallet.idempotency_retention, also where the library is not preloaded';

/*
 * The moment that an expiry goes by: the clock's, but a call counts on no further than by the time
 * that the server has lived through since the last call, and a tenth of the retention besides.  (Up
 * to the oldest row nothing can expire.)  So a clock that is set forward takes nothing of the
 * present at once.
 */
CREATE FUNCTION wallet.expiry_moment(job text, retention interval, oldest timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    clock CONSTANT timestamptz := clock_timestamp();
    last wallet.expiry_clock;
    present CONSTANT interval := wallet.monotonic_clock();
    lived interval := '0';
BEGIN
    SELECT * INTO last FROM wallet.expiry_clock AS c WHERE c.job = expiry_moment.job FOR UPDATE;
    IF last.server_started_at = pg_postmaster_start_time() THEN
        lived := greatest(present - last.monotonic, lived);
    END IF;
    last.counted_until := least(clock, greatest(last.counted_until + lived + retention / 10, coalesce(oldest, clock)));
    INSERT INTO wallet.expiry_clock AS c (job, counted_until, server_started_at, monotonic)
        VALUES (expiry_moment.job, last.counted_until, pg_postmaster_start_time(), present)
        ON CONFLICT ON CONSTRAINT expiry_clock_pkey DO UPDATE
            SET counted_until = EXCLUDED.counted_until, server_started_at = EXCLUDED.server_started_at,
                monotonic = EXCLUDED.monotonic;
    IF last.counted_until < clock AND oldest < clock - retention THEN
        RAISE WARNING 'the expiry of % counts up to % only, and the clock says %', job, last.counted_until, clock
            USING DETAIL = 'A call counts the time that the server has lived through since the last one, and a tenth of the retention besides, so that a clock that is set forward takes nothing of the present at once.',
                  HINT = 'If the clock is right, call again until there is no such warning.';
    END IF;
    RETURN last.counted_until;
END
$$;
COMMENT ON FUNCTION wallet.expiry_moment(text, interval, timestamptz) IS
    'the moment that an expiry goes by: the clock''s, unless that has leapt forward';

CREATE FUNCTION wallet.expire_idempotency_keys() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    retention CONSTANT interval := wallet.idempotency_retention();
    moment CONSTANT timestamptz := wallet.expiry_moment('idempotency keys', retention,
        (SELECT min(k.created_at) FROM wallet.idempotency_key AS k));
    expired bigint;
BEGIN
    DELETE FROM wallet.idempotency_key AS k WHERE k.created_at < moment - retention;
    GET DIAGNOSTICS expired = ROW_COUNT;
    RETURN expired;
END
$$;
COMMENT ON FUNCTION wallet.expire_idempotency_keys() IS 'wallet_expire_idempotency_keys, for the owner and the scheduled job';

CREATE FUNCTION @extschema@.wallet_expire_idempotency_keys() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT wallet.expire_idempotency_keys() $$;
COMMENT ON FUNCTION @extschema@.wallet_expire_idempotency_keys() IS
    'forgets the keys that are older than pg_wallet.idempotency_retention and returns how many';

CREATE FUNCTION wallet.request_retention() RETURNS interval
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_request_retention';
COMMENT ON FUNCTION wallet.request_retention() IS 'pg_wallet.request_retention, also where the library is not preloaded';

CREATE FUNCTION wallet.lock_rotation() RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_lock_rotation';
COMMENT ON FUNCTION wallet.lock_rotation() IS
    'keeps others from beginning a new partition of requests until the transaction ends; false when this one has called it before';

/*
 * Attaching a partition needs the lock that ANALYZE of the table takes, too: while another transaction
 * holds that, no partition is made, so that nobody waits for it.  The next call tries again.
 */
CREATE FUNCTION wallet.try_make_partition(number bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    LOCK TABLE ONLY wallet.request, ONLY wallet.outcome IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    PERFORM wallet.make_partition(number);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION wallet.try_make_partition(bigint) IS
    'make_partition, unless another transaction keeps the tables from being altered; false then';

/*
 * The next partition has been there since the last time: what the sequence is told cannot be rolled
 * back, and others must see the partition at once.  Ids that it leaves out are a gap to the queue, as
 * any other.  Who has drawn an id just before still finds the partition that it belongs to.
 */
CREATE FUNCTION wallet.rotate_requests() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    next bigint;
BEGIN
    /*
     * One after the other, or the second would take the sequence back.  What this transaction has made
     * before is not there for others yet.
     */
    IF NOT wallet.lock_rotation() THEN
        RETURN false;
    END IF;
    next := wallet.current_partition() + 1;
    IF to_regclass(format('wallet.request_%s', next)) IS NULL THEN
        PERFORM wallet.try_make_partition(next);
        RETURN false;
    END IF;
    IF to_regclass(format('wallet.request_%s', next + 1)) IS NULL THEN
        PERFORM wallet.try_make_partition(next + 1);
    END IF;
    IF NOT EXISTS (SELECT FROM wallet.request AS r WHERE r.request_id >= wallet.partition_start(next - 1)) THEN
        RETURN false;
    END IF;
    PERFORM setval('wallet.request_id_seq', wallet.partition_start(next), false);
    RETURN true;
END
$$;
COMMENT ON FUNCTION wallet.rotate_requests() IS 'what wallet_rotate_requests() calls';

CREATE FUNCTION @extschema@.wallet_rotate_requests() RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT wallet.rotate_requests() $$;
COMMENT ON FUNCTION @extschema@.wallet_rotate_requests() IS
    'lets the requests to come go to a new partition; false when the present one is empty yet';

/* Whether a partition's requests have all been settled, and are older than is wanted in this moment. */
CREATE FUNCTION wallet.is_expired(number bigint, moment timestamptz) RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
    SELECT coalesce((SELECT r.request_id <= p.low_water AND r.enqueued_at < is_expired.moment - wallet.request_retention()
                         FROM wallet.request AS r
                         WHERE r.request_id >= wallet.partition_start(is_expired.number) AND r.request_id < wallet.partition_start(is_expired.number + 1)
                         ORDER BY r.request_id DESC LIMIT 1),
                    wallet.partition_start(is_expired.number + 1) <= p.low_water)
        FROM (SELECT coalesce(max(q.low_water), 0) AS low_water
                  FROM wallet.queue_position AS q JOIN wallet.opening AS o ON o.origin = q.origin) AS p
$$;
COMMENT ON FUNCTION wallet.is_expired(bigint, timestamptz) IS
    'whether all requests of a partition are settled and older than pg_wallet.request_retention';

CREATE FUNCTION wallet.drop_partition(number bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    part text;
BEGIN
    INSERT INTO wallet.expiry (expired_below, expired_at)
        SELECT wallet.partition_start(number + 1), clock_timestamp()
        ON CONFLICT DO NOTHING;
    FOREACH part IN ARRAY ARRAY['request', 'outcome'] LOOP
        part := format('wallet.%I', format('%s_%s', part, number));
        IF EXISTS (SELECT FROM pg_depend AS d
                       WHERE d.classid = 'pg_class'::regclass AND d.objid = part::regclass AND d.deptype = 'e') THEN
            EXECUTE 'ALTER EXTENSION pg_wallet DROP TABLE ' || part;
        END IF;
        EXECUTE 'DROP TABLE ' || part;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wallet.drop_partition(bigint) IS 'drops a partition of requests, with its outcomes';

/*
 * A partition spans a tenth of the retention, so that there are never many.  Dropping one excludes
 * everybody for a moment: when that moment does not come soon, the next call will try again.  Until
 * then nobody has waited for longer than the lock_timeout.
 */
CREATE FUNCTION wallet.expire_requests() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
#variable_conflict use_variable
DECLARE
    present bigint := wallet.current_partition();
    moment timestamptz;
    number bigint;
    dropped bigint := 0;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'wallet_expire_requests() needs the isolation level READ COMMITTED'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Call it in a transaction of its own that starts with BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    IF wallet.request_retention() IS NULL THEN
        RETURN 0;
    END IF;
    IF (SELECT r.enqueued_at < clock_timestamp() - wallet.request_retention() / 10
            FROM wallet.request AS r WHERE r.request_id >= wallet.partition_start(present) ORDER BY r.request_id LIMIT 1) THEN
        PERFORM wallet.rotate_requests();
    END IF;
    moment := wallet.expiry_moment('requests', wallet.request_retention(),
        (SELECT r.enqueued_at FROM wallet.request AS r ORDER BY r.request_id LIMIT 1));
    FOR number IN
        SELECT substr(c.relname, 9)::bigint
            FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'wallet.request'::regclass AND c.relname ~ '^request_[0-9]+$'
            ORDER BY 1
    LOOP
        EXIT WHEN number >= present OR NOT wallet.is_expired(number, moment);
        LOCK TABLE ONLY wallet.request IN ACCESS EXCLUSIVE MODE;
        /* From here on others wait: for a moment, whatever is locked besides. */
        EXECUTE format('LOCK TABLE ONLY wallet.outcome, wallet.request_%1$s, wallet.outcome_%1$s '
                       'IN ACCESS EXCLUSIVE MODE NOWAIT', number);
        /* Whoever held a lock until now may have added something. */
        EXIT WHEN NOT wallet.is_expired(number, moment);
        PERFORM wallet.drop_partition(number);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RAISE NOTICE 'old requests are in use and stay until the next call' USING DETAIL = SQLERRM || '.';
    RETURN 0;
END
$$;
COMMENT ON FUNCTION wallet.expire_requests() IS 'what wallet_expire_requests() and the scheduled job call';

CREATE FUNCTION @extschema@.wallet_expire_requests() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT wallet.expire_requests() $$;
COMMENT ON FUNCTION @extschema@.wallet_expire_requests() IS
    'drops requests older than pg_wallet.request_retention, partition by partition, and returns how many partitions';

CREATE FUNCTION @extschema@.wallet_schedule_maintenance()
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'pg_cron is not installed in this database'
            USING ERRCODE = 'undefined_function',
                  DETAIL = 'The jobs wallet_audit, analyze, wallet_expire_idempotency_keys and wallet_expire_requests were not scheduled.',
                  HINT = 'Add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart, CREATE EXTENSION pg_cron and call this function again; or call SELECT wallet_audit(), SELECT wallet_expire_idempotency_keys(), SELECT wallet_expire_requests() and ANALYZE of the tables from another scheduler.';
    END IF;
    FOR job, schedule, command IN VALUES
        ('pg_wallet audit', '7 * * * *', 'SELECT wallet.run_audit()'),
        ('pg_wallet analyze', '23 * * * *', 'ANALYZE wallet.wallet, wallet.request, wallet.transfer, wallet.outcome, wallet.hold, wallet.reversed, wallet.idempotency_key'),
        ('pg_wallet expire idempotency keys', '41 * * * *', 'SELECT wallet.expire_idempotency_keys()'),
        ('pg_wallet expire requests', '53 * * * *', 'SELECT wallet.expire_requests()')
    LOOP
        -- Whatever the database has for its default.  pg_cron sends both at once, and they are one transaction.
        IF command LIKE 'SELECT %' THEN
            command := 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; ' || command;
        END IF;
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING job, schedule, command;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_schedule_maintenance() IS
    'sets up pg_cron jobs: audit, analyze, expiry of idempotency keys and of requests';

/*
 * A client enqueues and looks up, and reads no table.  The shim, which is the HTTP server, checks API
 * keys as well.  An operator moves money by direct calls, and cares for wallets and the queue.  An
 * auditor reads everything but the secret and the API keys.  A monitor reads numbers alone.
 */
CREATE FUNCTION @extschema@.wallet_grant(role regrole, duty text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    client CONSTANT text[] := ARRAY[
        'wallet_enqueue(text, json, text)', 'wallet_enqueue_many(text[], text[], text[])',
        'wallet_lookup(text, bigint, text, boolean)', 'wallet_lookup_many(text[], bigint[], text[], boolean[])',
        'wallet_read_many(text[], bigint[], bigint[], boolean[])', 'wallet_history_page(bigint, bigint, bigint, integer, boolean)',
        'wallet_holds_page(bigint, bigint, bigint, text, bigint, integer)',
        'wallet_dry_run(text, json)', 'wallet_of(bigint)', 'wallet_ready()', 'wallet_position()'];
    shim CONSTANT text[] := client || ARRAY['wallet_api_key_check_many(bytea[])', 'wallet_enqueue_utf8(text[], bytea[], bytea[], integer[], text[])',
        'wallet_dry_run_utf8(text[], bytea[], bytea[], integer[], text[])', 'wallet_metrics()'];
    reader CONSTANT text[] := ARRAY[
        'wallet_get(bigint)', 'wallet_of(bigint)', 'wallet_history(bigint, bigint, integer, boolean)', 'wallet_holds(bigint, text)',
        'wallet_hold_get(bigint)', 'wallet_verify()', 'wallet_ready()', 'wallet_position()', 'wallet_api_keys()', 'wallet_metrics()'];
    operator CONSTANT text[] := ARRAY[
        'wallet_create(bigint, numeric, text)', 'wallet_deposit(bigint, numeric, jsonb, text)',
        'wallet_withdraw(bigint, numeric, text, jsonb, text)', 'wallet_transfer(bigint, bigint, numeric, text, jsonb, text)',
        'wallet_hold(bigint, bigint, numeric, interval, numeric, timestamp with time zone, jsonb, text)',
        'wallet_capture(bigint, numeric, boolean, jsonb, text)', 'wallet_void(bigint, numeric, jsonb, text)',
        'wallet_hold_extend(bigint, numeric, interval, timestamp with time zone, jsonb, text)',
        'wallet_reverse(bigint, numeric, text, jsonb, text)', 'wallet_reverse_group(bigint, boolean, jsonb, text)', 'wallet_group(jsonb, jsonb, text)',
        'wallet_transfer_many(bigint[], bigint[], numeric[], text[], boolean)',
        'wallet_set_status(bigint, text)', 'wallet_set_limits(bigint, numeric, numeric)', 'wallet_close(bigint, bigint)', 'wallet_process(integer)', 'wallet_audit(boolean, bigint)',
        'wallet_expire_idempotency_keys()', 'wallet_rotate_requests()', 'wallet_expire_requests()'];
    functions text[];
    granted regprocedure;
    home regnamespace;
BEGIN
    CASE duty
        WHEN 'client' THEN functions := client;
        WHEN 'shim' THEN functions := shim;
        WHEN 'operator' THEN functions := client || reader || operator;
        WHEN 'auditor' THEN functions := reader;
        WHEN 'monitor' THEN functions := ARRAY['wallet_metrics()'];
        ELSE RAISE EXCEPTION 'unknown duty "%"', duty
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The duties are client, shim, operator, auditor and monitor.';
    END CASE;
    -- Wherever they are now: a schema may be renamed, and a function moved.
    FOR i IN 1 .. cardinality(functions) LOOP
        SELECT p.oid, p.pronamespace INTO STRICT granted, home
            FROM pg_extension AS e
                JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
                JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
            WHERE e.extname = 'pg_wallet' AND format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) = functions[i];
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', home, role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', granted, role);
    END LOOP;
    IF duty IN ('operator', 'auditor', 'monitor') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA wallet TO %s', role);
        EXECUTE format('GRANT SELECT ON wallet.metric TO %s', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION wallet.metrics() TO %s', role);
    END IF;
    IF duty IN ('operator', 'auditor') THEN
        EXECUTE format('GRANT SELECT ON wallet.queue, wallet.kind, wallet.currency, wallet.audit TO %s', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION wallet.worker_state() TO %s', role);
    END IF;
    IF duty = 'auditor' THEN
        EXECUTE format('GRANT SELECT ON wallet.wallet, wallet.request, wallet.transfer, wallet.outcome, '
                       'wallet.operation, wallet.hold, wallet.reversed, wallet.limit_change, wallet.idempotency_key, wallet.queue_position, '
                       'wallet.expiry TO %s', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION wallet.amount(bigint, integer), wallet.moves_money(smallint), wallet.request_extra(bytea) TO %s', role);
    END IF;
    -- Handshakes are among the parameters of its statements: they stay out of the server's log, whatever that logs.
    IF duty IN ('client', 'shim', 'operator') AND current_setting('is_superuser')::boolean THEN
        EXECUTE format('ALTER ROLE %s IN DATABASE %I SET log_parameter_max_length = 0', role, current_database());
        EXECUTE format('ALTER ROLE %s IN DATABASE %I SET log_parameter_max_length_on_error = 0', role, current_database());
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_grant(regrole, text) IS
    'gives a role the rights of a client, the shim, an operator, an auditor or a monitor';

/* ---- Guard against dropping money by accident ---- */

CREATE FUNCTION wallet.guard_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_guard_drop';
COMMENT ON FUNCTION wallet.guard_drop() IS
    'tells the library which table is the journal, which its hook refuses to drop while it holds transfers';
CREATE EVENT TRIGGER pg_wallet_guard_drop ON ddl_command_start
    EXECUTE FUNCTION wallet.guard_drop();
ALTER EVENT TRIGGER pg_wallet_guard_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pg_wallet_guard_drop IS 'money is not dropped by accident';

/* The launcher starts a worker for this database as soon as CREATE EXTENSION commits. */
CREATE FUNCTION wallet.announce() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_announce';
COMMENT ON FUNCTION wallet.announce() IS 'tells the launcher that this database wants a worker';
SELECT wallet.announce();
