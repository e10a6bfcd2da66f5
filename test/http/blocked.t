#!/usr/bin/perl
# What stands in the way of one request stands in nobody else's: histories, locks of other sessions,
# idempotency keys in use. Each answer says what is the case, and comes in its time. Needs psql, by
# the PG* variables, as a superuser: what stands in the way here is done by other sessions.
use strict;
use warnings;
use FindBin;
use IO::Select;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

$ENV{PGAPPNAME} = 'wallet-shim-blocked-' . new_user();
my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--schema', $ENV{WALLET_SCHEMA} || 'public');

sub until_true {
    my ($is_true) = @_;
    my $deadline = time + 10;
    while (time < $deadline) {
        return 1 if $is_true->();
        sleep 0.02;
    }
    return 0;
}
ok(until_true(sub { ask('GET', '/readyz')->{status} == 200 }), 'a shim of our own');

my ($user, $from) = wallet('1000000');
my (undef, $to) = wallet('0');
my $body = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01});

# Another session, which has run SQL and waits for more of it.
sub session {
    my ($sql) = @_;
    my $mark = 'session ' . new_user();
    my $pid = open my $psql, '|-', 'psql', '-XAtq', '-o', '/dev/null' or die "cannot run psql: $!";
    $psql->autoflush(1);
    print $psql "$sql;\nSELECT '$mark';\n";
    until_true(sub { `psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle%' AND query = 'SELECT ''$mark'';'"` > 0 })
        or die "a session does not run: $sql";
    return $psql;
}

# timed(CODE): (answer, seconds it took).
sub timed {
    my ($ask) = @_;
    my $start = time;
    my $answer = $ask->();
    return ($answer, time - $start);
}

# Of so many payments, one after the other: (how many were accepted, seconds that the 95th of a
# hundred took).
sub payments {
    my ($count) = @_;
    my ($accepted, @seconds) = (0);
    for (1 .. $count) {
        my ($answer, $seconds) = timed(sub { post('transaction', $body) });
        $accepted++ if $answer->{status} == 202;
        push @seconds, $seconds;
    }
    return ($accepted, (sort { $a <=> $b } @seconds)[ int($count * 0.95) ]);
}

# Clients that send the same request again and again, each on a connection of its own, until they are stopped.
sub clients {
    my ($count, $request) = @_;
    my @pids;
    for (1 .. $count) {
        my $pid = fork // die "cannot fork: $!";
        push @pids, $pid and next if $pid;
        my $socket = connect_raw();
        while (1) { print $socket $request; read_answers($socket, 1) }
    }
    return @pids;
}

sub stop_clients { kill 'KILL', @_; waitpid $_, 0 for @_; return }

sub raw {
    my ($path, $content, @fields) = @_;
    return join "\r\n", "POST /api/v1/$path HTTP/1.1", 'Host: localhost', @fields, 'Content-Length: ' . length $content, '', $content;
}

my (undef, $quiet) = payments(100);
my $bound = 3 * $quiet > 0.05 ? 3 * $quiet : 0.05;
# Who waits for a lock waits for a second, the shim's lock_timeout, or longer.
my $unlocked = $bound > 0.5 ? $bound : 0.5;

# Histories: a thousand rows each.
my $many = '[' . join(',', ($body) x 1000) . ']';
is(post('transaction/bulk', $many)->{status}, 202, 'a thousand payments');
is(json(pay($user, $from, $to, '0.01'))->{status}, 'processed', 'are behind us');
my @readers = clients(64, "GET /api/v1/wallet/history?user_id=$user&wallet_id=$from&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
my ($accepted, $seconds) = payments(100);
stop_clients(@readers);
# Behind all histories that they had asked for: none of these is read any more when a table is locked below.
get("wallet/history?user_id=$user&wallet_id=$from&limit=1");
is($accepted, 100, 'while 64 clients read histories, payments are taken');
ok($seconds <= $bound, 'and none of them stands behind a history') or diag("$seconds s, quiet $quiet s");

# A key that another transaction has, and three clients who use it.
my $held = "held-$user";
my $session = session("BEGIN; SELECT wallet_enqueue('transaction', '$body', '$held')");
my @senders = clients(3, raw('transaction', $body, "Idempotency-Key: $held"));
($accepted, $seconds) = payments(50);
my ($busy, $busy_seconds) = timed(sub { post('transaction', $body, { 'Idempotency-Key' => $held }) });
stop_clients(@senders);
is($accepted, 50, 'while three clients use a key that is in use, payments are taken');
ok($seconds <= $unlocked, 'and none of them waits for the key') or diag("$seconds s, quiet $quiet s");
is("$busy->{status} " . code_of($busy), '409 idempotency_in_progress', 'a key in use');
ok($busy_seconds < 0.5, 'is an answer at once') or diag("$busy_seconds s");
my ($bulk, $bulk_seconds) = timed(sub { post('transaction/bulk', "[$body]", { 'Idempotency-Key' => $held }) });
is($bulk->{status}, 202, 'another key, of a bulk request, is free');
close $session;

# Locks of others on whole tables: [the table, what is read, status and code].
my $transfer_id = json(pay($user, $from, $to, '0.01'))->{transaction_id};
my $handshake = json(post('transaction', $body))->{handshake_id};
outcome('transaction', $user, $handshake);
my @reads = (
    [ 'transfer', "wallet/history?user_id=$user&wallet_id=$from&limit=1000" ],
    [ 'wallet', "wallet/async?user_id=$user&wallet_id=$from" ],
    [ 'wallet', "transaction?user_id=$user&handshake_id=$handshake" ],
);
for my $case (@reads) {
    my ($table, $path) = @$case;
    $session = session("BEGIN; LOCK TABLE wallet.$table");
    my @waiting = map { connect_raw() } 1 .. 3;
    print $_ "GET /api/v1/$path HTTP/1.1\r\nHost: localhost\r\n\r\n" for @waiting;
    ok(until_true(sub { `psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$ENV{PGAPPNAME}' AND wait_event_type = 'Lock'"` > 0 }),
        "$table is locked: a read waits");
    ($accepted, $seconds) = payments(20);
    is($accepted, 20, "$table is locked: payments are taken");
    ok($seconds <= $unlocked, "$table is locked: and none of them waits") or diag("$seconds s, quiet $quiet s");
    # An amount with many decimals would be compared with the wallet's currency.
    my ($precise, $precise_seconds) = timed(sub { post('transaction', $body =~ s/0\.01/0.0101/r) });
    my $expected = $table eq 'wallet' ? '202' : '422'; # where the currency is known, it is judged at once
    ok($precise->{status} eq $expected && $precise_seconds < 1, "$table is locked: nor does one with many decimals")
        or diag("$precise->{status} after $precise_seconds s");
    # A loop reads one history after the other: the third that one loop got has waited for too long.
    my @late = map { (read_answers($_, 1))[0] } @waiting;
    is(join(' ', map { $_->{status} } @late), '503 503 503', "$table is locked: no read succeeds");
    my ($told) = grep { $_->{body} =~ /"code":"lock_timeout"/ } @late;
    ok($told, "$table is locked: a read says so") or diag(map { $_->{body} } @late);
    is(scalar(grep { $_->{head} =~ /^Retry-After: 1\r?$/m } @late), 3, "$table is locked: and when to come back");
    close $session;
}
unlike(shim_log($url), qr/connection lost/, 'no connection is lost');

# Prefer: wait=N means N seconds, whatever is locked: [the table, the request, status and code].
my @waits = (
    [ 'wallet', sub { post('transaction', $body, { Prefer => 'wait=1' }) }, '202 ' ],
    [ 'wallet', sub { get("transaction?user_id=$user&handshake_id=$handshake", undef, { Prefer => 'wait=1' }) }, '503 database_busy' ],
    [ 'transfer', sub { get("wallet?user_id=$user&wallet_id=$from", undef, { Prefer => 'wait=1' }) }, '202 ' ],
    [ 'transfer', sub { get("wallet/history?user_id=$user&wallet_id=$from", undef, { Prefer => 'wait=1' }) }, '503 database_busy' ],
    [ 'request', sub { post('transaction', $body, { Prefer => 'wait=1' }) }, '503 (database_busy|lock_timeout)' ],
);
for my $case (@waits) {
    my ($table, $ask, $expected) = @$case;
    $session = session("BEGIN; LOCK TABLE wallet.$table");
    my ($answer, $took) = timed($ask);
    like("$answer->{status} " . code_of($answer), qr/\A$expected\z/, "$table is locked: wait=1 ends in $expected");
    ok($took > 0.9 && $took < 1.6, 'after a second') or diag("$took s");
    close $session;
}
is(json(post('transaction', $body, { Prefer => 'wait=10' }))->{status}, 'processed', 'and money moves again');

# A server process that does not answer at all.
my ($backend) = `psql -XAtc "SELECT pid FROM pg_stat_activity WHERE application_name = '$ENV{PGAPPNAME}' AND query LIKE '%wallet_lookup_many%' OR query LIKE '%wallet_history_page%' AND application_name = '$ENV{PGAPPNAME}'"` =~ /(\d+)/;
SKIP: {
    skip 'the server process is not ours to stop', 3 unless $backend && kill 'STOP', $backend;
    my ($stuck, $stuck_seconds) = timed(sub { post('transaction', $body, { Prefer => 'wait=1' }) });
    is($stuck->{status}, 202, 'no read is answered: a payment is taken');
    ok($stuck_seconds < 1.6, 'and answered in its time') or diag("$stuck_seconds s");
    kill 'CONT', $backend;
    is(json(post('transaction', $body, { Prefer => 'wait=10' }))->{status}, 'processed', 'and money moves again');
}

done_testing();
