#!/usr/bin/perl
# How requests share a statement: a bad one fails nobody else, a deadlock is tried once more, and
# an answer that lacks a row is an error. The database's side is played by functions of our own, in
# a schema whose name needs quoting. Needs psql, by the PG* variables, as a superuser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $schema = 'shim "test" ' . new_user();
(my $quoted = $schema) =~ s/"/""/g;
$quoted = qq("$quoted");

sub psql {
    my ($sql) = @_;
    open my $session, '|-', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null' or return 0;
    print $session $sql;
    return close $session;
}

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

# The payload says what happens: a statement of its own kind of failure, or a handshake that tells
# how many requests were in the batch, or repeats the number in the payload.
ok(psql(<<"SQL"), 'functions of our own');
SET client_min_messages = error;
CREATE SCHEMA $quoted;
SET search_path = $quoted;
CREATE SEQUENCE deadlocks;
CREATE FUNCTION wallet_enqueue_utf8(kinds text[], bodies bytea[], idempotency_keys bytea[], rights integer[], max_amounts text[])
RETURNS TABLE (ordinal int, handshake_id text, code text, message text, user_id bigint, is_repeated boolean)
LANGUAGE plpgsql SET search_path = $quoted, pg_catalog AS \$\$
DECLARE
    state text;
    payloads text[] := ARRAY(SELECT convert_from(b.body, 'UTF8') FROM unnest(bodies) WITH ORDINALITY AS b (body, i) ORDER BY i);
BEGIN
    SELECT substring(p FROM '^fail (.....)\$') INTO state FROM unnest(payloads) AS p WHERE p LIKE 'fail %' LIMIT 1;
    IF FOUND THEN RAISE EXCEPTION USING errcode = state; END IF;
    IF 'slow' = ANY (payloads) THEN PERFORM pg_sleep(0.5); END IF;
    IF 'poison' = ANY (payloads) THEN RAISE EXCEPTION USING errcode = '22021'; END IF;
    IF 'lock' = ANY (payloads) THEN RAISE EXCEPTION USING errcode = '55P03'; END IF;
    IF 'refused' = ANY (payloads) THEN RAISE EXCEPTION 'no, "thanks"' USING errcode = 'PW106'; END IF;
    IF 'deadlock' = ANY (payloads) AND nextval('deadlocks') = 1 THEN
        RAISE EXCEPTION USING errcode = '40P01';
    END IF;
    RETURN QUERY SELECT i, lpad(coalesce(substring(payloads[i] FROM '^"(\\d+)"\$'),
        cardinality(payloads)::text), 64, '0'), NULL::text, NULL::text, 1::bigint, false
        FROM generate_series(cardinality(payloads), 1, -1) AS i WHERE payloads[i] <> 'silent';
END \$\$;
CREATE TYPE answer AS (ordinal int, state text, code text, message text, wallet_id bigint,
    wallet_status text, amount text, currency text, created_at text, updated_at text,
    transfer_id bigint, source_wallet_id bigint, destination_wallet_id bigint, kind text, link_id bigint,
    group_id bigint, leg integer, rows jsonb, held text, floor text, ceiling text, available text, amount_mode text, reversed text,
    reversals bigint[], links bigint[]);
CREATE FUNCTION wallet_lookup_many(text[], bigint[], text[], boolean[] DEFAULT '{}') RETURNS SETOF answer
LANGUAGE sql AS 'SELECT NULL::$quoted.answer LIMIT 0';
CREATE FUNCTION wallet_read_many(text[], bigint[], bigint[], boolean[]) RETURNS SETOF answer
LANGUAGE sql AS 'SELECT NULL::$quoted.answer LIMIT 0';
CREATE FUNCTION wallet_history_page(bigint, bigint, bigint, int, boolean) RETURNS TABLE (transfer_id bigint,
    kind text, source_wallet_id bigint, destination_wallet_id bigint, amount text, balance text, posted_at text, link_id bigint,
    group_id bigint, held text, expires_at text, overdraw boolean, reversed text, reversals bigint[], next bigint)
LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING errcode = ''57014''; END';
CREATE FUNCTION wallet_holds_page(bigint, bigint, bigint, text, bigint, int) RETURNS TABLE (hold_id bigint, source_wallet_id bigint,
    destination_wallet_id bigint, amount text, captured text, rest text, max_capture text, state text, expires_at text, created_at text,
    updated_at text, next bigint)
LANGUAGE plpgsql AS 'BEGIN RETURN; END';
CREATE FUNCTION wallet_dry_run_utf8(text[], bytea[], bytea[], int[], text[]) RETURNS TABLE (ordinal int, answer text)
LANGUAGE sql AS 'SELECT NULL::int, NULL::text LIMIT 0';
CREATE FUNCTION wallet_api_key_check_many(bytea[]) RETURNS TABLE (ordinal int, scopes text[], user_id bigint, expires_in_ms int, max_amount numeric, name text,
    requests_per_second int)
LANGUAGE sql AS 'SELECT NULL::int, NULL::text[], NULL::bigint, NULL::int, NULL::numeric, NULL::text, NULL::int LIMIT 0';
CREATE FUNCTION wallet_metrics() RETURNS text LANGUAGE sql AS 'SELECT ''''::text';
CREATE FUNCTION wallet_position(OUT reached text, OUT is_standby boolean)
LANGUAGE sql AS 'SELECT ''1-0/0''::text, false';
CREATE FUNCTION wallet_ready(OUT worker_alive boolean, OUT detail text)
LANGUAGE sql AS 'SELECT false, ''nobody works here''::text';
SQL

my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--schema', $schema);
my $deadline = time + 10;
my $ready;
do { sleep 0.02; $ready = ask('GET', '/readyz') } while $ready->{content} !~ /nobody/ && time < $deadline;
is("$ready->{status} " . (json($ready)->{detail} // ''), '503 nobody works here', 'readyz: the worker is missing');

# Sends a slow request and, while it is under way, the others: they make one batch.
sub together {
    my @bodies = @_;
    my @sockets = map { connect_raw() } 0 .. @bodies;
    my $send = sub {
        my ($socket, $body) = @_;
        my $path = $body =~ /^\[/ ? 'transaction/bulk' : 'wallet';
        print $socket "POST /api/v1/$path HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    };
    $send->($sockets[0], 'slow');
    $deadline = time + 5;
    sleep 0.02 while `psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"` < 1
        && time < $deadline;
    $send->($sockets[ $_ + 1 ], $bodies[$_]) for 0 .. $#bodies;
    my @answers = map { (read_answers($_, 1))[0] } @sockets;
    shift @answers;
    return map {
        my ($batch) = $_->{body} =~ /"handshake_id":"0*(\d+)"/;
        my ($code) = $_->{body} =~ /"code":"(\w+)"/;
        "$_->{status} " . ($batch // $code)
    } @answers;
}

# [what it shows, [bodies], [status and size of the batch, or code]]
my @batches = (
    [ 'one statement for all', [qw(a b c)], [ ('202 3') x 3 ] ],
    [ 'a bad one fails nobody else', [qw(a poison b)], [ '202 1', '500 internal_error', '202 1' ] ],
    [ 'nor does one that waits for a lock', [qw(lock a)], [ '503 lock_timeout', '202 1' ] ],
    [ 'nor does one that meets an error of the disk', [ 'a', 'fail 58030', 'b' ], [ '202 1', '503 system_error', '202 1' ] ],
    [ 'of sixteen the bad one is found by halving', [ (1) x 4, 'poison', (1) x 11 ], [ ('202 4') x 4, '500 internal_error', '202 1', ('202 2') x 2, ('202 8') x 8 ] ],
    [ 'a refusal of our own keeps its code', [qw(a refused)], [ '202 1', '422 missing_member' ] ],
    [ 'a deadlock is tried once more', [qw(deadlock)], ['202 1'] ],
    [ 'an answer without its row', [qw(a silent b)], [ '202 3', '500 internal_error', '202 3' ] ],
    [ 'a bulk request shares with nobody', [ 'a', '[1,2,3]', 'b', '[1,2,3,4]' ], [ '202 2', '202 3', '202 2', '202 4' ] ],
    [ 'fifty', [ (1) x 50 ], [ ('202 50') x 50 ] ],
);
for my $case (@batches) {
    my ($name, $bodies, $expected) = @$case;
    is_deeply([ together(@$bodies) ], $expected, $name);
}

# A bulk request is a statement of its own: [what it shows, the array, status and numbers, or code].
my @bulks = (
    [ 'bulk: rows that come in another order', '["11","12","13"]', '202 11 12 13' ],
    [ 'bulk: more than any other batch takes', '[' . join(',', (1) x 8192) . ']', '202' . ' 8192' x 8192 ],
    [ 'bulk: one that spoils it for all', '[1,poison,2]', '500 internal_error' ],
    [ 'bulk: a lock that does not come', '[1,lock]', '503 lock_timeout' ],
    [ 'bulk: an answer without its row', '[1,silent,2]', '500 internal_error' ],
    [ 'bulk: a deadlock is tried once more', '[1,deadlock,2]', '202 3 3 3' ],
);
ok(psql("SELECT setval('$quoted.deadlocks', 1, false);\n"), 'another deadlock');
for my $case (@bulks) {
    my ($name, $body, $expected) = @$case;
    my $bulk = post('transaction/bulk', $body);
    my @found = $bulk->{status} == 202 ? $bulk->{content} =~ /"handshake_id":"0*(\d+)"/g : code_of($bulk);
    is("$bulk->{status} @found", $expected, $name);
}

# What fails for want of something, or for an error of the disk, may well succeed later. What is
# wrong with the request or with the functions will not.
my %states = (
    '503 database_unavailable 1' => [qw(08006 57P01)],
    '503 database_read_only 1' => [qw(25006)],
    '503 transaction_conflict 1' => [qw(40001)],
    '503 insufficient_resources 1' => [qw(53100 53200 53300)],
    '503 lock_timeout 1' => [qw(55P03)],
    '503 database_busy 1' => [qw(57014)],
    '503 system_error 1' => [qw(58000 58030 58P01)],
    '500 internal_error none' => [qw(22021 25P02 42883 55000 XX000 XX001)],
    '422 refused_by_database none' => [qw(23514 44000 P0001)],
);
for my $expected (sort keys %states) {
    for my $state (@{ $states{$expected} }) {
        my $before = length shim_log($url);
        for my $path ('wallet', 'transaction/bulk') {
            my $failed = post($path, $path eq 'wallet' ? "fail $state" : "[fail $state]");
            is(join(' ', $failed->{status}, code_of($failed), $failed->{headers}{'retry-after'} // 'none'), $expected,
                "SQLSTATE $state, $path: $expected");
        }
        like(substr(shim_log($url), $before), qr/failed with SQLSTATE $state/, "SQLSTATE $state is in the log");
    }
}

is(json(post('wallet', 'refused'))->{detail}, 'no, "thanks"', 'the message is passed on, escaped');
is(code_of(get("wallet/async?user_id=1&wallet_id=1")), 'internal_error', 'no row at all');
my $cancelled = get("wallet/history?user_id=1&wallet_id=1");
is("$cancelled->{status} $cancelled->{headers}{'retry-after'}", '503 1', 'a cancelled statement may be tried again');
unlike(shim_log($url), qr/poison|refused|thanks/, 'the log says nothing of what was sent');

stop_shim($url);
ok(psql("SET client_min_messages = error; DROP SCHEMA $quoted CASCADE;\n"), 'all gone');
done_testing();
