# Tables that are altered while the worker runs: what it learnt of them before does not stay in force.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('alterations');

new_database($node, $db);
make_wallets($node, $db, 2, 100);
worker_pid($node, $db);

# Queue a deposit of 1 into wallet 1 and wait for its balance.
sub deposit_becomes
{
    my ($balance, $what) = @_;

    $node->safe_psql($db, deposits_sql([1, 1]));
    becomes($node, $db, 'SELECT amount FROM wallet_get(1)', $balance, $what);
    return;
}

deposit_becomes('101.00', 'a deposit is made');

# A plan that a rule has left empty depends on nothing, and would never be made anew.
my $position = log_position($node);

$node->safe_psql($db, 'CREATE RULE swallow AS ON UPDATE TO wallet.wallet DO INSTEAD NOTHING');
$node->safe_psql($db, deposits_sql([1, 1]));
log_becomes($node, $position, qr/wrote 0 rows to wallet\.wallet/, 'a rule that swallows payments is noticed');
$node->safe_psql($db, 'DROP RULE swallow ON wallet.wallet');
becomes($node, $db, 'SELECT amount FROM wallet_get(1)', '102.00', 'what it swallowed is made when it is gone');
deposit_becomes('103.00', 'and so is what comes after it');

# A foreign key onto a column that payments change, and a type modifier.
$node->safe_psql($db, <<'SQL');
ALTER TABLE wallet.wallet ADD UNIQUE (wallet_id, last_transfer_id);
CREATE TABLE seen (wallet_id bigint, last_transfer_id bigint,
	FOREIGN KEY (wallet_id, last_transfer_id) REFERENCES wallet.wallet (wallet_id, last_transfer_id) ON UPDATE CASCADE);
INSERT INTO seen SELECT wallet_id, last_transfer_id FROM wallet.wallet WHERE wallet_id = 1;
ALTER TABLE wallet.wallet ALTER updated_at TYPE timestamptz(0);
SQL
deposit_becomes('104.00', 'a deposit into a wallet with a key onto its last transfer is made');
is(ask($node, $db, 'SELECT count(*) FROM seen JOIN wallet.wallet USING (wallet_id, last_transfer_id)'),
    '1', 'the key has followed it');
is(ask($node, $db, "SELECT updated_at = date_trunc('second', updated_at) FROM wallet.wallet WHERE wallet_id = 1"),
    't', 'and its time is rounded as the column says');

all_is_well($node, $db, 'all money is accounted for');
$node->stop;
done_testing();
