# Random statements against the installed extension, by a client of it: sqlsmith's, and calls of our
# functions with random arguments, which sqlsmith has few of. No process crashes, nothing can be
# read that was not granted, and all money is where it was.
#
#   SQLSMITH_SEED=N       the same statements once more
#   SQLSMITH_SECONDS=N    for about so long, instead of 450 statements and 1500 calls
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use WalletServer;

my ($sqlsmith) = grep { -x } map { "$_/sqlsmith" } split(/:/, $ENV{PATH}), '/usr/bin', '/usr/games';
plan skip_all => 'sqlsmith is not installed' unless $sqlsmith;

my $seed    = $ENV{SQLSMITH_SEED} // int(rand(2**31));
my $seconds = $ENV{SQLSMITH_SECONDS} // 0;
note("SQLSMITH_SEED=$seed SQLSMITH_SECONDS=$seconds");
srand($seed);

my $db   = 'payments';
my $node = new_server('sqlsmith', conf => <<'CONF');
statement_timeout = '2s'
log_error_verbosity = verbose
CONF
new_database($node, $db);
make_wallets($node, $db, 20, 1000);

# What a client owns: a table with everything that it may hand to our functions, and nothing else.
$node->safe_psql($db, <<'SQL');
CREATE ROLE smith LOGIN;
SELECT wallet_grant('smith', 'client');
CREATE SCHEMA smith AUTHORIZATION smith;
CREATE TABLE smith.own AS
    SELECT i AS user_id, i % 7 AS small, kind,
           CASE kind WHEN 'wallet' THEN json_build_object('user_id', i, 'amount', i)
                     WHEN 'transaction' THEN json_build_object('user_id', i, 'source_wallet_id', i, 'dest_wallet_id', i % 20 + 1, 'trans_sum', i)
                     ELSE json_build_object('user_id', i, 'wallet_id', i, 'amount', i) END AS payload,
           ARRAY[kind, 'none'] AS kinds, ARRAY[i, 1]::bigint[] AS ids, ARRAY['{}', '{'] AS payloads, 'key ' || i AS key,
           repeat(md5(i::text), 2) AS handshake
        FROM generate_series(1::bigint, 30) AS i, (SELECT k.name FROM wallet.kind AS k) AS k (kind);
ALTER TABLE smith.own OWNER TO smith;
SQL
my $held     = q{SELECT sum(balance) - (SELECT coalesce(sum(CASE WHEN source_wallet_id < 0 THEN amount ELSE 0 END - CASE WHEN destination_wallet_id < 0 THEN amount ELSE 0 END), 0) FROM wallet.transfer) FROM wallet.wallet};
my $secret   = ask($node, $db, 'SELECT md5(handshake_key::text) FROM wallet.secret');
my $position = log_position($node);
is(ask($node, $db, $held), '0', 'all money came from outside');

# ---- sqlsmith, in slices: one that has ended by itself has had its connection taken away ----

my $deadline = time() + $seconds * 2 / 3;
my $count = $seconds ? 1000 : 150;
my ($slices, $output) = (0, '');
do
{
    my ($out, $error) = ('', '');
    my $harness = IPC::Run::start(
        [ $sqlsmith, '--exclude-catalog', "--seed=" . ($seed + $slices), "--max-queries=$count", '--verbose',
          '--target=' . sprintf('host=%s port=%d dbname=%s user=smith', $node->host, $node->port, $db) ],
        '>', \$out, '2>', \$error, IPC::Run::timeout(120));
    eval { $harness->finish; 1 } or $harness->kill_kill;
    $output .= $out . $error;
    $slices++;
} while ($slices < 3 || time() < $deadline);
like($output, qr/queries: |Generating|Loading/, 'sqlsmith has worked') or diag(substr $output, -2000);
note("sqlsmith: $slices runs of $count statements");

# ---- Calls of our own, by the arguments' types ----

my @text = (q{'wallet'}, q{'transaction'}, q{'deposit'}, q{'withdrawal'}, q{'wallet_read'}, q{''}, 'NULL', q{repeat('x', 100000)}, q{E'\u00e9\u20ac'}, q{md5('1') || md5('2')}, q{'key'}, q{'; DROP TABLE wallet.wallet'});
my @number = (qw(0 1 2 3 20 21 -1 -840 9223372036854775807 -9223372036854775808 NULL), '10 * random()::int');
my @json = (
    q{'{"user_id":1,"wallet_id":1,"amount":1}'}, q{'{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":"0.01"}'}, q{'{"user_id":77,"amount":7,"currency":"kwd"}'},
    q{'[]'}, q{'null'}, q{'{}'}, q{repeat('[', 5000)::json}, q{('{"user_id":' || repeat('9', 300) || '}')::json}, q{'{"user_id":1,"wallet_id":1,"amount":1e5}'},
    q{'{"user_id":1,"user_id":1}'}, q{('"' || repeat('a', 70000) || '"')::json}, q{'{"user_id":1,"wallet_id":1,"amount":"-0.000000000000000000001"}'}, 'NULL');
sub one_of { return $_[ rand @_ ]; }
sub array_of { my ($type, @of) = @_; return 'ARRAY[' . join(',', map { one_of(@of) . "::$type" } 1 .. rand 6) . "]::$type\[]"; }
sub odd_array { my ($type) = @_; return one_of("NULL::$type\[]", "'{}'::$type\[]", "'{{1,2},{3,4}}'::$type\[]", "'[5:6]={1,2}'::$type\[]", "array_fill(NULL::$type, ARRAY[3])"); }
sub texts   { return rand() < 0.2 ? odd_array('text') : array_of('text', @text); }
sub numbers { return rand() < 0.2 ? odd_array('bigint') : array_of('bigint', @number); }
sub payloads { return rand() < 0.2 ? odd_array('text') : array_of('text', @json); }

my @calls = (
    sub { 'wallet_enqueue(' . join(', ', one_of(@text), one_of(@json), one_of(@text)) . ')' },
    sub { 'wallet_enqueue_many(' . join(', ', texts(), payloads(), one_of('NULL', texts())) . ')' },
    sub { my $n = 1 + int rand 9; "wallet_enqueue_many(array_fill(" . one_of(@text) . "::text, ARRAY[$n]), array_fill(" . one_of(@json) . "::text, ARRAY[$n]), array_fill(" . one_of(@text) . "::text, ARRAY[$n]))" },
    sub { 'wallet_lookup(' . join(', ', one_of(@text), one_of(@number), one_of(@text)) . ')' },
    sub { 'wallet_lookup_many(' . join(', ', texts(), numbers(), texts()) . ')' },
    sub { 'wallet_read_many(' . join(', ', texts(), numbers(), numbers()) . ')' },
    sub { 'wallet_history_page(' . join(', ', map { one_of(@number) } 1 .. 3) . ', ' . one_of(qw(0 1 50 1000 1001 -1 NULL)) . ')' },
    sub { 'wallet_ready()' },
    # Not for a client: must be refused, whatever the arguments.
    (map { my $f = $_; sub { "$f(" . one_of(@number) . ')' } } 'wallet_get', 'wallet_history', 'wallet_holds', 'wallet_hold_get'),
    (map { my $f = $_; sub { "$f(" . join(', ', one_of(@number), one_of(qw(1 0 -1 NULL 'NaN' 'Infinity' 1e131071))) . ')' } } 'wallet_deposit', 'wallet_withdraw', 'wallet_create'),
    sub { 'wallet_transfer(1, 2, 1)' },
    sub { one_of('wallet_process()', 'wallet_audit()', 'wallet_verify()', q{wallet_grant('smith', 'operator')}, 'wallet.history(1, NULL, 5, true)', 'wallet.verify()', 'wallet.announce()') });
my @around = (
    sub { "SELECT * FROM $_[0];" },
    sub { "SELECT $_[0] FROM generate_series(1, 3);" },
    sub { "SELECT count(*) FROM smith.own WHERE ($_[0]) IS NOT NULL AND small = 3;" },
    sub { "BEGIN; SAVEPOINT s; SELECT $_[0]; ROLLBACK TO s; SELECT * FROM $_[0]; " . one_of('COMMIT;', 'ROLLBACK;') },
    sub { "PREPARE p AS SELECT $_[0]; EXECUTE p; EXECUTE p; DEALLOCATE p;" },
    sub { "BEGIN ISOLATION LEVEL " . one_of('SERIALIZABLE', 'REPEATABLE READ', 'READ COMMITTED') . one_of('', ' READ ONLY') . "; SELECT * FROM $_[0]; COMMIT;" },
    sub { "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM $_[0]; FETCH ALL c; CLOSE c;" },
    sub { "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM $_[0];" },
    sub { "DO \$do\$ BEGIN PERFORM $_[0]; EXCEPTION WHEN OTHERS THEN NULL; END \$do\$;" });

$deadline = time() + $seconds / 3;
my ($called, $answers, $has_queued) = (0, '', 0);
my $calls_position = log_position($node);
my $lost = qr/closed the connection|terminating connection|could not connect/;
do
{
    my $batch = join "\n", map { one_of(@around)->(one_of(@calls)->()) } 1 .. 300;
    my ($out, $error) = ('', '');

    IPC::Run::run(
        [ $node->installed_command('psql'), '-XAtq', '-h', $node->host, '-p', $node->port, '-U', 'smith', '-d', $db ],
        '<', \$batch, '>', \$out, '2>', \$error);
    $called  += 300;
    $answers .= substr($out, 0, 1_000_000) . substr($error, 0, 1_000_000) if length $answers < 20_000_000;
    unlike($error, $lost, 'no connection is lost') if $error =~ $lost;
    $has_queued ||= ask($node, $db, 'SELECT count(*) > 0 FROM wallet.request') eq 't';

    # Few of them are right enough to be queued: it may take more until one is.
} while ($called < 1500 || time() < $deadline || (!$has_queued && $called < 15_000));
note("calls of our functions: $called");
ok($has_queued, 'some of the calls queue a request');
like($answers, qr/permission denied for function wallet_transfer/, 'some are refused');

# ---- What is left ----

my $log = log_since($node, $position);
my @bad = $log =~ /^.*(?:PANIC:|TRAP:|terminated by signal|server process .* was terminated|FATAL:  (?!terminating connection due to administrator)|cache lookup failed|could not open relation with OID|unrecognized node type).*$/mg;
is(scalar @bad, 0, 'no process has crashed, nor met what cannot be') or diag(join "\n", @bad[0 .. ($#bad > 9 ? 9 : $#bad)]);
my @internal = log_since($node, $calls_position) =~ /^.*ERROR:  XX.*$/mg;
is(join("\n", @internal), '', 'our functions meet no internal error');
becomes($node, $db, queued(), '0', 'the worker posts what was queued');
is(ask($node, $db, $held), '0', 'all money still came from outside');
all_is_well($node, $db, 'after random statements');
is(ask($node, $db, 'SELECT md5(handshake_key::text) FROM wallet.secret'), $secret, 'the secret is as it was');
my $hex = ask($node, $db, q{SELECT encode(handshake_key, 'hex') FROM wallet.secret});
is(index($output . $answers, $hex), -1, 'and was not seen');
is( ask($node, $db, q{SELECT count(*) FROM pg_class WHERE relnamespace = 'wallet'::regnamespace AND pg_get_userbyid(relowner) = 'smith'}),
    '0', 'nothing of the client\'s is in the schema wallet');
foreach my $relation (split /\n/, ask($node, $db, q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'wallet'::regnamespace AND relkind IN ('r', 'v', 'm', 'S', 'p') ORDER BY 1}))
{
    my ($out, $error) = ('', '');
    IPC::Run::run([ $node->installed_command('psql'), '-XAtq', '-h', $node->host, '-p', $node->port, '-U', 'smith', '-d', $db, '-c', "SELECT * FROM $relation" ],
        '>', \$out, '2>', \$error);
    like($error, qr/permission denied/, "$relation cannot be read");
}

done_testing();
