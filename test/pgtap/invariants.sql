-- A random workload, directly and through the queue, against a model of its own: what is refused and why, every
-- balance, and the proof of wallet_verify. The same numbers at every run.
BEGIN;
SELECT no_plan();
SELECT setseed(0.4217);

-- The model: what the wallets hold, in whole units, by rules written down a second time.
CREATE TEMPORARY TABLE model (wallet_id bigint PRIMARY KEY, balance bigint, currency text, status text DEFAULT 'active');
INSERT INTO model (wallet_id, balance, currency)
    SELECT w.wallet_id, w.amount, w.currency
        FROM generate_series(1, 40) AS user_id, wallet_create(user_id, 50 * (user_id % 3), CASE user_id % 4 WHEN 0 THEN 'eur' ELSE 'usd' END) AS w;
SELECT is(count(*)::integer, 40, 'wallets') FROM model;

CREATE TEMPORARY TABLE asked (
    n serial, kind text, source bigint, destination bigint, amount bigint, owner boolean, direct boolean, handshake text, expected text, got text);

-- What the rules say to a request, with the model as it is; carries it out in the model.
CREATE FUNCTION pg_temp.predict(a asked) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s model;
    d model;
BEGIN
    SELECT * INTO s FROM model WHERE wallet_id = a.source;
    SELECT * INTO d FROM model WHERE wallet_id = a.destination;
    IF a.amount <= 0 THEN RETURN 'amount_not_positive'; END IF;
    IF a.source = a.destination THEN RETURN 'same_wallet'; END IF;
    IF a.source IS NOT NULL AND s.wallet_id IS NULL THEN RETURN CASE a.kind WHEN 'transaction' THEN 'source_wallet_not_found' ELSE 'wallet_not_found' END; END IF;
    IF a.destination IS NOT NULL AND d.wallet_id IS NULL THEN RETURN CASE a.kind WHEN 'transaction' THEN 'destination_wallet_not_found' ELSE 'wallet_not_found' END; END IF;
    IF NOT a.owner AND NOT a.direct THEN RETURN 'not_owner'; END IF;
    IF 'closed' IN (s.status, d.status) THEN RETURN 'wallet_closed'; END IF;
    IF 'frozen' IN (s.status, d.status) THEN RETURN 'wallet_frozen'; END IF;
    IF s.currency <> d.currency THEN RETURN 'currency_mismatch'; END IF;
    IF s.balance < a.amount THEN RETURN 'insufficient_funds'; END IF;
    UPDATE model SET balance = balance - a.amount WHERE wallet_id = a.source;
    UPDATE model SET balance = balance + a.amount WHERE wallet_id = a.destination;
    RETURN 'processed';
END
$$;

CREATE FUNCTION pg_temp.call(a asked) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
BEGIN
    CASE a.kind
        WHEN 'transaction' THEN PERFORM wallet_transfer(a.source, a.destination, a.amount);
        WHEN 'deposit' THEN PERFORM wallet_deposit(a.destination, a.amount);
        ELSE PERFORM wallet_withdraw(a.source, a.amount);
    END CASE;
    RETURN 'processed';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;

CREATE FUNCTION pg_temp.enqueue(a asked) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(q.handshake_id, q.code) FROM wallet_enqueue_many(ARRAY[a.kind], ARRAY[CASE a.kind
        WHEN 'transaction' THEN json_build_object('user_id', a.source + (NOT a.owner)::integer, 'source_wallet_id', a.source, 'dest_wallet_id', a.destination, 'trans_sum', a.amount)
        ELSE json_build_object('user_id', coalesce(a.source, a.destination) + (NOT a.owner)::integer, 'wallet_id', coalesce(a.source, a.destination), 'amount', a.amount)
        END::text]) AS q
$$;

-- Rounds: some direct calls, a change of status, then a batch through the queue.
CREATE FUNCTION pg_temp.work(rounds integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    a asked;
    which bigint;
    new_status text;
BEGIN
    FOR round IN 1 .. rounds LOOP
        which := 1 + floor(random() * 40);
        new_status := (ARRAY['active', 'active', 'active', 'frozen'])[1 + floor(random() * 4)];
        PERFORM wallet_set_status(which, new_status);
        UPDATE model SET status = new_status WHERE wallet_id = which;
        FOR i IN 1 .. 40 LOOP
            a := NULL;
            a.kind := (ARRAY['transaction', 'transaction', 'transaction', 'deposit', 'withdrawal'])[1 + floor(random() * 5)];
            a.source := CASE WHEN a.kind <> 'deposit' THEN 1 + floor(random() * 41) END;
            a.destination := CASE WHEN a.kind <> 'withdrawal' THEN 1 + floor(random() * 41) END;
            a.amount := floor(random() * 60) - 1;
            a.owner := random() > 0.05;
            a.direct := i <= 15;
            a.n := nextval('asked_n_seq');
            a.expected := pg_temp.predict(a);
            IF a.direct THEN
                a.got := pg_temp.call(a);
            ELSE
                a.handshake := pg_temp.enqueue(a);
            END IF;
            INSERT INTO asked SELECT a.*;
        END LOOP;
        PERFORM wallet_process();
    END LOOP;
END
$$;
SELECT lives_ok('SELECT pg_temp.work(50)', '2000 requests');

-- Direct calls say what the code means; queued ones keep the code.
UPDATE asked SET expected = wallet.code_message(expected) WHERE direct AND expected <> 'processed';
UPDATE asked SET got = CASE WHEN length(handshake) < 64 THEN handshake
                            ELSE (SELECT l.code FROM wallet_lookup(kind, coalesce(source, destination) + (NOT owner)::integer, handshake) AS l) END
    WHERE NOT direct;
SELECT is_empty('SELECT n, kind, source, destination, amount, owner, direct, expected, got FROM asked WHERE got IS DISTINCT FROM expected ORDER BY n LIMIT 5',
                'every request ends as the model says');
SELECT cmp_ok(count(*)::integer, '>=', 5, format('%s: %s', CASE WHEN direct THEN 'direct' ELSE 'queued' END, expected))
    FROM asked WHERE expected NOT IN ('same_wallet', 'source and destination are the same wallet') GROUP BY direct, expected ORDER BY direct, expected;

-- Balances, by the model and by arithmetic of our own over the journal.
SELECT results_eq('SELECT wallet_id, balance * 100, currency, status FROM model ORDER BY 1',
                  'SELECT wallet_id, balance, currency COLLATE "default", status::text FROM wallet.wallet ORDER BY 1', 'every wallet is as the model says');
SELECT is_empty($$
    SELECT w.wallet_id, w.balance FROM wallet.wallet AS w
        WHERE w.balance <> (SELECT coalesce(sum(CASE w.wallet_id WHEN t.destination_wallet_id THEN t.amount ELSE - t.amount END), 0)
                                FROM wallet.transfer AS t WHERE w.wallet_id IN (t.source_wallet_id, t.destination_wallet_id))$$,
    'each balance is the sum of its transfers');
SELECT is((SELECT sum(balance) FROM wallet.wallet WHERE currency = c.code),
          (SELECT sum(CASE WHEN source_wallet_id = c.outside_wallet_id THEN amount ELSE - amount END) FROM wallet.transfer
               WHERE c.outside_wallet_id IN (source_wallet_id, destination_wallet_id)),
          'all ' || c.code || ' came from outside')
    FROM wallet.currency AS c WHERE c.code IN ('usd', 'eur') ORDER BY c.code;
SELECT is_empty('SELECT transfer_id FROM wallet.transfer WHERE least(source_balance, destination_balance, 0) < 0', 'no balance was ever below zero');

-- The history of each wallet, read along its chain, is the journal's.
SELECT is_empty($$
    SELECT w.wallet_id FROM wallet.wallet AS w
        WHERE ARRAY(SELECT h.transfer_id FROM wallet_history(w.wallet_id, max_rows => 1000) AS h)
            <> ARRAY(SELECT t.transfer_id FROM wallet.transfer AS t WHERE w.wallet_id IN (t.source_wallet_id, t.destination_wallet_id) ORDER BY 1 DESC)$$,
    'each history is whole');

-- Each request ended once, and nothing is left over.
SELECT is((SELECT count(*) FROM wallet.request),
          (SELECT count(*) FROM wallet.outcome) + (SELECT count(*) FROM wallet.transfer WHERE request_id IS NOT NULL), 'as many endings as requests');
SELECT is(queued, 0::bigint, 'nothing is queued') FROM wallet.queue;
SELECT is(ok, true, name || coalesce(': ' || detail, '')) FROM wallet_verify();

SELECT * FROM finish();
ROLLBACK;
