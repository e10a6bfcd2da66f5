# WalletServer: throwaway servers with pg_wallet, and what the tests in ../ ask of them.
#
# Nothing here sleeps to let something happen: becomes() asks until the answer is the expected one,
# or until its deadline, and is itself a test.
package WalletServer;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
    new_server new_database set_conf ask becomes poll_for worker_pid queued
    make_wallets transfers_sql transfer_json deposits_sql operations_sql all_is_well
    enqueue_sql log_position log_since log_becomes log_stays log_is_quiet
);

# No statement of a test waits for ever.
$ENV{PGOPTIONS} = "-c statement_timeout=60s";

# How long anything may take that the tests wait for, unless they say otherwise.
my $seconds_max = 30;

# A running server; the extension is preloaded, and conf comes after our own settings.
sub new_server
{
    my ($name, %with) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);

    # Whatever the locale of whoever runs the tests.
    $node->init(extra => ['--encoding=UTF8', '--no-locale'], %{$with{init} // {}});
    $node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_wallet'
pg_wallet.poll_interval = '60s'
pg_wallet.batch_max = 8192
max_worker_processes = 20
max_prepared_transactions = 5
restart_after_crash = on
log_statement = none
log_error_verbosity = default
CONF
    $node->append_conf('postgresql.conf', $with{conf}) if defined $with{conf};
    $node->start;
    return $node;
}

sub new_database
{
    my ($node, $database) = @_;

    $node->safe_psql('postgres', "CREATE DATABASE $database");
    $node->safe_psql($database,  'CREATE EXTENSION pg_wallet');
    return;
}

# Change settings of the running server.
sub set_conf
{
    my ($node, %settings) = @_;

    $node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") foreach sort keys %settings;
    $node->reload;
    return;
}

# What a query answers, or the error it raises.
sub ask
{
    my ($node, $database, $sql) = @_;
    my ($answer, $error) = ('', '');

    $node->psql(
        $database, $sql,
        stdout        => \$answer,
        stderr        => \$error,
        on_error_stop => 1);
    return $error eq '' ? $answer : $error;
}

# Ask until the answer is the expected text or matches the expected pattern; returns the last one.
sub poll_for
{
    my ($node, $database, $sql, $expected, $seconds) = @_;
    my $deadline = time() + ($seconds // $seconds_max);
    my $answer;

    while (1)
    {
        $answer = ask($node, $database, $sql);
        last if ref $expected ? $answer =~ $expected : $answer eq $expected;
        last if time() > $deadline;
        usleep(20_000);
    }
    return $answer;
}

# becomes($node, $database, $sql, $expected, $name [, $seconds]): a test.
sub becomes
{
    my ($node, $database, $sql, $expected, $name, $seconds) = @_;
    my $answer = poll_for($node, $database, $sql, $expected, $seconds);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ref $expected ? like($answer, $expected, $name) : is($answer, $expected, $name);
}

# The pid of the database's worker, as soon as it has one (and it is not this one).
sub worker_pid
{
    my ($node, $database, $other_than, $seconds) = @_;

    $other_than //= 0;
    return poll_for($node, $database,
        "SELECT worker_pid FROM wallet.queue WHERE worker_pid <> $other_than",
        qr/^[1-9]\d*$/, $seconds);
}

# How many requests wait; shorter than the whole view.
sub queued
{
    return 'SELECT queued FROM wallet.queue';
}

# Wallets 1 to count, of users 1 to count, with this much money each.
sub make_wallets
{
    my ($node, $database, $count, $amount) = @_;

    $node->safe_psql($database,
        "SELECT wallet_create(i, $amount) FROM generate_series(1, $count) AS i");
    return;
}

# A statement that queues deposits: [wallet_id, amount]...
sub deposits_sql
{
    return enqueue_sql('deposit',
        map { qq({"user_id":$_->[0],"wallet_id":$_->[0],"amount":$_->[1]}) } @_);
}

# A statement that queues transfers: [source, destination, amount]...
sub transfers_sql
{
    return enqueue_sql('transaction', map { transfer_json(@{$_}) } @_);
}

# A transfer's payload.
sub transfer_json
{
    my ($source, $destination, $amount) = @_;

    return qq({"user_id":$source,"source_wallet_id":$source,)
        . qq("dest_wallet_id":$destination,"trans_sum":$amount});
}

# Statements that make holds of every state, reversals, a credit line that is used, and a swept wallet, directly:
# with the wallets that make_wallets has made, of which 1 to 4 have 100 at least, and 4 nothing else to do.
sub operations_sql
{
    return <<'SQL';
SELECT wallet_capture((wallet_hold(1, 2, 40, '1 day', 50)).transfer_id, 10, false);
SELECT wallet_capture(max(hold_id)) FROM wallet.hold;
SELECT wallet_void((wallet_hold(1, NULL, 3)).transfer_id);
SELECT wallet_hold_extend((wallet_hold(2, 3, 20, expires_at => 'infinity')).transfer_id, 25);
SELECT wallet_void(max(hold_id), 5) FROM wallet.hold;
SELECT wallet_hold(3, NULL, 7.5, '1 ms');
SELECT wallet_reverse((wallet_transfer(1, 3, 20)).transfer_id, 5);
SELECT wallet_set_limits(3, -1000, 5000);
SELECT wallet_withdraw(3, amount_mode => 'up_to', amount => 1000);
SELECT wallet_set_limits(3, -2);
SELECT wallet_close(4, 2);
SQL
}

sub enqueue_sql
{
    my ($kind, @payloads) = @_;
    my $count = @payloads;
    my $list  = join ',', map { "'$_'" } @payloads;

    return "SELECT count(handshake_id) FROM "
        . "wallet_enqueue_many(array_fill('$kind'::text, ARRAY[$count]), ARRAY[$list])";
}

# Two tests: each request was carried out exactly once, and the books are right.
sub all_is_well
{
    my ($node, $database, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(ask($node, $database, <<'SQL'), 't', "$name: each request has its outcome once");
SELECT count(*) = count(ended.request_id)
	AND count(*) = count(DISTINCT ended.request_id)
	AND count(*) = (SELECT count(*) FROM wallet.request)
FROM wallet.request FULL JOIN
	(SELECT request_id FROM wallet.outcome
	 UNION ALL
	 SELECT request_id FROM wallet.transfer AS t WHERE request_id IS NOT NULL
		AND NOT EXISTS (SELECT FROM wallet.outcome AS o WHERE o.request_id = t.request_id)
	) AS ended USING (request_id)
SQL
    is( ask($node, $database,
            q{SELECT concat(name, ': ', detail) FROM wallet_verify() WHERE NOT ok}),
        '',
        "$name: wallet_verify() finds no fault");
    return;
}

sub log_position
{
    my ($node) = @_;

    return -s $node->logfile;
}

sub log_since
{
    my ($node, $position) = @_;

    return slurp_file($node->logfile, $position);
}

# log_becomes($node, $position, $pattern, $name): a test.
sub log_becomes
{
    my ($node, $position, $pattern, $name) = @_;
    my $deadline = time() + $seconds_max;

    usleep(20_000) until log_since($node, $position) =~ $pattern || time() > $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(log_since($node, $position) =~ $pattern, $name);
}

# log_stays($node, $position, $pattern, $seconds, $name): a test that something does not happen.
sub log_stays
{
    my ($node, $position, $pattern, $seconds, $name) = @_;
    my $deadline = time() + $seconds;

    usleep(20_000) until log_since($node, $position) =~ $pattern || time() > $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(log_since($node, $position) !~ $pattern, $name);
}

# A test that no error has been logged, on a server whose log_line_prefix is '%m [%p] %b: '.
#
# PostgreSQL's own launcher exits with 1 whenever the server stops.  A stop also interrupts
# autovacuum, and the session of a psql that has only just left: each of them logs a FATAL error.
sub log_is_quiet
{
    my ($node, $position, $name) = @_;
    my @noise = grep { !/logical replication launcher|\] (?:client backend|autovacuum (?:worker|launcher)): / }
        log_since($node, $position) =~ /^.*(?:FATAL|PANIC|ERROR|exited with exit code|terminat).*$/mg;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(join("\n", @noise), '', "$name: no error in the log");
}

1;
