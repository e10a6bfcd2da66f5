# Reads from a replica (--db-read): what the client allows is kept, nothing is older than what the client was told, and no
# answer is worse because of the replica: paused, away, frozen or promoted, it is the primary that answers.
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

my $db      = 'payments';
my $primary = new_server('primary', init => {allows_streaming => 1}, conf => "pg_wallet.poll_interval = '50ms'\n");
new_database($primary, $db);
make_wallets($primary, $db, 2, 1000);
$primary->backup('copy');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($primary, 'copy', has_streaming => 1);
$replica->start;
$primary->wait_for_catchup($replica);

my $relay = Relay->new($primary);
my $url = start_shim('--db', $relay->connstr($db) . ' application_name=writes', '--db-read', $replica->connstr($db) . ' application_name=reads', '--threads', 1);
local $ENV{WALLET_URL} = $url;
my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';
my $wallet  = 'wallet/async?user_id=1&wallet_id=1';
my $allows  = {Prefer => 'max-staleness=30'};

# How many statements the replica has read for the shim so far: the scans of the wallet's index.
sub replica_reads { return ask($replica, $db, q{SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname = 'wallet'}) }

# Whether these reads are answered by the replica: its statistics come within a second.
sub reads_at_replica
{
    my ($name, $read) = @_;
    my $before = replica_reads();
    my $until  = time + 10;

    do { $read->() for 1 .. 5; usleep(200_000) } until replica_reads() > $before || time > $until;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok(replica_reads(), '>', $before, $name);
}

sub becomes_true
{
    my ($name, $true, $seconds) = @_;
    my $until = time + ($seconds // 20);

    usleep(20_000) until $true->() || time > $until;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($true->(), $name);
}

sub balance { my ($answer) = @_; return Shim::json($answer)->{amount} // "$answer->{status} $answer->{content}" }
sub fields  { my ($answer, @names) = @_; return join ' ', map { $answer->{headers}{$_} // '-' } @names }
sub log_has { my ($words) = @_; return sub { shim_log($url) =~ $words } }
sub connected { return ask($replica, $db, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reads'}) }

becomes_true('the shim is connected to the replica', sub { connected() == 1 });

# ---- Who asks for nothing is told nothing more ----

my $plain = Shim::get($wallet);
is(fields($plain, 'x-wallet-position', 'x-wallet-lag', 'preference-applied'), '- - -', 'a plain read has no new field');
is(fields(Shim::post('deposit', $deposit), 'x-wallet-position', 'x-wallet-lag', 'preference-applied'), '- - -', 'nor has a plain POST');
becomes($primary, $db, queued(), '0', 'it is posted');
is(balance(Shim::get($wallet)), '1001', 'a plain read shows what was true when it was asked');
reads_at_replica('and is answered by the replica', sub { Shim::get($wallet) });

# ---- Who allows some staleness ----

my $stale = Shim::get($wallet, undef, $allows);
is(balance($stale), '1001', 'a read with staleness');
is(fields($stale, 'preference-applied'), 'max-staleness=30', 'says what was applied');
like(fields($stale, 'x-wallet-lag'), qr/^\d+\.\d{3}$/, 'how old it may be');
like(fields($stale, 'x-wallet-position'), qr{^1-[0-9A-F]+/[0-9A-F]+$}, 'and its position');
for my $path ($wallet, 'wallet/history?user_id=1&wallet_id=1', 'hold/async?user_id=1&wallet_id=1')
{
    reads_at_replica("the replica answers: $path", sub { Shim::get($path, undef, $allows) });
}

# ---- The replica replays no more ----

$replica->safe_psql($db, 'SELECT pg_wal_replay_pause()');
becomes($replica, $db, q{SELECT pg_get_wal_replay_pause_state()}, 'paused', 'replay is paused');
my $posted = Shim::post('deposit', $deposit, $allows);
my $told = fields($posted, 'x-wallet-position');
like($told, qr{^1-}, 'a POST of who asks tells the position of its commit');
is(fields($posted, 'preference-applied'), '-', 'staleness is no preference of a POST');
my $handshake = Shim::json($posted)->{handshake_id};
my $outcome = "deposit?user_id=1&handshake_id=$handshake";
becomes($primary, $db, queued(), '0', 'it is posted');
is(balance(Shim::get($wallet)), '1002', 'a plain read is new all the same');
is(balance(Shim::get($wallet, undef, $allows)), '1001', 'a read with staleness is old');
is(Shim::code_of(Shim::get($outcome, undef, $allows)), 'handshake_unknown', 'so old that the handshake is not there yet');
my $with_token = Shim::get($outcome, undef, {%{$allows}, 'X-Wallet-Position' => $told});
is(Shim::json($with_token)->{status}, 'processed', 'who sends the position reads what it was told');
is(fields($with_token, 'x-wallet-lag'), '0.000', 'from the primary');
is(balance(Shim::get($wallet, undef, {'X-Wallet-Position' => $told})), '1002', 'also without a preference');
my $outcomes = Shim::ask('QUERY', '/api/v1/outcome', qq([{"user_id":1,"handshake_id":"$handshake"}]), $allows);
is(Shim::json($outcomes)->[0]{info}{code}, 'handshake_unknown', 'many outcomes are read there, too');
$outcomes = Shim::ask('QUERY', '/api/v1/outcome', qq([{"user_id":1,"handshake_id":"$handshake"}]), {%{$allows}, 'X-Wallet-Position' => $told});
is(Shim::json($outcomes)->[0]{status}, 'processed', 'and as new as was told');
my $bulk = Shim::ask('POST', '/api/v1/transaction/bulk', '[{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1}]', $allows);
like(fields($bulk, 'x-wallet-position'), qr{^1-}, 'many POSTs have a position');
becomes($primary, $db, queued(), '0', 'they are posted');
becomes_true('a read that allows one second becomes new', sub { balance(Shim::get($wallet, undef, {Prefer => 'max-staleness=1'})) eq '1001' }, 5);
is(balance(Shim::get($wallet, undef, {Prefer => 'max-staleness=0'})), '1001', 'and is new where none is allowed');
is(ask($primary, $db, q{SELECT balance FROM wallet.wallet WHERE wallet_id = 1}), '100100', 'which is the balance');

# Odd and forged ones.
my $forged = Shim::get($wallet, undef, {%{$allows}, 'X-Wallet-Position' => '1-FFFFFFFF/FFFFFFFF'});
is(balance($forged) . ' ' . fields($forged, 'x-wallet-lag'), '1001 0.000', 'a forged position leads to the primary');
is(fields(Shim::get($wallet, undef, {%{$allows}, 'X-Wallet-Position' => '999999999-0/0'}), 'x-wallet-lag'), '0.000', 'so does another timeline');
for my $odd ('', 'x', '1', '0-0/0', '-1-0/0', '1-0', '1-G/0', '1-0/0x', '1-0/', '1000000000-0/0', '1-a/0', '01-0/0', '1-FFFFFFFFF/0', "1-0/0, 1-0/0", '1-0/0 1')
{
    my $answer = Shim::get($wallet, undef, {'X-Wallet-Position' => $odd});
    is("$answer->{status} " . Shim::code_of($answer), '400 bad_request', "no position: '$odd'");
    like(Shim::json($answer)->{detail} // '', qr/X-Wallet-Position/, 'says which field') if $odd eq 'x';
}
is(fields(Shim::get($wallet, undef, {Prefer => $_}), 'preference-applied', 'x-wallet-lag'), '- -', "no preference: '$_'")
    for 'max-staleness', 'max-staleness=', 'max-staleness=-1', 'max-staleness=x', 'max-stalenesses=5', 'xmax-staleness=5';
is(fields(Shim::get($wallet, undef, {Prefer => 'max-staleness=99999999999999999999999'}), 'preference-applied'), 'max-staleness=86400', 'a huge one is a day');
is(fields(Shim::get($wallet, undef, {Prefer => 'respond-async, Max-Staleness="7", max-staleness=9'}), 'preference-applied'), 'max-staleness=7', 'the first one counts');
my $both = Shim::get($outcome, undef, {Prefer => 'wait=2, max-staleness=0'});
is(Shim::json($both)->{status} . ' ' . fields($both, 'preference-applied'), 'processed wait=2, max-staleness=0', 'two preferences');

# ---- Replayed again ----

$replica->safe_psql($db, 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($replica);
is(balance(Shim::get($wallet, undef, {%{$allows}, 'X-Wallet-Position' => $told})), '1001', 'the replica has come so far');
reads_at_replica('and answers again', sub { Shim::get($wallet, undef, {%{$allows}, 'X-Wallet-Position' => $told}) });
is(ask($replica, $db, q{SELECT is_standby, split_part(reached, '-', 1) FROM wallet_position()}), 't|1', 'what it says of itself');

# ---- Without the primary, as long as the client allows ----

my $postmaster = $primary->{_pid};
Shim::get($wallet, undef, $allows);
$primary->stop('immediate');
is(balance(Shim::get($wallet, undef, $allows)), '1001', 'without a primary the replica answers who allows it');
is(Shim::get($wallet)->{status}, 503, 'and nobody else');
$primary->start;
becomes_true('the primary is back', sub { Shim::ask('GET', '/readyz')->{status} == 200 });

# ---- The replica is frozen, then killed, then away ----

reads_at_replica('the replica is asked again', sub { Shim::get($wallet, undef, $allows) });
my $backend = ask($replica, $db, q{SELECT pid FROM pg_stat_activity WHERE application_name = 'reads'});
kill 'STOP', $backend or die "cannot stop '$backend'";
my $from = time;
is(balance(Shim::get($wallet, undef, $allows)), '1001', 'a replica that does not answer: the primary does');
cmp_ok(time - $from, '<', 4, 'within the deadline of a replica');
$from = time;
is(balance(Shim::get($wallet, undef, $allows)), '1001', 'then at once');
cmp_ok(time - $from, '<', 0.5, 'without waiting for the replica');
kill 'CONT', $backend;
becomes_true('it goes on: connected again', sub { connected() == 1 });
$replica->stop('immediate');
is(balance(Shim::get($wallet, undef, $allows)), '1001', 'without a replica the primary answers') for 1 .. 5;
is(Shim::ask('GET', '/readyz')->{status}, 200, 'and the shim is ready');
becomes_true('the log says which database is away', log_has(qr/--db-read: /));
$replica->start;
becomes_true('the replica is back', sub { connected() == 1 });

# ---- Promoted by somebody, it is no replica any more ----

$replica->promote;
$replica->safe_psql($db, 'SELECT wallet_deposit(1, 500)');
is(balance(Shim::get($wallet, undef, $_)), '1001', 'a promoted replica is not asked') for $allows, {}, $allows;
is(Shim::post('deposit', $deposit)->{status}, 202, 'payments go to the primary');

my ($status) = stop_shim($url);
is($status, 0, 'the shim stops');
$url = start_shim('--db', $primary->connstr($db));
{
    local $ENV{WALLET_URL} = $url;
    my $answer = Shim::get($wallet, undef, $allows);
    is(fields($answer, 'preference-applied', 'x-wallet-lag'), 'max-staleness=30 0.000', 'without --db-read the primary answers, and says so');
}
stop_shim($url);
$url = start_shim('--db', $primary->connstr($db), '--db-read', 'host=nowhere password=secret port');
becomes_true('a malformed connection string is told without its password', log_has(qr/the connection string of --db-read is malformed/));
unlike(shim_log($url), qr/secret/, 'without its password');
stop_shim($url);
$relay->stop;

done_testing();
