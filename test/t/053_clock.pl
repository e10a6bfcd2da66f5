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
$node->safe_psql($db, "SELECT setval('wallet.transfer_id_seq', $last)");
becomes($node, $db, queued(), '0', 'the pause ends after a step back', 12);

# A wait with a bound ends: another transaction stores the same key.
my $keyed = q{SELECT code FROM wallet_enqueue_many(ARRAY['deposit'],
    ARRAY['{"user_id":1,"wallet_id":1,"amount":1}'], ARRAY['busy'])};
$session->query_safe("BEGIN; $keyed");
my $second = $node->background_psql($db);
$second->query_until(qr/asked/, "\\echo asked\n$keyed;\n\\echo answered\n");
step(-600);
like($second->query_until(qr/answered/, ''),
    qr/idempotency_in_progress/, 'a wait with a bound ends after a step back');
$session->query_safe('ROLLBACK');
$_->quit foreach $session, $second;

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

all_is_well($node, $db, 'the clock');
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
