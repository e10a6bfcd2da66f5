# A restore drill with pgBackRest, whose settings are deploy/pgbackrest.conf: a backup is taken while clients pay, and
# the server is restored to a moment. All that was acknowledged before that moment is there, what was queued
# and not yet posted is posted, and what came later is gone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $program = (grep { -x } map { "$_/pgbackrest" } split /:/, $ENV{PATH})[0];
plan skip_all => 'needs pgbackrest' unless defined $program;

my $db    = 'payments';
my $place = PostgreSQL::Test::Utils::tempdir();
my $node  = new_server('lost', conf => <<"CONF", init => {allows_streaming => 1});
pg_wallet.poll_interval = '50ms'
archive_mode = on
archive_command = 'pgbackrest --config=$place/pgbackrest.conf --stanza=payments archive-push %p'
CONF

sub configure
{
    my ($server) = @_;
    my $conf = slurp_file("$FindBin::RealBin/../../deploy/pgbackrest.conf");
    my %here = (
        'repo1-path' => "$place/repository", 'pg1-path' => $server->data_dir,
        'pg1-socket-path' => $server->host,  'pg1-port' => $server->port);

    $conf =~ s/^\Q$_\E=.*$/$_=$here{$_}/m or die "no $_ in deploy/pgbackrest.conf" foreach sort keys %here;
    $conf =~ s/^\[global\]$/[global]\nlog-path=$place\nlock-path=$place\nspool-path=$place/m;
    open my $out, '>', "$place/pgbackrest.conf" or die $!;
    print $out $conf;
    close $out;
    return;
}

# backrest(@words): a test.
sub backrest
{
    my @words = @_;
    my $said  = '';
    my $ok = IPC::Run::run([ $program, "--config=$place/pgbackrest.conf", '--stanza=payments', @words ],
        '>', \$said, '2>&1');

    return ok($ok, "pgbackrest $words[0]") || diag($said);
}

# A client of two wallets, who notes each acknowledgement and when it came: a handshake, or a transfer.
sub client
{
    my ($one, $other) = @_;
    my $round = <<"SQL";
SELECT wallet_enqueue('transaction', '@{[ transfer_json($one, $other, 0.01) ]}') AS handshake \\gset
SELECT 'queued', $one, :'handshake', clock_timestamp();
SELECT transfer_id FROM wallet_transfer($other, $one, 0.02) \\gset
SELECT 'paid', $other, :transfer_id, clock_timestamp();
SQL

    append_to_file("$place/client_$one.sql", $round x 20_000);
    return IPC::Run::start(
        [ 'psql', '-XqAt', '-F', "\t", '-h', $node->host, '-p', $node->port, $db ],
        '<', "$place/client_$one.sql", '>', "$place/client_$one", '2>', "$place/client_$one.said");
}

sub acknowledged { return 'SELECT count(*) FROM wallet.request' }

configure($node);
new_database($node, $db);
make_wallets($node, $db, 6, 100);
my $deposit = q{SELECT wallet_enqueue('deposit', '{"user_id":5,"wallet_id":5,"amount":1}', 'first')};
my $first   = ask($node, $db, $deposit);
backrest('stanza-create');
backrest('check');

my @clients = (client(1, 2), client(3, 4));
becomes($node, $db, acknowledged() . ' HAVING count(*) > 20', qr/\d/, 'clients pay');
backrest('backup', '--type=full');
my $before = ask($node, $db, acknowledged());
my $ended  = ask($node, $db, 'SELECT clock_timestamp()');

# Some seconds after the backup nothing is posted any more, and requests wait at the moment.
set_conf($node, 'pg_wallet.worker' => 'off');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the worker ends');
becomes($node, $db, queued() . ' WHERE queued > 20', qr/\d/, 'requests wait');
ok(ask($node, $db, acknowledged()) > $before, 'clients paid during the backup and after it');
# pgBackRest counts the end of a backup in seconds, and restores to a later moment only.
becomes($node, $db, "SELECT clock_timestamp() > '$ended'::timestamptz + '2 s'", 't', 'the backup is over');
my $moment = ask($node, $db, 'SELECT clock_timestamp()');

# Then something happens that should not have happened, and everybody pays on, until the server is lost.
my $mistake = ask($node, $db, 'SELECT transfer_id FROM wallet_deposit(6, 666)');
my $late    = ask($node, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":6,"wallet_id":6,"amount":1}')});
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, "SELECT state FROM wallet_lookup('deposit', 6, '$late')", 'processed', 'payments go on');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
becomes($node, 'postgres',
    q{SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'}, '0', 'the log is archived');
$node->stop('immediate');
$_->finish foreach @clients;

# Another machine, with the same settings: only where it lies differs, so that it does not archive here.
my $restored = PostgreSQL::Test::Cluster->new('restored');
configure($restored);
backrest('restore', '--type=time', "--target=$moment", '--target-action=promote');
$restored->append_conf('postgresql.conf',
    "port = @{[ $restored->port ]}\nunix_socket_directories = '@{[ $restored->host ]}'\narchive_mode = off\n");
$restored->start;
becomes($restored, $db, 'SELECT pg_is_in_recovery()', 'f', 'the restored server goes on by itself');
becomes($restored, $db, queued(), '0', 'and works off its queue');

# What the clients were told up to the moment.
ask($restored, $db, 'CREATE TABLE told (what text, user_id bigint, id text, at timestamptz)');
append_to_file("$place/told", join '', grep { /\t.*\t.*\t.*\n$/ } map { slurp_file("$place/client_$_") =~ /^.*\n/mg } 1, 3);
ask($restored, $db, "\\copy told FROM '$place/told'");
ask($restored, $db, "DELETE FROM told WHERE at > '$moment'");
my $told = ask($restored, $db, q{SELECT count(*) FROM told WHERE what = 'queued'});
cmp_ok($told, '>', 40, 'clients were told of requests before the moment');
is(ask($restored, $db, <<'SQL'), $told, 'each of their handshakes tells that its request was processed');
SELECT count(*) FILTER (WHERE l.state = 'processed') FROM
	(SELECT array_agg('transaction'::text) AS kinds, array_agg(user_id) AS users, array_agg(id) AS handshakes
	 FROM told WHERE what = 'queued') AS t,
	wallet_lookup_many(t.kinds, t.users, t.handshakes) AS l
SQL
is(ask($restored, $db, <<'SQL'), '0', 'and each direct payment is in the journal');
SELECT count(*) FROM told WHERE what = 'paid' AND NOT EXISTS
	(SELECT FROM wallet.transfer WHERE transfer_id = id::bigint AND amount = 2 AND source_wallet_id = user_id)
SQL

# Without new ids, a handshake from after the moment would open the next request of the same user.
is(ask($restored, $db, 'SELECT wallet_rotate_requests()'), 't', 'requests get ids that nobody has had');
$restored->safe_psql($db, deposits_sql(map { [ 6, 1 ] } 1 .. 100));
becomes($restored, $db, queued(), '0', 'requests of the user who had paid after the moment are posted');
isnt(ask($restored, $db, "SELECT amount FROM wallet.transfer WHERE transfer_id = $mistake"), '66600', 'the mistake is gone');
like(ask($restored, $db, "SELECT wallet_lookup('deposit', 6, '$late')"), qr/no such request/, 'and so is what came after it');
is(ask($restored, $db, $deposit), $first, 'an old key answers the old handshake');
all_is_well($restored, $db, 'the restored server');
$restored->safe_psql($db, deposits_sql([ 5, 1 ]));
becomes($restored, $db, queued(), '0', 'what is new is posted');
is(ask($restored, $db, 'SELECT wallet_audit()'), 't', 'and the audit finds no fault');
all_is_well($restored, $db, 'the restored server with more');

done_testing();
