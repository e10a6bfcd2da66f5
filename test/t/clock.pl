# Somebody sets the clock of a running server, back and forward: what waits goes on, and no moment on
# record goes back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db    = 'clocked';
my $shift = 0;
my $file  = PostgreSQL::Test::Utils::tempdir() . '/shift';
my $node  = clocked_server();
new_database($node, $db);
make_wallets($node, $db, 3, 100);
my $pid = worker_pid($node, $db);

# A deferred request is tried again.
my $session = $node->background_psql($db);
$session->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 1 FOR UPDATE');
$node->safe_psql($db, deposits_sql([1, 1]));
becomes($node, $db, 'SELECT deferred FROM wallet.worker_state()', '1', 'a request is deferred');
step(-600);
$session->query_safe('COMMIT');
becomes($node, $db, queued(), '0', 'it is tried again after a step back', 5);

# A dead worker is replaced.
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$pid = worker_pid($node, $db, $pid, 5);
step(-600);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
like(worker_pid($node, $db, $pid, 5), qr/^\d+$/, 'a dead worker is replaced after a step back');

# A pause after an error ends.
my $position = log_position($node);
my $last = ask($node, $db, q{SELECT last_value FROM wallet.transfer_id_seq});
$node->safe_psql($db, q{SELECT setval('wallet.transfer_id_seq', 1)});
$node->safe_psql($db, deposits_sql([1, 1]));
log_becomes($node, $position, qr/ERROR:  .*sequence .* is behind/, 'the worker fails, and pauses');
step(-600);
$node->safe_psql($db, "SELECT setval('wallet.transfer_id_seq', $last + 100)");
becomes($node, $db, queued(), '0', 'the pause ends after a step back', 12);

# A key that another transaction stores is answered at once, by any clock.
my $keyed = q{SELECT code FROM wallet_enqueue_many(ARRAY['deposit'],
    ARRAY['{"user_id":1,"wallet_id":1,"amount":1}'], ARRAY['busy'])};
$session->query_safe("BEGIN; $keyed");
step(-600);
is(ask($node, $db, $keyed), 'idempotency_in_progress', 'a busy key is answered after a step back');
$session->query_safe('ROLLBACK');
$session->quit;

# No moment on record goes back, along any wallet's chain.
step(3600);
$node->safe_psql($db, 'SELECT wallet_transfer(1, 2, 1)');
step(-600);
my $newest = ask($node, $db, 'SELECT max(updated_at) FROM wallet.wallet');
my $before = ask($node, $db, 'SELECT max(transfer_id) FROM wallet.transfer');
$node->safe_psql($db, $_)
    foreach 'SELECT wallet_transfer(2, 3, 1)', 'SELECT wallet_deposit(1, 1)', 'SELECT wallet_withdraw(2, 1)';
is( ask($node, $db, "SELECT count(*) FROM wallet.transfer WHERE transfer_id > $before AND posted_at = '$newest'"),
    '3', 'direct payments are posted when their wallets were written last');
is(ask($node, $db, q{SELECT updated_at FROM wallet_set_status(1, 'frozen')}),
    $newest, 'so is a change of status');
$node->safe_psql($db, q{SELECT wallet_set_status(1, 'active')});
$node->safe_psql($db, 'SELECT wallet_create(i, 5) FROM generate_series(4, 9) AS i');
is(ask($node, $db, "SELECT count(*) FROM wallet.wallet WHERE wallet_id > 3 AND updated_at < '$newest'"),
    '6', 'what is new goes by the clock');

# A batch has one moment, its reads and new wallets too; what it does not write has its own.
is(ask($node, $db, 'BEGIN; ' . batch_sql(
        [transaction => '"source_wallet_id":4,"dest_wallet_id":5,"trans_sum":1', 4],
        [wallet_read => '"wallet_id":4', 4],
        [wallet => '"amount":3', 77],
        [wallet_read => '"wallet_id":6', 6],
        [transaction => '"source_wallet_id":7,"dest_wallet_id":2,"trans_sum":1', 7],
        [transaction => '"source_wallet_id":8,"dest_wallet_id":9,"trans_sum":100', 8],
        [wallet_read => '"wallet_id":7', 7]) . '; SELECT wallet_process(); COMMIT'),
    "7\n7", 'a batch in which one wallet was written later than now');
my $requests = 'WITH last AS (SELECT max(request_id) - 7 AS id FROM wallet.request)';
is( ask($node, $db, "$requests SELECT count(*) FROM wallet.transfer, last WHERE request_id > id AND posted_at = '$newest'"),
    '3', 'all transfers of it have that moment');
is( ask($node, $db, "$requests SELECT count(*) FROM wallet.outcome, last WHERE request_id > id AND posted_at = '$newest'"),
    '5', 'and all outcomes');
is( ask($node, $db,
        "$requests SELECT string_agg((updated_at = '$newest')::text, ' ' ORDER BY request_id)
            FROM wallet.outcome, last WHERE request_id > id AND updated_at IS NOT NULL"),
    'true false true', 'reads see it where the batch has written the wallet');
is( ask($node, $db, "SELECT string_agg(wallet_id::text, ' ' ORDER BY wallet_id) FROM wallet.wallet WHERE updated_at = '$newest'"),
    '1 2 3 4 5 7 10', 'and the wallets that it has written');
is(ask($node, $db, "SELECT created_at = '$newest' FROM wallet.wallet WHERE user_id = 77"), 't', 'the new one too');

# A read's moment is the wallet's, when that is later; also where statements write.
$node->safe_psql($db, deposits_sql([6, 1]));
$node->safe_psql($db, 'ALTER TABLE wallet.outcome ADD COLUMN own integer DEFAULT 1');
foreach (1 .. 2)
{
    $node->safe_psql($db, 'BEGIN; ' . batch_sql([wallet_read => '"wallet_id":1', 1], [wallet_read => '"wallet_id":99', 1])
            . '; SELECT wallet_process(); COMMIT');
    is( ask($node, $db,
            "SELECT string_agg((posted_at = '$newest')::text, ' ' ORDER BY request_id)
                FROM (SELECT * FROM wallet.outcome ORDER BY request_id DESC LIMIT 2) AS o"),
        'true false', 'a read is no earlier than what it sees');
    $node->safe_psql($db, 'ALTER TABLE wallet.outcome DROP COLUMN IF EXISTS own');
}
is(ask($node, $db, <<'SQL'), '0', 'no chain goes back');
SELECT count(*) FROM (
    SELECT posted_at < lag(posted_at) OVER (PARTITION BY wallet_id ORDER BY transfer_id) AS back
        FROM wallet.operation) AS chain WHERE back
SQL

# The log tells of each step once.
$position = log_position($node);
step(-600);
$node->safe_psql($db, deposits_sql([6, 1]));
log_becomes($node, $position, qr/WARNING:  the server's clock has gone back by (?:599|600)\.\d+ s/,
    'the log tells of a step back');
step(1800);
$node->safe_psql($db, deposits_sql([6, 1]));
log_becomes($node, $position, qr/WARNING:  the server's clock has gone forward by (?:1799|1800)\.\d+ s/,
    'and of a step forward');
becomes($node, $db, queued(), '0', 'the worker works');
my @told = log_since($node, $position) =~ /WARNING:  the server's clock/g;
is(scalar @told, 2, 'of each once');

# A step forward expires nothing of the present in one go.
set_conf($node, 'pg_wallet.worker' => 'off');
$node->safe_psql($db, 'SELECT wallet_expire_requests()') foreach 1 .. 2;
ask($node, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'kept')});
$node->safe_psql($db, $_) foreach 'SELECT wallet_process()', 'SELECT wallet_rotate_requests()';
my $kept = 'SELECT (SELECT count(*) FROM wallet.idempotency_key), (SELECT count(*) > 0 FROM wallet.request)';
step(400 * 86400);
my $expire = 'SELECT wallet_expire_idempotency_keys(); SELECT wallet_expire_requests()';
like(ask($node, $db, $expire), qr/WARNING:  the expiry of idempotency keys counts up to .*\n.*\n.*\n.*WARNING:  the expiry of requests counts/s,
    'the expiry sees that the clock has leapt forward');
is(ask($node, $db, $kept), '1|t', 'nothing has gone');
step(-400 * 86400);
is(ask($node, $db, "$expire; $kept"), "0\n0\n1|t", 'the clock is right again: nothing is due');
step(400 * 86400);
my $calls = 0;
ask($node, $db, $expire) until ask($node, $db, $kept) eq '0|f' || $calls++ > 20;
is($calls, 10, 'when it is right, ten calls catch up');
is( ask($node, $db, 'SELECT wallet_enqueue_many(ARRAY[]::text[], ARRAY[]::text[]); ' . $expire), "0\n0",
    'and the next finds nothing to say');
set_conf($node, 'pg_wallet.worker' => 'on');
step(-400 * 86400);

# A step forward makes nobody look dead.
is(ask($node, $db, 'SELECT worker_alive FROM wallet_ready()'), 't', 'the worker is alive');
step(86400);
is(ask($node, $db, 'SELECT worker_alive FROM wallet_ready()'), 't', 'and after a step forward');
is(ask($node, $db, "SELECT clock_timestamp() - heartbeat < '10 s' FROM wallet.queue"),
    't', 'its heartbeat is shown by the clock as it is now');
step(-86400);
like(
    ask($node, $db, 'BEGIN; ' . deposits_sql([1, 1]) . "; SELECT oldest_age >= '0' FROM wallet.queue"),
    qr/t$/, 'no request is younger than nothing');

is(ask($node, $db, q{SELECT concat(name, ': ', detail) FROM wallet_verify() WHERE NOT ok}),
    '', 'wallet_verify() finds no fault');
done_testing();

# A server whose clock step() sets.
sub clocked_server
{
    my $library = PostgreSQL::Test::Utils::tempdir() . '/shifted_clock.so';
    my $server;

    system('cc', '-shared', '-fPIC', '-O2', '-o', $library, "$FindBin::RealBin/lib/shifted_clock.c") == 0
        or die 'cannot build the library that sets the clock';
    step(0);
    local $ENV{SHIFTED_CLOCK} = $file;
    local $ENV{LD_PRELOAD}    = $library;
    return new_server('clocked');
}

# A statement that queues these: [kind, members of the payload, user_id]...
sub batch_sql
{
    my @kinds    = map { "'$_->[0]'" } @_;
    my @payloads = map { qq('{"user_id":$_->[2],$_->[1]}') } @_;
    local $" = ',';

    return "SELECT count(handshake_id) FROM wallet_enqueue_many(ARRAY[@kinds], ARRAY[@payloads])";
}

# Set the server's clock by so many seconds.
sub step
{
    my ($seconds) = @_;

    $shift += $seconds;
    open my $out, '+>>', $file or die "cannot write $file: $!";
    close $out;
    open $out, '+<', $file or die "cannot write $file: $!";
    syswrite $out, pack('q', $shift);
    close $out;
    return;
}
