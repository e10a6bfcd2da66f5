#!/usr/bin/perl
# No leak: the shim, its connections to the database and the worker take no more memory for each
# request, of whatever kind and however it ends.
#
# WALLET_MEMORY_REQUESTS (100000) are sent within WALLET_MEMORY_SECONDS (15) at the most. Memory
# that is the process's own (RssAnon) is looked at after each of ten parts. What is kept once, or
# taken by a burst, grows in some of them; a leak grows in all that come after the first ones. So the
# second smallest growth is what counts: once, memory may have been given back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use Test::More;
use Time::HiRes qw(time);

my $requests = $ENV{WALLET_MEMORY_REQUESTS} || 100_000;
my $seconds = $ENV{WALLET_MEMORY_SECONDS} || 15;
my ($parts, $warm) = (10, 4);
my ($connections, $pipelined) = (50, 4);
my $leak_max = 2; # bytes a request: 36 of each request of one kind

# A sanitizer keeps what was freed for a while: here the shim is the one that is shipped.
delete $ENV{SHIM_PROGRAM};
$ENV{PGAPPNAME} = "memory test $$";
my $url = $ENV{WALLET_URL} = start_shim('--schema', $ENV{WALLET_SCHEMA} || 'public');
my $deadline = time + 20;
while (ask('GET', '/readyz')->{status} != 200 && time < $deadline) { select undef, undef, undef, 0.02 }

# --- what is asked

my ($payer, $source) = wallet('1000000');
my ($payee, $destination) = wallet('1');
my $handshake = json(pay($payer, $source, $destination, '0.01'))->{handshake_id};
my $stranger = 'f' x 64;
my $between = qq("source_wallet_id":$source,"dest_wallet_id":$destination);
my $hold = json(post('hold', qq({"user_id":$payer,$between,"amount":100000})))->{handshake_id};

sub request {
    my ($method, $path, $body, @fields) = @_;
    $body //= '';
    return join "\r\n", "$method $path HTTP/1.1", 'Host: localhost', 'Content-Length: ' . length $body,
        @fields, '', $body;
}

sub transfer {
    my ($sum, @fields) = @_;
    return request('POST', '/api/v1/transaction',
        qq({"user_id":$payer,$between,"trans_sum":$sum}),
        @fields);
}

my $count = 0;
my @kinds = (
    sub { transfer('0.01') },
    sub { transfer('0.01', "Idempotency-Key: $$-" . $count) },
    sub { transfer('0.01', "Idempotency-Key: $$-same") },
    sub { transfer('99999999') }, # refused by the worker
    sub { transfer('0.001') }, # refused before it is queued
    sub { transfer('"1e5"') },
    sub { request('POST', '/api/v1/wallet', qq({"user_id":$payer,"amount":1})) },
    sub { request('POST', '/api/v1/deposit', '{"user_id":') },
    sub { request('POST', '/api/v1/transaction/bulk',
        qq([{"user_id":$payer,$between,"trans_sum":0.01},{}])) },
    sub { request('POST', '/api/v1/hold', qq({"user_id":$payer,$between,"amount":0.01,"expires_in":1})) },
    sub { request('POST', '/api/v1/capture', qq({"user_id":$payee,"hold_handshake_id":"$hold","amount":0.01,"final":false})) },
    sub { request('POST', '/api/v1/void', qq({"user_id":$payee,"hold_handshake_id":"$hold","amount":0.01})) },
    sub { request('POST', '/api/v1/hold_extend', qq({"user_id":$payer,"hold_handshake_id":"$stranger","amount":7})) },
    sub { request('POST', '/api/v1/reversal', qq({"user_id":$payee,"transfer_id":$count,"amount":0.01})) },
    sub { request('POST', '/api/v1/group', qq({"user_id":$payer,"legs":[{"kind":"fee",$between,"amount":0.01},)
        . qq({"kind":"transaction","source_wallet_id":$source,"amount":0.02,"split":[{"dest_wallet_id":$destination,"rest":true}]}]})) },
    sub { request('POST', '/api/v1/group_reversal', qq({"user_id":$payee,"group_id":$count})) },
    sub { request('POST', '/api/v1/bulk', qq([{"kind":"withdrawal","user_id":$payee,"wallet_id":$destination,"amount":0.01},{"kind":"hold"}])) },
    sub { request('POST', '/api/v1/transaction?dry_run=true', qq({"user_id":$payer,$between,"trans_sum":0.01})) },
    sub { request('QUERY', '/api/v1/outcome', qq([{"user_id":$payer,"handshake_id":"$handshake"},{"user_id":$payer,"handshake_id":"$hold"}])) },
    sub { request('GET', "/api/v1/hold/async?user_id=$payee&wallet_id=$destination&limit=3") },
    sub { request('GET', "/api/v1/transaction?user_id=$payer&handshake_id=$handshake") },
    sub { request('GET', '/api/v1/transaction', qq({"user_id":$payer,"handshake_id":"$handshake"})) },
    sub { request('GET', "/api/v1/transaction?user_id=$payer&handshake_id=$stranger") },
    sub { request('GET', "/api/v1/wallet?user_id=$payer&wallet_id=$source") },
    sub { request('GET', "/api/v1/wallet/async?user_id=$payer&wallet_id=$source") },
    sub { request('GET', "/api/v1/wallet/history?user_id=$payee&wallet_id=$destination&limit=3") },
    sub { request('GET', '/nowhere') },
    sub { request('PUT', '/api/v1/wallet', '{}') },
    sub { request('GET', '/healthz') },
);

# --- who is asked, and how much memory they have

sub query { my ($sql) = @_; return split /\n/, scalar `psql -XAtqc "$sql"`; }

my ($worker) = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker' AND datname = current_database()");
my @backends = query("SELECT pid FROM pg_stat_activity WHERE application_name = '$ENV{PGAPPNAME}' AND pid <> pg_backend_pid()");
ok($worker && @backends, 'the worker and the shim\'s connections are there');
my %processes = (shim => [ shim_pid($url) ], worker => [$worker], 'connections to the database' => \@backends);

sub memory {
    my ($pids) = @_;
    my $bytes = 0;
    for my $pid (@$pids) {
        open my $file, '<', "/proc/$pid/status" or BAIL_OUT("process $pid has ended");
        local $/;
        my ($kib) = <$file> =~ /^RssAnon:\s+(\d+) kB/m;
        $bytes += $kib * 1024;
    }
    return $bytes;
}

# --- the load: each connection is used for a while, then another takes its place

my @sockets;

sub round {
    for my $i (0 .. $connections - 1) {
        if (!$sockets[$i] || $count % 97 == 0) {
            close $sockets[$i] if $sockets[$i];
            $sockets[$i] = connect_raw($url);
        }
        my $text = '';
        for (1 .. $pipelined) { $text .= $kinds[ $count % @kinds ]->(); $count++; }
        syswrite $sockets[$i], $text;
    }
    for my $socket (@sockets) {
        my @answers = read_answers($socket, $pipelined);
        return 0 if @answers != $pipelined || grep { $_->{closed} } @answers;
    }
    return 1;
}

my (%grown, %before);
my ($from, $answered) = (time, 1);
for my $part (1 .. $parts) {
    my $first = $count;
    my $until = $from + $seconds * $part / $parts;
    do { $answered = round() } while $answered && $count < $requests * $part / $parts && time < $until;
    BAIL_OUT('a request was not answered') if !$answered;
    for my $name (keys %processes) {
        my $bytes = memory($processes{$name});
        push @{ $grown{$name} }, ($bytes - $before{$name}) / ($count - $first || 1) if $part > $warm;
        $before{$name} = $bytes;
    }
}
pass('all requests are answered');
diag(sprintf '%d requests in %.1f s', $count, time - $from);
for my $name (sort keys %processes) {
    my @sorted = sort { $a <=> $b } @{ $grown{$name} };
    diag(sprintf '%s: %d KiB at the end, bytes more a request: %s', $name, $before{$name} / 1024,
        join ' ', map { sprintf '%.1f', $_ } @{ $grown{$name} });
    cmp_ok($sorted[1], '<', $leak_max, "$name: no memory is kept for each request");
}
is((stop_shim($url))[0], 0, 'the shim ends well');
done_testing();
