# A physical copy that is taken while money moves goes on with the queue where the copy ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server(
    'original',
    conf => "pg_wallet.poll_interval = '50ms'\n",
    init => {allows_streaming => 1});

new_database($node, $db);
make_wallets($node, $db, 20, 1000);
my $first = ask($node, $db,
    q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'first')});

# Transfers round and round, queued and direct, for as long as the copy takes.
my $script = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
append_to_file($script, <<'SQL');
\set source random(1, 20)
\set destination :source % 20 + 1
SELECT wallet_enqueue('transaction', json_build_object('user_id', :source, 'source_wallet_id', :source, 'dest_wallet_id', :destination, 'trans_sum', 0.01));
SELECT wallet_transfer(:destination, :source, 0.01);
SQL
my $said = '';
my $load = IPC::Run::start(
    ['pgbench', '-n', '-c', '2', '-T', '120', '-f', $script, '-h', $node->host, '-p', $node->port, $db],
    '>', \$said, '2>', \$said);
becomes($node, $db, 'SELECT count(*) > 100 FROM wallet.transfer WHERE request_id IS NOT NULL',
    't', 'money moves');
my $before = ask($node, $db, 'SELECT max(request_id) FROM wallet.request');
$node->backup('loaded');
my $after = ask($node, $db, 'SELECT max(request_id) FROM wallet.request');
ok($after > $before, 'and went on while the copy was taken');
$load->signal('INT');
$load->finish;

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'loaded');
$copy->start;
becomes($copy, $db, queued(), '0', 'the copy works off its queue');
ok(ask($copy, $db, 'SELECT max(request_id) FROM wallet.request') >= $before,
    'it has all that was asked before the copy');
all_is_well($copy, $db, 'the copy');
is(ask($copy, $db, "SELECT state FROM wallet_lookup('deposit', 1, '$first')"),
    'processed', 'an old handshake answers');
is( ask($copy, $db,
        q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'first')}),
    $first, 'an old key answers the old handshake');
$copy->safe_psql($db, deposits_sql([1, 1]));
becomes($copy, $db, queued(), '0', 'and what is new is posted');
all_is_well($copy, $db, 'the copy with more');
becomes($node, $db, queued(), '0', 'the original went on');
all_is_well($node, $db, 'the original');

done_testing();
