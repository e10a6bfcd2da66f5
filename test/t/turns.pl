# A steady stream of direct payments does not starve the requests that wait for the same wallet, and
# requests that wait do not keep others out, however many they are.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use WalletServer;

my $db   = 'payments';
my $node = new_server('turns', conf => "pg_wallet.poll_interval = '1s'\n");

new_database($node, $db);
make_wallets($node, $db, 20, 100_000);
my $worker = worker_pid($node, $db);
my $claims = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 7 AND granted
    AND mode = 'ExclusiveLock'};

# Eight clients pay from wallet 1, and each holds it for 20 ms.
my $script = PostgreSQL::Test::Utils::tempdir() . '/pay.sql';
PostgreSQL::Test::Utils::append_to_file($script,
    "BEGIN;\nSELECT wallet_transfer(1, 2, 0.01);\n\\sleep 20 ms\nCOMMIT;\n");
my @pgbench = (
    $node->installed_command('pgbench'),
    '-n', '-c', '8', '-T', '60', '-f', $script, '-h', $node->host, '-p', $node->port, $db);
my ($out, $err) = ('', '');
my $stream = IPC::Run::start(\@pgbench, '>', \$out, '2>', \$err);
poll_for($node, $db,
    q{SELECT count(*) > 3 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND NOT granted},
    't');

# How long until a request of this wallet's is carried out?  It waits at most for as many seconds.
sub seconds_of_deposit
{
    my ($wallet_id, $seconds) = @_;
    my $from = time();
    my $sum  = "SELECT count(*) FROM wallet.transfer
        WHERE destination_wallet_id = $wallet_id AND request_id IS NOT NULL";
    my $before = ask($node, $db, $sum);

    $node->safe_psql($db, deposits_sql([$wallet_id, 1]));
    poll_for($node, $db, $sum, $before + 1, $seconds);
    return time() - $from;
}

my @seconds = sort { $a <=> $b } map { seconds_of_deposit(1, 10) } 1 .. 6;
cmp_ok($seconds[-1], '<', 5, 'a request for a wallet that others pay from all the time has its turn');
@seconds = sort { $a <=> $b } map { seconds_of_deposit(5, 10) } 1 .. 6;
cmp_ok($seconds[2], '<', 1, 'and other wallets do not wait for it');

# The same for a transfer between two such wallets, and what comes after it.
$node->safe_psql($db, transfers_sql([2, 1, 1], [1, 7, 1], [7, 8, 1]));
becomes($node, $db, queued(), '0', 'a request that needs two such wallets is carried out', 10);

# A great many at once.
$node->safe_psql($db, deposits_sql(map { [1, 0.01] } 1 .. 20_000));
cmp_ok(seconds_of_deposit(6, 10), '<', 3, 'behind 20,000 requests others are carried out');
becomes($node, $db, queued(), '0', 'and so are they', 20);

# A worker that is stopped takes its claims along.
$node->safe_psql($db, deposits_sql([1, 1]));
ask($node, $db, "SELECT pg_terminate_backend($worker, 5000)");
worker_pid($node, $db, $worker);
becomes($node, $db, queued(), '0', 'a worker that begins anew does the rest', 10);
$stream->signal('INT');
$stream->finish;
becomes($node, $db, $claims, '0', 'no claim is left');
is(ask($node, $db, 'SELECT (wallet_transfer(1, 2, 0.01)).transfer_id IS NOT NULL'), 't', 'and nobody waits for one');

# A circle that nobody sees: the holder of one wallet waits for a payer who has stepped back from
# another one, because a request needs both.
my ($holder, $payer) = map { $node->background_psql($db) } 0 .. 1;
$holder->query_safe('BEGIN; SELECT wallet_deposit(9, 1)');
$node->safe_psql($db, transfers_sql([9, 14, 1]));
becomes($node, $db, $claims, '2', 'the worker claims both wallets of a request that has waited');
$payer->query_safe('BEGIN; SELECT pg_advisory_xact_lock(42)');
$payer->query_until(qr/paying/, "\\echo paying\nSELECT wallet_deposit(14, 1);\nCOMMIT;\n");
$holder->query_until(qr/asking/, "\\echo asking\nSELECT pg_advisory_xact_lock(42);\nCOMMIT;\n");
becomes($node, $db, queued(), '0', 'the claim ends, and so does the circle', 15);
becomes($node, $db, 'SELECT amount FROM wallet_get(14)', '100002.00', 'all three have paid');
$_->quit foreach $holder, $payer;

# More requests than are kept in memory wait for one wallet: the others are still read, and the order
# stays.
my $idle = $node->background_psql($db);
$idle->query_safe('BEGIN; SELECT wallet_deposit(10, 1)');
$node->safe_psql($db, <<'SQL');
SELECT count(wallet_enqueue('deposit', '{"user_id":10,"wallet_id":10,"amount":0.01}'))
	FROM generate_series(1, 110000);
SQL
$node->safe_psql($db, transfers_sql([10, 11, 101_101], [10, 11, 0.01], [11, 12, 201_101]));
$node->safe_psql($db, deposits_sql([13, 1], [11, 1]));
becomes($node, $db, 'SELECT amount FROM wallet_get(13)',
    '100001.00', 'behind 110,000 requests that wait for one wallet another one is carried out');
becomes($node, $db, 'SELECT queued, deferred FROM wallet.queue', '110004|110004', 'they wait');
$idle->query_safe('COMMIT');
becomes($node, $db, queued(), '0', 'released, they are carried out', 60);
is( ask($node, $db,
        'SELECT string_agg(amount::text, chr(32) ORDER BY wallet_id) FROM generate_series(10, 12) AS w, wallet_get(w)'
    ),
    '0.00 1.00 301101.00',
    'in their order: each had just the money of those before');
$idle->quit;

all_is_well($node, $db, 'turns');
done_testing();
