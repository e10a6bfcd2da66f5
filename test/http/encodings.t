#!/usr/bin/perl
# Bodies in other encodings than plain UTF-8: each works, or gets an answer that says what is wrong.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Encode qw(encode);
use Test::More;

my ($user, $wallet) = wallet('0');
my $mark = "\xef\xbb\xbf";
my $paid = 0;

sub answer {
    my ($answer) = @_;
    return join ' ', $answer->{status}, code_of($answer) || ();
}

sub deposit { return qq({"user_id":$user,"wallet_id":$wallet,"amount":1}); }

# --- a byte order mark

for my $case ([ 'a mark', $mark . deposit() ], [ 'a mark before blanks', "$mark \r\n" . deposit() ]) {
    is(answer(post('deposit', $case->[1])), 202, "$case->[0]: a deposit");
    $paid++;
}
my $marked = json(post('deposit', $mark . deposit(), { 'Idempotency-Key' => "mark-$user" }))->{handshake_id};
is(json(post('deposit', deposit(), { 'Idempotency-Key' => "mark-$user" }))->{handshake_id}, $marked, 'with and without a mark it is the same payload');
is(answer(post('deposit', $mark . deposit(), { Prefer => 'wait=10' })), 200, 'a mark and a wait');
$paid += 2;
is(answer(get('wallet/async', $mark . qq({"user_id":$user,"wallet_id":$wallet}))), 200, 'a mark before the members of a GET');
is(answer(ask('QUERY', '/api/v1/wallet/async', $mark . qq({"user_id":$user,"wallet_id":$wallet}))), 200, 'the same of a QUERY');
my $array = json(post('transaction/bulk', $mark . '[{},{}]'));
is(ref $array eq 'ARRAY' && @$array, 2, 'a mark before an array');
is(answer(post('deposit', $mark)), '400 invalid_json', 'a mark and nothing else');
is(answer(post('deposit', $mark . $mark . deposit())), '400 invalid_json', 'two marks');
is(answer(post('deposit', deposit() . $mark)), '400 invalid_json', 'a mark at the end');
my $within = post('transaction/bulk', "[$mark\{}]");
like($within->{content}, qr/^\[\{"handshake_id":null,"info":\{"msg":"[^"]*byte order mark[^"]*","code":"invalid_json"\}\}\]$/, 'a mark within an array: the item is told so');

# --- UTF-16 and UTF-32

for my $encoding (qw(UTF-16 UTF-16LE UTF-16BE UTF-32 UTF-32LE UTF-32BE)) {
    for my $case ([ 'POST deposit', 'deposit', deposit() ], [ 'POST transaction/bulk', 'transaction/bulk', '[{}]' ],
        [ 'GET wallet/async', 'wallet/async', qq({"user_id":$user,"wallet_id":$wallet}) ]) {
        my ($method, $path) = split / /, $case->[0];
        my $answer = ask($method, "/api/v1/$path", encode($encoding, $case->[2]));
        is(answer($answer), '400 invalid_json', "$encoding: $case->[0]");
        like(json($answer)->{detail}, qr/UTF-16 or UTF-32.*UTF-8/, "$encoding: $case->[0]: it says so");
    }
}
like(json(get('wallet/async', qq({"user_id":$user,"wallet_id":$wallet,"\xff":1})))->{detail}, qr/not valid UTF-8/, 'a GET whose body is not UTF-8');

# --- Content-Type

# [the field, answer of a deposit]
for my $case (
    [ 'application/json; charset=utf-8', 202 ],
    [ 'application/json;charset=UTF-8', 202 ],
    [ 'application/json ; charset="utf-8"', 202 ],
    [ 'application/json; charset=utf8', 202 ],
    [ 'application/json; charset=us-ascii', 202 ],
    [ 'application/json; version=1; charset=utf-8; q="charset=latin1"', 202 ],
    [ 'application/vnd.pay+json; charset=utf-8', 202 ],
    [ 'application/x-www-form-urlencoded; charset=UTF-8', 202 ],
    [ 'application/json; charset=utf-16', 415 ],
    [ 'application/json; charset=UTF-32LE', 415 ],
    [ 'application/json; charset=iso-8859-1', 415 ],
    [ 'application/json; CHARSET="latin1"', 415 ],
    [ 'application/json; a="x;y"; charset=latin1', 415 ],
    [ 'application/json; a="x\\"; charset=utf-8; b="; charset=latin1', 415 ],
    [ 'application/json; charset=', 415 ],
    [ 'application/json; charset', 415 ],
    [ 'application/json; charset=utf-8; charset=utf-16', 415 ],
    [ 'application/vnd.pay+json; charset=utf-16', 415 ],
    [ 'application/x-www-form-urlencoded; charset=latin1', 415 ],
    [ 'multipart/form-data; boundary=b', 415 ],
    [ 'text/plain', 415 ],
    [ 'text/json', 415 ],
    [ 'application/+json', 415 ],
    [ 'application/jsonx', 415 ],
    [ 'application/octet-stream', 415 ],
    [ '', 415 ],
) {
    my ($type, $status) = @$case;
    my ($answer) = talk("POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: $type\r\nContent-Length: " . length(deposit()) . "\r\n\r\n" . deposit());
    is($answer->{status}, $status, "Content-Type: $type");
    $paid++ if $status == 202;
    next if $status == 202;
    like($answer->{body}, qr/"code":"unsupported_media_type","detail":"[^"]*(UTF-8|application\/json)/, "$type: says what to send");
    like($answer->{head}, qr{^Accept: application/json\r?$}m, "$type: and names it");
}
like((talk("POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"))[0]{body},
    qr/"code":"bad_request".*Content-Type/, 'two types');

# --- Content-Encoding

# [fields, status]
for my $case (
    [ 'Content-Encoding: identity', 202 ], [ 'Content-Encoding: Identity, identity', 202 ], [ 'Content-Encoding:', 202 ],
    (map { [ "Content-Encoding: $_", 415 ] } 'gzip', 'GZIP', 'x-gzip', 'deflate', 'br', 'zstd', 'compress', 'identity, gzip', 'gzip,identity', 'gzip, gzip',
        'identityx', 'identity;q=1', 'utf-8', 'aws-chunked', ',gzip'),
    [ "Content-Encoding: identity\r\nContent-Encoding: gzip", 415 ],
    [ "Content-Encoding: gzip\r\nContent-Encoding: identity", 415 ],
    [ "Content-Encoding: gzip\r\nContent-Type: application/json", 415 ],
) {
    my ($fields, $status) = @$case;
    for my $what ([ 'POST', 'deposit', deposit(), 202 ], [ 'POST', 'transaction/bulk', '[]', 202 ], [ 'GET', 'wallet/async', qq({"user_id":$user,"wallet_id":$wallet}), 200 ]) {
        my ($method, $path, $body, $good) = @$what;
        my ($answer) = talk("$method /api/v1/$path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n$fields\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
        my $shown = $fields =~ s/\r\n/ | /r;
        is($answer->{status}, $status == 202 ? $good : 415, "$shown: $method $path");
        $paid++ if $status == 202 && $path eq 'deposit';
        next if $status == 202;
        like($answer->{body}, qr/"code":"unsupported_media_type","detail":"[^"]*Content-Encoding/, "$shown: $method $path: says why");
        like($answer->{head}, qr/^Accept-Encoding: identity\r?$/m, "$shown: $method $path: and what would do");
    }
}
my ($asked) = talk("POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n");
is($asked->{status}, 415, 'a compressed body that is asked about first is not called for');
is(answer(ask('GET', "/api/v1/wallet/async?user_id=$user&wallet_id=$wallet", undef, { 'Content-Encoding' => 'gzip' })), 200, 'without a body there is nothing compressed');
is(ask('GET', '/openapi.json', undef, { 'Accept-Encoding' => 'gzip, br' })->{headers}{'content-encoding'}, undef, 'answers are never compressed');
for my $coding ('gzip, chunked', 'gzip', 'chunked, gzip', 'deflate, chunked', 'identity', 'chunked, chunked') {
    my ($answer, $closed) = talk("POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: $coding\r\n\r\n0\r\n\r\n");
    SKIP: {
        skip 'this libmicrohttpd closes without an answer', 1 if !$answer->{status};
        # From 1.0.10 on libmicrohttpd itself says 501 to codings that it does not know.
        like("$answer->{status} $closed", qr/^(400|501) 1$/, "Transfer-Encoding: $coding");
    }
}

is(json(outcome_of('deposit', $user, deposit()))->{status}, 'processed', 'a last deposit');
is(json(get("wallet/async?user_id=$user&wallet_id=$wallet"))->{amount}, $paid + 1, 'what was accepted is paid, and nothing else');

done_testing();
