# Stops log no error: of the server, in any mode and at any moment, of a database and of the
# extension.  The log says when a worker starts, pauses, goes on and ends; its activity says what it does.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $node = new_server('quiet', conf => "log_line_prefix = '%m [%p] %b: '\n");
my $db   = 'payments';
my $mine = qr/pg_wallet worker of database "$db"/;
my $position;

sub stays_quiet
{
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    log_is_quiet($node, $position, $name);
    $position = log_position($node);
    return;
}

sub activity
{
    my ($who) = @_;
    my $where = $who eq 'worker' ? "datname = '$db'" : 'true';

    return "SELECT state, query FROM pg_stat_activity WHERE backend_type = 'pg_wallet $who' AND $where";
}

sub count_of
{
    my ($pattern) = @_;

    return scalar(() = log_since($node, $position) =~ /$pattern/g);
}

# A worker starts, sleeps and works.
$position = log_position($node);
new_database($node, $db);
make_wallets($node, $db, 2, 100);
becomes($node, 'postgres', activity('worker'), 'idle|idle', 'a worker that sleeps is idle');
becomes($node, 'postgres', activity('launcher'), 'idle|idle', 'so is the launcher');
is( ask($node, 'postgres',
        q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_wallet%' AND xact_start IS NOT NULL}),
    '0',
    'nobody holds a transaction');
is(count_of(qr/LOG:  $mine has started/), 1, 'the log says once that the worker has started');
stays_quiet('start');

# A round that takes as long as the server lets it: everybody who is told to end is in the middle of it.
$node->safe_psql($db, <<'SQL');
CREATE TABLE slow AS SELECT true;
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(60) FROM public.slow;
	RETURN NEW;
END $$;
CREATE TRIGGER linger BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION linger();
SQL
$node->safe_psql($db, deposits_sql([1, 1]));
foreach my $mode ('fast', 'smart')
{
    becomes($node, 'postgres', activity('worker'), 'active|posting', "$mode: a worker that posts says so");
    $node->stop($mode);
    stays_quiet("a $mode stop in the middle of a round");
    $node->start;
}
becomes($node, 'postgres', activity('worker'), 'active|posting', 'restart: the worker posts');
$node->restart;
stays_quiet('a restart');
becomes($node, 'postgres', activity('worker'), 'active|posting', 'terminated: the worker posts');
my $pid = worker_pid($node, $db);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
worker_pid($node, $db, $pid);
stays_quiet('a worker that is terminated');
$node->safe_psql($db, 'DELETE FROM slow');
$pid = worker_pid($node, $db);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
becomes($node, $db, queued(), '0', 'what was cut short is posted');
stays_quiet('again');

# Idle, and while launcher and workers are about to start.
foreach my $mode (qw(fast smart fast smart fast))
{
    $node->stop($mode);
    $node->start;
}
stays_quiet('stops right after the start');
worker_pid($node, $db);
$node->restart;
stays_quiet('a restart of an idle server');
$node->safe_psql('postgres',
    q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_wallet launcher'});
becomes($node, 'postgres', activity('launcher'), 'idle|idle', 'a launcher that is terminated comes back');
unlike(log_since($node, $position), qr/FATAL/, 'and has left no error');

# Paused and resumed, by the settings.
worker_pid($node, $db);
$position = log_position($node);
set_conf($node, 'pg_wallet.worker' => 'off');
log_becomes($node, $position, qr/LOG:  $mine has ended: pg_wallet\.worker is off/, 'the worker says that it is switched off');
set_conf($node, 'pg_wallet.worker' => 'on');
log_becomes($node, $position, qr/LOG:  $mine has started/, 'and on');
set_conf($node, 'pg_wallet.databases' => 'postgres');
log_becomes(
    $node, $position,
    qr/LOG:  $mine has ended: pg_wallet\.databases does not name the database/,
    'the worker says that its database is no longer named');
set_conf($node, 'pg_wallet.databases' => '');
worker_pid($node, $db);
stays_quiet('pause and resume');

# By an error that is nobody's fault.
my $other = $node->background_psql($db);
$other->query_safe('BEGIN; LOCK TABLE wallet.request IN ACCESS EXCLUSIVE MODE');
set_conf($node, 'pg_wallet.poll_interval' => '100ms');
log_becomes($node, $position, qr/LOG:  $mine is paused: posting has failed/, 'a worker that fails says that it is paused');
becomes($node, 'postgres', activity('worker'), 'idle|paused: posting has failed', 'so does its activity');
$other->query_safe('COMMIT');
$other->quit;
log_becomes($node, $position, qr/LOG:  $mine posts again/, 'it says that it posts again');
is(count_of(qr/LOG:  $mine (is paused|posts again)/), 2, 'each once');
becomes($node, 'postgres', activity('worker'), 'idle|idle', 'after that it is idle');

# DROP EXTENSION and DROP DATABASE.
$position = log_position($node);
$node->safe_psql($db, 'SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet');
log_becomes($node, $position, qr/LOG:  $mine has ended: the extension is not installed/, 'the worker says that the extension has gone');
$node->safe_psql($db, 'CREATE EXTENSION pg_wallet');
worker_pid($node, $db);
$node->safe_psql('postgres', "DROP DATABASE $db WITH (FORCE)");
is(ask($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'"),
    '0', 'no worker is left');
foreach my $time (1 .. 3)
{
    new_database($node, $db);
    $node->safe_psql('postgres', "DROP DATABASE $db WITH (FORCE)");
}
$node->stop;
stays_quiet('DROP EXTENSION and DROP DATABASE');
done_testing();
