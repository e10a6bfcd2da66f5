-- Who may do what: the one place that says so. Every function, relation and setting of the extension stands here, and
-- the tests that include this file fail for one that does not. Duties: c client, s shim, o operator, a auditor, m monitor; the owner may
-- everything, and nobody else anything. `@` stands for the schema of the extension.
SELECT e.extnamespace::regnamespace AS extension_schema, pg_get_userbyid(e.extowner) AS extension_owner
    FROM pg_extension AS e WHERE e.extname = 'pg_wallet' \gset

CREATE ROLE tap_client;
CREATE ROLE tap_shim;
CREATE ROLE tap_operator;
CREATE ROLE tap_auditor;
CREATE ROLE tap_monitor;
CREATE ROLE tap_nobody;
SELECT :extension_schema.wallet_grant('tap_client', 'client');
SELECT :extension_schema.wallet_grant('tap_shim', 'shim');
SELECT :extension_schema.wallet_grant('tap_operator', 'operator');
SELECT :extension_schema.wallet_grant('tap_auditor', 'auditor');
SELECT :extension_schema.wallet_grant('tap_monitor', 'monitor');
CREATE TEMPORARY TABLE duty (duty text, letter text, role name);
INSERT INTO duty VALUES ('client', 'c', 'tap_client'), ('shim', 's', 'tap_shim'), ('operator', 'o', 'tap_operator'), ('auditor', 'a', 'tap_auditor'), ('monitor', 'm', 'tap_monitor'),
    ('nobody', '-', 'tap_nobody'), ('owner', '*', :'extension_owner');

CREATE FUNCTION pg_temp.may(duties text, letter text) RETURNS boolean LANGUAGE sql
    SET search_path = pg_catalog AS $$ SELECT letter = '*' OR position(letter IN duties) > 0 $$;

-- A call that succeeds for those who may, given the wallets 1 and 2 of the users 1 and 2, with money.
CREATE TEMPORARY TABLE may_execute (function regprocedure PRIMARY KEY, duties text, call text);
INSERT INTO may_execute SELECT replace(f, '@', :'extension_schema')::regprocedure, duties, replace(call, '@', :'extension_schema') FROM (VALUES
    ('@.wallet_enqueue(text, json, text)', 'cso', $$SELECT @.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'a key')$$),
    ('@.wallet_enqueue_many(text[], text[], text[])', 'cso',
        $$SELECT @.wallet_enqueue_many('{deposit,wallet,transaction,withdrawal,wallet_read,none}', ARRAY['{"user_id":1,"wallet_id":1,"amount":1.5}', '{"user_id":9,"amount":1,"currency":"jpy"}', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":"1"}', '{"user_id":2,"wallet_id":2,"amount":0.125}', '{"user_id":1,"wallet_id":1}', '{'], '{a,b,c,d,e,f}')$$),
    ('@.wallet_enqueue_utf8(text[], bytea[], bytea[], integer[], text[])', 's',
        $$SELECT @.wallet_enqueue_utf8('{deposit,deposit}', ARRAY['{"user_id":1,"wallet_id":1,"amount":1.5}', '{']::bytea[], ARRAY['g', 'h']::bytea[])$$),
    ('@.wallet_lookup(text, bigint, text, boolean)', 'cso',
        $$SELECT @.wallet_lookup('wallet_read', 1, @.wallet_enqueue('wallet_read', '{"user_id":1,"wallet_id":1}'))$$),
    ('@.wallet_lookup_many(text[], bigint[], text[], boolean[])', 'cso', $$SELECT @.wallet_lookup_many('{wallet,none}', '{1,2}'::bigint[], '{00,NULL}', '{true,false}')$$),
    ('@.wallet_read_many(text[], bigint[], bigint[], boolean[])', 'cso', $$SELECT @.wallet_read_many('{wallet,transaction,wallet}', '{1,1,2}', '{1,1,1}', '{true,true,true}')$$),
    ('@.wallet_history_page(bigint, bigint, bigint, integer, boolean)', 'cso', 'SELECT @.wallet_history_page(1, 1, NULL, 5)'),
    ('@.wallet_holds_page(bigint, bigint, bigint, text, bigint, integer)', 'cso', 'SELECT @.wallet_holds_page(1, NULL, 1)'),
    ('@.wallet_of(bigint)', 'csoa', 'SELECT @.wallet_of(1)'),
    ('@.wallet_position()', 'csoa', 'SELECT @.wallet_position()'),
    ('@.wallet_ready()', 'csoa', 'SELECT @.wallet_ready()'),
    ('@.wallet_api_key_check_many(bytea[])', 's', $$SELECT @.wallet_api_key_check_many(ARRAY['\x00'::bytea])$$),
    ('@.wallet_api_keys()', 'oa', 'SELECT @.wallet_api_keys()'),
    ('@.wallet_api_key_create(text, text[], bigint, timestamptz, numeric, integer)', '', $$SELECT @.wallet_api_key_create('a key', '{read}')$$),
    ('@.wallet_api_key_revoke(text)', '', $$SELECT @.wallet_api_key_revoke('no key')$$),
    ('@.wallet_get(bigint)', 'oa', 'SELECT @.wallet_get(1)'),
    ('@.wallet_history(bigint, bigint, integer, boolean)', 'oa', 'SELECT @.wallet_history(1)'),
    ('@.wallet_holds(bigint, text)', 'oa', 'SELECT @.wallet_holds(1)'),
    ('@.wallet_hold_get(bigint)', 'oa', 'SELECT @.wallet_hold_get(h) FROM pg_catalog.generate_series(1::bigint, 0) AS h'),
    ('@.wallet_verify()', 'oa', 'SELECT @.wallet_verify()'),
    ('@.wallet_create(bigint, numeric, text)', 'o', $$SELECT @.wallet_create(3, 5, 'eur')$$),
    ('@.wallet_deposit(bigint, numeric, jsonb, text)', 'o', $$SELECT @.wallet_deposit(1, 1, '{"a":1}', 'a key of its own')$$),
    ('@.wallet_withdraw(bigint, numeric, text, jsonb, text)', 'o', $$SELECT @.wallet_withdraw(1, 1, 'exact', '{"a":1}', 'another')$$),
    ('@.wallet_transfer(bigint, bigint, numeric, text, jsonb, text)', 'o', $$SELECT @.wallet_transfer(1, 2, 1, 'up_to', '{"a":1}', 'a third')$$),
    ('@.wallet_hold(bigint, bigint, numeric, interval, numeric, timestamptz, jsonb, text)', 'o', $$SELECT @.wallet_hold(1, 2, 1, '1 day', 2, NULL, '{"a":1}', 'a fourth')$$),
    ('@.wallet_capture(bigint, numeric, boolean, jsonb, text)', 'o', $$SELECT @.wallet_capture(t.transfer_id, 1, true, '{"a":1}', 'a fifth') FROM @.wallet_hold(1, 2, 1) AS t$$),
    ('@.wallet_void(bigint, numeric, jsonb, text)', 'o', $$SELECT @.wallet_void(t.transfer_id, 1, '{"a":1}', 'a sixth') FROM @.wallet_hold(1, 2, 1) AS t$$),
    ('@.wallet_hold_extend(bigint, numeric, interval, timestamptz, jsonb, text)', 'o', $$SELECT @.wallet_hold_extend(t.transfer_id, 2, NULL, 'infinity', '{"a":1}', 'a seventh') FROM @.wallet_hold(1, 2, 1) AS t$$),
    ('@.wallet_reverse(bigint, numeric, text, jsonb, text)', 'o', $$SELECT @.wallet_reverse(t.transfer_id, 1, 'refuse', '{"a":1}', 'an eighth') FROM @.wallet_transfer(1, 2, 1) AS t$$),
    ('@.wallet_reverse_group(bigint, boolean, jsonb, text)', 'o', $$SELECT @.wallet_reverse_group(t.transfer_id, true, '{"a":1}', 'a ninth') FROM @.wallet_group('[{"kind":"transaction","source_wallet_id":1,"dest_wallet_id":2,"amount":1}]') AS t$$),
    ('@.wallet_group(jsonb, jsonb, text)', 'o', $$SELECT @.wallet_group('[{"kind":"deposit","wallet_id":1,"amount":1}]', '{"a":1}', 'a tenth')$$),
    ('@.wallet_dry_run(text, json)', 'cso', $$SELECT @.wallet_dry_run('deposit', '{"user_id":1,"wallet_id":1,"amount":1}')$$),
    ('@.wallet_dry_run_utf8(text[], bytea[], bytea[], integer[], text[])', 's', $$SELECT @.wallet_dry_run_utf8('{deposit}', ARRAY['{"user_id":1,"wallet_id":1,"amount":1}'::bytea], NULL, '{1}', '{5}')$$),
    ('@.wallet_transfer_many(bigint[], bigint[], numeric[], text[], boolean)', 'o', $$SELECT @.wallet_transfer_many('{1}', '{2}', '{1}', NULL, true)$$),
    ('@.wallet_set_status(bigint, text)', 'o', $$SELECT @.wallet_set_status(1, 'frozen')$$),
    ('@.wallet_set_limits(bigint, numeric, numeric)', 'o', $$SELECT @.wallet_set_limits(1, -1, 1000000)$$),
    ('@.wallet_close(bigint, bigint)', 'o', $$SELECT @.wallet_close(1, 2)$$),
    ('@.wallet_process(integer)', 'o', 'SELECT @.wallet_process()'),
    ('@.wallet_audit(boolean, bigint)', 'o', 'SELECT @.wallet_audit()'),
    ('@.wallet_expire_idempotency_keys()', 'o', 'SELECT @.wallet_expire_idempotency_keys()'),
    ('@.wallet_rotate_requests()', 'o', 'SELECT @.wallet_rotate_requests()'),
    ('@.wallet_expire_requests()', 'o', 'SELECT @.wallet_expire_requests()'),
    ('@.wallet_schedule_maintenance()', '', 'SELECT @.wallet_schedule_maintenance()'),
    ('@.wallet_additions()', '', 'SELECT @.wallet_additions()'),
    ('@.wallet_restore_additions()', '', 'SELECT @.wallet_restore_additions()'),
    ('@.wallet_grant(regrole, text)', '', $$SELECT @.wallet_grant('tap_nobody', 'client')$$),
    ('wallet.worker_state()', 'oa', 'SELECT wallet.worker_state()'),
    ('@.wallet_metrics()', 'soam', 'SELECT @.wallet_metrics()'),
    ('wallet.metrics()', 'oam', 'SELECT wallet.metrics()'),
    ('wallet.metric_help(text)', '', $$SELECT wallet.metric_help('wallet_queue_requests')$$),
    ('wallet.metric_state()', '', 'SELECT wallet.metric_state()'),
    ('wallet.counts()', '', 'SELECT wallet.counts()'),
    ('wallet.held_sums()', '', 'SELECT wallet.held_sums()'),
    ('wallet.oldest_waiting(bigint, bigint)', '', 'SELECT wallet.oldest_waiting(1, NULL)'),
    ('wallet.amount(bigint, integer)', 'a', 'SELECT wallet.amount(1, 2)'),
    ('wallet.speaks_for_all(oid)', '', 'SELECT wallet.speaks_for_all(10)'),
    ('wallet.request_extra(bytea)', 'a', $$SELECT wallet.request_extra('')$$),
    ('wallet.available(bigint, bigint, bigint, integer)', '', 'SELECT wallet.available(1, 1, 1, 2)'),
    ('wallet.number_text(numeric)', '', 'SELECT wallet.number_text(1)'),
    ('wallet.held(bigint, bigint, timestamptz)', '', 'SELECT wallet.held(1, 0, NULL)'),
    ('wallet.moves_money(smallint)', 'a', 'SELECT wallet.moves_money(1::smallint)'),
    ('wallet.hold_state(smallint)', '', 'SELECT wallet.hold_state(1::smallint)'),
    ('wallet.check_hold_state(text)', '', $$SELECT wallet.check_hold_state('open')$$),
    ('wallet.describe_hold(wallet.hold)', '', $$SELECT wallet.describe_hold(ROW(1, 1, 2, 1, 0, 1, 'infinity', 'infinity', 0)::wallet.hold)$$),
    ('wallet.holds(bigint, text, bigint, bigint, bigint)', '', 'SELECT wallet.holds(1, NULL, 1, 1, 1)'),
    ('wallet.reversals(bigint)', '', 'SELECT wallet.reversals(1)'),
    ('wallet.links(bigint)', '', 'SELECT wallet.links(1)'),
    ('wallet.amount_text(bigint, integer)', '', 'SELECT wallet.amount_text(1, 2)'),
    ('wallet.time_text(timestamptz)', '', $$SELECT wallet.time_text('2021-05-04 12:00 UTC')$$),
    ('wallet.lookup_many(text[], bigint[], text[], boolean[])', '', $$SELECT wallet.lookup_many('{wallet}', '{1}', '{00}', '{true}')$$),
    ('wallet.verify()', '', 'SELECT wallet.verify()'),
    ('wallet.run_audit(boolean, bigint)', '', 'SELECT wallet.run_audit()'),
    ('wallet.keep_audit(wallet.checkpoint, wallet.finding[], wallet.checkpoint)', '', $$SELECT wallet.keep_audit(NULL, ARRAY[wallet.fault('journal_chain', 'wallet 1', 'new'), wallet.sum_of('reached', 0, 'wallet', 0)], NULL)$$),
    ('wallet.forget_verified()', '', 'SELECT wallet.forget_verified()'),
    ('wallet.report(wallet.finding[], boolean)', '', $$SELECT wallet.report('{}', true)$$),
    ('wallet.examine_all()', '', 'SELECT wallet.examine_all()'),
    ('wallet.examine_since(wallet.checkpoint, integer, bigint, wallet.checkpoint)', '', $$SELECT wallet.examine_since((true, 0, 0, '{}', 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, '{}'), 1, 1, NULL)$$),
    ('wallet.examine_transfers(bigint, bigint)', '', 'SELECT wallet.examine_transfers(0, 1)'),
    ('wallet.examine_requests(bigint, bigint, bigint, integer)', '', 'SELECT wallet.examine_requests(0, 1, 1, 0)'),
    ('wallet.examine_wallets(wallet.finding[], bigint, integer, bigint[])', '', $$SELECT wallet.examine_wallets('{}', 0, 1, '{}')$$),
    ('wallet.examine_past(text, bigint, bigint, bigint, bigint, bigint, wallet.finding[])', '', $$SELECT wallet.examine_past('transfer', 0, 1, 0, 1, 0, '{}')$$),
    ('wallet.examine_states(text, wallet.finding[], bigint, integer, bigint[])', '', $$SELECT wallet.examine_states('hold', '{}', 0, 1, '{}')$$),
    ('wallet.blocks_in_turn(text, wallet.finding[], bigint, integer, bigint[])', '', $$SELECT wallet.blocks_in_turn('hold', '{}', 0, 1, '{}')$$),
    ('wallet.journal_sums(wallet.finding[], text)', '', $$SELECT wallet.journal_sums('{}', 'hold')$$),
    ('wallet.verified_sums(text)', '', $$SELECT wallet.verified_sums('hold')$$),
    ('wallet.faulty_blocks(text)', '', $$SELECT wallet.faulty_blocks('hold')$$),
    ('wallet.compare_states(text, bigint, wallet.finding[])', '', $$SELECT wallet.compare_states('hold', 0, '{}')$$),
    ('wallet.held_after(bigint, bigint)', '', 'SELECT wallet.held_after(1, 1)'),
    ('wallet.hold_rows(bigint[])', '', $$SELECT wallet.hold_rows('{1}')$$),
    ('wallet.verify_held(bigint, bigint)', '', 'SELECT wallet.verify_held(0, 1)'),
    ('wallet.verify_holds(bigint, bigint)', '', 'SELECT wallet.verify_holds(0, 1)'),
    ('wallet.verify_reversals(bigint, bigint)', '', 'SELECT wallet.verify_reversals(0, 1)'),
    ('wallet.verify_groups(bigint, bigint)', '', 'SELECT wallet.verify_groups(0, 1)'),
    ('wallet.sum_limits(bigint, bigint, bigint)', '', 'SELECT wallet.sum_limits(0, 1, 0)'),
    ('wallet.compare_limits(bigint, bigint)', '', 'SELECT wallet.compare_limits(0, 1)'),
    ('wallet.read_extra(bytea)', '', $$SELECT wallet.read_extra('\x00')$$),
    ('wallet.row_fits_request(bigint, smallint, bigint, bigint, numeric, jsonb, bigint, integer)', '', $$SELECT wallet.row_fits_request(1, 2::smallint, 1, 2, 1, '{}', -840, 2)$$),
    ('wallet.verify_limits(bigint, numeric)', '', 'SELECT wallet.verify_limits(0, 0)'),
    ('wallet.next_past_block(text, bigint, bigint)', '', $$SELECT wallet.next_past_block('transfer', 0, 1)$$),
    ('wallet.verify_transfers(bigint, bigint)', '', 'SELECT wallet.verify_transfers(0, 1)'),
    ('wallet.verify_requests(bigint, bigint, bigint)', '', 'SELECT wallet.verify_requests(0, 1, 1)'),
    ('wallet.compare_transfers(bigint, bigint)', '', 'SELECT wallet.compare_transfers(0, 1)'),
    ('wallet.compare_requests(bigint, bigint, bigint, wallet.finding[])', '', $$SELECT wallet.compare_requests(0, 1, 1, '{}')$$),
    ('wallet.compare_wallets(bigint, wallet.finding[])', '', $$SELECT wallet.compare_wallets(0, '{}')$$),
    ('wallet.sum_of(text, bigint, text, numeric, numeric, numeric)', '', $$SELECT wallet.sum_of('wallet', 0, 'usd', 0)$$),
    ('wallet.fault(text, text, text, bigint, text)', '', $$SELECT wallet.fault('journal_chain', 'wallet 1', 'new')$$),
    ('wallet.add_up(wallet.finding[])', '', $$SELECT wallet.add_up('{}')$$),
    ('wallet.digest(record)', '', 'SELECT wallet.digest(ROW(1))'),
    ('wallet.next_xid()', '', 'SELECT wallet.next_xid()'),
    ('wallet.expire_idempotency_keys()', '', 'SELECT wallet.expire_idempotency_keys()'),
    ('wallet.rotate_requests()', '', 'SELECT wallet.rotate_requests()'),
    ('wallet.lock_rotation()', '', 'SELECT wallet.lock_rotation()'),
    ('wallet.try_make_partition(bigint)', '', 'SELECT wallet.try_make_partition(9)'),
    ('wallet.expire_requests()', '', 'SELECT wallet.expire_requests()'),
    ('wallet.request_retention()', '', 'SELECT wallet.request_retention()'),
    ('wallet.expired_below()', '', 'SELECT wallet.expired_below()'),
    ('wallet.partition_start(bigint)', '', 'SELECT wallet.partition_start(1)'),
    ('wallet.current_partition()', '', 'SELECT wallet.current_partition()'),
    ('wallet.make_partition(bigint)', '', 'SELECT wallet.make_partition(9)'),
    ('wallet.is_expired(bigint, timestamptz)', '', 'SELECT wallet.is_expired(0, NULL)'),
    ('wallet.expiry_moment(text, interval, timestamptz)', '', 'SELECT wallet.expiry_moment(''requests'', NULL, NULL)'),
    ('wallet.clock()', '', 'SELECT wallet.clock()'),
    ('wallet.monotonic_clock()', '', 'SELECT wallet.monotonic_clock()'),
    ('wallet.drop_partition(bigint)', '', 'SELECT wallet.drop_partition(0)'),
    ('wallet.history(bigint, bigint, integer, boolean)', '', 'SELECT wallet.history(1, NULL, 5, true)'),
    ('wallet.is_alone()', '', 'SELECT wallet.is_alone()'),
    ('wallet.note_key_use(bytea[])', '', $$SELECT wallet.note_key_use(ARRAY['\x00'::bytea])$$),
    ('wallet.kind_name(smallint)', '', 'SELECT wallet.kind_name(1::smallint)'),
    ('wallet.kind_number(text)', '', $$SELECT wallet.kind_number('wallet')$$),
    ('wallet.set_usual_value(regclass, text, text)', '', $$SELECT wallet.set_usual_value('wallet.transfer', 'kind', '{2}')$$),
    ('wallet.shorten_rows(regclass)', '', $$SELECT wallet.shorten_rows('wallet.transfer')$$),
    ('wallet.random_key()', '', 'SELECT wallet.random_key()'),
    ('wallet.refuse(text, text)', '', $$SELECT wallet.refuse('wallet_closed')$$),
    ('wallet.code_message(text)', '', $$SELECT wallet.code_message('wallet_closed')$$),
    ('wallet.idempotency_retention()', '', 'SELECT wallet.idempotency_retention()'),
    ('wallet.announce()', '', 'SELECT wallet.announce()'),
    ('wallet.keep_fresh_keys()', '', 'SELECT wallet.keep_fresh_keys()'),
    ('wallet.refuse_change()', '', 'SELECT wallet.refuse_change()'),
    ('wallet.replace_secret()', '', 'SELECT wallet.replace_secret()'),
    ('wallet.shape()', '', 'SELECT wallet.shape()'),
    ('wallet.keep_shape()', '', 'SELECT wallet.keep_shape()'),
    ('wallet.additions_are_trusted()', '', 'SELECT wallet.additions_are_trusted()'),
    ('wallet.recorded_additions()', '', 'SELECT wallet.recorded_additions()'),
    ('wallet.present_additions()', '', 'SELECT wallet.present_additions()'),
    ('wallet.addition_needs()', '', 'SELECT wallet.addition_needs()'),
    ('wallet.record_additions()', '', 'SELECT wallet.record_additions()'),
    ('wallet.forget_made_additions()', '', 'SELECT wallet.forget_made_additions()'),
    ('wallet.make_text_column(text)', '', $$SELECT wallet.make_text_column('column wallet.wallet.note')$$),
    ('wallet.make_additions(integer, integer, boolean)', '', 'SELECT wallet.make_additions(0, 0)'),
    ('wallet.take_additions()', '', 'SELECT wallet.take_additions()'),
    ('wallet.is_used(oid, oid)', '', 'SELECT wallet.is_used(0, 0)'),
    ('wallet.note_command()', '', 'SELECT wallet.note_command()'),
    ('wallet.note_drop()', '', 'SELECT wallet.note_drop()'),
    ('wallet.note_restore()', '', 'SELECT wallet.note_restore()'),
    ('wallet.guard_drop()', '', 'SELECT wallet.guard_drop()')) AS f (f, duties, call);

-- Who may select from a relation; only the owner may do anything else to any.
CREATE TEMPORARY TABLE may_select (relation regclass PRIMARY KEY, duties text);
INSERT INTO may_select VALUES
    ('wallet.queue', 'oa'),
    ('wallet.metric', 'oam'),
    ('wallet.kind', 'oa'),
    ('wallet.currency', 'oa'),
    ('wallet.audit', 'oa'),
    ('wallet.checkpoint', ''),
    ('wallet.verified', ''),
    ('wallet.wallet', 'a'),
    ('wallet.request', 'a'),
    ('wallet.transfer', 'a'),
    ('wallet.outcome', 'a'),
    ('wallet.request_0', ''),
    ('wallet.request_1', ''),
    ('wallet.outcome_0', ''),
    ('wallet.outcome_1', ''),
    ('wallet.expiry', 'a'),
    ('wallet.expiry_clock', ''),
    ('wallet.hold', 'a'),
    ('wallet.reversed', 'a'),
    ('wallet.limit_change', 'a'),
    ('wallet.idempotency_key', 'a'),
    ('wallet.operation', 'a'),
    ('wallet.queue_position', 'a'),
    ('wallet.opening', ''),
    ('wallet.secret', ''),
    ('wallet.made', ''),
    ('wallet.addition', ''),
    ('wallet.api_key', ''),
    ('wallet.wallet_id_seq', ''),
    ('wallet.request_id_seq', ''),
    ('wallet.transfer_id_seq', ''),
    ('wallet.limit_change_id_seq', '');

-- Who may change a setting: sighup and postmaster, whoever has the configuration files; superuser, in a session too; user,
-- everybody for a session of their own.
CREATE TEMPORARY TABLE may_set (setting text PRIMARY KEY, context text);
INSERT INTO may_set VALUES
    ('pg_wallet.allow_drop', 'superuser'),
    ('pg_wallet.batch_max', 'sighup'),
    ('pg_wallet.clock_offset', 'superuser'),
    ('pg_wallet.databases', 'sighup'),
    ('pg_wallet.hold_expiry', 'superuser'),
    ('pg_wallet.idempotency_retention', 'sighup'),
    ('pg_wallet.max_workers', 'postmaster'),
    ('pg_wallet.poll_interval', 'sighup'),
    ('pg_wallet.queue_limit', 'superuser'),
    ('pg_wallet.request_retention', 'sighup'),
    ('pg_wallet.require_standby', 'user'),
    ('pg_wallet.worker', 'sighup');

CREATE TEMPORARY VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend AS d
        WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet');

-- Runs a statement as this role, with this search path, and takes it back: "ok", or the SQLSTATE and message of its error.
-- Nothing is looked up along that path in here.
CREATE FUNCTION pg_temp.try_as(role text, statement text, path text DEFAULT NULL) RETURNS text LANGUAGE plpgsql
    SET search_path = pg_catalog AS $$
DECLARE
    state text;
    message text;
BEGIN
    IF path IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
    END IF;
    PERFORM pg_catalog.set_config('role', role, true);
    BEGIN
        EXECUTE statement;
        RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    RESET ROLE;
    SET LOCAL search_path = pg_catalog;
    RETURN CASE state WHEN 'ZZZZZ' THEN 'ok' WHEN '42501' THEN state ELSE concat(state, ': ', message) END;
END
$$;
