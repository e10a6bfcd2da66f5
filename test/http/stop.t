#!/usr/bin/perl
# SIGTERM: nobody new, those under way are answered, and soon it is over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

# Waits until the shim takes no connection any more.
sub refuses {
    my ($url) = @_;
    my ($address) = $url =~ m{^http://([^/]+)};
    my $deadline = time + 10;
    while (time < $deadline) {
        return 1 if !IO::Socket::INET->new(PeerAddr => $address, Timeout => 5);
        sleep 0.02;
    }
    return 0;
}

my $user = new_user();
my $body = qq({"user_id":$user,"amount":1});
my $url = $ENV{WALLET_URL} = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public');
my $deadline = time + 10;
sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;

# One request under way, its body half sent, and one connection that only waits.
my $idle = connect_raw($url);
print $idle "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
is((read_answers($idle, 1))[0]{status}, 200, 'a connection that is kept');
my $busy = connect_raw($url);
print $busy "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body)
    . "\r\nExpect: 100-continue\r\n\r\n";
$busy->sysread(my $continue, 25);
like($continue, qr{^HTTP/1.1 100 Continue}, 'the shim has seen the head of a request');

my $pid = fork // die "cannot fork: $!";
if ($pid == 0) {
    my $closed = refuses($url);
    print $busy $body;
    my ($answer, $end) = read_answers($busy, 2);
    require POSIX;
    POSIX::_exit($closed && $answer->{status} == 202 && $answer->{head} =~ /^Connection: close/mi
            && $end->{closed} ? 0 : 1);
}
my ($status, $seconds) = stop_shim($url, 'TERM');
waitpid $pid, 0;
is($?, 0, 'new connections are refused, the request under way is answered, then closed');
is($status, 0, 'exit status 0');
ok($seconds < 10, 'within ten seconds');
is((read_answers($idle, 1))[0]{closed}, 1, 'the idle connection is closed');

# A client that left in the middle of its body holds nobody up.
$url = $ENV{WALLET_URL} = start_shim('--request-timeout', 60);
my $left = connect_raw($url);
print $left "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
close $left;
is(ask('GET', '/healthz')->{status}, 200, 'a client has left');
($status, $seconds) = stop_shim($url, 'TERM');
ok($seconds < 5, 'a client that left in the middle: nobody waits for it');

# A request that never ends does not hold it up for longer.
$url = $ENV{WALLET_URL} = start_shim('--request-timeout', 60);
my $endless = connect_raw($url);
print $endless "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
$endless->sysread($continue, 25);
($status, $seconds) = stop_shim($url, 'TERM');
is($status, 0, 'a request that never ends: exit status 0');
ok($seconds < 12, 'a request that never ends: within ten seconds or so');

# Two shims do not share a port without knowing.
$url = start_shim();
my ($port) = $url =~ /:(\d+)$/;
my $output = `$FindBin::Bin/../../shim/wallet-shim --port $port 2>&1`;
is($? >> 8, 1, 'a port in use: exit status 1');
like($output, qr/cannot listen on 127\.0\.0\.1 port $port/, 'a port in use: says so');
stop_shim($url);

# The command line.
my $program = "$FindBin::Bin/../../shim/wallet-shim";
my $help = `$program --help`;
like($help, qr/--$_.*\n.*WALLET_\w+/, "--help tells of --$_")
    for qw(address port threads schema db max-wait request-timeout drain-delay max-connections max-waiting);
like(`$program --version`, qr/^wallet-shim \d/, '--version');
is(system("$program --port 65536 2>/dev/null") >> 8, 2, 'a number out of range: exit status 2');
is(system("WALLET_PORT=x $program 2>/dev/null") >> 8, 2, 'a wrong variable: exit status 2');
is(system("$program --nonsense 2>/dev/null") >> 8, 2, 'an unknown flag: exit status 2');

done_testing();
