#!/usr/bin/perl
# HTTPS, with certificates made here: a conversation, connections that are kept, data that waits
# inside TLS, large bodies, clients that do not play along, keys, and what is refused at the start.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use File::Temp;
use HTTP::Tiny;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'needs IO::Socket::SSL' if !eval { require IO::Socket::SSL };

# TLS writes a farewell even while it reads that the other side has closed.
$SIG{PIPE} = 'IGNORE';
my $dir = File::Temp->newdir;
my $schema = $ENV{WALLET_SCHEMA} || 'public';

# Makes a certificate for localhost: the flags that name it and its key.
sub certificate {
    my ($name, $kind) = @_;
    system("openssl req -x509 -newkey $kind -nodes -days 2 -subj /CN=localhost"
            . " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout $dir/$name.key -out $dir/$name.pem 2>/dev/null") == 0
        or BAIL_OUT('openssl makes no certificate');
    return ('--tls-cert', "$dir/$name.pem", '--tls-key', "$dir/$name.key");
}
my @tls = certificate('ec', 'ec -pkeyopt ec_paramgen_curve:prime256v1');
my @rsa = certificate('rsa', 'rsa:2048');

sub shim {
    local $ENV{WALLET_URL} = my $shim = start_shim('--schema', $schema, @_);
    my $deadline = time + 10;
    sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
    return $shim;
}

sub connect_tls {
    my ($shim, %options) = @_;
    my ($address) = $shim =~ m{^https://(.*)};
    my $socket = IO::Socket::SSL->new(PeerAddr => $address, Timeout => 20, SSL_verify_mode => 0, %options);
    $socket->autoflush(1) if $socket;
    return $socket;
}

my $url = $ENV{WALLET_URL} = shim(@tls, '--threads', 1);
like($url, qr{^https://127\.0\.0\.1:\d+\z}, 'it says that it speaks HTTPS');

# --- who it is, and how it speaks

my ($port) = $url =~ /:(\d+)\z/;
my $picky = HTTP::Tiny->new(verify_SSL => 1, SSL_options => { SSL_ca_file => "$dir/ec.pem" });
is($picky->get("https://localhost:$port/healthz")->{content}, '{"status":"ok"}', 'a client that trusts the certificate');
$picky = HTTP::Tiny->new(verify_SSL => 1);
is($picky->get("https://localhost:$port/healthz")->{status}, 599, 'one that does not');
for my $case ([ 'TLSv1_3', 1 ], [ 'TLSv1_2', 1 ], [ 'TLSv1_1', 0 ], [ 'TLSv1', 0 ]) {
    my ($version, $may) = @$case;
    my $socket = connect_tls($url, SSL_version => $version, SSL_cipher_list => 'ALL:@SECLEVEL=0');
    is($socket ? $socket->get_sslversion : 'none', $may ? $version : 'none', "$version: " . ($may ? 'yes' : 'no'));
}
ok(!connect_tls($url, SSL_version => 'TLSv1_2', SSL_cipher_list => 'NULL:aNULL:3DES:RC4:@SECLEVEL=0'), 'no weak ciphers');
my $second = shim(@rsa);
ok(!connect_tls($second, SSL_version => 'TLSv1_2', SSL_cipher_list => 'kRSA:@SECLEVEL=0'), 'nor old sessions open to who gets the key');
is(connect_tls($second)->get_cipher =~ /AES|CHACHA/ ? 1 : 0, 1, 'a key of the other kind');
stop_shim($second);

# --- a conversation

my ($user, $from) = wallet('1000');
my ($other, $to) = wallet('1000');
sub transfer { my ($sum) = @_; return qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":$sum}); }
is(json(pay($user, $from, $to, '777.88'))->{status}, 'processed', 'a payment');
is(json(get("wallet/async?user_id=$other&wallet_id=$to"))->{amount}, 1777.88, 'it has arrived');
my $waited = post('transaction', transfer('0.01'), { Prefer => 'wait=10' });
is("$waited->{status} " . json($waited)->{status}, '200 processed', 'an outcome that was waited for');

# --- connections that are kept

sub raw { my ($method, $path, $body, $fields) = @_; return "$method $path HTTP/1.1\r\nHost: localhost\r\n" . ($fields // '')
        . (defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '') . "\r\n" . ($body // ''); }
my $next = raw('GET', '/healthz');
my $socket = connect_tls($url);
for (1 .. 20) { print $socket raw('POST', '/api/v1/transaction', transfer('0.01')); last if (read_answers($socket, 1))[0]{status} != 202; }
print $socket $next;
is((read_answers($socket, 1))[0]{status}, 200, 'twenty-one requests, one after the other');
print $socket join('', map { raw('POST', '/api/v1/transaction', transfer('0.01')), raw('GET', '/nowhere') } 1 .. 40);
is(join(' ', map { $_->{status} // 'closed' } read_answers($socket, 80)), join(' ', ('202 404') x 40),
    'eighty in one go, more than is read at once: what waits inside TLS is not forgotten');
print $socket raw('POST', '/nowhere', 'x' x 100_000), $next;
is(join(' ', map { $_->{status} // 'closed' } read_answers($socket, 2)), '404 200', 'a body that nobody wants');
my $bytes = raw('POST', '/api/v1/transaction', transfer('0.01'));
print $socket $_ for split //, $bytes;
is((read_answers($socket, 1))[0]{status}, 202, 'a record for each byte');
print $socket raw('POST', '/api/v1/transaction', undef, "Transfer-Encoding: chunked\r\n");
print $socket sprintf("%x\r\n%s\r\n0\r\n\r\n", length transfer('0.01'), transfer('0.01'));
is((read_answers($socket, 1))[0]{status}, 202, 'chunks');
print $socket raw('POST', '/api/v1/transaction', transfer('0.01'), "Expect: 100-continue\r\n") =~ s/\{.*\z//r;
$socket->sysread(my $continue, 25);
like($continue, qr{^HTTP/1.1 100 Continue}, 'who asks first may go on');
print $socket transfer('0.01');
is((read_answers($socket, 1))[0]{status}, 202, 'and is answered');

# --- large ones

my $large = '[' . join(',', (transfer('0.01')) x 8192) . ']';
$large .= ' ' x (2 * 1024 * 1024 - length $large);
print $socket raw('POST', '/api/v1/transaction/bulk', $large), $next;
my ($many, $after) = read_answers($socket, 2);
is("$many->{status} $after->{status}", '202 200', 'a body of 2 MiB');
is(scalar(() = $many->{body} =~ /"handshake_id":"$HANDSHAKE"/g), 8192, 'and an answer of half a megabyte');
print $socket raw('POST', '/api/v1/transaction/bulk', "$large "), $next;
is(join(' ', map { $_->{status} // 'closed' } read_answers($socket, 2)), '413 200', 'a byte more');
close $socket;

# --- clients that do not play along, with an impatient shim; others are served meanwhile

my $hasty = shim(@tls, '--threads', 1, '--request-timeout', 2);
sub is_served { local $ENV{WALLET_URL} = $hasty; return ask('GET', '/healthz')->{status} == 200; }
(my $plain = $hasty) =~ s/^https/http/;
my ($answer, $closed) = talk(raw('POST', '/api/v1/transaction', transfer('1')), $plain);
is(($answer->{status} // 'none') . " $closed", 'none 1', 'plain HTTP: no answer, closed');
ok(is_served(), 'others are served');
my %left;
$left{'nothing at all'} = connect_raw($plain);
$left{'half a greeting'} = connect_raw($plain);
print { $left{'half a greeting'} } "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
$left{'garbage'} = connect_raw($plain);
print { $left{'garbage'} } "\x16\x03\x01\x00\x05" . "\xff" x 200;
$left{'half a head'} = connect_tls($hasty);
print { $left{'half a head'} } "GET /healthz HTTP/1.1\r\nHo";
$left{'half a body'} = connect_tls($hasty);
print { $left{'half a body'} } raw('POST', '/api/v1/transaction', transfer('1')) =~ s/\}\z//r;
for my $what (sort keys %left) {
    ok(is_served(), "$what: others are served");
    my @said = read_answers($left{$what}, 1);
    ok(@said && $said[-1]{closed} && !defined $said[0]{status}, "$what: closed") or diag(explain(\@said));
}
for (1 .. 20) {    # gone in the middle of everything
    my $gone = connect_tls($hasty) or next;
    print $gone substr(raw('POST', '/api/v1/transaction', transfer('0.01')), 0, 5 * $_);
    $gone->stop_SSL(SSL_no_shutdown => 1) if $_ % 2;
    CORE::close $gone;
}
ok(is_served(), 'clients that went away');
my $held = connect_tls($hasty);
print $held raw('POST', '/api/v1/transaction', transfer('0.01'), "Expect: 100-continue\r\n") =~ s/\{.*\z//r;
$held->sysread($continue, 25);
print $held transfer('0.01');
my ($status, $seconds) = stop_shim($hasty);
is($status, 0, 'SIGTERM: exit status 0');
ok($seconds < 10, 'soon');
is((read_answers($held, 1))[0]{status}, 202, 'a request that was under way is answered first');

# --- with keys

SKIP: {
    my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
    skip 'needs psql as a superuser', 5 if $super !~ /t/;
    my $key = `psql -XAtc "SELECT wallet_api_key_create('tls $user', '{read}', $user)"`;
    chomp $key;
    local $ENV{WALLET_URL} = shim(@tls, '--auth', 'required', '--address', '0.0.0.0');
    unlike(shim_log($ENV{WALLET_URL}), qr/unencrypted/, 'keys and TLS: nothing to warn of');
    my $path = "wallet/async?user_id=$user&wallet_id=$from";
    is(get($path)->{status}, 401, 'no key');
    is(get($path, undef, { Authorization => 'Bearer pgw_0' })->{status}, 401, 'a wrong key');
    is(get($path, undef, { Authorization => "Bearer $key" })->{status}, 200, 'a good key');
    is(post('transaction', transfer('0.01'), { Authorization => "Bearer $key" })->{status}, 403, 'one without the scope');
    my $kept = connect_tls($ENV{WALLET_URL});
    print $kept raw('POST', '/api/v1/transaction/bulk', $large, "Authorization: Bearer pgw_1\r\n"), $next;
    is(join(' ', map { $_->{status} // 'closed' } read_answers($kept, 2)), '401 200', 'a large body with a wrong key that is new');
    stop_shim($ENV{WALLET_URL});
}

# --- what is wrong is said at the start

my $program = "$FindBin::Bin/../../shim/wallet-shim";
sub file { my ($name, $text, $mode) = @_; open my $file, '>', "$dir/$name" or die $!; print $file $text; close $file; chmod $mode // 0600, "$dir/$name"; return "$dir/$name"; }
sub text_of { my ($name) = @_; open my $file, '<', "$dir/$name" or die $!; local $/; return scalar <$file>; }
my $key = text_of('ec.key');
system("openssl ec -in $dir/ec.key -aes128 -passout pass:secret -out $dir/locked.key 2>/dev/null");

# [what it shows, certificate, key, exit status, what it says]
my @wrong = (
    [ 'a certificate alone', "$dir/ec.pem", undef, 2, qr/need each other/ ],
    [ 'a key alone', undef, "$dir/ec.key", 2, qr/need each other/ ],
    [ 'no such certificate', "$dir/none.pem", "$dir/ec.key", 1, qr/cannot open the file ".*none\.pem": No such file/ ],
    [ 'no such key', "$dir/ec.pem", "$dir/none.key", 1, qr/cannot open the file ".*none\.key": No such file/ ],
    [ 'a folder', "$dir", "$dir/ec.key", 1, qr/cannot (?:read|open) the file/ ],
    [ 'a key of another certificate', "$dir/ec.pem", "$dir/rsa.key", 1, qr/cannot use the certificate .* with the private key .*: \w/ ],
    [ 'both in each other\'s place', "$dir/ec.key", "$dir/ec.pem", 1, qr/cannot use|open to everybody/ ],
    [ 'no PEM', file('garbage.pem', 'x' x 1000), "$dir/ec.key", 1, qr/cannot use/ ],
    [ 'an empty key', "$dir/ec.pem", file('empty.key', ''), 1, qr/cannot use/ ],
    [ 'a key with a passphrase', "$dir/ec.pem", "$dir/locked.key", 1, qr/cannot use/ ],
    [ 'a key for everybody to read', "$dir/ec.pem", file('open.key', $key, 0644), 1, qr/must not be open to everybody/ ],
    [ 'two megabytes', file('large.pem', 'x' x 2_000_000), "$dir/ec.key", 1, qr/too large/ ],
);
chmod 0600, "$dir/locked.key";
for my $case (@wrong) {
    my ($what, $certificate, $private, $expected, $says) = @$case;
    my @flags = ($certificate ? ('--tls-cert', $certificate) : (), $private ? ('--tls-key', $private) : ());
    my $said = `$program --port 0 @flags 2>&1 </dev/null`;
    is($? >> 8, $expected, "$what: exit status $expected");
    like($said, $says, "$what: says so");
    is(index($said, (split /\n/, $key)[1]), -1, "$what: without the key");
}
file('group.key', $key, 0640);
ok(stop_shim(start_shim('--tls-cert', "$dir/ec.pem", '--tls-key', "$dir/group.key")), 'a key for its group to read');
unlike(shim_log($url), qr/PRIVATE|handshake/i, 'the log has no secret');

done_testing();
