/* What the proof checks of holds, limits, reversals and groups */

/* ---- What a wallet holds, and what it may spend ---- */

/*
 * A row says what its source holds.  So of a wallet's chain, from a row on back, the first row whose
 * source the wallet is.  Each step is one primary-key lookup.
 */
CREATE FUNCTION wallet.held_after(wallet_id bigint, transfer_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    row_id bigint := transfer_id;
    source_id bigint;
    held bigint;
    previous bigint;
BEGIN
    WHILE row_id IS NOT NULL LOOP
        SELECT j.source_wallet_id, j.held, j.destination_previous INTO source_id, held, previous
            FROM wallet.transfer AS j WHERE j.transfer_id = row_id;
        IF source_id = wallet_id THEN
            RETURN coalesce(held, 0);
        END IF;
        IF NOT FOUND OR previous >= row_id THEN
            RETURN NULL;
        END IF;
        row_id := previous;
    END LOOP;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION wallet.held_after(bigint, bigint) IS
    'what a wallet''s holds reserve after one of its transfers, in minor units; null where its chain is broken';

/*
 * Along a wallet's chain held grows by what holds and extensions reserve, shrinks by what voids,
 * expiries and captures release, and is changed by nothing else.  Each debit leaves what is held and
 * the floor that is in force; a capture is judged for what exceeds the hold alone, and a reversal that
 * overdraws and a sweep are not judged.  Each credit leaves no more than the ceiling that is in force.
 * Sums of the area wallet, under the name held instead of a
 * currency: each change takes the digest of what was held and gives that of what is held.
 */
CREATE FUNCTION wallet.verify_held(first bigint, last bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH s AS (
        SELECT j.transfer_id, j.kind, j.source_wallet_id AS wallet_id, j.amount, j.source_balance AS balance, j.source_previous, j.overdraw,
               coalesce(j.held, 0) AS held, lag(coalesce(j.held, 0)) OVER (PARTITION BY j.source_wallet_id ORDER BY j.transfer_id) AS before
            FROM wallet.transfer AS j
            WHERE j.transfer_id > verify_held.first AND j.transfer_id <= verify_held.last AND j.source_wallet_id > 0
    ), debit AS MATERIALIZED (
        SELECT s.transfer_id, s.kind, s.wallet_id, s.amount, s.balance, s.overdraw, s.held,
               coalesce(s.before, wallet.held_after(s.wallet_id, s.source_previous)) AS before
            FROM s
    ), bounded AS MATERIALIZED (
        SELECT DISTINCT c.wallet_id FROM wallet.limit_change AS c WHERE c.floor_after > 0
    ), capped AS MATERIALIZED (
        SELECT DISTINCT c.wallet_id FROM wallet.limit_change AS c WHERE c.ceiling_after < 9223372036854775807
    ), fault (name, detail) AS (
        SELECT 'held_matches_journal', format('wallet %s at transfer %s', d.wallet_id, d.transfer_id)
            FROM debit AS d
            WHERE CASE
                  WHEN d.kind IN (wallet.kind_number('hold'), wallet.kind_number('hold_extend')) THEN d.held - d.before = d.amount
                  WHEN d.kind IN (wallet.kind_number('void'), wallet.kind_number('expiry')) THEN d.before - d.held = d.amount
                  WHEN d.kind = wallet.kind_number('capture') THEN d.held < d.before
                  ELSE d.held = d.before
                  END IS NOT TRUE
        UNION ALL
        SELECT 'balance_floor', format('wallet %s at transfer %s', d.wallet_id, d.transfer_id)
            FROM debit AS d
                CROSS JOIN LATERAL (SELECT coalesce((SELECT c.floor_after FROM wallet.limit_change AS c
                                                         WHERE c.wallet_id = d.wallet_id AND c.last_transfer_id < d.transfer_id
                                                         ORDER BY c.last_transfer_id DESC, c.change_id DESC LIMIT 1), 0) OFFSET 0) AS f (floor)
            WHERE (d.balance < d.held OR d.wallet_id IN (SELECT b.wallet_id FROM bounded AS b))
                AND CASE d.kind
                    WHEN wallet.kind_number('capture') THEN d.amount > d.before - d.held
                    WHEN wallet.kind_number('reversal') THEN d.overdraw IS NOT TRUE
                    ELSE d.kind NOT IN (wallet.kind_number('void'), wallet.kind_number('expiry'), wallet.kind_number('sweep')) AND d.amount > 0
                    END
                AND d.balance::numeric - d.held < f.floor
        UNION ALL
        SELECT 'balance_ceiling', format('wallet %s at transfer %s', j.destination_wallet_id, j.transfer_id)
            FROM wallet.transfer AS j
                CROSS JOIN LATERAL (SELECT (SELECT c.ceiling_after FROM wallet.limit_change AS c
                                                WHERE c.wallet_id = j.destination_wallet_id AND c.last_transfer_id < j.transfer_id
                                                ORDER BY c.last_transfer_id DESC, c.change_id DESC LIMIT 1) OFFSET 0) AS f (ceiling)
            WHERE j.transfer_id > verify_held.first AND j.transfer_id <= verify_held.last
                AND j.destination_wallet_id IN (SELECT b.wallet_id FROM capped AS b)
                AND wallet.moves_money(j.kind) AND j.destination_balance > f.ceiling
    )
    SELECT f.name, count(*), min(f.detail), 'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f GROUP BY f.name
    UNION ALL
    SELECT NULL, NULL, NULL, 'wallet', d.wallet_id >> 17, 'held', 0, 0,
           coalesce(sum(wallet.digest(ROW(d.wallet_id, d.held))) FILTER (WHERE d.held <> 0), 0)
           - coalesce(sum(wallet.digest(ROW(d.wallet_id, d.before))) FILTER (WHERE d.before <> 0), 0)
        FROM debit AS d WHERE d.held <> d.before GROUP BY d.wallet_id >> 17
$$;
COMMENT ON FUNCTION wallet.verify_held(bigint, bigint) IS
    'faults and sums of what is held, debits that left too little, and credits that left too much, of the transfers above one id, up to another';

/*
 * The changes of the limits of a block of wallets, each of which goes on from the one before, up to what
 * the wallet has.  limits: the sum of the digests of (wallet_id, floor, ceiling) of those wallets that
 * have other limits than a new one.
 */
CREATE FUNCTION wallet.verify_limits(number bigint, limits numeric)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH c AS MATERIALIZED (
        SELECT l.*, lag(l.floor_after, 1, 0::bigint) OVER in_order AS expected_floor, lag(l.ceiling_after, 1, 9223372036854775807) OVER in_order AS expected_ceiling,
               lag(l.last_transfer_id, 1, 0::bigint) OVER in_order AS from_transfer_id, lead(l.change_id) OVER in_order IS NULL AS is_last
            FROM wallet.limit_change AS l
            WHERE l.wallet_id >= verify_limits.number << 17 AND l.wallet_id < (verify_limits.number + 1) << 17
            WINDOW in_order AS (PARTITION BY l.wallet_id ORDER BY l.change_id)
    ), fault (detail) AS (
        SELECT format('wallet %s', c.wallet_id)
            FROM c LEFT JOIN LATERAL (SELECT o.floor, o.ceiling, o.last_transfer_id FROM wallet.wallet AS o WHERE o.wallet_id = c.wallet_id OFFSET 0) AS w ON c.is_last
            WHERE (ROW(c.floor_before, c.ceiling_before) = ROW(c.expected_floor, c.expected_ceiling) AND c.last_transfer_id >= c.from_transfer_id
                   AND (NOT c.is_last OR ROW(c.floor_after, c.ceiling_after) = ROW(w.floor, w.ceiling) AND c.last_transfer_id <= w.last_transfer_id)
                   AND (c.last_transfer_id = 0
                        OR (SELECT c.wallet_id = j.source_wallet_id OR c.wallet_id = j.destination_wallet_id AND wallet.moves_money(j.kind)
                                FROM wallet.transfer AS j WHERE j.transfer_id = c.last_transfer_id))) IS NOT TRUE
        UNION ALL
        SELECT format('wallets %s to %s', verify_limits.number << 17, ((verify_limits.number + 1) << 17) - 1)
            WHERE verify_limits.limits <> (SELECT coalesce(sum(wallet.digest(ROW(c.wallet_id, c.floor_after, c.ceiling_after))), 0)
                                               FROM c WHERE c.is_last AND (c.floor_after <> 0 OR c.ceiling_after <> 9223372036854775807))
    )
    SELECT 'limits_match_changes', count(*), min(f.detail), 'wallet', verify_limits.number, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f HAVING count(*) > 0
$$;
COMMENT ON FUNCTION wallet.verify_limits(bigint, numeric) IS 'a fault if the limits of a block of wallets are not what their changes say';

/*
 * Changes of limits above one id, up to another, of a block of wallets (null: of all): what they come to.
 * Whether an earlier debit was allowed is not judged again by each audit, so no change may change.
 */
CREATE FUNCTION wallet.sum_limits(first bigint, last bigint, number bigint) RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NULL, NULL::bigint, NULL, 'limit', c.wallet_id >> 17, '', count(*)::numeric, 0::numeric,
           sum(wallet.digest(ROW(c.change_id, c.wallet_id, c.floor_before, c.floor_after, c.ceiling_before, c.ceiling_after,
                                 c.last_transfer_id, c.changed_at, c.changed_by)))
        FROM wallet.limit_change AS c
        WHERE c.change_id > sum_limits.first AND c.change_id <= sum_limits.last
            AND (sum_limits.number IS NULL OR c.wallet_id >= sum_limits.number << 17 AND c.wallet_id < (sum_limits.number + 1) << 17)
        GROUP BY c.wallet_id >> 17
$$;
COMMENT ON FUNCTION wallet.sum_limits(bigint, bigint, bigint) IS 'what changes of limits come to, by blocks of wallets';

CREATE FUNCTION wallet.compare_limits(number bigint, up_to bigint) RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.*
        FROM (SELECT count(*) AS difference
                  FROM (SELECT s.row_count, s.digest FROM wallet.sum_limits(-1, compare_limits.up_to, compare_limits.number) AS s
                        UNION ALL
                        SELECT - v.row_count, - v.digest FROM wallet.verified AS v WHERE v.area = 'limit' AND v.block = compare_limits.number) AS n
                  HAVING sum(n.row_count) <> 0 OR sum(n.digest) <> 0) AS d
            CROSS JOIN LATERAL wallet.fault('verified_unchanged', format('changes of limits of wallets %s to %s', compare_limits.number << 17,
                                                                         ((compare_limits.number + 1) << 17) - 1),
                                            'wallet', compare_limits.number) AS f
$$;
COMMENT ON FUNCTION wallet.compare_limits(bigint, bigint) IS 'whether the changes of limits of a block of wallets are what they were';

/* ---- Holds ---- */

/*
 * What the journal says of holds: each row of these holds up to an id, and what the hold is after it.
 * A capture releases what is held before it and not after it.  A void takes its amount off max_capture,
 * and an extension says the new one, which is never less: so it is the greatest, had nothing been voided,
 * less what has been voided.
 */
CREATE FUNCTION wallet.hold_rows(hold_ids bigint[])
RETURNS TABLE (hold_id bigint, transfer_id bigint, kind smallint, amount bigint, source_wallet_id bigint, destination_wallet_id bigint,
               released numeric, rest numeric, rest_before numeric, captured numeric, max_capture numeric, max_before numeric, stated_max_capture bigint,
               expires_at timestamptz, expires_before timestamptz, stated_expires_at timestamptz, posted_at timestamptz, state smallint,
               is_first boolean, is_last boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH j AS MATERIALIZED (
        SELECT h.id AS hold_id, r.*,
               CASE r.kind WHEN wallet.kind_number('capture') THEN wallet.held_after(r.source_wallet_id, r.source_previous) - coalesce(r.held, 0) END AS released
            FROM unnest(hold_rows.hold_ids) AS h (id)
                CROSS JOIN LATERAL (SELECT t.transfer_id, t.kind, t.amount, t.source_wallet_id, t.destination_wallet_id, t.source_previous,
                                           t.held, t.max_capture AS stated_max_capture, t.expires_at, t.posted_at
                                        FROM (SELECT f.* FROM wallet.transfer AS f WHERE f.transfer_id = h.id AND f.link_id = f.transfer_id
                                              UNION ALL
                                              SELECT l.* FROM wallet.transfer AS l WHERE l.link_id = h.id AND l.link_id <> l.transfer_id) AS t
                                        WHERE t.kind <> wallet.kind_number('reversal') OFFSET 0) AS r
    ), summed AS (
        SELECT j.*, sum(CASE j.kind
                        WHEN wallet.kind_number('hold') THEN j.amount
                        WHEN wallet.kind_number('hold_extend') THEN j.amount
                        WHEN wallet.kind_number('capture') THEN - j.released
                        ELSE - j.amount
                        END) OVER so_far AS rest,
               coalesce(sum(j.amount) FILTER (WHERE j.kind = wallet.kind_number('capture')) OVER so_far, 0) AS captured,
               coalesce(sum(j.amount) FILTER (WHERE j.kind = wallet.kind_number('void')) OVER so_far, 0) AS voided,
               max(j.expires_at) OVER so_far AS ends_at
            FROM j WINDOW so_far AS (PARTITION BY j.hold_id ORDER BY j.transfer_id)
    ), bounded AS (
        SELECT s.*, max(s.stated_max_capture + s.voided) OVER (PARTITION BY s.hold_id ORDER BY s.transfer_id) - s.voided AS max_capture FROM summed AS s
    )
    SELECT s.hold_id, s.transfer_id, s.kind, s.amount, s.source_wallet_id, s.destination_wallet_id, s.released,
           s.rest, lag(s.rest) OVER in_order, s.captured, s.max_capture, lag(s.max_capture) OVER in_order, s.stated_max_capture,
           s.ends_at, lag(s.ends_at) OVER in_order, s.expires_at, s.posted_at,
           CASE WHEN s.rest > 0 THEN 0 WHEN s.kind = wallet.kind_number('void') THEN 2 WHEN s.kind = wallet.kind_number('expiry') THEN 3 ELSE 1 END::smallint,
           lag(s.transfer_id) OVER in_order IS NULL, lead(s.transfer_id) OVER in_order IS NULL
        FROM bounded AS s WINDOW in_order AS (PARTITION BY s.hold_id ORDER BY s.transfer_id)
$$;
COMMENT ON FUNCTION wallet.hold_rows(bigint[]) IS 'the transfers of some holds, and what the journal says of the hold after each of them';

/*
 * Verifies the holds that have a row among the transfers above first, up to last: each from its first
 * row on.  The sums of the area hold go from what the holds were up to first to what they are up to last.
 */
CREATE FUNCTION wallet.verify_holds(first bigint, last bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH r AS MATERIALIZED (
        SELECT n.* FROM wallet.hold_rows(ARRAY(
            SELECT DISTINCT j.link_id FROM wallet.transfer AS j
                WHERE j.transfer_id > verify_holds.first AND j.transfer_id <= verify_holds.last
                    AND j.link_id IS NOT NULL AND j.kind <> wallet.kind_number('reversal'))) AS n
    ), fault (name, detail) AS (
        SELECT 'hold_matches_journal', format('hold %s at transfer %s', r.hold_id, r.transfer_id)
            FROM r LEFT JOIN r AS h ON h.hold_id = r.hold_id AND h.is_first
            WHERE r.transfer_id > verify_holds.first AND r.transfer_id <= verify_holds.last
                AND (CASE r.kind
                     WHEN wallet.kind_number('hold') THEN
                         r.is_first AND r.transfer_id = r.hold_id AND r.stated_max_capture >= r.amount AND r.expires_at > r.posted_at
                     WHEN wallet.kind_number('hold_extend') THEN
                         r.stated_max_capture = greatest(r.max_before, r.captured + r.rest)
                         AND r.stated_expires_at = r.expires_at AND (r.amount > 0 OR r.expires_at > r.expires_before)
                     WHEN wallet.kind_number('capture') THEN
                         r.captured <= r.max_capture AND (r.rest = 0 OR r.released = r.amount) AND r.released >= least(r.amount, r.rest_before)
                     WHEN wallet.kind_number('expiry') THEN r.rest = 0
                     ELSE true
                     END
                     AND r.rest >= 0
                     AND (r.is_first OR r.rest_before > 0 AND h.kind = wallet.kind_number('hold')
                                        AND (r.posted_at >= r.expires_before) = (r.kind = wallet.kind_number('expiry')))
                     AND r.source_wallet_id = h.source_wallet_id AND r.destination_wallet_id = h.destination_wallet_id) IS NOT TRUE
        UNION ALL
        SELECT 'hold_matches_journal', format('hold %s', r.hold_id)
            FROM r LEFT JOIN LATERAL (SELECT o.* FROM wallet.hold AS o WHERE o.hold_id = r.hold_id OFFSET 0) AS w ON true
            WHERE r.is_last
                AND ROW(w.source_wallet_id, w.destination_wallet_id, w.rest, w.captured, w.max_capture, w.expires_at, w.updated_at, w.state)
                    IS DISTINCT FROM ROW(r.source_wallet_id, r.destination_wallet_id, r.rest, r.captured, r.max_capture, r.expires_at, r.posted_at, r.state)
    ), state AS (
        SELECT r.hold_id, CASE WHEN r.transfer_id > verify_holds.first THEN 1 ELSE -1 END AS sign,
               wallet.digest(ROW(r.hold_id, r.source_wallet_id, r.destination_wallet_id, r.rest::bigint, r.captured::bigint, r.max_capture::bigint,
                                 r.expires_at, r.posted_at, r.state)) AS digest,
               row_number() OVER (PARTITION BY r.hold_id, r.transfer_id > verify_holds.first ORDER BY r.transfer_id DESC) AS place
            FROM r WHERE r.transfer_id <= verify_holds.last AND greatest(r.rest, r.captured, r.max_capture) < 9223372036854775808
    )
    SELECT f.name, count(*), min(f.detail), 'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f GROUP BY f.name
    UNION ALL
    SELECT NULL, NULL, NULL, 'hold', s.hold_id >> 17, '', 0, 0, sum(s.sign * s.digest::numeric)
        FROM state AS s WHERE s.place = 1 GROUP BY s.hold_id >> 17
$$;
COMMENT ON FUNCTION wallet.verify_holds(bigint, bigint) IS 'faults and sums of holds that have a row among the transfers above one id, up to another';

/* ---- Reversals ---- */

/* Each goes back the way that its original came, and together they are no more; wallet.reversed has the sum. */
CREATE FUNCTION wallet.verify_reversals(first bigint, last bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH r AS MATERIALIZED (
        SELECT j.transfer_id, j.link_id, j.source_wallet_id, j.destination_wallet_id
            FROM wallet.transfer AS j
            WHERE j.transfer_id > verify_reversals.first AND j.transfer_id <= verify_reversals.last AND j.kind = wallet.kind_number('reversal')
    ), original AS MATERIALIZED (
        SELECT d.link_id, o.amount, o.source_wallet_id, o.destination_wallet_id, w.amount AS reversed, b.up_to_first, b.up_to_last, b.altogether
            FROM (SELECT DISTINCT r.link_id FROM r) AS d
                LEFT JOIN LATERAL (SELECT j.amount, j.source_wallet_id, j.destination_wallet_id FROM wallet.transfer AS j
                                       WHERE j.transfer_id = d.link_id AND wallet.moves_money(j.kind) AND j.kind <> wallet.kind_number('reversal')
                                       OFFSET 0) AS o ON true
                LEFT JOIN LATERAL (SELECT v.amount FROM wallet.reversed AS v WHERE v.transfer_id = d.link_id OFFSET 0) AS w ON true
                CROSS JOIN LATERAL (SELECT coalesce(sum(j.amount) FILTER (WHERE j.transfer_id <= verify_reversals.first), 0) AS up_to_first,
                                           coalesce(sum(j.amount) FILTER (WHERE j.transfer_id <= verify_reversals.last), 0) AS up_to_last,
                                           sum(j.amount) AS altogether
                                        FROM wallet.transfer AS j
                                        WHERE j.link_id = d.link_id AND j.link_id <> j.transfer_id AND j.kind = wallet.kind_number('reversal')
                                        OFFSET 0) AS b
    ), fault (name, detail) AS (
        SELECT 'reversed_matches_journal', format('transfer %s', r.transfer_id)
            FROM r JOIN original AS o ON o.link_id = r.link_id
            WHERE (o.source_wallet_id = r.destination_wallet_id AND o.destination_wallet_id = r.source_wallet_id AND r.link_id < r.transfer_id) IS NOT TRUE
        UNION ALL
        SELECT 'reversed_matches_journal', format('reversed transfer %s', o.link_id)
            FROM original AS o WHERE (o.reversed = o.altogether AND o.altogether <= o.amount) IS NOT TRUE
    )
    SELECT f.name, count(*), min(f.detail), 'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f GROUP BY f.name
    UNION ALL
    SELECT NULL, NULL, NULL, 'reversed', o.link_id >> 17, '', 0, 0,
           sum(wallet.digest(ROW(o.link_id, o.up_to_last::bigint)))
           - coalesce(sum(wallet.digest(ROW(o.link_id, o.up_to_first::bigint))) FILTER (WHERE o.up_to_first > 0), 0)
        FROM original AS o WHERE o.up_to_last < 9223372036854775808 GROUP BY o.link_id >> 17
$$;
COMMENT ON FUNCTION wallet.verify_reversals(bigint, bigint) IS 'faults and sums of the reversals among the transfers above one id, up to another';

/* ---- Groups ---- */

/*
 * The first row of a group says how many rows the group has.  Those of one that goes beyond the block are
 * looked for near by: the ids of a group are drawn at once.
 */
CREATE FUNCTION wallet.verify_groups(first bigint, last bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH here AS MATERIALIZED (
        SELECT j.group_id, count(*) AS row_count, max(j.group_size) AS group_size
            FROM wallet.transfer AS j
            WHERE j.transfer_id > verify_groups.first AND j.transfer_id <= verify_groups.last AND j.group_id IS NOT NULL
            GROUP BY j.group_id
    ), apart AS (
        SELECT h.group_id, head.group_size, h.row_count + before.row_count + after.row_count AS row_count
            FROM here AS h
                CROSS JOIN LATERAL (SELECT coalesce(h.group_size, (SELECT j.group_size FROM wallet.transfer AS j
                                                                       WHERE j.transfer_id = h.group_id AND j.transfer_id > verify_groups.first - 1048576)) OFFSET 0) AS head (group_size)
                CROSS JOIN LATERAL (SELECT count(*) AS row_count FROM wallet.transfer AS j
                                        WHERE j.transfer_id >= h.group_id AND j.transfer_id > verify_groups.first - 1048576 AND j.transfer_id <= verify_groups.first
                                            AND j.group_id = h.group_id OFFSET 0) AS before
                CROSS JOIN LATERAL (SELECT count(*) AS row_count
                                        FROM (SELECT FROM wallet.transfer AS j
                                                  WHERE j.transfer_id > verify_groups.last AND j.transfer_id - 1048576 <= verify_groups.last AND j.group_id = h.group_id
                                                  ORDER BY j.transfer_id LIMIT greatest(head.group_size - h.row_count - before.row_count, 0)) AS n OFFSET 0) AS after
            WHERE h.group_size IS DISTINCT FROM h.row_count
    )
    SELECT 'group_whole', count(*), min(format('group %s: %s rows of %s', a.group_id, a.row_count, coalesce(a.group_size::text, 'an unknown number'))),
           'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM apart AS a WHERE a.row_count IS DISTINCT FROM a.group_size HAVING count(*) > 0
$$;
COMMENT ON FUNCTION wallet.verify_groups(bigint, bigint) IS 'groups with a row among the transfers above one id, up to another, that lack a row or have one too many';

/* ---- Requests with members that have no column ---- */

/* Bytes that are damaged are a fault to be found, and no error. */
CREATE FUNCTION wallet.read_extra(extra bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN wallet.request_extra(extra);
EXCEPTION WHEN data_corrupted THEN
    RETURN '{"damaged": true}';
END
$$;
COMMENT ON FUNCTION wallet.read_extra(bytea) IS 'what wallet.request_extra says; damaged where it cannot read the bytes';

/*
 * Whether the first row that a request made is what was asked for.  asked: the amount in minor units;
 * null where none was given.  An extension asks for a new total, of which the row has the increase.  Of a
 * group the first row is of the first leg, or of that leg's split, and there are as many rows as legs, or
 * as shares.
 */
CREATE FUNCTION wallet.row_fits_request(transfer_id bigint, kind smallint, source_wallet_id bigint, destination_wallet_id bigint,
                                        asked numeric, extra jsonb, outside_wallet_id bigint, minor_digits integer) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    entry wallet.transfer;
    leg jsonb := extra -> 'legs' -> 0;
BEGIN
    SELECT t.* INTO entry FROM wallet.transfer AS t WHERE t.transfer_id = row_fits_request.transfer_id;
    IF extra ? 'damaged' THEN
        RETURN false;
    ELSIF kind = wallet.kind_number('group') THEN
        RETURN entry.group_id = transfer_id AND entry.kind = wallet.kind_number(leg ->> 'kind')
            AND entry.group_size >= jsonb_array_length(extra -> 'legs')
            AND entry.group_size <= (SELECT sum(coalesce(jsonb_array_length(l.leg -> 'split'), 1)) FROM jsonb_array_elements(extra -> 'legs') AS l (leg))
            AND wallet.row_fits_request(transfer_id, entry.kind, (leg ->> 'source_wallet_id')::bigint, (leg ->> 'dest_wallet_id')::bigint,
                                        (leg ->> 'amount')::numeric * 10::numeric ^ minor_digits, leg, outside_wallet_id, minor_digits);
    ELSIF kind = wallet.kind_number('group_reversal') THEN
        RETURN entry.group_id = transfer_id AND entry.kind = wallet.kind_number('reversal')
            AND (SELECT o.group_id FROM wallet.transfer AS o WHERE o.transfer_id = entry.link_id) = (extra ->> 'link_id')::bigint;
    END IF;
    RETURN entry.kind = kind
        AND CASE
            WHEN kind IN (wallet.kind_number('transaction'), wallet.kind_number('fee'), wallet.kind_number('deposit'),
                          wallet.kind_number('withdrawal'), wallet.kind_number('hold')) THEN
                entry.source_wallet_id = coalesce(source_wallet_id, outside_wallet_id)
                AND (entry.destination_wallet_id = coalesce(destination_wallet_id, outside_wallet_id)
                     OR EXISTS (SELECT FROM jsonb_array_elements(extra -> 'split') AS s (share)
                                    WHERE (s.share ->> 'dest_wallet_id')::bigint = entry.destination_wallet_id))
            ELSE entry.link_id = coalesce((extra ->> 'link_id')::bigint, entry.link_id)
            END
        AND CASE
            WHEN asked IS NULL THEN
                extra ->> 'amount_mode' = 'all'
                OR kind IN (wallet.kind_number('capture'), wallet.kind_number('void'), wallet.kind_number('hold_extend'), wallet.kind_number('reversal'))
            WHEN kind = wallet.kind_number('hold_extend') THEN
                (SELECT r.captured + r.rest = asked FROM wallet.hold_rows(ARRAY[entry.link_id]) AS r WHERE r.transfer_id = entry.transfer_id)
            WHEN extra ? 'split' OR extra ->> 'amount_mode' = 'up_to' OR extra ->> 'shortfall' = 'available' THEN entry.amount <= asked
            ELSE entry.amount = asked
            END
        AND (NOT extra ? 'max_capture' OR entry.max_capture = (extra ->> 'max_capture')::numeric * 10::numeric ^ minor_digits)
        AND (NOT extra ? 'expires_at' OR entry.expires_at = (extra ->> 'expires_at')::timestamptz)
        AND (NOT extra ? 'expires_in' OR extract(epoch FROM entry.expires_at - entry.posted_at) = (extra ->> 'expires_in')::numeric);
END
$$;
COMMENT ON FUNCTION wallet.row_fits_request(bigint, smallint, bigint, bigint, numeric, jsonb, bigint, integer) IS
    'whether the first row that a request made is what was asked for';

/* ---- Tables that follow from the journal: holds, and sums of reversals ---- */

/* The rows of a block of wallet.hold, or of wallet.reversed (what), beside what the journal says. */
CREATE FUNCTION wallet.compare_states(what text, number bigint, journal wallet.finding[])
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first CONSTANT bigint := number << 17;
    last CONSTANT bigint := first | 131071;
    found wallet.finding;
BEGIN
    IF what = 'hold' THEN
        SELECT count(*), coalesce(sum(wallet.digest(ROW(h.hold_id, h.source_wallet_id, h.destination_wallet_id, h.rest, h.captured, h.max_capture,
                                                        h.expires_at, h.updated_at, h.state))), 0)
            INTO found.row_count, found.digest
            FROM wallet.hold AS h WHERE h.hold_id BETWEEN first AND last;
    ELSE
        SELECT count(*), coalesce(sum(wallet.digest(ROW(v.transfer_id, v.amount))), 0)
            INTO found.row_count, found.digest
            FROM wallet.reversed AS v WHERE v.transfer_id BETWEEN first AND last;
    END IF;
    RETURN NEXT wallet.sum_of('read', number, what, found.row_count);
    IF found.digest <> (SELECT coalesce(sum(j.digest), 0) FROM unnest(journal) AS j WHERE j.block = number) THEN
        RETURN NEXT wallet.fault(what || '_matches_journal', format('%s %s to %s', CASE what WHEN 'hold' THEN 'holds' ELSE 'reversed transfers' END, first, last),
                                 what, number);
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.compare_states(text, bigint, wallet.finding[]) IS
    'whether a block of holds, or of sums of reversals, is what the journal says';
