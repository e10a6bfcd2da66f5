# What a caller chooses (ids, their order, how many items a call has) costs the others nothing, and
# whoever has to stop it can.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use Time::HiRes qw(time);
use WalletServer;

my $db   = 'payments';
my $node = new_server('chosen');

new_database($node, $db);
make_wallets($node, $db, 1, 1);
my $worker = worker_pid($node, $db);

# Transfers between wallets that need not exist.  Folded by XOR, all these ids are the same one.
sub colliding_transfers_sql
{
    my ($call) = @_;

    return <<"SQL";
SELECT count(handshake_id) FROM wallet_enqueue_many(array_fill('transaction'::text, ARRAY[8000]),
	ARRAY(SELECT format('{"user_id":1,"source_wallet_id":%s,"dest_wallet_id":%s,"trans_sum":1}',
			(x << 32) | (x # 1540483477), ((x + 500000) << 32) | ((x + 500000) # 1540483477))
		FROM generate_series($call * 8000::bigint + 1, $call * 8000 + 8000) AS x))
SQL
}

$node->safe_psql($db, join ";\n", map { colliding_transfers_sql($_) } 0 .. 4);
my $from = time();
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, 'SELECT amount FROM wallet_get(1)',
    '2.00', 'a payment behind 40,000 requests whose ids were chosen is made');
cmp_ok(time() - $from, '<', 6, 'soon');

# The worker stops when it is told to, in the middle of such a batch.
$node->safe_psql($db, join ";\n", map { colliding_transfers_sql($_) } 5 .. 12);
is(ask($node, $db, "SELECT pg_terminate_backend($worker, 3000)"),
    't', 'a worker that posts chosen ids can be terminated');
worker_pid($node, $db, $worker);
becomes($node, $db, queued(), '0', 'and the next one posts the rest');

# So does a session, in the middle of a call of any size.
my $session = $node->background_psql($db, on_error_stop => 0);
my $pid     = $session->query_safe('SELECT pg_backend_pid()');

$session->query_until(qr/asking/, <<'SQL');
\echo asking
SELECT count(*) FROM (SELECT 2000000 AS n) AS size,
	LATERAL wallet_lookup_many(array_fill('wallet'::text, ARRAY[n]),
		array_fill(1::bigint, ARRAY[n]), array_fill(repeat('a', 64), ARRAY[n]));
SQL
poll_for($node, $db, "SELECT state FROM pg_stat_activity WHERE pid = $pid", 'active');
Time::HiRes::usleep(500_000);    # into the loop over the handshakes
is(ask($node, $db, "SELECT pg_terminate_backend($pid, 1500)"),
    't', 'a session in the middle of a huge call can be ended');
eval { $session->quit };

all_is_well($node, $db, 'chosen ids');
done_testing();
