# No slot for a background worker: the log says so once, and again when that changes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

# One slot for the launcher, one for logical replication's, and one for a worker.
my $node = new_server('slots', conf => "max_worker_processes = 3\nlog_line_prefix = '%m [%p] %b: '\n");
new_database($node, 'first');
like(worker_pid($node, 'first', 0, 5), qr/^\d+$/, 'one database has a worker');

my $position = log_position($node);
my $message  = qr/could not start a pg_wallet worker: no slot for a background worker/;
new_database($node, 'second');
make_wallets($node, 'second', 1, 10);
log_becomes($node, $position, $message, 'for the other there is no slot');
like(ask($node, 'second', 'SELECT * FROM wallet_ready()'),
    qr/^f\|no worker can be started.*Increase max_worker_processes/, 'wallet_ready() says so');
is(ask($node, 'first', 'SELECT worker_alive FROM wallet_ready()'), 't', 'the first is ready');
$node->safe_psql('second', deposits_sql([1, 1]));
my $said = -s $node->logfile;
log_stays($node, $said, qr/pg_wallet|max_worker_processes/, 3, 'the log says it once');

$node->safe_psql('postgres', 'DROP DATABASE first WITH (FORCE)');
becomes($node, 'second', queued(), '0', 'as soon as there is a slot, the other has its worker');
log_becomes($node, $said, qr/LOG:  pg_wallet workers are started again/, 'and the log says so');
is(ask($node, 'second', 'SELECT * FROM wallet_ready()'), 't|the worker is alive', 'it is ready');
all_is_well($node, 'second', 'the second');

# A database that cannot be opened: its worker is started after longer and longer pauses.
my $where = $node->data_dir . '/'
    . ask($node, 'second', q{SELECT 'base/' || oid FROM pg_database WHERE datname = 'second'});
rename "$where/PG_VERSION", "$where/hidden" or die "cannot rename $where/PG_VERSION: $!";
$position = log_position($node);
$node->safe_psql('postgres',
    q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'});
log_becomes($node, $position, qr/FATAL:  .*not a valid data directory/, 'a worker dies as soon as it starts');
log_stays($node, $position, qr/(?:FATAL:  .*){5}/s, 5, 'and again, but not twice a second');
rename "$where/hidden", "$where/PG_VERSION" or die "cannot rename $where/hidden: $!";
like(worker_pid($node, 'second', 0, 20), qr/^\d+$/, 'mended, it comes back');

# A stop of the server is no error of anybody.
$position = log_position($node);
$node->stop;
log_is_quiet($node, $position, 'a stop of the server');

done_testing();
