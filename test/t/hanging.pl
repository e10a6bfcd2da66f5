# A statement of the shim that is not answered: the shim cancels it, makes no other connection before the server process
# has ended, and takes up its work within seconds when what hung goes on. So a standby that does not answer, a stopped
# process or a hanging login never cost the server more connections than the shim has.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;
use Shim qw(start_shim stop_shim shim_log);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db   = 'paid';
my $node = new_server('hanging', init => {allows_streaming => 1}, conf => "pg_wallet.poll_interval = '50ms'\nlisten_addresses = '127.0.0.1'\n");
new_database($node, $db);
make_wallets($node, $db, 2, 100);
my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';

# Sends a request in a process of its own, which writes "status code seconds detail" to a pipe.
sub ask_aside
{
    my ($url, @request) = @_;
    my $pid = open(my $pipe, '-|') // die "cannot fork: $!";

    if ($pid == 0)
    {
        $ENV{WALLET_URL} = $url;
        my $from   = time;
        my $answer = Shim::ask(@request);
        printf "%s %s %.1f %s\n", $answer->{status}, Shim::code_of($answer) || '-', time - $from, Shim::json($answer)->{detail} // '';
        require POSIX;
        close STDOUT;
        POSIX::_exit(0);
    }
    return $pipe;
}

sub post_aside { my ($url, $key) = @_; return ask_aside($url, 'POST', '/api/v1/deposit', $deposit, $key ? {'Idempotency-Key' => $key} : {}) }
sub answer_of { my ($pipe) = @_; my $line = <$pipe>; close $pipe; chomp $line; return $line }

# The server processes of a shim, by its application_name.
sub processes { my ($shim, $also) = @_; return "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$shim'" . ($also ? " AND $also" : '') }

sub start
{
    my ($name, @flags) = @_;
    my $url;

    local $ENV{PGOPTIONS} = '';
    $url = start_shim('--db', $node->connstr($db) . " host=127.0.0.1 application_name=$name", @flags);
    return $url;
}

# Polls until an answer has this status and matches.
sub answer_becomes
{
    my ($url, $path, $status, $words, $name) = @_;
    my $deadline = time + 20;
    my $answer;

    local $ENV{WALLET_URL} = $url;
    do
    {
        usleep(20_000) if $answer;
        $answer = Shim::ask('GET', $path);
    } until $answer->{status} == $status && $answer->{content} =~ $words || time > $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like("$answer->{status} $answer->{content}", qr/^$status .*$words/s, $name);
}

# Polls the log of a shim until it matches.
sub shim_says
{
    my ($shim, $words, $name) = @_;
    my $deadline = time + 10;

    usleep(20_000) while shim_log($shim) !~ $words && time < $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like(shim_log($shim), $words, $name);
}

# ---- A starting shim: the first connection takes a while, since the server is stopped for a moment ----

my $postmaster = $node->{_pid};
kill 'STOP', $postmaster;
my $url = start('shim-commit');
my $early = post_aside($url);
usleep(300_000);
kill 'CONT', $postmaster;
like(answer_of($early), qr/^202 /, 'a request that comes before the first connection waits for it');
answer_becomes($url, '/readyz', 200, qr/ready/, 'ready');

my $stopped_url = start('shim-stopped', '--threads', 1);
my $ended_url = start('shim-ended', '--threads', 1);
answer_becomes($stopped_url, '/readyz', 200, qr/ready/, 'another shim is ready');
answer_becomes($ended_url,   '/readyz', 200, qr/ready/, 'so is a third one');

# ---- Commits wait for a standby; and a server process of the other shim is stopped ----

set_conf($node, 'synchronous_standby_names' => 'nosuch');
poll_for($node, $db, 'SHOW synchronous_standby_names', 'nosuch');
answer_becomes($url, '/readyz', 503, qr/commits wait for a synchronous standby.*synchronous_standby_names/, '/readyz says it at once');
my $reader = ask($node, $db, "SELECT pid FROM pg_stat_activity WHERE application_name = 'shim-stopped' AND query LIKE '%wallet_ready%'");
kill 'STOP', $reader or die "cannot stop the process '$reader'";

my $from    = time;
my $written = post_aside($url, 'hangs');
becomes($node, $db, processes('shim-commit', "wait_event = 'SyncRep'"), '1', 'a commit waits');
my @others  = map { post_aside($url) } 1 .. 24; # so that each of two event loops has one, almost surely
my $read    = ask_aside($stopped_url, 'GET', '/api/v1/wallet/async?user_id=1&wallet_id=1');
my $ended   = post_aside($ended_url);
becomes($node, $db, processes('shim-commit', "wait_event = 'SyncRep'"), '2', 'a commit of each event loop waits');
becomes($node, $db, processes('shim-ended',  "wait_event = 'SyncRep'"), '1', 'so does one of a shim that is told to end');
kill 'TERM', Shim::shim_pid($ended_url);
my ($most, $most_stopped, $ended_seconds, $seen) = (0, 0, 0, '');
# The deadline of a statement is ten seconds: so long, and a little more, somebody looks.
while (time < $from + 11.5)
{
    my ($count, $stopped, $left) = split /\|/,
        ask($node, $db, join ', ', 'SELECT (' . processes('shim-commit') . ')', map { '(' . processes($_) . ')' } 'shim-stopped', 'shim-ended');

    $most          = $count   if $count > $most;
    $most_stopped  = $stopped if $stopped > $most_stopped;
    $ended_seconds = time - $from if !$ended_seconds && shim_log($ended_url) =~ /stopped$/m;
    $seen          = $left if $ended_seconds;
    usleep(50_000);
}
is((stop_shim($ended_url))[0], 0, 'stopped while a commit waits: exit status 0');
cmp_ok($ended_seconds, '<', 11, 'in its time');
is($seen, '0', 'no server process stays behind');
like(answer_of($ended), qr/^503 /, 'and the payment is not acknowledged');
like(answer_of($written), qr/^503 database_busy (9|1\d)\.\d /, 'a payment that hangs is answered after ten seconds');
like(answer_of($read),    qr/^503 database_busy (9|1\d)\.\d /, 'so is a read whose server process is stopped');
{
    local $ENV{WALLET_URL} = $url;
    is(Shim::get('wallet/async?user_id=1&wallet_id=1')->{status}, 200, 'other work goes on: a read');
}
my @answers = map { answer_of(post_aside($url)) } 1 .. 4;
is((grep { /^503 database_unavailable 0\./ } @answers), 4, 'then payments are refused at once') or diag(join "\n", @answers);
is($most,         4, 'all the time the shim had its four connections, and none more');
is($most_stopped, 2, 'the other one had its two');
is(ask($node, $db, "SELECT count(*) FROM pg_stat_activity WHERE pid = $reader"), '1', 'of which one is still stopped');
shim_says($stopped_url, qr/server process $reader was cancelled and does not end/, 'the log says so');
shim_says($url, qr/a commit is not confirmed; .*synchronous_standby_names/, 'and that a commit is not confirmed');

# ---- Both go on ----

kill 'CONT', $reader;
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$from = time;
answer_becomes($url,         '/readyz', 200, qr/ready/, 'the standby is not asked for any more: ready');
answer_becomes($stopped_url, '/readyz', 200, qr/ready/, 'the process goes on: ready');
cmp_ok(time - $from, '<', 5, 'within seconds');
becomes($node, $db, processes('shim-stopped'), '2', 'with two connections');
{
    local $ENV{WALLET_URL} = $url;
    my $again = Shim::post('deposit', $deposit, {'Idempotency-Key' => 'hangs', Prefer => 'wait=10'});
    is(Shim::json($again)->{status}, 'processed', 'the payment that hung is found by its key');
    is(ask($node, $db, q{SELECT count(*) FROM wallet.idempotency_key WHERE key = 'hangs'}), '1', 'and was made once');
}

# ---- A person cancels the wait: what is stored here alone is not acknowledged ----

set_conf($node, 'synchronous_standby_names' => 'nosuch');
poll_for($node, $db, 'SHOW synchronous_standby_names', 'nosuch');
my $cancelled = post_aside($url, 'cancelled');
becomes($node, $db, processes('shim-commit', "wait_event = 'SyncRep' AND query LIKE '%wallet_enqueue%'"), '1', 'a commit waits');
ask($node, $db, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'shim-commit' AND query LIKE '%wallet_enqueue%' AND wait_event = 'SyncRep'");
like(answer_of($cancelled), qr/^503 database_busy 0\.\d .*no standby has confirmed/, 'cancelled: 503');
is(ask($node, $db, q{SELECT count(*) FROM wallet.idempotency_key WHERE key = 'cancelled'}), '1', 'it is stored');
open(my $sql, '-|', 'psql', '-XAtq', '-d', $node->connstr($db) . ' application_name=again', '-c',
    "SELECT wallet_enqueue('deposit', '$deposit', 'cancelled')") // die "cannot run psql: $!";
becomes($node, $db, processes('again', "wait_event = 'SyncRep'"), '1', 'whoever repeats it waits for the standby, too');
ask($node, $db, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'again'});
close $sql;

# ---- SIGTERM while a first commit is not confirmed ----

my ($status, $seconds) = stop_shim($url);
is($status, 0, 'stopped while commits wait');
cmp_ok($seconds, '<', 2, 'at once');
becomes($node, $db, processes('shim-commit'), '0', 'no server process stays behind', 2);
my $worker = worker_pid($node, $db);
ask($node, $db, "SELECT pg_terminate_backend($worker)");
becomes($node, $db, "SELECT count(*) FROM pg_stat_activity WHERE pid = $worker", '0', 'a worker whose commit waits ends when it is told to');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
stop_shim($stopped_url);
all_is_well($node, $db, 'hanging');

done_testing();
