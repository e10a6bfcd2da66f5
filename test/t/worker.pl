# The worker of one database: woken at commit, in order, paused and resumed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('worker');

new_database($node, $db);
make_wallets($node, $db, 3, 100);

# It polls once a minute here, so whatever is posted sooner was posted because the commit woke it.
my $pid       = worker_pid($node, $db);
my $handshake = $node->safe_psql($db,
    "SELECT wallet_enqueue('transaction', '" . transfer_json(1, 2, 77.88) . "')");
becomes(
    $node,
    $db,
    "SELECT state, code, source_wallet_id, destination_wallet_id
        FROM wallet_lookup('transaction', 1, '$handshake')",
    'processed|processed|1|2',
    'a queued transfer is posted without wallet_process',
    5);
is(ask($node, $db, 'SELECT amount FROM wallet_get(1)'), '22.12',  'the source has paid');
is(ask($node, $db, 'SELECT amount FROM wallet_get(2)'), '177.88', 'the destination has got it');

# What the view says.
$node->safe_psql($db, transfers_sql([1, 2, 1000], [1, 2, 1], [2, 3, 1]));
becomes($node, $db,
    'SELECT queued, oldest_age IS NULL, posted, refused, gaps, deferred FROM wallet.queue',
    '0|t|3|1|0|0', 'the view counts what was posted and refused', 5);
is( ask($node,
        $db,
        "SELECT worker_pid, batch_requests, batch_duration > '0', started_at <= heartbeat
            FROM wallet.queue"
    ),
    "$pid|3|t|t",
    'the view knows the pid, the last batch and the heartbeat');
is( ask($node,
        $db,
        "SELECT pid, state FROM pg_stat_activity
            WHERE backend_type = 'pg_wallet worker' AND datname = '$db'"
    ),
    "$pid|idle",
    'the worker shows as idle, by its own name');
is( ask($node,
        $db,
        "SELECT backend_xmin IS NULL AND xact_start IS NULL FROM pg_stat_activity WHERE pid = $pid"
    ),
    't',
    'an idle worker holds no snapshot');
is(ask($node, $db, 'SELECT worker_alive FROM wallet_ready()'), 't', 'the worker is alive');

# A wallet's requests are carried out in their order: each transfer needs the deposit before it.
my @steps =
    map {
    (   qq('deposit', '{"user_id":3,"wallet_id":3,"amount":$_.01}'),
        qq('transaction', '{"user_id":3,"source_wallet_id":3,"dest_wallet_id":1,"trans_sum":$_.01}')
    )
    } 1 .. 30;
$node->safe_psql($db, 'SELECT wallet_withdraw(3, 101)');
$node->safe_psql($db, "SELECT wallet_enqueue($_)") foreach @steps[0 .. 9];
$node->safe_psql($db,
    'BEGIN;' . join('', map { "SELECT wallet_enqueue($_);" } @steps[10 .. 59]) . 'COMMIT');
becomes($node, $db, queued(), '0', 'a wallet empties the same moment that it is filled');
is(ask($node, $db, "SELECT count(*) FROM wallet.outcome WHERE code <> 'processed'"),
    '1', 'none of it was refused, since the order was kept');
is( ask($node,
        $db,
        'SELECT bool_and(request_id > previous)
            FROM (SELECT request_id, lag(request_id) OVER (ORDER BY transfer_id) AS previous
                FROM wallet.transfer WHERE request_id IS NOT NULL) AS t'
    ),
    't',
    'transfers come in the order of their requests');

# Nobody is woken for a transaction that rolls back, and nothing of it is left.
is(ask($node, $db, 'BEGIN;' . transfers_sql([2, 3, 5]) . ';ROLLBACK'),
    '1', 'a transaction queues and rolls back');
$node->safe_psql($db, transfers_sql([2, 3, 0.01]));
becomes($node, $db, 'SELECT queued, refused FROM wallet.queue',
    '0|1', 'what comes after it is posted');
becomes($node, $db, 'SELECT amount FROM wallet_get(3)', '0.01', 'what was rolled back is not');

# A worker that sleeps for a whole minute is as alive as any.
usleep_until_heartbeat_is_older_than(11);
is(ask($node, $db, 'SELECT worker_alive FROM wallet_ready()'),
    't', 'an idle worker is alive, however seldom it polls');

# Paused, requests wait.  A worker that leaves notes down how far it has come.
foreach (1 .. 2)
{
    $node->safe_psql($db, transfers_sql([2, 3, 0.01]));
    poll_for($node, $db, queued(), '0');
}
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL AND posted IS NULL FROM wallet.queue',
    't', 'switched off, there is no worker');
is( ask($node, $db,
        'SELECT (SELECT max(low_water) FROM wallet.queue_position) = max(request_id) FROM wallet.request'
    ),
    't',
    'and everything that it has posted counts as posted');
is( ask($node, $db, 'SELECT worker_alive, detail FROM wallet_ready()'),
    'f|the worker is switched off. Set pg_wallet.worker to on and reload the configuration.',
    'and wallet_ready() says so');
$node->safe_psql($db, transfers_sql([2, 3, 1], [2, 3, 2]));
$node->safe_psql($db, transfers_sql([2, 3, 3]));
is(ask($node, $db, "SELECT queued, oldest_age > '0' FROM wallet.queue"),
    '3|t', 'requests stay queued');
is(ask($node, $db, 'SELECT wallet_process(1)'), '1', 'wallet_process posts one of them by hand');
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, queued(), '0', 'switched on again, the worker posts the rest', 5);
is(ask($node, $db, 'SELECT posted FROM wallet.queue'),  '2',    'and only the rest');
is(ask($node, $db, 'SELECT amount FROM wallet_get(3)'), '6.03', 'the money is where it belongs');

# It and wallet_process exclude each other.
my $session = $node->background_psql($db);
$session->query_safe('BEGIN');
$session->query_safe(deposits_sql([1, 5]));
is($session->query_safe('SELECT wallet_process()'),
    '1', 'a session posts what it has queued itself');
$node->safe_psql($db, deposits_sql([1, 7], [3, 1]));
my $before = ask($node, $db, 'SELECT amount FROM wallet_get(1)');
my $now    = ask($node, $db, 'SELECT clock_timestamp()');
poll_for($node, $db,
    "SELECT heartbeat > timestamptz '$now' + interval '200 ms' FROM wallet.queue", 't');
is(ask($node, $db, queued()), '2', 'meanwhile the worker tries, and waits');
$session->query_safe('COMMIT');
becomes($node, $db, queued(), '0', 'after that it goes on');
is(ask($node, $db, "SELECT amount - $before FROM wallet_get(1)"),
    '12.00', 'both deposits count once');
$session->quit;

# A prepared transaction wakes nobody; the poll finds it.
set_conf($node, 'pg_wallet.poll_interval' => '200ms');
$node->safe_psql($db, 'BEGIN;' . deposits_sql([2, 1]) . q{;PREPARE TRANSACTION 'deposit'});
$node->safe_psql($db, deposits_sql([2, 2]));
becomes($node, $db, 'SELECT queued, gaps FROM wallet.queue', '0|1', 'a prepared request is a gap');
$node->safe_psql($db, q{COMMIT PREPARED 'deposit'});
becomes($node, $db, 'SELECT queued, gaps, posted FROM wallet.queue',
    '0|0|6', 'committed, it is posted');

# While the queue is busy, rounds are far apart, so that many requests share a commit, unless
# somebody waits for an outcome.  All transfers of a round have the same moment.
sub many
{
    my ($count) = @_;
    return "wallet_enqueue_many(array_fill('deposit'::text, ARRAY[$count]),
        array_fill('{\"user_id\":1,\"wallet_id\":1,\"amount\":0.01}'::text, ARRAY[$count]))";
}

# Queue for a while, and again as long as a busy machine has kept the rounds from being seen apart.
sub rounds_are_apart
{
    my ($count, $for_ms, $apart_ms, $name) = @_;
    my $deadline = time() + 20;
    my $apart;

    do
    {
        my $newest = ask($node, $db, 'SELECT max(transfer_id) FROM wallet.transfer');
        $node->safe_psql($db, <<"SQL");
DO \$\$
DECLARE
    until timestamptz = clock_timestamp() + interval '$for_ms ms';
BEGIN
    WHILE clock_timestamp() < until LOOP
        PERFORM FROM ${\ many($count)};
        COMMIT;
        PERFORM pg_sleep(0.002); -- fewer than 1,000 in 20 ms, where they come by 20
    END LOOP;
END \$\$
SQL
        becomes($node, $db, queued(), '0', "$name: all is posted");
        $apart = ask(
            $node,
            $db,
            "SELECT count(*) FILTER (WHERE pause > interval '$apart_ms ms') >= 4
                FROM (SELECT posted_at - lag(posted_at) OVER (ORDER BY posted_at) AS pause
                    FROM (SELECT DISTINCT posted_at FROM wallet.transfer
                        WHERE transfer_id > $newest) AS rounds) AS pauses"
        );
    } until ($apart eq 't' || time() > $deadline);
    return is($apart, 't', $name);
}

my $twenty = many(20);
rounds_are_apart(20, 600, 15, 'while nobody waits, rounds of a busy queue are 20 ms apart');

# Commits, and waits until the last request has been posted, without keeping a snapshot.
my $await = <<'SQL';
CREATE PROCEDURE pg_temp.await() LANGUAGE plpgsql AS $$
BEGIN
    COMMIT;
    WHILE NOT EXISTS (SELECT FROM wallet.transfer AS t
        WHERE t.request_id = (SELECT max(r.request_id) FROM wallet.request AS r)) LOOP
        COMMIT;
    END LOOP;
END $$;
SQL

# Each time the first requests make a busy round, and a look for one of the second ones ends the
# pause after that round.
is($node->safe_psql($db, <<"SQL"), 't', 'who waits for an outcome does not wait for 20 ms');
$await
CREATE TEMPORARY TABLE pause (lasted interval);
DO \$\$
DECLARE
    handshake text;
    first_posted_at timestamptz;
BEGIN
    FOR i IN 1 .. 5 LOOP
        PERFORM FROM $twenty;
        CALL pg_temp.await();
        SELECT posted_at INTO first_posted_at FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1;
        SELECT handshake_id INTO handshake FROM $twenty LIMIT 1;
        COMMIT;
        PERFORM wallet_lookup('deposit', 1, handshake);
        CALL pg_temp.await();
        INSERT INTO pause SELECT posted_at - first_posted_at FROM wallet.transfer ORDER BY transfer_id DESC LIMIT 1;
    END LOOP;
END \$\$;
SELECT min(lasted) < interval '15 ms' FROM pause;
SQL

# A limit would make the pause short.
set_conf($node, 'pg_wallet.queue_limit' => 0);
rounds_are_apart(2000, 1500, 150, 'large rounds are 200 ms apart');

# A group counts as its legs: a round makes as many rows as of single transfers, and a leg's number more at the most.
my $legs = join ',', (q({"kind":"deposit","wallet_id":2,"amount":0.01})) x 64;
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
$node->safe_psql($db, "SELECT count(*) FROM wallet_enqueue_many(array_fill('group'::text, ARRAY[200]),
    array_fill('{\"user_id\":2,\"legs\":[$legs]}'::text, ARRAY[200]))");
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, queued(), '0', 'groups are posted');
is(ask($node, $db, <<'SQL'), '12800|t', 'and a round makes no more rows than batch_max says');
SELECT sum(rows), max(rows) < 8192 + 64
    FROM (SELECT count(*) AS rows FROM wallet.transfer WHERE group_id IS NOT NULL GROUP BY posted_at) AS rounds
SQL

# A large round stores how far it has come, so that whoever counts the queue has few requests to look at.
my $thousands = many(30_000);
is($node->safe_psql($db, <<"SQL"), 't', 'the stored position follows large rounds at once');
$await
CREATE TEMPORARY TABLE lag (requests bigint);
DO \$\$
BEGIN
    FOR i IN 1 .. 3 LOOP
        PERFORM FROM $thousands;
        CALL pg_temp.await();
        INSERT INTO lag SELECT max(r.request_id) - (SELECT max(p.highest) FROM wallet.queue_position AS p)
            FROM wallet.request AS r;
    END LOOP;
END \$\$;
SELECT max(requests) < 10000 FROM lag;
SQL

all_is_well($node, $db, 'the worker');

done_testing();

sub usleep_until_heartbeat_is_older_than
{
    my ($seconds) = @_;

    poll_for($node, $db,
        "SELECT heartbeat < clock_timestamp() - interval '$seconds s' FROM wallet.queue",
        't', $seconds);
    return;
}
