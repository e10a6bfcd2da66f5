#!/usr/bin/perl
# Prefer: wait=N: the answer is the outcome, if it comes in time.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(time);

my ($user, $from) = wallet('100');
my (undef, $to) = wallet('0');

sub payment {
    my ($sum, $prefer, $more) = @_;
    my $body = qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum});
    return post('transaction', $body, { Prefer => $prefer, %{ $more || {} } });
}

my $done = payment('1', 'wait=10');
is($done->{status}, 200, 'a POST that waits: the outcome at once');
is($done->{headers}{'preference-applied'}, 'wait=10', 'and says how long it would have waited');
is($done->{headers}{'retry-after'}, undef, 'there is nothing to come back for');
like($done->{content},
    qr/\A\Q{"user_id":null,"handshake_id":"\E$HANDSHAKE\Q","transaction_id":\E\d+\Q,"status":"processed","source_wallet_id":$from,"destination_wallet_id":$to,"info":{"msg":"transaction was successful"}}\E\z/,
    'to the byte');
is(get('transaction', qq({"user_id":$user,"handshake_id":"@{[json($done)->{handshake_id}]}"}))->{content},
    $done->{content}, 'the handshake says the same later');
is(json(payment('1000', 'wait=10'))->{info}{code}, 'insufficient_funds', 'a refusal is an outcome');

# [Prefer, Preference-Applied]
my @preferences = (
    [ 'wait=5', 'wait=5' ],
    [ 'respond-async, wait=5', 'wait=5' ],
    [ 'Wait = 5', 'wait=5' ],
    [ 'wait=5, wait=7', 'wait=5' ],
    [ 'wait=99999999', 'wait=30' ],
);
for my $case (@preferences) {
    my $answer = payment('1', $case->[0]);
    is($answer->{headers}{'preference-applied'}, $case->[1], "Prefer: $case->[0]");
}
for my $prefer ('wait=0', 'wait', 'wait=x', 'waiting=5', 'return=minimal') {
    my $answer = payment('1', $prefer);
    is("$answer->{status} " . ($answer->{headers}{'preference-applied'} // 'none'), '202 none',
        "Prefer: $prefer: no waiting");
}

my $handshake = json(payment('1', 'respond-async'))->{handshake_id};
my $asked = get('transaction', qq({"user_id":$user,"handshake_id":"$handshake"}), { Prefer => 'wait=10' });
is("$asked->{status} " . json($asked)->{status}, '200 processed', 'a GET waits too');
my $read = get("wallet?user_id=$user&wallet_id=$from", undef, { Prefer => 'wait=10' });
is("$read->{status} " . json($read)->{status}, '200 active', 'a queued read waits too');

my $from_time = time;
is(get('transaction', qq({"user_id":$user,"handshake_id":"@{['0' x 64]}"}), { Prefer => 'wait=10' })->{status},
    404, 'an unknown handshake is not waited for');
ok(time - $from_time < 5, 'nor does it take long');
is(code_of(payment('0', 'wait=10')), 'amount_not_positive', 'nor does what is refused at once');
is(payment('1', 'wait=10', { 'Idempotency-Key' => "wait-$user" })->{content},
    payment('1', 'wait=10', { 'Idempotency-Key' => "wait-$user" })->{content},
    'waiting twice for one key: the same outcome');

# Many waits at once share their questions.
my @sockets = map { connect_raw() } 1 .. 20;
for my $socket (@sockets) {
    my $body = qq({"user_id":$user,"wallet_id":$from,"amount":0.01});
    print $socket "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=10\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
}
my @answers = map { (read_answers($_, 1))[0] } @sockets;
is(scalar(grep { $_->{status} == 200 && $_->{body} =~ /"status":"processed"/ } @answers), 20,
    'twenty at once: each has its outcome');

done_testing();
