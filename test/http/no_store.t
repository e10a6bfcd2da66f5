#!/usr/bin/perl
# No answer of the shim may stay in a cache: each has Cache-Control: no-store, once, whatever its status.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

my ($user, $wallet) = wallet('10');
my $deposit = qq({"user_id":$user,"wallet_id":$wallet,"amount":1});
my $queued = post('deposit', $deposit);
my $handshake = json($queued)->{handshake_id};
outcome('deposit', $user, $handshake);

sub raw {
    my ($line, $body, @fields) = @_;
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '';
    return join("\r\n", "$line HTTP/1.1", 'Host: localhost', 'Connection: close', @fields, '') . "$length\r\n" . ($body // '');
}

# The status of an answer, and whether it has the field.
sub is_private {
    my ($name, $status, $bytes, $url) = @_;
    my $socket = connect_raw($url);
    local $SIG{PIPE} = 'IGNORE';
    print $socket $bytes;
    my $said = join '', <$socket>;
    my ($head) = $said =~ /\A(.*?)\r\n\r\n/s;
    my @fields = ($head // '') =~ /^Cache-Control: *(.*?)\r?$/mig;
    # Later versions of libmicrohttpd refuse wrong framing by a page of their own.
    return pass("$name: by libmicrohttpd") if $status == 400 && ($head // '') =~ m{^HTTP/1.1 400 } && $head !~ /problem\+json/;
    is(join(' ', ($head // '') =~ m{^HTTP/1.1 (\d+)}, @fields), "$status no-store", $name);
}

my $query = "user_id=$user&wallet_id=$wallet";
# [status, request line, body, fields]
my @answers = (
    [ 202, 'POST /api/v1/deposit', $deposit ],
    [ 200, 'POST /api/v1/deposit', $deposit, 'Prefer: wait=10' ],
    [ 202, 'POST /api/v1/transaction/bulk', '[]' ],
    [ 202, 'POST /api/v1/transaction/bulk', '[{}]' ],
    [ 200, "GET /api/v1/deposit?user_id=$user&handshake_id=$handshake" ],
    [ 202, "GET /api/v1/wallet?$query" ],
    [ 200, "GET /api/v1/wallet/async?$query" ],
    [ 200, "QUERY /api/v1/wallet/async?$query" ],
    [ 200, "HEAD /api/v1/wallet/async?$query" ],
    [ 404, 'HEAD /api/v1/wallet/async?user_id=1&wallet_id=9223372036854775807' ],
    [ 200, "GET //api/v1///wallet/async/?$query" ],
    [ 200, "GET /api/v1/wallet/history?$query" ],
    [ 200, "GET /api/v1/wallet/history?$query&limit=1" ],
    [ 404, "GET /api/v1/transaction/async?user_id=$user&transaction_id=9223372036854775807" ],
    [ 404, "GET /api/v1/transaction?user_id=$user&handshake_id=" . 'f' x 64 ],
    [ 204, 'OPTIONS /api/v1/wallet' ],
    [ 400, 'POST /api/v1/deposit', '{' ],
    [ 400, 'POST /api/v1/deposit', '' ],
    [ 400, 'POST /api/v1/deposit?a=b', $deposit ],
    [ 400, 'POST /api/v1/deposit', undef, 'Content-Length: 2', 'Content-Length: 2' ],
    [ 400, 'POST /api/v1/deposit', $deposit, 'Idempotency-Key: a', 'Idempotency-Key: b' ],
    [ 403, 'POST /api/v1/deposit', $deposit, 'Origin: null' ],
    [ 404, 'GET /api/v1/nothing' ],
    [ 404, 'GET /api' ],
    [ 404, 'GET /api/' ],
    [ 404, 'GET /' ],
    [ 404, 'GET /' . 'x' x 500 ],
    [ 405, 'DELETE /api/v1/wallet' ],
    [ 405, 'GET /api/v1/transaction/bulk' ],
    [ 413, 'POST /api/v1/deposit', 'x' x 9000 ],
    [ 413, 'POST /api/v1/deposit', undef, 'Content-Length: 100000000' ],
    [ 413, 'POST /api/v1/deposit', undef, 'Content-Length: 9000', 'Expect: 100-continue' ],
    [ 413, 'POST /api/v1/transaction/bulk', '[' . join(',', ('{}') x 8193) . ']' ],
    [ 415, 'POST /api/v1/deposit', $deposit, 'Content-Type: text/plain' ],
    [ 415, 'POST /api/v1/deposit', $deposit, 'Content-Encoding: gzip' ],
    [ 422, 'POST /api/v1/deposit', '{}' ],
    [ 422, 'GET /api/v1/wallet' ],
    [ 200, 'GET /healthz' ],
    [ 200, 'GET /readyz' ],
    [ 200, 'GET /openapi.json' ],
    [ 405, 'POST /readyz', '' ],
);
for my $case (@answers) {
    my ($status, $line, $body, @fields) = @$case;
    my $short = substr $line, 0, 60;
    is_private("$short @fields: $status", $status, raw($line, $body, @fields));
}
# The reply that is kept for the next request of a connection has the field, too.
my $socket = connect_raw();
print $socket raw("GET /api/v1/wallet/async?$query") =~ s/Connection: close\r\n//r x 3, raw('GET /nowhere') =~ s/Connection: close\r\n//r x 2;
is(join(' ', map { join ',', $_->{status}, $_->{head} =~ /^Cache-Control: (\S+)/mg } read_answers($socket, 5)),
    join(' ', ('200,no-store') x 3, ('404,no-store') x 2), 'one after the other');

# What is written to a socket without libmicrohttpd.
my $hasty = start_shim('--request-timeout', 1);
is_private('408: the body does not come', 408, raw('POST /api/v1/deposit', undef, 'Content-Length: 10'), $hasty);
is_private('408: the head does not come', 408, "GET /api/v1/wallet HTTP/1.1\r\nHost: loc", $hasty);
is_private('413: chunks without end', 413, raw('POST /api/v1/deposit', undef, 'Transfer-Encoding: chunked') . ("10000\r\n" . 'x' x 65536 . "\r\n") x 20, $hasty);
stop_shim($hasty);

{
    local @ENV{qw(PGHOST PGPORT)} = ('127.0.0.1', 1);
    my $alone = start_shim('--auth', 'required');
    is_private('401 without a key', 401, raw("GET /api/v1/wallet/async?$query"), $alone);
    is_private('503 without a database', 503, raw("GET /api/v1/wallet/async?$query", undef, 'Authorization: Bearer pgw_0'), $alone);
    is_private('503 of a probe', 503, raw('GET /readyz'), $alone);
    stop_shim($alone);
}

done_testing();
