# pg_upgrade takes everything along: the money, what is queued, and what handshakes and keys say. From one data directory
# to another of the same version, since that is what is there.
use strict;
use warnings;

use Cwd;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db  = 'payments';
my $old = new_server('old', conf => "pg_wallet.worker = off\n");
new_database($old, $db);
make_wallets($old, $db, 5, 1000);
my $enqueue = q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}', 'once')};
my $handshake = ask($old, $db, $enqueue);
is(ask($old, $db, 'SELECT wallet_process()'), '1', 'one request is settled');
is(ask($old, $db, 'SELECT wallet_rotate_requests()'), 't', 'a new partition');
$old->safe_psql($db, transfers_sql(map { [$_, $_ + 1, 1] } 1 .. 4));

my $looks = join ' UNION ALL ',
    map { "SELECT '$_', md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM wallet.$_ AS t" }
    qw(wallet request transfer outcome idempotency_key secret);
$looks .= " UNION ALL SELECT 'handshake', l::text FROM wallet_lookup('deposit', 1, '$handshake') AS l";
my $before = ask($old, $db, $looks);
$old->stop;

# The new server would post at once what is queued, were it not for the upgrade.
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => ['--encoding=UTF8', '--no-locale']);
$new->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_wallet'
pg_wallet.poll_interval = '10ms'
max_prepared_transactions = 5
CONF
chomp(my $bin = `pg_config --bindir`);
my $from = getcwd();
chdir PostgreSQL::Test::Utils::tempdir() or die "cannot change the folder: $!";
$new->command_ok(
    [
        'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
        '-s', $new->host, '-p', $old->port, '-P', $new->port
    ],
    'pg_upgrade');
chdir $from or die "cannot change the folder: $!";

$new->append_conf('postgresql.conf', "pg_wallet.worker = off\n");
$new->start;
is(ask($new, $db, $looks), $before, 'every row is the same, and nobody has posted meanwhile');
is(ask($new, $db, $enqueue), $handshake, 'a request sent again has the handshake that it had');
set_conf($new, 'pg_wallet.worker' => 'on');
becomes($new, $db, queued(), '0', 'what was queued is posted');
is(ask($new, $db, 'SELECT wallet_rotate_requests()'), 't', 'there are new partitions');
$new->safe_psql($db, transfers_sql([1, 2, 1]));
becomes($new, $db, queued(), '0', 'and what comes');
all_is_well($new, $db, 'upgraded');

done_testing();
