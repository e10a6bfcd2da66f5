# What goes wrong in a batch: a poisoned request is refused alone, and trouble that is nobody's
# fault is waited for.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;

my $db   = 'payments';
my $node = new_server('faults');

new_database($node, $db);
make_wallets($node, $db, 20, 10_000);
my $pid = worker_pid($node, $db);

# ---- Poison: a rule of the operator's that some requests break when they are posted ----

$node->safe_psql($db,
    'ALTER TABLE wallet.transfer ADD CONSTRAINT not_this CHECK (amount <> 66613)');

# Between good ones, next to each other, at both ends, and all from wallets that others need.
my @poisoned = (0, 100, 101, 102, 333, 499);
my %poisoned = map { $_ => 1 } @poisoned;
my @transfers =
    map { [1 + $_ % 20, 1 + ($_ + 1) % 20, $poisoned{$_} ? '666.13' : '1.00'] } 0 .. 499;
my $position = log_position($node);
my $base     = ask($node, $db, 'SELECT coalesce(max(request_id), 0) FROM wallet.request');

$node->safe_psql($db, transfers_sql(@transfers));
becomes($node, $db, 'SELECT queued, posted, refused FROM wallet.queue',
    '0|494|6', 'all but the poisoned requests are posted');
is( ask($node,
        $db,
        "SELECT string_agg((request_id - $base - 1)::text, ' ' ORDER BY request_id)
            FROM wallet.outcome WHERE code = 'internal_error'"
    ),
    "@poisoned",
    'exactly those are refused');
is(ask($node, $db, "SELECT count(*) FROM wallet.outcome WHERE code <> 'internal_error'"),
    '0', 'and no other');
like(
    log_since($node, $position),
    qr/ERROR:  new row for relation "transfer" violates check constraint "not_this"/,
    'the log has the cause');
is(worker_pid($node, $db), $pid, 'the worker has lived through it');
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, queued(), '0', 'and goes on');
all_is_well($node, $db, 'poison');

# While something holds the low-water mark: more requests than a batch takes have their outcome
# above it, and after a failure the worker has to get past all of them.
my $refused = q{SELECT count(*) FROM wallet.outcome WHERE code = 'internal_error'};
my $holder  = $node->background_psql($db);

foreach my $held (
    ['an open gap',     deposits_sql([1, 1]),          0],
    ['a locked wallet', 'SELECT wallet_deposit(20, 1)', 1])
{
    my ($what, $hold, $waiting) = @{$held};
    my $before = ask($node, $db, $refused);

    $holder->query_safe("BEGIN; $hold");
    $node->safe_psql($db, deposits_sql([20, 1]));
    $node->safe_psql($db, deposits_sql(map { [1 + $_ % 19, 1] } 1 .. 9000));
    becomes($node, $db, queued(), $waiting, "$what: thousands are posted");
    $node->safe_psql($db, deposits_sql([2, 666.13]));
    $node->safe_psql($db, deposits_sql([3, 1]));
    becomes($node, $db, queued(), $waiting, "$what: and so are those after a poisoned one", 10);
    is(ask($node, $db, $refused), $before + 1, "$what: which alone is refused");
    is(worker_pid($node, $db), $pid, "$what: the worker has lived through it");
    $holder->query_safe('COMMIT');
    becomes($node, $db, queued(), '0', "$what: it goes on when that is over");
}
$holder->quit;
all_is_well($node, $db, 'poison above a held low-water mark');

# An error with a SQLSTATE of somebody's own.
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION public.refuse_own() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'not that' USING ERRCODE = 'AP001'; END $$;
CREATE TRIGGER own BEFORE INSERT ON wallet.transfer
	FOR EACH ROW WHEN (NEW.amount = 777) EXECUTE FUNCTION public.refuse_own();
SQL
$node->safe_psql($db, deposits_sql([1, 1], [2, 7.77], [3, 1]));
becomes($node, $db, queued(), '0', q{an application's own SQLSTATE does not stop the queue});
is( ask($node,
        $db,
        q{SELECT string_agg(code, ' ') FROM wallet.request JOIN wallet.outcome USING (request_id)
            WHERE amount = 777}
    ),
    'internal_error',
    'it is charged to the request');
$node->safe_psql($db, 'DROP TRIGGER own ON wallet.transfer');
all_is_well($node, $db, 'a SQLSTATE of its own');

# The same by hand.
my $refused_before = ask($node, $db, $refused);
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'without the worker');
$node->safe_psql($db, transfers_sql([1, 2, 1], [1, 2, 666.13], [2, 3, 1]));
is(ask($node, $db, "SET client_min_messages = error; SELECT wallet_process()"),
    '3', 'wallet_process gets past a poisoned request, too');
is(ask($node, $db, $refused), $refused_before + 1, 'which it refuses');
set_conf($node, 'pg_wallet.worker' => 'on');
$node->safe_psql($db, 'ALTER TABLE wallet.transfer DROP CONSTRAINT not_this');

# A rule that is checked when the batch commits.
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION public.refuse_late() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF NEW.amount = 66613 THEN RAISE EXCEPTION 'not this either'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON wallet.transfer DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION public.refuse_late();
SQL
$pid = worker_pid($node, $db);
$node->safe_psql($db,
    transfers_sql(map { [1 + $_ % 20, 1 + ($_ + 1) % 20, $_ == 50 ? '666.13' : '1.00'] } 1 .. 100));
becomes($node, $db, 'SELECT queued, posted, refused FROM wallet.queue',
    '0|99|1', 'a request that fails only at commit is found as well');
is(worker_pid($node, $db), $pid, 'the worker has lived through that');
$node->safe_psql($db, 'DROP TRIGGER late ON wallet.transfer');
all_is_well($node, $db, 'late poison');

# ---- Trouble that is nobody's fault ----

trouble(
    'a column renamed away',
    'ALTER TABLE wallet.transfer RENAME COLUMN metadata TO elsewhere',
    'ALTER TABLE wallet.transfer RENAME COLUMN elsewhere TO metadata',
    qr/ERROR:  column "metadata" of relation "transfer" does not exist/);
trouble(
    'a table locked by somebody else',
    'BEGIN; LOCK TABLE wallet.transfer IN EXCLUSIVE MODE',
    'COMMIT',
    qr/ERROR:  canceling statement due to lock timeout/);
trouble(
    'a transaction that rolls a posting back as a deadlock would',
    q{CREATE FUNCTION public.deadlock() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'all in a knot' USING ERRCODE = 'deadlock_detected'; END $$;
    CREATE TRIGGER knot BEFORE INSERT ON wallet.transfer EXECUTE FUNCTION public.deadlock()},
    'DROP TRIGGER knot ON wallet.transfer',
    qr/ERROR:  all in a knot/);
trouble(
    'a sequence set back',
    q{SELECT setval('wallet.transfer_id_seq', 1, false)},
    q{SELECT setval('wallet.transfer_id_seq', 1000000)},
    qr/ERROR:  (?:a )?sequence .* is behind/);

# ---- A standby that does not answer: the worker waits in its commit ----

my $alone = new_server('alone', init => {allows_streaming => 1});
new_database($alone, $db);
make_wallets($alone, $db, 2, 100);
$pid = worker_pid($alone, $db);
set_conf($alone, 'synchronous_standby_names' => 'nobody');
my $local = 'SET synchronous_commit = local; ';
becomes($alone, $db, 'SHOW synchronous_standby_names', 'nobody', 'commits wait for a standby');
$alone->safe_psql($db, $local . deposits_sql([1, 1]));
becomes($alone, $db, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid",
    'SyncRep', 'and so does that of the worker');
$alone->safe_psql($db, $local . deposits_sql([2, 2]));
# A reload would wake the worker anyway, so only the checkpointer learns of it.
$alone->append_conf('postgresql.conf', "synchronous_standby_names = ''");
kill 'HUP',
    ask($alone, $db, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
becomes($alone, $db, queued(), '0', 'a request that was queued meanwhile does not wait', 5);
all_is_well($alone, $db, 'the standby');

done_testing();

# Clients go on queueing while the trouble lasts; the worker pauses for longer and longer, whoever
# wakes it, and charges nobody.
sub trouble
{
    my ($what, $begin, $end, $message) = @_;
    my $session  = $node->background_psql($db);
    my $position = log_position($node);
    my $refused  = ask($node, $db, 'SELECT count(*) FROM wallet.outcome');
    my $wakes    = 0;
    my $deadline = time() + 30;
    my $since;

    $pid = worker_pid($node, $db);
    $session->query_safe($begin);

    # Until it has failed, and for two seconds more.
    until (time() > $deadline)
    {
        $node->safe_psql($db, deposits_sql([1, 1]));
        $wakes++;
        $since //= time() if log_since($node, $position) =~ $message;
        last              if defined $since && time() > $since + 2;
    }
    my @lines = log_since($node, $position) =~ /($message)/g;
    cmp_ok(scalar @lines, '>=', 1, "$what: the log tells the cause");
    cmp_ok(scalar @lines,
        '<=', 6, "$what: but not each time that somebody wakes the worker ($wakes times)");
    is(ask($node, $db, queued()), $wakes, "$what: the requests wait");
    is(ask($node, $db, 'SELECT worker_alive FROM wallet_ready()'),
        't', "$what: the worker is alive");
    $session->query_safe($end);
    $session->quit;
    becomes($node, $db, queued(), '0', "$what: gone, they are posted");
    is(ask($node, $db, 'SELECT count(*) FROM wallet.outcome'),
        $refused, "$what: and charged to nobody");
    is(worker_pid($node, $db), $pid, "$what: by the same worker");
    all_is_well($node, $db, $what);
    return;
}
