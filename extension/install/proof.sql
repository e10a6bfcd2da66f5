/* What the proof checks, block by block; docs/operations.md, "Audit", explains it */

/* ---- What has been verified ---- */

/*
 * One row: how far the audit has come.  It is made by the first audit, and is not part of a dump: a
 * restored database is verified from the start.  In a copy by CREATE DATABASE ... TEMPLATE it holds
 * true, since the rows and the transaction ids that it speaks of are copied with it.
 */
CREATE TABLE wallet.checkpoint (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    transfer_id bigint NOT NULL DEFAULT 0,
    request_id bigint NOT NULL DEFAULT 0,
    waiting bigint[] NOT NULL DEFAULT '{}',
    seen_transfer_id bigint NOT NULL DEFAULT 0,
    seen_request_id bigint NOT NULL DEFAULT 0,
    seen_xid xid8,
    limit_change_id bigint NOT NULL DEFAULT 0,
    seen_limit_change_id bigint NOT NULL DEFAULT 0,
    next_transfer_block bigint NOT NULL DEFAULT 0,
    next_request_block bigint NOT NULL DEFAULT 0,
    next_wallet_block bigint NOT NULL DEFAULT 0,
    next_hold_block bigint NOT NULL DEFAULT 0,
    next_reversed_block bigint NOT NULL DEFAULT 0,
    currencies jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE wallet.checkpoint IS 'up to which ids wallet_audit() has verified everything; for the owner alone';
COMMENT ON COLUMN wallet.checkpoint.transfer_id IS
    'transfers up to this id are verified, and none that is not visible yet can come among them';
COMMENT ON COLUMN wallet.checkpoint.request_id IS 'the same for requests and outcomes';
COMMENT ON COLUMN wallet.checkpoint.waiting IS 'requests up to request_id that have no outcome yet';
COMMENT ON COLUMN wallet.checkpoint.seen_transfer_id IS
    'becomes transfer_id when all transactions below seen_xid have ended and what they wrote is verified';
COMMENT ON COLUMN wallet.checkpoint.seen_request_id IS 'becomes request_id in the same way';
COMMENT ON COLUMN wallet.checkpoint.seen_xid IS 'the next transaction id when the two ids were seen';
COMMENT ON COLUMN wallet.checkpoint.limit_change_id IS 'changes of limits up to this id are kept in wallet.verified';
COMMENT ON COLUMN wallet.checkpoint.seen_limit_change_id IS 'becomes limit_change_id as seen_transfer_id becomes transfer_id';
COMMENT ON COLUMN wallet.checkpoint.next_transfer_block IS 'where the next audit goes on in the past of the journal';
COMMENT ON COLUMN wallet.checkpoint.next_request_block IS 'where it goes on in the past of requests and outcomes';
COMMENT ON COLUMN wallet.checkpoint.next_wallet_block IS 'where it goes on among the wallets';
COMMENT ON COLUMN wallet.checkpoint.next_hold_block IS 'where it goes on among the holds';
COMMENT ON COLUMN wallet.checkpoint.next_reversed_block IS 'where it goes on among the sums of reversals';
COMMENT ON COLUMN wallet.checkpoint.currencies IS 'number and decimals of each currency that there was';

/*
 * What the verified rows came to, by blocks of 2^17 ids.  Of transfers, requests and outcomes: their
 * number and the sum of their digests.  Of wallets, by currency: what the journal says that their
 * balances add up to, and the sum of the digests of (wallet_id, last_transfer_id, balance), and of
 * (wallet_id, held) where something is held.  Block -1 of the wallets is the outside.  Of holds and
 * of reversed: the sum of the digests of the rows that the journal says the table has.  Of limits: the
 * number of the changes, and the sum of their digests, by the wallets' blocks.
 */
CREATE TABLE wallet.verified (
    area text COLLATE "C" NOT NULL CHECK (area IN ('transfer', 'request', 'outcome', 'wallet', 'hold', 'reversed', 'limit')),
    block bigint NOT NULL,
    currency text COLLATE "C" NOT NULL DEFAULT '',
    row_count numeric NOT NULL,
    balance numeric NOT NULL,
    digest numeric NOT NULL,
    ok boolean NOT NULL DEFAULT true,
    PRIMARY KEY (area, block, currency)
);
COMMENT ON TABLE wallet.verified IS 'what the rows up to wallet.checkpoint came to when they were verified; for the owner alone';
COMMENT ON COLUMN wallet.verified.block IS 'the ids from block * 2^17 on; -1: the outside';
COMMENT ON COLUMN wallet.verified.ok IS 'false: it was not the same any more when it was last read; every audit reads it again';

/* Tables of a dump, but not their rows. */
SELECT pg_catalog.pg_extension_config_dump('wallet.checkpoint', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('wallet.verified', 'WHERE false');

/* An UPDATE or DELETE is what an audit itself does. */
CREATE TRIGGER refuse_change BEFORE TRUNCATE ON wallet.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
CREATE TRIGGER refuse_change BEFORE TRUNCATE ON wallet.verified
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();
ALTER TABLE wallet.checkpoint ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE wallet.verified ENABLE ALWAYS TRIGGER refuse_change;

/*
 * What the functions below return: a fault (name, faults and detail; area says where: new, past or
 * wallet), or what a block comes to (area, block, currency and the sums).
 */
CREATE TYPE wallet.finding AS (
    name text,
    faults bigint,
    detail text,
    area text,
    block bigint,
    currency text,
    row_count numeric,
    balance numeric,
    digest numeric
);
COMMENT ON TYPE wallet.finding IS 'a fault that was found, or what a block of rows comes to';

CREATE FUNCTION wallet.digest(row_values record) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_digest';
COMMENT ON FUNCTION wallet.digest(record) IS '64 bits of a row''s values: other values have others, but for one case in 2^64';

CREATE FUNCTION wallet.next_xid() RETURNS xid8
LANGUAGE c AS 'MODULE_PATHNAME', 'wallet_next_xid';
COMMENT ON FUNCTION wallet.next_xid() IS 'the transaction id that will be given next, whatever the snapshot';

CREATE FUNCTION wallet.sum_of(area text, block bigint, currency text, row_count numeric, balance numeric DEFAULT 0, digest numeric DEFAULT 0)
RETURNS wallet.finding
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NULL::text, NULL::bigint, NULL::text, area, block, currency, row_count, balance, digest
$$;
COMMENT ON FUNCTION wallet.sum_of(text, bigint, text, numeric, numeric, numeric) IS 'a finding that is what a block comes to';

CREATE FUNCTION wallet.fault(name text, detail text, area text, block bigint DEFAULT NULL, currency text DEFAULT NULL)
RETURNS wallet.finding
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT name, 1::bigint, detail, area, block, currency, NULL::numeric, NULL::numeric, NULL::numeric
$$;
COMMENT ON FUNCTION wallet.fault(text, text, text, bigint, text) IS 'a finding that is a fault';

CREATE FUNCTION wallet.add_up(findings wallet.finding[]) RETURNS wallet.finding[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(wallet.sum_of(s.area, s.block, s.currency, s.row_count, s.balance, s.digest)), '{}')
        FROM (SELECT f.area, f.block, f.currency, sum(f.row_count) AS row_count, sum(f.balance) AS balance, sum(f.digest) AS digest
                  FROM unnest(findings) AS f WHERE f.name IS NULL GROUP BY f.area, f.block, f.currency) AS s
$$;
COMMENT ON FUNCTION wallet.add_up(wallet.finding[]) IS 'one sum for each block and currency';

/* ---- The new rows ---- */

/*
 * Verifies the transfers above first, up to last, which are no more than a block.  The chain of each
 * wallet is followed inside the block by sorting, and at its beginning by looking up the transfer that
 * it goes on from.  That no other transfer goes on from the same one is what the digests of the wallets
 * say: each chain takes the digest of the state that it starts from and gives that of its last one.
 * A row of a hold that moves no money stands in the source's chain alone.  What holds, limits, links
 * and groups demand is verified where there are some; while nobody has held or limited anything, no
 * balance is below zero.
 */
CREATE FUNCTION wallet.verify_transfers(first bigint, last bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH t AS MATERIALIZED (
        SELECT j.transfer_id, j.source_wallet_id, j.destination_wallet_id, j.amount, j.source_balance, j.destination_balance,
               j.source_previous, j.destination_previous, j.posted_at, j.kind, wallet.moves_money(j.kind) AS moves,
               NOT ROW(j.held, j.link_id, j.group_id, j.group_size, j.expires_at, j.max_capture, j.overdraw) IS NULL AS is_rare,
               CASE
               WHEN ROW(j.held, j.link_id, j.group_id, j.group_size, j.expires_at, j.max_capture, j.overdraw) IS NULL THEN
                   j.amount > 0
                   AND CASE j.kind
                       WHEN wallet.kind_number('transaction') THEN j.source_wallet_id > 0 AND j.destination_wallet_id > 0
                       WHEN wallet.kind_number('deposit') THEN j.source_wallet_id < 0 AND j.destination_wallet_id > 0
                       WHEN wallet.kind_number('withdrawal') THEN j.source_wallet_id > 0 AND j.destination_wallet_id < 0
                       WHEN wallet.kind_number('sweep') THEN j.source_wallet_id > 0 AND j.destination_wallet_id > 0 AND j.source_balance = 0
                       ELSE wallet.kind_name(j.kind) IS NULL
                       END
               ELSE
                   (j.amount > 0 OR j.amount = 0 AND j.kind = wallet.kind_number('hold_extend'))
                   AND CASE j.kind
                       WHEN wallet.kind_number('deposit') THEN j.source_wallet_id < 0 AND j.destination_wallet_id > 0 AND j.held IS NULL
                       WHEN wallet.kind_number('withdrawal') THEN j.source_wallet_id > 0 AND j.destination_wallet_id < 0
                       WHEN wallet.kind_number('reversal') THEN greatest(j.source_wallet_id, j.destination_wallet_id) > 0
                                                                AND (j.source_wallet_id > 0 OR j.held IS NULL)
                       WHEN wallet.kind_number('transaction') THEN j.source_wallet_id > 0 AND j.destination_wallet_id > 0
                       WHEN wallet.kind_number('fee') THEN j.source_wallet_id > 0 AND j.destination_wallet_id > 0 AND j.group_id IS NOT NULL
                       WHEN wallet.kind_number('sweep') THEN j.source_wallet_id > 0 AND j.destination_wallet_id > 0 AND j.source_balance = 0 AND j.held IS NULL
                       ELSE j.source_wallet_id > 0
                       END
                   AND (wallet.moves_money(j.kind) OR ROW(j.destination_balance, j.destination_previous) IS NULL)
                   AND (j.link_id IS NOT NULL) = (NOT wallet.moves_money(j.kind)
                                                  OR j.kind IN (wallet.kind_number('capture'), wallet.kind_number('reversal')))
                   AND (j.expires_at IS NOT NULL) = (j.kind IN (wallet.kind_number('hold'), wallet.kind_number('hold_extend')))
                   AND (j.max_capture IS NOT NULL) = (j.expires_at IS NOT NULL)
                   AND (j.overdraw IS NULL OR j.kind = wallet.kind_number('reversal'))
                   AND (j.group_size IS NOT NULL) = coalesce(j.group_id = j.transfer_id, false)
                   AND (j.group_id IS NULL OR j.group_id <= j.transfer_id AND (j.request_id IS NULL OR j.group_size IS NOT NULL))
                   AND (j.kind <> wallet.kind_number('expiry') OR ROW(j.request_id, j.group_id) IS NULL)
               END AS fits,
               wallet.digest(ROW(j.transfer_id, j.request_id, j.source_wallet_id, j.destination_wallet_id, j.amount,
                                 j.source_balance, j.destination_balance, j.source_previous, j.destination_previous,
                                 j.posted_at, j.kind, j.metadata, j.held, j.link_id, j.group_id, j.group_size,
                                 j.expires_at, j.max_capture, j.overdraw)) AS digest
            FROM wallet.transfer AS j WHERE j.transfer_id > verify_transfers.first AND j.transfer_id <= verify_transfers.last
    ), special AS MATERIALIZED (
        SELECT rare.is_there, rare.is_there OR EXISTS (SELECT FROM wallet.limit_change)
                   OR coalesce((SELECT h.hold_id FROM wallet.hold AS h ORDER BY h.hold_id LIMIT 1) <= verify_transfers.last, false) AS is_judged
            FROM (SELECT EXISTS (SELECT FROM t WHERE t.is_rare)) AS rare (is_there)
    ), ordered AS (
        SELECT s.*, lag(s.transfer_id) OVER by_wallet AS before_id, lag(s.balance) OVER by_wallet AS before_balance,
               lag(s.posted_at) OVER by_wallet AS before_posted_at, lead(s.transfer_id) OVER by_wallet IS NULL AS is_last
            FROM (SELECT t.transfer_id, t.source_wallet_id AS wallet_id, CASE WHEN t.moves THEN - t.amount ELSE 0 END AS change,
                         t.source_balance AS balance, t.source_previous AS previous, t.posted_at
                      FROM t WHERE t.source_wallet_id > 0
                  UNION ALL
                  SELECT t.transfer_id, t.destination_wallet_id, t.amount, t.destination_balance, t.destination_previous, t.posted_at
                      FROM t WHERE t.destination_wallet_id > 0 AND t.moves) AS s
            WINDOW by_wallet AS (PARTITION BY s.wallet_id ORDER BY s.transfer_id)
    ), chain AS MATERIALIZED (
        SELECT o.transfer_id, o.wallet_id, o.change, o.balance, o.previous, o.posted_at, o.is_last,
               o.before_id IS NULL AS is_first,
               coalesce(o.before_id, p.transfer_id) AS expected_previous,
               CASE WHEN o.before_id IS NULL THEN coalesce(p.balance, 0) ELSE o.before_balance END AS before_balance,
               CASE WHEN o.before_id IS NULL THEN p.posted_at ELSE o.before_posted_at END AS before_posted_at
            FROM ordered AS o
                LEFT JOIN LATERAL (
                    SELECT j.transfer_id, j.posted_at,
                           CASE o.wallet_id WHEN j.source_wallet_id THEN j.source_balance ELSE j.destination_balance END AS balance
                        FROM wallet.transfer AS j
                        WHERE o.before_id IS NULL AND j.transfer_id = o.previous AND j.transfer_id <= verify_transfers.first
                            AND (o.wallet_id = j.source_wallet_id OR o.wallet_id = j.destination_wallet_id AND wallet.moves_money(j.kind))
                        OFFSET 0) AS p ON true
    ), touched AS MATERIALIZED (
        SELECT h.wallet_id, h.transfer_id, h.balance AS journal_balance, w.currency, w.balance, w.last_transfer_id
            FROM chain AS h
                LEFT JOIN LATERAL (SELECT own.currency, own.balance, own.last_transfer_id
                                       FROM wallet.wallet AS own WHERE own.wallet_id = h.wallet_id OFFSET 0) AS w ON true
            WHERE h.is_last
    ), outside AS MATERIALIZED (
        SELECT s.wallet_id, sum(s.change) AS balance
            FROM (SELECT t.source_wallet_id AS wallet_id, - t.amount AS change FROM t WHERE t.source_wallet_id <= 0
                  UNION ALL
                  SELECT t.destination_wallet_id, t.amount FROM t WHERE t.destination_wallet_id <= 0 AND t.moves) AS s
            GROUP BY s.wallet_id
    ), fault (name, detail) AS (
        SELECT 'balance_matches_journal', format('wallet %s', u.wallet_id)
            FROM touched AS u
            WHERE (u.last_transfer_id > u.transfer_id
                   OR u.last_transfer_id = u.transfer_id AND u.balance = u.journal_balance) IS NOT TRUE
        UNION ALL
        SELECT 'outside_known', format('wallet %s', x.wallet_id)
            FROM outside AS x
            WHERE NOT EXISTS (SELECT FROM wallet.currency AS c WHERE c.outside_wallet_id = x.wallet_id)
        UNION ALL
        SELECT 'kind_known', format('transfer %s', t.transfer_id)
            FROM t WHERE NOT EXISTS (SELECT FROM wallet.kind AS k WHERE k.number = t.kind)
        UNION ALL
        SELECT 'row_fits_kind', format('transfer %s', t.transfer_id) FROM t WHERE t.fits IS NOT TRUE
        UNION ALL
        SELECT broken.name, format(broken.template, h.wallet_id, h.transfer_id)
            FROM chain AS h
                CROSS JOIN LATERAL (VALUES
                    ('journal_chain', 'wallet %s at transfer %s', h.balance IS DISTINCT FROM h.before_balance + h.change
                                                                  OR h.previous IS DISTINCT FROM h.expected_previous),
                    ('posted_at_rises', 'wallet %s at transfer %s', h.posted_at < h.before_posted_at),
                    ('balance_floor', 'wallet %s', h.balance < 0 AND NOT (SELECT x.is_judged FROM special AS x))) AS broken (name, template, found)
            WHERE (h.balance = h.before_balance + h.change AND h.previous IS NOT DISTINCT FROM h.expected_previous
                   AND coalesce(h.posted_at >= h.before_posted_at, true) AND h.balance >= 0) IS NOT TRUE
                AND broken.found
        UNION ALL
        SELECT 'one_currency', format('transfer %s', t.transfer_id)
            FROM t LEFT JOIN touched AS s ON s.wallet_id = t.source_wallet_id
                LEFT JOIN touched AS d ON d.wallet_id = t.destination_wallet_id
                LEFT JOIN wallet.currency AS cs ON cs.outside_wallet_id = t.source_wallet_id
                LEFT JOIN wallet.currency AS cd ON cd.outside_wallet_id = t.destination_wallet_id
            WHERE coalesce(s.currency, cs.code) <> coalesce(d.currency, cd.code)
    )
    SELECT f.name, count(*), min(f.detail), 'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f GROUP BY f.name
    UNION ALL
    SELECT NULL, NULL, NULL, 'transfer', verify_transfers.last >> 17, '', count(*), 0, coalesce(sum(t.digest), 0) FROM t
    UNION ALL
    SELECT NULL, NULL, NULL, 'wallet', h.wallet_id >> 17, coalesce(u.currency, ''), 0,
           coalesce(sum(h.balance) FILTER (WHERE h.is_last), 0) - coalesce(sum(h.before_balance) FILTER (WHERE h.is_first), 0),
           coalesce(sum(wallet.digest(ROW(h.wallet_id, h.transfer_id, h.balance))) FILTER (WHERE h.is_last), 0)
           - coalesce(sum(wallet.digest(ROW(h.wallet_id, h.previous, h.before_balance))) FILTER (WHERE h.is_first AND h.previous IS NOT NULL), 0)
        FROM chain AS h JOIN touched AS u ON u.wallet_id = h.wallet_id
        WHERE h.is_first OR h.is_last
        GROUP BY h.wallet_id >> 17, coalesce(u.currency, '')
    UNION ALL
    SELECT NULL, NULL, NULL, 'wallet', -1, coalesce(c.code, ''), 0, sum(x.balance), 0
        FROM outside AS x LEFT JOIN wallet.currency AS c ON c.outside_wallet_id = x.wallet_id
        GROUP BY coalesce(c.code, '')
    UNION ALL
    SELECT v.* FROM special AS x CROSS JOIN LATERAL wallet.verify_held(verify_transfers.first, verify_transfers.last) AS v WHERE x.is_judged
    UNION ALL
    SELECT v.* FROM special AS x CROSS JOIN LATERAL wallet.verify_holds(verify_transfers.first, verify_transfers.last) AS v WHERE x.is_there
    UNION ALL
    SELECT v.* FROM special AS x CROSS JOIN LATERAL wallet.verify_reversals(verify_transfers.first, verify_transfers.last) AS v WHERE x.is_there
    UNION ALL
    SELECT v.* FROM special AS x CROSS JOIN LATERAL wallet.verify_groups(verify_transfers.first, verify_transfers.last) AS v WHERE x.is_there
$$;
COMMENT ON FUNCTION wallet.verify_transfers(bigint, bigint) IS 'faults and sums of the transfers above one id, up to another';

/*
 * Verifies what belongs to the requests above first, up to last, which are no more than a block:
 * requests, outcomes, and transfers that name one of these requests.
 */
CREATE FUNCTION wallet.verify_requests(first bigint, last bigint, low_water bigint)
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH r AS MATERIALIZED (
        SELECT q.request_id, q.user_id, q.source_wallet_id, q.destination_wallet_id, q.amount, q.amount_scale, q.kind,
               CASE WHEN q.extra <> '' THEN wallet.read_extra(q.extra) END AS extra,
               wallet.digest(ROW(q.request_id, q.user_id, q.source_wallet_id, q.destination_wallet_id, q.amount,
                                 q.enqueued_at, q.kind, q.amount_scale, q.currency, q.extra)) AS digest
            FROM wallet.request AS q WHERE q.request_id > verify_requests.first AND q.request_id <= verify_requests.last
    ), o AS MATERIALIZED (
        SELECT q.request_id, q.wallet_id, q.code, q.leg,
               wallet.digest(ROW(q.request_id, q.wallet_id, q.balance, q.updated_at, q.posted_at, q.status, q.code, q.leg)) AS digest
            FROM wallet.outcome AS q WHERE q.request_id > verify_requests.first AND q.request_id <= verify_requests.last
    ), t AS MATERIALIZED (
        SELECT j.request_id, j.transfer_id, j.source_wallet_id, j.destination_wallet_id, j.amount, j.kind,
               greatest(j.source_wallet_id, j.destination_wallet_id) AS inside_wallet_id
            FROM wallet.transfer AS j WHERE j.request_id > verify_requests.first AND j.request_id <= verify_requests.last
    ), touched AS MATERIALIZED (
        SELECT u.wallet_id, w.user_id, c.minor_digits, c.outside_wallet_id
            FROM (SELECT t.inside_wallet_id AS wallet_id FROM t UNION SELECT o.wallet_id FROM o) AS u
                CROSS JOIN LATERAL (SELECT own.user_id, own.currency FROM wallet.wallet AS own
                                        WHERE own.wallet_id = u.wallet_id OFFSET 0) AS w
                LEFT JOIN wallet.currency AS c ON c.code = w.currency
    ), asked AS MATERIALIZED (
        SELECT coalesce(r.request_id, o.request_id, t.request_id) AS request_id,
               r.request_id IS NOT NULL AS is_asked, r.kind, r.user_id, r.source_wallet_id, r.destination_wallet_id, r.amount, r.amount_scale, r.extra,
               o.request_id IS NOT NULL AS has_outcome, o.code, o.leg, o.wallet_id AS outcome_wallet_id,
               t.transfer_id, t.kind AS transfer_kind, t.amount AS transfer_amount, t.inside_wallet_id,
               t.source_wallet_id AS transfer_source_id, t.destination_wallet_id AS transfer_destination_id
            FROM r FULL JOIN o ON o.request_id = r.request_id
                FULL JOIN t ON t.request_id = coalesce(r.request_id, o.request_id)
    ), fault (name, detail) AS (
        SELECT 'one_outcome', format('request %s', a.request_id)
            FROM asked AS a
            WHERE a.has_outcome AND a.transfer_id IS NOT NULL AND (a.kind IS DISTINCT FROM wallet.kind_number('wallet') OR a.code <> 'processed')
        UNION ALL
        SELECT 'outcome_fits_request', format('transfer %s', a.transfer_id)
            FROM asked AS a LEFT JOIN touched AS u ON u.wallet_id = a.inside_wallet_id
            WHERE a.transfer_id IS NOT NULL
                AND CASE
                    WHEN a.kind <> wallet.kind_number('wallet')
                        AND (a.extra IS NOT NULL OR a.kind NOT IN (wallet.kind_number('transaction'), wallet.kind_number('deposit'), wallet.kind_number('withdrawal'))) THEN
                        wallet.row_fits_request(a.transfer_id, a.kind, a.source_wallet_id, a.destination_wallet_id,
                                                a.amount * 10::numeric ^ (u.minor_digits - a.amount_scale), coalesce(a.extra, '{}'), u.outside_wallet_id, u.minor_digits)
                    ELSE a.transfer_amount = a.amount * 10::numeric ^ (u.minor_digits - a.amount_scale)
                        AND CASE a.kind
                            WHEN wallet.kind_number('wallet') THEN a.transfer_kind = wallet.kind_number('deposit') AND a.transfer_destination_id = a.outcome_wallet_id
                            ELSE a.transfer_kind = a.kind
                                AND coalesce(a.source_wallet_id, u.outside_wallet_id) = a.transfer_source_id
                                AND coalesce(a.destination_wallet_id, u.outside_wallet_id) = a.transfer_destination_id
                            END
                    END IS NOT TRUE
        UNION ALL
        SELECT 'outcome_fits_request', format('outcome of request %s', a.request_id)
            FROM asked AS a LEFT JOIN touched AS u ON u.wallet_id = a.outcome_wallet_id
            WHERE a.has_outcome
                AND CASE
                    WHEN a.code <> 'processed' THEN a.is_asked AND (a.leg IS NULL OR a.kind IN (wallet.kind_number('group'), wallet.kind_number('group_reversal')))
                    ELSE a.kind IN (wallet.kind_number('wallet'), wallet.kind_number('wallet_read')) AND u.user_id = a.user_id
                        AND (a.transfer_id IS NOT NULL) = (a.kind = wallet.kind_number('wallet') AND a.amount > 0)
                    END IS NOT TRUE
        UNION ALL
        SELECT 'all_settled_below_low_water', format('request %s', a.request_id)
            FROM asked AS a
                CROSS JOIN (SELECT p.highest, p.unsettled FROM wallet.queue_position AS p
                                ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1) AS p
            WHERE a.is_asked AND NOT a.has_outcome AND a.transfer_id IS NULL
                AND (a.request_id <= verify_requests.low_water OR a.request_id <= p.highest AND NOT p.unsettled @> a.request_id)
    )
    SELECT f.name, count(*), min(f.detail), 'new', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
        FROM fault AS f GROUP BY f.name
    UNION ALL
    SELECT NULL, NULL, NULL, 'request', verify_requests.last >> 17, '', count(*), 0, coalesce(sum(r.digest), 0) FROM r
    UNION ALL
    SELECT NULL, NULL, NULL, 'outcome', verify_requests.last >> 17, '', count(*), 0, coalesce(sum(o.digest), 0) FROM o
    UNION ALL
    (SELECT NULL, NULL, NULL, 'waiting', a.request_id, '', 0, 0, 0
         FROM asked AS a WHERE a.is_asked AND NOT a.has_outcome AND a.transfer_id IS NULL
         LIMIT 1001)
$$;
COMMENT ON FUNCTION wallet.verify_requests(bigint, bigint, bigint) IS
    'faults, sums and waiting requests of the requests above one id, up to another';

/*
 * What the wallets of a block are, by currency, beside what the journal says; what they hold; and their
 * limits beside the last change of each.
 */
CREATE FUNCTION wallet.compare_wallets(number bigint, journal wallet.finding[])
RETURNS SETOF wallet.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH own AS MATERIALIZED (
        SELECT w.currency, count(*) AS row_count, sum(w.balance) AS balance,
               coalesce(sum(wallet.digest(ROW(w.wallet_id, w.last_transfer_id, w.balance))) FILTER (WHERE w.last_transfer_id <> 0), 0) AS digest,
               coalesce(sum(wallet.digest(ROW(w.wallet_id, w.held))) FILTER (WHERE w.held <> 0), 0) AS held,
               coalesce(sum(wallet.digest(ROW(w.wallet_id, w.floor, w.ceiling))) FILTER (WHERE w.floor <> 0 OR w.ceiling <> 9223372036854775807), 0) AS limits
            FROM wallet.wallet AS w
            WHERE w.wallet_id >= compare_wallets.number << 17 AND w.wallet_id < (compare_wallets.number + 1) << 17
            GROUP BY w.currency
    ), said AS MATERIALIZED (
        SELECT f.currency, f.balance, f.digest FROM unnest(compare_wallets.journal) AS f WHERE f.block = compare_wallets.number
    ), total AS MATERIALIZED (
        SELECT s.currency, sum(s.row_count) AS row_count, sum(s.balance) AS balance, sum(s.digest) AS digest
            FROM (SELECT o.currency, o.row_count, o.balance, o.digest FROM own AS o
                  UNION ALL
                  SELECT f.currency, 0, - f.balance, - f.digest FROM said AS f WHERE f.currency <> 'held') AS s
            GROUP BY s.currency
    )
    SELECT NULL, NULL::bigint, NULL, 'difference', compare_wallets.number, t.currency, t.row_count, t.balance, t.digest FROM total AS t
    UNION ALL
    SELECT 'balance_matches_journal', count(*),
           coalesce('wallet ' || (
               SELECT min(w.wallet_id) FROM wallet.wallet AS w
                   WHERE w.wallet_id >= compare_wallets.number << 17 AND w.wallet_id < (compare_wallets.number + 1) << 17
                       AND CASE WHEN w.last_transfer_id = 0 THEN w.balance <> 0
                           ELSE (SELECT true FROM wallet.transfer AS j
                                     WHERE j.transfer_id = w.last_transfer_id
                                         AND (j.source_wallet_id = w.wallet_id AND j.source_balance = w.balance
                                              OR j.destination_wallet_id = w.wallet_id AND j.destination_balance = w.balance)) IS NULL
                           END),
               format('wallets %s to %s', compare_wallets.number << 17, ((compare_wallets.number + 1) << 17) - 1)),
           'wallet', compare_wallets.number, NULL, NULL, NULL, NULL
        FROM total AS t WHERE t.balance <> 0 OR t.digest <> 0 HAVING count(*) > 0
    UNION ALL
    SELECT 'held_matches_journal', 1,
           coalesce('wallet ' || (
               SELECT min(w.wallet_id) FROM wallet.wallet AS w
                   WHERE w.wallet_id >= compare_wallets.number << 17 AND w.wallet_id < (compare_wallets.number + 1) << 17
                       AND w.held IS DISTINCT FROM wallet.held_after(w.wallet_id, nullif(w.last_transfer_id, 0))),
               format('wallets %s to %s', compare_wallets.number << 17, ((compare_wallets.number + 1) << 17) - 1)),
           'wallet', compare_wallets.number, NULL, NULL, NULL, NULL
        WHERE coalesce((SELECT sum(o.held) FROM own AS o), 0) <> coalesce((SELECT sum(f.digest) FROM said AS f WHERE f.currency = 'held'), 0)
    UNION ALL
    SELECT v.* FROM wallet.verify_limits(compare_wallets.number, coalesce((SELECT sum(o.limits) FROM own AS o), 0)) AS v
$$;
COMMENT ON FUNCTION wallet.compare_wallets(bigint, wallet.finding[]) IS
    'how the wallets of a block differ from what the journal and the changes of limits say: sums for each currency, and a fault if they do';

/* ---- The past ---- */

/*
 * Reads a block of verified transfers again, up to an id.  A difference is reported as such, together
 * with whatever is wrong with the rows as they are now.
 */
CREATE FUNCTION wallet.compare_transfers(number bigint, up_to bigint)
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first CONSTANT bigint := number << 17;
    last CONSTANT bigint := least(first | 131071, up_to);
    kept wallet.finding;
    now wallet.finding;
BEGIN
    SELECT count(*) AS row_count,
           coalesce(sum(wallet.digest(ROW(j.transfer_id, j.request_id, j.source_wallet_id, j.destination_wallet_id, j.amount,
                                          j.source_balance, j.destination_balance, j.source_previous, j.destination_previous,
                                          j.posted_at, j.kind, j.metadata, j.held, j.link_id, j.group_id, j.group_size,
                                          j.expires_at, j.max_capture, j.overdraw))), 0) AS digest
        INTO now.row_count, now.digest
        FROM wallet.transfer AS j WHERE j.transfer_id >= first AND j.transfer_id <= last;
    SELECT coalesce(sum(v.row_count), 0), coalesce(sum(v.digest), 0) INTO kept.row_count, kept.digest
        FROM wallet.verified AS v WHERE v.area = 'transfer' AND v.block = number;
    RETURN NEXT wallet.sum_of('read', number, 'transfer', now.row_count);
    IF (now.row_count, now.digest) IS DISTINCT FROM (kept.row_count, kept.digest) THEN
        RETURN NEXT wallet.fault('verified_unchanged', format('transfers %s to %s: %s rows, were %s', first, last, now.row_count, kept.row_count),
                                 'past', number, 'transfer');
        RETURN QUERY SELECT f.name, f.faults, f.detail, 'past', NULL::bigint, NULL, NULL::numeric, NULL::numeric, NULL::numeric
            FROM wallet.verify_transfers(first - 1, last) AS f WHERE f.name IS NOT NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.compare_transfers(bigint, bigint) IS 'whether verified transfers are what they were';

/*
 * The same for requests and outcomes.  Whose wallet an outcome names is looked up again: users and
 * wallets are in no digest.  added: outcomes that have come since for requests that waited.
 */
CREATE FUNCTION wallet.compare_requests(number bigint, up_to bigint, low_water bigint, added wallet.finding[])
RETURNS SETOF wallet.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first CONSTANT bigint := number << 17;
    last CONSTANT bigint := least(first | 131071, up_to);
    asked wallet.finding;
    settled wallet.finding;
    strangers bigint;
    kept wallet.finding[];
BEGIN
    SELECT count(*), coalesce(sum(wallet.digest(ROW(q.request_id, q.user_id, q.source_wallet_id, q.destination_wallet_id, q.amount,
                                                    q.enqueued_at, q.kind, q.amount_scale, q.currency, q.extra))), 0)
        INTO asked.row_count, asked.digest
        FROM wallet.request AS q WHERE q.request_id >= first AND q.request_id <= last;
    SELECT count(*), coalesce(sum(wallet.digest(ROW(q.request_id, q.wallet_id, q.balance, q.updated_at, q.posted_at, q.status, q.code, q.leg))), 0),
           count(*) FILTER (WHERE q.code = 'processed'
               AND (SELECT w.user_id FROM wallet.wallet AS w WHERE w.wallet_id = q.wallet_id)
                   IS DISTINCT FROM (SELECT r.user_id FROM wallet.request AS r WHERE r.request_id = q.request_id))
        INTO settled.row_count, settled.digest, strangers
        FROM wallet.outcome AS q WHERE q.request_id >= first AND q.request_id <= last;
    kept := wallet.add_up(added || ARRAY(
        SELECT wallet.sum_of(v.area, v.block, v.currency, v.row_count, v.balance, v.digest)
            FROM wallet.verified AS v WHERE v.area IN ('request', 'outcome') AND v.block = number));
    RETURN NEXT wallet.sum_of('read', number, 'request', asked.row_count + settled.row_count);
    IF EXISTS (SELECT FROM (VALUES ('request', asked.row_count, asked.digest), ('outcome', settled.row_count, settled.digest))
                       AS n (area, row_count, digest)
                   LEFT JOIN unnest(kept) AS k ON k.area = n.area AND k.block = number
                   WHERE n.row_count <> coalesce(k.row_count, 0) OR n.digest <> coalesce(k.digest, 0)) THEN
        RETURN NEXT wallet.fault('verified_unchanged', format('requests %s to %s, or their outcomes', first, last), 'past', number, 'request');
    ELSIF strangers = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT f.name, f.faults, f.detail, 'past', number, 'request', NULL::numeric, NULL::numeric, NULL::numeric
        FROM wallet.verify_requests(first - 1, last, low_water) AS f WHERE f.name IS NOT NULL;
END
$$;
COMMENT ON FUNCTION wallet.compare_requests(bigint, bigint, bigint, wallet.finding[]) IS
    'whether verified requests and their outcomes are what they were';
