#!/usr/bin/perl
# Bytes that two programs could read in two ways: each is refused once, the connection is closed,
# and the request hidden behind it is not carried out. Then clients that come in great numbers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(time);

# The hidden request makes a wallet for a user of its own, whom nobody may know afterwards.
sub hidden {
    my ($user) = @_;
    my $body = qq({"user_id":$user,"amount":1});
    return "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

my $get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
my $post = "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\n";

# [what it shows, the bytes before the hidden request]: 400 and closed
my @refused = (
    [ 'a blank within the target', "GET /healthz x HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'two blanks before the target', "GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'two blanks before the version', "GET /healthz  HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'a method that is no token', "G(T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'the authority form', "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" ],
    [ 'NUL within the target', "GET /heal\0thz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'NUL after the path', "GET /healthz\0x HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'NUL after the method', "GET\0 /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'NUL in a field', "${get}X: a\0b\r\n\r\n" ],
    [ 'NUL in a field that is not the last', "${get}X: a\0b\r\nY: c\r\n\r\n" ],
    [ 'NUL in a length', "${post}Content-Length: 2\0 9\r\n\r\n{}" ],
    [ 'a control character in the target', "GET /heal\x01thz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'a byte beyond ASCII in the target', "GET /heal\xffthz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
    [ 'bare LF after the first line', "GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n" ],
    [ 'bare LF after a field', "GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n" ],
    [ 'bare LF before a length', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nX: y\nContent-Length: 2\r\n\r\n{}" ],
    [ 'bare CR after a field', "GET /healthz HTTP/1.1\r\nHost: localhost\rX: b\r\n\r\n" ],
    [ 'bare CR before a length', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nX: y\rContent-Length: 2\r\n\r\n{}" ],
    [ 'a folded field', "${get}X: a\r\n b\r\nY: c\r\n\r\n" ],
    [ 'a length that is folded', "${post}Content-Length:\r\n 2\r\n\r\n{}" ],
    [ 'chunked that is folded', "${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" ],
    [ 'a blank before the colon', "${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" ],
    [ 'a coding before chunked', "${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" ],
    [ 'chunked after a vertical tab', "${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" ],
    [ 'chunked with a parameter', "${post}Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n" ],
    [ 'chunks and a length', "${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" ],
    [ 'two lengths, as HTTP/1.9', "POST /api/v1/wallet HTTP/1.9\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}" ],
);
# From 1.0 on libmicrohttpd can be told to be strict: it refuses most of them itself, in words of its own or in none.
my $is_strict = `pkg-config --modversion libmicrohttpd` =~ /^[1-9]/;
my @suspects;
for my $case (@refused) {
    my ($name, $bytes) = @$case;
    my $user = new_user();
    my $socket = connect_raw();
    print $socket $bytes, hidden($user);
    my @answers = read_answers($socket, 3);
    my $closed = pop @answers;
    push @suspects, $user;
    my $said = join(' ', map { $_->{status} } @answers) . ' ' . ($closed->{closed} // 'open');
    like($said, $is_strict ? qr/^(400|501)? 1$/ : qr/^400 1$/, $name);
    like($answers[0]{head} // '', qr{application/problem\+json}, "$name: a problem") if @answers && !$is_strict;
}

# libmicrohttpd refuses these in words of its own: [what it shows, bytes, status]
my @closed = (
    [ 'HTTP/2.0', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 ],
    [ 'HTTP/0.9', "GET /healthz\r\n\r\n", 400 ],
    [ 'no colon', "${get}Xyz\r\n\r\n", 400 ],
    [ 'a chunk without its end', "${post}Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", 400 ],
    [ 'a chunk with another end', "${post}Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", 400 ],
    [ 'a chunk of 2^64', "${post}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}\r\n0\r\n\r\n", 413 ],
    [ 'a negative chunk', "${post}Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400 ],
    [ 'a chunk of 0x2', "${post}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400 ],
    [ 'a line of 20 KB', 'GET /' . 'x' x 20_000 . " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414 ],
    [ 'a field of 20 KB', "${get}X: " . 'y' x 20_000 . "\r\n\r\n", 431 ],
    [ 'a thousand fields', $get . "X: y\r\n" x 1000 . "\r\n", 431 ],
);
for my $case (@closed) {
    my ($name, $bytes, $status) = @$case;
    my $user = new_user();
    local $SIG{PIPE} = 'IGNORE';
    my $socket = connect_raw();
    print $socket $bytes, hidden($user);
    my @answers = read_answers($socket, 3);
    push @suspects, $user;
    ok(@answers && $answers[-1]{closed}, "$name: closed");
    is($answers[0]{status}, $status, $name) if @answers > 1;
}

# Nothing that was hidden has been stored. A wallet of somebody known shows that the look is right.
my ($known) = wallet('1');
my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
SKIP: {
    skip 'needs psql as a superuser', 1 if $super !~ /t/;
    my $list = join ',', $known, @suspects;
    is(`psql -XAtc "SELECT string_agg(user_id::text, ' ') FROM wallet.request WHERE user_id IN ($list)"`,
        "$known\n", 'no hidden request was stored');
}

# --- many connections that say nothing, and one that asks

my $want = $ENV{HOSTILE_CONNECTIONS} || 10_000;
my ($hard) = `bash -c 'ulimit -Hn'` =~ /^(\d+)/;
$want = $hard - 200 if defined $hard && $hard - 200 < $want;
my $url = start_shim('--max-connections', $want + 1000, '--request-timeout', 120);
my ($address, $port) = $url =~ m{//([\d.]+):(\d+)};
# perl's own limit is raised where it starts: a child holds them, and says how many it has.
pipe my $told, my $tell or die "cannot make a pipe: $!";
my $holder = fork // die "cannot fork: $!";
if ($holder == 0) {
    open STDOUT, '>&', $tell or die "cannot write: $!";
    exec 'bash', '-c', 'ulimit -n $(ulimit -Hn); exec perl -MIO::Socket::INET -e \'$| = 1; my @held;'
        . ' while (@held < $ARGV[2]) { my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 10) or last; push @held, $s }'
        . ' print scalar(@held), "\n"; sleep 300\' "$@"', 'holder', $address, $port, $want;
}
close $tell;
my $held = <$told>;
chomp $held;
cmp_ok($held, '==', $want, "$want idle connections are held");
my $longest = 0;
local $ENV{WALLET_URL} = $url;
for (1 .. 100) {
    my $from = time;
    my $asking = connect_raw($url);
    print $asking "$get\r\n";
    my ($answer) = read_answers($asking, 1);
    $longest = time - $from if time - $from > $longest;
    is($answer->{status}, 200, 'somebody else is served') if $_ == 100;
}
cmp_ok($longest, '<', 2, 'and does not wait long');
my ($pid) = shim_pid($url);
my ($kib) = do { open my $file, '<', "/proc/$pid/status" or die "no status: $!"; local $/; <$file> =~ /VmRSS:\s+(\d+)/ };
diag(sprintf '%d idle connections: %.0f MiB of memory, the longest answer to somebody else took %.0f ms',
    $held, $kib / 1024, $longest * 1000);
cmp_ok($kib, '<', 256 * 1024, 'no more than 256 MiB of memory');
kill 'KILL', $holder;
waitpid $holder, 0;
stop_shim($url);

done_testing();
