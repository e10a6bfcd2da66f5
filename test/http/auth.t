#!/usr/bin/perl
# API keys: who may do what, each route with each scope, keys of one user, wrong keys in all forms,
# revocation, and that no key is seen in a log or an answer. Needs psql, by the PG* variables, as a
# superuser, to make the keys; the shims come in as the role wallet_shim.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use IPC::Open2;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;

my $run = new_user();
my $count = 0;
my %name;    # of each key that was made
my $seen = '';    # all that was ever answered

# One session for all: starting psql takes longer than what it is asked.
open2(my $psql_out, my $psql_in, 'psql', '-XqAt');
sub sql {
    my ($statement) = @_;
    my @said;
    print $psql_in "$statement;\n\\echo done\n";
    while (defined(my $line = <$psql_out>)) {
        chomp $line;
        last if $line eq 'done';
        push @said, $line;
    }
    return join "\n", @said;
}

sub key {
    my ($scopes, $user) = @_;
    my $name = "$run-" . ++$count;
    my $key = sql("SELECT wallet_api_key_create('$name', '{$scopes}'" . ($user ? ", $user" : '') . ')');
    BAIL_OUT('no key') if $key !~ /^pgw_/;
    $name{$key} = $name;
    return $key;
}

sub revoke { my ($key) = @_; sql("SELECT wallet_api_key_revoke('$name{$key}')"); return time; }

sub with {
    my ($key, $method, $path, $body) = @_;
    my $answer = ask($method, $path, $body, defined $key ? { Authorization => "Bearer $key" } : {});
    $seen .= join("\n", %{ $answer->{headers} }, $answer->{content} // '', '');
    return $answer;
}

# Wallets, made by the shim that needs no key.
my ($user, $from) = wallet('1000');
my ($other, $to) = wallet('1000');
my $handshake = json(post('deposit', qq({"user_id":$user,"wallet_id":$from,"amount":1})))->{handshake_id};

# A shim with the rights that it needs and no more.
sub shim {
    my ($name, @flags) = @_;
    local @ENV{qw(PGUSER PGAPPNAME)} = ('wallet_shim', "$run-$name");
    my $shim = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public', @flags);
    local $ENV{WALLET_URL} = $shim;
    my $deadline = time + 10;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
    return $shim;
}

# Stops it, and waits until its sessions have ended and written down what they counted.
sub end_shim {
    my ($name, $shim) = @_;
    my $deadline = time + 10;
    stop_shim($shim);
    $seen .= shim_log($shim);
    sleep 0.05 while sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$run-$name'") > 0 && time < $deadline;
}

my $url = $ENV{WALLET_URL} = shim('first', '--auth', 'required');
my $second = shim('second', '--auth', 'required', '--threads', 1);

# --- each route with each scope

sub transfer { my ($who) = @_; return qq({"user_id":$who,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01}); }

# [method, path, body of a user, the scopes of which one is enough, status]
my @routes = (
    [ 'POST', 'wallet', sub { qq({"user_id":$_[0],"amount":1}) }, 'deposit', 202 ],
    [ 'POST', 'transaction', \&transfer, 'transfer', 202 ],
    [ 'POST', 'transaction/bulk', sub { '[' . transfer($_[0]) . ']' }, 'transfer', 202 ],
    [ 'POST', 'deposit', sub { qq({"user_id":$_[0],"wallet_id":$from,"amount":1}) }, 'deposit', 202 ],
    [ 'POST', 'withdrawal', sub { qq({"user_id":$_[0],"wallet_id":$from,"amount":1}) }, 'transfer', 202 ],
    [ 'POST', 'hold', sub { qq({"user_id":$_[0],"source_wallet_id":$from,"dest_wallet_id":$to,"amount":0.01}) }, 'transfer', 202 ],
    [ 'POST', 'capture', sub { qq({"user_id":$_[0],"hold_id":999999999999}) }, 'capture', 202 ],
    [ 'POST', 'void', sub { qq({"user_id":$_[0],"hold_id":999999999999}) }, 'transfer capture', 202 ],
    [ 'POST', 'hold_extend', sub { qq({"user_id":$_[0],"hold_id":999999999999,"amount":1}) }, 'transfer', 202 ],
    [ 'POST', 'reversal', sub { qq({"user_id":$_[0],"transfer_id":999999999999}) }, 'transfer reverse', 202 ],
    [ 'POST', 'group', sub { qq({"user_id":$_[0],"legs":[{"kind":"fee","source_wallet_id":$from,"dest_wallet_id":$to,"amount":0.01}]}) }, 'transfer', 202 ],
    [ 'POST', 'group_reversal', sub { qq({"user_id":$_[0],"group_id":999999999999}) }, 'transfer reverse', 202 ],
    [ 'POST', 'bulk', sub { '[' . transfer($_[0]) =~ s/\{/{"kind":"transaction",/r . ']' }, 'transfer deposit capture reverse', 202 ],
    [ 'QUERY', 'outcome', sub { qq([{"user_id":$_[0],"handshake_id":"$handshake"}]) }, 'read', 200 ],
    [ 'GET', 'hold/async', sub { qq({"user_id":$_[0],"wallet_id":$from}) }, 'read', 200 ],
    [ 'GET', 'wallet', sub { qq({"user_id":$_[0],"wallet_id":$from}) }, 'read', 202 ],
    [ 'GET', 'wallet', sub { qq({"user_id":$_[0],"handshake_id":"$handshake"}) }, 'read', 404 ],
    [ 'GET', 'transaction', sub { qq({"user_id":$_[0],"handshake_id":"$handshake"}) }, 'read', 404 ],
    [ 'QUERY', 'transaction', sub { qq({"user_id":$_[0],"handshake_id":"$handshake"}) }, 'read', 404 ],
    [ 'GET', 'deposit', sub { qq({"user_id":$_[0],"handshake_id":"$handshake"}) }, 'read', 200 ],
    [ 'GET', 'withdrawal', sub { qq({"user_id":$_[0],"handshake_id":"$handshake"}) }, 'read', 404 ],
    [ 'GET', 'wallet/async', sub { qq({"user_id":$_[0],"wallet_id":$from}) }, 'read', 200 ],
    [ 'GET', 'wallet/async', sub { qq({"user_id":$_[0]}) }, 'read', 200 ],
    [ 'HEAD', 'wallet/async', sub { qq({"user_id":$_[0],"wallet_id":$from}) }, 'read', 200 ],
    [ 'GET', 'transaction/async', sub { qq({"user_id":$_[0],"transaction_id":999999999999}) }, 'read', 404 ],
    [ 'GET', 'wallet/history', sub { qq({"user_id":$_[0],"wallet_id":$from}) }, 'read', 200 ],
);
my @scopes = qw(read transfer deposit capture reverse operator);
my %key = map { $_ => key($_) } @scopes;
$key{'all but operator'} = key('read,transfer,deposit,capture,reverse');
$key{revoked} = key('operator');
revoke($key{revoked});
$key{invented} = 'pgw_' . '0' x 64;
$key{none} = undef;
my $realm = 'Bearer realm="pg_wallet"';

# The outcome of the deposit is there before it is asked for.
$ENV{WALLET_URL} = $url;
my $deadline = time + 10;
sleep 0.01
    while with($key{read}, 'GET', '/api/v1/deposit', qq({"user_id":$user,"handshake_id":"$handshake"}))->{status} != 200 && time < $deadline;

for my $route (@routes) {
    my ($method, $path, $body, $scope, $status) = @$route;
    for my $holder (sort keys %key) {
        my $may = grep({ $holder eq $_ } split ' ', $scope) || $holder eq 'operator' || $holder eq 'all but operator';
        my $expected = $holder =~ /none|revoked|invented/ ? '401 unauthenticated'
            : $may ? $status : '403 insufficient_scope';
        my $answer = with($key{$holder}, $method, "/api/v1/$path", $body->($user));
        my $code = $method eq 'HEAD' ? $expected =~ s/^\d+ ?//r : code_of($answer);
        $code = '' if $may;
        is(join(' ', $answer->{status}, $code || ()), $expected, "$method $path: $holder");
        my $challenge = $answer->{headers}{'www-authenticate'};
        is($challenge, $holder eq 'none' ? $realm : qq($realm, error="invalid_token"), "$method $path: $holder: challenge")
            if $answer->{status} == 401;
        is($challenge, qq($realm, error="insufficient_scope", scope="$scope"), "$method $path: $holder: challenge")
            if $answer->{status} == 403;
    }
}

# [method, path, status]: what tells nothing of money needs no key.
for my $case ([ 'GET', '/healthz', 200 ], [ 'GET', '/readyz', 200 ], [ 'GET', '/openapi.json', 200 ],
    [ 'OPTIONS', '/api/v1/wallet', 204 ], [ 'GET', '/nowhere', 404 ], [ 'DELETE', '/api/v1/wallet', 405 ]) {
    is(with(undef, @$case[ 0, 1 ])->{status}, $case->[2], "$case->[0] $case->[1]: no key is needed");
    is(with($key{invented}, @$case[ 0, 1 ])->{status}, $case->[2], "$case->[0] $case->[1]: nor looked at");
}

# What the OpenAPI description says of scopes is what the routes want.
my $openapi = json(with(undef, 'GET', '/openapi.json'));
is($openapi->{components}{securitySchemes}{apiKey}{scheme}, 'bearer', 'OpenAPI: the scheme');
for my $route (grep { $_->[0] =~ /GET|POST/ } @routes) {
    my $operation = $openapi->{paths}{"/api/v1/$route->[1]"}{ lc $route->[0] };
    my @found = sort map { @{ $_->{apiKey} || [] } } @{ $operation->{security} };
    is_deeply([ scalar @{ $operation->{security} }, @found ], [ 1 + @found, sort split ' ', $route->[3] ], "OpenAPI: $route->[0] $route->[1]");
    ok($operation->{responses}{$_}, "OpenAPI: $route->[0] $route->[1]: $_") for 401, 403;
}

# --- a key of one user acts for that user alone

for my $scopes ('read,transfer,deposit,capture,reverse', 'operator') {
    my $mine = key($scopes, $user);
    for my $route (@routes) {
        my ($method, $path, $body, undef, $status) = @$route;
        is(with($mine, $method, "/api/v1/$path", $body->($user))->{status}, $status, "$scopes: $method $path for its user");
        my $answer = with($mine, $method, "/api/v1/$path", $body->($other));
        is("$answer->{status} " . ($method eq 'HEAD' ? 'wrong_user' : code_of($answer)), '403 wrong_user',
            "$scopes: $method $path for another user");
        is($answer->{headers}{'www-authenticate'}, qq($realm, error="insufficient_scope"), 'challenge');
    }
}
my $mine = key('read,transfer,deposit', $user);
is(with($mine, 'GET', "/api/v1/wallet/async?user_id=$other&wallet_id=$to")->{status}, 403, 'a query string for another user');
is(with($mine, 'GET', "/api/v1/wallet/async?user_id=$user&wallet_id=$to")->{status}, 404, "another user's wallet is not found");
is(json(with($mine, 'GET', "/api/v1/wallet/async?user_id=$user&wallet_id=$from"))->{wallet_id}, $from, 'its own is');
is(json(with($mine, 'GET', "/api/v1/wallet/async?user_id=$user"))->{wallet_id}, $from, 'without its id, too');
is(code_of(with($mine, 'GET', "/api/v1/wallet/async?user_id=$other")), 'wrong_user', "another user's is refused");

# Nothing that could be read in two ways gets through, and nothing of it is stored.
my $rest = qq("source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":0.01);
my @payloads = (
    [ 'no user', "{$rest}" ],
    [ 'both users', qq({"user_id":$user,"user_id":$other,$rest}) ],
    [ 'both users, the other one first', qq({"user_id":$other,"user_id":$user,$rest}) ],
    [ 'a name with an escape', qq({"user\\u005fid":$other,$rest}) ],
    [ 'both, one with an escape', qq({"user_id":$user,"user\\u005fid":$other,$rest}) ],
    [ 'a string that is no id', qq({"user_id":"0$user",$rest}) ],
    [ 'another user in a string', qq({"user_id":"$other",$rest}) ],
    [ 'another user with a decimal', qq({"user_id":$other.0,$rest}) ],
    [ 'a fraction', qq({"user_id":$user.5,$rest}) ],
    [ 'a huge number', qq({"user_id":18446744073709551617,$rest}) ],
    [ 'no object', $user ],
    [ 'no JSON', qq({"user_id":$user,) ],
    [ 'what one parser may refuse', qq({"user_id":$other,$rest,"a":1e999}) ],
    [ 'nested too deeply for one', qq({"user_id":$other,$rest,"a":) . '[' x 2100 . ']' x 2100 . '}' ],
    [ 'a NUL escape', qq({"user_id":$other,$rest,"a":"\\u0000"}) ],
);
my $stored = sql('SELECT count(*) FROM wallet.request');
for my $case (@payloads) {
    is(code_of(with($mine, 'POST', '/api/v1/transaction', $case->[1])), 'wrong_user', "a payload with $case->[0]");
    is(code_of(with($mine, 'POST', '/api/v1/transaction/bulk', '[' . transfer($user) . ",$case->[1]]")),
        $case->[0] eq 'no JSON' ? 'invalid_json' : 'wrong_user', "an array that has one with $case->[0]");
}
is(code_of(with($mine, 'POST', '/api/v1/transaction/bulk', '[' . join(',', (transfer($user)) x 500, transfer($other)) . ']')),
    'wrong_user', 'the last of many is for another user');
is(sql('SELECT count(*) FROM wallet.request'), $stored, 'nothing of that was stored');
is(with($mine, 'POST', '/api/v1/transaction', qq({"user_id":$_,$rest}))->{status}, 202, "its own user, written as $_") for qq("$user"), "$user.0", qq("$user.00");
is(code_of(with($mine, 'POST', '/api/v1/transaction', qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":@{['9' x 400]}}))), 'amount_too_large', 'a number that no double holds does not hide the user');
my $many = with($mine, 'POST', '/api/v1/transaction/bulk', '[' . join(',', (transfer($user)) x 500) . ']');
is($many->{status}, 202, 'many for its own user');
is(with($mine, 'POST', '/api/v1/transaction/bulk', '[]')->{content}, '[]', 'none at all');

# --- legs and elements by their kinds, bounds, and who speaks for all

sub leg { my ($kind) = @_; return $kind eq 'deposit' ? qq({"kind":"deposit","wallet_id":$from,"amount":0.01})
    : $kind =~ /capture|void/ ? qq({"kind":"$kind","hold_id":999999999999}) : $kind eq 'reversal' ? qq({"kind":"reversal","transfer_id":999999999999})
    : qq({"kind":"$kind","source_wallet_id":$from,"dest_wallet_id":$to,"amount":0.01}); }
sub of_user { my ($leg) = @_; return $leg =~ s/\{/{"user_id":$user,/r; }
$key{'transfer,deposit'} = key('transfer,deposit');
$key{'transfer,capture'} = key('transfer,capture', $user);

# [scopes of the key, kinds of the legs, the scopes that are missing]
for my $case ([ 'transfer', 'transaction fee hold void reversal', '' ], [ 'transfer', 'fee deposit', 'deposit' ], [ 'transfer', 'capture', 'capture' ],
    [ 'transfer,deposit', 'fee deposit', '' ], [ 'transfer,deposit', 'deposit capture', 'capture' ], [ 'transfer,capture', 'capture void', '' ], [ 'operator', 'deposit capture', '' ]) {
    my ($scopes, $kinds, $missing) = @$case;
    my $answer = with($key{$scopes}, 'POST', '/api/v1/group', qq({"user_id":$user,"legs":[) . join(',', map { leg($_) } split ' ', $kinds) . ']}');
    is(join(' ', $answer->{status}, code_of($answer) || ()), $missing ? '403 insufficient_scope' : 202, "$scopes: a group of $kinds");
    is($answer->{headers}{'www-authenticate'}, qq($realm, error="insufficient_scope", scope="$missing"), 'which scope') if $missing;
}
for my $legs ('"legs":[],"legs":[' . leg('deposit') . ']', '"legs":[' . leg('deposit') . '],"legs":[]', '"l\u0065gs":[' . leg('deposit') . ']', '"legs":[' . leg('deposit') =~ s/"deposit"/"dep\\u006fsit"/r . ']',
    '"legs":[' . leg('fee') =~ s/"kind"/"kind":"deposit","kind"/r . ']', '"legs":[' . leg('deposit') . '],"a":1e999', '"legs":[' . leg('deposit') . ',"\u0000"]', '"legs":[' . leg('deposit') . '],"a":' . '[' x 2100 . ']' x 2100) {
    my $answer = with($key{transfer}, 'POST', '/api/v1/group', qq({"user_id":$user,$legs}));
    ok($answer->{status} =~ /^4/, 'no leg that is read in two ways: ' . substr $legs, 0, 60) or diag("$answer->{status} $answer->{content}");
}
my @mixed = qw(transaction hold deposit capture reversal);
for my $case ([ 'transfer', 'stored stored insufficient_scope insufficient_scope stored' ], [ 'deposit', 'insufficient_scope insufficient_scope stored insufficient_scope insufficient_scope' ], [ 'operator', 'stored stored stored stored stored' ]) {
    my $body = '[' . join(',', map { of_user(leg($_)) =~ s/"transaction"(.*)"amount"/"transaction"$1"trans_sum"/r } @mixed) . ']';
    my $list = JSON::PP->new->decode(with($key{ $case->[0] }, 'POST', '/api/v1/bulk', $body)->{content});
    is(join(' ', map { $_->{info}{code} // 'stored' } @$list), $case->[1], "$case->[0]: an array of @mixed");
}
is(code_of(with($mine, 'POST', '/api/v1/bulk', '[' . of_user(leg('hold')) . ',' . leg('hold') . ']')), 'wrong_user', 'each element names the user of the key');
is(code_of(with($mine, 'QUERY', '/api/v1/outcome', qq([{"user_id":$user,"handshake_id":"$handshake"},{"user_id":$other,"handshake_id":"$handshake"}]))), 'wrong_user', 'and each question');
is(code_of(with($mine, 'QUERY', '/api/v1/outcome', '[1]')), 'wrong_user', 'one that names nobody is for nobody');

sub settled {
    my ($key, $kind, $body) = @_;
    my $answer = ask('POST', "/api/v1/$kind", $body, { Authorization => "Bearer $key", Prefer => 'wait=20' });
    my $found = json($answer);
    return $found->{info}{code} // $found->{code} // $found->{status} // 'none';
}
my $bounded = sql("SELECT wallet_api_key_create('$run-bounded', '{read,transfer}', $user, max_amount => 0.05)");
my $pay = sub { return qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$_[0]}); };
is(settled($bounded, 'transaction', $pay->('0.05')), 'processed', 'a key with a bound: up to it');
is(settled($bounded, 'transaction', $pay->('0.06')), 'amount_above_limit', 'and not beyond it');
is(settled($bounded, 'hold', qq({"user_id":$user,"source_wallet_id":$from,"amount":0.06})), 'amount_above_limit', 'nor is more held');

# [scopes, bound to a user, what becomes of a payment that names nobody, and of the reversal of one]
my $paid = json(ask('POST', '/api/v1/transaction', $pay->('0.03'), { Authorization => "Bearer $key{operator}", Prefer => 'wait=20' }))->{transaction_id};
for my $case ([ 'operator', undef, 'processed', 'processed' ], [ 'operator,read', $user, 'wrong_user', 'not_owner' ], [ 'transfer,read', undef, 'missing_member', 'not_owner' ],
    [ 'transfer,reverse,read', undef, 'missing_member', 'processed' ], [ 'transfer,reverse,read', $user, 'wrong_user', 'not_owner' ]) {
    my ($scopes, $bound, $payment, $reversal) = @$case;
    my $key = key($scopes, $bound);
    my $who = $bound ? "$scopes of one user" : $scopes;
    is(settled($key, 'transaction', $pay->('0.01') =~ s/"user_id":$user,//r), $payment, "$who: a payment that names nobody");
    is(settled($key, 'reversal', qq({"user_id":$user,"transfer_id":$paid,"amount":0.01})), $reversal, "$who: a reversal of somebody else's");
}
is(code_of(with($key{read}, 'GET', "/api/v1/hold?handshake_id=$handshake")), 'missing_member', 'who does not speak for all names the user');
is(code_of(with($key{operator}, 'GET', "/api/v1/hold?handshake_id=$handshake")), 'handshake_unknown', 'an operator need not');
is(with($key{read}, 'POST', '/api/v1/transaction?dry_run=true', $pay->('0.01'))->{status}, 403, 'a dry run needs the scope of the request');
is(json(with($bounded, 'POST', '/api/v1/transaction?dry_run=true', $pay->('0.06')))->{code}, 'amount_above_limit', 'and knows the bound');
is(code_of(with($bounded, 'POST', '/api/v1/transaction?dry_run=true', $pay->('0.01') =~ s/$user/$other/r)), 'wrong_user', 'and the user');

# --- the field itself

my $query = "/api/v1/wallet/async?user_id=$user&wallet_id=$from";
my $good = $key{read};

# [what it shows, the field's value, status]
my @fields = (
    [ 'as it should be', "Bearer $good", 200 ],
    [ 'in small letters', "bearer $good", 200 ],
    [ 'in capitals', "BEARER $good", 200 ],
    [ 'two blanks', "Bearer  $good", 200 ],
    [ 'a blank at the end', "Bearer $good ", 200 ],
    [ 'no key', 'Bearer', 401 ],
    [ 'the key alone', $good, 401 ],
    [ 'no blank', "Bearer$good", 401 ],
    [ 'another scheme', "Basic $good", 401 ],
    [ 'quotes', qq(Bearer "$good"), 401 ],
    [ 'something after it', "Bearer $good x", 401 ],
    [ 'a comma', "Bearer $good,", 401 ],
    [ 'two keys', "Bearer $good, Bearer $good", 401 ],
    [ 'a letter less', 'Bearer ' . substr($good, 0, -1), 401 ],
    [ 'a letter more', "Bearer ${good}0", 401 ],
    [ 'other letters', 'Bearer ' . uc $good, 401 ],
    [ 'bytes beyond ASCII', "Bearer \xc3\xa4$good", 401 ],
    [ 'nothing', '', 401 ],
);
sub raw {
    my ($method, $path, $fields, $body) = @_;
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '';
    return "$method $path HTTP/1.1\r\nHost: localhost\r\n$fields$length\r\n" . ($body // '');
}
my $next = raw('GET', '/healthz', '');
for my $case (@fields) {
    my $socket = connect_raw();
    print $socket raw('GET', $query, "Authorization: $case->[1]\r\n"), $next;
    my @answers = read_answers($socket, 2);
    is(join(' ', map { $_->{status} // 'closed' } @answers), "$case->[2] 200", "the field: $case->[0]");
    $seen .= "$_->{head}\n$_->{body}\n" for @answers;
}
my ($twice) = talk(raw('GET', $query, "Authorization: Bearer $good\r\nAuthorization: Bearer $good\r\n") . $next);
is($twice->{status}, 401, 'the field twice');

# --- keys that the loop has not heard of: the database is asked while the request stands still

sub chunked { return "Transfer-Encoding: chunked\r\n\r\n" . join('', map { "1\r\n$_\r\n" } split //, $_[0]) . "0\r\n\r\n"; }
my $deposit = qq({"user_id":$user,"wallet_id":$from,"amount":1});
my $large = '[' . join(',', (transfer($user)) x 8000) . ']';
for my $case (
    [ 'a body', sub { raw('POST', '/api/v1/deposit', $_[0], $deposit) } ],
    [ 'an empty body', sub { raw('POST', '/api/v1/deposit', $_[0], '') }, 400 ],
    [ 'chunks', sub { raw('POST', '/api/v1/deposit', $_[0]) =~ s/\r\n\z//r . chunked($deposit) } ],
    [ 'no chunks', sub { raw('POST', '/api/v1/deposit', $_[0]) =~ s/\r\n\z//r . chunked('') }, 400 ],
    [ 'a large body', sub { raw('POST', '/api/v1/transaction/bulk', $_[0], $large) } ],
    [ 'a body that is too large', sub { raw('POST', '/api/v1/deposit', $_[0], 'x' x 9000) }, 413 ],
) {
    my ($what, $bytes, $status) = @$case;
    for my $known (1, 0) {
        my $key = $known ? key('operator') : sprintf 'pgw_%064d', ++$count;
        my $socket = connect_raw();
        print $socket $bytes->("Authorization: Bearer $key\r\n"), $next;
        my @answers = read_answers($socket, 2);
        my $expected = $known ? $status // 202 : 401;
        $expected = "401 200|413 200" if !$known && ($status // 0) == 413;
        like(join(' ', map { $_->{status} // 'closed' } @answers), $expected =~ /\|/ ? qr/^(?:$expected)$/ : qr/^$expected 200$/,
            "$what with a new " . ($known ? 'good' : 'wrong') . ' key: the connection goes on');
    }
}
for my $known (1, 0) {
    my $key = $known ? key('deposit') : sprintf 'pgw_%064d', ++$count;
    my $socket = connect_raw();
    print $socket raw('POST', '/api/v1/deposit', "Authorization: Bearer $key\r\nExpect: 100-continue\r\n", $deposit) =~ s/\Q$deposit\E\z//r;
    $socket->sysread(my $continue, 25);
    like($continue, qr{^HTTP/1.1 100 Continue}, 'asked to go on');
    print $socket $deposit;
    is((read_answers($socket, 1))[0]{status}, $known ? 202 : 401, 'who asks first, with a new ' . ($known ? 'good' : 'wrong') . ' key');
}
my @keys = map { $_ % 2 ? key('read') : sprintf('pgw_%064d', ++$count) } 1 .. 20;
my $socket = connect_raw();
print $socket map { raw('GET', $query, "Authorization: Bearer $_\r\n") } @keys, @keys;
is(join(' ', map { $_->{status} // 'closed' } read_answers($socket, 40)), join(' ', ('200 401') x 20), 'pipelined: each with its own key');
close $socket;
for (1 .. 50) {    # clients that leave while the database is being asked
    my $gone = connect_raw();
    print $gone raw('POST', '/api/v1/deposit', sprintf("Authorization: Bearer pgw_%064d\r\n", ++$count), $deposit);
    close $gone;
}
is(with($good, 'GET', $query)->{status}, 200, 'clients that leave meanwhile');

# --- revocation

my @shims = ($url, $second);
my $doomed = key('read,deposit');
sub from { my ($shim, $key) = @_; local $ENV{WALLET_URL} = $shim; return with($key, 'GET', $query)->{status}; }
is(from($_, $doomed), 200, 'a key is good') for @shims;
my $slow = connect_raw($url);
print $slow raw('POST', '/api/v1/deposit', "Authorization: Bearer $doomed\r\n", $deposit) =~ s/\}\z//r;

# Each on a connection of its own, so that every event loop gets its share.
sub afresh { my ($shim) = @_; return (talk(raw('GET', $query, "Authorization: Bearer $doomed\r\n") . $next, $shim))[0]{status}; }
my $late = 0;
afresh($_) for (@shims) x 10;
my $revoked_at = revoke($doomed);
while (time < $revoked_at + 1) {
    my $sent_at = time;
    $late = $sent_at - $revoked_at if grep { $_ != 401 } map { afresh($_) } @shims;
}
is(scalar(grep { $_ != 401 } map { afresh($_) } (@shims) x 10), 0, "a second after it was revoked every loop refuses a key: the last one after $late s");
print $slow '}';
is((read_answers($slow, 1))[0]{status}, 401, 'a request that began before the key was revoked and ended after');

# --- a key that is used all the time, good or wrong, is hardly ever asked for

end_shim('first', $url);
end_shim('second', $second);
my $lonely = $ENV{WALLET_URL} = shim('lonely', '--auth', 'required', '--threads', 1);
sub scans { return sql("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelid = 'wallet.api_key_pkey'::regclass"); }
my $before = scans();
my $start = time;
for (1 .. 200) { with($good, 'GET', $query); with($key{invented}, 'GET', $query); }
my $windows = 2 + int((time - $start) / 0.75);
end_shim('lonely', $lonely);
my $asked = scans() - $before;
ok($asked >= 2 && $asked <= 2 * $windows + 2, "400 requests with two keys: the database was asked $asked times")
    or diag("in $windows windows");

# --- without a database nobody can say whether a key is good

{
    local @ENV{qw(PGHOST PGPORT)} = ('127.0.0.1', 1);
    local $ENV{WALLET_URL} = start_shim('--auth', 'required');
    my $answer = with($good, 'GET', $query);
    is("$answer->{status} " . code_of($answer), '503 database_unavailable', 'no database: 503, not 401');
    is($answer->{headers}{'retry-after'}, '1', 'with Retry-After');
    is(with(undef, 'GET', $query)->{status}, 401, 'no database and no key: 401');
    $seen .= shim_log($ENV{WALLET_URL});
}

# --- no key is written anywhere, whatever is logged

SKIP: {
    my $file = $ENV{PGHOST} =~ s{/socket$}{/log/postgres.log}r;
    skip "the server's log is not where it is expected", 4 if !-r $file;
    my $size = -s $file;
    local $ENV{PGOPTIONS} = '-c log_min_messages=debug5 -c log_min_error_statement=debug5 -c log_statement=all'
        . ' -c log_min_duration_statement=0 -c log_parameter_max_length_on_error=-1 -c debug_print_plan=on';
    local $ENV{WALLET_URL} = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public', '--auth', 'required');
    my $loud = key('read');
    `psql -XAtc "SELECT wallet_api_key_create('$name{$loud}', '{read}')" 2>&1`;
    my $answer;
    $deadline = time + 10;
    do { $answer = with($loud, 'GET', $query) } while $answer->{status} == 503 && time < $deadline;
    is($answer->{status}, 200, 'a server that logs everything');
    with('pgw_' . 'e' x 64, 'GET', $query);
    stop_shim($ENV{WALLET_URL});
    $seen .= shim_log($ENV{WALLET_URL});
    open my $log, '<', $file or die "cannot read $file: $!";
    seek $log, $size, 0;
    my $text = do { local $/; <$log> };
    like($text, qr/wallet_api_key_check_many/, 'has logged the question');
    like($text, qr/wallet_api_key_create/, 'and the making of a key');
    # debug_print_plan shows strings as their bytes, in decimal.
    my @forms = map { ($_, join(' ', map { ord } split //, $_)) } $loud, 'pgw_' . 'e' x 64;
    is(scalar(grep { index($text, $_) >= 0 } @forms), 0, 'but no key');
}
is(scalar(grep { index($seen, $_) >= 0 } keys %name), 0, 'no answer and no log of a shim has a key');
unlike($seen, qr/pgw_0{10}/, 'nor a wrong one');

# --- where requests need no key

my $program = "$FindBin::Bin/../../shim/wallet-shim";
for my $address ('0.0.0.0', '::') {
    my $said = `$program --port 0 --auth off --address $address 2>&1`;
    is($? >> 8, 1, "without keys on $address: exit status 1");
    like($said, qr/--insecure-no-auth/, "without keys on $address: says which flag it takes");
}
$ENV{WALLET_URL} = shim('forced', '--address', '0.0.0.0', '--insecure-no-auth', '--host', '0.0.0.0');
like(shim_log($ENV{WALLET_URL}), qr/anybody who reaches 0\.0\.0\.0 .* may move money/, 'forced: it says what that means');
is(with(undef, 'GET', $query)->{status}, 200, 'forced: no key is needed');
is(with($key{invented}, 'GET', $query)->{status}, 200, 'forced: nor looked at');
stop_shim($ENV{WALLET_URL});
# In a container who reaches the shim is decided by where its port is published.
for my $published ('0.0.0.0', '192.0.2.1', '::') {
    my $said = `$program --port 0 --auth off --address 0.0.0.0 --published-address $published 2>&1`;
    is($? >> 8, 1, "published on $published: exit status 1");
    like($said, qr/anybody who reaches \Q$published\E move money.*--insecure-no-auth/, "published on $published: says why");
    my $forced = shim("on $published", '--address', '0.0.0.0', '--published-address', $published, '--insecure-no-auth');
    like(shim_log($forced), qr/anybody who reaches \Q$published\E .*may move money/, "published on $published, forced: it says what that means");
    stop_shim($forced);
}
{
    my $said = `$program --port 0 --auth off --address 127.0.0.1 --published-address 0.0.0.0 2>&1`;
    is($? >> 8, 1, 'published on every address: a loopback address of the container is of no use');
}
my $published = shim('published', '--address', '0.0.0.0', '--published-address', '127.0.0.1');
unlike(shim_log($published), qr/anybody|insecure|may move money/, 'published on a loopback address: no warning');
like(shim_log($published), qr/published on 127\.0\.0\.1/, 'but a word about it');
stop_shim($published);
my $named = start_shim('--auth', 'required', '--address', '0.0.0.0', '--published-address', '127.0.0.1');
unlike(shim_log($named), qr/unencrypted/, 'nor do keys travel anywhere');
stop_shim($named);
for my $address ('127.0.0.1', '127.1.2.3', 'localhost') {
    stop_shim(my $local = start_shim('--address', $address));
    like($local, qr/http/, "without keys on $address");
}
my $default = start_shim('--auth', 'required', '--address', '0.0.0.0');
like(shim_log($default), qr/API keys travel unencrypted/, 'keys without TLS: it warns');
stop_shim($default);
{
    local $ENV{WALLET_AUTH};
    like(`$program --help`, qr/--auth=required\|off.*\n.*default "required"/, 'keys are needed by default');
}
is(system("$program --auth maybe 2>/dev/null") >> 8, 2, '--auth takes no other word');
is(system("WALLET_INSECURE_NO_AUTH=perhaps $program 2>/dev/null") >> 8, 2, 'nor does the switch');

done_testing();
