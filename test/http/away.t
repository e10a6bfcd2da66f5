#!/usr/bin/perl
# Without a database: the shim starts, holds requests for a second, then says so at once, and stops when told to.
use strict;
use warnings;
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(time);

my $nowhere = File::Temp->newdir();
$ENV{PGHOST} = "$nowhere";
my $url = $ENV{WALLET_URL} = start_shim();

my $started = time;

is(ask('GET', '/healthz')->{content}, '{"status":"ok"}', 'it serves');
is(ask('GET', '/readyz')->{status}, 503, 'it is not ready');
ok(time - $started < 0.7, 'which it says at once');
my $early = post('wallet', '{"user_id":1,"amount":1}');
my $held = time - $started;
is("$early->{status} " . code_of($early), '503 database_unavailable', 'a request in the first second is refused');
ok($held > 0.7 && $held < 2, 'at the end of that second') or diag("$held s");

my @questions = (
    [ 'GET', '/readyz', undef ],
    [ 'POST', '/api/v1/wallet', '{"user_id":1,"amount":1}' ],
    [ 'GET', '/api/v1/wallet', qq({"user_id":1,"handshake_id":"@{['a' x 64]}"}) ],
    [ 'GET', '/api/v1/wallet?user_id=1&wallet_id=1', undef ],
    [ 'GET', '/api/v1/wallet/async?user_id=1&wallet_id=1', undef ],
    [ 'GET', '/api/v1/wallet/history?user_id=1&wallet_id=1', undef ],
);
for my $case (@questions) {
    my $from = time;
    my $answer = ask(@$case, { Prefer => 'wait=10' });
    is("$answer->{status} " . code_of($answer), '503 database_unavailable', "$case->[0] $case->[1]");
    is($answer->{headers}{'retry-after'}, '1', "$case->[0] $case->[1]: Retry-After");
    ok(time - $from < 0.7, "$case->[0] $case->[1]: at once");
}
is(code_of(post('wallet', '')), 'invalid_json', 'what needs no database is still refused for itself');

my ($status, $seconds) = stop_shim($url);
is($status, 0, 'SIGTERM: exit status 0');
ok($seconds < 8, 'SIGTERM: soon');
my $log = shim_log($url);
like($log, qr/cannot connect to the database/, 'the log says what is wrong');
is(scalar(() = $log =~ /cannot connect/g), 1, 'once, not for each connection or attempt');

# A server that accepts and then says nothing must not hang anybody either.
my $mute = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "cannot listen: $@";
local @ENV{qw(PGHOST PGPORT)} = ('127.0.0.1', $mute->sockport);
$url = $ENV{WALLET_URL} = start_shim('--threads', 1);
my $from = time;
is(ask('GET', '/readyz')->{status}, 503, 'a mute server: 503');
ok(time - $from < 0.7, 'a mute server: at once');
is(post('wallet', '{"user_id":1,"amount":1}')->{status}, 503, 'a mute server: a request is refused');
ok(time - $from < 2, 'a mute server: after a second');
($status, $seconds) = stop_shim($url, 'INT');
is($status, 0, 'a mute server: SIGINT ends with status 0');
ok($seconds < 8, 'a mute server: soon');

done_testing();
