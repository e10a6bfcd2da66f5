# The shim behind a proxy while the primary moves: it stays with no standby, stores nothing twice and loses nothing that it
# has acknowledged, and leaves a server that is frozen by its own timeouts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Relay;
use WalletServer;
use Shim qw(start_shim stop_shim shim_log);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db    = 'payments';
my $first = new_server('first', init => {allows_streaming => 1}, conf => "pg_wallet.poll_interval = '50ms'\n");
new_database($first, $db);
make_wallets($first, $db, 2, 1000);
my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';

# A running standby of a server, which waits for it.
sub standby_of
{
    my ($node, $name) = @_;
    my $standby = PostgreSQL::Test::Cluster->new($name);

    $node->backup($name);
    $standby->init_from_backup($node, $name, has_streaming => 1);
    $standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
    $standby->start;
    set_conf($node, 'synchronous_standby_names' => $name);
    poll_for($node, 'postgres', 'SELECT sync_state FROM pg_stat_replication', 'sync');
    return $standby;
}

# Polls until the shim answers like this: how many seconds it took.
sub answer_becomes
{
    my ($name, $words, @request) = @_;
    my $from = time;
    my $answer;

    do
    {
        usleep(20_000) if $answer;
        $answer = Shim::ask(@request);
    } until "$answer->{status} $answer->{content}" =~ $words || time > $from + 40;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like("$answer->{status} $answer->{content}", $words, $name);
    return time - $from;
}

my $second = standby_of($first, 'second');
my $relay  = Relay->new($second);
local $ENV{WALLET_URL} = start_shim('--db', $relay->connstr($db) . ' application_name=moving');

# ---- The proxy leads to a standby, and then to the primary: the connections to the standby stay open ----

answer_becomes('before a standby it is not ready', qr/^503 .*database_read_only/, 'GET', '/readyz');
my $refused = Shim::post('deposit', $deposit);
is("$refused->{status} " . Shim::code_of($refused), '503 database_read_only', 'a standby stores nothing');
ok($refused->{headers}{'retry-after'}, 'the client shall come again');
for (1 .. 20)
{
    my $read = Shim::get('wallet/async?user_id=1&wallet_id=1');
    next if $read->{status} == 200;
    fail("a read is answered: $read->{status} $read->{content}");
    last;
}
$relay->lead_to($first);
cmp_ok(answer_becomes('the primary is behind the proxy: ready', qr/^200 /, 'GET', '/readyz'), '<', 5, 'within seconds');
is(Shim::post('deposit', $deposit)->{status}, 202, 'it stores');
becomes($second, $db, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'moving'}, '0', 'no connection is left with the standby');

# ---- The primary is killed, and the standby promoted, while clients pay ----

my (%acknowledged, $deadline, $last);
my $number = 0;

# Pays with a key of its own until the shim acknowledges; keeps the handshake.
sub pay
{
    my ($seconds) = @_;
    my $key = 'key' . ++$number;
    my $until = time + ($seconds // 40);
    my $answer;

    do
    {
        usleep(20_000) if $answer;
        $answer = Shim::post('deposit', $deposit, {'Idempotency-Key' => $key});
        $last = "$answer->{status} " . Shim::code_of($answer);
    } until $answer->{status} == 202 || time > $until;
    $acknowledged{$key} = Shim::json($answer)->{handshake_id} if $answer->{status} == 202;
    return $answer->{status} == 202;
}

pay() foreach 1 .. 50;
$first->stop('immediate');
$refused = Shim::post('deposit', $deposit, {'Idempotency-Key' => 'away'});
is($refused->{status}, 503, 'without a server it refuses');
$relay->lead_to($second);
$second->promote;
my $from = time;
ok(pay(), 'it pays again') or diag($last);
cmp_ok(time - $from, '<', 5, 'within seconds of the promotion');
pay() foreach 1 .. 50;

# ---- The new primary is frozen: all of its processes stop, and their sockets stay open ----

my $third = standby_of($second, 'third');
pay() foreach 1 .. 20;
my $postmaster = $second->{_pid};
my @frozen = ($postmaster, split ' ', `pgrep -P $postmaster`);
kill 'STOP', @frozen;
$third->promote;
$from = time;
my $hanging = Shim::post('deposit', $deposit, {'Idempotency-Key' => 'frozen'});
like("$hanging->{status} " . Shim::code_of($hanging), qr/^503 database_(?:busy|unavailable)$/, 'a payment to a frozen server is refused');
cmp_ok(time - $from, '<', 13, 'after the deadline of a statement');
$relay->lead_to($third);
ok(pay(), 'the shim leaves a frozen server by itself') or diag($last);
cmp_ok(time - $from, '<', 25, 'in its time');
pay() foreach 1 .. 20;
kill 'CONT', @frozen;
# The payment to the frozen server waits for a standby that is none any more: whoever demotes the server ends it.
becomes($second, $db, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'moving' AND wait_event IS DISTINCT FROM 'SyncRep'}, '0', 'thawed, the old primary loses the connections');
answer_becomes('ready', qr/^200 /, 'GET', '/readyz');

# ---- Nothing is lost or doubled ----

becomes($third, $db, queued(), '0', 'all is posted');
my @lost = grep { Shim::json(Shim::get("deposit?user_id=1&handshake_id=$acknowledged{$_}"))->{status} ne 'processed' } sort keys %acknowledged;
is("@lost", '', scalar(keys %acknowledged) . ' acknowledged payments are there');
is(ask($third, $db, q{SELECT count(*) FROM wallet.idempotency_key AS k JOIN wallet.transfer AS t USING (request_id) WHERE k.key LIKE 'key%'}), scalar keys %acknowledged, 'each once');
all_is_well($third, $db, 'promotion');
stop_shim($ENV{WALLET_URL});
$relay->stop;
$second->stop('immediate');

done_testing();
