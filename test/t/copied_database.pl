# A copy made by CREATE DATABASE ... TEMPLATE has handshakes of its own: none of one database opens a
# request of another, and what a dump or a physical copy carries stays as it was.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $node = new_server(
    'copy',
    conf => "pg_wallet.worker = off\npg_wallet.poll_interval = '50ms'\nwal_level = logical\n",
    init => {allows_streaming => 1});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

new_database($node, 'pay');
make_wallets($node, 'pay', 3, 100);
my $old = deposit('pay');
is(ask($node, 'pay', 'SELECT wallet_process()'), '1', 'a request is settled');
my $key = key('pay');

# Both ways of copying; a copy of a copy that has not stored its key yet; one that stays untouched.
$node->safe_psql('postgres', 'CREATE DATABASE log TEMPLATE pay STRATEGY wal_log');
$node->safe_psql('postgres', 'CREATE DATABASE file TEMPLATE pay STRATEGY file_copy');
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE log');

is(state_of('pay', $old), 'processed', 'the original still knows its handshake');
foreach my $copy (qw(log file again))
{
    is(state_of($copy, $old), 'unknown', "$copy: a handshake of the original opens nothing");
    is(key($copy), $key, "$copy: to look up a handshake writes nothing");
}

# The next request has the same id, user and kind in all of them, and another handshake in each.
my %next = map { $_ => deposit($_) } qw(pay log file again);
foreach my $from (sort keys %next)
{
    is(state_of($_, $next{$from}), $_ eq $from ? 'queued' : 'unknown', "the handshake of $from in $_")
        foreach sort keys %next;
}
is(key('pay'), $key, 'the original keeps its key');
my %stored;
$stored{key($_)}++ foreach qw(pay log file again);
is(scalar keys %stored, 4, 'each copy has stored a key of its own with its first request');
is(deposit('log', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'COMMIT') =~ /^[0-9a-f]{64}$/, 1, 'a serializable transaction queues');

# The first ones at the same time: neither waits for the other, whichever of them commits, in any order.
$node->safe_psql('postgres', 'CREATE DATABASE race TEMPLATE pay');
my @sessions = map { $node->background_psql('race', on_error_stop => 0) } 1 .. 3;
$_->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1') foreach @sessions;
my @raced = map { $_->query_safe("SET statement_timeout = '10s'; " . deposit_sql()) } @sessions;
$sessions[0]->query_safe('ROLLBACK');
$sessions[2]->query_safe('COMMIT');
$sessions[1]->query_safe('COMMIT');
$_->quit foreach @sessions;
is(state_of('race', $raced[$_]), 'queued', "race: the handshake of session $_") foreach 1, 2;
my $late = deposit('race');
is(database_of_key('race'), 't', 'race: the key is stored');
is(state_of('race', $raced[$_]), 'queued', "race: the handshake of session $_ as before") foreach 1, 2;
is(state_of('race', $late), 'queued', 'race: so is a later one');

# The copy's dump, its copy in turn, its name and its place.
$node->command_ok(['pg_dump', '-f', $dump, 'race'], 'a dump of the copy');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'restored'], 'is restored');
is(state_of('restored', $_), 'queued', 'restored: a handshake of the dumped database') foreach $late, $raced[1];
is(database_of_key('restored'), 't', 'restored: the key is that of the new database');
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$folder'");
$node->safe_psql('postgres', $_)
    foreach 'ALTER DATABASE restored SET TABLESPACE elsewhere', 'ALTER DATABASE restored RENAME TO renamed';
is(state_of('renamed', $late), 'queued', 'moved and renamed: the handshakes stay');
$node->safe_psql('postgres', $_) foreach 'DROP DATABASE renamed', 'DROP TABLESPACE elsewhere';

# Who wants the copy to know the original's handshakes takes over the key.
$node->safe_psql('postgres', 'CREATE DATABASE heir TEMPLATE pay');
$node->safe_psql('heir', 'INSERT INTO wallet.secret (handshake_key) SELECT handshake_key FROM wallet.secret');
is(state_of('heir', $old), 'processed', 'heir: the original\'s handshake counts');
is(key('heir'), $key, 'heir: its key too');
$node->safe_psql('heir', 'UPDATE wallet.secret SET database = 1');
is(database_of_key('heir'), 't', 'a key that is written is always the key of this database');

# The worker stores a copy's key before anybody queues there.
$node->safe_psql('postgres', 'CREATE DATABASE worked TEMPLATE pay');
set_conf($node, 'pg_wallet.databases' => 'worked', 'pg_wallet.worker' => 'on');
becomes($node, 'worked', is_own(), 't', 'the worker stores the key of a copy');
becomes($node, 'worked', queued(), '0', 'and posts what the copy has of the queue');
set_conf($node, 'pg_wallet.databases' => 'none');
all_is_well($node, 'worked', 'worked');

# A standby and what is promoted from it, started from a base backup.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(state_of('pay', $next{pay}, $standby), 'queued', 'a standby knows the handshakes');
is(state_of('log', $next{log}, $standby), 'queued', 'those of a copy too');
$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE pay');
$node->wait_for_catchup($standby);
is(state_of('fresh', $old, $standby), 'unknown', 'a copy that has no key of its own yet is read there, too');
$standby->promote;
is(state_of('pay', $next{pay}, $standby), 'queued', 'promoted, it knows them still');

# A logical cut-over: the publisher's key becomes the subscriber's.
new_database($node, 'there');
$node->safe_psql('log', 'CREATE PUBLICATION key FOR TABLE wallet.secret');
$node->safe_psql('log', q{SELECT pg_create_logical_replication_slot('cut', 'pgoutput')});
my $connection = $node->connstr('log');
$node->safe_psql('there', "CREATE SUBSCRIPTION cut CONNECTION \$\$$connection\$\$ PUBLICATION key WITH (create_slot = false)");
becomes($node, 'there', 'SELECT handshake_key FROM wallet.secret', key('log'), 'the key is replicated');
is(database_of_key('there'), 't', 'as the key of the subscriber');
$node->safe_psql('log', q{UPDATE wallet.secret SET handshake_key = sha256('another')});
becomes($node, 'there', 'SELECT handshake_key FROM wallet.secret', key('log'), 'and so is another one');
is(database_of_key('there'), 't', 'as the key of the subscriber');
$node->safe_psql('there', 'DROP SUBSCRIPTION cut');

done_testing();

sub deposit_sql
{
    return q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}')};
}

sub deposit
{
    my ($database, @around) = @_;

    return ask($node, $database, join ';', $around[0] // (), deposit_sql(), $around[1] // ());
}

# What a handshake of a deposit of user 1 tells in a session that can write nothing.
sub state_of
{
    my ($database, $handshake, $server) = @_;

    return ask($server // $node, $database,
        "SET default_transaction_read_only = on; SELECT state FROM wallet_lookup_many('{deposit}', '{1}', '{$handshake}')");
}

sub key
{
    my ($database) = @_;

    return ask($node, $database, 'SELECT handshake_key FROM wallet.secret');
}

sub is_own
{
    return 'SELECT s.database = d.oid FROM wallet.secret AS s, pg_database AS d WHERE d.datname = current_database()';
}

sub database_of_key
{
    my ($database) = @_;

    return ask($node, $database, is_own());
}
