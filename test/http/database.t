#!/usr/bin/perl
# What the shim does while the database makes it wait, or drops its connections. Needs psql, by
# the PG* variables, as a superuser: what stands in the way here is done by another session.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

my ($user, $from) = wallet('100');
my (undef, $to) = wallet('0');
my $body = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1});
$ENV{PGAPPNAME} = "wallet-shim-$user";
my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--max-waiting', 1, '--schema', $ENV{WALLET_SCHEMA} || 'public');

sub until_ready {
    my $deadline = time + 10;
    while (time < $deadline) {
        return 1 if ask('GET', '/readyz')->{status} == 200;
        sleep 0.02;
    }
    return 0;
}
ok(until_ready(), 'a shim of our own');

# Another session locks the wallet until its standard input ends.
sub lock_wallet {
    my $pid = open my $session, '|-', 'psql', '-XAtq', '-o', "/dev/null" or die "cannot run psql: $!";
    $session->autoflush(1);
    print $session "BEGIN;\nSELECT FROM wallet.wallet WHERE wallet_id = $from FOR UPDATE;\n";
    my $deadline = time + 10;
    while (time < $deadline) {
        last if `psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%wallet_id = $from FOR UPDATE%'"` >= 1;
        sleep 0.02;
    }
    return $session;
}

my $lock = lock_wallet();
my $start = time;
my $late = post('transaction', $body, { Prefer => 'wait=1' });
is("$late->{status} $late->{headers}{'preference-applied'}", '202 wait=1', 'no outcome in time: 202');
ok(time - $start >= 1, 'after the whole second');
is($late->{headers}{'retry-after'}, '1', 'with Retry-After');

# Sends a request that waits for its outcome. Once it is stored, it has its place: before that
# another one might still take it.
sub stored { return `psql -XAtc "SELECT count(*) FROM wallet.request WHERE user_id = $user"` + 0; }

sub hold {
    my $before = stored();
    my $socket = connect_raw();
    print $socket "POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
    my $deadline = time + 10;
    sleep 0.02 while stored() == $before && time < $deadline;
    return $socket;
}

my $held = hold();
my $deadline = time + 10;
my $answer;
do { $answer = post('transaction', $body) } while $answer->{status} == 202 && time < $deadline;
is("$answer->{status} " . code_of($answer), '503 overloaded', 'too many are waiting: 503');
is($answer->{headers}{'retry-after'}, '1', 'too many are waiting: Retry-After');
is(ask('GET', '/healthz')->{status}, 200, 'what needs no database is answered all the same');

# The client of the held request goes away: its place is free again.
close $held;
$deadline = time + 10;
do { $answer = post('transaction', $body) } while $answer->{status} == 503 && time < $deadline;
is($answer->{status}, 202, 'a client that gives up waiting frees its place');

# A stopping shim lets nobody wait.
my $waiting = hold();
my ($status, $seconds) = stop_shim($url);
is($status, 0, 'stopped while a request waits for its outcome');
ok($seconds < 5, 'at once');
my ($told) = read_answers($waiting, 1);
is($told->{status}, 202, 'the waiting client has its handshake');
close $lock;

# Connections that are cut come back by themselves.
$url = $ENV{WALLET_URL} = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public');
ok(until_ready(), 'another shim of our own');
my $cut = `psql -XAtc "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '$ENV{PGAPPNAME}' AND pid <> pg_backend_pid()"`;
is($cut + 0, 4, 'all connections are cut, two of each event loop');
$deadline = time + 10;
sleep 0.02 while shim_log($url) !~ /connection lost/ && time < $deadline;
like(shim_log($url), qr/database connection lost: terminating connection due to administrator command$/m, 'the log says so');
ok(until_ready(), 'ready again');
is(json(post('transaction', $body, { Prefer => 'wait=10' }))->{status}, 'processed', 'and money moves again');

done_testing();
