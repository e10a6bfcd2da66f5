# A group that waits for a wallet is posted from what was read, also when its round has asked before which requests are
# settled, as the first round after a crash does where a request had waited.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('deferred_group', conf => "pg_wallet.poll_interval = '50ms'\n");

new_database($node, $db);
make_wallets($node, $db, 6, 1000);

# One request waits for a wallet, others are posted, and the position says so.
my $holder = $node->background_psql($db);
$holder->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 6 FOR UPDATE');
$node->safe_psql($db, transfers_sql([4, 6, 1], map { [1, 2, 1] } 1 .. 50));
becomes($node, $db, q{SELECT count(*) FROM wallet.queue_position WHERE unsettled <> '{}'}, '1', 'a request waits');
$node->append_conf('postgresql.conf', 'pg_wallet.worker = off');
$node->stop('immediate');
undef $holder;
$node->start;

# Groups of many sizes that pay to a wallet that somebody holds.
$holder = $node->background_psql($db);
$holder->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 5 FOR UPDATE');
$node->safe_psql($db, enqueue_sql('group', map { group_json($_ % 40 + 2) } 1 .. 300));
my $position = log_position($node);
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, 'SELECT deferred FROM wallet.queue', '300', 'groups wait for a wallet');
is($node->safe_psql($db, transfers_sql(map { [1, 2, 1] } 1 .. 50)), '50', 'more requests');
becomes($node, $db, queued(), '300', 'are posted meanwhile');
$holder->query_safe('ROLLBACK');
becomes($node, $db, queued(), '0', 'then the groups are posted');
is(ask($node, $db, 'SELECT count(*) FROM wallet.outcome'), '0', 'and none is refused');
is(ask($node, $db, 'SELECT balance FROM wallet.wallet WHERE wallet_id = 5'), '100300', 'each once');
unlike(log_since($node, $position), qr/terminated by signal|ERROR|PANIC/, 'the worker had no trouble with it');
all_is_well($node, $db, 'groups that waited');
$holder->quit;
done_testing();

# The first leg pays a cent to the held wallet, the others to another one.
sub group_json
{
    my ($legs) = @_;
    my @legs = map { sprintf '{"kind":"transaction","source_wallet_id":%d,"dest_wallet_id":%d,"trans_sum":0.01}', 3, $_ == 0 ? 5 : 4 } 0 .. $legs - 1;

    return '{"user_id":3,"legs":[' . join(',', @legs) . ']}';
}
