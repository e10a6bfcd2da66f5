#!/usr/bin/perl
# The same Idempotency-Key, one after the other and all at once: posted once, one handshake.
use strict;
use warnings;
use FindBin;
use IPC::Open2;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

my ($user, $from) = wallet('1000');
my (undef, $to) = wallet('0');
my $body = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1.25});
my $key = "key-$user";

my $first = post('transaction', $body, { 'Idempotency-Key' => $key });
is($first->{status}, 202, 'a request with a key');
is(post('transaction', $body, { 'Idempotency-Key' => $key })->{content}, $first->{content},
    'the same again: the same handshake');
is(post('transaction', $body, { 'Idempotency-Key' => qq("$key") })->{content}, $first->{content},
    'quotes around the key are not part of it');
my $handshake = json($first)->{handshake_id};
my @replayed = map { $_->{headers}{'idempotent-replayed'} // 'none' } $first,
    post('transaction', $body, { 'Idempotency-Key' => $key }),
    post('transaction', $body, { 'Idempotency-Key' => $key, Prefer => 'wait=20' }), post('transaction', $body);
is("@replayed", 'none true true none', 'a repeated request is marked as one, also with its outcome');
is(outcome('transaction', $user, $handshake)->{status}, 200, 'it has an outcome');
is(post('transaction', $body, { 'Idempotency-Key' => $key })->{content}, $first->{content},
    'after the outcome too');

my $other = post('transaction', $body =~ s/1\.25/1.26/r, { 'Idempotency-Key' => $key });
is("$other->{status} " . code_of($other), '422 idempotency_mismatch', 'another payload');
isnt(json(post('transaction', $body, { 'Idempotency-Key' => "$key-2" }))->{handshake_id}, $handshake,
    'another key: another request');
isnt(json(post('transaction', $body))->{handshake_id},
    json(post('transaction', $body))->{handshake_id}, 'no key: every time another request');

# Eight at once, on connections of their own, so that they meet in one batch or in many.
my $together = "together-$user";
my $request = "POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: $together\r\n"
    . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
my @sockets = map { connect_raw() } 1 .. 8;
print $_ $request for @sockets;
my @answers = map { (read_answers($_, 1))[0] } @sockets;
is(scalar(grep { $_->{status} == 202 } @answers), 8, 'eight at once: all are accepted');
my %handshakes = map { ($_->{body} =~ /"handshake_id":"($HANDSHAKE)"/)[0] => 1 } @answers;
is(scalar(keys %handshakes), 1, 'eight at once: one handshake');
outcome('transaction', $user, $_) for keys %handshakes;

# Another one behind them, so that all before it are posted.
pay($user, $from, $to, '0.01');
is(json(get("wallet/async?user_id=$user&wallet_id=$from"))->{amount} + 0,
    1000 - 6 * 1.25 - 0.01, 'each key was posted once');

# A key that another transaction holds: that request alone is put off, and what the transaction did
# counts when it has ended. Needs psql, by the PG* variables, as a superuser.
SKIP: {
    skip 'needs psql as a superuser', 4
        if (`psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '') !~ /t/;
    my $held = "held-$user";
    my $pid = open2(my $out, my $in, 'psql', '-XAtq');
    $in->autoflush(1);
    print $in "BEGIN; SELECT wallet_enqueue('transaction', '$body', '$held');\n";
    chomp(my $handshake = <$out>);
    my $put_off = post('transaction', $body, { 'Idempotency-Key' => $held });
    is("$put_off->{status} " . code_of($put_off), '409 idempotency_in_progress', 'a key that is held');
    is(post('transaction', $body)->{status}, 202, 'others go on');
    print $in "COMMIT; SELECT 'done';\n";
    like(scalar <$out>, qr/done/, 'the transaction ends');
    is(json(post('transaction', $body, { 'Idempotency-Key' => $held }))->{handshake_id}, $handshake,
        'then the key stands for its request');
    close $in;
    waitpid $pid, 0;
}

my @keys = (
    [ 'empty', '""' ],
    [ 'a blank within', 'a b' ],
    [ '256 bytes', 'k' x 256 ],
    [ 'a control character', "a\x01b" ],
    [ 'invalid UTF-8', "a\xff" ],
);
for my $case (@keys) {
    my ($answer) = talk("POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\n"
            . "Connection: close\r\nIdempotency-Key: $case->[1]\r\nContent-Length: 2\r\n\r\n{}");
    is("$answer->{status} " . ($answer->{body} =~ /"code":"(\w+)"/)[0], '422 invalid_idempotency_key',
        "a key is refused: $case->[0]");
}
my ($twice) = talk("POST /api/v1/transaction HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: a\r\n"
        . "Idempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}");
is($twice->{status}, 400, 'two keys');
is(post('transaction', $body, { 'Idempotency-Key' => 'k' x 200 . $user })->{status}, 202, 'a long key');

done_testing();
