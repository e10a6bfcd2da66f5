# Random statements against the installed extension, by a client of it: sqlsmith's, and calls of our
# functions with random arguments, which sqlsmith has few of; an operator makes such calls as well.
# The functions are those that the database has, and the payloads have the members that
# extension/rules/kinds.h gives to each kind. No process crashes, nothing can be read that was not
# granted, and no money is made.
#
#   SQLSMITH_SEED=N       the same statements once more
#   SQLSMITH_SECONDS=N    for about so long, instead of 450 statements and 1500 calls
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../../docs";
use IPC::Run;
use Kinds;
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

# Holds and groups that are there, so that what names one may find it.
my @links = split /\n/, $node->safe_psql($db, join "\n",
    map { my $payee = $_ + 1; ("SELECT transfer_id FROM wallet_hold($_, $payee, 10, max_capture => 20);", "SELECT transfer_id FROM wallet_transfer($_, $payee, 5);",
        qq{SELECT transfer_id FROM wallet_group('[{"kind":"transaction","source_wallet_id":$_,"dest_wallet_id":$payee,"trans_sum":3},{"kind":"hold","source_wallet_id":$_,"amount":2}]') LIMIT 1;}) } 1 .. 9);

# ---- What random arguments are made of ----

sub one_of
{
    my $one = $_[ rand @_ ];
    return ref $one ? $one->() : $one;
}
sub quoted { my ($text) = @_; return q(') . $text =~ s/'/''/gr . q('); }

# A value of each type of a member, as JSON.
my @kinds = Kinds::read_kinds("$FindBin::RealBin/../../extension/rules/kinds.h");
my @leg_kinds = grep { $_->{uses}{leg} } @kinds;
my $some_id = sub { 1 + int rand 25 };
my $some_amount = sub { one_of(0.01, 1, 5, '"0.5"', 1000, 9223372036854775807) };
my %json_of = (
    ID => sub { one_of($some_id, @links) }, USER => $some_id, AMOUNT => $some_amount, AMOUNT_OR_ZERO => sub { one_of(0, $some_amount) },
    CURRENCY => sub { one_of('"usd"', '"JPY"', '"kwd"') }, TIME => sub { one_of('"infinity"', '"2999-12-31T23:59:59Z"') }, DEADLINE => sub { '"2999-12-31T23:59:59Z"' },
    INTERVAL => sub { one_of(1, 3600, '"2 days"') }, FLAG => sub { one_of('true', 'false') }, NEGATED_FLAG => sub { one_of('true', 'false') },
    AMOUNT_MODE => sub { one_of('"exact"', '"up_to"', '"all"') }, SHORTFALL => sub { one_of('"refuse"', '"available"', '"overdraw"') },
    HANDSHAKE => sub { '"' . ('0' x 64) . '"' },
    LEGS => sub { '[' . join(',', map { object($leg_kinds[ rand @leg_kinds ], 'leg') } 1 .. 1 + rand 3) . ']' },
    SPLIT => sub { '[' . join(',', map { '{"dest_wallet_id":' . $some_id->() . one_of(',"amount":1', ',"parts_per_million":300000', ',"rest":true') . '}' } 1 .. 1 + rand 4) . ']' });
foreach my $member (map { @{ $_->{members} } } @kinds)
{
    die "sqlsmith.pl: what is a value of the type $member->{type}?\n" unless $json_of{ $member->{type} };
}
my @odd_values = ('null', '""', '[]', '{}', -1, 0, '1e5', '"-0.000000000000000000001"', '9' x 300, '"\u00e9\u20ac"', '"infinity"', 'true', '[[[[1]]]]');

# A payload of the kind, now and then with a fault; a leg has its kind, too. Most users ask about
# their own wallet, which has the user's number; some of the payloads are an operator's, without one.
sub object
{
    my ($kind, $is_leg) = @_;
    my $odd = rand() < 0.3 ? 0.3 : 0;
    my $user = $some_id->();
    my $is_operators = rand() < 0.4;
    my @members;

    foreach my $member (@{ $kind->{members} })
    {
        my $type = $member->{type};
        next if $type eq 'USER' && $is_operators;
        next if $is_leg ? $type =~ /^(?:USER|DEADLINE|HANDSHAKE)$/ : $type eq 'SPLIT' && rand() < 0.9;
        # A hold has two names, of which each may be left out.
        next if rand() > ($member->{required} ? 1 - $odd / 3 : $member->{name} eq 'hold_id' ? 0.9 : 0.15);
        my $is_own = $type eq 'USER' || $member->{name} =~ /^(?:source_)?wallet_id$/ && rand() < 0.8;
        push @members, qq("$member->{name}":) . (rand() < $odd ? one_of(@odd_values) : $is_own ? $user : $json_of{$type}->());
    }
    return '{' . join(',', $is_leg ? qq("kind":"$kind->{name}") : (), @members) . '}';
}
sub payload { return quoted(object($kinds[ rand @kinds ])); }

# What a client owns: a table with everything that it may hand to our functions, and nothing else.
my $owned = join ",\n", map { my $kind = $_; map { "($_, '$kind->{name}', " . quoted(object($kind)) . '::json)' } 1 .. 30 } @kinds;
$node->safe_psql($db, <<"SQL");
CREATE ROLE smith LOGIN;
SELECT wallet_grant('smith', 'client');
CREATE ROLE clerk LOGIN;
SELECT wallet_grant('clerk', 'operator');
CREATE SCHEMA smith AUTHORIZATION smith;
CREATE TABLE smith.own AS
    SELECT i AS user_id, i % 7 AS small, kind, payload, ARRAY[kind, 'none'] AS kinds, ARRAY[i, 1]::bigint[] AS ids, ARRAY['{}', '{'] AS payloads, 'key ' || i AS key,
           repeat(md5(i::text), 2) AS handshake
        FROM (VALUES $owned) AS o (i, kind, payload);
ALTER TABLE smith.own ALTER user_id TYPE bigint, ALTER small TYPE bigint, OWNER TO smith;
GRANT USAGE ON SCHEMA smith TO clerk;
GRANT SELECT ON smith.own TO clerk;
SQL
my $held     = q{SELECT sum(balance) - (SELECT coalesce(sum(CASE WHEN source_wallet_id < 0 THEN amount ELSE 0 END - CASE WHEN destination_wallet_id < 0 THEN amount ELSE 0 END), 0) FROM wallet.transfer WHERE wallet.moves_money(kind)) FROM wallet.wallet};
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

my @text = ((map { quoted($_->{name}) } @kinds), q{''}, 'NULL', q{repeat('x', 100000)}, q{E'\u00e9\u20ac'}, q{md5('1') || md5('2')}, q{'key'}, q{'; DROP TABLE wallet.wallet'});
my @number = (qw(0 1 2 3 20 21 -1 -840 9223372036854775807 -9223372036854775808 NULL), '10 * random()::int');
my @json = (
    (\&payload) x 20,
    q{'{"user_id":77,"amount":7,"currency":"kwd"}'},
    q{'[]'}, q{'null'}, q{'{}'}, q{repeat('[', 5000)::json}, q{('{"user_id":' || repeat('9', 300) || '}')::json}, q{'{"user_id":1,"wallet_id":1,"amount":1e5}'},
    q{'{"user_id":1,"user_id":1}'}, q{('"' || repeat('a', 70000) || '"')::json}, q{'{"user_id":1,"wallet_id":1,"amount":"-0.000000000000000000001"}'}, 'NULL');
my @amount = (0.01, 1, 5, qw(0 -1 1000 9223372036854775807 92233720368547758.08 NULL 'NaN' 'Infinity' '-Infinity' 1e131071 1e-16383));
sub array_of { my ($type, @of) = @_; return 'ARRAY[' . join(',', map { one_of(@of) . "::$type" } 1 .. rand 6) . "]::$type\[]"; }
sub odd_array { my ($type) = @_; return one_of("NULL::$type\[]", "'{}'::$type\[]", "'{{1,2},{3,4}}'::$type\[]", "'[5:6]={1,2}'::$type\[]", "array_fill(NULL::$type, ARRAY[3])"); }
sub some { my ($type, @of) = @_; return rand() < 0.2 ? odd_array($type) : array_of($type, @of); }
sub texts   { return some('text', @text); }
sub numbers { return some('bigint', @number); }
sub payloads { return some('text', @json); }

# Arguments by their type, and the functions by what the database says of them. Some of the last
# arguments that may be left out are left out.
my @bytes = ('NULL', q{''}, q{'\x00ff'}, q{convert_to('{"user_id":1,"wallet_id":1,"amount":1}', 'UTF8')}, q{convert_to('deposit', 'UTF8')});
my @legs = map { my $type = $_; sub { quoted($json_of{$type}->()) } } qw(LEGS SPLIT);
my %argument_of = (
    bigint => sub { one_of(@number, ($some_id) x 10, @links) }, integer => sub { one_of(qw(0 1 50 1000 1001 -1 NULL)) }, numeric => sub { one_of(@amount, (1) x 10) },
    text => sub { one_of(@text, map { quoted($_) } qw(exact up_to all refuse available overdraw usd active frozen closed open)) },
    boolean => sub { one_of(qw(true false NULL)) }, json => sub { one_of(@json) }, jsonb => sub { one_of('NULL', 'NULL', $legs[0], $legs[0], $legs[1], @json) },
    interval => sub { one_of(('NULL') x 5, map { quoted($_) } '1 day', '-1 s', '0', '178000000 years', '1 month -30 days') },
    'timestamp with time zone' => sub { one_of(('NULL') x 4, map { quoted($_) } qw(infinity -infinity epoch 2999-12-31)) },
    bytea => sub { one_of(@bytes) }, regrole => sub { q{'smith'} });
sub argument
{
    my ($type) = @_;
    my ($element) = $type =~ /(.*)\[\]$/;
    my $make = $argument_of{ $element // $type } or die "sqlsmith.pl: what is an argument of the type $type?\n";
    return defined $element ? some($element, $make) : $make->() . "::$type";
}
my @functions = map { [ split /\|/, $_, -1 ] } split /\n/, ask($node, $db, q{
    SELECT p.proname, p.pronargdefaults, array_to_string(ARRAY(SELECT format_type(a.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n) ORDER BY a.n), ',')
        FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
            AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'pg_wallet')
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) ORDER BY 1, 3});
cmp_ok(scalar(@functions), '>', scalar(@kinds), 'the database says which functions there are');
my %calls_of;
sub function_call
{
    my ($name, $defaults, $types) = @{ $_[0] };
    my @types = split /,/, $types;
    my $count = @types - int rand($defaults + 1);

    $calls_of{$name}++;
    return "$name(" . join(', ', map { argument($_) } @types[ 0 .. $count - 1 ]) . ')';
}

my @calls = (
    (sub { my $kind = $kinds[ rand @kinds ]; 'wallet_enqueue(' . join(', ', quoted($kind->{name}), quoted(object($kind)), one_of('NULL', 'NULL', 'NULL', @text[ -7 .. -1 ])) . ')' }) x 15,
    sub { 'wallet_enqueue(' . join(', ', one_of(@text), one_of(@json), one_of(@text)) . ')' },
    sub { 'wallet_enqueue_many(' . join(', ', texts(), payloads(), one_of('NULL', texts())) . ')' },
    sub { my $n = 1 + int rand 9; "wallet_enqueue_many(array_fill(" . one_of(@text) . "::text, ARRAY[$n]), array_fill(" . one_of(@json) . "::text, ARRAY[$n]), array_fill(" . one_of(@text) . "::text, ARRAY[$n]))" },
    sub { 'wallet_lookup(' . join(', ', one_of(@text), one_of(@number), one_of(@text)) . ')' },
    sub { 'wallet_lookup_many(' . join(', ', texts(), numbers(), texts()) . ')' },
    sub { 'wallet_read_many(' . join(', ', texts(), numbers(), numbers()) . ')' },
    # All of them, whoever may call them.
    (map { my $function = $_; sub { function_call($function) } } @functions),
    sub { 'wallet_transfer(1, 2, 1)' },
    sub { one_of(q{wallet_grant('smith', 'operator')}, 'wallet.history(1, NULL, 5, true)', 'wallet.verify()', 'wallet.announce()') });
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
my ($called, $answers, $missing) = (0, '', '');
my $all_kinds = join ', ', map { quoted($_->{name}) } grep { $_->{uses}{request} } @kinds;
my $calls_position = log_position($node);
my $lost = qr/closed the connection|terminating connection|could not connect/;
do
{
    my $batch = join "\n", map { $around[ rand @around ]->($calls[ rand @calls ]->()) } 1 .. 300;
    my $role = $called % 600 ? 'clerk' : 'smith';
    my ($out, $error) = ('', '');

    IPC::Run::run(
        [ $node->installed_command('psql'), '-XAtq', '-h', $node->host, '-p', $node->port, '-U', $role, '-d', $db ],
        '<', \$batch, '>', \$out, '2>', \$error);
    $called  += 300;
    $answers .= substr($out, 0, 1_000_000) . substr($error, 0, 1_000_000) if length $answers < 20_000_000;
    unlike($error, $lost, 'no connection is lost') if $error =~ $lost;
    $missing = ask($node, $db, "SELECT string_agg(name, ' ') FROM wallet.kind AS k WHERE name IN ($all_kinds) AND NOT EXISTS (SELECT FROM wallet.request AS r WHERE r.kind = k.number)");

    # Not all of them are right enough to be queued: it may take more until one of each kind is.
} while ($called < 1500 || time() < $deadline || ($missing ne '' && $called < 15_000));
note("calls of our functions: $called");
note('rows of the journal: ' . ask($node, $db, q{SELECT string_agg(n, ', ') FROM (SELECT wallet.kind_name(kind) || ' ' || count(*) AS n FROM wallet.transfer GROUP BY kind ORDER BY kind) AS c}));
is($missing, '', 'some of the calls queue a request of each kind');
is(join(' ', grep { !$calls_of{$_} } map { $_->[0] } @functions), '', 'each function is called');
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
