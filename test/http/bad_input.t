#!/usr/bin/perl
# What is refused, as tables: [what it shows, the body, the code]. The HTTP status is the code's.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;

my %status = (
    invalid_json => 400, not_an_object => 422, unknown_member => 422, duplicate_member => 422,
    missing_member => 422, wrong_type => 422, id_out_of_range => 422, invalid_amount => 422,
    invalid_handshake => 422, amount_not_positive => 422, amount_negative => 422,
    amount_precision => 422, amount_too_large => 422, same_wallet => 422, unknown_currency => 422,
    handshake_unknown => 404, body_too_large => 413, bad_request => 400, invalid_limit => 422,
);

sub refused {
    my ($name, $answer, $code) = @_;
    my $problem = json($answer);
    is("$answer->{status} $answer->{headers}{'content-type'} " . code_of($answer),
        "$status{$code} application/problem+json $code", $name)
        or diag($answer->{content});
    is($problem->{status}, $answer->{status}, "$name: the status is in the problem")
        if $answer->{status} >= 400;
}

my ($user, $from) = wallet('100');
my ($other, $to) = wallet('100');

sub transaction {
    my ($sum) = @_;
    return qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum});
}

my @payments = (
    [ 'an exponent', transaction('1e2'), 'invalid_amount' ],
    [ 'an exponent in a string', transaction('"1E2"'), 'invalid_amount' ],
    [ 'three decimals', transaction('0.001'), 'amount_precision' ],
    [ 'more decimals than a double holds', transaction('777.8800000000000000001'), 'amount_precision' ],
    [ 'negative', transaction('-1'), 'amount_not_positive' ],
    [ 'zero', transaction('0'), 'amount_not_positive' ],
    [ 'negative zero', transaction('-0.00'), 'amount_not_positive' ],
    [ 'a bare NaN', transaction('NaN'), 'invalid_json' ],
    [ 'NaN in a string', transaction('"NaN"'), 'invalid_amount' ],
    [ 'Infinity in a string', transaction('"Infinity"'), 'invalid_amount' ],
    [ 'a leading zero', transaction('007'), 'invalid_json' ],
    [ 'a leading zero in a string', transaction('"007"'), 'invalid_amount' ],
    [ 'a plus sign', transaction('"+7"'), 'invalid_amount' ],
    [ 'blanks around', transaction('" 7"'), 'invalid_amount' ],
    [ 'beyond 64 bits', transaction('92233720368547758.08'), 'amount_too_large' ],
    [ 'far beyond 64 bits', transaction('9' x 300), 'amount_too_large' ],
    [ 'an empty string', transaction('""'), 'invalid_amount' ],
    [ 'true', transaction('true'), 'wrong_type' ],
    [ 'null', transaction('null'), 'wrong_type' ],
    [ 'an object', transaction('{}'), 'wrong_type' ],
    [ 'source = destination', qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$from,"trans_sum":1}), 'same_wallet' ],
    [ 'a member missing', qq({"user_id":$user,"source_wallet_id":$from,"trans_sum":1}), 'missing_member' ],
    [ 'a member twice', qq({"user_id":$user,"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1}), 'duplicate_member' ],
    [ 'the amount twice', qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1,"trans_sum":2}), 'duplicate_member' ],
    [ 'an unknown member', qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1,"fee":1}), 'unknown_member' ],
    [ 'an id in a string with a blank', qq({"user_id":"$user ","source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1}), 'wrong_type' ],
    [ 'an id of zero', qq({"user_id":0,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1}), 'id_out_of_range' ],
    [ 'a negative id', qq({"user_id":$user,"source_wallet_id":-1,"dest_wallet_id":$to,"trans_sum":1}), 'id_out_of_range' ],
    [ 'an id beyond 64 bits', qq({"user_id":9223372036854775808,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1}), 'id_out_of_range' ],
    [ 'cut JSON', '{"user_id":1,', 'invalid_json' ],
    [ 'two objects', '{}{}', 'invalid_json' ],
    [ 'nothing', '', 'invalid_json' ],
    [ 'blanks', '   ', 'invalid_json' ],
    [ 'an array', '[]', 'not_an_object' ],
    [ 'a number', '7', 'not_an_object' ],
    [ 'a string', '"x"', 'not_an_object' ],
    [ 'null alone', 'null', 'not_an_object' ],
    [ 'a form', 'user_id=1&amount=2', 'invalid_json' ],
    [ 'invalid UTF-8', qq({"user_id":1,"\xff":1}), 'invalid_json' ],
    [ 'overlong UTF-8', qq({"user_id":1,"\xc0\xaf":1}), 'invalid_json' ],
    [ 'a surrogate in UTF-8', qq({"user_id":1,"\xed\xa0\x80":1}), 'invalid_json' ],
    [ 'cut UTF-8', qq({"user_id":1,"\xe2\x82), 'invalid_json' ],
    [ 'a NUL byte', qq({"user_id":1,"a":"\0"}), 'invalid_json' ],
    [ 'deep nesting', '[' x 2000 . ']' x 2000, 'not_an_object' ],
    [ 'deep nesting that is cut', '[' x 4000, 'invalid_json' ],
    [ '8192 bytes', '{"a":"' . 'x' x (8192 - 8) . '"}', 'unknown_member' ],
    [ '8193 bytes', '{"a":"' . 'x' x (8193 - 8) . '"}', 'body_too_large' ],
    [ '100 KB', '{"a":"' . 'x' x 100_000 . '"}', 'body_too_large' ],
);
refused("payment: $_->[0]", post('transaction', $_->[1]), $_->[2]) for @payments;

my $new = new_user();
my @wallets = (
    [ 'negative', qq({"user_id":$new,"amount":-0.01}), 'amount_negative' ],
    [ 'three decimals', qq({"user_id":$new,"amount":0.001}), 'amount_precision' ],
    [ 'decimals that yen has not', qq({"user_id":$new,"amount":0.5,"currency":"jpy"}), 'amount_precision' ],
    [ 'no such currency', qq({"user_id":$new,"amount":1,"currency":"zzz"}), 'unknown_currency' ],
    [ 'a currency of another type', qq({"user_id":$new,"amount":1,"currency":1}), 'wrong_type' ],
    [ 'no user', '{"amount":1}', 'missing_member' ],
);
refused("wallet: $_->[0]", post('wallet', $_->[1]), $_->[2]) for @wallets;

my $handshake = json(post('wallet', qq({"user_id":$new,"amount":1})))->{handshake_id};
my $unknown = 'f' x 64;
my @questions = (
    [ 'an unknown handshake', qq({"user_id":$new,"handshake_id":"$unknown"}), 'handshake_unknown' ],
    [ "another user's handshake", qq({"user_id":$other,"handshake_id":"$handshake"}), 'handshake_unknown' ],
    [ 'a short handshake', qq({"user_id":$new,"handshake_id":"abc"}), 'invalid_handshake' ],
    [ 'no hexadecimal digits', qq({"user_id":$new,"handshake_id":"@{['g' x 64]}"}), 'invalid_handshake' ],
    [ 'a number for a handshake', qq({"user_id":$new,"handshake_id":1}), 'wrong_type' ],
    [ 'a word for a user', qq({"user_id":"me","handshake_id":"$handshake"}), 'wrong_type' ],
    [ 'a user with a fraction', qq({"user_id":1.5,"handshake_id":"$handshake"}), 'wrong_type' ],
    [ 'a user of zero', qq({"user_id":0,"handshake_id":"$handshake"}), 'id_out_of_range' ],
    [ 'a user beyond 64 bits', qq({"user_id":9223372036854775808,"handshake_id":"$handshake"}), 'id_out_of_range' ],
    [ 'no user', qq({"handshake_id":"$handshake"}), 'missing_member' ],
    [ 'no handshake', qq({"user_id":$new}), 'missing_member' ],
    [ 'an unknown member', qq({"user_id":$new,"handshake_id":"$handshake","x":1}), 'unknown_member' ],
    [ 'a member twice', qq({"user_id":$new,"user_id":$new,"handshake_id":"$handshake"}), 'duplicate_member' ],
    [ 'cut JSON', '{"user_id":', 'invalid_json' ],
    [ 'invalid UTF-8', qq({"user_id":1,"\xff":1}), 'invalid_json' ],
    [ 'a NUL escape', '{"user_id":1,"handshake_id":"\u0000"}', 'invalid_json' ],
    [ 'an array', '[1]', 'not_an_object' ],
    [ 'a number', '1', 'not_an_object' ],
    [ 'no members at all', undef, 'missing_member' ],
    [ '100 KB', '{"a":"' . 'x' x 100_000 . '"}', 'body_too_large' ],
);
refused("wallet's handshake: $_->[0]", get('wallet', $_->[1]), $_->[2]) for @questions;
is(get('transaction', qq({"user_id":$new,"handshake_id":"$handshake"}))->{status}, 404,
    "a wallet's handshake names no transaction");
is(get('wallet', qq({"user_id":$other,"handshake_id":"$handshake"}))->{content},
    get('wallet', qq({"user_id":$other,"handshake_id":"$unknown"}))->{content},
    "another user's handshake is not told from an unknown one");

my @strings = (
    [ 'unknown member', "user_id=$new&x=1", 'unknown_member' ],
    [ 'twice', "user_id=$new&user_id=$new&handshake_id=$handshake", 'duplicate_member' ],
    [ 'not digits', "user_id=1x&handshake_id=$handshake", 'wrong_type' ],
    [ 'negative', "user_id=-1&handshake_id=$handshake", 'id_out_of_range' ],
    [ 'a zero in front', "user_id=01&handshake_id=$handshake", 'wrong_type' ],
    [ 'empty', "user_id=&handshake_id=$handshake", 'wrong_type' ],
    [ 'zero', "user_id=0&handshake_id=$handshake", 'id_out_of_range' ],
    [ 'beyond 64 bits', "user_id=9223372036854775808&handshake_id=$handshake", 'id_out_of_range' ],
    [ 'a bad escape', "user_id=%zz&handshake_id=$handshake", 'bad_request' ],
    [ 'an escaped NUL', "user_id=1%00&handshake_id=$handshake", 'bad_request' ],
    [ 'missing', "user_id=$new", 'missing_member' ],
);
refused("query string: $_->[0]", get("wallet?$_->[1]"), $_->[2]) for @strings;
refused('members in the body and in the query string', get("wallet?user_id=$new", qq({"user_id":$new})), 'bad_request');
refused('a POST with a query string', post("wallet?user_id=$new", qq({"user_id":$new,"amount":1})), 'bad_request');
refused('a page of no rows', get("wallet/history?user_id=$user&wallet_id=$from&limit=0"), 'invalid_limit');
refused('a page of 1001 rows', get("wallet/history?user_id=$user&wallet_id=$from&limit=1001"), 'invalid_limit');

my @rejections = (
    [ 'not the owner', $other, $from, $to, '1', 'not_owner' ],
    [ 'no such source', $user, 9223372036854775807, $to, '1', 'source_wallet_not_found' ],
    [ 'no such destination', $user, $from, 9223372036854775807, '1', 'destination_wallet_not_found' ],
    [ 'insufficient funds', $user, $from, $to, '100.01', 'insufficient_funds' ],
);
for my $case (@rejections) {
    my ($name, $who, $source, $destination, $sum, $code) = @$case;
    my $answer = pay($who, $source, $destination, $sum);
    is("$answer->{status} " . (json($answer)->{info}{code} // ''), "200 $code", "rejected: $name")
        or diag($answer->{content});
}
my ($japanese, $yen) = wallet('100', 'jpy');
is(json(pay($user, $from, $yen, '1'))->{info}{code}, 'currency_mismatch', 'rejected: another currency');

is(json(get("wallet/async?user_id=$user&wallet_id=$from"))->{amount}, 100, 'nothing of all this moved money');

done_testing();
