# Each state in which nothing is posted: wallet_ready() and the log say why, and what to do.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $ready = 'SELECT * FROM wallet_ready()';
my $db    = 'paid';

# A worker whose commit waits for a standby that is not there: looked at again in the end.
my $alone = new_server('alone', init => {allows_streaming => 1});
new_database($alone, $db);
make_wallets($alone, $db, 1, 1);
my $alone_pid = worker_pid($alone, $db);
set_conf($alone, 'synchronous_standby_names' => 'nobody');
poll_for($alone, $db, 'SHOW synchronous_standby_names', 'nobody');
$alone->safe_psql($db, 'SET synchronous_commit = local; ' . deposits_sql([1, 1]));
becomes($alone, $db, "SELECT wait_event FROM pg_stat_activity WHERE pid = $alone_pid", 'SyncRep', 'a commit waits');

my $node = new_server('ready', conf => "pg_wallet.poll_interval = '100ms'\n");
new_database($node, $db);
make_wallets($node, $db, 2, 100);
my $pid = worker_pid($node, $db);
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, queued(), '0', 'the worker posts');
is(ask($node, $db, $ready), 't|the worker is alive', 'it is ready');

# Switched off.
my $position = log_position($node);
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, $ready, qr/^f\|.*switched off.*Set pg_wallet\.worker to on/, 'switched off');
log_becomes($node, $position, qr/LOG:  pg_wallet\.worker is off: what is queued is not posted/, 'the log says so');
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, $ready, qr/^t/, 'switched on');

# Not named.
$position = log_position($node);
set_conf($node, 'pg_wallet.databases' => 'another');
becomes($node, $db, $ready, qr/^f\|.*Add it to pg_wallet\.databases/, 'not named');
$node->safe_psql($db, deposits_sql([1, 1])) foreach 1 .. 3;
log_becomes($node, $position, qr/LOG:  nothing is posted in database "$db"/, 'the log says so');
is(scalar(() = log_since($node, $position) =~ /nothing is posted/g), 1, 'once');
set_conf($node, 'pg_wallet.databases' => '');
becomes($node, $db, $ready, qr/^t/, 'named');

# Of another version.
$node->safe_psql($db, q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'pg_wallet'});
becomes($node, $db, $ready, qr/^f\|.*has version .*ALTER EXTENSION pg_wallet UPDATE/, 'of another version');
$node->safe_psql($db, q{UPDATE pg_extension SET extversion = '1.0.0' WHERE extname = 'pg_wallet'});
becomes($node, $db, $ready, qr/^t/, 'of the same version');

# Closed, as after a restore of data alone.
$position = log_position($node);
$node->safe_psql($db, 'UPDATE wallet.queue_position SET origin = gen_random_uuid()');
another_worker();
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, $ready, qr/^f\|the queue is closed.*REFRESH MATERIALIZED VIEW wallet\.opening/, 'closed');
log_becomes($node, $position, qr/LOG:  pg_wallet worker of database "\w+" is paused: the queue is closed\n.*HINT:.*REFRESH/, 'the log says so');
my (undef, undef, $warning) = $node->psql($db, 'SELECT wallet_process()');
like($warning, qr/WARNING:  nothing is posted: the queue is closed\nHINT:.*REFRESH/, 'and so does wallet_process()');
is(ask($node, $db, queued()), '1', 'the request waits');
$node->safe_psql($db, 'REFRESH MATERIALIZED VIEW wallet.opening');
becomes($node, $db, queued(), '0', 'opened, it is posted');
becomes($node, $db, $ready, qr/^t/, 'opened');
log_becomes($node, $position, qr/LOG:  pg_wallet worker of database "\w+" posts again/, 'the log says so, too');
is(scalar(() = log_since($node, $position) =~ /is paused: the queue is closed/g), 1, 'and said once that it was closed');

# Failing again and again.
$position = log_position($node);
my $last = ask($node, $db, 'SELECT last_value FROM wallet.transfer_id_seq');
$node->safe_psql($db, q{SELECT setval('wallet.transfer_id_seq', 1)});
another_worker();
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, $ready, qr/^f\|posting fails again and again: .*sequence .*\(SQLSTATE 55000\).*setval/, 'failing');
my @errors = log_since($node, $position) =~ /ERROR:  .*sequence/g;
is(scalar @errors, 1, 'the log tells the error once');
log_becomes($node, $position, qr/LOG:  pg_wallet worker has met the same error [24] times: /, 'and then how often');
$node->safe_psql($db, "SELECT setval('wallet.transfer_id_seq', $last + 100)");
becomes($node, $db, queued(), '0', 'mended, it is posted');
becomes($node, $db, $ready, qr/^t/, 'mended');
all_is_well($node, $db, 'ready');

# The standby that is named is not there; then it is, and does not answer.
becomes($alone, $db, $ready, qr/^f\|commits wait for a synchronous standby: of 1 that are needed 1 is not connected\. .*synchronous_standby_names/,
    'waiting for a standby');
my $copy = PostgreSQL::Test::Utils::tempdir;
my $standby = IPC::Run::start([ 'pg_receivewal', '--synchronous', '-D', $copy, '-d', $alone->connstr('postgres') . ' application_name=nobody' ],
    '>', \my $out, '2>', \my $err);
becomes($alone, $db, $ready, qr/^t/, 'waiting no longer');
becomes($alone, $db, queued(), '0', 'its commit is confirmed');
$standby->signal('STOP');
$alone->safe_psql($db, 'SET synchronous_commit = local; ' . deposits_sql([1, 1]));
becomes($alone, $db, $ready, qr/^f\|commits wait for a synchronous standby: that of process $alone_pid for [3-9] s\. .*synchronous_standby_names/,
    'a standby that does not answer');
$standby->signal('CONT');
becomes($alone, $db, $ready, qr/^t/, 'it answers');
$alone->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$alone->reload;
$standby->kill_kill;

done_testing();

sub another_worker
{
    $node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
    $pid = worker_pid($node, $db, $pid);
    return;
}
