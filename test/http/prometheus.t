#!/usr/bin/perl
# A real Prometheus scrapes a real shim, with the files of deploy/: while the worker is off and requests wait, the
# alerts fire, and when it runs again they end. And what the alerts and the dashboard ask for, /metrics shows, and
# postgres_exporter without the shim. Needs prometheus, and psql, by the PG* variables, as a superuser.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Shim;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $super = `psql -XAtc 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>/dev/null` // '';
plan skip_all => 'needs psql as a superuser' if $super !~ /t/;
plan skip_all => 'needs prometheus' if !grep { -x "$_/prometheus" } split /:/, $ENV{PATH};

my $top = "$FindBin::Bin/../..";
my $dir = tempdir(CLEANUP => 1);
my $seconds_max = 40;
sub sql { my ($statement) = @_; my $said = `psql -XqAtc "$statement" 2>&1`; chomp $said; return $said; }
sub slurp { my ($name) = @_; open my $file, '<', $name or die "cannot read $name: $!"; local $/; return scalar <$file>; }
sub spew { my ($name, $text) = @_; open my $file, '>', "$dir/$name" or die "cannot write $name: $!"; print $file $text; close $file; return "$dir/$name"; }

# --- what is asked for is shown

my ($user, $wallet) = wallet('100');
sql('SELECT wallet_audit()');
sql("SELECT wallet_hold($wallet, NULL, 1)");
my $token = 'token-of-the-test-' . $user;
my $token_file = spew('token', $token);
chmod 0600, $token_file;
my $url = start_shim('--metrics-token-file', $token_file);
local $ENV{WALLET_URL} = $url;
my $deadline = time + $seconds_max;
sleep 0.05 while ask('GET', '/readyz')->{status} != 200 && time < $deadline;
post('deposit', qq({"user_id":$user,"wallet_id":$wallet,"amount":1}), { Prefer => 'wait=10' });

my %shown;
for (ask('GET', '/metrics', undef, { Authorization => "Bearer $token" })->{content} =~ /^# TYPE (\S+ \S+)/mg) {
    my ($family, $type) = split / /;
    $shown{$_} = 1 for $type eq 'histogram' ? map { "${family}_$_" } qw(bucket sum count) : $family;
}
for my $file ('alerts.yml', 'grafana-dashboard.json') {
    my %asked = map { $_ => 1 } slurp("$top/deploy/$file") =~ /\b(wallet_[a-z_]+)\b(?=[ {)<>=\[,])/g;
    delete @asked{qw(wallet_ready wallet_schedule_maintenance)};
    cmp_ok(scalar keys %asked, '>', 10, "$file asks for something");
    # Of standbys alone, or of a role that may see them.
    my @missing = grep { !$shown{$_} && sql("SELECT type FROM wallet.metric_help('$_')") eq '' } sort keys %asked;
    is("@missing", '', "$file asks for what there is");
}

# --- a postgres_exporter, whose role is a monitor

# start(PROGRAM, OPTION...): its process, whose output is in the file of its name.
sub start {
    my (@command) = @_;
    my $process = fork // die "cannot fork: $!";
    return $process if $process;
    open STDERR, '>', "$dir/$command[0].log" or die "cannot write a log: $!";
    open STDOUT, '>&', \*STDERR;
    exec @command or die "cannot run $command[0]: $!";
}
my @started;
my $changed;
my $role = "watch_$user";
END {
    my $status = $?;
    sql('ALTER SYSTEM RESET pg_wallet.worker'), sql('SELECT pg_reload_conf()') if $changed;
    for my $process (@started) { kill 'TERM', $process; waitpid $process, 0; }
    sql("DROP OWNED BY $role; DROP ROLE $role") if $role;
    $? = $status;
}

my ($port, $exporter_port) = free_ports(2);
my $exporter = 'prometheus-postgres-exporter';
my $scrape_exporter = '';
if (grep { -x "$_/$exporter" } split /:/, $ENV{PATH}) {
    sql("CREATE ROLE $role LOGIN PASSWORD '$token'; SELECT wallet_grant('$role', 'monitor')");
    my ($host, $server_port, $database) = split /\|/, sql("SELECT current_setting('unix_socket_directories'), current_setting('port'), current_database()");
    $host = $ENV{PGHOST} // $host =~ s/,.*//r;
    local $ENV{DATA_SOURCE_NAME} = "host=$host port=$server_port dbname=$database user=$role password=$token sslmode=disable";
    push @started, start($exporter, "--web.listen-address=127.0.0.1:$exporter_port", "--extend.query-path=$top/deploy/postgres-exporter.yml",
        '--disable-default-metrics', '--disable-settings-metrics');
    my ($names) = slurp("$top/deploy/postgres-exporter.yml") =~ /^(#     metric_relabel_configs:\n(?:#       .*\n)+)/m;
    $scrape_exporter = "  - job_name: exporter\n    static_configs: [{ targets: ['127.0.0.1:$exporter_port'] }]\n" . $names =~ s/^# //gmr;
}
else {
    undef $role;
}

# --- a Prometheus, with short intervals

my ($address) = $url =~ m{//(.*)};
my $alerts = slurp("$top/deploy/alerts.yml") =~ s/for: \w+/for: 1s/gr =~ s/> 60$/> 2/mr;
my $rules = spew('alerts.yml', $alerts);
my $config = slurp("$top/deploy/prometheus.yml") =~ s/_interval: \w+/_interval: 1s/gr =~ s{/etc/prometheus/pg_wallet_alerts.yml}{$rules}r
    =~ s{/etc/prometheus/pg_wallet_token}{$token_file}r =~ s/127.0.0.1:9187/$address/r;
spew('prometheus.yml', $config . $scrape_exporter);
push @started, start('prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data", "--web.listen-address=127.0.0.1:$port");

# The names of the alerts that fire.
sub firing {
    my $answer = HTTP::Tiny->new(timeout => 5)->get("http://127.0.0.1:$port/api/v1/alerts");
    return '' if !$answer->{success};
    return join ' ', sort map { $_->{labels}{alertname} } grep { $_->{state} eq 'firing' } @{ decode_json($answer->{content})->{data}{alerts} };
}

# What is found as soon as it is so, or in the end.
sub wait_until {
    my ($find, $is_so) = @_;
    my $until = time + $seconds_max;
    my $found;
    do { $found = $find->(); return $found if $is_so->($found); sleep 0.1 } while time < $until;
    return $found;
}

# The samples of a family as one job has brought them, a line each: labels and value.
sub scraped {
    my ($family, $job) = @_;
    my $answer = HTTP::Tiny->new(timeout => 5)->get("http://127.0.0.1:$port/api/v1/query?query=$family%7Bjob=%22$job%22%7D");
    return '' if !$answer->{success};
    my @samples;
    for my $sample (@{ decode_json($answer->{content})->{data}{result} }) {
        delete @{ $sample->{metric} }{qw(__name__ instance job server)};
        # Prometheus 3 writes the bounds of what it knows for a histogram with a decimal.
        $sample->{metric}{le} =~ s/\.0$// if exists $sample->{metric}{le};
        push @samples, JSON::PP->new->canonical->encode($sample->{metric}) . " $sample->{value}[1]";
    }
    return join "\n", sort @samples;
}
sub is_there { return $_[0] ne ''; }

isnt(wait_until(sub { scraped('wallet_worker_alive', 'pg_wallet') }, \&is_there), '', 'Prometheus reads the shim, with the token')
    or diag slurp("$dir/prometheus.log");
SKIP: {
    skip "needs $exporter", 5 if !$role;
    for my $family (qw(wallet_worker_alive wallet_held_amount wallet_requests_total wallet_batch_requests_bucket wallet_batch_requests_count)) {
        my $expected = scraped($family, 'pg_wallet') || 'something of the shim';
        my $found = wait_until(sub { scraped($family, 'exporter') }, sub { $_[0] eq $expected });
        is($found, $expected, "postgres_exporter shows the same $family") or diag slurp("$dir/$exporter.log");
    }
}
unlike(firing(), qr/Wallet(?:WorkerDead|QueueStuck|ShimDown)/, 'while all is well none of these alerts fires');

$changed = 1;
sql('ALTER SYSTEM SET pg_wallet.worker = off');
sql('SELECT pg_reload_conf()');
wait_until(sub { sql('SELECT worker_alive FROM wallet_ready()') }, sub { $_[0] eq 'f' });
post('deposit', qq({"user_id":$user,"wallet_id":$wallet,"amount":1})) for 1 .. 3;
like(wait_until(\&firing, sub { $_[0] =~ /WalletQueueStuck.*WalletWorkerDead/ }), qr/WalletQueueStuck.*WalletWorkerDead/, 'the worker is off, requests wait: both alerts fire');

sql('ALTER SYSTEM RESET pg_wallet.worker');
sql('SELECT pg_reload_conf()');
$changed = 0;
unlike(wait_until(\&firing, sub { $_[0] !~ /WalletQueueStuck|WalletWorkerDead/ }), qr/WalletQueueStuck|WalletWorkerDead/, 'the worker runs again: they end');

stop_shim($url);
like(wait_until(\&firing, sub { $_[0] =~ /WalletShimDown/ }), qr/WalletShimDown/, 'without the shim another one fires');
done_testing();
