# The launcher: which databases have a worker, and what may happen to those under it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $node = new_server('launcher', conf => "log_min_messages = debug1\n");

# Each database with the extension gets a worker as soon as it has it.
new_database($node, $_) foreach qw(first second);
my %pid = map { $_ => worker_pid($node, $_, 0, 5) } qw(first second);
like($pid{$_}, qr/^\d+$/, "CREATE EXTENSION in $_ starts a worker") foreach qw(first second);
isnt($pid{first}, $pid{second}, 'each database has its own');
make_wallets($node, $_, 2, 100) foreach qw(first second);
$node->safe_psql('first', deposits_sql([1, 1]));
becomes($node, 'first', 'SELECT queued, posted FROM wallet.queue', '0|1',
    'the first posts its own');
is(ask($node, 'second', 'SELECT queued, posted FROM wallet.queue'), '0|0', 'the second had none');

# A database that is not named; and a copy of one, which is found after a reload at the latest.
set_conf($node, 'pg_wallet.databases' => 'first');
becomes($node, 'second', 'SELECT worker_pid FROM wallet.queue',
    '', 'pg_wallet.databases takes the worker away');
is(worker_pid($node, 'first'), $pid{first}, 'and leaves the one that it names');
my $position = log_position($node);
$node->safe_psql('second', deposits_sql([1, 2])) foreach 1 .. 3;
$node->safe_psql('first',  deposits_sql([1, 1]));
becomes($node, 'first', queued(), '0', 'the allowed database goes on');
is(ask($node, 'second', queued()), '3', 'requests of the other stay queued');
log_stays($node, $position, qr/starting background worker process "pg_wallet worker"/,
    1.5, 'no worker is started in vain where none is allowed');
$node->safe_psql('postgres', 'CREATE DATABASE third TEMPLATE second');
set_conf($node, 'pg_wallet.databases' => '');
becomes($node, 'second', 'SELECT queued, posted FROM wallet.queue',
    '0|3', 'allowed again, they are posted');
becomes($node, 'third', 'SELECT queued, posted FROM wallet.queue',
    '0|3', 'a copied database has a worker of its own');
all_is_well($node, 'third', 'the copy');

# Other databases come and go undisturbed.  (pg_wallet.databases is empty: the worker of each looks
# into it for a moment.)
$position = log_position($node);
foreach my $i (1 .. 3)
{
    is(ask($node, 'postgres', "SET statement_timeout = '15s'; CREATE DATABASE passing"),
        '', "CREATE DATABASE, time $i");
    is(ask($node, 'postgres', "SET statement_timeout = '15s'; DROP DATABASE passing"),
        '', "DROP DATABASE, time $i");
}

# DROP EXTENSION under the worker.
is(ask($node, 'second', 'DROP EXTENSION pg_wallet') =~ /^psql:<stdin>:1: ERROR:  (.*)$/m,
    1, 'money is not dropped by accident');
is(ask($node, 'second', 'SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet'),
    '', 'DROP EXTENSION works under the worker');
set_conf($node, 'pg_wallet.poll_interval' => '100ms');
my $workers =
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker' AND datname = ";
becomes($node, 'postgres', "$workers 'second'", '0', 'its worker leaves');
is( ask($node,
        'postgres',
        "SET statement_timeout = '15s';
            CREATE DATABASE passing TEMPLATE second; DROP DATABASE passing"
    ),
    '',
    'nobody is connected to that database any more');
unlike(
    log_since($node, $position),
    qr/(ERROR|FATAL|PANIC)(?!:  (wallets|the journal|database "passing"))[^\n]*pg_wallet worker/,
    'the log shows no trouble');
$node->safe_psql('second', 'CREATE EXTENSION pg_wallet');
like(worker_pid($node, 'second', $pid{second}, 5),
    qr/^\d+$/, 'created again, it has a worker again');
make_wallets($node, 'second', 1, 10);
$node->safe_psql('second', deposits_sql([1, 2]));
becomes($node, 'second', 'SELECT queued, posted FROM wallet.queue', '0|1', 'which works');

# Dropped and created in one go: the worker does not notice but by the numbers.
set_conf($node, 'pg_wallet.poll_interval' => '60s');
$node->safe_psql('second', deposits_sql(map { [1, 1] } 1 .. 20));
becomes($node, 'second', queued(), '0', 'the queue has gone on to request 21');
$node->safe_psql('second', <<'SQL');
SET pg_wallet.allow_drop = on;
BEGIN;
DROP EXTENSION pg_wallet;
CREATE EXTENSION pg_wallet;
COMMIT;
SQL
make_wallets($node, 'second', 1, 10);
$node->safe_psql('second', deposits_sql([1, 2]));
becomes($node, 'second', queued(), '0', 'a new queue begins at the beginning', 5);
all_is_well($node, 'second', 'the new queue');

# The launcher may be busy with one database when the next one asks.
foreach my $time (1 .. 3)
{
    my @together = map { "together$_" } 1 .. 5;

    $node->safe_psql('postgres', "CREATE DATABASE $_") foreach @together;
    my @waiting = map { $node->background_psql($_) } @together;
    $_->query_safe('BEGIN; CREATE EXTENSION pg_wallet') foreach @waiting;
    # not one commit after the other
    $_->query_until(qr/now/, "\\echo now\nCOMMIT;\n") foreach @waiting;
    becomes($node, 'postgres', "$workers ANY ('{" . join(',', @together) . "}')",
        '5', "databases with a new extension have their workers, time $time", 3);
    $_->quit foreach @waiting;
    $node->safe_psql('postgres', "DROP DATABASE $_ WITH (FORCE)") foreach @together;
}

# A template has no worker: nobody could copy it.
$node->safe_psql('template1', 'CREATE EXTENSION pg_wallet');
is(ask($node, 'postgres', "SET statement_timeout = '15s'; CREATE DATABASE copied"),
    '', 'CREATE DATABASE works when the template has the extension');
is(ask($node, 'postgres', "$workers 'template1'"), '0', 'the template has no worker');
$node->reload;
like(worker_pid($node, 'copied', 0, 5), qr/^\d+$/, 'its copy has one');
$node->safe_psql('template1', 'DROP EXTENSION pg_wallet');

# A database that lets nobody in, on its way out.
$position = log_position($node);
$node->safe_psql('postgres', <<'SQL');
ALTER DATABASE copied ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'copied';
SQL
log_stays($node, $position, qr/FATAL:  database "copied" is not currently accepting connections/,
    1.5, 'no worker knocks at a closed door');
is(ask($node, 'postgres', 'DROP DATABASE copied'), '', 'DROP DATABASE works without FORCE');

# DROP DATABASE under the worker.
like(
    ask($node, 'postgres', 'DROP DATABASE third'),
    qr/being accessed by other users/,
    'a worker is a user of its database');
$position = log_position($node);
is(ask($node, 'postgres', 'DROP DATABASE third WITH (FORCE)'),
    '', 'DROP DATABASE WITH (FORCE) works under it');
becomes($node, 'postgres',
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'",
    '2', 'the others stay');
my @deaths = log_since($node, $position) =~ /FATAL: /g;
cmp_ok(scalar @deaths, '<=', 2, 'the log tells of it at most twice');

# A worker that dies is replaced.
my $old = worker_pid($node, 'first');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
my $new = worker_pid($node, 'first', $old, 5);
like($new, qr/^\d+$/, 'a terminated worker is replaced');
$node->safe_psql('first', deposits_sql([1, 1]));
becomes($node, 'first', queued(), '0', 'and the new one works');

# So is the launcher, and the workers do not mind.
$node->safe_psql(
    'postgres',
    q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'pg_wallet launcher'}
);
becomes($node, 'postgres',
    q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet launcher'},
    '1', 'a new launcher comes');
is(worker_pid($node, 'first'), $new, 'the worker has stayed');
new_database($node, 'fourth');
like(worker_pid($node, 'fourth', 0, 5), qr/^\d+$/, 'the new launcher starts workers too');

# A library and an extension of different versions do not work together.
$position = log_position($node);
$node->safe_psql('first',
    q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'pg_wallet'});
$node->safe_psql('first', deposits_sql([1, 1]));
log_becomes(
    $node, $position,
    qr/LOG:  pg_wallet worker of database "first" is paused: the installed extension and the loaded library have different versions\n.*DETAIL:  The extension has version 0\.9, the library has 1\./,
    'the worker says that it is paused');
is(ask($node, 'first', queued()), '1', 'it posts nothing');
$node->safe_psql('first',
    q{UPDATE pg_extension SET extversion = '1.0.0' WHERE extname = 'pg_wallet'});
$node->safe_psql('first', deposits_sql([1, 1]));
becomes($node, 'first', queued(), '0', 'of the same version again, it goes on');
is(worker_pid($node, 'first'), $new, 'all of that without a restart');

# Switched off and on in quick succession.
foreach my $time (1 .. 8)
{
    set_conf($node, 'pg_wallet.worker' => 'off');
    poll_for($node, 'first', 'SELECT worker_pid IS NULL FROM wallet.queue', 't');
    $node->safe_psql('first', deposits_sql([1, 1]));
    set_conf($node, 'pg_wallet.worker' => $_) foreach qw(on off on);
    becomes($node, 'first', queued(), '0', "off and on again, time $time", 5) or last;
}

# More databases than workers: the log says which setting is too small.
$node->append_conf('postgresql.conf', 'pg_wallet.max_workers = 1');
$node->restart;
$position = log_position($node);
log_becomes($node, 0, qr/pg_wallet\.max_workers/, 'the log says that there are too few workers');
is( ask($node, 'postgres',
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'"),
    '1',
    'there is one worker');

all_is_well($node, 'first', 'the first database');
done_testing();
