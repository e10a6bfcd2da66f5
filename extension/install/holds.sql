/* Holds as users see them */

CREATE TYPE wallet.hold_info AS (
    hold_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount numeric,
    captured numeric,
    rest numeric,
    max_capture numeric,
    state text,
    expires_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz
);
COMMENT ON TYPE wallet.hold_info IS
    'a hold as users see it: amount is captured + rest, the outside is null, and a hold that is due has expired';

CREATE FUNCTION wallet.hold_state(number smallint) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_hold_state';
COMMENT ON FUNCTION wallet.hold_state(smallint) IS 'the name of the state that has this number; null where none has';

/* The moment of a read: the ledger's clock, or when the source wallet was changed last where that is later. */
CREATE FUNCTION wallet.describe_hold(hold wallet.hold) RETURNS wallet.hold_info
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    digits integer;
    moment timestamptz;
    info wallet.hold_info;
BEGIN
    SELECT c.minor_digits, greatest(wallet.clock(), w.updated_at) INTO digits, moment
        FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency WHERE w.wallet_id = hold.source_wallet_id;
    IF hold.state = 0 AND hold.expires_at <= moment THEN
        hold.state := 3;
        hold.rest := 0;
    END IF;
    info.hold_id := hold.hold_id;
    info.source_wallet_id := hold.source_wallet_id;
    info.destination_wallet_id := nullif(greatest(hold.destination_wallet_id, 0), 0);
    info.amount := wallet.available(hold.captured, 0, - hold.rest, digits);
    info.captured := wallet.amount(hold.captured, digits);
    info.rest := wallet.amount(hold.rest, digits);
    info.max_capture := wallet.amount(hold.max_capture, digits);
    info.state := wallet.hold_state(hold.state);
    info.expires_at := hold.expires_at;
    info.created_at := (SELECT t.posted_at FROM wallet.transfer AS t WHERE t.transfer_id = hold.hold_id);
    info.updated_at := hold.updated_at;
    RETURN info;
END
$$;
COMMENT ON FUNCTION wallet.describe_hold(wallet.hold) IS 'a hold as it is now';

CREATE FUNCTION wallet.check_hold_state(state text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF state IS NOT NULL AND NOT EXISTS (SELECT FROM generate_series(0, 3) AS n WHERE wallet.hold_state(n::smallint) = state) THEN
        PERFORM wallet.refuse('unknown_state', format('State "%s".', left(state, 40)));
    END IF;
END
$$;
COMMENT ON FUNCTION wallet.check_hold_state(text) IS 'refuses what is no state of a hold';

/*
 * The holds on a wallet or towards it, newest first, before a hold: at most so many.  Those that nobody
 * has ended are found by an index, unless there are ten times more of them than may be read: they are
 * sorted.  Otherwise the table is read, at most so many rows of it.  next: where the reading goes on;
 * null where all has been read.
 */
CREATE FUNCTION wallet.holds(wallet_id bigint, state text, before bigint, max_rows bigint, max_read bigint)
RETURNS TABLE (hold wallet.hold_info, next bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    is_sorted CONSTANT boolean := state = 'open'
        AND NOT EXISTS (SELECT FROM (SELECT h.hold_id FROM wallet.hold AS h WHERE h.state = 0 AND h.source_wallet_id = wallet_id
                                     UNION ALL
                                     SELECT h.hold_id FROM wallet.hold AS h WHERE h.state = 0 AND h.destination_wallet_id = wallet_id) AS o
                            OFFSET max_read * 10);
    entries refcursor;
    entry wallet.hold;
    rows_read bigint := 0;
    found_holds wallet.hold_info[] := '{}';
BEGIN
    IF is_sorted THEN
        OPEN entries FOR
            SELECT h.* FROM wallet.hold AS h WHERE h.hold_id < before AND h.state = 0 AND h.source_wallet_id = wallet_id
            UNION ALL
            SELECT h.* FROM wallet.hold AS h WHERE h.hold_id < before AND h.state = 0 AND h.destination_wallet_id = wallet_id
            ORDER BY 1 DESC;
    ELSE
        OPEN entries FOR SELECT h.* FROM wallet.hold AS h WHERE h.hold_id < before ORDER BY h.hold_id DESC;
    END IF;
    LOOP
        FETCH entries INTO entry;
        next := entry.hold_id;
        EXIT WHEN NOT FOUND;
        IF wallet_id IN (entry.source_wallet_id, entry.destination_wallet_id) THEN
            hold := wallet.describe_hold(entry);
            IF hold.state = coalesce(state, hold.state) THEN
                found_holds := found_holds || hold;
                EXIT WHEN cardinality(found_holds) = max_rows;
            END IF;
        END IF;
        rows_read := rows_read + 1;
        EXIT WHEN rows_read = max_read AND NOT is_sorted;
    END LOOP;
    CLOSE entries;
    IF cardinality(found_holds) = 0 AND next IS NOT NULL THEN
        hold := NULL;
        RETURN NEXT;
    END IF;
    FOREACH hold IN ARRAY found_holds LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wallet.holds(bigint, text, bigint, bigint, bigint) IS 'the holds on a wallet or towards it, newest first';

CREATE FUNCTION @extschema@.wallet_holds(wallet_id bigint, state text DEFAULT 'open') RETURNS SETOF wallet.hold_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM wallet.check_hold_state(state);
    IF NOT EXISTS (SELECT FROM wallet.wallet AS w WHERE w.wallet_id = wallet_holds.wallet_id) THEN
        PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || wallet_id || '.', 'wallet_id is null.'));
    END IF;
    /* No bound, a tenth of the largest number. */
    RETURN QUERY SELECT (h.hold).* FROM wallet.holds(wallet_id, state, 9223372036854775807, 9223372036854775807, 922337203685477580) AS h;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_holds(bigint, text) IS
    'the holds on a wallet or towards it, newest first; state: open, captured, voided or expired, or null for all; other than open ones are found by reading the whole table';

CREATE FUNCTION @extschema@.wallet_hold_get(hold_id bigint) RETURNS wallet.hold_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    entry wallet.hold;
BEGIN
    SELECT h.* INTO entry FROM wallet.hold AS h WHERE h.hold_id = wallet_hold_get.hold_id;
    IF NOT FOUND THEN
        PERFORM wallet.refuse('hold_not_found', coalesce('Hold ' || wallet_hold_get.hold_id || '.', 'hold_id is null.'));
    END IF;
    RETURN wallet.describe_hold(entry);
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_hold_get(bigint) IS 'a hold as it is now';

/*
 * One hold of a user's, who pays or is paid; or, where no hold is named, a page of those of a user's own
 * wallet.  A page reads at most 1,000 holds: one that is short, or has a single row without a hold, is
 * not the last where next is not null.
 */
CREATE FUNCTION @extschema@.wallet_holds_page(user_id bigint, hold bigint, wallet bigint, of_state text DEFAULT 'open', before bigint DEFAULT NULL, max_rows integer DEFAULT 50)
RETURNS TABLE (
    hold_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount text,
    captured text,
    rest text,
    max_capture text,
    state text,
    expires_at text,
    created_at text,
    updated_at text,
    next bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    entry wallet.hold;
    line record;
    info wallet.hold_info;
BEGIN
    IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000 THEN
        PERFORM wallet.refuse('invalid_limit');
    END IF;
    PERFORM wallet.check_hold_state(of_state);
    IF hold IS NOT NULL THEN
        SELECT h.* INTO entry FROM wallet.hold AS h
            WHERE h.hold_id = hold
                AND EXISTS (SELECT FROM wallet.wallet AS w WHERE w.wallet_id IN (h.source_wallet_id, h.destination_wallet_id) AND w.user_id = wallet_holds_page.user_id);
        IF NOT FOUND THEN
            PERFORM wallet.refuse('hold_not_found', format('Hold %s.', hold));
        END IF;
    ELSIF NOT EXISTS (SELECT FROM wallet.wallet AS w WHERE w.wallet_id = wallet AND w.user_id = wallet_holds_page.user_id) THEN
        PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || wallet || '.', 'wallet is null.'));
    END IF;
    FOR line IN
        SELECT wallet.describe_hold(entry) AS hold, NULL::bigint AS next WHERE hold IS NOT NULL
        UNION ALL
        SELECT h.hold, h.next FROM wallet.holds(wallet, of_state, coalesce(before, 9223372036854775807), max_rows, 1000) AS h WHERE hold IS NULL
    LOOP
        info := line.hold;
        next := line.next;
        hold_id := info.hold_id;
        source_wallet_id := info.source_wallet_id;
        destination_wallet_id := info.destination_wallet_id;
        amount := wallet.number_text(info.amount);
        captured := wallet.number_text(info.captured);
        rest := wallet.number_text(info.rest);
        max_capture := wallet.number_text(info.max_capture);
        state := info.state;
        expires_at := wallet.time_text(info.expires_at);
        created_at := wallet.time_text(info.created_at);
        updated_at := wallet.time_text(info.updated_at);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_holds_page(bigint, bigint, bigint, text, bigint, integer) IS
    'one hold of a user''s, or a page of those on a user''s own wallet or towards it, with amounts and times as JSON shows them';
