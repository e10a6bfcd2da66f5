#!/usr/bin/perl
# Many transfers in one request: the answer to the byte, each judged on its own, the limits, keys,
# memory, and one commit for all. The last needs psql, by the PG* variables, as a superuser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $size_max = 2 * 1024 * 1024;
my ($user, $from) = wallet('2000');
my ($other, $to) = wallet('0.5');

sub transfer { my ($sum) = @_; return qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum}); }
sub bulk { my ($body, $headers) = @_; return post('transaction/bulk', $body, $headers); }
sub array { return '[' . join(',', @_) . ']'; }

# An answer's elements: a handshake or a code for each.
sub elements {
    my ($answer) = @_;
    my $list = eval { JSON::PP->new->utf8->decode($answer->{content}) };
    return ref $list eq 'ARRAY' ? map { $_->{handshake_id} // $_->{info}{code} } @$list : ();
}

# What became of it: the status or the code of its refusal.
sub ending {
    my ($handshake) = @_;
    my $answer = json(outcome('transaction', $user, $handshake));
    return $answer->{info}{code} // $answer->{status};
}

sub balance { my ($who, $wallet) = @_; return (get("wallet/async?user_id=$who&wallet_id=$wallet")->{content} =~ /"amount":([\d.]+)/)[0]; }

# --- the conversation

my $answer = bulk(array(transfer('0.10'), transfer('0.125'), transfer('"777.88"'), 7));
is($answer->{status}, 202, 'a bulk request is accepted');
is($answer->{headers}{'content-type'}, 'application/json', 'JSON');
is($answer->{headers}{'retry-after'}, '1', 'says when to ask for the outcomes');
like($answer->{content}, qr/\A\Q[{"handshake_id":"\E$HANDSHAKE\Q"},{"handshake_id":null,"info":{"msg":"member \"trans_sum\": the amount has more decimals than the currency: usd has 2, not 3","code":"amount_precision"}},{"handshake_id":"\E$HANDSHAKE\Q"},{"handshake_id":null,"info":{"msg":"the payload is not a JSON object","code":"not_an_object"}}]\E\z/,
    'to the byte');
my @handshakes = grep { /\A$HANDSHAKE\z/ } elements($answer);
is(ending($_), 'processed', 'an accepted transfer is carried out') for @handshakes;
is(balance($user, $from), '1222.02', 'the source, to the cent');
is(balance($other, $to), '778.48', 'the destination, to the cent');

# --- each judged on its own, in the order of the array

# [what it shows, the element, a code or the ending of what was accepted]
my @mixed = (
    [ 'a transfer', transfer('1'), 'processed' ],
    [ 'nothing at all', '{}', 'missing_member' ],
    [ 'more than the source holds', transfer('1e4' =~ s/e4/0000/r), 'insufficient_funds' ],
    [ 'an exponent', transfer('1e1'), 'invalid_amount' ],
    [ 'another one', transfer('2.50'), 'processed' ],
    [ 'a string with brackets, a comma and a quote', '{"],[\\",{":1}', 'unknown_member' ],
    [ 'a string that ends in a backslash', '"\\\\"', 'not_an_object' ],
    [ 'an array', '[[],{}]', 'not_an_object' ],
    [ 'an empty string', '""', 'not_an_object' ],
    [ 'null', 'null', 'not_an_object' ],
    [ 'brackets that do not match', '{"user_id":1]', 'invalid_json' ],
    [ 'two values without a comma', '{} {}', 'invalid_json' ],
    [ 'a word', 'transfer', 'invalid_json' ],
    [ 'zero', transfer('0.00'), 'amount_not_positive' ],
    [ 'too large', transfer('9' x 40), 'amount_too_large' ],
    [ 'blanks around and within', " \t\r\n" . transfer('0.01') =~ s/([:,])/ $1\n/gr . "\n ", 'processed' ],
    [ 'a member twice', transfer('1') =~ s/}/,"user_id":1}/r, 'duplicate_member' ],
    [ 'a deep one', transfer('[' x 50_000 . ']' x 50_000), 'wrong_type' ],
    [ 'the last one', transfer('3'), 'processed' ],
);
$answer = bulk(" \n[" . join(',', map { $_->[1] } @mixed) . "]\r\n ");
my @found = elements($answer);
is(scalar @found, scalar @mixed, 'an answer for each');
for my $i (0 .. $#mixed) {
    my $found = $found[$i] // 'none';
    is($found =~ /\A$HANDSHAKE\z/ ? ending($found) : $found, $mixed[$i][2], $mixed[$i][0]);
}
is(balance($user, $from), '1215.51', 'only the good ones moved money');

$answer = bulk(array('{}', 1));
is("$answer->{status} @{[elements($answer)]}", '202 missing_member not_an_object', 'all are refused: still an answer for each');
$answer = bulk('[]');
is("$answer->{status} $answer->{content}", '202 []', 'nothing asked, nothing answered');
is(bulk(" [ \n] ")->{content}, '[]', 'nothing but blanks');

# --- refused as a whole

my @refused = (
    [ 'nothing', '', '400 invalid_json' ],
    [ 'blanks', " \n", '400 invalid_json' ],
    [ 'an open bracket', '[', '400 invalid_json' ],
    [ 'cut after an element', '[' . transfer(1), '400 invalid_json' ],
    [ 'cut after a comma', '[' . transfer(1) . ',', '400 invalid_json' ],
    [ 'cut within an element', substr(array(transfer(1), transfer(1)), 0, -5), '400 invalid_json' ],
    [ 'cut within a string', '["', '400 invalid_json' ],
    [ 'cut after a backslash', '["\\', '400 invalid_json' ],
    [ 'a comma at the end', '[' . transfer(1) . ', ]', '400 invalid_json' ],
    [ 'a comma at the beginning', '[,' . transfer(1) . ']', '400 invalid_json' ],
    [ 'two commas', '[1,,1]', '400 invalid_json' ],
    [ 'something behind it', array(transfer(1)) . 'x', '400 invalid_json' ],
    [ 'two arrays', array(transfer(1)) x 2, '400 invalid_json' ],
    [ 'the wrong bracket at the end', '[' . transfer(1) . '}', '400 invalid_json' ],
    [ 'one bracket too many', '[' . transfer(1) . '}]', '400 invalid_json' ],
    [ 'a form', 'user_id=1', '400 invalid_json' ],
    [ 'invalid UTF-8', array(transfer(1), qq("\xff")), '400 invalid_json' ],
    [ 'a NUL byte', array(transfer(1), qq("\0")), '400 invalid_json' ],
    [ 'an object', transfer(1), '422 not_an_array' ],
    [ 'a string', '"[]"', '422 not_an_array' ],
    [ 'a number', '-1', '422 not_an_array' ],
    [ 'null', 'null', '422 not_an_array' ],
    [ '8193 elements', array(transfer(1), (0) x 8192), '413 too_many_items' ],
    [ 'more than 2 MiB', ' ' x ($size_max - 1) . '[]', '413 body_too_large' ],
);
for my $case (@refused) {
    my ($name, $body, $expected) = @$case;
    my $problem = bulk($body);
    is("$problem->{status} " . code_of($problem), $expected, "refused: $name");
}
is(json(bulk(' ' x $size_max . '[]'))->{detail}, "the body is larger than $size_max bytes", 'the message names the limit');
like(json(bulk(array((0) x 9000)))->{detail}, qr/8192/, 'so does that for too many');
is(balance($user, $from), '1215.51', 'nothing of all this moved money');
is(post('transaction/bulk?user_id=1', '[]')->{status}, 400, 'no query string');
is(bulk('[]', { 'Content-Type' => 'text/plain' })->{status}, 415, 'JSON alone');
is(get('transaction/bulk')->{status}, 405, 'it cannot be read');

# --- the limits

my @many = elements(bulk(array((transfer('0.01')) x 8192)));
is(scalar(grep { /\A$HANDSHAKE\z/ } @many), 8192, '8192 transfers');
my %different = map { $_ => 1 } @many;
is(scalar(keys %different), 8192, 'each with a handshake of its own');
is(ending($many[-1]), 'processed', 'the last of them');
is(balance($user, $from), '1133.59', 'all of them');
my @zeros = elements(bulk(array((0) x 8192)));
is(scalar(grep { $_ eq 'not_an_object' } @zeros), 8192, '8192 refusals');
my @padded = elements(bulk('[' . transfer('0.01') . ' ' x ($size_max - length(transfer('0.01')) - 2) . ']'));
is(ending($padded[0]), 'processed', 'a body of 2 MiB');

sub raw { my ($body, $more) = @_; return "POST /api/v1/transaction/bulk HTTP/1.1\r\nHost: localhost\r\n" . ($more // '') . 'Content-Length: ' . length($body) . "\r\n\r\n$body"; }
my $next = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
my $chunk = ' ' x 65_536;
my @sent = (
    [ 'too large by a byte', raw('x' x ($size_max + 1)), 413 ],
    [ 'too large in chunks', "POST /api/v1/transaction/bulk HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "10000\r\n$chunk\r\n" x 33 . "0\r\n\r\n", 413 ],
    [ 'in chunks', "POST /api/v1/transaction/bulk HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "10000\r\n$chunk\r\n" x 20 . "1\r\n[\r\n1\r\n]\r\n0\r\n\r\n", 202 ],
    [ 'broken', raw('x' x 100_000), 400 ],
);
for my $case (@sent) {
    my $socket = connect_raw();
    print $socket $case->[1], $next;
    my @answers = read_answers($socket, 2);
    is(join(' ', map { $_->{status} // 'closed' } @answers), "$case->[2] 200", "$case->[0]: the connection goes on");
}
my ($huge, $closed) = talk("POST /api/v1/transaction/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n");
is("$huge->{status} $closed", '413 1', 'ten megabytes are refused before they come');

# --- keys and preferences

my $key = "bulk-$user";
my @items = (transfer('0.03'), '{}', transfer('0.04'));
my @first = elements(bulk(array(@items), { 'Idempotency-Key' => $key }));
my @again = elements(bulk(array(@items), { 'Idempotency-Key' => qq("$key") }));
is("@again", "@first", 'the same key and array: the same answer');
is(json(post('transaction', $items[2], { 'Idempotency-Key' => "$key/2" }))->{handshake_id}, $first[2],
    'as if each had been sent alone with its own key');
@again = elements(bulk(array(transfer('0.05'), @items[ 1, 2 ], transfer('0.06')), { 'Idempotency-Key' => $key }));
is("@again[0 .. 2]", "idempotency_mismatch $first[1] $first[2]", 'a transfer that was changed is refused alone');
is(ending($again[3]), 'processed', 'and what was added is taken');
@again = elements(bulk(array(@items), { 'Idempotency-Key' => 'k' x (250 - length $user) . $user }));
is(ending($again[2]), 'processed', 'a key of 250 bytes');
is(code_of(bulk('[]', { 'Idempotency-Key' => 'k' x 251 })), 'invalid_idempotency_key', 'one of 251');
is(balance($user, $from), '1133.38', 'each key was posted once');

$answer = bulk(array(transfer('0.01')), { Prefer => 'wait=10' });
is($answer->{status}, 202, 'a preference to wait is not heeded');
is($answer->{headers}{'preference-applied'}, undef, 'nor said to be');

# --- one commit

SKIP: {
    my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
    skip 'needs psql as a superuser', 1 if $super !~ /t/;
    my ($payer, $source) = wallet('10');
    my $item = transfer('0.01') =~ s/"user_id":$user,"source_wallet_id":$from/"user_id":$payer,"source_wallet_id":$source/r;
    bulk(array((($item) x 100, 0) x 20));
    my $commits = `psql -XAtc "SELECT count(*), count(DISTINCT xmin::text) FROM wallet.request WHERE user_id = $payer AND kind = wallet.kind_number('transaction')"`;
    is($commits, "2000|1\n", 'two thousand transfers, one transaction');
}

# --- memory: who is slow to send cannot take it all

my $url = $ENV{WALLET_URL} = start_shim('--threads', 1, '--bulk-memory', 8, '--schema', $ENV{WALLET_SCHEMA} || 'public');
my $deadline = time + 10;
sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
my $large = array((transfer('0.01')) x 8000);
my $slow = '[' . ' ' x ($size_max - 3) . '1]';
my @slow;
my $refusal;

sub send_slowly { my $socket = connect_raw(); print $socket substr(raw($slow), 0, -1); return $socket; }
@slow = map { send_slowly() } 1 .. 8;
$deadline = time + 10;
# One that is taken meanwhile may have kept slow ones out.
while (($refusal = bulk($large))->{status} == 202 && time < $deadline) { push @slow, send_slowly(); }
is("$refusal->{status} " . code_of($refusal), '503 overloaded', 'no memory is left for another');
is($refusal->{headers}{'retry-after'}, '1', 'it may be tried again');
is(post('transaction', transfer('0.01'))->{status}, 202, 'ordinary requests are taken all the same');
print $_ ']' for @slow;
my %slow = map { $_ => 0 } 202, 503;
$slow{ (read_answers($_, 1))[0]{status} }++ for @slow;
ok($slow{202} >= 1 && $slow{202} <= 4 && $slow{202} + $slow{503} == @slow, 'the slow ones: as many as there is room for')
    or diag(explain(\%slow));
is(bulk($large)->{status}, 202, 'then there is memory again');
close send_slowly() for 1 .. 8;
$deadline = time + 10;
do { $answer = bulk($large) } while $answer->{status} == 503 && time < $deadline;
is($answer->{status}, 202, 'what clients took who went away is given back');
is((stop_shim($url))[0], 0, 'it ends well');

done_testing();
