#!/usr/bin/perl
# Methods, routes, media types, sizes, framing, pipelining, and clients that do not play along.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my $queued = 'GET, HEAD, OPTIONS, POST, QUERY';
my $read = 'GET, HEAD, OPTIONS, QUERY';
my $plain = 'GET, HEAD, OPTIONS';

# [method, path, status, Allow]
my @methods = (
    [ 'OPTIONS', '/api/v1/wallet', 204, $queued ],
    [ 'OPTIONS', '/api/v1/wallet/async', 204, $read ],
    [ 'OPTIONS', '/api/v1/transaction/bulk', 204, 'OPTIONS, POST' ],
    [ 'OPTIONS', '/healthz', 204, $plain ],
    [ 'PUT', '/api/v1/wallet', 405, $queued ],
    [ 'DELETE', '/api/v1/transaction', 405, $queued ],
    [ 'PATCH', '/api/v1/deposit', 405, $queued ],
    [ 'TRACE', '/api/v1/withdrawal', 405, $queued ],
    [ 'POST', '/api/v1/wallet/async', 405, $read ],
    [ 'POST', '/api/v1/wallet/history', 405, $read ],
    [ 'POST', '/healthz', 405, $plain ],
    [ 'QUERY', '/readyz', 405, $plain ],
    [ 'GET', '/api/v1/transaction/bulk', 405, 'OPTIONS, POST' ],
    [ 'QUERY', '/api/v1/transaction/bulk', 405, 'OPTIONS, POST' ],
    [ 'GET', '/', 404, undef ],
    [ 'GET', '/api/v1', 404, undef ],
    [ 'GET', '/api/v1/wallets', 404, undef ],
    [ 'GET', '/api/v1/wallet/1', 404, undef ],
    [ 'GET', '/api/v2/wallet', 404, undef ],
    [ 'GET', '/api/v1/../wallet', 404, undef ],
    [ 'GET', '/' . 'x' x 3000, 404, undef ],
);
for my $case (@methods) {
    my ($method, $path, $status, $allow) = @$case;
    my $answer = ask($method, $path);
    my $name = "$method " . substr($path, 0, 30);
    is($answer->{status}, $status, $name);
    is($answer->{headers}{allow}, $allow, "$name: Allow") if $status != 404;
    is($answer->{headers}{'content-type'}, 'application/problem+json', "$name: a problem")
        if $status >= 400;
}

# From 1.0.10 on libmicrohttpd refuses it by itself, in no words of ours.
like(ask('GET', '/api/v1/wallet%00')->{status}, qr/^40[04]$/, 'GET /api/v1/wallet%00');

# What the OpenAPI description promises exists, and has the methods that it names and no others.
# x-query stands for QUERY, and what is told once for all paths are OPTIONS, HEAD beside GET, and GET as QUERY.
my $paths = json(ask('GET', '/openapi.json'))->{paths} || {};
is(scalar(keys %$paths), 22, 'the OpenAPI description has every path');
for my $path (sort keys %$paths) {
    my @named = map { s/^X-//r } map { uc } keys %{ $paths->{$path} };
    push @named, 'OPTIONS', $paths->{$path}{get} ? 'HEAD' : $paths->{$path}{'x-query'} ? qw(GET HEAD) : ();
    is(ask('OPTIONS', $path)->{headers}{allow}, join(', ', sort @named), "OpenAPI: $path");
}

my $user = new_user();
my $body = qq({"user_id":$user,"amount":1});
is(ask('POST', $_, $body)->{status}, 202, "POST $_")
    for '/api/v1/wallet', '/api/v1/wallet/', '//api//v1///wallet//', '/api/v1/w%61llet';
is(ask('GET', $_)->{status}, 200, "GET $_") for '/healthz/', '//healthz', '/healthz?';
my ($absolute) = talk("GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
is($absolute->{status}, 200, 'the absolute form of a path');
my ($head) = talk("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
ok(!defined $head->{body} || $head->{body} eq '', 'HEAD has no body');

# [Content-Type, status]
my @types = (
    [ 'application/json', 202 ],
    [ 'Application/JSON; charset=utf-8', 202 ],
    [ 'application/vnd.wallet+json', 202 ],
    [ 'application/x-www-form-urlencoded', 202 ],
    [ 'text/plain', 415 ],
    [ 'text/xml', 415 ],
    [ 'application/xml', 415 ],
    [ 'application/jsonx', 415 ],
    [ 'multipart/form-data; boundary=x', 415 ],
);
for my $case (@types) {
    my $answer = post('wallet', $body, { 'Content-Type' => $case->[0] });
    is($answer->{status}, $case->[1], "Content-Type: $case->[0]");
}
my ($untyped) = talk("POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body" . "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
is($untyped->{status}, 202, 'no Content-Type');

# --- sizes

sub chunked {
    my ($text, $size) = @_;
    my $chunks = '';
    while (length $text) {
        my $chunk = substr($text, 0, $size, '');
        $chunks .= sprintf("%x\r\n%s\r\n", length $chunk, $chunk);
    }
    return "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n";
}
my $next = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
my @sent = (
    [ 'a chunked body', chunked($body, 5), 202 ],
    [ 'a chunked body of 8193 bytes', chunked('x' x 8193, 1000), 413 ],
    [ 'a body of 100 KB', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" . 'x' x 100_000, 413 ],
    [ 'a body that nobody wants', "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET ", 404 ],
);
for my $case (@sent) {
    my $socket = connect_raw();
    print $socket $case->[1], $next;
    my @answers = read_answers($socket, 2);
    is($answers[0]{status}, $case->[2], $case->[0]);
    is($answers[1]{status}, 200, "$case->[0]: the connection goes on");
}
my ($huge, $huge_closed) = talk("POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
is("$huge->{status} $huge_closed", '413 1', 'a gigabyte is refused before it comes');
my ($endless, $endless_closed) = talk("POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        . ("10000\r\n" . 'x' x 65_536 . "\r\n") x 20);
is(join(' ', $endless->{status} // 'none', $endless_closed, code_of({ content => $endless->{body} // '' })), '413 1 body_too_large',
    'chunks that do not end are cut off, and told why');
my ($expects) = talk("POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n");
is($expects->{status}, 413, 'who asks first is told first');

# --- framing: each is refused, and the connection is closed

my @framings = (
    [ 'two lengths', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" ],
    [ 'the same length twice', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}" ],
    [ 'a length and chunks', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
    [ 'chunks and a length', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n" ],
    [ 'an unknown coding', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n" ],
    [ 'two codings', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" ],
    [ 'chunks in HTTP/1.0', "POST /api/v1/wallet HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
    [ 'a length with a sign', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}" ],
    [ 'a list of lengths', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2, 2\r\n\r\n{}" ],
    [ 'a hexadecimal length', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x2\r\n\r\n{}" ],
    [ 'two hosts', "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n" ],
    [ 'the same host twice', "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n" ],
    [ 'no host', "GET /healthz HTTP/1.1\r\n\r\n" ],
    [ 'a blank before the colon', "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\n" ],
);
for my $case (@framings) {
    my ($answer, $closed) = talk($case->[1]);
    # libmicrohttpd says 501 to codings that it does not know, from 1.0.10 on, and ours says 400.
    like(($answer->{status} // 'none') . " $closed", $case->[0] =~ /coding/ ? qr/^(400|501) 1$/ : qr/^400 1$/, "framing: $case->[0]");
}
my ($old) = talk("GET /healthz HTTP/1.0\r\n\r\n");
is($old->{status}, 200, 'HTTP/1.0 needs no host');

# --- pipelining: answers in order, each to its own request

my ($payer, $wallet) = wallet('10');
my $socket = connect_raw();
print $socket map {
    my $each = qq({"user_id":$payer,"wallet_id":$wallet,"amount":1.0$_});
    "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($each) . "\r\n\r\n$each"
        . "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
} 1 .. 9;
my @pipelined = read_answers($socket, 18);
is(join(' ', map { $_->{status} // 'closed' } @pipelined), join(' ', ('202 404') x 9),
    'eighteen requests in one go: answers in order');
my @handshakes = map { $_->{body} =~ /"handshake_id":"($HANDSHAKE)"/ } @pipelined;
is(json(outcome('deposit', $payer, $_))->{status}, 'processed', 'a pipelined request is carried out')
    for @handshakes;
is(json(get("wallet/async?user_id=$payer&wallet_id=$wallet"))->{amount} + 0, 10 + 9.45,
    'each of them once');

# --- clients that go away

for my $bytes (
    '', 'POST', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n$body",
    "GET /api/v1/wallet?user_id=$user&wallet_id=1 HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\n\r\n")
{
    my $gone = connect_raw();
    print $gone $bytes;
    close $gone;
}
is(ask('GET', '/readyz')->{status}, 200, 'clients that went away leave no trace');

# --- slow clients, with a shim whose patience is short

my $url = start_shim('--request-timeout', 1);
my @slow = (
    [ 'the first line', '' ],
    [ 'the head', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nX: " ],
    [ 'the body', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" ],
    [ 'the second first line', $next ],
    [ 'chunks', "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" ],
);
local $SIG{PIPE} = 'IGNORE';
for my $case (@slow) {
    my ($name, $start) = @$case;
    my $sender = connect_raw($url);
    my $pid = fork // die "cannot fork: $!";
    if ($pid == 0) {
        print $sender $start;
        for (1 .. 100) { sleep 0.1; syswrite($sender, 'x') or last; }
        require POSIX;
        POSIX::_exit(0);
    }
    my $from = time;
    my @answers = read_answers($sender, 3);
    ok(time - $from < 5, "a byte at a time is cut: $name");
    is($answers[-1]{closed}, 1, "$name: closed");
    is($answers[-2]{status}, 408, "$name: 408 says why") if @answers > 1;
    kill 'KILL', $pid;
    waitpid $pid, 0;
}
my $idle = connect_raw($url);
my ($silent) = read_answers($idle, 1);
is($silent->{closed}, 1, 'who connects and says nothing is cut too');
stop_shim($url);

done_testing();
