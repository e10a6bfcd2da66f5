# Crashes while requests are being posted: each is carried out exactly once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;

my $db      = 'payments';
my $wallets = 40;
my $batch   = 40_000;       # five of the worker's batches
my $seed    = $ENV{PG_WALLET_TEST_SEED} // int(time() * 1000) % 1_000_000;

srand($seed);
note "seed $seed: PG_WALLET_TEST_SEED repeats this run";

my $node = new_server('crash', conf => "checkpoint_timeout = 30s\n");
new_database($node, $db);
make_wallets($node, $db, $wallets, 1_000_000);

# Each batch takes its time, so that a crash finds one under way.
$node->safe_psql(
    $db, q{
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.25); RETURN NULL; END';
    CREATE TRIGGER take_time BEFORE INSERT ON wallet.transfer
        FOR EACH STATEMENT EXECUTE FUNCTION take_time();
});

# What the balances must be in the end, in cents: kept here, apart from the database.
my @cents = map { 100_000_000 } 0 .. $wallets;
my $sent  = 0;

# The seeds of a crash: the worker, or the postmaster, or a stop that leaves no time.
crash_in_mid_batch("kill -9 of the worker, time $_", sub { kill 9, worker_pid($node, $db) }, 1)
    foreach 1 .. 3;
crash_in_mid_batch('kill -9 of the postmaster', \&kill_server,                                  0);
crash_in_mid_batch('an immediate stop',         sub { $node->stop('immediate'); $node->start }, 0);
crash_in_mid_batch('a fast restart',            sub { $node->restart },                         0);

is(ask($node, $db, 'SELECT count(*) FROM wallet.request'),
    $sent, 'every request that was answered is there');
is(ask($node, $db, 'SELECT count(*) FROM wallet.transfer WHERE request_id IS NOT NULL'),
    $sent, 'each has moved money once');
is(ask($node, $db, 'SELECT count(*) FROM wallet.outcome'), '0', 'and none was refused');
is( ask($node, $db,
        'SELECT string_agg(balance::text, chr(32) ORDER BY wallet_id) FROM wallet.wallet'),
    join(' ', @cents[1 .. $wallets]),
    'every balance is what was asked for');
all_is_well($node, $db, 'after the crashes');
done_testing();

# Queue random transfers, crash at a random moment while they are being posted, wait until all is
# done.  A crash that came too late to hit anything is repeated.
sub crash_in_mid_batch
{
    my ($what, $crash, $restarts) = @_;
    my $hit = 0;

    foreach my $attempt (1 .. 12)
    {
        my $posted = queue_transfers();

        set_conf($node, 'pg_wallet.worker' => 'on');
        poll_for($node, $db,
            'SELECT count(*) > 0 FROM wallet.transfer WHERE request_id > ' . $posted, 't');
        usleep(int(rand(30_000)));
        my $log = log_position($node);
        $crash->();
        log_becomes(
            $node, $log,
            qr/database system is ready to accept connections/,
            "$what: the server comes back");
        becomes($node, $db, queued(), '0', "$what: the queue is worked off");
        # What the new worker has posted is what the crash left.
        $hit = ask($node, $db, 'SELECT coalesce(posted, 0) FROM wallet.queue');
        last if $hit > 0;
    }
    cmp_ok($hit, '>', 0, "$what: it came in mid-batch");
    return;
}

# With the worker off, so that many are there when it starts; returns the highest id before them.
sub queue_transfers
{
    my @transfers;

    set_conf($node, 'pg_wallet.worker' => 'off');
    becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
    foreach (1 .. $batch)
    {
        my $from  = 1 + int(rand($wallets));
        my $to    = 1 + ($from + int(rand($wallets - 1))) % $wallets;
        my $cents = 1 + int(rand(10_000));

        push @transfers, [$from, $to, sprintf('%d.%02d', int($cents / 100), $cents % 100)];
        $cents[$from] -= $cents;
        $cents[$to]   += $cents;
    }
    my $highest = ask($node, $db, 'SELECT coalesce(max(request_id), 0) FROM wallet.request');
    while (my @some = splice @transfers, 0, 10_000)
    {
        $node->safe_psql($db, transfers_sql(@some));
    }
    $sent += $batch;
    return $highest;
}

# The worker would go on without the postmaster until it has nothing to do, so it goes as well.  The
# other processes take a moment to notice.
sub kill_server
{
    my $deadline = time() + 30;
    my $worker   = worker_pid($node, $db);

    $node->kill9;
    kill 9, $worker;
    until ($node->start(fail_ok => 1) || time() > $deadline)
    {
        $node->stop('fast', fail_ok => 1);
        usleep(50_000);
    }
    return;
}
