# What somebody else holds back (an open transaction, a held snapshot, thousands of ids that never come)
# costs the others nothing: a round's work depends on what is new. Work is measured as the worker's
# processor time, or as rows read, so that a busy machine does not matter.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;

my $db   = 'payments';
my $node = new_server('held_back', conf => "pg_wallet.poll_interval = '100ms'\nautovacuum = off\nwal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\n");
my $pid;

new_database($node, $db);
make_wallets($node, $db, 20, 100_000);
$pid = worker_pid($node, $db);
$node->safe_psql($db, <<'SQL');
ALTER TABLE wallet.transfer ADD CONSTRAINT not_this CHECK (amount <> 66613);
CREATE PROCEDURE make_gaps(count int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. count LOOP
        BEGIN
            PERFORM wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":1}');
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
        END;
        PERFORM wallet_enqueue('deposit', '{"user_id":2,"wallet_id":2,"amount":1}');
        IF i % 100 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;
SQL

# ---- Gaps: an open transaction, and enqueues that are rolled back to savepoints ----

my $gaps = 20_000;
my $open = $node->background_psql($db);
my $from = time();

$open->query_safe('BEGIN; ' . deposits_sql([1, 1]));
$node->safe_psql($db, "CALL make_gaps($gaps)");
becomes($node, $db, 'SELECT queued, gaps FROM wallet.queue', "0|$gaps", 'thousands of gaps are open');
costs_little(sub { pay_one_by_one(30) }, 0.5, 'payments beside them');
costs_little(sub { usleep(2_000_000) }, 0.1, 'twenty polls');

# Another old transaction ends: then they are looked into once.
my $other = $node->background_psql($db);
$other->query_safe('BEGIN; ' . deposits_sql([3, 1]));
$node->safe_psql($db, "CALL make_gaps(1000)");
$other->query_safe('COMMIT');
becomes($node, $db, queued(), '0', 'one that was open for a while is posted when it commits');
costs_little(sub { pay_one_by_one(30) }, 0.5, 'payments after that');
cmp_ok(
    ask($node, $db, q{SELECT pg_stat_get_tuples_updated('wallet.queue_position'::regclass)}),
    '<=', 3 + log(1 + time() - $from) / log(2),
    'the position is stored less and less often while nobody may prune its old versions');

# ---- Requests that fail, with thousands settled above an open one ----

my $refused = q{SELECT count(*) FROM wallet.outcome WHERE code = 'internal_error'};

costs_little(
    sub {
        $node->safe_psql($db, deposits_sql([1 + $_, 666.13], [2 + $_, 1])) foreach 1 .. 10;
        becomes($node, $db, $refused, '10', 'requests that break a rule are refused');
        pay_one_by_one(5);
    },
    2, 'finding them');

$open->query_safe('COMMIT');
becomes($node, $db, queued() . '; SELECT gaps FROM wallet.queue', "0\n0", 'the gaps are gone with the transaction');
all_is_well($node, $db, 'gaps');

# ---- Whoever begins anew does not read again what is settled ----

set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
$open->query_safe('BEGIN; ' . deposits_sql([1, 1]));
$other->query_safe('BEGIN; SELECT wallet_deposit(4, 1)');
$node->safe_psql($db, deposits_sql(map { [1 + $_ % 3, 1] } 1 .. 10_000));
$node->safe_psql($db, deposits_sql([4, 1]));
is(ask($node, $db, 'SELECT wallet_process()'), '10000', 'all are posted but two');
rows_read_by(
    sub {
        foreach (1 .. 10)
        {
            $node->safe_psql($db, deposits_sql([5, 1]));
            is(ask($node, $db, 'SELECT wallet_process()'), '1', 'one is posted');
        }
        is(ask($node, $db, queued()), '1', 'one waits for its wallet');
    },
    20_000, 'ten calls, each in a session of its own');
is( ask($node, $db, 'SELECT r.user_id FROM wallet.request AS r, wallet.queue_position AS p WHERE p.unsettled @> r.request_id'),
    '4', 'it is one of those that are kept as unsettled');
$open->query_safe('COMMIT');
$other->query_safe('COMMIT');
is(ask($node, $db, 'SELECT wallet_process()'), '2', 'both are posted when they can be');
all_is_well($node, $db, 'sessions one after the other');

# ---- A session looks once whether the queue is open ----

my $looks = q{SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_all_tables WHERE relid = 'wallet.queue_position'::regclass};
my $before = ask($node, $db, $looks);
$other->query_safe("DO 'BEGIN FOR i IN 1 .. 100 LOOP PERFORM wallet_enqueue(\$\$deposit\$\$, \$\${\"user_id\":1,\"wallet_id\":1,\"amount\":1}\$\$); COMMIT; END LOOP; END'");
$other->query_safe('SELECT pg_stat_force_next_flush()');
cmp_ok(ask($node, $db, $looks) - $before, '<', 10, 'a hundred requests of one session do not look for the position each');

# What it has seen in its own transaction may not last.
new_database($node, 'first');
make_wallets($node, 'first', 1, 1);
my $first = $node->background_psql('first');
$first->query_safe("BEGIN; " . deposits_sql([1, 1]) . '; ' . deposits_sql([1, 1]) . '; ROLLBACK');
$first->query_safe("BEGIN; SAVEPOINT s; " . deposits_sql([1, 1]) . '; ROLLBACK TO s; ' . deposits_sql([1, 1]) . '; COMMIT');
is(ask($node, 'first', 'SELECT wallet_process()'), '1', 'a queue whose opening was rolled back is opened again');
$first->query_safe('SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet; CREATE EXTENSION pg_wallet; SELECT wallet_create(1)');
$first->query_safe(deposits_sql([1, 1]));
is(ask($node, 'first', 'SELECT wallet_process()'), '1', 'and so is one that was made anew');
$first->quit;

# ---- Everything at once, and nothing is lost ----

set_conf($node, 'pg_wallet.worker' => 'on');
worker_pid($node, $db);
my $script = $node->basedir . '/mixed.sql';
append_to_file($script, <<'SQL');
\set how random(1, 10)
\set wallet random(1, 20)
\set pause random(1, 300)
BEGIN;
SELECT wallet_enqueue('deposit', json_build_object('user_id', :wallet, 'wallet_id', :wallet, 'amount', 1));
SAVEPOINT s;
SELECT wallet_enqueue('deposit', json_build_object('user_id', :wallet, 'wallet_id', :wallet, 'amount', 2));
\if :how < 4
ROLLBACK TO s;
\endif
\if :how > 8
\sleep :pause ms
\endif
\if :how = 5
ROLLBACK;
\elif :how = 6
SELECT wallet_process(3);
COMMIT;
\elif :how = 7
SELECT wallet_process();
ROLLBACK;
\else
COMMIT;
\endif
SQL
my $complaints = '';
IPC::Run::run(['pgbench', '-n', '-c8', '-T4', '-f', $script, '-h', $node->host, '-p', $node->port, $db],
    '>', \my $said, '2>', \$complaints);
is($complaints =~ s/^pgbench \(.*\n//mr, '', 'no transaction failed');
becomes($node, $db, queued() . '; SELECT gaps FROM wallet.queue', "0\n0", 'everything is posted');
all_is_well($node, $db, 'a mixture of all');

# ---- Updates of the position can be published ----

$node->safe_psql($db, 'CREATE PUBLICATION everything FOR ALL TABLES');
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, queued(), '0', 'the queue goes on under a publication of all tables');
becomes($node, $db,
    'SELECT (SELECT max(highest) FROM wallet.queue_position) = (SELECT max(request_id) FROM wallet.request)',
    't', 'and its position is stored');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', 'CREATE EXTENSION pg_wallet');
$node->safe_psql($db, "CREATE PUBLICATION position FOR TABLE wallet.queue_position; SELECT pg_create_logical_replication_slot('position', 'pgoutput')");
my $connection = $node->connstr($db) =~ s/'/''/gr;
$node->safe_psql('copy', "CREATE SUBSCRIPTION position CONNECTION '$connection' PUBLICATION position WITH (create_slot = false, slot_name = 'position')");
$node->safe_psql($db, deposits_sql([1, 1]));
my $highest = ask($node, $db, 'SELECT max(request_id) FROM wallet.request');
becomes($node, 'copy', 'SELECT max(highest) FROM wallet.queue_position', $highest, 'a subscriber follows');
$node->safe_psql('copy', 'ALTER SUBSCRIPTION position DISABLE; ALTER SUBSCRIPTION position SET (slot_name = NONE); DROP SUBSCRIPTION position');

$_->quit foreach $open, $other;
all_is_well($node, $db, 'the publication');
done_testing();

# Queue one payment, wait for its outcome, and again.
sub pay_one_by_one
{
    my ($count) = @_;

    foreach (1 .. $count)
    {
        $node->safe_psql($db, deposits_sql([5, 1]));
        poll_for($node, $db, 'SELECT count(*) FROM wallet.request AS r WHERE r.request_id = (SELECT max(request_id) FROM wallet.request)
            AND NOT EXISTS (SELECT FROM wallet.transfer AS t WHERE t.request_id = r.request_id)', '0');
    }
    return;
}

# The worker's processor time, in seconds.
sub worker_seconds
{
    my @stat = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\)//r;

    return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub costs_little
{
    my ($work, $seconds_max, $name) = @_;
    my $start = worker_seconds();

    $work->();
    my $seconds = worker_seconds() - $start;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok($seconds, '<', $seconds_max, "$name: the worker needs little time for it");
}

# Rows that were read of the requests.
sub rows_read
{
    return ask($node, $db, q{SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_all_tables WHERE relname ~ '^request_\d'});
}

sub rows_read_by
{
    my ($work, $rows_max, $name) = @_;
    my $start = rows_read();

    $work->();
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok(rows_read() - $start, '<', $rows_max, "$name: few rows are read");
}
