# No handshake, key or token in any log, whatever the server logs: a short session over HTTP and in
# SQL, with good, bad and failing requests, and then a look into everything that was written.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use File::Temp;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use Shim ();
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('secrets', conf => <<'CONF');
shared_preload_libraries = 'pg_stat_statements,auto_explain,pg_wallet'
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = off
log_min_messages = debug5
log_min_error_statement = debug5
log_error_verbosity = verbose
log_statement = all
log_duration = on
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_connections = on
log_disconnections = on
log_lock_waits = on
log_replication_commands = on
track_activity_query_size = 100kB
CONF
set_conf($node, 'auto_explain.log_parameter_max_length' => 0)
    if ask($node, 'postgres', 'SHOW server_version_num') >= 160000;

# What must not appear anywhere, and where it came from.
my %secrets;
sub keep { my ($secret, $name) = @_; $secrets{$secret} = $name; return $secret; }

sub keep_handshake
{
    my ($handshake, $name) = @_;

    keep(substr($handshake, 0, 20), "$name, its beginning");
    keep(substr($handshake, -20), "$name, its end");
    return $handshake;
}

new_database($node, $db);
$node->safe_psql($db, 'CREATE EXTENSION pg_stat_statements');
$node->safe_psql($db,
    "CREATE ROLE shop LOGIN; CREATE ROLE clerk LOGIN; SELECT wallet_grant('shop', 'shim'), wallet_grant('clerk', 'operator')");
make_wallets($node, $db, 3, 1000);

# The secret, in every spelling.
my $hex = ask($node, $db, q{SELECT encode(handshake_key, 'hex') FROM wallet.secret});
my $raw = pack 'H*', $hex;
keep($hex, 'the secret in hex');
keep(uc $hex, 'the secret in upper case hex');
keep($raw, 'the secret as it is');
keep(encode_base64($raw, ''), 'the secret in base64');
keep(ask($node, $db, q{SELECT encode(handshake_key, 'escape') FROM wallet.secret}), 'the secret escaped');

# ---- Over HTTP ----

my $token = 'k.' . join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 30;
my $basic = encode_base64("teller:$token", '');
keep($token, 'a bearer token');
keep($basic, 'a basic token');
my @answers;    # all that the shim has said
my $known;      # the handshake of a deposit
my $target = sprintf 'host=%s port=%d dbname=%s user=shop', $node->host, $node->port, $db;
$ENV{WALLET_URL} = Shim::start_shim('--db', $target, '--threads', 2);

sub http
{
    my ($method, $path, $body, $headers) = @_;
    my $answer = Shim::ask($method, $path, $body, { Authorization => "Bearer $token", %{ $headers // {} } });

    push @answers, join ' ', $answer->{status}, %{ $answer->{headers} }, $answer->{content};
    return $answer;
}
sub idempotent { my ($key) = @_; return { 'Idempotency-Key' => keep($key, 'an idempotency key') }; }
sub handshake_of { my ($answer) = @_; return Shim::json($answer)->{handshake_id} // ''; }

Shim::post('wallet', '{') while Shim::ask('GET', '/readyz')->{status} != 200;

my %body = (
    wallet      => '{"user_id":4,"amount":1}',
    transaction => '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1.5}',
    deposit     => '{"user_id":1,"wallet_id":1,"amount":2}',
    withdrawal  => '{"user_id":1,"wallet_id":1,"amount":99999}');
foreach my $kind (sort keys %body)
{
    my $user = $kind eq 'wallet' ? 4 : 1;
    my $answer = http('POST', "/api/v1/$kind", $body{$kind}, idempotent("key-of-$kind-5e1f"));
    my $handshake = keep_handshake(handshake_of($answer), "the handshake of a $kind");

    $known = $handshake if $kind eq 'deposit';
    is($answer->{status}, 202, "a $kind is taken");
    is(Shim::outcome($kind, $user, $handshake)->{status}, 200, 'and has an outcome');
    is(http('GET', "/api/v1/$kind?user_id=$user&handshake_id=$handshake")->{status}, 200, 'by the query string');
    is(http('QUERY', "/api/v1/$kind", qq({"user_id":$user,"handshake_id":"$handshake"}))->{status}, 200, 'by a body');
    is(http('GET', "/api/v1/$kind?user_id=99&handshake_id=$handshake")->{status}, 404, 'not for another user');
    http('GET', "/api/v1/$handshake");
    http('GET', "/api/v1/$kind?user_id=$handshake&handshake_id=1");
    http('GET', "/api/v1/$kind?handshake_id=$handshake");
    http('POST', "/api/v1/$kind", qq({"user_id":"$handshake"}));
    http('POST', "/api/v1/$kind", $body{$kind} =~ s/\d(?=\}$)/7/r, idempotent("key-of-$kind-5e1f"));
    http('DELETE', "/api/v1/$kind?user_id=1&handshake_id=$handshake");
    http('POST', "/api/v1/$kind", $body{$kind}, { Authorization => "Basic $basic" });
    http('POST', "/api/v1/$kind", '', { Authorization => "Basic $basic" });
}
my $bulk = http('POST', '/api/v1/transaction/bulk', "[$body{transaction},$body{transaction},{}]", idempotent('key-of-many-77d0'));
is($bulk->{status}, 202, 'many are taken');
keep_handshake($_, 'a handshake of many') foreach $bulk->{content} =~ /([0-9a-f]{64})/g;
http('GET', $_) foreach '/readyz', '/healthz', '/nowhere', '/api/v1/wallet/async?user_id=1&wallet_id=1', '/api/v1/wallet/history?user_id=1&wallet_id=1';

# Statements that fail: one request that the table does not take, among others that it does.
$node->safe_psql($db, 'ALTER TABLE wallet.request ADD CONSTRAINT not_this CHECK (amount <> 66613)');
$node->safe_psql($db, 'ALTER TABLE wallet.transfer ADD CONSTRAINT nor_this CHECK (amount <> 77713)');
foreach my $amount (qw(666.13 777.13 1))
{
    my $answer = http('POST', '/api/v1/deposit', qq({"user_id":2,"wallet_id":2,"amount":$amount}), idempotent("key-of-$amount-3b9c"));
    my $handshake = handshake_of($answer);

    is($answer->{status}, $amount eq '666.13' ? 422 : 202, "$amount: $answer->{status}");
    next if $handshake eq '';
    keep_handshake($handshake, "the handshake of $amount");
    is(Shim::outcome('deposit', 2, $handshake)->{status}, 200, 'and its outcome');
}
# A lookup that the server gives up, in the middle of it.
my $locker = $node->background_psql($db);
$locker->query_safe('BEGIN; LOCK TABLE wallet.outcome IN ACCESS EXCLUSIVE MODE');
is(http('GET', "/api/v1/deposit?user_id=1&handshake_id=$known")->{status} =~ /^[45]/, 1, 'a lookup that is given up');
$locker->query_safe('ROLLBACK');
$locker->quit;

# ---- In SQL, with parameters ----

sub with_parameters
{
    my ($role, $sql, %values) = @_;
    my $script = File::Temp->new(SUFFIX => '.sql');

    print $script "$sql;\n";
    close $script;
    my ($out, $err);
    IPC::Run::run([ $node->installed_command('pgbench'), '-n', '-t', 1, '-M', 'extended', '-f', $script->filename,
        '-h', $node->host, '-p', $node->port, '-U', $role, (map { ('-D', "$_=$values{$_}") } sort keys %values), $db ],
        '>', \$out, '2>', \$err);
    return $err;
}
my $lookup = q{SELECT * FROM wallet_lookup('deposit', :user_id, :handshake)};
unlike(with_parameters('shop', $lookup, user_id => 1, handshake => $known), qr/ERROR/, 'a lookup with parameters');
like(with_parameters('shop', $lookup, user_id => 9, handshake => $known), qr/ERROR/, 'one that is refused');
like(with_parameters('clerk', 'SELECT wallet_transfer(1, 2, 1, NULL, NULL, :key) / 0', key => keep('key-with-parameter-1a', 'a key')), qr/ERROR/, 'a statement that fails');
unlike(with_parameters('clerk', 'SELECT wallet_transfer(1, 2, 1, NULL, NULL, :key)', key => keep('key-of-clerk-1a2b', 'a key')), qr/ERROR/, 'a payment with a key');
like(with_parameters('clerk', 'SELECT wallet_transfer(1, 2, 2, NULL, NULL, :key)', key => 'key-of-clerk-1a2b'), qr/ERROR/, 'another one with the same key');

# ---- A look into everything ----

my $activity = '';
sub look
{
    $activity .= ask($node, $db, q{SELECT coalesce(string_agg(query, ' '), '') FROM pg_stat_activity WHERE pid <> pg_backend_pid()});
    $activity .= ask($node, $db, q{SELECT coalesce(string_agg(query, ' '), '') FROM pg_stat_statements});
    return;
}
look();

# The worker dies, and all with it; then the shim's connection.
my $worker = worker_pid($node, $db);
kill 'KILL', $worker;
worker_pid($node, $db, $worker);
Shim::ask('GET', '/healthz') while Shim::ask('GET', '/readyz')->{status} != 200;
my $after = http('POST', '/api/v1/deposit', $body{deposit}, idempotent('key-after-9a9a'));
keep_handshake(handshake_of($after), 'a handshake after the crash');
is(Shim::outcome('deposit', 1, handshake_of($after))->{status}, 200, 'the system goes on after a crash');
$node->safe_psql($db, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'});
Shim::ask('GET', '/healthz') while Shim::ask('GET', '/readyz')->{status} != 200;
look();
all_is_well($node, $db, 'after all');

my $shim_log = Shim::shim_log($ENV{WALLET_URL});
Shim::stop_shim($ENV{WALLET_URL});
$node->stop;
my %written = (
    "the server's log"       => slurp_file($node->logfile),
    "the shim's log"         => $shim_log,
    'what sessions show'     => $activity);
cmp_ok(length $written{"the server's log"}, '>', 100_000, 'the server has talked a lot');
like($written{"the server's log"}, qr/execute lookup/, 'of the shim, too');
like($written{"the server's log"}, qr/wallet_lookup\('deposit', \$1, \$2\)/, 'and of the other clients');
like($activity, qr/wallet_lookup_many/, 'what sessions run can be seen');
foreach my $place (sort keys %written)
{
    my @found = grep { index($written{$place}, $_) >= 0 } sort keys %secrets;

    is(join(', ', map { "$secrets{$_} ($_)" } @found), '', "nothing of it in $place");
}
my $said = join "\n", @answers;
is(scalar(grep { index($said, $_) >= 0 } $token, $basic, $hex), 0, 'no token is echoed by the shim');
cmp_ok(scalar(keys %secrets), '>', 30, 'secrets that were looked for: ' . keys %secrets);

# ---- As a server logs by default: a statement that was refused, with the secrets in its text ----

$node->adjust_conf('postgresql.conf', $_, undef)
    foreach qw(log_min_messages log_min_error_statement log_statement log_duration log_error_verbosity auto_explain.log_min_duration);
$node->start;
my $position = log_position($node);
ask($node, $db, "SELECT wallet_lookup('deposit', 9, '$known')");
ask($node, $db, "SELECT wallet_transfer(1, 2, 1, 'exact', NULL, 'literal-key-4d')");
ask($node, $db, "SELECT wallet_transfer(1, 2, 2, 'exact', NULL, 'literal-key-4d')");
ask($node, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":0}', 'literal-key-4d')});
my $log = log_since($node, $position);
like($log, qr/ERROR:  there is no such request of this user/, 'a refusal is logged');
is(index($log, $known), -1, 'without the handshake in its statement');
is(index($log, 'literal-key-4d'), -1, 'and without the key');

done_testing();
