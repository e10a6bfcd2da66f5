#!/usr/bin/perl
# The conversation that DESIGN and README show, byte by byte.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

my $now = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/;

sub queued_wallet {
    my ($name, $answer) = @_;
    is($answer->{status}, 202, "$name: accepted");
    is($answer->{headers}{'retry-after'}, '1', "$name: says when to ask again");
    like($answer->{content},
        qr/\A\Q{"user_id":null,"handshake_id":"\E$HANDSHAKE\Q","wallet_id":null,"status":null,"amount":null,"created_at":null,"updated_at":null,"currency":null}\E\z/,
        "$name: to the byte");
    return json($answer)->{handshake_id};
}

sub queued_transaction {
    my ($name, $answer) = @_;
    is($answer->{status}, 202, "$name: accepted");
    like($answer->{content},
        qr/\A\Q{"user_id":null,"handshake_id":"\E$HANDSHAKE\Q","transaction_id":null,"status":null,"source_wallet_id":null,"destination_wallet_id":null,"info":null}\E\z/,
        "$name: to the byte");
    return json($answer)->{handshake_id};
}

sub filled_wallet {
    my ($name, $user, $handshake, $amount) = @_;
    my $answer = outcome('wallet', $user, $handshake);
    is($answer->{status}, 200, "$name: there");
    is($answer->{headers}{'content-type'}, 'application/json', "$name: JSON");
    like($answer->{content},
        qr/\A\Q{"user_id":null,"handshake_id":"$handshake","wallet_id":\E\d+\Q,"status":"active","amount":$amount,"created_at":"\E$now\Q","updated_at":"\E$now\Q","currency":"usd"}\E\z/,
        "$name: to the byte");
    return json($answer)->{wallet_id};
}

sub processed {
    my ($name, $kind, $user, $handshake, $source, $destination) = @_;
    my $answer = outcome($kind, $user, $handshake);
    is($answer->{status}, 200, "$name: there");
    like($answer->{content},
        qr/\A\Q{"user_id":null,"handshake_id":"$handshake","transaction_id":\E\d+\Q,"status":"processed","source_wallet_id":$source,"destination_wallet_id":$destination,"info":{"msg":"transaction was successful"}}\E\z/,
        "$name: to the byte");
}

my ($alice, $bob) = (new_user(), new_user());
my $alices = queued_wallet('first wallet', post('wallet', qq({"user_id":$alice,"amount":7100})));
my $bobs = queued_wallet('second wallet', post('wallet', qq({"user_id":$bob,"amount":0.5})));
my $from = filled_wallet('first wallet', $alice, $alices, '7100.0');
my $to = filled_wallet('second wallet', $bob, $bobs, '0.5');

my $payment = queued_transaction('payment', post('transaction',
    qq({"user_id":$alice,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":777.88})));
processed('payment', 'transaction', $alice, $payment, $from, $to);
filled_wallet('the source afterwards', $alice, $alices, '6322.12');
filled_wallet('the destination afterwards', $bob, $bobs, '778.38');

my $deposit = queued_transaction('deposit',
    post('deposit', qq({"user_id":$alice,"wallet_id":$from,"amount":"0.88"})));
processed('deposit', 'deposit', $alice, $deposit, 'null', $from);
my $withdrawal = queued_transaction('withdrawal',
    post('withdrawal', qq({"user_id":$alice,"wallet_id":$from,"amount":323})));
processed('withdrawal', 'withdrawal', $alice, $withdrawal, $from, 'null');
filled_wallet('the balance after both', $alice, $alices, '6000.0');

my $read = queued_wallet('a queued read', get('wallet', qq({"user_id":$alice,"wallet_id":$from})));
filled_wallet('a queued read', $alice, $read, '6000.0');

my $refused = json(post('transaction',
    qq({"user_id":$alice,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":6000.01})))->{handshake_id};
like(outcome('transaction', $alice, $refused)->{content},
    qr/\A\Q{"user_id":null,"handshake_id":"$refused","transaction_id":null,"status":"rejected","source_wallet_id":null,"destination_wallet_id":null,"info":{"msg":"\E[^"\\]+\Q","code":"insufficient_funds"}}\E\z/,
    'a refused payment: to the byte');

my $second = json(post('wallet', qq({"user_id":$alice,"amount":1})))->{handshake_id};
like(outcome('wallet', $alice, $second)->{content},
    qr/\A\Q{"user_id":null,"handshake_id":"$second","wallet_id":null,"status":"rejected","amount":null,"created_at":null,"updated_at":null,"currency":null,"info":{"msg":"\E[^"\\]+\Q","code":"wallet_exists"}}\E\z/,
    'a second wallet: to the byte');
like(json(outcome('wallet', $alice, $second))->{info}{msg}, qr/: wallet $from\z/, 'and its message tells the first one');

is(ask('GET', '/healthz')->{content}, '{"status":"ok"}', 'healthz');
is(ask('GET', '/readyz')->{content}, '{"status":"ready"}', 'readyz');
like(ask('GET', '/openapi.json')->{content}, qr/"openapi": *"3\.1/, 'the OpenAPI description is served');

done_testing();
