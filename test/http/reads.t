#!/usr/bin/perl
# Reading past the queue, paging through a history, QUERY and query strings.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

my $now = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/;
my ($user, $from) = wallet('100');
my ($other, $to) = wallet('5.5');
my @transfers = map { json(pay($user, $from, $to, "$_.0$_"))->{transaction_id} } 1 .. 7;

# --- the tables, directly

my $wallet = get('wallet/async', qq({"user_id":$user,"wallet_id":$from}));
is($wallet->{status}, 200, 'wallet/async');
like($wallet->{content},
    qr/\A\Q{"user_id":null,"handshake_id":null,"wallet_id":$from,"status":"active","amount":71.72,"created_at":"\E$now\Q","updated_at":"\E$now\Q","currency":"usd"}\E\z/,
    'wallet/async: to the byte');
my $transfer = get('transaction/async', qq({"user_id":$user,"transaction_id":$transfers[0]}));
is($transfer->{content},
    qq({"user_id":null,"handshake_id":null,"transaction_id":$transfers[0],"status":"processed","source_wallet_id":$from,"destination_wallet_id":$to,"info":{"msg":"transaction was successful"}}),
    'transaction/async: to the byte');
is(code_of(get('wallet/async', qq({"user_id":$other,"wallet_id":$from}))), 'wallet_not_found',
    "another user's wallet");
is(get('wallet/async', qq({"user_id":$other,"wallet_id":$from}))->{content},
    get('wallet/async', qq({"user_id":$other,"wallet_id":9223372036854775807}))->{content},
    'is not told from none at all');
is(code_of(get('transaction/async', qq({"user_id":$user,"transaction_id":9223372036854775807}))),
    'transaction_not_found', 'no such transaction');

# Without a wallet_id it is the user's one wallet.
is(get('wallet/async', qq({"user_id":$user}))->{content}, $wallet->{content}, "a user's one wallet");
is(get("wallet/async?user_id=$user")->{content}, $wallet->{content}, 'in a query string');
is(ask('QUERY', '/api/v1/wallet/async', qq({"user_id":"$user"}))->{content}, $wallet->{content}, 'by QUERY');
is(json(get("wallet/async?user_id=$other"))->{wallet_id}, $to, "another user's");
my $nobody = get('wallet/async?user_id=' . new_user());
is("$nobody->{status} " . code_of($nobody), '404 wallet_not_found', 'of who has none');
is(code_of(get($_)), 'missing_member', "$_: names no user") for 'wallet/async', "wallet/async?wallet_id=$from";
is(code_of(get("wallet/async?user_id=$user&wallet_id=0")), 'id_out_of_range', 'an id of zero is not none');
is(code_of(get("$_?user_id=$user")), 'missing_member', "$_ needs more") for 'transaction/async', 'wallet/history', 'wallet';

# --- a history, page by page

sub page { my ($query) = @_; return json(get("wallet/history?user_id=$user&wallet_id=$from$query")); }

my $first = get("wallet/history?user_id=$user&wallet_id=$from&limit=1");
like($first->{content},
    qr/\A\Q{"wallet_id":$from,"operations":[{"transaction_id":$transfers[6],"kind":"transaction","source_wallet_id":$from,"destination_wallet_id":$to,"amount":7.07,"balance":71.72,"posted_at":"\E$now\Q"}],"next":$transfers[6]}\E\z/,
    'history: to the byte');
my $all = page('');
is(scalar @{ $all->{operations} }, 8, 'seven payments and what the wallet began with');
is($all->{next}, undef, 'and no more');
is(join(' ', map { $_->{transaction_id} } @{ $all->{operations} }[ 0 .. 6 ]), join(' ', reverse @transfers),
    'newest first');
is("$all->{operations}[7]{kind} " . ($all->{operations}[7]{source_wallet_id} // 'null'), 'deposit null',
    'the initial amount is a deposit from outside');
my ($next, @seen) = ('');
for (1 .. 10) {
    my $page = page("&limit=3$next");
    push @seen, map { $_->{transaction_id} } @{ $page->{operations} };
    last unless $page->{next};
    $next = "&before=$page->{next}";
}
is(join(' ', @seen), join(' ', map { $_->{transaction_id} } @{ $all->{operations} }),
    'three at a time: every operation once, in order');
is(code_of(get("wallet/history?user_id=$other&wallet_id=$from")), 'wallet_not_found',
    "another user's history");

# --- the same question in other ways

my $question = qq({"user_id":$user,"wallet_id":$from});
is(ask('QUERY', '/api/v1/wallet/async', $question)->{content}, $wallet->{content}, 'QUERY');
is(get("wallet/async?user_id=$user&wallet_id=$from")->{content}, $wallet->{content}, 'query string');
is(get("wallet/async/?wallet_id=$from&&user%5Fid=%3" . substr($user, 0, 1) . substr($user, 1))->{content},
    $wallet->{content}, 'query string, percent-encoded');
is(get('wallet/async', qq( {\n"wallet_id" : $from, "user\\u005fid" : $user}\n))->{content},
    $wallet->{content}, 'JSON with blanks and escapes');
is(ask('QUERY', '/api/v1/wallet/async', $question, { 'Content-Type' => 'text/plain' })->{status}, 415,
    'QUERY has a media type too');

my $queued = json(get("wallet?user_id=$other&wallet_id=$from"))->{handshake_id};
my $outcome = json(outcome('wallet', $other, $queued));
is("$outcome->{status} " . ($outcome->{info}{code} // ''), 'rejected not_owner',
    "a queued read of another user's wallet") or diag(explain($outcome));

# --- what one request has asked for is forgotten when the next one comes on its connection

my $socket = connect_raw();
my $body = '{"user_id":' . new_user() . '}';
print $socket "GET /api/v1/wallet/async?user_id=$user&include=limits HTTP/1.1\r\nHost: localhost\r\n\r\n";
like((read_answers($socket, 1))[0]{body}, qr/"available":/, 'a wallet with its limits');
print $socket "POST /api/v1/wallet HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\nContent-Length: @{[length $body]}\r\n\r\n$body";
like((read_answers($socket, 1))[0]{body}, qr/"status":"active".*"currency":"usd"\}\z/, 'a new wallet after it has none');

done_testing();
