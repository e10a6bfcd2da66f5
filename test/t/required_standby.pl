# The shim with --require-standby acknowledges only what a synchronous standby has confirmed: it stores nothing while none
# is named, says so by /readyz, and is not deceived when the names are emptied while a commit waits.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;
use Shim qw(start_shim);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db   = 'payments';
my $node = new_server('required', init => {allows_streaming => 1}, conf => "pg_wallet.poll_interval = '50ms'\n");
new_database($node, $db);
make_wallets($node, $db, 2, 100);
# What the shim pins, whatever the database says.
$node->safe_psql($db, "ALTER DATABASE $db SET synchronous_commit = local");
my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';
my $strict  = start_shim('--db', $node->connstr($db) . ' application_name=strict', '--require-standby');
my $plain   = start_shim('--db', $node->connstr($db) . ' application_name=plain');

# Sends a POST in a process of its own, which writes "status code detail" to a pipe.
sub post_aside
{
    my ($url, $key) = @_;
    my $pid = open(my $pipe, '-|') // die "cannot fork: $!";

    return $pipe if $pid != 0;
    $ENV{WALLET_URL} = $url;
    my $answer = Shim::post('deposit', $deposit, $key ? {'Idempotency-Key' => $key} : {});
    printf "%s %s %s\n", $answer->{status}, Shim::code_of($answer) || '-', Shim::json($answer)->{detail} // '';
    close STDOUT;
    require POSIX;
    POSIX::_exit(0);
}
sub answer_of { my ($pipe) = @_; my $line = <$pipe>; close $pipe; chomp $line; return $line }

sub readyz_becomes
{
    my ($url, $status, $words, $name) = @_;
    my $deadline = time + 30;
    my $answer;

    local $ENV{WALLET_URL} = $url;
    do
    {
        select undef, undef, undef, 0.05 if $answer;
        $answer = Shim::ask('GET', '/readyz');
    } until $answer->{status} == $status && $answer->{content} =~ $words || time > $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like("$answer->{status} $answer->{content}", qr/^$status .*$words/s, $name);
}

# ---- No standby is named ----

readyz_becomes($plain,  200, qr/ready/, 'a shim that demands none is ready without a standby');
readyz_becomes($strict, 503, qr/no synchronous standby is named.*Name one in synchronous_standby_names/, 'one that demands a standby says what is missing');
{
    local $ENV{WALLET_URL} = $strict;
    my $refused = Shim::post('deposit', $deposit, {'Idempotency-Key' => 'early'});
    is("$refused->{status} " . Shim::code_of($refused), '503 standby_unavailable', 'it refuses to store');
    ok($refused->{headers}{'retry-after'}, 'for now');
    is(Shim::json(Shim::ask('POST', '/api/v1/bulk', qq([{"kind":"deposit",${\substr $deposit, 1}])))->[0]{info}{code}, 'standby_unavailable', 'also one of many');
    is(Shim::get('wallet/async?user_id=1&wallet_id=1')->{status}, 200, 'it reads');
}
is(ask($node, $db, 'SELECT count(*) FROM wallet.request'), '0', 'nothing was stored');
my $enqueue = "wallet_enqueue('deposit', '$deposit')";
like(ask($node, $db, "SET pg_wallet.require_standby = on; SELECT $enqueue"), qr/ERROR:  no synchronous standby confirms what is stored/, 'a session that demands a standby is refused');

# ---- One is there ----

set_conf($node, 'synchronous_standby_names' => 'other');
readyz_becomes($strict, 503, qr/of 1 that are needed 1 is not connected/, 'named and not connected');
my $copy    = PostgreSQL::Test::Utils::tempdir;
my $standby = IPC::Run::start([ 'pg_receivewal', '--synchronous', '-D', $copy, '-d', $node->connstr('postgres') . ' application_name=other' ],
    '>', \my $out, '2>', \my $err);
readyz_becomes($strict, 200, qr/ready/, 'connected: ready');
like(answer_of(post_aside($strict, 'early')), qr/^202 /, 'what it has refused is stored when it is sent again');

# ---- It is gone, and the names are emptied while a commit waits ----

$standby->signal('STOP');
my $waits      = post_aside($strict, 'waits');
my $waits_too  = post_aside($plain);
my $how_many_wait = q{SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name IN ('strict', 'plain') AND query LIKE '%wallet_enqueue%'};
becomes($node, $db, $how_many_wait, 'plain strict', 'both wait, though the database says local');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
like(answer_of($waits_too), qr/^202 /, 'a shim that demands no standby acknowledges what is on one machine');
like(answer_of($waits), qr/^503 database_busy .*no standby has confirmed it/, 'one that demands a standby does not');
readyz_becomes($strict, 503, qr/no synchronous standby is named/, 'and is not ready');
like(answer_of(post_aside($strict, 'waits')), qr/^503 (?:standby|database)_unavailable /, 'nor does it acknowledge the repeated request');
like(ask($node, $db, "SET synchronous_commit = on; SET pg_wallet.require_standby = on; SELECT $enqueue"), qr/no synchronous standby confirms/, 'nor does a session');
is(ask($node, $db, q{SELECT count(*) FROM wallet.idempotency_key WHERE key = 'waits'}), '1', 'which is stored here');

# ---- It is back ----

$standby->signal('CONT');
set_conf($node, 'synchronous_standby_names' => 'other');
readyz_becomes($strict, 200, qr/ready/, 'the standby is back: ready');
like(answer_of(post_aside($strict, 'waits')), qr/^202 /, 'the repeated request is acknowledged');
$standby->signal('STOP');
like(ask($node, $db, "SET synchronous_commit = local; SET pg_wallet.require_standby = on; SELECT length($enqueue)"),
    qr/WARNING:  no synchronous standby confirms what is stored\nDETAIL:  The transaction is committed on this server alone/, 'a session that does not wait is warned');
$standby->signal('CONT');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$standby->kill_kill;
becomes($node, $db, queued(), '0', 'all is posted');
is(ask($node, $db, q{SELECT count(*) FROM wallet.idempotency_key WHERE key = 'waits'}), '1', 'and was made once');
all_is_well($node, $db, 'required');

done_testing();
