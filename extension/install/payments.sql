/* What functions return, direct payments and history */

/* ---- Rows that functions return ---- */

CREATE TYPE wallet.wallet_info AS (
    wallet_id bigint,
    user_id bigint,
    status text,
    amount numeric,
    currency text,
    created_at timestamptz,
    updated_at timestamptz,
    held numeric,
    floor numeric,
    ceiling numeric,
    available numeric
);
COMMENT ON TYPE wallet.wallet_info IS
    'a wallet as users see it: amount is its balance, held what open holds reserve, available what it may spend; without a ceiling that is null';

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

CREATE TYPE wallet.operation_info AS (
    transfer_id bigint,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount numeric,
    source_balance numeric,
    destination_balance numeric,
    posted_at timestamptz,
    kind text,
    held numeric,
    link_id bigint,
    group_id bigint,
    expires_at timestamptz,
    max_capture numeric,
    overdraw boolean
);
COMMENT ON TYPE wallet.operation_info IS 'a row of the journal as users see it: the outside is null, and so is what says nothing of its kind';

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
    destination_wallet_id bigint,
    kind text,
    link_id bigint,
    group_id bigint,
    leg integer,
    rows jsonb,
    held numeric,
    floor numeric,
    ceiling numeric,
    available numeric,
    reversed numeric,
    reversals bigint[],
    links bigint[]
);
COMMENT ON TYPE wallet.request_info IS
    'how a request stands: queued, processed or rejected; amount is the wallet''s balance, or what the transfer moved, reserved or released';

/*
 * One row of wallet_lookup_many and wallet_read_many: amounts and times as JSON shows them.  amount is
 * the wallet's balance, or what the transfer moved, reserved or released.  link_id is the hold of a
 * capture, void or extension, and the original of a reversal.  A group has group_id and rows, the rows
 * of the journal in their order, and its transfer_id is that of its first row.  leg is the leg that a
 * group was refused for, from 0.  reversed, reversals and links are null unless they are asked for:
 * wallet.links() says what they are.
 */
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
    destination_wallet_id bigint,
    kind text,
    link_id bigint,
    group_id bigint,
    leg integer,
    rows jsonb,
    held text,
    floor text,
    ceiling text,
    available text,
    amount_mode text,
    reversed text,
    reversals bigint[],
    links bigint[]
);
COMMENT ON TYPE wallet.answer IS 'how a request stands, with amounts and times as JSON shows them';

CREATE FUNCTION wallet.amount(minor_units bigint, minor_digits integer) RETURNS numeric
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_amount';
COMMENT ON FUNCTION wallet.amount(bigint, integer) IS 'minor units as a number with the currency''s decimals';

CREATE FUNCTION wallet.amount_text(minor_units bigint, minor_digits integer) RETURNS text
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_amount_text';
COMMENT ON FUNCTION wallet.amount_text(bigint, integer) IS 'minor units as JSON shows an amount';

CREATE FUNCTION wallet.available(balance bigint, held bigint, floor bigint, minor_digits integer) RETURNS numeric
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_available_amount';
COMMENT ON FUNCTION wallet.available(bigint, bigint, bigint, integer) IS
    'what a wallet may spend: balance - held - floor, from minor units, as a number with the currency''s decimals';

CREATE FUNCTION wallet.number_text(amount numeric) RETURNS text
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_number_text';
COMMENT ON FUNCTION wallet.number_text(numeric) IS 'a number as JSON shows an amount';

CREATE FUNCTION wallet.time_text(moment timestamptz) RETURNS text
LANGUAGE sql STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN isfinite(moment) THEN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') ELSE moment::text END $$;
COMMENT ON FUNCTION wallet.time_text(timestamptz) IS 'a moment as JSON shows it: UTC, without a zone; or infinity';

/*
 * A hold that is due counts nowhere, though nobody may have recorded yet that it has expired.  The moment
 * of a read is the ledger's clock, or when the wallet was changed last where that is later.
 */
CREATE FUNCTION wallet.held(wallet_id bigint, held bigint, updated_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
BEGIN
    RETURN held - (SELECT coalesce(sum(h.rest), 0) FROM wallet.hold AS h
                       WHERE h.source_wallet_id = wallet_id AND h.state = 0 AND h.expires_at <= greatest(wallet.clock(), updated_at));
END
$$;
COMMENT ON FUNCTION wallet.held(bigint, bigint, timestamptz) IS
    'what a wallet''s holds reserve, in minor units: of what the wallet''s row says, that which is not due';

CREATE FUNCTION wallet.moves_money(kind smallint) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'wallet_moves_money';
COMMENT ON FUNCTION wallet.moves_money(smallint) IS
    'whether a transfer of this kind moves money; the others reserve or release it, and stand in the chain of their source alone';

/* ---- Direct calls: in the caller's own transaction ---- */

CREATE FUNCTION @extschema@.wallet_create(user_id bigint, amount numeric DEFAULT 0, currency text DEFAULT 'usd')
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_create';
COMMENT ON FUNCTION @extschema@.wallet_create(bigint, numeric, text) IS
    'makes a user''s wallet; an initial amount is recorded as a deposit';

CREATE FUNCTION @extschema@.wallet_deposit(wallet_id bigint, amount numeric, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_deposit';
COMMENT ON FUNCTION @extschema@.wallet_deposit(bigint, numeric, jsonb, text) IS 'moves money from the outside into a wallet';

CREATE FUNCTION @extschema@.wallet_withdraw(wallet_id bigint, amount numeric, amount_mode text DEFAULT 'exact', metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_withdraw';
COMMENT ON FUNCTION @extschema@.wallet_withdraw(bigint, numeric, text, jsonb, text) IS 'moves money from a wallet to the outside';

CREATE FUNCTION @extschema@.wallet_transfer(source_wallet_id bigint, destination_wallet_id bigint, amount numeric, amount_mode text DEFAULT 'exact', metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.transfer_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_transfer';
COMMENT ON FUNCTION @extschema@.wallet_transfer(bigint, bigint, numeric, text, jsonb, text) IS 'moves money from one wallet to another';

CREATE FUNCTION @extschema@.wallet_hold(source_wallet_id bigint, destination_wallet_id bigint, amount numeric, expires_in interval DEFAULT NULL, max_capture numeric DEFAULT NULL, expires_at timestamptz DEFAULT NULL, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.operation_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_hold';
COMMENT ON FUNCTION @extschema@.wallet_hold(bigint, bigint, numeric, interval, numeric, timestamptz, jsonb, text) IS 'reserves money on a wallet for another one, or, without one, for the outside; the transfer_id is the hold''s id';

CREATE FUNCTION @extschema@.wallet_capture(hold_id bigint, amount numeric DEFAULT NULL, final boolean DEFAULT true, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.operation_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_capture';
COMMENT ON FUNCTION @extschema@.wallet_capture(bigint, numeric, boolean, jsonb, text) IS 'moves money that a hold has reserved, and releases what is left unless final is false';

CREATE FUNCTION @extschema@.wallet_void(hold_id bigint, amount numeric DEFAULT NULL, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.operation_info
LANGUAGE c SECURITY DEFINER
AS 'MODULE_PATHNAME', 'wallet_void';
COMMENT ON FUNCTION @extschema@.wallet_void(bigint, numeric, jsonb, text) IS 'releases what a hold has reserved, or a part of it';

CREATE FUNCTION @extschema@.wallet_hold_extend(hold_id bigint, amount numeric DEFAULT NULL, expires_in interval DEFAULT NULL, expires_at timestamptz DEFAULT NULL, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.operation_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_hold_extend';
COMMENT ON FUNCTION @extschema@.wallet_hold_extend(bigint, numeric, interval, timestamptz, jsonb, text) IS 'raises the total of a hold to the amount, or moves its end later';

CREATE FUNCTION @extschema@.wallet_reverse(transfer_id bigint, amount numeric DEFAULT NULL, shortfall text DEFAULT 'refuse', metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS wallet.operation_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_reverse';
COMMENT ON FUNCTION @extschema@.wallet_reverse(bigint, numeric, text, jsonb, text) IS 'moves money of a transfer back, what is left of it or a part';

CREATE FUNCTION @extschema@.wallet_reverse_group(group_id bigint, keep_fees boolean DEFAULT false, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS SETOF wallet.operation_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_reverse_group';
COMMENT ON FUNCTION @extschema@.wallet_reverse_group(bigint, boolean, jsonb, text) IS 'moves back the money of all that is left of a group';

CREATE FUNCTION @extschema@.wallet_group(legs jsonb, metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS SETOF wallet.operation_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_group';
COMMENT ON FUNCTION @extschema@.wallet_group(jsonb, jsonb, text) IS 'carries out several operations, all or none, and returns their rows';

CREATE FUNCTION @extschema@.wallet_transfer_many(sources bigint[], destinations bigint[], amounts numeric[], "references" text[] DEFAULT NULL, all_or_nothing boolean DEFAULT false)
RETURNS TABLE (ordinal integer, transfer_id bigint, code text, message text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_transfer_many';
COMMENT ON FUNCTION @extschema@.wallet_transfer_many(bigint[], bigint[], numeric[], text[], boolean) IS
    'moves money between many wallets at once: a row for each transfer, with its id or why it was refused';

CREATE FUNCTION @extschema@.wallet_set_status(wallet_id bigint, status text)
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_set_status';
COMMENT ON FUNCTION @extschema@.wallet_set_status(bigint, text) IS
    'freezes, unfreezes, closes or reopens a wallet; closing needs a balance of zero and no open hold';

CREATE FUNCTION @extschema@.wallet_close(wallet_id bigint, sweep_to bigint DEFAULT NULL)
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_close';
COMMENT ON FUNCTION @extschema@.wallet_close(bigint, bigint) IS
    'closes a wallet, after the whole balance has been moved to another one where sweep_to is given';

CREATE FUNCTION @extschema@.wallet_set_limits(wallet_id bigint, floor numeric DEFAULT NULL, ceiling numeric DEFAULT NULL)
RETURNS wallet.wallet_info
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wallet_set_limits';
COMMENT ON FUNCTION @extschema@.wallet_set_limits(bigint, numeric, numeric) IS
    'sets what must stay on a wallet (negative: a credit line) and what its balance may be at the most (infinity: anything)';

CREATE FUNCTION @extschema@.wallet_get(wallet_id bigint)
RETURNS wallet.wallet_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    info wallet.wallet_info;
BEGIN
    SELECT w.wallet_id, w.user_id, w.status, wallet.amount(w.balance, c.minor_digits), w.currency, w.created_at, w.updated_at,
           wallet.amount(h.held, c.minor_digits), wallet.amount(w.floor, c.minor_digits),
           wallet.amount(nullif(w.ceiling, 9223372036854775807), c.minor_digits),
           wallet.available(w.balance, h.held, w.floor, c.minor_digits)
        INTO info
        FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
            CROSS JOIN LATERAL (SELECT CASE WHEN w.held = 0 THEN 0 ELSE wallet.held(w.wallet_id, w.held, w.updated_at) END OFFSET 0) AS h (held)
        WHERE w.wallet_id = wallet_get.wallet_id;
    IF NOT FOUND THEN
        PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || wallet_get.wallet_id || '.', 'wallet_id is null.'));
    END IF;
    RETURN info;
END
$$;
COMMENT ON FUNCTION @extschema@.wallet_get(bigint) IS 'a wallet as it is now';

CREATE FUNCTION @extschema@.wallet_of(user_id bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.wallet_id FROM wallet.wallet AS w WHERE w.user_id = $1
$$;
COMMENT ON FUNCTION @extschema@.wallet_of(bigint) IS 'the id of a user''s one wallet; null when there is none';

/*
 * A wallet's operations, newest first, in minor units: from its last transfer, or from the one
 * before the cursor, along the chain of previous transfers.  Each step is one primary-key lookup.
 * The rows of a hold that move no money stand in the chain of the source alone, and are left out
 * unless they are asked for.  After 1,000 steps the page ends with what has been found, be it
 * nothing: then the only row has no operation.  next: the cursor of the page after this one; null
 * where the chain has ended.
 */
CREATE FUNCTION wallet.history(wallet_id bigint, before bigint, max_rows integer, include_holds boolean)
RETURNS TABLE (operation wallet.transfer, balance bigint, next bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    next_id bigint;
    found_rows wallet.transfer[] := '{}';
BEGIN
    IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 1000 THEN
        PERFORM wallet.refuse('invalid_limit');
    END IF;
    IF before IS NULL THEN
        SELECT w.last_transfer_id INTO next_id FROM wallet.wallet AS w WHERE w.wallet_id = history.wallet_id;
        IF NOT FOUND THEN
            PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || history.wallet_id || '.', 'wallet_id is null.'));
        END IF;
    ELSE
        SELECT coalesce(CASE history.wallet_id WHEN t.source_wallet_id THEN t.source_previous ELSE t.destination_previous END, 0)
            INTO next_id
            FROM wallet.transfer AS t
            WHERE t.transfer_id = before
                AND (history.wallet_id = t.source_wallet_id OR history.wallet_id = t.destination_wallet_id AND wallet.moves_money(t.kind));
        IF NOT FOUND THEN
            IF NOT EXISTS (SELECT FROM wallet.wallet AS w WHERE w.wallet_id = history.wallet_id) THEN
                PERFORM wallet.refuse('wallet_not_found', coalesce('Wallet ' || history.wallet_id || '.', 'wallet_id is null.'));
            END IF;
            PERFORM wallet.refuse('invalid_cursor', format('Transfer %s, wallet %s.', before, history.wallet_id));
        END IF;
    END IF;
    FOR i IN 1 .. 1000 LOOP
        SELECT t.* INTO operation FROM wallet.transfer AS t WHERE t.transfer_id = next_id;
        EXIT WHEN NOT FOUND;
        next := operation.transfer_id;
        next_id := CASE history.wallet_id WHEN operation.source_wallet_id THEN operation.source_previous ELSE operation.destination_previous END;
        IF include_holds OR wallet.moves_money(operation.kind) THEN
            found_rows := found_rows || operation;
            EXIT WHEN cardinality(found_rows) = max_rows;
        END IF;
    END LOOP;
    IF cardinality(found_rows) < max_rows AND next_id IS NULL THEN
        next := NULL;
    END IF;
    IF cardinality(found_rows) = 0 AND next IS NOT NULL THEN
        operation := NULL;
        RETURN NEXT;
    END IF;
    FOREACH operation IN ARRAY found_rows LOOP
        balance := CASE history.wallet_id WHEN operation.source_wallet_id THEN operation.source_balance ELSE operation.destination_balance END;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wallet.history(bigint, bigint, integer, boolean) IS 'a wallet''s operations, newest first, in minor units';

CREATE FUNCTION @extschema@.wallet_history(wallet_id bigint, before bigint DEFAULT NULL, max_rows integer DEFAULT 50, include_holds boolean DEFAULT false)
RETURNS TABLE (
    transfer_id bigint,
    kind text,
    source_wallet_id bigint,
    destination_wallet_id bigint,
    amount numeric,
    balance numeric,
    metadata jsonb,
    request_id bigint,
    posted_at timestamptz,
    link_id bigint,
    group_id bigint,
    held numeric,
    expires_at timestamptz,
    overdraw boolean,
    reversed numeric,
    reversals bigint[],
    next bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
    SELECT (h.operation).transfer_id, wallet.kind_name((h.operation).kind),
           nullif(greatest((h.operation).source_wallet_id, 0), 0),
           nullif(greatest((h.operation).destination_wallet_id, 0), 0),
           wallet.amount((h.operation).amount, digits.minor),
           wallet.amount(h.balance, digits.minor),
           (h.operation).metadata, (h.operation).request_id, (h.operation).posted_at,
           (h.operation).link_id, (h.operation).group_id,
           CASE WHEN (h.operation).source_wallet_id = $1 THEN wallet.amount(coalesce((h.operation).held, 0), digits.minor) END,
           (h.operation).expires_at, (h.operation).overdraw,
           wallet.amount(v.amount, digits.minor),
           CASE WHEN v.amount > 0 THEN wallet.reversals((h.operation).transfer_id) END,
           h.next
        FROM wallet.history($1, $2, $3, $4) AS h
            CROSS JOIN (SELECT (SELECT c.minor_digits
                                    FROM wallet.wallet AS w JOIN wallet.currency AS c ON c.code = w.currency
                                    WHERE w.wallet_id = $1)) AS digits (minor)
            LEFT JOIN LATERAL (SELECT r.amount FROM wallet.reversed AS r WHERE r.transfer_id = (h.operation).transfer_id OFFSET 0) AS v ON true
        ORDER BY 1 DESC
$$;
COMMENT ON FUNCTION @extschema@.wallet_history(bigint, bigint, integer, boolean) IS
    'a wallet''s operations, newest first, with the balance after each; before is next of the page before, or the transfer_id of its last row';

CREATE FUNCTION wallet.reversals(transfer_id bigint) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
    SELECT array_agg(t.transfer_id ORDER BY t.transfer_id) FROM wallet.transfer AS t
        WHERE t.link_id = $1 AND t.link_id <> t.transfer_id AND t.kind = wallet.kind_number('reversal')
$$;
COMMENT ON FUNCTION wallet.reversals(bigint) IS 'the reversals of a transfer; null when there is none';

/* As a history shows them; of a hold its captures, voids, extensions and expiry, in links. */
CREATE FUNCTION wallet.links(transfer_id bigint, OUT reversed text, OUT reversals bigint[], OUT links bigint[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
    SELECT wallet.amount_text(v.amount, c.minor_digits),
           CASE WHEN v.amount > 0 THEN wallet.reversals(t.transfer_id) END,
           CASE WHEN t.link_id = t.transfer_id THEN
               (SELECT array_agg(l.transfer_id ORDER BY l.transfer_id) FROM wallet.transfer AS l
                    WHERE l.link_id = t.transfer_id AND l.link_id <> l.transfer_id) END
        FROM wallet.transfer AS t
            JOIN wallet.wallet AS w ON w.wallet_id = greatest(t.source_wallet_id, t.destination_wallet_id)
            JOIN wallet.currency AS c ON c.code = w.currency
            LEFT JOIN LATERAL (SELECT r.amount FROM wallet.reversed AS r WHERE r.transfer_id = t.transfer_id OFFSET 0) AS v ON true
        WHERE t.transfer_id = $1
$$;
COMMENT ON FUNCTION wallet.links(bigint) IS
    'the rows that link to a transfer: how much was reversed, its reversals, and the rows of a hold; null what there is none of';

/*
 * The journal as wallets see it, for questions that wallet_history does not answer.  A wallet's own
 * rows are found by reading the whole journal, unless an owner adds the two indexes that docs/sql.md
 * names; posting then has to keep them.
 */
CREATE VIEW wallet.operation AS
    SELECT side.wallet_id, side.transfer_id, k.name AS kind, side.other_wallet_id,
           wallet.amount(side.change, c.minor_digits) AS change,
           wallet.amount(side.balance, c.minor_digits) AS balance,
           w.currency, side.metadata, side.request_id, side.posted_at,
           wallet.amount(side.amount, c.minor_digits) AS amount,
           wallet.amount(side.held, c.minor_digits) AS held,
           side.link_id, side.group_id
        FROM (
            SELECT t.source_wallet_id AS wallet_id, t.transfer_id, t.kind, nullif(greatest(t.destination_wallet_id, 0), 0) AS other_wallet_id,
                   CASE WHEN wallet.moves_money(t.kind) THEN - t.amount ELSE 0 END AS change, t.source_balance AS balance, t.metadata, t.request_id,
                   t.posted_at, t.amount, coalesce(t.held, 0) AS held, t.link_id, t.group_id
                FROM wallet.transfer AS t WHERE t.source_wallet_id > 0
            UNION ALL
            SELECT t.destination_wallet_id, t.transfer_id, t.kind, nullif(greatest(t.source_wallet_id, 0), 0),
                   t.amount, t.destination_balance, t.metadata, t.request_id, t.posted_at, t.amount, NULL, t.link_id, t.group_id
                FROM wallet.transfer AS t WHERE t.destination_wallet_id > 0 AND wallet.moves_money(t.kind)
        ) AS side
            JOIN wallet.wallet AS w ON w.wallet_id = side.wallet_id
            JOIN wallet.currency AS c ON c.code = w.currency
            LEFT JOIN wallet.kind AS k ON k.number = side.kind;
COMMENT ON VIEW wallet.operation IS
    'every transfer once for each wallet in whose chain it stands; without an index by wallet a question about one reads the whole journal';
COMMENT ON COLUMN wallet.operation.change IS 'what the wallet gained, or, negative, lost; 0 where money was only reserved or released';
COMMENT ON COLUMN wallet.operation.amount IS 'what was moved, reserved or released';
COMMENT ON COLUMN wallet.operation.held IS 'what the wallet''s holds reserve after the transfer; null where the wallet is the destination, which changes none of it';
COMMENT ON COLUMN wallet.operation.balance IS 'the wallet''s balance after the transfer';
COMMENT ON COLUMN wallet.operation.other_wallet_id IS 'the wallet on the other side; null for the outside';
