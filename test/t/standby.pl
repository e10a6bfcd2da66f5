# The shim before a standby: it says that nothing is posted there, refuses what it cannot store, and takes both up when
# the standby is promoted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;
use Shim qw(start_shim);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db   = 'payments';
my $node = new_server(
    'primary',
    conf => "pg_wallet.poll_interval = '50ms'\n",
    init => {allows_streaming => 1});
new_database($node, $db);
make_wallets($node, $db, 2, 1000);
my $handshake = ask($node, $db,
    q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}')});
becomes($node, $db, queued(), '0', 'a request is posted');

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);

local $ENV{WALLET_URL} = start_shim('--db', $standby->connstr($db));
my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';

# Polls until the shim's answer to /readyz has this status, and says this.
sub readyz_becomes
{
    my ($status, $words) = @_;
    my $deadline = time + 60;
    my $answer;

    do
    {
        select undef, undef, undef, 0.05 if $answer;
        $answer = Shim::ask('GET', '/readyz');
    } until $answer->{status} == $status && $answer->{content} =~ $words || time > $deadline;
    like("$answer->{status} $answer->{content}", qr/^$status .*$words/s, "readyz becomes $status: $words");
    return;
}

readyz_becomes(503, 'the database is a standby');
my $refused = Shim::post('deposit', $deposit);
is($refused->{status}, 503, 'it stores nothing');
is(Shim::code_of($refused), 'database_read_only', 'and says so');
ok($refused->{headers}{'retry-after'}, 'so that clients come again');
# What a request would do can be asked where nothing can be written: of each sort of operation.
my $groups = q{{"legs":[{"kind":"hold","source_wallet_id":1,"dest_wallet_id":2,"amount":1},{"kind":"withdrawal","wallet_id":2,"amount":1001}]}};
is(ask($standby, $db, "SELECT string_agg(wallet_dry_run(kind, payload::json) ->> 'code', ' ' ORDER BY n) FROM (VALUES
    (1, 'wallet', '{\"user_id\":99,\"amount\":1}'), (2, 'deposit', '$deposit'), (3, 'group', '$groups'), (4, 'capture', '{\"hold_id\":1}')) AS v (n, kind, payload)"),
    'processed processed insufficient_funds hold_not_found', 'a dry run works there');
is(Shim::get("deposit?user_id=1&handshake_id=$handshake")->{status}, 200, 'but outcomes can be read');

my $lag = q{(SELECT value FROM wallet.metric WHERE name = 'wallet_replay_lag_seconds')};
becomes($standby, $db, "SELECT $lag = 0", 't', 'it shows what the primary has');
$node->stop;
becomes($standby, $db, "SELECT $lag > 0", 't', 'cut off, it does not know what is missing');

$standby->promote;
readyz_becomes(200, 'ready');
my $stored = Shim::post('deposit', $deposit);
is($stored->{status}, 202, 'promoted, it stores');
becomes($standby, $db, queued(), '0', 'and posts');
all_is_well($standby, $db, 'the promoted standby');

done_testing();
