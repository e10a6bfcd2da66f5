# The queue under open transactions: ids that commit out of order or never, and wallets that
# somebody else holds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('queue', conf => "pg_wallet.poll_interval = '100ms'\n");

new_database($node, $db);
make_wallets($node, $db, 12, 100);
worker_pid($node, $db);

my $state   = 'SELECT queued, gaps, deferred FROM wallet.queue';
my $low     = 'SELECT max(low_water) FROM wallet.queue_position';
my $highest = 'SELECT max(request_id) FROM wallet.request';
my @session = map { $node->background_psql($db) } 0 .. 2;

# The first queues first and commits last.
$session[0]->query_safe('BEGIN; ' . deposits_sql([1, 1]));
$session[1]->query_safe('BEGIN; ' . deposits_sql([2, 2]));
$session[1]->query_safe('COMMIT');
becomes($node, $db, $state, '0|1|0', 'the later request is posted, the earlier one is a gap');
is(balance(2), '102.00', 'its deposit is there');
is(balance(1), '100.00', 'that of the open transaction is not');
$session[0]->query_safe('COMMIT');
becomes($node, $db, $state, '0|0|0', 'the gap is filled when it commits');
is(balance(1), '101.00', 'and its deposit is there, too');

# One rolls back.  Its gap is remembered as long as an older transaction might still fill it.
$session[0]->query_safe('BEGIN; ' . deposits_sql([1, 1000]));
$session[1]->query_safe('BEGIN; ' . deposits_sql([2, 1000]));
$node->safe_psql($db, deposits_sql([3, 3]));
becomes($node, $db, $state, '0|1|0', 'two open transactions next to each other are one gap');
$session[1]->query_safe('ROLLBACK');
$node->safe_psql($db, deposits_sql([3, 3]));
becomes($node, $db, queued(), '0', 'others go on');
is(balance(3), '106.00', 'and get their money');
$session[0]->query_safe('ROLLBACK');
becomes($node, $db, $state,                       '0|0|0', 'what was rolled back leaves no gap');
becomes($node, $db, "SELECT ($low) = ($highest)", 't',     'and does not hold the low-water mark');

# One stays open for long: the others do not wait, the low-water mark does.
my $before = ask($node, $db, $highest);
$session[0]->query_safe('BEGIN; ' . deposits_sql([1, 1], [1, 2]));
$session[1]
    ->query_safe('BEGIN; ' . deposits_sql([2, 1]) . '; ROLLBACK; BEGIN; ' . deposits_sql([2, 5]));
foreach (1 .. 10)
{
    $node->safe_psql($db, deposits_sql(map { [3, 1] } 1 .. 10));
    ask($node, $db, 'BEGIN; ' . deposits_sql([3, 1000]) . '; ROLLBACK');
}
becomes($node, $db, queued(), '0', 'a hundred requests of others are posted');
is(balance(3), '206.00', 'all of them');
becomes($node, $db, "SELECT max(low_water) >= $before FROM wallet.queue_position",
    't', 'the low-water mark comes up to the open transaction');
$node->safe_psql($db, deposits_sql([3, 1]));
becomes($node, $db, queued(), '0', 'and one more');
is(ask($node, $db, $low), $before, 'but not beyond it');

# A worker that starts anew knows nothing of the gaps: it finds them again, and posts nothing twice.
my $pid = worker_pid($node, $db);
$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
worker_pid($node, $db, $pid);
$node->safe_psql($db, deposits_sql([3, 1]));
becomes($node, $db, 'SELECT queued, posted FROM wallet.queue',
    '0|1', 'a new worker posts what is new');
$session[0]->query_safe('COMMIT');
becomes($node, $db, 'SELECT queued, posted FROM wallet.queue',
    '0|3', 'and what was open for long, once');
is(balance(1), '104.00', 'both of its deposits');
$session[1]->query_safe('COMMIT');
becomes($node, $db, $state, '0|0|0', 'with the last open transaction the last gap goes');
is(balance(2), '107.00', 'the last deposit is there');
becomes($node, $db, "SELECT ($low) = ($highest)", 't', 'the low-water mark is at the top');

# A wallet that an idle transaction holds: 4.  Whatever touches it waits, and so does, in turn,
# whatever comes later for the wallets of those that wait: 5, then 6.  Others go on.
$session[0]->query_safe('BEGIN; SELECT wallet_deposit(4, 10)');
$node->safe_psql($db, 'SELECT wallet_withdraw(5, 100)');
$node->safe_psql($db, transfers_sql([4, 5, 110]));
$node->safe_psql($db, transfers_sql([5, 6, 110]));
$node->safe_psql($db, transfers_sql([6, 7, 210]));
$node->safe_psql($db, transfers_sql([8, 9, 1]));
$node->safe_psql($db, deposits_sql([6, 0.50], [10, 1]));
becomes($node, $db, $state, '4|0|4', 'the view shows which are deferred');
is(join(' ', map { balance($_) } 8 .. 10), '99.00 101.00 101.00', 'other wallets go on');
is(join(' ', map { balance($_) } 5 .. 7),  '0.00 100.00 100.00',  'those that wait have not moved');
like(ask($node, $db, 'SELECT oldest_age FROM wallet.queue'),
    qr/^00:00:\d\d/, 'the view shows how long');
cmp_ok(
    ask($node, $db, $low),
    '<',
    ask($node, $db, "SELECT ($highest) - 5"),
    'the low-water mark stays behind');
$session[0]->query_safe('COMMIT');
becomes($node, $db, $state, '0|0|0', 'released, they are posted');
is( join(' ', map { balance($_) } 4 .. 7),
    '0.00 0.00 0.50 310.00',
    'in their order: each had just the money of the one before');

# The same, rolled back: then the money is not there, and the refusals go down the line.
$session[0]->query_safe('BEGIN; SELECT wallet_deposit(4, 10)');
$node->safe_psql($db, transfers_sql([4, 5, 10], [5, 6, 10]));
becomes($node, $db, $state, '2|0|2', 'deferred again');
$session[0]->query_safe('ROLLBACK');
becomes($node, $db, $state, '0|0|0', 'settled again');
is( ask($node,
        $db,
        'SELECT string_agg(code, chr(32))
            FROM (SELECT code FROM wallet.outcome ORDER BY request_id DESC LIMIT 2) AS o'
    ),
    'insufficient_funds insufficient_funds',
    'both are refused');

# More deferred requests than a batch has room for do not keep others out.
$session[0]->query_safe('BEGIN; SELECT wallet_deposit(4, 10)');
$node->safe_psql($db, deposits_sql(map { [4, 0.01] } 1 .. 9000));
$node->safe_psql($db, deposits_sql([11, 1]));
becomes($node, $db, $state, '9000|0|9000', 'thousands are deferred');
is(balance(11), '101.00', 'and others go on');
$session[0]->query_safe('COMMIT');
becomes($node, $db, $state, '0|0|0', 'they are posted in the end');
is(balance(4), '100.00', 'every one of them');

# A wallet that is being made: its user's requests wait, and nobody else's.
$session[0]->query_safe('BEGIN; SELECT wallet_create(100, 5)');
$session[1]->query_safe('BEGIN; SELECT wallet_create(101, 5)');
$node->safe_psql($db, qq(SELECT wallet_enqueue('wallet', '{"user_id":$_,"amount":7}')))
    foreach 100 .. 102;
$node->safe_psql($db, deposits_sql([12, 1]));
becomes($node, $db, $state, '2|0|2',
    'a wallet that is being made defers requests for the same user');
is(balance(12), '101.00', 'and does not stall the others');
is(ask($node, $db, 'SELECT balance FROM wallet.wallet WHERE user_id = 102'),
    '700', 'a new wallet among them');
$session[0]->query_safe('COMMIT');
$session[1]->query_safe('ROLLBACK');
becomes($node, $db, $state, '0|0|0', 'the outcome follows from how the transactions ended');
is( ask($node,
        $db,
        'SELECT string_agg(balance::text, chr(32) ORDER BY user_id)
            FROM wallet.wallet WHERE user_id IN (100, 101)'
    ),
    '500 700',
    'one user had a wallet already, the other has got it from the queue');
is(ask($node, $db, "SELECT count(*) FROM wallet.outcome WHERE code = 'wallet_exists'"),
    '1', 'and the former was told');

# A gap that stays open under many requests: a round reads what is new, and not all of them again.
# (What a worker has read is counted at the latest when it ends.)
my $count = 40_000;
new_database($node, 'many');
make_wallets($node, 'many', 1, 1);
$pid = worker_pid($node, 'many');
my $gap = $node->background_psql('many');
$gap->query_safe('BEGIN; ' . deposits_sql([1, 1]));
$node->safe_psql('many', <<"SQL");
SELECT count(wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}'))
	FROM generate_series(1, $count);
ANALYZE wallet.request;
SQL
my $posted = 'SELECT posted FROM wallet.worker_state()';
becomes($node, 'many', $posted, $count, 'many requests above an open gap are posted');
foreach my $i (1 .. 20)
{
    $node->safe_psql('many', deposits_sql([1, 1]));
    poll_for($node, 'many', $posted, $count + $i);
}
is(ask($node, 'many', $posted), $count + 20, 'and twenty more, one after the other');
$node->safe_psql('many', "SELECT pg_terminate_backend($pid, 10000)");
cmp_ok(
    ask($node, 'many',
        q{SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_all_tables
            WHERE relid = 'wallet.request'::regclass}
    ),
    '<',
    4 * $count,
    'for which the worker has not read all of them each time');
$gap->query_safe('COMMIT');
$gap->quit;
becomes($node, 'many', $state, '0|0|0', 'the gap is filled');
all_is_well($node, 'many', 'the long gap');

# Batches are small while somebody has to wait for them, and grow again when nobody does.
set_conf($node, 'pg_wallet.batch_max' => 320);
new_database($node, 'company');
make_wallets($node, 'company', 2, 1);
worker_pid($node, 'company');
$node->safe_psql('company', <<'SQL');
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN
		WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP PERFORM pg_sleep(0.01); END LOOP;
		RETURN NULL;
	END';
CREATE TRIGGER hold BEFORE INSERT ON wallet.transfer EXECUTE FUNCTION hold();
SQL
my $last_batch = 'SELECT batch_requests FROM wallet.worker_state()';
my $together   = deposits_sql(map { [1, 1] } 1 .. 25);
$node->safe_psql('company', $together);
becomes($node, 'company', queued(), '0', 'alone, a worker posts 25 requests');
is(ask($node, 'company', $last_batch), '25', 'in one batch');
my ($holder, $payer) = map { $node->background_psql('company') } 0 .. 1;
$holder->query_safe('SELECT pg_advisory_lock(1)');
$node->safe_psql('company', deposits_sql([1, 1]));
poll_for($node, 'company',
    q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'
        AND wait_event = 'PgSleep' AND datname = current_database()}, '1');
$payer->query_until(qr/paying/, "\\echo paying\nSELECT wallet_deposit(1, 1);\n");
poll_for($node, 'company',
    q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'
        AND datname = current_database()}, '1');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$payer->query_safe('SELECT 1');
$node->safe_psql('company', $together);
becomes($node, 'company', queued(), '0', 'somebody has waited, and it posts 25 more');
is(ask($node, 'company', $last_batch), '5', 'ten by ten');
$node->safe_psql('company', deposits_sql(map { [1, 0.01] } 1 .. 4000));
becomes($node, 'company', queued(), '0', 'nobody comes while it posts thousands');
$node->safe_psql('company', $together);
becomes($node, 'company', queued(), '0', 'and 25');
is(ask($node, 'company', $last_batch), '25', 'in one batch again');
$_->quit foreach $holder, $payer;
$node->safe_psql('company', 'DROP TRIGGER hold ON wallet.transfer');
all_is_well($node, 'company', 'the worker with company');

# Two sessions that queue for the first time at once open the queue twice, and neither waits.
new_database($node, 'twice');
make_wallets($node, 'twice', 2, 1);
my @first = map { $node->background_psql('twice') } 0 .. 1;
$first[$_]->query_safe("SET statement_timeout = '10s'; BEGIN; " . deposits_sql([$_ + 1, 1]))
    foreach 0 .. 1;
$first[$_]->query_safe('COMMIT') foreach 1, 0;
becomes($node, 'twice', $state, '0|0|0', 'both first requests are posted');
all_is_well($node, 'twice', 'the queue that was opened twice');

$_->quit foreach @session, @first;
all_is_well($node, $db, 'the queue');
done_testing();

sub balance
{
    my ($wallet_id) = @_;

    return ask($node, $db, "SELECT amount FROM wallet_get($wallet_id)");
}
