#!/usr/bin/perl
# The access log and X-Request-Id: a line for each request, ids taken and made, nothing secret; and
# without both, answers as they ever were. Needs psql, by the PG* variables, as a superuser, to make keys.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds_max = 20;
my $id = qr/\A[0-9a-f]{32}\z/;

sub ready {
    my $deadline = time + $seconds_max;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
}

# --- ids, where nobody asks for a log

local $ENV{WALLET_URL} = my $quiet = start_shim();
ready();
my ($user, $wallet) = wallet('10');
my $body = qq({"user_id":$user,"wallet_id":$wallet,"amount":1.25});
my $plain = post('deposit', $body);
is(join(' ', sort keys %{ $plain->{headers} }), 'cache-control content-length content-type date location retry-after',
   'without an id the header fields are what they were') or diag explain $plain->{headers};
for my $given ('a', 'A-z0.9_~+/=:', 'x' x 64) {
    is(post('deposit', $body, { 'X-Request-Id' => $given })->{headers}{'x-request-id'}, $given, "the id $given is answered");
    is(get('nothing', undef, { 'X-Request-Id' => $given })->{headers}{'x-request-id'}, $given, 'with a refusal, too');
}
for my $given ('x' x 65, 'a b', 'a"b', 'a\\b', 'a,b', '{a}') {
    like(post('deposit', $body, { 'X-Request-Id' => $given })->{headers}{'x-request-id'}, $id, 'another is made in place of ' . $given);
}
my $with = post('deposit', $body, { 'X-Request-Id' => 'one' });
ok(!exists post('deposit', $body)->{headers}{'x-request-id'}, 'the next request has none');
like($with->{content}, qr/\A\{"user_id":null,"handshake_id":"$HANDSHAKE","transaction_id":null,"status":null,"source_wallet_id":null,"destination_wallet_id":null,"info":null\}\z/,
    'the body is what it was');
is(shim_access($quiet), '', 'nothing is logged');
stop_shim($quiet);

# --- the log

my $super = (`psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '') =~ /t/;
my ($name, $key) = ('the till ' . "\xc3\xa4" x 40, '');
$key = `psql -XAtqc "SELECT wallet_api_key_create('$name-$user', '{read,deposit}')"` =~ s/\s+//r if $super;
my $log = start_shim('--access-log', 'json', '--threads', 2, $super ? ('--auth', 'required') : ());
local $ENV{WALLET_URL} = $log;
ready();
my $trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
my %auth = $super ? (Authorization => "Bearer $key") : ();
# [id, method, path, body, header fields, route, status, code]
my @asked = (
    [ 'posted', 'POST', '/api/v1/deposit', $body, { traceparent => $trace, 'Idempotency-Key' => "secret-$user" }, '/api/v1/deposit', 202, undef ],
    [ 'slashed', 'POST', '//api/v1/deposit/', $body, {}, '/api/v1/deposit', 202, undef ],
    [ 'broken', 'POST', '/api/v1/deposit', '{', {}, '/api/v1/deposit', 400, 'invalid_json' ],
    [ 'nowhere', 'GET', "/some/path/$user?secret=1", undef, {}, undef, 404, 'not_found' ],
    [ 'patched', 'PATCH', '/api/v1/deposit', undef, { traceparent => "$trace-more" }, '/api/v1/deposit', 405, 'method_not_allowed' ],
    [ 'read', 'GET', "/api/v1/wallet/async?user_id=$user", undef, {}, '/api/v1/wallet/async', 200, undef ],
    [ 'probed', 'GET', '/healthz', undef, {}, '/healthz', 200, undef ],
);
push @asked, [ 'foreign', 'POST', '/api/v1/deposit', $body, { Authorization => 'Bearer pgw_none' }, '/api/v1/deposit', 401, 'unauthenticated' ] if $super;
for (@asked) {
    my ($request, $method, $path, $sent, $fields) = @{$_};
    my $answer = ask($method, $path, $sent, { %auth, %{$fields}, 'X-Request-Id' => $request });
    is("$answer->{status} $answer->{headers}{'x-request-id'}", "$_->[6] $request", "$request: answered with its id");
}
like(ask('GET', '/healthz')->{headers}{'x-request-id'}, $id, 'with a log every answer has an id');
isnt(ask('GET', '/healthz')->{headers}{'x-request-id'}, ask('GET', '/healthz')->{headers}{'x-request-id'}, 'of its own');
my $cut = connect_raw();
print $cut "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: cut\r\nContent-Length: 10\r\n\r\n";
close $cut;

my (%line, @lines);
my $deadline = time + $seconds_max;
do {
    sleep 0.02;
    @lines = map { JSON::PP->new->utf8->decode($_) } split /\n/, shim_access($log);
    %line = map { $_->{id} => $_ } @lines;
} while (!$line{cut} && time < $deadline);
for (@asked) {
    my ($request, $method, undef, undef, $fields, $route, $status, $code) = @{$_};
    my $line = $line{$request} || {};
    is(JSON::PP->new->canonical->encode({ map { $_ => $line->{$_} } qw(method route status code) }),
       JSON::PP->new->canonical->encode({ method => $method eq 'PATCH' ? undef : $method, route => $route, status => $status, code => $code }), "$request: its line");
    is(join(' ', sort keys %{$line}), 'code id key method ms route status time trace_id', "$request: what a line has");
}
is(scalar(grep { $_->{id} eq 'posted' } @lines), 1, 'a request has one line');
is($line{posted}{trace_id}, '0af7651916cd43dd8448eb211c80319c', 'the trace');
is($line{patched}{trace_id}, undef, 'no trace that is none');
like($line{posted}{ms}, qr/\A\d+\z/, 'how long it took');
like($line{posted}{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, 'and when it ended');
is($line{cut}{status}, undef, 'a client that has gone has no status');
SKIP: {
    skip 'needs psql as a superuser', 3 if !$super;
    like($line{posted}{key}, qr/\Athe till \x{e4}+\z/, 'the name of the key, cut between two characters');
    is($line{foreign}{key}, undef, 'a key that is unknown has no name');
    is($line{probed}{key}, undef, 'nor does a request that needs none');
}
my $all = shim_access($log) . shim_log($log);
unlike($all, qr/\Q$_\E/, 'no secret: ' . substr $_, 0, 12) for "secret-$user", 'secret=1', '1.25', "/path/$user", qr/$HANDSHAKE/ ? 'handshake' : (), $super ? substr($key, 0, 20) : ();
unlike($all, $HANDSHAKE, 'no handshake');
my ($status) = stop_shim($log);
is($status, 0, 'the shim stops');
`psql -XAtqc "SELECT wallet_api_key_revoke('$name-$user')"` if $super;

# The last lines are written, whatever ends the process in good order.
my $last = start_shim('--access-log', 'json');
{
    local $ENV{WALLET_URL} = $last;
    ask('GET', '/healthz', undef, { 'X-Request-Id' => 'last' });
}
stop_shim($last);
like(shim_access($last), qr/"id":"last"/, 'the last line is there');
my $program = $ENV{SHIM_PROGRAM} || "$FindBin::Bin/../../shim/wallet-shim";
like(`$program --access-log=text 2>&1`, qr/--access-log must be off or json/, 'another form is refused');
done_testing();
