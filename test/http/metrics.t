#!/usr/bin/perl
# GET /metrics: what is counted, who may look, a port of its own, a database that is away; promtool's
# judgement, and what a real Prometheus says of it. Needs psql, by the PG* variables, as a superuser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use File::Temp;
use IPC::Open3;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds_max = 20;

# The samples of an answer: {'name{labels}' => value}.
sub samples {
    my ($answer) = @_;
    return { map { /^([a-z_]+(?:\{.*\})?) (\S+)$/ ? ($1 => $2) : () } split /\n/, $answer->{content} };
}

# Asks until a sample is as it shall be, and returns it.
sub sample {
    my ($name, $is_right) = @_;
    my $deadline = time + $seconds_max;
    my $value;
    do { $value = samples(ask('GET', '/metrics'))->{$name}; return $value if defined $value && $is_right->($value); sleep 0.05 }
        while time < $deadline;
    return $value;
}

sub promtool {
    my ($text, @arguments) = @_;
    my $pid = open3(my $in, my $out, undef, 'promtool', @arguments);
    print $in $text;
    close $in;
    my $said = do { local $/; <$out> } // '';
    waitpid $pid, 0;
    return ($? >> 8, $said);
}

my $log_token = File::Temp->new;
chmod 0600, $log_token->filename;
my $token = 'a.Token-of_32~characters+/0123==';
print $log_token "$token\n";
close $log_token;

local $ENV{WALLET_URL} = my $url = start_shim('--threads', 2);
my $deadline = time + $seconds_max;
sleep 0.02 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;

# --- what is counted

my $before = samples(ask('GET', '/metrics'));
my ($user, $from) = wallet('100');
my ($other, $to) = wallet('100');
outcome_of('transaction', $user, qq({"user_id":$user,"source_wallet_id":$from,"dest_wallet_id":$to,"trans_sum":1000}));
ask('GET', "/nothing/$user");
ask('PATCH', '/healthz');
my $answer = ask('GET', '/metrics');
is($answer->{status}, 200, 'metrics are read');
is($answer->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'in the text format of Prometheus');
is($answer->{headers}{'cache-control'}, 'no-store', 'no cache keeps them');
my $after = samples($answer);
sub grown { my ($name) = @_; return ($after->{$name} // 0) - ($before->{$name} // 0); }

my $requests = 'wallet_shim_http_requests_total';
is(grown(qq($requests\{route="/api/v1/wallet",method="POST",status="202"})), 2, 'requests by route, method and status');
is(grown(qq($requests\{route="none",method="GET",status="404"})), 1, 'what has no route is counted together');
is(grown(qq($requests\{route="/healthz",method="other",status="405"})), 1, 'and so are other methods');
is(grown(q(wallet_shim_http_request_duration_seconds_count{route="/api/v1/wallet",method="POST"})), 2, 'durations by route');
is(grown(q(wallet_shim_http_request_duration_seconds_bucket{route="/api/v1/wallet",method="POST",le="+Inf"})), 2, 'the last bucket has all');
cmp_ok(grown(q(wallet_requests_total{code="processed",kind="wallet"})), '>=', 2, 'what the queue has carried out');
cmp_ok(grown(q(wallet_requests_total{code="insufficient_funds",kind="transaction"})), '>=', 1, 'and refused');
cmp_ok(grown('wallet_batch_seconds_count'), '>=', 1, 'batches');
is($after->{wallet_worker_alive}, 1, 'the worker is alive');
is($after->{wallet_shim_database_answers}, 1, 'the database has answered');
is("@{$after}{qw(wallet_shim_database_connections wallet_shim_database_connections_wanted)}", '4 4', 'connections to the database');
cmp_ok($after->{wallet_shim_http_connections}, '>=', 1, 'connections of HTTP');
my $loud = "$user|$other";
unlike($answer->{content}, qr/\b(?:$loud)\b/, 'nobody is named');
is(scalar(grep { !/^(?:route|method|status|version|kind|code|currency|le)$/ } $answer->{content} =~ /[{,]([a-z_]+)="/g), 0, 'no label but those that are known');
my %seen;
is(scalar(grep { $seen{$_}++ } $answer->{content} =~ /^# TYPE (\S+)/mg), 0, 'each family stands once');

# Who waits for an outcome: a wallet's lock keeps the outcome back.
SKIP: {
    skip 'needs psql as a superuser', 3 if (`psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '') !~ /t/;
    my $pid = open3(my $in, my $out, undef, 'psql', '-XqAt');
    print $in "BEGIN; SELECT 'locked' FROM wallet.wallet WHERE wallet_id = $from FOR UPDATE;\n";
    is(scalar(<$out>), "locked\n", 'a wallet is locked');
    my $waiter = connect_raw();
    my $body = qq({"user_id":$user,"wallet_id":$from,"amount":1});
    print $waiter "POST /api/v1/deposit HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    is(sample('wallet_shim_requests_waiting_for_outcome', sub { $_[0] == 1 }), 1, 'a request waits for its outcome');
    cmp_ok(sample('wallet_queue_oldest_age_seconds', sub { $_[0] > 0.2 }), '>', 0.2, 'the oldest request gets older');
    print $in "ROLLBACK;\n\\q\n";
    waitpid $pid, 0;
    my ($reply) = read_answers($waiter, 1);
    is($reply->{status}, 200, 'its outcome comes');
    is(sample('wallet_shim_requests_waiting_for_outcome', sub { $_[0] == 0 }), 0, 'nobody waits');
    is(sample('wallet_queue_oldest_age_seconds', sub { $_[0] == 0 }), 0, 'nothing waits');
}

SKIP: {
    skip 'needs promtool', 1 if !grep { -x "$_/promtool" } split /:/, $ENV{PATH};
    my ($status, $said) = promtool(ask('GET', '/metrics')->{content}, 'check', 'metrics');
    is("$status $said", '0 ', 'promtool has nothing to say');
}

# --- who may look

is(ask('GET', '/metrics', undef, { 'X-Forwarded-For' => '192.0.2.1' })->{status}, 403, 'not what a proxy has brought');
is(ask('GET', '/metrics', undef, { Origin => 'http://example.com' })->{status}, 403, 'nor a web page');
is(ask('POST', '/metrics', '{}')->{status}, 405, 'they are read alone');
SKIP: {
    my ($address) = (`hostname -I 2>/dev/null` // '') =~ /(\d+\.\d+\.\d+\.\d+)/;
    skip 'this machine has no other address', 2 if !$address;
    my $open = start_shim('--address', '0.0.0.0', '--insecure-no-auth', '--host', $address);
    my ($port) = $open =~ /:(\d+)$/;
    local $ENV{WALLET_URL} = "http://$address:$port";
    my $refused = ask('GET', '/metrics');
    is($refused->{status}, 403, 'nor another machine');
    is(ask('GET', '/healthz')->{status}, 200, 'which reaches the rest');
    stop_shim($open);
}
{
    local $ENV{WALLET_URL} = my $guarded = start_shim('--metrics-token-file', $log_token->filename);
    my $none = ask('GET', '/metrics');
    is($none->{status}, 401, 'with a token nobody looks without it');
    like($none->{headers}{'www-authenticate'}, qr/^Bearer /, 'and is told so');
    is(ask('GET', '/metrics', undef, { Authorization => "Bearer ${token}x" })->{status}, 401, 'nor with another');
    is(ask('GET', '/metrics', undef, { Authorization => "Bearer $token", 'X-Forwarded-For' => '192.0.2.1' })->{status}, 200, 'with the token, from anywhere');
    is(ask('GET', '/healthz')->{status}, 200, 'all else needs no token');
    unlike(shim_log($guarded), qr/\Q$token\E/, 'the token is in no log');
    stop_shim($guarded);
}

# --- a port of its own

{
    local $ENV{WALLET_URL} = my $main = start_shim('--metrics-listen', '127.0.0.1:0');
    is(ask('GET', '/metrics')->{status}, 404, 'not on the port of all else');
    my ($own) = shim_log($main) =~ m{metrics on (http://\S+)};
    ok($own, 'the log says where');
    ask('GET', '/nothing');
    local $ENV{WALLET_URL} = $own;
    my $read = ask('GET', '/metrics');
    is($read->{status}, 200, 'on a port of their own');
    is(samples($read)->{qq($requests\{route="none",method="GET",status="404"})}, 2, 'with the counts of the other loops');
    is(ask('GET', '/healthz')->{status}, 200, 'probes are answered there');
    is(ask('GET', '/api/v1/wallet')->{status}, 404, 'nothing else is');
    my ($status, $seconds) = stop_shim($main);
    is($status, 0, 'the shim stops as ever');
    cmp_ok($seconds, '<', 5, 'and at once');
}

# --- without a database

{
    local @ENV{qw(PGHOST PGPORT)} = ('127.0.0.1', 1);
    local $ENV{WALLET_URL} = my $alone = start_shim();
    my $read = ask('GET', '/metrics');
    is($read->{status}, 200, 'without a database the shim speaks of itself');
    is(samples($read)->{wallet_shim_database_answers}, 0, 'and says so');
    is(samples($read)->{wallet_shim_database_connections}, 0, 'no connection is there');
    unlike($read->{content}, qr/^wallet_worker_alive/m, 'the rest is left out');
    stop_shim($alone);
}
stop_shim($url);

# --- options that cannot be

sub refusal { my (@flags) = @_; my $said = `$ENV{SHIM_PROGRAM} @flags 2>&1`; return ($? >> 8) . " $said"; }
$ENV{SHIM_PROGRAM} ||= "$FindBin::Bin/../../shim/wallet-shim";
like(refusal('--metrics-listen', $_), qr/^2 wallet-shim: --metrics-listen must be/, "--metrics-listen=$_")
    for '9187', 'localhost', 'localhost:', '::1:9187', 'localhost:70000', 'localhost:1x', '[]:1';
my $short = File::Temp->new;
print $short "short\n";
close $short;
like(refusal('--port', 0, '--metrics-token-file', $short->filename), qr/^1 .*16 characters or more/s, 'a token that is too short');
chmod 0644, $log_token->filename;
like(refusal('--port', 0, '--metrics-token-file', $log_token->filename), qr/^1 .*the token ".*" must not be open to everybody/s, 'a token that everybody may read');
like(refusal('--port', 0, '--metrics-token-file', '/nowhere'), qr/^1 .*cannot open the file/s, 'no token');
done_testing();
