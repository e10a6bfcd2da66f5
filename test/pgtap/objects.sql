-- What every object of the extension has in common.
BEGIN;
SELECT no_plan();

CREATE TEMPORARY VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend AS d
        WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet');
CREATE TEMPORARY VIEW function AS
    SELECT p.* FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

SELECT has_extension('pg_wallet');
SELECT tables_are('wallet', ARRAY['addition', 'api_key', 'audit', 'checkpoint', 'currency', 'expiry', 'expiry_clock', 'hold', 'idempotency_key', 'kind', 'limit_change', 'made', 'outcome', 'outcome_0', 'outcome_1', 'queue_position', 'request', 'request_0', 'request_1', 'reversed', 'secret', 'transfer', 'verified', 'wallet']);
SELECT views_are('wallet', ARRAY['metric', 'operation', 'queue']);
SELECT materialized_views_are('wallet', ARRAY['opening']);
SELECT sequences_are('wallet', ARRAY['limit_change_id_seq', 'request_id_seq', 'transfer_id_seq', 'wallet_id_seq']);
SELECT enums_are('wallet', ARRAY['status']);
SELECT enum_has_labels('wallet', 'status', ARRAY['active', 'frozen', 'closed']);

-- Each says what it is.
SELECT isnt(coalesce(obj_description(m.objid, m.classid::regclass::text), ''), '', 'a comment on ' || pg_describe_object(m.classid, m.objid, 0))
    FROM member AS m LEFT JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    WHERE t.oid IS NULL OR t.typtype = 'e'
    ORDER BY pg_describe_object(m.classid, m.objid, 0);

-- Functions.
-- Those that pin their search_path by themselves, where it matters (search_path.c, hostile_tables.sql).
CREATE TEMPORARY TABLE pins_itself (name text);
INSERT INTO pins_itself VALUES ('wallet_transfer'), ('wallet_deposit'), ('wallet_withdraw'), ('wallet_hold'), ('wallet_capture'), ('wallet_void'), ('wallet_enqueue'), ('wallet_enqueue_many'), ('wallet_enqueue_utf8'), ('wallet_lookup_many');
SELECT is(f.proconfig[1], CASE WHEN p.name IS NULL THEN 'search_path=pg_catalog, pg_temp' END, f.oid::regprocedure || ' fixes its search_path')
    FROM function AS f JOIN pg_language AS l ON l.oid = f.prolang LEFT JOIN pins_itself AS p ON p.name = f.proname AND l.lanname = 'c'
    WHERE f.prosecdef OR l.lanname <> 'c'
    ORDER BY f.oid::regprocedure::text;
SELECT is(f.prosecdef,
          f.pronamespace <> 'wallet'::regnamespace
              AND f.proname NOT IN ('wallet_grant', 'wallet_schedule_maintenance', 'wallet_additions', 'wallet_restore_additions')
              -- Who may read wallet.metric may read nothing that it is made of.
              OR f.oid::regproc::text = 'wallet.metrics'
              -- Whoever drops a type may drop a column of ours with it.
              OR f.oid::regproc::text IN ('wallet.note_command', 'wallet.note_drop', 'wallet.note_restore'),
          f.oid::regprocedure || ' runs with the rights of ' || CASE WHEN f.prosecdef THEN 'its owner' ELSE 'its caller' END)
    FROM function AS f ORDER BY f.oid::regprocedure::text;
SELECT is(f.proparallel, 'u', f.oid::regprocedure || ' is not for parallel workers') FROM function AS f ORDER BY f.oid::regprocedure::text;
SELECT results_eq(
    $$SELECT f.oid::regprocedure::text COLLATE "C" FROM function AS f WHERE f.provolatile <> 'v' ORDER BY 1$$,
    $$VALUES ('wallet.add_up(wallet.finding[])'::text COLLATE "C"), ('wallet.addition_needs()'), ('wallet.additions_are_trusted()'),
             ('wallet.blocks_in_turn(text,wallet.finding[],bigint,integer,bigint[])'), ('wallet.check_hold_state(text)'), ('wallet.compare_limits(bigint,bigint)'), ('wallet.compare_requests(bigint,bigint,bigint,wallet.finding[])'),
             ('wallet.compare_states(text,bigint,wallet.finding[])'), ('wallet.compare_transfers(bigint,bigint)'), ('wallet.compare_wallets(bigint,wallet.finding[])'),
             ('wallet.describe_hold(wallet.hold)'), ('wallet.digest(record)'),
             ('wallet.examine_all()'), ('wallet.examine_past(text,bigint,bigint,bigint,bigint,bigint,wallet.finding[])'),
             ('wallet.examine_requests(bigint,bigint,bigint,integer)'),
             ('wallet.examine_since(wallet.checkpoint,integer,bigint,wallet.checkpoint)'), ('wallet.examine_states(text,wallet.finding[],bigint,integer,bigint[])'), ('wallet.examine_transfers(bigint,bigint)'),
             ('wallet.examine_wallets(wallet.finding[],bigint,integer,bigint[])'), ('wallet.fault(text,text,text,bigint,text)'),
             ('wallet.faulty_blocks(text)'), ('wallet.held(bigint,bigint,timestamp with time zone)'), ('wallet.held_after(bigint,bigint)'),
             ('wallet.history(bigint,bigint,integer,boolean)'), ('wallet.hold_rows(bigint[])'), ('wallet.hold_state(smallint)'),
             ('wallet.holds(bigint,text,bigint,bigint,bigint)'), ('wallet.is_used(oid,oid)'), ('wallet.journal_sums(wallet.finding[],text)'), ('wallet.kind_name(smallint)'), ('wallet.kind_number(text)'), ('wallet.links(bigint)'), ('wallet.metric_help(text)'), ('wallet.moves_money(smallint)'), ('wallet.next_past_block(text,bigint,bigint)'), ('wallet.oldest_waiting(bigint,bigint)'), ('wallet.partition_start(bigint)'), ('wallet.present_additions()'), ('wallet.read_extra(bytea)'), ('wallet.report(wallet.finding[],boolean)'), ('wallet.request_extra(bytea)'), ('wallet.reversals(bigint)'),
             ('wallet.row_fits_request(bigint,smallint,bigint,bigint,numeric,jsonb,bigint,integer)'),
             ('wallet.shape()'), ('wallet.speaks_for_all(oid)'), ('wallet.sum_limits(bigint,bigint,bigint)'), ('wallet.sum_of(text,bigint,text,numeric,numeric,numeric)'), ('wallet.verified_sums(text)'), ('wallet.verify()'),
             ('wallet.verify_groups(bigint,bigint)'), ('wallet.verify_held(bigint,bigint)'), ('wallet.verify_holds(bigint,bigint)'), ('wallet.verify_limits(bigint,numeric)'),
             ('wallet.verify_requests(bigint,bigint,bigint)'), ('wallet.verify_reversals(bigint,bigint)'), ('wallet.verify_transfers(bigint,bigint)'), ('wallet_api_keys()'), ('wallet_get(bigint)'),
             ('wallet_history(bigint,bigint,integer,boolean)'), ('wallet_history_page(bigint,bigint,bigint,integer,boolean)'), ('wallet_hold_get(bigint)'),
             ('wallet_holds(bigint,text)'), ('wallet_holds_page(bigint,bigint,bigint,text,bigint,integer)'), ('wallet_of(bigint)'),
             ('wallet_read_many(text[],bigint[],bigint[],boolean[])'), ('wallet_verify()')$$,
    'what only reads is stable, all else is volatile');
SELECT is_empty($$SELECT f.oid::regprocedure FROM function AS f WHERE f.proleakproof$$, 'nothing is leakproof');

-- Money and ids are 64 bits wide, with room for nothing between the bits.
SELECT col_type_is('wallet', 'wallet', c, 'bigint', 'wallet.' || c) FROM unnest(ARRAY['wallet_id', 'user_id', 'balance', 'last_transfer_id']) AS c;
SELECT col_type_is('wallet', 'transfer', c, 'bigint', 'transfer.' || c)
    FROM unnest(ARRAY['transfer_id', 'request_id', 'source_wallet_id', 'destination_wallet_id', 'amount', 'source_balance', 'destination_balance']) AS c;
SELECT col_is_pk('wallet', 'transfer', 'transfer_id', 'a transfer has one id');
SELECT index_is_unique('wallet', 'transfer', 'transfer_request_id_key', 'one transfer alone carries the id of a request');
SELECT col_is_pk('wallet', 'request_0', 'request_id', 'an id has one request');
SELECT col_is_pk('wallet', 'outcome_0', 'request_id', 'a request has one outcome');
SELECT col_is_unique('wallet', 'wallet', ARRAY['user_id'], 'a user has one wallet');
SELECT col_is_pk('wallet', 'idempotency_key', ARRAY['user_id', 'key'], 'a key belongs to a user');
SELECT indexes_are('wallet', 'wallet', ARRAY['wallet_pkey', 'wallet_user_id_key'], 'no index on what a transfer changes');

-- No order of a text, nor what an index finds, changes with a library of the system's.
SELECT is_empty($$
    SELECT a.attrelid::regclass, a.attname, a.attcollation::regcollation
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND a.attcollation NOT IN (0, 'pg_catalog."C"'::regcollation)
            AND c.relnamespace = 'wallet'::regnamespace AND (a.attrelid, a.attname) <> ('wallet.audit'::regclass, 'detail')$$, 'every text that counts has the collation "C"');
SELECT is_empty($$
    SELECT i.indexrelid::regclass, k.oid::regcollation
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid CROSS JOIN LATERAL unnest(i.indcollation) AS k (oid)
        WHERE c.relnamespace = 'wallet'::regnamespace AND k.oid NOT IN (0, 'pg_catalog."C"'::regcollation)$$, 'so has every index');

-- Everything that is written stays.
SELECT is(t.tgenabled, 'A', format('%s of %s works, replica or not', t.tgname, t.tgrelid::regclass))
    FROM pg_trigger AS t WHERE t.tgrelid::regclass::text LIKE 'wallet.%' AND NOT t.tgisinternal ORDER BY t.tgrelid::regclass::text;
SELECT is_empty($$SELECT r.oid::regclass FROM pg_class AS r JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = r.oid
                      WHERE r.relpersistence <> 'p'$$, 'nothing is unlogged');
SELECT set_eq($$SELECT unnest(e.extconfig) FROM pg_extension AS e WHERE e.extname = 'pg_wallet'$$,
              $$SELECT r.oid FROM pg_class AS r JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = r.oid WHERE r.relkind IN ('r', 'm', 'S') AND r.relname NOT IN ('kind', 'expiry_clock', 'made', 'addition')$$,
              'every table, materialized view and sequence is part of a dump, but for what counts on this server alone');

-- ISO 4217, with the decimals that are not two.
SELECT cmp_ok(count(*)::integer, '>', 150, 'currencies') FROM wallet.currency;
SELECT is(minor_digits, CASE WHEN code IN ('clf', 'uyw') THEN 4
                             WHEN code IN ('bhd', 'iqd', 'jod', 'kwd', 'lyd', 'omr', 'tnd') THEN 3
                             WHEN code IN ('bif', 'clp', 'djf', 'gnf', 'isk', 'jpy', 'kmf', 'krw', 'pyg', 'rwf', 'ugx', 'uyi', 'vnd', 'vuv', 'xaf', 'xof', 'xpf') THEN 0
                             ELSE 2 END, 'decimals of ' || code)
    FROM wallet.currency ORDER BY code;
SELECT results_eq($$SELECT code COLLATE "default", number FROM wallet.currency WHERE code IN ('usd', 'eur', 'jpy', 'gbp', 'chf') ORDER BY code$$,
                  $$VALUES ('chf', 756), ('eur', 978), ('gbp', 826), ('jpy', 392), ('usd', 840)$$, 'numeric codes');

SELECT * FROM finish();
ROLLBACK;
