# Old requests go, partition by partition, and nobody has to wait for it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('retention', conf => "pg_wallet.poll_interval = '50ms'\n");

new_database($node, $db);
make_wallets($node, $db, 10, 100);
worker_pid($node, $db);

my $state      = 'SELECT queued, gaps, deferred FROM wallet.queue';
my $partitions = q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent IN ('wallet.request'::regclass, 'wallet.outcome'::regclass)};
my $rotate = q{SET statement_timeout = '5s'; SELECT wallet_rotate_requests()};
my $where  = 'SELECT max(request_id) >> 44 FROM wallet.request';
my $caught_up =
    'SELECT (SELECT max(low_water) FROM wallet.queue_position) = (SELECT max(request_id) FROM wallet.request)';
my $old_enough = "SELECT max(enqueued_at) < clock_timestamp() - interval '1 s' FROM wallet.request";

# A new partition is begun while somebody has queued and not committed.
is(ask($node, $db, $rotate), 'f', 'nothing is queued yet: the first partition stays');
my $first = enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'first');
my $held  = enqueue('hold', '{"user_id":4,"source_wallet_id":4,"dest_wallet_id":5,"amount":7}', 'held');
my $open  = $node->background_psql($db);
$open->query_safe('BEGIN; ' . deposits_sql([1, 10]));
is(ask($node, $db, $rotate), 't', 'a new partition is begun under an open transaction');
is(ask($node, $db, $partitions),
    'outcome_0 outcome_1 outcome_2 request_0 request_1 request_2', 'and the next is there');
is(ask($node, $db, $rotate), 'f', 'it is empty: it stays');
$node->safe_psql($db, deposits_sql([1, 100]));
is(ask($node, $db, $where), '1', 'new requests go there');
becomes($node, $db, $state, '0|1|0', 'they are posted, and the ids left out are one gap');
is(balance(1), '201.00', 'the deposits are there, but not that of the open transaction');
$open->query_safe('COMMIT');
becomes($node, $db, $state, '0|0|0', 'it commits into the old partition, and is posted');
is(balance(1), '211.00', 'so is its deposit');
becomes($node, $db, $caught_up, 't', 'the low-water mark has passed the gap');

# Who has drawn ids and rolls back leaves nothing in the way.
$open->query_safe('BEGIN; ' . deposits_sql([1, 10]));
$node->safe_psql($db, $rotate);
$node->safe_psql($db, deposits_sql([1, 1]));
$open->query_safe('ROLLBACK');
becomes($node, $db, $state,     '0|0|0', 'rolled back over the edge');
becomes($node, $db, $caught_up, 't',     'the low-water mark has passed that, too');

# Twice in one transaction would leave the others without a partition until it commits.
$node->safe_psql($db, deposits_sql([1, 1]));
$open->query_safe('BEGIN; SELECT wallet_rotate_requests()');
$open->query_safe(deposits_sql([1, 1]));
is($open->query_safe('SELECT wallet_rotate_requests()'), 'f', 'once in a transaction');
$node->safe_psql($db, deposits_sql([1, 1]));
$open->query_safe('ROLLBACK');
$node->safe_psql($db, deposits_sql([1, 1]));
is(ask($node, $db, $rotate), 'f', 'what was rolled back is made up for');
is(ask($node, $db, $rotate), 't', 'and then it goes on');
becomes($node, $db, $state, '0|0|0', 'everything is posted');

# Under load: each that was acknowledged is stored and posted, however often a new one is begun.
my $script = $node->basedir . '/load.sql';
append_to_file($script, join ";\n", (deposits_sql([2, 0.01])) x 3, '');
my $before = ask($node, $db, 'SELECT count(*) FROM wallet.request');
my $load   = IPC::Run::start(['pgbench', '-n', '-c4', '-T2', '-f', $script, '-h', $node->host, '-p', $node->port, $db],
    '>', \my $said, '2>', \my $complaints);
my $begun = 0;
while ($load->pumpable)
{
    $begun++ if ask($node, $db, $rotate) eq 't';
    $load->pump_nb;
}
$load->finish;
my ($transactions) = $said =~ /transactions actually processed: (\d+)/;
is($complaints =~ s/^pgbench \(.*\n//mr, '', 'no transaction failed');
cmp_ok($begun, '>', 1, "$begun new partitions were begun under load");
becomes($node, $db, queued(), '0', 'everything is posted');
is(ask($node, $db, 'SELECT count(*) FROM wallet.request'),
    $before + 3 * $transactions, ($transactions * 3) . ' were acknowledged, and are there');
all_is_well($node, $db, 'after the load');

# A worker that starts again reads across the edge: what is in a partition, and what is in the next.
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
my $money = balance(3);
foreach (1 .. 3)
{
    $node->safe_psql($db, deposits_sql(map { [3, 1] } 1 .. 100));
    is(ask($node, $db, $rotate), 't', 'another one is begun');
}
$node->safe_psql($db, deposits_sql(map { [3, 1] } 1 .. 100));
set_conf($node, 'pg_wallet.worker' => 'on');
$node->stop('immediate');
$node->start;
becomes($node, $db, $state, '0|0|0', 'after a crash it posts from all of them');
is(balance(3), $money + 400 . '.00', 'each once') or note ask($node, $db, $where);

# One call may straddle the edge: its rows go to both partitions, by a statement.
my $edge = ask($node, $db, 'SELECT setval($$wallet.request_id_seq$$, (((last_value >> 44) + 1) << 44) - 3) FROM wallet.request_id_seq');
$node->safe_psql($db, deposits_sql(map { [3, 1] } 1 .. 6) . '; ' . 'SELECT wallet_rotate_requests()');
becomes($node, $db, $state, '0|0|0', 'six requests over the edge are posted');
is(ask($node, $db, "SELECT count(*) FILTER (WHERE request_id < $edge + 3), count(*) FROM wallet.request WHERE request_id > $edge"),
    '2|6', 'two went before it, four behind it');

# Rows go in without a statement, as long as they go to one partition and nothing hangs on it.
my $explain = "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; "
    . 'SET auto_explain.log_nested_statements = on; SET client_min_messages = log; ';
my ($out, $log) = ('', '');
$node->psql($db, $explain . deposits_sql([1, 1]), stdout => \$out, stderr => \$log);
like($log, qr/wallet_enqueue_many/, 'statements are shown');
unlike($log, qr/INSERT INTO wallet\.request/, 'requests are stored without one');
$node->safe_psql($db, q{CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER see AFTER INSERT ON wallet.request FOR EACH ROW EXECUTE FUNCTION see()});
$node->psql($db, $explain . deposits_sql([1, 1]), stdout => \$out, stderr => \$log);
like($log, qr/INSERT INTO wallet\.request/, "but with one where there is somebody's trigger");
$node->safe_psql($db, 'DROP TRIGGER see ON wallet.request');
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
$node->safe_psql($db, deposits_sql([1, 1]) . '; ' . $rotate);
$node->safe_psql($db, 'SELECT wallet_enqueue($$wallet$$, $${"user_id":1}$$)');
$node->psql($db, $explain . 'SELECT wallet_process()', stdout => \$out, stderr => \$log);
like($log, qr/SELECT p\.low_water/, 'statements of posting are shown');
unlike($log, qr/INSERT INTO wallet\./, 'outcomes are stored without one');
unlike($log, qr/0::bigint FROM wallet\.request AS r WHERE/, 'requests are read without one');
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, queued(), '0', 'everything is posted');

# By itself nothing is old: 90 days are kept.
is(ask($node, $db, 'SHOW pg_wallet.request_retention'), '90d', 'requests are kept for 90 days');
my $all = ask($node, $db, $partitions);
is(ask($node, $db, 'SELECT wallet_expire_requests()'), '0',  'none is as old');
is(ask($node, $db, $partitions),                       $all, 'all is as it was');
set_conf($node, 'pg_wallet.request_retention' => '0');
becomes($node, $db, 'SHOW pg_wallet.request_retention', '0', '0 is for ever');
is(ask($node, $db, 'SELECT wallet_expire_requests()'), '0',  'nothing expires');
is(ask($node, $db, $partitions),                       $all, 'nor is a new one begun');

# With a shorter one nothing goes before it has its outcome.
set_conf($node, 'pg_wallet.worker' => 'off', 'pg_wallet.request_retention' => '1s');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker pauses');
$node->safe_psql($db, $rotate);
$node->safe_psql($db, deposits_sql([1, 1]));
$node->safe_psql($db, $rotate);
my $late = enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'late');
$node->safe_psql($db, $rotate);
becomes($node, $db, $old_enough, 't', 'a second later');

# Somebody who reads the tables holds it up, and is not held up.
$open = $node->background_psql($db);
$open->query_safe('BEGIN; SELECT count(*) FROM wallet.request');
$all = ask($node, $db, $partitions);
my $notice = ask($node, $db, 'SELECT wallet_expire_requests()');
like($notice, qr/NOTICE:  old requests are in use and stay until the next call/, 'a reader keeps them');
is(ask($node, $db, $partitions),                       $all, 'all is as it was');
is(ask($node, $db, 'SELECT wallet.expired_below()'), '0',  'and nothing is noted');
is(ask($node, $db, "SELECT state FROM wallet_lookup('deposit', 1, '$first')"), 'processed', 'the oldest is there');
$open->query_safe('COMMIT');

# A snapshot alone does not; what it shows of the tables is what is left of them.
$open->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current_snapshot()');
cmp_ok(ask($node, $db, 'SELECT wallet_expire_requests()'), '>', 5, 'then the old ones go');
my $oldest = ask($node, $db, 'SELECT min(request_id) >> 44 FROM wallet.request');
is(ask($node, $db, queued()), '2', 'but not those that wait');
is($open->query_safe('SELECT bool_and(ok) FROM wallet_verify()'), 't', 'an older snapshot verifies');
$open->query_safe('COMMIT');
is(ask($node, $db, 'SELECT wallet.expired_below() >> 44'), $oldest, 'it is noted what has gone');
is(ask($node, $db, q{SELECT concat(name, ': ', detail) FROM wallet_verify() WHERE NOT ok}), '', 'the journal is whole');

# What was asked for is gone, for the one who asked; nobody else learns that there was anything.
my $gone = qr/ERROR:  the request is older than requests are kept/;
my $none = qr/ERROR:  there is no such request of this user/;
like(lookup('deposit',    1, $first),                      $gone, 'its handshake has expired');
like(lookup('deposit',    2, $first),                      $none, 'to another user it is unknown');
like(lookup('withdrawal', 1, $first),                      $none, 'as another kind, too');
like(lookup('deposit',    1, $first =~ tr/0-9a-f/1-9a-f0/r), $none, 'so is a forged one');
is( ask($node, $db, "SELECT ordinal, state, code FROM wallet_lookup_many(ARRAY['deposit', 'deposit'], ARRAY[1, 1], ARRAY['$first', '$late'])"),
    "1|unknown|handshake_expired\n2|queued|", 'with others');
is(enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'first'),
    $first, 'its key, which is kept for longer, still stands for it: nothing is done twice');
is(ask($node, $db, queued()), '2', 'nor queued');
my $hold_id   = ask($node, $db, 'SELECT hold_id FROM wallet.hold WHERE source_wallet_id = 4');
my $by_handle = enqueue('capture', qq({"user_id":5,"hold_handshake_id":"$held","amount":1,"final":false}), 'by handshake');
my $by_id     = enqueue('capture', qq({"user_id":5,"hold_id":$hold_id,"amount":2}), 'by id');

# The worker goes on from there.
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, $state, '0|0|0', 'those that waited are posted');
is( ask($node, $db, "SELECT code FROM wallet_lookup_many(ARRAY['capture', 'capture'], ARRAY[5, 5], ARRAY['$by_handle', '$by_id']) ORDER BY ordinal"),
    "hold_not_found\nprocessed", 'a hold whose request is gone has lost its handshake, and not its id');
becomes($node, $db, $caught_up, 't', 'the low-water mark follows');
like(poll_for($node, $db, 'SELECT wallet_expire_requests()', qr/^[1-9]/), qr/^[1-9]/, 'then they go, too');
like(lookup('deposit', 1, $late), $gone, 'and are expired');

# An id that has been drawn, and has no row yet, finds its partition, although all that is in there is
# settled and old enough. (It waits for a payment with the same key to end.)
$node->safe_psql($db, deposits_sql([2, 1]));
becomes($node, $db, $state, '0|0|0', 'one is posted');
becomes($node, $db, $caught_up, 't', 'the low-water mark follows');
my $here = ask($node, $db, $where);
becomes($node, $db, $old_enough, 't', 'a second later');
$open->query_safe(q{BEGIN; SELECT wallet_deposit(1, 1, NULL, 'drawn')});
my $drawn = in_background(q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'drawn') ~ '^[0-9a-f]{64}$'});
becomes($node, $db, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'wallet_enqueue'},
    '1', 'somebody has drawn an id and waits');
is(ask($node, $db, $rotate), 't', 'a new partition is begun');
like(ask($node, $db, 'SELECT wallet_expire_requests()'), qr/NOTICE:  old requests are in use/, 'the old one is still in use');
$open->query_safe('ROLLBACK');
is(finished($drawn), "t\n", 'the request is stored where it belongs');
is(ask($node, $db, $where), $here, 'there indeed');
becomes($node, $db, $state, '0|0|0', 'and posted');

# What is committed while those who expire wait for the table is seen by them. It is in the oldest
# partition there is, so that this is the one that they wait for.
my ($added, $expired, $tries) = ('', '', 0);
do {
    becomes($node, $db, 'SELECT wallet_expire_requests(); SELECT count(*) FROM wallet.request', qr/^\d+\n0$/, 'none is left');
    $node->safe_psql($db, deposits_sql([2, 1]));
    becomes($node, $db, $state, '0|0|0', 'one is posted');
    becomes($node, $db, $caught_up, 't', 'the low-water mark follows');
    becomes($node, $db, $old_enough, 't', 'a second later');
    $here = ask($node, $db, $where);
    $added = in_background('BEGIN; ' . deposits_sql([2, 1]) . <<~'SQL');
        ;
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'wallet.request'::regclass AND NOT granted) LOOP
                PERFORM pg_sleep(0.001);
            END LOOP;
        END $$;
        COMMIT
        SQL
    becomes($node, $db, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}, '1',
        'another one is stored in the same partition, and not committed');
    is(ask($node, $db, $rotate), 't', 'a new partition is begun');
    $expired = ask($node, $db, 'SELECT wallet_expire_requests()');
    is(finished($added), "1\n", 'it is committed while they wait');
} while ($expired =~ /NOTICE/ && $tries++ < 10);
unlike($expired, qr/NOTICE/, 'and they get the table');
is(ask($node, $db, $where), $here, 'its partition has stayed');
becomes($node, $db, $state, '0|0|0', 'it is posted');

$node->restart;
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, $state, '0|0|0', 'a worker that starts after that has nothing amiss');

# What has not expired is not dropped by hand, whatever one calls it.
my $present = ask($node, $db, $where);
like(ask($node, $db, "DROP TABLE wallet.request_$present"), qr/cannot change or drop rows that are to be kept/, 'no partition is dropped by hand');
like(ask($node, $db, "DELETE FROM wallet.request_$present"), qr/cannot change or drop/, 'no row is deleted');
like(ask($node, $db, "TRUNCATE wallet.request_$present"), qr/cannot change or drop/, 'nor all of them');
like(ask($node, $db, "UPDATE wallet.request_$present SET amount = 1"), qr/cannot change or drop/, 'none is changed');
like(ask($node, $db, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT wallet_expire_requests()'),
    qr/needs the isolation level READ COMMITTED/, 'an old snapshot expires nothing');
becomes($node, $db, 'SELECT count(*) FROM pg_class WHERE relname = $$request_0$$', '0', 'the first of all have gone');

# The extension takes its partitions along.
is(ask($node, $db, q{SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet; SELECT count(*) FROM pg_namespace WHERE nspname = 'wallet'}),
    '0', 'nothing is left of it');

done_testing();

sub balance
{
    my ($wallet) = @_;

    return ask($node, $db, "SELECT amount FROM wallet_get($wallet)");
}

sub enqueue
{
    my ($kind, $payload, $key) = @_;

    return ask($node, $db, "SELECT wallet_enqueue('$kind', '$payload', '$key')");
}

sub lookup
{
    my ($kind, $user, $handshake) = @_;

    return ask($node, $db, "SELECT state FROM wallet_lookup('$kind', $user, '$handshake')");
}

# A psql of its own, which need not answer at once; finished() is what it has said.
sub in_background
{
    my ($sql) = @_;
    my $said = '';

    return { said => \$said, psql => IPC::Run::start(['psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-d', $db, '-c', $sql],
        '>', \$said, '2>&1') };
}

sub finished
{
    my ($psql) = @_;

    $psql->{psql}->finish;
    return ${ $psql->{said} };
}
