#!/usr/bin/perl
# Holds, captures, reversals and groups over HTTP: each answer to the byte, while it is queued, when it is processed and
# when it is refused; what is asked for many at once; limits, pages of holds, dry runs; and hostile payloads of groups.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use JSON::PP;
use Test::More;

my ($payer, $from) = wallet('1000');
my ($payee, $to) = wallet('0');
my $member = qr/(?:\d+|null)/;

sub settled { my ($kind, $user, $body) = @_; return outcome_of($kind, $user, $body)->{content}; }
sub ending { my ($content) = @_; my $answer = json({ content => $content }); return $answer->{info}{code} // $answer->{status}; }
sub id_of { my ($content) = @_; return ($content =~ /"(?:transaction|group)_id":(\d+)/)[0] // 'none'; }
sub limits { my ($user) = @_; return join ' ', map { $_ // 'null' } @{ json(get("wallet/async?user_id=$user&include=limits")) }{qw(amount held floor ceiling available)}; }
sub hold { my ($amount, $more) = @_; return id_of(settled('hold', $payer, qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"amount":$amount@{[$more // '']}}))); }

# --- a hold, to the byte

my $body = qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"amount":100,"expires_in":"2 days"});
my $queued = post('hold', $body);
is($queued->{status}, 202, 'a hold is queued');
like($queued->{content}, qr/\A\{"user_id":null,"handshake_id":"$HANDSHAKE","transaction_id":null,"status":null,"source_wallet_id":null,"destination_wallet_id":null,"info":null,"kind":null,"amount":null,"link_id":null,"group_id":null\}\z/,
    'while it is queued');
my $handshake = json($queued)->{handshake_id};
my $content = outcome('hold', $payer, $handshake)->{content};
like($content, qr/\A\{"user_id":null,"handshake_id":"$handshake","transaction_id":\d+,"status":"processed","source_wallet_id":$from,"destination_wallet_id":$to,"info":\{"msg":"transaction was successful"\},"kind":"hold","amount":100\.0,"link_id":(\d+),"group_id":null\}\z/,
    'when it is processed');
my $hold = id_of($content);
is(limits($payer), '1000 100 0 null 900', 'the money is reserved');
$content = settled('hold', $payer, qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"amount":900.01}));
like($content, qr/\A\{"user_id":null,"handshake_id":"$HANDSHAKE","transaction_id":null,"status":"rejected","source_wallet_id":null,"destination_wallet_id":null,"info":\{"msg":"[^"]+","code":"insufficient_funds"\},"kind":null,"amount":null,"link_id":null,"group_id":null\}\z/,
    'when it is refused');
is(outcome('transaction', $payer, $handshake)->{status}, 404, 'a handshake belongs to its kind');
like(get('wallet/async?user_id=' . $payer)->{content}, qr/"currency":"usd"\}\z/, 'a wallet has no limits unless they are asked for');

# --- capture, extend, void, reverse: by id and by handshake

like(settled('capture', $payee, qq({"user_id":$payee,"hold_id":$hold,"amount":"40","final":false})),
    qr/"source_wallet_id":$from,"destination_wallet_id":$to,"info":\{"msg":"transaction was successful"\},"kind":"capture","amount":40\.0,"link_id":$hold,"group_id":null\}\z/, 'a capture');
like(settled('hold_extend', $payer, qq({"user_id":$payer,"hold_handshake_id":"$handshake","amount":120})), qr/"kind":"hold_extend","amount":20\.0,"link_id":$hold,/, 'an extension, by the handshake');
like(settled('void', $payee, qq({"user_id":$payee,"hold_id":$hold,"amount":30})), qr/"kind":"void","amount":30\.0,"link_id":$hold,/, 'a part is voided');
is(ending(settled('void', $payer, qq({"user_id":$payer,"hold_id":$hold}))), 'not_owner', 'the payer does not void');
is(ending(settled('capture', $payee, qq({"user_id":$payee,"hold_id":$hold,"amount":50.01}))), 'exceeds_hold', 'not more than the rest');
$content = settled('capture', $payee, qq({"user_id":$payee,"hold_handshake_id":"$handshake"}));
like($content, qr/"kind":"capture","amount":50\.0,"link_id":$hold,/, 'the rest');
my $captured = id_of($content);
is(ending(settled('capture', $payee, qq({"user_id":$payee,"hold_id":$hold}))), 'hold_captured', 'once');
is(limits($payer), '910 0 0 null 910', 'nothing is held');
like(settled('reversal', $payee, qq({"user_id":$payee,"transfer_id":$captured,"amount":20})), qr/"source_wallet_id":$to,"destination_wallet_id":$from,"info":[^}]+\},"kind":"reversal","amount":20\.0,"link_id":$captured,/, 'a reversal');
is(ending(settled('reversal', $payee, qq({"user_id":$payee,"transfer_id":$captured,"amount":30.01}))), 'exceeds_reversible', 'not more than is left');
is(ending(settled('reversal', $payee, qq({"user_id":$payee,"transfer_id":$hold}))), 'not_reversible', 'a hold is voided, not reversed');
is(ending(settled('capture', $payee, qq({"user_id":$payee,"hold_id":999999999999}))), 'hold_not_found', 'no such hold');

# --- reading

my $rows = json(get("wallet/history?user_id=$payer&wallet_id=$from"))->{operations};
is(join(' ', map { $_->{kind} } @$rows), 'reversal capture capture deposit', 'a history shows what moved money');
is("$rows->[0]{link_id} $rows->[1]{link_id} $rows->[1]{reversed} @{ $rows->[1]{reversals} }", "$captured $hold 20 $rows->[0]{transaction_id}", 'links, both ways');
is(join(',', sort keys %{ $rows->[3] }), 'amount,balance,destination_wallet_id,kind,posted_at,source_wallet_id,transaction_id', 'a deposit is as it ever was');
$rows = json(get("wallet/history?user_id=$payer&wallet_id=$from&include=holds"))->{operations};
is(join(' ', map { "$_->{kind}:$_->{held}" } grep { defined $_->{held} } @$rows), 'capture:0 void:50 hold_extend:80 capture:60 hold:100', 'with holds: what is held after each');
like(get("transaction/async?user_id=$payer&transaction_id=$captured")->{content}, qr/"kind":"capture","amount":50\.0,"link_id":$hold,"group_id":null\}\z/, 'a capture, past the queue');

my $open = hold(10);
my $endless = hold(5, ',"expires_at":"infinity"');
my $time = qr/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"/;
like(get("hold/async?user_id=$payee&hold_id=$hold")->{content}, qr/\A\{"hold_id":$hold,"source_wallet_id":$from,"destination_wallet_id":$to,"amount":90\.0,"captured":90\.0,"rest":0\.0,"max_capture":\d+\.0,"state":"captured","expires_at":$time,"created_at":$time,"updated_at":$time\}\z/,
    'a hold, past the queue');
like(get("hold/async?user_id=$payer&hold_id=$endless")->{content}, qr/"expires_at":"infinity"/, 'one that never ends');
my $ids = sub { return join ' ', map { $_->{hold_id} } @{ json(get("hold/async?$_[0]"))->{holds} }; };
is($ids->("user_id=$payer&wallet_id=$from"), "$endless $open", 'open ones, newest first');
is($ids->("user_id=$payee&wallet_id=$to&state=open"), "$endless $open", 'found by the payee');
is($ids->("user_id=$payer&wallet_id=$from&state=captured"), $hold, 'captured ones');
is($ids->("user_id=$payer&wallet_id=$from&state=all&limit=2"), "$endless $open", 'a page');
is($ids->("user_id=$payer&wallet_id=$from&state=all&before=$open"), $hold, 'and the one before it');
my ($stranger) = wallet('1');
for my $case (
    [ "user_id=$stranger&hold_id=$hold", '404 hold_not_found' ], [ "user_id=$stranger&wallet_id=$from", '404 wallet_not_found' ],
    [ "user_id=$payer", '422 missing_member' ], [ "user_id=$payer&hold_id=$hold&state=open", '422 unknown_member' ],
    [ "user_id=$payer&wallet_id=$from&state=gone", '422 wrong_type' ], [ "user_id=$payer&wallet_id=$from&limit=1001", '422 invalid_limit' ],
    [ "user_id=$payer&wallet_id=$from&color=red", '422 unknown_member' ])
{
    my $answer = get("hold/async?$case->[0]");
    is("$answer->{status} " . code_of($answer), $case->[1], "hold/async?$case->[0]");
}
for my $case ([ 'wallet/async', 'holds' ], [ 'wallet/history', 'limits' ], [ 'wallet/history', 'HOLDS' ], [ 'wallet/async', '' ]) {
    is(code_of(get("$case->[0]?user_id=$payer&wallet_id=$from&include=$case->[1]")), 'wrong_type', "$case->[0]?include=$case->[1]");
}
is(code_of(get("transaction/async?user_id=$payer&transaction_id=$captured&include=limits")), 'wrong_type', 'not of a transaction');

# --- groups

sub group { my ($user, @legs) = @_; return settled('group', $user, qq({"user_id":$user,"legs":[) . join(',', @legs) . ']}'); }
sub leg { my ($amount) = @_; return qq({"kind":"transaction","source_wallet_id":$from,"dest_wallet_id":$to,"amount":$amount}); }
like(post('group', qq({"user_id":$payer,"legs":[@{[leg(1)]}]}))->{content}, qr/\A\{"user_id":null,"handshake_id":"$HANDSHAKE","group_id":null,"status":null,"rows":null,"info":null\}\z/, 'a group that is queued');
$content = group($payer, leg(2), qq({"kind":"fee","source_wallet_id":$from,"dest_wallet_id":$to,"amount":"0.50"}), qq({"kind":"hold","source_wallet_id":$from,"dest_wallet_id":$to,"amount":7}));
my $group = json({ content => $content });
is(join(',', sort keys %$group), 'group_id,handshake_id,info,rows,status,user_id', 'the members of an answer');
is("$group->{status} $group->{info}{msg}", 'processed transaction was successful', 'a group that is processed');
is(join(' ', map { "$_->{kind} $_->{amount}" } @{ $group->{rows} }), 'transaction 2 fee 0.5 hold 7', 'its rows, in the order of its legs');
is($group->{group_id}, $group->{rows}[0]{transfer_id}, 'a group is named after its first row');
$content = group($payer, leg(1), leg(100000), leg(1));
like($content, qr/\A\{"user_id":null,"handshake_id":"$HANDSHAKE","group_id":null,"status":"rejected","rows":null,"info":\{"msg":"[^"]+","code":"insufficient_funds","leg":1\}\}\z/, 'which leg failed');
$content = settled('group_reversal', $payee, qq({"user_id":$payee,"group_id":$group->{group_id},"keep_fees":true}));
is(join(' ', map { "$_->{kind} $_->{amount}" } @{ json({ content => $content })->{rows} }), 'reversal 2', 'a group is reversed, its fee is kept');
$content = group($payer, qq({"kind":"transaction","source_wallet_id":$from,"amount":10,"split":[{"dest_wallet_id":$to,"parts_per_million":333333},{"dest_wallet_id":$to,"rest":true}]}));
is(join(' ', map { $_->{amount} } @{ json({ content => $content })->{rows} }), '3.33 6.67', 'a split');

# Hostile ones: [what it shows, the legs, status and code].
my $deep = '[' x 1000 . ']' x 1000;
for my $case (
    [ 'no legs', '[]', '422 invalid_legs' ], [ 'null', 'null', '422 wrong_type' ], [ 'a string', '"[]"', '422 wrong_type' ], [ 'an object', '{}', '422 wrong_type' ],
    [ 'a leg that is none', '[1]', '422 invalid_legs' ], [ 'an array as a leg', '[[]]', '422 invalid_legs' ],
    [ 'a leg without a kind', '[{}]', '422 missing_member' ], [ 'a kind that is no leg', '[{"kind":"group","legs":[]}]', '422 invalid_legs' ],
    [ 'a kind of the journal', '[{"kind":"expiry"}]', '422 invalid_legs' ], [ 'a kind with an escape', '[{"kind":"f\u0065e"}]', '422 unknown_kind' ],
    [ 'no such kind', '[{"kind":"gift"}]', '422 unknown_kind' ], [ 'a number as a kind', '[{"kind":1}]', '422 wrong_type' ],
    [ 'a leg with a user', '[' . leg(1) =~ s/}/,"user_id":1}/r . ']', '422 unknown_member' ], [ 'a member twice', '[' . leg(1) =~ s/}/,"amount":1}/r . ']', '422 duplicate_member' ],
    [ 'two sums', '[' . leg(1) =~ s/}/,"trans_sum":1}/r . ']', '422 duplicate_member' ],
    [ '65 legs', '[' . join(',', ('{"kind":"deposit","wallet_id":1,"amount":1}') x 65) . ']', '422 invalid_legs' ],
    [ 'a deep one', "[$deep]", '422 invalid_legs' ], [ 'deep in a leg', '[' . leg($deep) . ']', '422 wrong_type' ],
    [ 'a wrong word and a split', qq([{"kind":"transaction","source_wallet_id":$from,"amount":5,"amount_mode":"x","split":[{"dest_wallet_id":$to,"parts_per_million":5}]}]), '422 invalid_split' ],
    [ 'a wrong word and a mode', '[{"kind":"reversal","transfer_id":1,"shortfall":"x"},{"kind":"withdrawal","wallet_id":1,"amount":5,"amount_mode":"all"}]', '422 invalid_amount_mode' ],
    [ 'cut', '[' . leg(1), '400 invalid_json' ])
{
    my ($name, $legs, $expected) = @$case;
    my $answer = post('group', qq({"user_id":$payer,"legs":$legs}));
    my ($status, $code) = split ' ', $expected;
    is($answer->{status}, $status, "legs: $name") or diag($answer->{content});
    like(code_of($answer), $code eq 'invalid_legs' ? qr/^(?:invalid_legs|wrong_type|unknown_kind|not_an_object)$/ : qr/^$code$/, "legs: $name: code");
}
my $full = qq({"user_id":$payer,"legs":[) . join(',', (leg('0.01')) x 64) . ']}';
my $answer = post('group', $full . ' ' x (8192 - length $full), { Prefer => 'wait=20' });
is("$answer->{status} " . scalar @{ json($answer)->{rows} || [] }, '200 64', '64 legs in a body at the limit');
is(post('group', $full . ' ' x (8193 - length $full))->{status}, 413, 'and beyond it');

# --- many of any kind, and their outcomes

sub many { my ($path, $text, $method, $headers) = @_; my $got = ask($method // 'POST', "/api/v1/$path", $text, $headers); return ($got, eval { JSON::PP->new->utf8->decode($got->{content}) } || []); }
my @items = (
    [ "{\"kind\":\"hold\",\"user_id\":$payer,\"source_wallet_id\":$from,\"dest_wallet_id\":$to,\"amount\":3}", 'hold' ],
    [ "{ \"user_id\":$payer,\"wallet_id\":$from,\"amount\":3 , \"kind\" : \"deposit\" }", 'deposit' ],
    [ "{\"user_id\":$payer,\"kind\":\"group\",\"legs\":[" . leg(1) . ']}', 'group' ],
    [ '{"kind":"wallet","user_id":' . new_user() . '}', 'wallet' ],
    [ '{"kind":"fee"}', 'unknown_kind' ], [ '{"kind":"expiry"}', 'unknown_kind' ], [ '{"kind":"wallet_read"}', 'unknown_kind' ], [ '{"kind":"gift"}', 'unknown_kind' ],
    [ '{}', 'missing_member' ], [ '{"kind":1}', 'wrong_type' ], [ '{"kind":"hold","kind":"hold"}', 'duplicate_member' ], [ '{"kind":"h\u006fld"}', 'unknown_kind' ],
    [ '[]', 'not_an_object' ], [ '{"kind"}', 'invalid_json' ], [ '{"kind":"transaction"}', 'missing_member' ], [ '{"kind":"hold","user_id":1,"color":1}', 'unknown_member' ],
);
my ($got, $list) = many('bulk', '[' . join(',', map { $_->[0] } @items) . ']');
is("$got->{status} " . scalar @$list, '202 ' . scalar @items, 'a bulk request of every kind');
for my $i (0 .. $#items) {
    my $found = $list->[$i];
    is($found->{info}{code} // ($found->{handshake_id} =~ /\A$HANDSHAKE\z/ ? 'stored' : 'none'), $items[$i][1] =~ /_/ ? $items[$i][1] : 'stored', "bulk: $items[$i][0]");
}
is((many('bulk', '[]'))[0]{content}, '[]', 'bulk: nothing');
is((many('bulk', '[1,"x"]'))[0]{content}, '[{"handshake_id":null,"info":{"msg":"the payload is not a JSON object","code":"not_an_object"}},{"handshake_id":null,"info":{"msg":"the payload is not a JSON object","code":"not_an_object"}}]',
    'bulk: all are refused before the database is asked');
is((many('bulk', '{}'))[0]{status}, 422, 'bulk: no array');
my @stored = grep { $_->{handshake_id} } @$list;
outcome($items[$_][1], $payer, $stored[$_]{handshake_id}) for 0 .. 2;
my $key = "many-$payer";
my ($first, $again) = map { (many('bulk', '[{"kind":"fee"},' . $items[0][0] . ']', 'POST', { 'Idempotency-Key' => $key }))[1][1]{handshake_id} } 1 .. 2;
is($first, $again, 'bulk: a key is numbered by the place in the array');
is(json(post('hold', $items[0][0] =~ s/"kind":"hold",//r, { 'Idempotency-Key' => "$key/1" }))->{handshake_id}, $first, 'as if it had been sent alone');

my @asked = (map({ qq({"user_id":$payer,"handshake_id":"$_->{handshake_id}"}) } @stored[ 0 .. 2 ]), qq({"user_id":$payee,"handshake_id":"$stored[0]{handshake_id}"}),
    qq({"user_id":$payer,"handshake_id":"@{['0' x 64]}"}), '{}', '1', qq({"user_id":$payer,"handshake_id":"x"}));
for my $method (qw(QUERY GET)) {
    ($got, $list) = many('outcome', '[' . join(',', @asked) . ']', $method);
    is($got->{status}, 200, "$method outcome");
    is(join(' ', map { $_->{info}{code} // $_->{kind} // (exists $_->{rows} ? 'group' : $_->{status}) } @$list),
        'hold processed group handshake_unknown handshake_unknown missing_member not_an_object invalid_handshake', "$method outcome: each in its place");
    is(JSON::PP->new->canonical->encode($list->[0]), JSON::PP->new->canonical->encode(json(outcome('hold', $payer, $stored[0]{handshake_id}))), "$method outcome: as it is answered alone");
}
is((many('outcome', '[]', 'QUERY'))[0]{content}, '[]', 'no questions');
is((many('outcome', '[' . join(',', (1) x 8193) . ']', 'QUERY'))[0]{status}, 413, 'too many');
is(get('outcome?user_id=1&handshake_id=2')->{status}, 400, 'not in the query string');
is(get('outcome')->{status}, 400, 'nor nowhere');
is((many('outcome', '[]'))[0]{status}, 405, 'nor by POST');
my @many = map { qq({"user_id":$payer,"handshake_id":"$stored[$_ % 3]{handshake_id}"}) } 0 .. 8191;
($got, $list) = many('outcome', '[' . join(',', @many) . ']', 'QUERY');
is(scalar(grep { $_->{status} && $_->{status} eq 'processed' } @$list), 8192, '8192 outcomes');

# --- amount modes, deadlines, dry runs, and who asks for all

my ($poor, $purse) = wallet('12.5');
my $up_to = qq({"user_id":$poor,"source_wallet_id":$purse,"dest_wallet_id":$to,"trans_sum":20,"amount_mode":"up_to"});
is(json(post('transaction?dry_run=true', $up_to))->{would}, 'processed', 'a dry run');
like(settled('transaction', $poor, $up_to), qr/"info":\{"msg":"transaction was successful","amount":12\.5\}\}\z/, 'what a mode has moved is told');
like(settled('transaction', $payer, qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1})), qr/"info":\{"msg":"transaction was successful"\}\}\z/, 'and without a mode it is not');
my $dry = post('transaction?dry_run=true', $up_to);
is("$dry->{status} " . join(' ', map { json($dry)->{$_} // 'null' } qw(would code)), '200 rejected insufficient_funds', 'a dry run tells the code');
is(code_of(post('transaction?dry_run=true', '{}')), 'missing_member', 'a dry run of nothing');
is(post('transaction?dry_run=false', qq({"user_id":$payer,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1}))->{status}, 202, 'no dry run');
for my $query ('dry_run=yes', 'dry_run', 'dry_run=true&dry_run=true') { is(post("hold?$query", '{}')->{status}, 422, "?$query"); }
for my $path ('hold?user_id=1', 'bulk?dry_run=true', 'transaction/bulk?dry_run=true') { is(code_of(post($path, '[]')), 'bad_request', $path); }
is(code_of(post('hold', qq({"user_id":$payer,"source_wallet_id":$from,"amount":1,"valid_until":"2020-01-01T00:00:00Z"}))), 'request_expired', 'a deadline that is over');
# Without keys the asker is an operator, who need not name a user, neither here nor for the outcome.
$queued = json(post('hold', qq({"source_wallet_id":$from,"dest_wallet_id":$to,"amount":1})));
like(outcome('hold', 'null', $queued->{handshake_id} // '')->{content} =~ s/"user_id":null,"handshake_id"/x/r, qr/wrong_type|must be/, 'a user who is null is none');
my $deadline = time + 20;
do { $got = get("hold?handshake_id=$queued->{handshake_id}") } while $got->{status} == 202 && time < $deadline;
is(json($got)->{kind}, 'hold', 'an operator reads what was asked for nobody');
is(code_of(get("hold?user_id=$payer&handshake_id=$queued->{handshake_id}")), 'handshake_unknown', 'it belongs to nobody');
is(json(post('hold', qq({"source_wallet_id":$from,"amount":1}), { Prefer => 'wait=20' }))->{kind}, 'hold', 'and may be waited for');
is(code_of(post('wallet', '{}')), 'missing_member', 'a wallet belongs to somebody');

done_testing();
