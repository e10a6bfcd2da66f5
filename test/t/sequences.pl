# Ids that are not new: a sequence that was set back or altered, or was left behind, is refused before
# anything is stored. What was acknowledged never stays behind the mark, where nobody reads it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('sequences', conf => "pg_wallet.worker = off\n");
new_database($node, $db);
make_wallets($node, $db, 5, 100);

my $deposit  = q{wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}')};
my %draws = (
    request_id_seq  => [ "SELECT $deposit IS NOT NULL", deposits_sql([ 1, 1 ]) ],
    transfer_id_seq => [ 'SELECT (wallet_transfer(1, 2, 0.01)).transfer_id IS NOT NULL', 'SELECT count(wallet_deposit(3, 1))' ],
    wallet_id_seq   => [ 'SELECT (wallet_create((random() * 1e15)::bigint + 10)).wallet_id IS NOT NULL' ],
);
my $good = qr/^(t|1)$/;

# Each sequence refuses to be anything but what it was made.
foreach my $sequence (sort keys %draws)
{
    foreach my $draw (@{ $draws{$sequence} })
    {
        like(ask($node, $db, $draw), $good, "$sequence as it was made: $draw");
        my @changes = ([ 'CACHE 10', 'CACHE 1' ], [ 'INCREMENT 2', 'INCREMENT 1' ], [ 'CYCLE', 'NO CYCLE' ]);
        foreach my $change ($draw eq $draws{$sequence}[0] ? @changes : $changes[0])
        {
            my ($to, $back) = @{$change};

            $node->safe_psql($db, "ALTER SEQUENCE wallet.$sequence $to");
            like(ask($node, $db, $draw), qr/ERROR:  sequence wallet\.$sequence has options that pg_wallet cannot work with.*DETAIL:  Its increment is \d+, its cache is \d+.*HINT:  ALTER SEQUENCE wallet\.$sequence/s, "$to is refused");
            $node->safe_psql($db, "ALTER SEQUENCE wallet.$sequence $back");
        }
        like(ask($node, $db, $draw), $good, 'as it was made again');
    }
}
like(ask($node, $db, "ALTER SEQUENCE wallet.request_id_seq CACHE 10; $draws{request_id_seq}[0]"), qr/ERROR:  sequence/, 'also in the session that alters it');
$node->safe_psql($db, 'ALTER SEQUENCE wallet.request_id_seq CACHE 1');
is(ask($node, $db, 'SELECT wallet_process() > 0'), 't', 'what was queued is posted');

# Set back onto the ids of a transaction that has rolled back, below the mark.
sub set_back
{
    my ($node, $name) = @_;
    my $last = ask($node, $db, 'SELECT last_value FROM wallet.request_id_seq');

    ask($node, $db, 'BEGIN; ' . deposits_sql(map { [ 1, 1 ] } 1 .. 5) . '; ROLLBACK');
    is(ask($node, $db, deposits_sql([ 1, 1 ])), '1', "$name: a request above a gap");
    is(ask($node, $db, 'SELECT wallet_process()'), '1', "$name: the gap is passed");
    my $highest = ask($node, $db, 'SELECT max(request_id) FROM wallet.request');
    my $before  = ask($node, $db, 'SELECT count(*) FROM wallet.request');
    $node->safe_psql($db, "SELECT setval('wallet.request_id_seq', $last)");
    like(ask($node, $db, $_), qr/ERROR:  sequence wallet\.request_id_seq is behind.*setval\('wallet\.request_id_seq', $highest\)/s, "$name: refused: $_") foreach @{ $draws{request_id_seq} };
    is(ask($node, $db, 'SELECT count(*) FROM wallet.request'), $before, "$name: nothing is stored");
    is(ask($node, $db, "SELECT setval('wallet.request_id_seq', $highest) > 0"), 't', "$name: what the hint says");
    is(ask($node, $db, deposits_sql([ 1, 1 ], [ 2, 1 ])), '2', "$name: is the cure");
    is(ask($node, $db, 'SELECT wallet_process()'), '2', "$name: and those are posted");
    is(ask($node, $db, queued()), '0', "$name: nothing waits");
    return;
}
set_back($node, 'with shared memory');

# A session that has drawn in advance still has those ids when the sequence is as it was made.
$node->safe_psql($db, 'ALTER SEQUENCE wallet.request_id_seq CACHE 10');
my ($in, $out, $error) = ('', '', '');
my $session = IPC::Run::start([ $node->installed_command('psql'), '-XAtq', '-h', $node->host, '-p', $node->port, '-d', $db ], '<', \$in, '>', \$out, '2>', \$error, IPC::Run::timeout(60));
$in .= "SELECT nextval('wallet.request_id_seq');\n";
$session->pump until $out =~ /\d\n/;
$node->safe_psql($db, "ALTER SEQUENCE wallet.request_id_seq CACHE 1");
is(ask($node, $db, deposits_sql([ 1, 1 ])), '1', 'another session queues');
is(ask($node, $db, 'SELECT wallet_process()'), '1', 'and is served');
$in .= "$draws{request_id_seq}[0];\n\\q\n";
$session->finish;
like("$out$error", qr/^t\n|ERROR:  sequence wallet\.request_id_seq is behind/m, 'ids drawn in advance are refused, or thrown away');
ask($node, $db, 'SELECT wallet_process()');
is(ask($node, $db, queued()), '0', 'and nothing waits');

# Money's ids: set back onto those of a rolled-back payment, whatever the wallets' chains say.
ask($node, $db, 'BEGIN; SELECT wallet_transfer(1, 2, 0.01); SELECT wallet_transfer(1, 2, 0.01); ROLLBACK');
is(ask($node, $db, 'SELECT (wallet_transfer(1, 2, 0.01)).transfer_id IS NOT NULL'), 't', 'a payment above a gap of transfers');
$node->safe_psql($db, q{SELECT setval('wallet.transfer_id_seq', last_value - 3) FROM wallet.transfer_id_seq});
like(ask($node, $db, 'SELECT wallet_transfer(3, 4, 0.01)'), qr/ERROR:  sequence wallet\.transfer_id_seq is behind/, 'wallets without a chain do not draw below it');
is(ask($node, $db, deposits_sql([ 4, 1 ])), '1', 'a request is queued meanwhile');
like(ask($node, $db, 'SELECT wallet_process()'), qr/sequence/, 'and is not refused for that');
$node->safe_psql($db, q{SELECT setval('wallet.transfer_id_seq', 1000)});
poll_for($node, $db, 'SELECT wallet_process()', '1');
is(ask($node, $db, queued()), '0', 'but posted when the sequence is well');

# After a start the tables say it.
foreach my $mode ('fast', 'immediate')
{
    is(ask($node, $db, deposits_sql([ 1, 1 ])), '1', 'a request waits');
    $node->stop($mode);
    $node->start;
    $node->safe_psql($db, "SELECT setval('wallet.$_', 1)") foreach sort keys %draws;
    foreach my $sequence (sort keys %draws)
    {
        like(ask($node, $db, $draws{$sequence}[0]), qr/ERROR:  sequence wallet\.$sequence is behind/, "after a stop ($mode) $sequence is found to be behind");
        my $value = ask($node, $db, $draws{$sequence}[0]) =~ /setval\('wallet\.$sequence', (\d+)\)/ ? $1 : 1;
        $node->safe_psql($db, "SELECT setval('wallet.$sequence', $value)");
        like(ask($node, $db, $draws{$sequence}[0]), $good, "$sequence works again");
    }
    is(ask($node, $db, 'SELECT wallet_process()'), '2', 'what was queued is posted');
}

# Forward is harmless, and an extension made anew begins with 1.
$node->safe_psql($db, "SELECT setval('wallet.$_', 100000)") foreach sort keys %draws;
like(ask($node, $db, $draws{$_}[0]), $good, "$_ was set forward") foreach sort keys %draws;
is(ask($node, $db, 'SELECT wallet_rotate_requests()'), 't', 'a new partition');
like(ask($node, $db, $draws{request_id_seq}[0]), $good, 'whose ids are drawn');
is(ask($node, $db, 'SELECT wallet_process()'), '2', 'and posted');

# Many at once: nobody is refused for another's sake.
$node->append_conf('postgresql.conf', "pg_wallet.worker = on\n");
$node->reload;
my $script = PostgreSQL::Test::Utils::tempdir() . '/draw.sql';
append_to_file($script, join ";\n", "SELECT $deposit", 'SELECT wallet_transfer(1 + :client_id % 5, 1 + (:client_id + 1) % 5, 0.01)', deposits_sql(map { [ 1, 1 ] } 1 .. 20), '');
$node->command_ok([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '60', '-f', $script, $db ], 'eight clients draw at the same time');
becomes($node, $db, queued(), '0', 'all is posted');
all_is_well($node, $db, 'with shared memory');
is(ask($node, $db, 'SET client_min_messages = warning; SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet; CREATE EXTENSION pg_wallet; SELECT wallet_id FROM wallet_create(1, 10)'), '1', 'made anew');

# Without shared memory.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->adjust_conf('postgresql.conf', $_, undef) foreach 'pg_wallet.poll_interval', 'pg_wallet.batch_max', 'pg_wallet.worker';
$node->restart;
make_wallets($node, $db, 0, 0);
is(ask($node, $db, 'SELECT wallet_id FROM wallet_create(2, 10)'), '2', 'without shared memory');
set_back($node, 'without shared memory');
all_is_well($node, $db, 'without shared memory');

done_testing();
