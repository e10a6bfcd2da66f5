# Index entries that are inserted many at once, into a page on which a search has marked entries as dead or into many
# new pages; and new versions of holds beside the old ones: recovery makes the same pages of the log. The server
# compares both by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('replayed', conf => "wal_consistency_checking = 'heap, btree, generic'\nautovacuum = off\npg_wallet.worker = off\n");
new_database($node, $db);
make_wallets($node, $db, 20, 1_000_000);
$node->safe_psql($db, 'CREATE EXTENSION pageinspect; CREATE EXTENSION amcheck');

queue_holds(100);
$node->safe_psql($db, 'SELECT wallet_void(hold_id) FROM wallet.hold WHERE hold_id % 2 = 0');
# A search that meets entries whose rows are gone for everybody marks them.
foreach my $columns ('expires_at', 'source_wallet_id, expires_at', 'destination_wallet_id')
{
    $node->safe_psql($db, "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SELECT rest FROM wallet.hold WHERE state = 0 ORDER BY $columns") for 1 .. 2;
}
my @marked = map { marks("wallet.$_") } qw(hold_by_expires_at hold_by_source hold_by_destination);
cmp_ok($_, '>', 0, 'entries are marked as dead') foreach @marked;
queue_holds(100);
queue_holds(3000);
my $pages = pages();
queue_captures(1000);
cmp_ok(pages(), '==', $pages, 'the captures have found room beside their holds');
my $log = log_position($node);
$node->stop('immediate');
$node->start;
unlike(log_since($node, $log), qr/inconsistent page/, 'recovery has made the same pages');
is(ask($node, $db, "SELECT count(bt_index_parent_check(c.oid, true)) FROM pg_class AS c WHERE c.relname LIKE 'hold_by_%' AND c.relkind = 'i'"),
    '3', 'the indexes are in order');
all_is_well($node, $db, 'after recovery');
done_testing();

# One batch, so that many entries belong to one page.
sub queue_holds
{
    my ($count) = @_;

    $node->safe_psql($db, <<"SQL");
SELECT count(m.handshake_id) FROM (SELECT array_agg('hold'::text), array_agg(format('{"user_id":%1\$s,"source_wallet_id":%1\$s,"dest_wallet_id":%2\$s,"amount":0.01}', 1 + i % 20, 1 + (i + 1) % 20))
    FROM generate_series(1, $count) AS i) AS p (kinds, payloads), wallet_enqueue_many(p.kinds, p.payloads) AS m;
SELECT wallet_process();
SQL
    return;
}

# Of the newest holds, which the batch before has made.
sub queue_captures
{
    my ($count) = @_;

    $node->safe_psql($db, <<"SQL");
SELECT count(m.handshake_id) FROM (SELECT array_agg('capture'::text), array_agg(format('{"user_id":%s,"hold_id":%s}', h.destination_wallet_id, h.hold_id))
    FROM (SELECT * FROM wallet.hold ORDER BY hold_id DESC LIMIT $count) AS h) AS p (kinds, payloads), wallet_enqueue_many(p.kinds, p.payloads) AS m;
SELECT wallet_process();
SQL
    is(ask($node, $db, 'SELECT count(*) FROM wallet.hold WHERE state = 1'), $count, 'the holds are captured');
    return;
}

sub pages { return ask($node, $db, q{SELECT pg_relation_size('wallet.hold') / 8192}); }

# How many entries of the index's first leaf page are marked as dead.
sub marks
{
    my ($index) = @_;

    return ask($node, $db, "SELECT count(*) FILTER (WHERE dead) FROM bt_page_items('$index', 1)");
}
