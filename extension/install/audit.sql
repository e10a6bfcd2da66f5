/* The proof, whole and hour by hour */

/* ---- Part by part, in the snapshot of the statement that calls these ---- */

/*
 * Verifies the transfers above an id, block by block.  Returns faults, and sums: of the areas transfer,
 * wallet, hold and reversed up to settled, and of the last three beyond it, as "ahead wallet" and so on.
 */
CREATE FUNCTION wallet.examine_transfers(above bigint, settled bigint)
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first bigint := above;
    next bigint;
    last bigint;
    finding wallet.finding;
    sums wallet.finding[] := '{}';
BEGIN
    LOOP
        next := (SELECT j.transfer_id FROM wallet.transfer AS j WHERE j.transfer_id > first ORDER BY j.transfer_id LIMIT 1);
        EXIT WHEN next IS NULL;
        last := next | 131071;
        IF next <= settled THEN
            last := least(last, settled);
        END IF;
        FOR finding IN SELECT * FROM wallet.verify_transfers(first, last) LOOP
            IF finding.name IS NOT NULL THEN
                RETURN NEXT finding;
            ELSIF last <= settled THEN
                sums := sums || finding;
            ELSIF finding.area <> 'transfer' THEN
                finding.area := 'ahead ' || finding.area;
                sums := sums || finding;
            END IF;
        END LOOP;
        IF cardinality(sums) > 10000 THEN
            sums := wallet.add_up(sums);
        END IF;
        first := last;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(wallet.add_up(sums));
    RETURN NEXT wallet.sum_of('reached', settled, 'transfer', coalesce((SELECT max(j.transfer_id) FROM wallet.transfer AS j), 0));
END
$$;
COMMENT ON FUNCTION wallet.examine_transfers(bigint, bigint) IS 'faults and sums of all transfers above an id';

/*
 * Verifies the requests above an id, block by block, with their outcomes and transfers.  Returns faults;
 * sums of the areas request and outcome up to where the checkpoint may go; and the requests up to there
 * that wait.  A checkpoint that would leave more than 1,000 of them behind goes no further.
 */
CREATE FUNCTION wallet.examine_requests(above bigint, settled bigint, low_water bigint, waiting_before integer)
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first bigint := above;
    next bigint;
    last bigint;
    blocks wallet.finding[];
    finding wallet.finding;
    sums wallet.finding[] := '{}';
    waiting integer := waiting_before;
BEGIN
    LOOP
        next := least((SELECT q.request_id FROM wallet.request AS q WHERE q.request_id > first ORDER BY q.request_id LIMIT 1),
                      (SELECT q.request_id FROM wallet.outcome AS q WHERE q.request_id > first ORDER BY q.request_id LIMIT 1),
                      (SELECT j.request_id FROM wallet.transfer AS j WHERE j.request_id > first ORDER BY j.request_id LIMIT 1));
        EXIT WHEN next IS NULL;
        last := next | 131071;
        IF next <= settled THEN
            last := least(last, settled);
        END IF;
        blocks := ARRAY(SELECT v FROM wallet.verify_requests(first, last, low_water) AS v);
        IF last <= settled THEN
            waiting := waiting + (SELECT count(*) FROM unnest(blocks) AS b WHERE b.area = 'waiting');
            IF waiting > 1000 THEN
                settled := first;
            END IF;
        END IF;
        FOREACH finding IN ARRAY blocks LOOP
            IF finding.name IS NOT NULL OR finding.area = 'waiting' AND last <= settled THEN
                RETURN NEXT finding;
            ELSIF last <= settled THEN
                sums := sums || finding;
            END IF;
        END LOOP;
        first := last;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(wallet.add_up(sums));
    RETURN NEXT wallet.sum_of('reached', settled, 'request',
        (SELECT q.request_id FROM wallet.request AS q WHERE q.request_id > above ORDER BY q.request_id DESC LIMIT 1));
END
$$;
COMMENT ON FUNCTION wallet.examine_requests(bigint, bigint, bigint, integer) IS 'faults and sums of all requests above an id';

/* What the journal says of wallets, holds or sums of reversals: the sums of one area, settled and beyond. */
CREATE FUNCTION wallet.journal_sums(sums wallet.finding[], what text) RETURNS wallet.finding[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT wallet.add_up(ARRAY(SELECT s FROM unnest(journal_sums.sums) AS s
                                   WHERE s.area IN (journal_sums.what, 'ahead ' || journal_sums.what)))
$$;
COMMENT ON FUNCTION wallet.journal_sums(wallet.finding[], text) IS 'the sums of wallets, of holds or of reversals, as the journal says';

CREATE FUNCTION wallet.verified_sums(what text) RETURNS wallet.finding[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT wallet.sum_of(v.area, v.block, v.currency, 0, v.balance, v.digest) FROM wallet.verified AS v WHERE v.area = $1)
$$;
COMMENT ON FUNCTION wallet.verified_sums(text) IS 'what the verified transfers say of wallets, of holds or of reversals';

CREATE FUNCTION wallet.faulty_blocks(what text) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT DISTINCT v.block FROM wallet.verified AS v WHERE v.area = $1 AND NOT v.ok AND v.block >= 0)
$$;
COMMENT ON FUNCTION wallet.faulty_blocks(text) IS 'the blocks that every audit reads until they are well again';

/*
 * The blocks of wallets, holds or sums of reversals (what) that are compared with what the journal says:
 * those that differed the last time, and the next ones in turn, from a block on and once around; blocks:
 * so many, or all where it is null.
 */
CREATE FUNCTION wallet.blocks_in_turn(what text, journal wallet.finding[], start bigint, blocks integer, again bigint[],
                                      OUT turn bigint[], OUT next_start bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    next bigint;
    around boolean := false;
BEGIN
    turn := again;
    next_start := start;
    WHILE blocks IS NULL OR cardinality(turn) < blocks + cardinality(again) LOOP
        next := least(CASE what
                      WHEN 'wallet' THEN (SELECT w.wallet_id >> 17 FROM wallet.wallet AS w WHERE w.wallet_id >= next_start << 17 ORDER BY w.wallet_id LIMIT 1)
                      WHEN 'hold' THEN (SELECT h.hold_id >> 17 FROM wallet.hold AS h WHERE h.hold_id >= next_start << 17 ORDER BY h.hold_id LIMIT 1)
                      ELSE (SELECT v.transfer_id >> 17 FROM wallet.reversed AS v WHERE v.transfer_id >= next_start << 17 ORDER BY v.transfer_id LIMIT 1)
                      END,
                      (SELECT min(j.block) FROM unnest(journal) AS j WHERE j.block >= greatest(next_start, 0)));
        EXIT WHEN around AND (next IS NULL OR next >= start);
        IF next IS NULL THEN
            around := true;
            next_start := 0;
        ELSE
            turn := turn || next;
            next_start := next + 1;
        END IF;
    END LOOP;
    turn := ARRAY(SELECT DISTINCT t.block FROM unnest(turn) AS t (block) ORDER BY 1);
END
$$;
COMMENT ON FUNCTION wallet.blocks_in_turn(text, wallet.finding[], bigint, integer, bigint[]) IS
    'which blocks are compared with the journal, and with which the next audit begins';

/* Compares blocks of holds, or of sums of reversals, with what the journal says. */
CREATE FUNCTION wallet.examine_states(what text, journal wallet.finding[], start bigint, blocks integer, again bigint[])
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    chosen CONSTANT record := wallet.blocks_in_turn(what, journal, start, blocks, again);
    number bigint;
BEGIN
    FOREACH number IN ARRAY chosen.turn LOOP
        RETURN QUERY SELECT * FROM wallet.compare_states(what, number, journal);
    END LOOP;
    RETURN NEXT wallet.sum_of('reached', chosen.next_start, what, 0);
END
$$;
COMMENT ON FUNCTION wallet.examine_states(text, wallet.finding[], bigint, integer, bigint[]) IS
    'faults of blocks of holds, or of sums of reversals';

/*
 * Compares blocks of wallets with what the journal says.  Then all money: what the journal says of each
 * block, put right by what has just been read of the wallets.
 */
CREATE FUNCTION wallet.examine_wallets(journal wallet.finding[], start bigint, blocks integer, again bigint[])
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    chosen CONSTANT record := wallet.blocks_in_turn('wallet', journal, start, blocks, again);
    next bigint;
    findings wallet.finding[];
    difference wallet.finding[] := '{}';
BEGIN
    FOREACH next IN ARRAY chosen.turn LOOP
        findings := ARRAY(SELECT v FROM wallet.compare_wallets(next, journal) AS v);
        RETURN QUERY SELECT * FROM unnest(findings) AS n WHERE n.name IS NOT NULL;
        difference := difference || ARRAY(SELECT n FROM unnest(findings) AS n WHERE n.name IS NULL AND n.balance <> 0);
        RETURN NEXT wallet.sum_of('read', next, 'wallet', (SELECT coalesce(sum(n.row_count), 0) FROM unnest(findings) AS n));
    END LOOP;
    RETURN NEXT wallet.sum_of('reached', chosen.next_start, 'wallet', 0);
    RETURN QUERY
        SELECT f.*
            FROM (SELECT d.currency, coalesce(sum(d.balance) FILTER (WHERE d.block >= 0), 0) AS inside,
                         coalesce(sum(d.balance) FILTER (WHERE d.block < 0), 0) AS outside
                      FROM unnest(journal || difference) AS d GROUP BY d.currency) AS m
                CROSS JOIN LATERAL wallet.fault('money_conserved', format('%s: wallets %s, outside %s', coalesce(nullif(m.currency, ''), 'no currency'), m.inside, m.outside), 'wallet') AS f
            WHERE m.inside + m.outside <> 0;
END
$$;
COMMENT ON FUNCTION wallet.examine_wallets(wallet.finding[], bigint, integer, bigint[]) IS
    'faults of blocks of wallets, and of all money';

/* The first block from one on that has rows up to an id, or had some when it was verified; null: none. */
CREATE FUNCTION wallet.next_past_block(what text, at_least bigint, up_to bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    RETURN least(
        CASE what
        WHEN 'transfer' THEN
            (SELECT j.transfer_id >> 17 FROM wallet.transfer AS j
                 WHERE j.transfer_id >= at_least << 17 AND j.transfer_id <= up_to ORDER BY j.transfer_id LIMIT 1)
        ELSE
            least((SELECT q.request_id >> 17 FROM wallet.request AS q
                       WHERE q.request_id >= at_least << 17 AND q.request_id <= up_to ORDER BY q.request_id LIMIT 1),
                  (SELECT q.request_id >> 17 FROM wallet.outcome AS q
                       WHERE q.request_id >= at_least << 17 AND q.request_id <= up_to ORDER BY q.request_id LIMIT 1),
                  (SELECT v.block FROM wallet.verified AS v WHERE v.area = 'outcome' AND v.block >= at_least ORDER BY v.block LIMIT 1))
        END,
        (SELECT v.block FROM wallet.verified AS v WHERE v.area = what AND v.block >= at_least ORDER BY v.block LIMIT 1));
END
$$;
COMMENT ON FUNCTION wallet.next_past_block(text, bigint, bigint) IS 'the next block of verified transfers, or of requests and outcomes';

/*
 * Reads verified rows again (what: transfer, or request with the outcomes): first the blocks that
 * differed the last time, then the next ones in turn from start on, until max_rows rows have been
 * read or all have.  Blocks below floor have expired.  late: outcomes that have come since for
 * requests that waited.
 */
CREATE FUNCTION wallet.examine_past(what text, floor bigint, up_to bigint, start bigint, max_rows bigint,
                                    low_water bigint, late wallet.finding[])
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first bigint := greatest(start, floor);
    next bigint;
    around boolean := false;
    turn bigint[] := ARRAY(SELECT DISTINCT v.block FROM wallet.verified AS v
                               WHERE v.area IN (what, CASE what WHEN 'request' THEN 'outcome' END) AND NOT v.ok AND v.block >= floor);
    again CONSTANT bigint[] := turn;
    budget bigint := max_rows;
    findings wallet.finding[];
BEGIN
    LOOP
        IF cardinality(turn) > 0 THEN
            next := turn[1];
            turn := turn[2:];
        ELSE
            EXIT WHEN budget <= 0;
            next := wallet.next_past_block(what, first, up_to);
            EXIT WHEN around AND (next IS NULL OR next >= start);
            around := around OR next IS NULL;
            first := coalesce(next + 1, floor);
            CONTINUE WHEN next IS NULL OR next = ANY (again);
        END IF;
        IF what = 'transfer' THEN
            findings := ARRAY(SELECT v FROM wallet.compare_transfers(next, up_to) AS v);
        ELSE
            findings := ARRAY(SELECT v FROM wallet.compare_requests(next, up_to, low_water, late) AS v);
        END IF;
        RETURN QUERY SELECT * FROM unnest(findings);
        budget := budget - greatest(1000, (SELECT sum(n.row_count) FROM unnest(findings) AS n WHERE n.area = 'read'));
    END LOOP;
    RETURN NEXT wallet.sum_of('reached', first, 'past ' || what, 0);
END
$$;
COMMENT ON FUNCTION wallet.examine_past(text, bigint, bigint, bigint, bigint, bigint, wallet.finding[]) IS
    'which verified transfers, or requests and outcomes, are not what they were';

/* ---- The whole ---- */

/*
 * Everything, from the tables alone.  One statement calls this, so all of it is one snapshot: it may
 * run at any time.  The settings keep the plans to what is bounded: rows of a block are read by an
 * index, sorted and hashed in work_mem, and single rows are looked up where a statement says LATERAL.
 */
CREATE FUNCTION wallet.examine_all()
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET max_parallel_workers_per_gather = 0
SET work_mem = '64MB' AS $$
#variable_conflict use_variable
DECLARE
    journal wallet.finding[];
    expired bigint;
BEGIN
    -- While the parent is locked no partition goes.
    PERFORM FROM wallet.request AS r WHERE r.request_id < 0;
    expired := wallet.expired_below();
    journal := ARRAY(SELECT t FROM wallet.examine_transfers(0, 0) AS t);
    RETURN QUERY SELECT * FROM unnest(journal);
    RETURN QUERY SELECT * FROM wallet.examine_requests(greatest(0, expired - 1), 0,
        (SELECT p.low_water FROM wallet.queue_position AS p ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1), 0);
    RETURN QUERY SELECT * FROM wallet.examine_wallets(wallet.journal_sums(journal, 'wallet'), 0, NULL, '{}');
    RETURN QUERY SELECT * FROM wallet.examine_states('hold', wallet.journal_sums(journal, 'hold'), 0, NULL, '{}');
    RETURN QUERY SELECT * FROM wallet.examine_states('reversed', wallet.journal_sums(journal, 'reversed'), 0, NULL, '{}');
END
$$;
COMMENT ON FUNCTION wallet.examine_all() IS 'the faults of all rows, from the tables alone';

/*
 * What is new since the checkpoint, the wallets of so many blocks (null: all), and so many rows of the
 * past.  The rows of the area reached say how far the checkpoint may go if the new part has no fault.
 */
CREATE FUNCTION wallet.examine_since(kept wallet.checkpoint, wallet_blocks integer, past_rows bigint,
                                     seen wallet.checkpoint)
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off SET max_parallel_workers_per_gather = 0
SET work_mem = '64MB' AS $$
#variable_conflict use_variable
DECLARE
    horizon CONSTANT xid8 := pg_snapshot_xmin(pg_current_snapshot());
    settled_transfer bigint := kept.transfer_id;
    settled_request bigint := kept.request_id;
    settled_change bigint := kept.limit_change_id;
    wallets wallet.finding[];
    expired bigint;
    low_water bigint;
    transfers wallet.finding[];
    late wallet.finding[];
    waiting integer;
BEGIN
    -- While the parent is locked no partition goes.
    PERFORM FROM wallet.request AS r WHERE r.request_id < 0;
    expired := wallet.expired_below();
    low_water := (SELECT p.low_water FROM wallet.queue_position AS p ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1);
    IF horizon >= seen.seen_xid THEN
        settled_transfer := greatest(settled_transfer, seen.seen_transfer_id);
        settled_request := greatest(settled_request, seen.seen_request_id);
        settled_change := greatest(settled_change, seen.seen_limit_change_id);
    ELSIF horizon >= kept.seen_xid THEN
        settled_transfer := greatest(settled_transfer, kept.seen_transfer_id);
        settled_request := greatest(settled_request, kept.seen_request_id);
        settled_change := greatest(settled_change, kept.seen_limit_change_id);
    END IF;

    transfers := ARRAY(SELECT t FROM wallet.examine_transfers(kept.transfer_id, settled_transfer) AS t);
    RETURN QUERY SELECT * FROM unnest(transfers);

    -- Requests that have waited, and transfers that name a request of the past; then what is new.
    late := ARRAY(SELECT v FROM unnest(kept.waiting) AS w (id)
                      CROSS JOIN LATERAL wallet.verify_requests(w.id - 1, w.id, low_water) AS v
                      WHERE w.id >= expired AND (v.name IS NOT NULL OR v.area = 'waiting' OR v.area = 'outcome' AND v.row_count > 0));
    RETURN QUERY SELECT * FROM unnest(late);
    RETURN QUERY
        SELECT v.*
            FROM (SELECT j.request_id FROM wallet.transfer AS j
                      WHERE j.transfer_id > kept.transfer_id AND j.request_id <= kept.request_id AND j.request_id >= expired
                          AND j.request_id <> ALL (kept.waiting)
                      ORDER BY j.transfer_id LIMIT 1000) AS named
                CROSS JOIN LATERAL wallet.verify_requests(named.request_id - 1, named.request_id, low_water) AS v
            WHERE v.name IS NOT NULL;
    waiting := (SELECT count(*) FROM unnest(late) AS w WHERE w.area = 'waiting');
    RETURN QUERY SELECT * FROM wallet.examine_requests(greatest(kept.request_id, expired - 1), settled_request, low_water, waiting);

    wallets := ARRAY(
        SELECT w FROM wallet.examine_wallets(wallet.journal_sums(transfers || wallet.verified_sums('wallet'), 'wallet'), kept.next_wallet_block, wallet_blocks,
                                             wallet.faulty_blocks('wallet')) AS w);
    RETURN QUERY SELECT * FROM unnest(wallets);
    RETURN QUERY SELECT c.* FROM unnest(wallets) AS w CROSS JOIN LATERAL wallet.compare_limits(w.block, kept.limit_change_id) AS c
        WHERE w.area = 'read';
    RETURN QUERY SELECT * FROM wallet.sum_limits(kept.limit_change_id, settled_change, NULL);
    RETURN NEXT wallet.sum_of('reached', settled_change, 'limit', 0);
    RETURN QUERY
        SELECT * FROM wallet.examine_states('hold', wallet.journal_sums(transfers || wallet.verified_sums('hold'), 'hold'), kept.next_hold_block, wallet_blocks,
                                            wallet.faulty_blocks('hold'));
    RETURN QUERY
        SELECT * FROM wallet.examine_states('reversed', wallet.journal_sums(transfers || wallet.verified_sums('reversed'), 'reversed'), kept.next_reversed_block, wallet_blocks,
                                            wallet.faulty_blocks('reversed'));

    -- Currencies never change.
    RETURN QUERY
        SELECT f.*
            FROM jsonb_each(kept.currencies) AS k
                LEFT JOIN wallet.currency AS c ON c.code = k.key
                CROSS JOIN LATERAL wallet.fault('verified_unchanged', format('currency %s', k.key), 'past') AS f
            WHERE k.value IS DISTINCT FROM jsonb_build_array(c.number, c.minor_digits);
    RETURN QUERY SELECT * FROM wallet.examine_past('transfer', 0, kept.transfer_id, kept.next_transfer_block, past_rows, NULL, NULL);
    RETURN QUERY SELECT * FROM wallet.examine_past('request', expired >> 17, kept.request_id, kept.next_request_block, past_rows, low_water, late);
END
$$;
COMMENT ON FUNCTION wallet.examine_since(wallet.checkpoint, integer, bigint, wallet.checkpoint) IS
    'the faults of what is new since the checkpoint, and of some of what is older';

/* Each check with what was found, in the order in which they are shown. */
CREATE FUNCTION wallet.report(findings wallet.finding[], with_past boolean)
RETURNS TABLE (name text, ok boolean, detail text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT checks.check_name, count(f.name) = 0,
           CASE WHEN count(f.name) > 0 THEN format('%s faults, such as %s', sum(f.faults), min(f.detail)) END
        FROM unnest(ARRAY['money_conserved', 'balance_matches_journal', 'held_matches_journal', 'hold_matches_journal', 'reversed_matches_journal',
                          'outside_known', 'kind_known', 'row_fits_kind', 'group_whole', 'journal_chain', 'posted_at_rises',
                          'balance_floor', 'balance_ceiling', 'limits_match_changes', 'one_currency', 'one_outcome', 'outcome_fits_request',
                          'all_settled_below_low_water', 'verified_unchanged']) WITH ORDINALITY AS checks (check_name, position)
            LEFT JOIN unnest(findings) AS f ON f.name = checks.check_name
        WHERE with_past OR checks.check_name <> 'verified_unchanged'
        GROUP BY checks.check_name, checks.position ORDER BY checks.position
$$;
COMMENT ON FUNCTION wallet.report(wallet.finding[], boolean) IS 'a row for each check: whether all was well, and if not, what was found';

/* The proof, from the tables alone.  One statement, so one snapshot: it may run at any time. */
CREATE FUNCTION wallet.verify()
RETURNS TABLE (name text, ok boolean, detail text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.name, r.ok, r.detail
        FROM wallet.report(ARRAY(SELECT e FROM wallet.examine_all() AS e WHERE e.name IS NOT NULL), false) AS r
$$;
COMMENT ON FUNCTION wallet.verify() IS 'wallet_verify, for the owner alone';

CREATE FUNCTION @extschema@.wallet_verify()
RETURNS TABLE (name text, ok boolean, detail text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.name, v.ok, v.detail FROM wallet.verify() AS v
$$;
COMMENT ON FUNCTION @extschema@.wallet_verify() IS 'proves from the tables alone that no money was lost, made or moved twice';

/*
 * The checkpoint may go up to an id below which every transaction that drew one has ended.  A
 * transaction takes its id before it draws one of a transfer or a request: so what has been drawn by
 * now belongs to transactions below what is the next transaction id after that.  When the snapshot
 * that the proof is made in has none of them running any more, all that they wrote is in it.  Payments
 * take milliseconds, so it is worth waiting a second for them; what takes longer, as the caller's own
 * transaction may, is left to the next audit.
 *
 * The row of the checkpoint is locked: two audits come one after the other.
 */
CREATE FUNCTION wallet.run_audit(in_full boolean DEFAULT false, past_rows bigint DEFAULT 1048576)
RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    seen wallet.checkpoint;
    tries integer := 0;
    kept wallet.checkpoint;
    findings wallet.finding[];
    moment CONSTANT timestamptz := clock_timestamp();
    covers text;
BEGIN
    IF past_rows < 0 OR in_full IS NULL OR past_rows IS NULL THEN
        RAISE EXCEPTION 'the number of rows of the past must not be negative' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    /* What a subscription brings comes in the order of commits: while there is one, no id is the last. */
    IF NOT EXISTS (SELECT FROM pg_subscription_rel AS s JOIN pg_class AS c ON c.oid = s.srrelid
                       WHERE c.relnamespace = 'wallet'::regnamespace) THEN
        seen.seen_transfer_id := greatest((SELECT CASE WHEN q.is_called THEN q.last_value ELSE q.last_value - 1 END FROM wallet.transfer_id_seq AS q),
                                     (SELECT max(j.transfer_id) FROM wallet.transfer AS j));
        seen.seen_request_id := greatest((SELECT CASE WHEN q.is_called THEN q.last_value ELSE q.last_value - 1 END FROM wallet.request_id_seq AS q),
                                    (SELECT q.request_id FROM wallet.request AS q WHERE q.request_id > 0 ORDER BY q.request_id DESC LIMIT 1));
        seen.seen_limit_change_id := greatest((SELECT CASE WHEN q.is_called THEN q.last_value ELSE q.last_value - 1 END FROM wallet.limit_change_id_seq AS q),
                                              (SELECT max(c.change_id) FROM wallet.limit_change AS c));
    END IF;
    seen.seen_xid := wallet.next_xid();
    WHILE pg_snapshot_xmin(pg_current_snapshot()) < seen.seen_xid AND tries < 100
          AND current_setting('transaction_isolation') = 'read committed' AND pg_current_xact_id_if_assigned() IS NULL LOOP
        PERFORM pg_sleep(0.01);
        tries := tries + 1;
    END LOOP;

    INSERT INTO wallet.checkpoint DEFAULT VALUES ON CONFLICT DO NOTHING;
    IF FOUND THEN
        DELETE FROM wallet.verified;
    END IF;
    SELECT * INTO kept FROM wallet.checkpoint FOR UPDATE;

    findings := ARRAY(SELECT e FROM wallet.examine_since(kept, CASE WHEN NOT in_full THEN 16 END,
                                                      CASE WHEN in_full THEN 9223372036854775807 ELSE past_rows END, seen) AS e
                   UNION ALL
                   SELECT e FROM wallet.examine_all() AS e WHERE in_full AND e.name IS NOT NULL);
    SELECT format('%s; of the past %s transfers, %s requests and outcomes; %s wallets; %s holds',
                  CASE WHEN in_full THEN 'everything; then ' ELSE '' END
                  || format('transfers above %s up to %s, requests above %s up to %s', kept.transfer_id,
                            max(f.row_count) FILTER (WHERE f.area = 'reached' AND f.currency = 'transfer'), kept.request_id,
                            coalesce(max(f.row_count) FILTER (WHERE f.area = 'reached' AND f.currency = 'request'), kept.request_id)),
                  coalesce(sum(f.row_count) FILTER (WHERE f.area = 'read' AND f.currency = 'transfer'), 0),
                  coalesce(sum(f.row_count) FILTER (WHERE f.area = 'read' AND f.currency = 'request'), 0),
                  coalesce(sum(f.row_count) FILTER (WHERE f.area = 'read' AND f.currency = 'wallet'), 0),
                  coalesce(sum(f.row_count) FILTER (WHERE f.area = 'read' AND f.currency = 'hold'), 0))
        INTO covers FROM unnest(findings) AS f;
    INSERT INTO wallet.audit (checked_at, name, ok, detail, covered)
        SELECT moment, r.name, r.ok, r.detail, covers FROM wallet.report(findings, true) AS r;
    PERFORM wallet.keep_audit(kept, findings, seen);
    RETURN NOT EXISTS (SELECT FROM unnest(findings) AS f WHERE f.name IS NOT NULL);
END
$$;
COMMENT ON FUNCTION wallet.run_audit(boolean, bigint) IS 'wallet_audit, for the owner and the scheduled job';

/*
 * Moves the checkpoint on, unless there is a fault in what is new: then the next audit reads all of it
 * again.  A block of the past, or of wallets, that has a fault is marked, and read by every audit until
 * it is again what it was.
 */
CREATE FUNCTION wallet.keep_audit(kept wallet.checkpoint, findings wallet.finding[], seen wallet.checkpoint)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    /* Also a block that had no row when it was verified. */
    INSERT INTO wallet.verified AS v (area, block, row_count, balance, digest, ok)
        SELECT DISTINCT coalesce(f.currency, f.area), f.block, 0, 0, 0, false
            FROM unnest(findings) AS f WHERE f.name IS NOT NULL AND f.block IS NOT NULL
        ON CONFLICT (area, block, currency) DO NOTHING;
    UPDATE wallet.verified AS v
        SET ok = NOT faulty
        FROM (SELECT r.block, r.currency AS area,
                     EXISTS (SELECT FROM unnest(findings) AS f
                                 WHERE f.name IS NOT NULL AND f.block = r.block AND (f.currency = r.currency OR f.area = r.currency)) AS faulty
                  FROM unnest(findings) AS r WHERE r.area = 'read') AS n
        WHERE v.block = n.block AND v.area IN (n.area, CASE n.area WHEN 'request' THEN 'outcome' END) AND v.ok = faulty;
    UPDATE wallet.checkpoint
        SET next_transfer_block = coalesce((SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'past transfer'), next_transfer_block),
            next_request_block = coalesce((SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'past request'), next_request_block),
            next_wallet_block = (SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'wallet'),
            next_hold_block = coalesce((SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'hold'), next_hold_block),
            next_reversed_block = coalesce((SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'reversed'), next_reversed_block);
    DELETE FROM wallet.verified AS v
        WHERE v.area IN ('request', 'outcome') AND v.block < wallet.expired_below() >> 17;
    IF EXISTS (SELECT FROM unnest(findings) AS f WHERE f.name IS NOT NULL AND f.area = 'new') THEN
        RETURN;
    END IF;

    INSERT INTO wallet.verified AS v (area, block, currency, row_count, balance, digest)
        SELECT f.area, f.block, f.currency, f.row_count, f.balance, f.digest
            FROM unnest(findings) AS f
            WHERE f.name IS NULL AND f.area IN ('transfer', 'request', 'outcome', 'wallet', 'hold', 'reversed', 'limit')
                AND (f.row_count <> 0 OR f.balance <> 0 OR f.digest <> 0)
        ON CONFLICT (area, block, currency) DO UPDATE
            SET row_count = v.row_count + excluded.row_count, balance = v.balance + excluded.balance, digest = v.digest + excluded.digest;
    UPDATE wallet.checkpoint AS c
        SET transfer_id = (SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'transfer'),
            request_id = (SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'request'),
            limit_change_id = (SELECT f.block FROM unnest(findings) AS f WHERE f.area = 'reached' AND f.currency = 'limit'),
            waiting = ARRAY(SELECT f.block FROM unnest(findings) AS f WHERE f.name IS NULL AND f.area = 'waiting' ORDER BY f.block),
            currencies = (SELECT jsonb_object_agg(k.code, jsonb_build_array(k.number, k.minor_digits)) FROM wallet.currency AS k)
                         || c.currencies;
    /* What was seen before is waited for until it has come, or a long transaction would always be too late. */
    UPDATE wallet.checkpoint AS c
        SET seen_transfer_id = coalesce(seen.seen_transfer_id, 0), seen_request_id = coalesce(seen.seen_request_id, 0),
            seen_limit_change_id = coalesce(seen.seen_limit_change_id, 0), seen_xid = seen.seen_xid
        WHERE c.seen_xid IS NULL OR pg_snapshot_xmin(pg_current_snapshot()) >= c.seen_xid;
END
$$;
COMMENT ON FUNCTION wallet.keep_audit(wallet.checkpoint, wallet.finding[], wallet.checkpoint) IS
    'keeps how far an audit has come, and which blocks have a fault';

CREATE FUNCTION @extschema@.wallet_audit(full boolean DEFAULT false, past_rows bigint DEFAULT 1048576) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT wallet.run_audit($1, $2) $$;
COMMENT ON FUNCTION @extschema@.wallet_audit(boolean, bigint) IS
    'verifies what is new and some of the past, or everything, keeps the result in wallet.audit and says whether all was well';

/* After a repair that has left the verified rows other than they were. */
CREATE FUNCTION wallet.forget_verified() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM wallet.checkpoint;
    DELETE FROM wallet.verified;
$$;
COMMENT ON FUNCTION wallet.forget_verified() IS
    'lets the next audit begin from the start: what has been verified is forgotten, and what is there then is taken for good if the proof finds no fault';
