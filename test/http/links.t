#!/usr/bin/perl
# include=links: the answer of a transfer tells what has reversed it, and that of a hold what became of it, by handshake,
# past the queue and for many at once. Without it each answer stays as it is, to the byte.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use JSON::PP;
use Test::More;

my ($payer, $from) = wallet('1000');
my ($payee, $to) = wallet('500');

# Carries out a request: its handshake, and the id of its transfer or of its group.
sub done {
    my ($kind, $user, $members) = @_;
    my $answer = json(outcome_of($kind, $user, qq({"user_id":$user,$members})));
    return ($answer->{handshake_id}, $answer->{transaction_id} // $answer->{group_id} // fail("$kind: " . ($answer->{info}{code} // 'no outcome')));
}
# Without keys an operator asks, who names no user, and may reverse everything.
sub reverse_part { my ($id, $amount) = @_; return json(post('reversal', qq({"transfer_id":$id,"amount":$amount}), { Prefer => 'wait=20' }))->{transaction_id} // fail("reversal of $id"); }
sub linked { my ($kind, $user, $handshake) = @_; return get("$kind?user_id=$user&handshake_id=$handshake&include=links")->{content}; }
sub plain { my ($kind, $user, $handshake) = @_; return get("$kind?user_id=$user&handshake_id=$handshake")->{content}; }
sub rows { my ($content) = @_; return join ' ', map { "$_->{kind}:" . join(',', map { ref ? "[@$_]" : $_ } grep { defined } @$_{qw(reversed reversals links)}) } @{ json({ content => $content })->{rows} }; }
my $route = qq("source_wallet_id":$from,"dest_wallet_id":$to);

# --- each kind that moves money: [the kind, who asks, its members]

my %reversed;
for my $case (
    [ 'transaction', $payer, qq($route,"trans_sum":100) ], [ 'deposit', $payer, qq("wallet_id":$from,"amount":100) ],
    [ 'withdrawal', $payer, qq("wallet_id":$from,"amount":100) ], [ 'capture', $payee, qq("hold_id":) . (done('hold', $payer, qq($route,"amount":100)))[1] ])
{
    my ($kind, $user, $members) = @$case;
    my ($handshake, $id) = done($kind, $user, $members);
    my $before = plain($kind, $user, $handshake);
    is(linked($kind, $user, $handshake), $before, "$kind: nothing links to it, and nothing is added");
    my @back = map { reverse_part($id, $_) } 20, '0.5';
    is(plain($kind, $user, $handshake), $before, "$kind: an answer stays as it is where its links are not asked for");
    is(linked($kind, $user, $handshake), $before =~ s/\}\z/,"reversed":20.5,"reversals":[$back[0],$back[1]]}/r, "$kind: both reversals, at the end");
    is(get($kind, qq({"include":"links","handshake_id":"$handshake","user_id":$user}))->{content}, linked($kind, $user, $handshake), "$kind: the same in a body");
    my $direct = get("transaction/async?user_id=$user&transaction_id=$id")->{content};
    is(get("transaction/async?user_id=$user&transaction_id=$id&include=links")->{content}, $direct =~ s/\}\z/,"reversed":20.5,"reversals":[$back[0],$back[1]]}/r,
        "$kind: the same past the queue");
    unlike($direct, qr/revers/, "$kind: past the queue, too, only where it is asked for");
    $reversed{$kind} = [ $handshake, $user ];
}
my $shown = json(get("wallet/history?user_id=$payer&wallet_id=$from&limit=1000"))->{operations};
my ($row) = grep { $_->{kind} eq 'capture' } @$shown;
my $answer = json({ content => linked('capture', $payee, $reversed{capture}[0]) });
is(JSON::PP->new->canonical->encode([ @$answer{qw(link_id reversed reversals)} ]), JSON::PP->new->canonical->encode([ @$row{qw(link_id reversed reversals)} ]), 'as the history shows them');

# --- a hold: what became of it

my ($handshake, $hold) = done('hold', $payer, qq($route,"amount":60));
my $before = plain('hold', $payer, $handshake);
is(linked('hold', $payer, $handshake), $before, 'a hold: nothing has become of it');
my @became = map { (done(@$_))[1] } [ 'hold_extend', $payer, qq("hold_id":$hold,"amount":80) ], [ 'capture', $payee, qq("hold_id":$hold,"amount":30,"final":false) ], [ 'void', $payee, qq("hold_id":$hold) ];
is(linked('hold', $payer, $handshake), $before =~ s/\}\z/,"links":[@{[join ',', @became]}]}/r, 'a hold: its extension, capture and void');
is(plain('hold', $payer, $handshake), $before, 'a hold stays as it is where its links are not asked for');
reverse_part($became[1], 10);
is(linked('hold', $payer, $handshake), $before =~ s/\}\z/,"links":[@{[join ',', @became]}]}/r, 'a reversal links to the capture, not to the hold');
like(get("transaction/async?user_id=$payee&transaction_id=$hold&include=links")->{content}, qr/,"group_id":null,"links":\[@{[join ',', @became]}\]\}\z/, 'a hold, past the queue');

# --- the rows of a group

my ($group_handshake, $group) = done('group', $payer, qq("legs":[{"kind":"transaction",$route,"amount":9},{"kind":"fee",$route,"amount":1},{"kind":"hold",$route,"amount":5}]));
$before = plain('group', $payer, $group_handshake);
is(linked('group', $payer, $group_handshake), $before, 'a group: nothing links to its rows');
my $part = reverse_part($group, 4);
my ($back_handshake, $back) = done('group_reversal', $payee, qq("group_id":$group,"keep_fees":true));
my $void = (done('void', $payee, qq("hold_id":) . ($group + 2)))[1];
is(plain('group', $payer, $group_handshake), $before, 'a group stays as it is where the links of its rows are not asked for');
is(rows(linked('group', $payer, $group_handshake)), "transaction:9,[$part $back] fee: hold:[$void]", 'a group: each row has its links');
is(rows($before), 'transaction: fee: hold:', 'and none without');
is(linked('group_reversal', $payee, $back_handshake), plain('group_reversal', $payee, $back_handshake), 'nothing links to a reversal');

# --- what has no links: a refusal

my $refused = json(outcome_of('transaction', $payer, qq({"user_id":$payer,$route,"trans_sum":100000})))->{handshake_id};
is(linked('transaction', $payer, $refused), plain('transaction', $payer, $refused), 'a refusal has no links');

# --- many at once: each question includes what it asks for itself

my $made = json(post('wallet', '{"user_id":' . (my $other = new_user()) . '}', { Prefer => 'wait=20' }))->{handshake_id};
sub question { my ($user, $handshake, $include) = @_; return qq({"user_id":$user,"handshake_id":"$handshake") . (defined $include ? qq(,"include":$include}) : '}'); }
sub many { my $content = ask('QUERY', '/api/v1/outcome', '[' . join(',', @_) . ']')->{content}; return ($content, eval { JSON::PP->new->utf8->decode($content) } || []); }
my ($of_transaction, $of_deposit) = map { [ @{ $reversed{$_} }[ 1, 0 ] ] } qw(transaction deposit);
my ($content, $list) = many(
    question(@$of_transaction, '"links"'), question(@$of_transaction), '1', question(@$of_deposit, '"links"'), question($payer, $handshake, '"links"'),
    question($payer, $group_handshake, '"links"'), question($other, $made, '"limits"'), question($other, $made), question($other, $made, '"links"'),
    question(@$of_transaction, '"limits"'), question($payee, $handshake, '"links"'));
is($content, '[' . join(',', linked('transaction', $payer, $of_transaction->[1]), plain('transaction', $payer, $of_transaction->[1]),
        '{"user_id":null,"handshake_id":null,"status":null,"info":{"msg":"the payload is not a JSON object","code":"not_an_object"}}',
        linked('deposit', $payer, $of_deposit->[1]), linked('hold', $payer, $handshake), linked('group', $payer, $group_handshake),
        get("wallet?user_id=$other&handshake_id=$made&include=limits")->{content}, (plain('wallet', $other, $made)) x 2, plain('transaction', $payer, $of_transaction->[1]),
        qq({"user_id":null,"handshake_id":"$handshake","status":null,"info":{"msg":"there is no such request of this user","code":"handshake_unknown"}})) . ']',
    'many: each as it is answered alone; what says nothing of its kind adds nothing');
is($list->[6]{available}, 0, 'a wallet has its limits');
($content, $list) = many(question(@$of_transaction), question(@$of_deposit));
unlike($content, qr/revers/, 'many: none is told links that nobody has asked for');
($content, $list) = many(map { question($payer, $handshake, $_) } '"holds"', '"LINKS"', '""', '1', 'null', '["links"]', '"links","include":"links"');
is(join(' ', map { $_->{info}{code} } @$list), 'wrong_type wrong_type wrong_type wrong_type wrong_type wrong_type duplicate_member', 'many: other words are refused, each alone');
is($list->[0]{info}{msg}, 'member "include" must be limits or links here', 'the message names the member');
is($list->[1]{info}{msg}, 'member "include" must be one of limits holds links', 'and the words');
is(code_of(ask('QUERY', '/api/v1/outcome?include=links', '[]')), 'bad_request', 'many: not in the query string');
($content, $list) = many(map { question($payer, $_ % 2 ? $of_transaction->[1] : $handshake, '"links"') } 0 .. 8191);
is(scalar(grep { $_->{reversals} && @{ $_->{reversals} } == 2 || $_->{links} && @{ $_->{links} } == 3 } @$list), 8192, '8192 outcomes with their links');

# --- many clients at the same time: each is told what it has asked for

my @asked = map { [ $_ % 2 ? '&include=links' : '', connect_raw() ] } 1 .. 40;
print { $_->[1] } "GET /api/v1/transaction?user_id=$payer&handshake_id=$of_transaction->[1]$_->[0] HTTP/1.1\r\nHost: localhost\r\n\r\n" for @asked;
is(join(' ', map { ((read_answers($_->[1], 1))[0]{body} =~ /reversals/) ? 'links' : 'plain' } @asked), join(' ', map { $_->[0] ? 'links' : 'plain' } @asked), 'in one batch');

# --- words that do not fit

for my $case ([ 'transaction/async', "transaction_id=$hold", 'limits' ], [ 'transaction', "handshake_id=$refused", 'limits' ], [ 'hold', "handshake_id=$handshake", 'holds' ],
    [ 'wallet', "handshake_id=$made", 'links' ], [ 'wallet/async', "wallet_id=$from", 'links' ], [ 'wallet/history', "wallet_id=$from", 'links' ], [ 'group', "handshake_id=$handshake", 'link' ])
{
    my $problem = get("$case->[0]?user_id=$payer&$case->[1]&include=$case->[2]");
    is("$problem->{status} " . code_of($problem), '422 wrong_type', "$case->[0]?include=$case->[2]");
    like(json($problem)->{detail}, qr/^member "include" must be /, "$case->[0]?include=$case->[2]: the detail names the member");
}
is(code_of(get("hold/async?user_id=$payer&hold_id=$hold&include=links")), 'unknown_member', 'the state of a hold has no links');

done_testing();
