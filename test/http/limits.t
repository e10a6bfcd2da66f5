#!/usr/bin/perl
# The limit of an API key: so many requests a second, 429 beyond, over all event loops; and what it
# costs to refuse. Needs psql, by the PG* variables, as a superuser, to make the keys.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

sub sql { my ($statement) = @_; my $said = `psql -XqAtc "$statement" 2>&1`; chomp $said; return $said; }

my ($user, $wallet) = wallet('100');
my @keys;
sub key {
    my ($name, $rate) = @_;
    push @keys, "$name-$user";
    return sql("SELECT wallet_api_key_create('$name-$user', '{read,deposit}', $user, requests_per_second => $rate)");
}
my %key = (slow => key('slow', 5), other => key('other', 5), one => key('one', 1), free => key('free', 'NULL'));
like($key{$_}, qr/^pgw_/, "a key that is $_") for sort keys %key;
like(sql("SELECT wallet_api_key_create('none-$user', '{read}', requests_per_second => $_)"), qr/must be a number from 1 to 1000000/, "a limit of $_")
    for 0, -1, 1000001;
is(sql("SELECT requests_per_second FROM wallet_api_keys() WHERE name = 'slow-$user'"), 5, 'the list of keys shows the limit');

my $url = start_shim('--auth', 'required', '--threads', 2);
local $ENV{WALLET_URL} = $url;
my $deadline = time + 20;
sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;

sub with {
    my ($key, $count, $path) = @_;
    my @answers = map { ask('GET', $path // "/api/v1/wallet/async?user_id=$user", undef, { Authorization => "Bearer $key", Connection => 'close' }) } 1 .. $count;
    return @answers;
}
sub count { my ($status, @answers) = @_; return scalar grep { $_->{status} == $status } @answers; }

# Each request has a connection of its own, so that both loops have some.
my $from = time;
my @answers = with($key{slow}, 40);
my $took = time - $from;
my $taken = count(200, @answers);
is($taken + count(429, @answers), 40, 'requests are taken or refused for the limit');
cmp_ok($taken, '>=', 5, 'as many as a second has are taken at once');
cmp_ok($taken, '<=', 6 + 5 * $took, 'and no more, over both loops');
my ($refused) = grep { $_->{status} == 429 } @answers;
is($refused->{headers}{'retry-after'}, 1, 'a refusal says when to come again');
is(code_of($refused), 'rate_limited', 'and why');
is($refused->{headers}{'content-type'}, 'application/problem+json', 'as a problem');
is(count(200, with($key{other}, 3)), 3, 'another key has its own requests');
is(count(200, with($key{free}, 30)), 30, 'a key without a limit has none');
is(count(200, with($key{slow}, 1, '/healthz')), 1, 'what needs no key is not counted');

# The time that Retry-After names brings requests back.
sleep 1.05;
is(count(200, with($key{slow}, 1)), 1, 'after that time one is taken');
is(count(200, with($key{one}, 1)), 1, 'one a second: the first');
is(count(429, with($key{one}, 1)), 1, 'the second comes too early');

# A refusal comes before the body is read or the database is asked, and counts for nothing.
my $body = qq({"user_id":$user,"wallet_id":$wallet,"amount":1});
my $before = json(ask('GET', "/api/v1/wallet/async?user_id=$user", undef, { Authorization => "Bearer $key{free}" }))->{amount};
my @posted = map { post('deposit', $body, { Authorization => "Bearer $key{one}" }) } 1 .. 5;
cmp_ok(count(429, @posted), '>=', 4, 'POSTs are refused, too');
my $stored = count(202, @posted);
sleep 0.05 while time < $deadline && json(ask('GET', "/api/v1/wallet/async?user_id=$user", undef, { Authorization => "Bearer $key{free}" }))->{amount} < $before + $stored;
is(json(ask('GET', "/api/v1/wallet/async?user_id=$user", undef, { Authorization => "Bearer $key{free}" }))->{amount}, $before + $stored, 'and store nothing');

# A client that is told to wait before it sends its body hears of it at once. A second after the last
# request that was taken the next one may be taken, so that a busy machine may need more than one try.
my $early;
$deadline = time + 20;
do
{
    sleep 0.05 while count(200, with($key{one}, 1)) == 0 && time < $deadline;
    my $socket = connect_raw();
    print $socket "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $key{one}\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n";
    ($early) = read_answers($socket, 1);
} while ($early->{status} != 429 && time < $deadline);
is($early->{status}, 429, 'with Expect, before the body');
sql("SELECT wallet_api_key_revoke('$_')") for @keys;
stop_shim($url);
done_testing();
