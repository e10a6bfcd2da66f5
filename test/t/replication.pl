# What is written without a statement reaches logical decoding and a standby as ever.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server(
    'decoded',
    init => { allows_streaming => 'logical' },
    conf => "pg_wallet.worker = off\n");

new_database($node, $db);
make_wallets($node, $db, 2, 100);
$node->safe_psql($db, q{SELECT pg_create_logical_replication_slot('changes', 'test_decoding')});
$node->safe_psql($db, 'SELECT wallet_transfer(1, 2, 1.25)');
$node->safe_psql($db, <<'SQL');
SELECT wallet_enqueue('transaction', '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":2.5}');
SELECT wallet_enqueue('wallet', '{"user_id":1}');
SQL
is(ask($node, $db, 'SELECT wallet_process()'), '2', 'two requests are posted');

my $changes = ask($node, $db,
    q{SELECT data FROM pg_logical_slot_get_changes('changes', NULL, NULL) WHERE data LIKE 'table%'});
my %expected = (
    'a direct transfer'       => qr/^table wallet\.transfer: INSERT: .*amount\[bigint\]:125 /m,
    'a queued transfer'       => qr/^table wallet\.transfer: INSERT: .*amount\[bigint\]:250 /m,
    'the first new balance'   => qr/^table wallet\.wallet: UPDATE: wallet_id\[bigint\]:1 .*balance\[bigint\]:9875 /m,
    'the last new balance'    => qr/^table wallet\.wallet: UPDATE: wallet_id\[bigint\]:1 .*balance\[bigint\]:9625 /m,
    'the receiver\'s balance' => qr/^table wallet\.wallet: UPDATE: wallet_id\[bigint\]:2 .*balance\[bigint\]:10375 /m,
    'a request'               => qr/^table wallet\.request_0: INSERT: .*kind\[smallint\]:2/m,
    'a refusal'               => qr/^table wallet\.outcome_0: INSERT: .*code\[text\]:'wallet_exists'/m,
);
like($changes, $expected{$_}, "decoded: $_") foreach sort keys %expected;

# Statistics count what was written, so that autovacuum comes.
$node->safe_psql($db, 'SELECT wallet_transfer(1, 2, 0.01)');
poll_for($node, $db, q{SELECT n_tup_upd >= 6 FROM pg_stat_user_tables WHERE relname = 'wallet'}, 't');
is(ask($node, $db, q{SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'wallet'}),
    '6|6', 'six updates, all HOT');
is(ask($node, $db, q{SELECT n_tup_ins >= 4 FROM pg_stat_user_tables WHERE relname = 'transfer'}),
    't', 'and insertions');

# Whoever posts batch after batch leaves room on the page for the next one.
$node->safe_psql($db, join "\n",
    ("SELECT wallet_enqueue('deposit', '{\"user_id\":1,\"wallet_id\":1,\"amount\":1}'); SELECT wallet_process();") x 200);
poll_for($node, $db, q{SELECT n_tup_upd >= 206 FROM pg_stat_user_tables WHERE relname = 'wallet'}, 't');
is(ask($node, $db, q{SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'wallet'}),
    '0', 'two hundred batches more, all HOT');

# A table that publishes updates needs an identity, whoever writes.
$node->safe_psql($db, 'ALTER TABLE wallet.wallet REPLICA IDENTITY NOTHING');
$node->safe_psql($db, 'CREATE PUBLICATION wallets FOR TABLE wallet.wallet');
like(ask($node, $db, 'SELECT wallet_transfer(1, 2, 1)'),
    qr/cannot update table "wallet" because it does not have a replica identity/,
    'without an identity nothing is updated');

done_testing();
