#!/usr/bin/perl
# What the server says, it takes: an amount or an id, as it stands in an answer, is sent back as that very text, as a number and
# as a string, on every path. And what an id may not be, on every path that takes one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

# The text of a member in an answer, as it stands there.
sub text_of {
    my ($answer, $member) = @_;
    return $answer->{content} =~ /"$member":(-?[0-9.]+)/ ? $1 : BAIL_OUT("no $member in $answer->{content}");
}

sub code_or_status { return code_of($_[0]) || json($_[0])->{info} && json($_[0])->{info}{code} || json($_[0])->{status} || $_[0]{status}; }

# --- the Location of a 202 tells the outcome of that request, whatever the connection was asked before

my ($payer, $purse) = wallet('100');
my (undef, $till) = wallet('0');
my $payment = qq({"user_id":$payer,"source_wallet_id":$purse,"dest_wallet_id":$till,"trans_sum":1});
my %body_of = (
    deposit => qq({"user_id":$payer,"wallet_id":$purse,"amount":1}),
    withdrawal => qq({"user_id":$payer,"wallet_id":$purse,"amount":1}),
    transaction => $payment,
    hold => qq({"user_id":$payer,"source_wallet_id":$purse,"dest_wallet_id":$till,"amount":1}),
    group => qq({"user_id":$payer,"legs":[{"kind":"transaction","source_wallet_id":$purse,"dest_wallet_id":$till,"amount":1}]}),
    'transaction/bulk' => "[$payment]",
);
my $socket = connect_raw();
for my $path (qw(transaction transaction deposit transaction/bulk withdrawal hold group transaction)) {
    my $body = $body_of{$path};
    print $socket "POST /api/v1/$path/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: @{[length $body]}\r\n\r\n$body";
    my ($answer) = read_answers($socket, 1);
    my ($handshake) = $answer->{body} =~ /"handshake_id":"($HANDSHAKE)"/;
    my @locations = $answer->{head} =~ /^Location: (\S+)\r?$/mg;
    my @expected = $path =~ /bulk/ ? () : "/api/v1/$path?user_id=$payer&handshake_id=$handshake";
    is("@locations", "@expected", "$path: Location");
    next if !@locations;
    my $read = ask('GET', $locations[0], undef, { Prefer => 'wait=20' });
    like($read->{content}, qr/"handshake_id":"$handshake".*"status":"processed"/, "$path: leads to its outcome");
}

# --- amounts

# Needs psql as a superuser for a currency of eight decimals.
my $super = (`psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '') =~ /t/;
system(q{psql -XAtqc "INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('xbt', 1000, 8) ON CONFLICT DO NOTHING"}) if $super;

# [currency, what a wallet is made with, what it reads then]
my @amounts = (
    [ 'jpy', '100', '100.0' ], [ 'jpy', '1', '1.0' ], [ 'jpy', '9223372036854775800', '9223372036854775800.0' ],
    [ 'usd', '0.01', '0.01' ], [ 'usd', '10', '10.0' ], [ 'usd', '777.10', '777.1' ],
    [ 'kwd', '0.001', '0.001' ], [ 'kwd', '1.5', '1.5' ],
    $super ? ([ 'xbt', '0.00000001', '0.00000001' ], [ 'xbt', '2', '2.0' ]) : (),
);
for my $case (@amounts) {
    my ($currency, $made, $shown) = @$case;
    my $what = "$made $currency";
    my ($user, $id) = wallet($made, $currency);
    my $wallet = get("wallet/async?user_id=$user&wallet_id=$id");
    my $amount = text_of($wallet, 'amount');
    is($amount, $shown, "$what: shown");
    my $other = new_user();
    my $second = json(outcome_of('wallet', $other, qq({"user_id":$other,"amount":$amount,"currency":"$currency"})))->{wallet_id};
    ok($second, "$what: a wallet is made with it");
    is(text_of(get("wallet/async?user_id=$other&wallet_id=$second"), 'amount'), $amount, "$what: and has it");
    my $third = new_user();
    is(text_of(outcome_of('wallet', $third, qq({"user_id":"$third","amount":"$amount","currency":"$currency"})), 'amount'), $amount, "$what: as a string, too");
    for my $sent ($amount, qq("$amount"), "${amount}00000000000", qq("${amount}0")) {
        my %bodies = (
            withdrawal => qq({"user_id":$user,"wallet_id":$id,"amount":$sent}),
            deposit => qq({"user_id":$user,"wallet_id":$id,"amount":$sent}),
        );
        is(code_or_status(outcome_of($_, $user, $bodies{$_})), 'processed', "$what: $sent, $_") for qw(withdrawal deposit);
        is(code_or_status(pay($user, $id, $second, $sent)), $currency eq 'jpy' && length $made > 10 ? 'balance_limit' : 'processed', "$what: $sent, transaction");
        my $bulk = post('transaction/bulk', qq([{"user_id":$other,"source_wallet_id":$second,"dest_wallet_id":$id,"trans_sum":$sent}]));
        my ($handshake) = $bulk->{content} =~ /"handshake_id":"($HANDSHAKE)"/;
        ok($handshake, "$what: $sent, bulk") or diag($bulk->{content});
        outcome('transaction', $other, $handshake) if $handshake;
    }
    my $history = get("wallet/history?user_id=$user&wallet_id=$id&limit=1000");
    my %seen = map { $_ => 1 } $history->{content} =~ /"(?:amount|balance)":([0-9.]+)/g;
    for my $text (sort keys %seen) {
        my $to = new_user();
        my $code = code_or_status(outcome_of('wallet', $to, qq({"user_id":$to,"amount":$text,"currency":"$currency"})));
        is($code, 'active', "$what: $text of the history");
    }
}
my ($user, $yen) = wallet('100', 'jpy');
is(code_or_status(outcome_of('deposit', $user, qq({"user_id":$user,"wallet_id":$yen,"amount":100.5}))), 'amount_precision', 'a digit that is not zero is refused');
is(code_of(post('deposit', qq({"user_id":$user,"wallet_id":$yen,"amount":100.001}))), 'amount_precision', 'at once, where it has more than two decimals');
like(json(post('deposit', qq({"user_id":$user,"wallet_id":$yen,"amount":1.@{['0' x 1023]}})))->{detail}, qr/"amount" must have at most 1024 characters/,
    'an amount that is too long is told the limit');

# --- keys: the same amount and id, written in another way, is the same payload

my %key = ('Idempotency-Key' => "written-$user");
my $first = post('deposit', qq({"user_id":$user,"wallet_id":$yen,"amount":7}), \%key);
is($first->{status}, 202, 'a deposit with a key');
is(post('deposit', $_, \%key)->{content}, $first->{content}, "the same: $_")
    for qq({"user_id":"$user","wallet_id":$yen.0,"amount":"7.000"}), qq({"amount":7.0,"wallet_id":"$yen","user_id":$user.00});

# --- ids

my ($payer, $from) = wallet('1000');
my ($payee, $to) = wallet('1');
my $huge = '90071992547' . (1000000 + new_user() % 1000000); # beyond 2^53, where a double holds every other number at best
is(code_or_status(outcome_of('wallet', $huge, qq({"user_id":"$huge","amount":5}))), 'active', 'a user beyond 2^53, in a string');
my $handshake = json(post('wallet', qq({"user_id":$huge.0,"amount":5})))->{handshake_id};
is(code_or_status(outcome('wallet', $huge, $handshake)), 'wallet_exists', 'is the same user, written with a decimal of zero');

my $paid = json(pay($payer, $from, $to, '1'))->{transaction_id};
my $made = json(post('wallet', qq({"user_id":$payer,"amount":0})))->{handshake_id};
outcome('wallet', $payer, $made);
my $moved = json(post('transaction', qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1})))->{handshake_id};
outcome('transaction', $payer, $moved);

# [path, its members as JSON, the name of each id in it]; $ID stands for the id that is under test
my @posts = (
    [ 'wallet', qq({"user_id":%s,"amount":1}), user_id => $payer ],
    [ 'transaction', qq({"user_id":%s,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01}), user_id => $payer ],
    [ 'transaction', qq({"user_id":$payer,"source_wallet_id":%s,"dest_wallet_id":$to,"trans_sum":0.01}), source_wallet_id => $from ],
    [ 'transaction', qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":%s,"trans_sum":0.01}), dest_wallet_id => $to ],
    [ 'deposit', qq({"user_id":%s,"wallet_id":$from,"amount":0.01}), user_id => $payer ],
    [ 'deposit', qq({"user_id":$payer,"wallet_id":%s,"amount":0.01}), wallet_id => $from ],
    [ 'withdrawal', qq({"user_id":%s,"wallet_id":$from,"amount":0.01}), user_id => $payer ],
    [ 'withdrawal', qq({"user_id":$payer,"wallet_id":%s,"amount":0.01}), wallet_id => $from ],
);
my @gets = (
    [ 'wallet', { handshake_id => qq("$made") }, user_id => $payer, 200 ],
    [ 'transaction', { handshake_id => qq("$moved") }, user_id => $payer, 200 ],
    [ 'wallet', { wallet_id => $from }, user_id => $payer, 202 ],
    [ 'wallet', { user_id => $payer }, wallet_id => $from, 202 ],
    [ 'wallet/async', { wallet_id => $from }, user_id => $payer, 200 ],
    [ 'wallet/async', { user_id => $payer }, wallet_id => $from, 200 ],
    [ 'transaction/async', { transaction_id => $paid }, user_id => $payer, 200 ],
    [ 'transaction/async', { user_id => $payer }, transaction_id => $paid, 200 ],
    [ 'wallet/history', { wallet_id => $from }, user_id => $payer, 200 ],
    [ 'wallet/history', { user_id => $payer }, wallet_id => $from, 200 ],
    [ 'wallet/history', { user_id => $payer, wallet_id => $from }, before => $paid, 200 ],
    [ 'wallet/history', { user_id => $payer, wallet_id => $from }, limit => 7, 200 ],
);

# Ways to write an id as a JSON value; what is between the quotes of a string goes into a query string.
sub written { my ($id) = @_; return ($id, qq("$id"), "$id.0", qq("$id.0"), "$id.00", qq("$id.00000000")); }
sub members { my ($others, $name, $value) = @_; return '{' . join(',', map { qq("$_":$others->{$_}) } sort keys %$others) . qq(,"$name":$value}); }
sub query { my ($others, $name, $value) = @_; my %all = (%$others, $name => $value); return join('&', map { my $text = $all{$_} =~ s/\A"(.*)"\z/$1/r; "$_=" . $text =~ s/([^A-Za-z0-9.-])/sprintf '%%%02X', ord $1/ger } sort keys %all); }

for my $case (@posts) {
    my ($path, $form, $name, $id) = @$case;
    my @statuses = map { post($path, sprintf $form, $_)->{status} } written($id);
    is("@statuses", '202 202 202 202 202 202', "POST $path: $name, in every way of writing it");
}
my $bulk = post('transaction/bulk', '[' . join(',', map { qq({"user_id":$_->[0],"source_wallet_id":$_->[1],"dest_wallet_id":$_->[2],"trans_sum":0.01}) }
            map { my $n = $_; [ (written($payer))[$n], (written($from))[$n], (written($to))[$n] ] } 0 .. 5) . ']');
is(() = $bulk->{content} =~ /"handshake_id":"$HANDSHAKE"/g, 6, 'POST transaction/bulk: in every way of writing them') or diag($bulk->{content});
for my $case (@gets) {
    my ($path, $others, $name, $id, $status) = @$case;
    my @bodies = map { get($path, members($others, $name, $_)) } written($id);
    my @queries = map { get("$path?" . query($others, $name, $_)) } written($id);
    is(join(' ', map { $_->{status} } @bodies, @queries), join(' ', ($status) x 12), "GET $path: $name, in every way of writing it, in the body and in the query string")
        or diag($bodies[1]{content}, $queries[2]{content});
    is(scalar(keys %{ { map { $_->{content} => 1 } @bodies, @queries } }), 1, "GET $path: $name, the same answer") if $status == 200;
}

# What is no id: [value, code]. The detail names the member and the limit.
my @wrong = (
    [ '"01"', 'wrong_type' ], [ '" 1"', 'wrong_type' ], [ '"1 "', 'wrong_type' ], [ '"+1"', 'wrong_type' ], [ '"1.5"', 'wrong_type' ], [ '1.5', 'wrong_type' ],
    [ '""', 'wrong_type' ], [ '"six"', 'wrong_type' ], [ '6.2e1', 'wrong_type' ], [ '"6.2e1"', 'wrong_type' ], [ '1e400', 'wrong_type' ], [ '"0x1"', 'wrong_type' ],
    [ 'true', 'wrong_type' ], [ 'null', 'wrong_type' ], [ '[1]', 'wrong_type' ], [ '{}', 'wrong_type' ], [ '"1.0000000001"', 'wrong_type' ],
    [ '0', 'id_out_of_range' ], [ '-0', 'id_out_of_range' ], [ '"-0"', 'id_out_of_range' ], [ '-1', 'id_out_of_range' ], [ '"-1"', 'id_out_of_range' ], [ '-1.0', 'id_out_of_range' ],
    [ '9223372036854775808', 'id_out_of_range' ], [ '"9223372036854775808"', 'id_out_of_range' ], [ '9223372036854775808.0', 'id_out_of_range' ],
    [ '9' x 400, 'id_out_of_range' ], [ '1.' . '0' x 63, 'id_out_of_range' ],
);
sub refusal { my ($answer) = @_; return code_of($answer) . ' ' . (json($answer)->{detail} // ''); }
for my $case (@posts) {
    my ($path, $form, $name) = @$case;
    my @unclear = grep { refusal(post($path, sprintf $form, $_->[0])) !~ /\A$_->[1] member "$name" must .*from 1 to 9223372036854775807/ } @wrong;
    is(join(' ', map { substr $_->[0], 0, 30 } @unclear), '', "POST $path: what is no $name");
}
for my $case (@gets) {
    my ($path, $others, $name) = @$case;
    my ($limit, $range) = $name eq 'limit' ? (1000, 'invalid_limit') : ('9223372036854775807', 'id_out_of_range');
    my $told = sub { my ($answer, $code) = @_; $code = $range if $code eq 'id_out_of_range'; return refusal($answer) =~ /\A$code member "$name" must .*from 1 to $limit/; };
    my @unclear = grep { !$told->(get($path, members($others, $name, $_->[0])), $_->[1]) } @wrong;
    is(join(' ', map { substr $_->[0], 0, 30 } @unclear), '', "GET $path: what is no $name, in the body");
    @unclear = grep { !$told->(get("$path?" . query($others, $name, $_->[0])), $_->[1]) } grep { $_->[0] !~ /\A[tn\[{]/ } @wrong;
    is(join(' ', map { substr $_->[0], 0, 30 } @unclear), '', "GET $path: what is no $name, in the query string");
}

done_testing();
