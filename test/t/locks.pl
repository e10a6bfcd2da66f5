# Locks that ordinary commands take on tables do not stop the queue, nor the care for it; and a worker
# that is kept out says so.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('locks', conf => "pg_wallet.poll_interval = '100ms'\n");

new_database($node, $db);
make_wallets($node, $db, 3, 100);
worker_pid($node, $db);
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, queued(), '0', 'the queue goes');

# What ANALYZE, VACUUM and CREATE INDEX CONCURRENTLY lock, on every table there is.
my $open = $node->background_psql($db);
my $tables = ask($node, $db,
    q{SELECT string_agg('ONLY wallet.' || relname, ', ') FROM pg_class
        WHERE relnamespace = 'wallet'::regnamespace AND relkind IN ('r', 'p')});

foreach my $lock ('ANALYZE', "LOCK TABLE $tables IN SHARE UPDATE EXCLUSIVE MODE",
    'SELECT pg_advisory_xact_lock(0), pg_advisory_xact_lock(0, c.oid::integer) FROM pg_class AS c')
{
    $open->query_safe("SET client_min_messages = error; BEGIN; $lock;");
    $node->safe_psql($db, deposits_sql([1, 1]));
    becomes($node, $db, queued(), '0', "$lock: the queue goes on", 5);
    like(
        ask($node, $db, "SET lock_timeout = '2s'; SELECT wallet_process()"),
        qr/^0$/, "$lock: so does wallet_process()");
    like(
        ask($node, $db, "SET lock_timeout = '2s'; SELECT wallet_rotate_requests()"),
        qr/^[tf]$/, "$lock: and a new partition is begun, or the next call will");
    is(ask($node, $db, 'SELECT wallet_expire_requests()'), '0', "$lock: old requests are looked for");
    $open->query_safe('ROLLBACK');
}
is(ask($node, $db, "$_; $_; SELECT max(request_id) >> 44 = (SELECT last_value >> 44 FROM wallet.request_id_seq) FROM wallet.request"),
    "t\nf\nf", 'a partition that could not be made is made afterwards')
    foreach 'SELECT wallet_rotate_requests()';

# The other way round: who posts, or begins a partition, hinders no maintenance.
$open->query_safe('BEGIN; SELECT wallet_process()');
is(ask($node, $db, "SET lock_timeout = '2s'; ANALYZE wallet.queue_position, wallet.request_0; VACUUM wallet.queue_position"),
    '', 'a session that posts keeps nobody from ANALYZE and VACUUM');

# It keeps the worker out, which says so once, and once when it is over.
my $position = log_position($node);
my $kept_out = qr/LOG:  pg_wallet worker of database "\w+" is paused: another transaction posts the queue/;

$node->safe_psql($db, deposits_sql([1, 1]));
log_becomes($node, $position, $kept_out, 'a worker that is kept out says so in the log');
becomes($node, $db, 'SELECT detail FROM wallet_ready()', qr/^the worker is kept out.*objsubid 4/, 'wallet_ready() says so');
is( ask($node, $db,
        q{SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
            WHERE l.locktype = 'advisory' AND l.objsubid = 4 AND a.query ~ 'wallet_process' AND l.granted}),
    '1', 'the hint leads to the session');
$open->query_safe('COMMIT');
becomes($node, $db, queued(), '0', 'the worker goes on');
log_becomes($node, $position, qr/LOG:  pg_wallet worker of database "\w+" posts again/, 'and says that, too');
unlike(log_since($node, $position), qr/$kept_out.*$kept_out/s, 'each is said once');
is(ask($node, $db, 'SELECT worker_alive, detail FROM wallet_ready()'), 't|the worker is alive', 'so does wallet_ready()');

$open->quit;
all_is_well($node, $db, 'locks');
done_testing();
