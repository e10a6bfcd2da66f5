#!/usr/bin/perl
# A shim without API keys lets no foreign web page in: what a browser says of a page in Host, Origin
# and Sec-Fetch-Site, and what an attacker makes of it, as tables of request and answer. What is
# refused is not stored. browser.t asks a real browser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(sleep time);

my ($port) = url() =~ /:(\d+)$/;
my ($user, $wallet) = wallet('1');
my $deposit = qq({"user_id":$user,"wallet_id":$wallet,"amount":1});
my $accepted = 0;

# Sends a request by lines, with a body or without: "STATUS CODE".
sub answer_to {
    my ($url, $line, $fields, $body) = @_;
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '';
    my ($answer) = talk(join('', map { "$_\r\n" } $line, @$fields, 'Connection: close') . "$length\r\n" . ($body // ''), $url);
    my $code = ($answer->{body} // '') =~ /"code":"(\w+)"/ ? " $1" : '';
    return ($answer->{status} // 'closed') . $code;
}

my $refused = '403 foreign_origin';

# [what it shows, fields, answer] of a deposit as curl or a page's fetch sends it
my @deposits = (
    [ 'curl', ["Host: localhost:$port"], 202 ],
    [ 'localhost without a port', ['Host: localhost'], 202 ],
    [ 'another port, as behind a published one', ['Host: localhost:1'], 202 ],
    [ 'a port that is not written', ['Host: localhost:'], 202 ],
    [ 'capitals', ['Host: LocalHost:8000'], 202 ],
    [ 'a last dot', ['Host: localhost.:8000'], 202 ],
    [ 'a name below localhost', ['Host: pay.localhost:8000'], 202 ],
    [ 'a name below it with a last dot', ['Host: a.b.LOCALHOST.'], 202 ],
    [ '127.0.0.1', ["Host: 127.0.0.1:$port"], 202 ],
    [ 'another address of the loopback', ['Host: 127.255.1.2'], 202 ],
    [ 'an address with a last dot', ['Host: 127.0.0.1.'], 202 ],
    [ 'IPv6', ["Host: [::1]:$port"], 202 ],
    [ 'IPv6 without a port', ['Host: [::1]'], 202 ],
    [ 'IPv6 in full', ['Host: [0:0:0:0:0:0:0:1]:8000'], 202 ],
    [ 'blanks around', ["Host:  localhost:$port \t"], 202 ],
    [ 'a page of the server itself', [ "Host: localhost:$port", "Origin: http://localhost:$port", 'Sec-Fetch-Site: same-origin' ], 202 ],
    [ 'the same without a port', [ 'Host: 127.0.0.1', 'Origin: http://127.0.0.1' ], 202 ],
    [ 'the same with IPv6', [ 'Host: [::1]:8000', 'Origin: http://[::1]:8000' ], 202 ],
    [ 'typed by a person', [ "Host: localhost:$port", 'Sec-Fetch-Site: none' ], 202 ],

    [ 'a name that leads here (DNS rebinding)', ['Host: evil.example'], $refused ],
    [ 'the same with the port', ["Host: evil.example:$port"], $refused ],
    [ 'the same from its own page', [ "Host: evil.example:$port", "Origin: http://evil.example:$port", 'Sec-Fetch-Site: same-origin' ], $refused ],
    [ 'an address before a name', ['Host: 127.0.0.1.evil.example'], $refused ],
    [ 'localhost before a name', ['Host: localhost.evil.example'], $refused ],
    [ 'localhost at the end of a name', ['Host: evil-localhost'], $refused ],
    [ 'localhost with a tail', ['Host: localhostile'], $refused ],
    [ 'a name of one word', ['Host: shim:8000'], $refused ],
    [ 'no label', ['Host: .localhost'], $refused ],
    [ 'an empty label', ['Host: a..localhost'], $refused ],
    [ 'two last dots', ['Host: localhost..'], $refused ],
    [ 'a dot alone', ['Host: .'], $refused ],
    [ 'a user', ['Host: localhost@evil.example'], $refused ],
    [ 'a user before localhost', ['Host: evil.example@localhost'], $refused ],
    [ 'a user with a password', ['Host: localhost:8000@evil.example'], $refused ],
    [ 'a path', ['Host: localhost/evil.example'], $refused ],
    [ 'a backslash', ['Host: localhost\\.evil.example'], $refused ],
    [ 'a fragment', ['Host: localhost#.evil.example'], $refused ],
    [ 'an escape', ['Host: %6cocalhost'], $refused ],
    [ 'two names', ['Host: localhost, evil.example'], $refused ],
    [ 'a blank within', ['Host: localhost evil.example'], $refused ],
    [ 'a port of letters', ['Host: localhost:http'], $refused ],
    [ 'a port too large', ['Host: localhost:65536'], $refused ],
    [ 'two ports', ['Host: localhost:1:2'], $refused ],
    [ 'a scheme', ["Host: http://localhost:$port"], $refused ],
    [ 'bytes beyond ASCII', ["Host: localhost\xc2\xad"], $refused ],
    [ 'nothing', ['Host:'], $refused ],
    [ 'a port alone', ["Host: :$port"], $refused ],
    [ 'every address', ["Host: 0.0.0.0:$port"], $refused ],
    [ 'every address of IPv6', ["Host: [::]:$port"], $refused ],
    [ 'another address', ['Host: 10.0.0.1'], $refused ],
    [ 'nearly a loopback address', ['Host: 128.0.0.1'], $refused ],
    [ 'an address in short', ['Host: 127.1'], $refused ],
    [ 'an address as one number', ['Host: 2130706433'], $refused ],
    [ 'an octal address', ['Host: 0177.0.0.1'], $refused ],
    [ 'an address with leading zeros', ['Host: 127.000.000.001'], $refused ],
    [ 'IPv6 of somebody else', ['Host: [fe80::1]'], $refused ],
    [ 'IPv6 with a zone', ['Host: [::1%25lo]'], $refused ],
    [ 'IPv6 without brackets', ['Host: ::1'], $refused ],
    [ 'brackets that are not closed', ['Host: [::1'], $refused ],
    [ 'a name in brackets', ['Host: [localhost]'], $refused ],
    [ 'something behind the brackets', ['Host: [::1].evil.example'], $refused ],

    [ 'another site', [ "Host: localhost:$port", 'Origin: https://evil.example' ], $refused ],
    [ 'another port', [ "Host: localhost:$port", 'Origin: http://localhost:3000' ], $refused ],
    [ 'the default port', [ "Host: localhost:$port", 'Origin: http://localhost' ], $refused ],
    [ 'another name of this machine', [ "Host: localhost:$port", "Origin: http://127.0.0.1:$port" ], $refused ],
    [ 'another scheme', [ "Host: localhost:$port", "Origin: https://localhost:$port" ], $refused ],
    [ 'no scheme', [ "Host: localhost:$port", "Origin: localhost:$port" ], $refused ],
    [ 'null, as of a sandbox or a file', [ "Host: localhost:$port", 'Origin: null' ], $refused ],
    [ 'nothing', [ "Host: localhost:$port", 'Origin:' ], $refused ],
    [ 'the own origin before another one', [ "Host: localhost:$port", "Origin: http://localhost:$port http://evil.example" ], $refused ],
    [ 'the own origin as a name before another one', [ "Host: localhost:$port", "Origin: http://localhost:$port.evil.example" ], $refused ],
    [ 'the own origin with a slash', [ "Host: localhost:$port", "Origin: http://localhost:$port/" ], $refused ],
    [ 'the own origin as a user', [ "Host: localhost:$port", "Origin: http://localhost:$port\@evil.example" ], $refused ],
    [ 'two origins', [ "Host: localhost:$port", "Origin: http://localhost:$port", 'Origin: http://evil.example' ], $refused ],
    [ 'two origins, the foreign one first', [ "Host: localhost:$port", 'Origin: http://evil.example', "Origin: http://localhost:$port" ], $refused ],
    [ 'the own origin twice', [ "Host: localhost:$port", ("Origin: http://localhost:$port") x 2 ], $refused ],
    [ 'an extension of a browser', [ "Host: localhost:$port", 'Origin: chrome-extension://abc' ], $refused ],
    [ 'another site, by Sec-Fetch-Site', [ "Host: localhost:$port", 'Sec-Fetch-Site: cross-site' ], $refused ],
    [ 'another port, by Sec-Fetch-Site', [ "Host: localhost:$port", 'Sec-Fetch-Site: same-site' ], $refused ],
    [ 'Sec-Fetch-Site with nothing', [ "Host: localhost:$port", 'Sec-Fetch-Site:' ], $refused ],
    [ 'Sec-Fetch-Site with an unknown word', [ "Host: localhost:$port", 'Sec-Fetch-Site: friendly' ], $refused ],
    [ 'Sec-Fetch-Site twice', [ "Host: localhost:$port", 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site' ], $refused ],
    [ 'a list of sites', [ "Host: localhost:$port", 'Sec-Fetch-Site: same-origin, cross-site' ], $refused ],
    [ 'the own origin, but another site', [ "Host: localhost:$port", "Origin: http://localhost:$port", 'Sec-Fetch-Site: cross-site' ], $refused ],
    [ 'another origin, but the own site', [ "Host: localhost:$port", 'Origin: http://evil.example', 'Sec-Fetch-Site: same-origin' ], $refused ],
    [ 'a WebSocket', [ "Host: localhost:$port", 'Origin: http://evil.example', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' ], $refused ],
);
# A shim of this test's own that has its database.
sub start_ready {
    local $ENV{WALLET_URL} = start_shim(@_);
    my $deadline = time + 10;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
    return url();
}

sub deposit_is {
    my ($url, $case) = @_;
    my ($name, $fields, $answer) = @$case;
    $accepted++ if $answer eq '202';
    is(answer_to($url, 'POST /api/v1/deposit HTTP/1.1', $fields, $deposit), $answer, $name);
}
deposit_is(url(), $_) for @deposits;

# What a page can send without being asked for leave first: each form of a body.
for my $type ('application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=b', 'application/json', undef) {
    my @fields = ("Host: localhost:$port", 'Origin: http://evil.example', defined $type ? "Content-Type: $type" : ());
    is(answer_to(url(), 'POST /api/v1/deposit HTTP/1.1', \@fields, $deposit), $refused, 'a foreign page sends ' . ($type // 'no type'));
    is(answer_to(url(), 'POST /api/v1/transaction/bulk HTTP/1.1', \@fields, '[]'), $refused, 'the same in bulk');
    is(answer_to(url(), 'POST /api/v1/wallet HTTP/1.1', \@fields, 'x' x 9000), $refused, 'the same with a large body');
}
my $foreign = "Host: localhost:$port\r\nOrigin: http://evil.example\r\n";
my @answers = read_answers(do {
    my $socket = connect_raw();
    print $socket "POST /api/v1/wallet HTTP/1.1\r\n${foreign}Content-Length: 5\r\n\r\n12345GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    $socket;
}, 2);
is(join(' ', map { $_->{status} // 'closed' } @answers), '403 200', 'the body of a refused request is read, and the connection goes on');
for my $length (9000, 100_000_000) {
    my ($answer, $closed) = talk("POST /api/v1/wallet HTTP/1.1\r\n${foreign}Expect: 100-continue\r\nContent-Length: $length\r\n\r\n");
    is("$answer->{status} $closed", '403 1', "a body of $length bytes that is asked about first is not called for");
}

# [the request's line, answer without a body] with a Host that is foreign, and with one that is not
my @lines = (
    [ 'GET /api/v1/wallet?user_id=1&wallet_id=1', $refused, 202 ],
    [ 'QUERY /api/v1/wallet?user_id=1&wallet_id=1', $refused, 202 ],
    [ 'GET /api/v1/wallet/async', $refused, '422 missing_member' ],
    [ 'OPTIONS /api/v1/wallet', $refused, 204 ],
    [ 'DELETE /api/v1/wallet', $refused, '405 method_not_allowed' ],
    [ 'PATCH /api/v1/nothing', $refused, '404 not_found' ],
    [ 'GET //api///v1/wallet//', $refused, '422 missing_member' ],
    [ 'GET /%61pi/v1/wallet', $refused, '422 missing_member' ],
    [ 'GET /api/v1/wallet/../../healthz', $refused, '404 not_found' ],
    [ 'GET /api/v1/wallet;/healthz', $refused, '404 not_found' ],
    [ 'GET /openapi.json', $refused, 200 ],
    [ 'GET /', $refused, '404 not_found' ],
    [ 'OPTIONS *', $refused, '404 not_found' ],
    [ 'GET /nowhere?x=/healthz', $refused, '404 not_found' ],
    [ 'GET /healthz', 200, 200 ],
    [ 'GET //healthz/', 200, 200 ],
    [ 'GET /healthz?a', '422 unknown_member', '422 unknown_member' ],
    [ 'POST /healthz', '405 method_not_allowed', '405 method_not_allowed' ],
    [ 'GET /readyz', 200, 200 ],
);
my $other_user = new_user();
for my $case (@lines) {
    my ($line, $foreign_answer, $own_answer) = @$case;
    $line =~ s/user_id=1/user_id=$other_user/;
    is(answer_to(url(), "$line HTTP/1.1", ['Host: evil.example']), $foreign_answer, "$line: a foreign host");
    is(answer_to(url(), "$line HTTP/1.1", [ "Host: localhost:$port", 'Origin: http://evil.example' ]), $foreign_answer, "$line: a foreign origin");
    is(answer_to(url(), "$line HTTP/1.1", [ "Host: localhost:$port", 'Sec-Fetch-Site: cross-site' ]), $foreign_answer, "$line: a foreign site");
    is(answer_to(url(), "$line HTTP/1.1", ["Host: localhost:$port"]), $own_answer, "$line: a program of this machine");
}
my $head = connect_raw();
print $head "HEAD /api/v1/wallet?user_id=1&wallet_id=1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
like(join('', <$head>), qr{\AHTTP/1.1 403 .*\r\n\r\n\z}s, 'HEAD');

# [what it shows, target, fields, answer]: a target in absolute form, which counts before Host
my @absolute = (
    [ 'both the same', "http://localhost:$port", ["Host: localhost:$port"], 202 ],
    [ 'both the same but for capitals', "HTTP://LocalHost:$port", ["Host: localhost:$port"], 202 ],
    [ 'a foreign target', 'http://evil.example', ["Host: localhost:$port"], $refused ],
    [ 'a foreign host', "http://localhost:$port", ['Host: evil.example'], $refused ],
    [ 'both foreign', 'http://evil.example', ['Host: evil.example'], $refused ],
    [ 'two ports', 'http://localhost:1', ['Host: localhost:2'], $refused ],
    [ 'two names of this machine', 'http://127.0.0.1', ['Host: localhost'], $refused ],
    [ 'a user', "http://evil.example\@localhost:$port", ["Host: localhost:$port"], $refused ],
    [ 'no host', 'http://', ['Host: localhost'], $refused ],
    [ 'no host in either', 'http://', ['Host:'], $refused ],
    [ 'a fragment', 'http://localhost#.evil.example', ['Host: localhost'], $refused ],
    [ 'an escape', 'http://local%68ost', ['Host: localhost'], $refused ],
    [ 'a long name', 'http://' . 'a' x 1000, ['Host: localhost'], $refused ],
    [ 'a long name with the host before it', 'http://localhost' . '.' x 1000, ['Host: localhost'], $refused ],
);
for my $case (@absolute) {
    my ($name, $target, $fields, $answer) = @$case;
    is(answer_to(url(), "GET $target/api/v1/wallet?user_id=$other_user&wallet_id=1 HTTP/1.1", $fields), $answer, "absolute: $name");
}
is(answer_to(url(), 'GET http://evil.example/healthz HTTP/1.1', ['Host: evil.example']), 200, 'absolute: a probe');
# [target, fields, answer] in HTTP/1.0, where Host may be missing
for my $case ([ '', [], $refused ], [ '', ['Host: localhost'], 202 ], [ '', ['Host: evil.example'], $refused ],
    [ 'http://localhost', [], 202 ], [ 'http://evil.example', [], $refused ]) {
    my ($target, $fields, $answer) = @$case;
    is(answer_to(url(), "GET $target/api/v1/wallet?user_id=$other_user&wallet_id=1 HTTP/1.0", $fields), $answer, "HTTP/1.0: $target @$fields");
}
is(answer_to(url(), 'GET /healthz HTTP/1.0', []), 200, 'HTTP/1.0: a probe');

# The refusal says which field it is about, and what to do.
for my $case ([ 'Host', 'Host: a', qr/Host .*--host.*--auth=required/ ], [ 'Origin', "Host: localhost\r\nOrigin: null", qr/Origin .*--auth=required/ ],
    [ 'Sec-Fetch-Site', "Host: localhost\r\nSec-Fetch-Site: cross-site", qr/Sec-Fetch-Site .*--auth=required/ ]) {
    my ($answer) = talk("GET /api/v1/wallet HTTP/1.1\r\n$case->[1]\r\nConnection: close\r\n\r\n");
    like($answer->{body}, qr/"detail":"[^"]*$case->[2]/, "the refusal names $case->[0] and the cure");
    like($answer->{head}, qr{^Content-Type: application/problem\+json\r}m, 'it is a problem');
    unlike($answer->{head}, qr/^(Access-Control|WWW-Authenticate)/mi, 'which lets nobody in');
}

# --- names of one's own

my $named = start_ready('--host', 'Pay.example, other.example:8443,10.0.0.7.,[FD00:0::7]:9,web');
for my $case (
    [ 'pay.example', 202 ], [ 'PAY.example.:8000', 202 ], [ 'www.pay.example', $refused ], [ 'pay.example.evil.example', $refused ],
    [ 'other.example:8443', 202 ], [ 'other.example', $refused ], [ 'other.example:80', $refused ], [ 'other.example:84430', $refused ],
    [ '10.0.0.7', 202 ], [ '10.0.0.7:1', 202 ], [ '10.0.0.70', $refused ], [ '[fd00::7]:9', 202 ], [ '[fd00::7]:8', $refused ], [ '[fd00::7]', $refused ],
    [ 'web:8000', 202 ], [ 'web.evil.example', $refused ], [ 'localhost', 202 ], [ 'evil.example', $refused ],
) {
    deposit_is($named, [ "--host: $case->[0]", ["Host: $case->[0]"], $case->[1] ]);
    my $origin = "Origin: http://$case->[0]";
    deposit_is($named, [ "--host: $case->[0] from its own page", [ "Host: $case->[0]", $origin ], $case->[1] ]);
    deposit_is($named, [ "--host: $case->[0] from a foreign page", [ "Host: $case->[0]", 'Origin: http://evil.example' ], $refused ]);
}
deposit_is($named, [ '--host: a page of one name and a request to the other', [ 'Host: web', 'Origin: http://pay.example' ], $refused ]);
stop_shim($named);
my $default_port = start_ready('--host', 'pay.example:80');
deposit_is($default_port, [ '--host: the port of the scheme', ['Host: pay.example'], 202 ]);
stop_shim($default_port);

my $program = "$FindBin::Bin/../../shim/wallet-shim";
for my $list ('http://pay.example', 'pay.example:http', 'pay.example:65536', 'a,,b', ',', 'a,', '*', '*.example', 'a b', 'pay.example/', '::1', '[::1', '10.0.0.0/8',
    'a' x 64, join('.', ('a' x 60) x 5), join(',', map { "h$_" } 1 .. 65)) {
    my $shown = substr $list, 0, 20;
    my $said = `WALLET_HOST= $program --port 0 --auth off --host '$list' 2>&1`;
    is($? >> 8, 2, "--host '$shown': exit status 2");
    like($said, qr/^wallet-shim: --host has /, 'says so');
    `WALLET_HOST='$list' $program --port 0 --auth off 2>&1`;
    is($? >> 8, 2, "WALLET_HOST='$shown': the same");
}
like(`$program --help`, qr/--host=NAMES.*\n.*variable WALLET_HOST, default ""/, 'it stands in --help');

# --- with TLS the own origin is https

SKIP: {
    my $dir = File::Temp->newdir;
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        . " -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null") == 0 or skip 'needs openssl', 3;
    chmod 0600, "$dir/key.pem";
    local $ENV{WALLET_URL} = start_ready('--tls-cert', "$dir/cert.pem", '--tls-key', "$dir/key.pem");
    my ($address) = url() =~ m{//(.*)};
    my @headers = ({ Origin => "https://$address" }, { Origin => "http://$address" }, {});
    is(join(' ', map { post('deposit', $deposit, $_)->{status} } @headers), '202 403 202', 'TLS: the own origin, the same without TLS, none');
    $accepted += 2;
    stop_shim(url());
}

# --- with keys nothing of all this is looked at

my $keyed = start_shim('--auth', 'required');
for my $case ([ 'a foreign host', ['Host: evil.example'] ], [ 'no host', ['Host:'] ], [ 'a foreign origin', [ 'Host: a', 'Origin: null', 'Sec-Fetch-Site: cross-site' ] ]) {
    is(answer_to($keyed, 'POST /api/v1/deposit HTTP/1.1', $case->[1], $deposit), '401 unauthenticated', "with keys: $case->[0]");
    is(answer_to($keyed, 'GET /openapi.json HTTP/1.1', $case->[1]), 200, "with keys: $case->[0], and no key needed");
}
stop_shim($keyed);

# --- what was refused was not stored

is(json(outcome_of('deposit', $user, $deposit))->{status}, 'processed', 'a last deposit, after all others');
is(json(get("wallet/async?user_id=$user&wallet_id=$wallet"))->{amount}, $accepted + 2, 'the money of the accepted deposits is there, and no more');

done_testing();
