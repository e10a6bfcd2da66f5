# A dump keeps everything: money, queue, handshakes and the numbers to come.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server(
    'dump',
    conf => "pg_wallet.poll_interval = '50ms'\npg_wallet.worker = off\n",
    init => {allows_streaming => 1});

# Wallets, a currency of our own, direct calls, settled requests with and without money, refusals.
new_database($node, $db);
$node->safe_psql($db,
    "INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('pts', 1001, 4)");
make_wallets($node, $db, 20, 1000);
$node->safe_psql($db, q{SELECT wallet_create(21, 0.1234, 'pts')});
$node->safe_psql($db, q{SELECT wallet_transfer(1, 2, 3.21, 'exact', '{"for": "lunch"}', 'direct')});
my %handshake = (
    done    => enqueue('transaction', transfer_json(1, 2, 77.88), 'key of the done'),
    made    => enqueue('wallet',      '{"user_id":30,"amount":5}'),
    refused => enqueue('withdrawal',  '{"user_id":3,"wallet_id":3,"amount":5000}'),);
is(ask($node, $db, 'SELECT wallet_process()'), '3', 'some requests are settled');
$node->safe_psql($db, 'SELECT wallet_audit()');
$node->safe_psql($db, q{SELECT wallet_api_key_create(name, '{read}', NULL, now() + interval '1 day') FROM (VALUES ('a'), ('b')) AS v (name)});
$node->safe_psql($db, q{SELECT wallet_api_key_revoke('a')});

# They are in several partitions, later ones than CREATE EXTENSION makes.
is(ask($node, $db, 'SELECT wallet_rotate_requests()'), 't', 'a new partition');

# Requests that are still queued, one of them with an idempotency key, and a gap between them.
$handshake{queued} = enqueue('transaction', transfer_json(4, 5, 1000), 'key of the queued');
ask($node, $db, 'BEGIN; ' . deposits_sql([1, 1000]) . '; ROLLBACK');
is(ask($node, $db, 'SELECT wallet_rotate_requests()'), 't', 'another one');
$node->safe_psql($db, transfers_sql(map { [5 + $_ % 10, 6 + $_ % 10, 1] } 1 .. 3000));
# What stands outside of the plain columns: legs and shares, a hold's end, a handshake, a deadline.
$handshake{hold} = enqueue('hold', '{"user_id":16,"source_wallet_id":16,"dest_wallet_id":17,"amount":7,"max_capture":9,"expires_in":3600}');
$handshake{capture} = enqueue('capture', qq({"user_id":17,"hold_handshake_id":"$handshake{hold}","amount":5,"final":false}));
$handshake{group} = enqueue('group', '{"user_id":18,"legs":[{"kind":"fee","source_wallet_id":18,"dest_wallet_id":16,"amount":0.5},'
    . '{"kind":"transaction","source_wallet_id":18,"amount":10,"split":[{"dest_wallet_id":16,"parts_per_million":300000},{"dest_wallet_id":17,"rest":true}]}],'
    . '"valid_until":"2999-12-31T00:00:00Z"}');

# The looks of it, handshakes included.
my %kind    = (done => ['transaction', 1], made => ['wallet', 30], refused => ['withdrawal', 3]);
my $settled = join ' UNION ALL ',
    map { "SELECT * FROM wallet_lookup('$kind{$_}[0]', $kind{$_}[1], '$handshake{$_}')" }
    sort keys %kind;
my @tables = qw(currency wallet request transfer outcome idempotency_key audit secret api_key expiry);
my $parts  = q{SELECT string_agg(concat_ws(' ', c.oid::regclass, pg_get_expr(c.relpartbound, c.oid), c.relowner::regrole, c.relacl,
        (SELECT string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, ' ') FROM pg_trigger AS t WHERE t.tgrelid = c.oid)), E'\n' ORDER BY c.oid::regclass::text)
    FROM pg_class AS c WHERE c.relispartition AND c.relkind = 'r'};
# (The secret says whose it is, which is another database after a restore.)
my $rows   = join ' UNION ALL ',
    map { "SELECT '$_', md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM " . ($_ eq 'secret' ? '(SELECT handshake_key FROM wallet.secret)' : "wallet.$_") . ' AS t' }
    @tables;
my %before = map { $_ => ask($node, $db, $_) } $settled, $rows, $parts;
my $dump   = PostgreSQL::Test::Utils::tempdir() . '/dump';

$node->command_ok(['pg_dump', '-f', "$dump.sql", $db], 'pg_dump as a script');
$node->command_ok(['pg_dump', '-Fc', '-f', "$dump.custom", $db], 'pg_dump as an archive');

# The worker stays off for the first, so that its rows can be compared with the original's.
$node->safe_psql('postgres', 'CREATE DATABASE still');
$node->command_ok(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", 'still'],
    'restored with psql');
is(ask($node, 'still', $rows),    $before{$rows},    'every row of every table is the same');
is(ask($node, 'still', $parts),   $before{$parts},   'every partition is as it was');
like($before{$parts}, qr/wallet\.request_3 /, 'those made later, too');
is(ask($node, 'still', queued()), '3004',            'the queue is as long as before');
is(ask($node, 'still', $settled), $before{$settled}, 'the old handshakes say what they said');
is(ask($node, 'still', 'SELECT count(*) FROM wallet.secret'), '1', 'there is one key');

# Holds, reversals and limits, in a database that has never queued anything.
new_database($node, 'direct');
make_wallets($node, 'direct', 4, 100);
$node->safe_psql('direct', operations_sql());
$node->safe_psql('direct', q{SELECT wallet_hold(1, 2, 1, '1 ms')});
my $due = 'SELECT count(*) FROM wallet.hold WHERE state = 0 AND expires_at < now()';
becomes($node, 'direct', $due, qr/^[1-9]/, 'a hold is due');
all_is_well($node, 'direct', 'holds and reversals');
my $states = join ' UNION ALL ',
    map { "SELECT '$_', md5(string_agg(t::text, E'\n' ORDER BY t::text)) FROM wallet.$_ AS t" } qw(wallet transfer hold reversed limit_change);
my $direct_before = ask($node, 'direct', $states);
$node->command_ok(['pg_dump', '-Fc', '-f', "$dump.direct", 'direct'], 'pg_dump of holds and reversals');
$node->safe_psql('postgres', 'CREATE DATABASE direct_still; CREATE DATABASE direct_reordered');
$node->command_ok(['pg_restore', '-e', '-d', 'direct_still', "$dump.direct"], 'which are restored');
is(ask($node, 'direct_still', $states), $direct_before, 'with every row');
is(ask($node, 'direct_still', 'SELECT state, rest FROM wallet_holds(1, NULL) ORDER BY hold_id DESC LIMIT 1'), 'expired|0.00', 'the hold that is due counts as expired');
all_is_well($node, 'direct_still', 'the restored holds');

# It is on while the others are restored: it must not start from half of the queue.
set_conf($node, 'pg_wallet.worker' => 'on');
becomes($node, $db, queued(), '0', 'the original goes on');
$node->safe_psql('postgres', "CREATE DATABASE script; CREATE DATABASE archive");
my $position = log_position($node);
$node->command_ok(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", 'script'],
    'restored with psql under the worker');
$node->command_ok(['pg_restore', '-j4', '-e', '-d', 'archive', "$dump.custom"],
    'restored with pg_restore -j4 under the worker');

my $balances = <<'SQL';
SELECT string_agg(concat_ws(' ', wallet_id, user_id, balance, currency), ', ' ORDER BY wallet_id)
    FROM wallet.wallet
SQL
foreach my $restored (qw(still script archive))
{
    becomes($node, $restored, queued(), '0', "$restored: the queued requests are posted");
    is( ask($node, $restored, $balances),
        ask($node, $db,       $balances),
        "$restored: every balance is as in the original");
    is(ask($node, $restored, $settled),
        $before{$settled}, "$restored: the old handshakes say what they said");
    is( ask($node, $restored,
            "SELECT state, code FROM wallet_lookup('transaction', 4, '$handshake{queued}')"),
        'processed|processed',
        "$restored: the handshake of a queued request tells its outcome");
    is( ask($node, $restored,
            'SELECT string_agg(code, chr(32) ORDER BY ordinal) FROM wallet_lookup_many('
                . "'{hold,capture,group}', '{16,17,18}', '{$handshake{hold},$handshake{capture},$handshake{group}}')"),
        'processed processed processed', "$restored: so do those of a hold, a capture and a group");

    # Nothing is done twice, and what comes next gets numbers that nothing had before.
    my $highest = ask($node, $restored, 'SELECT max(request_id) FROM wallet.request');
    is(enqueue('transaction', transfer_json(1, 2, 77.88), 'key of the done', $restored),
        $handshake{done}, "$restored: a key that was used answers the same handshake");
    is(enqueue('transaction', transfer_json(4, 5, 1000), 'key of the queued', $restored),
        $handshake{queued}, "$restored: so does that of the queued request");
    is( ask($node, $restored,
            q{SELECT transfer_id FROM wallet_transfer(1, 2, 3.21, 'exact', '{"for": "lunch"}', 'direct')}),
        ask($node, $db,
            'SELECT transfer_id FROM wallet.idempotency_key WHERE transfer_id IS NOT NULL'),
        "$restored: so does that of the direct call");
    $node->safe_psql($restored, deposits_sql([1, 1]));
    becomes($node, $restored, queued(), '0', "$restored: a new request is posted");
    is(ask($node, $restored, "SELECT count(*) FROM wallet.request WHERE request_id > $highest"),
        '1', "$restored: with a new id");
    is(ask($node, $restored, 'SELECT wallet_id FROM wallet_create(40)'),
        '23', "$restored: a new wallet has the next id");
    is(ask($node, $restored, q{SELECT wallet_id FROM wallet_create(41, 0.0001, 'pts')}),
        '24', "$restored: the currency of our own is there");
    all_is_well($node, $restored, $restored);
    is(ask($node, $restored, 'SELECT wallet_rotate_requests()'), 't', "$restored: a new partition");
    $node->safe_psql($restored, deposits_sql([1, 1]));
    becomes($node, $restored, queued(), '0', "$restored: requests in it are posted");
    is(ask($node, $restored, 'SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet; SELECT count(*) FROM pg_class AS c WHERE c.relispartition'),
        '0', "$restored: the extension goes with all its partitions");
}

# Jobs of pg_restore finish in any order.  Here the journal comes last of all: were the queue worked
# off before, everything would be paid twice.
my ($early, $late) = ("$dump.early", "$dump.late");
my ($list) = run_command(['pg_restore', '-l', "$dump.custom"]);
my $is_late =
    qr/TABLE DATA wallet (transfer|outcome|idempotency_key) |REFRESH|MATERIALIZED VIEW DATA/;
append_to_file($early, join "\n", grep { !/$is_late/ } split /\n/, $list);
append_to_file($late,  join "\n", grep { /$is_late/ } split /\n/,  $list);
$node->safe_psql('postgres', 'CREATE DATABASE reordered');
$node->command_ok(['pg_restore', '-e', '-d', 'reordered', '-L', $early, "$dump.custom"],
    'all but the journal is restored');
worker_pid($node, 'reordered');
my $now = ask($node, 'reordered', 'SELECT clock_timestamp()');
poll_for($node, 'reordered',
    "SELECT heartbeat > timestamptz '$now' + interval '200 ms' FROM wallet.queue", 't');
is(ask($node, 'reordered', 'SELECT count(*) FROM wallet.transfer'),
    '0', 'the worker waits for the end of the restore');
like(ask($node, 'reordered', 'SELECT wallet_process()'), qr/nothing is posted: the queue is closed/, 'and so does wallet_process');
$node->command_ok(['pg_restore', '-e', '-d', 'reordered', '-L', $late, "$dump.custom"],
    'the journal is restored');
becomes($node, 'reordered', queued(), '0', 'reordered: the queued requests are posted');
is(ask($node, 'reordered', $settled),
    $before{$settled}, 'reordered: the old handshakes say what they said');
all_is_well($node, 'reordered', 'reordered');

# Nor does the worker let a hold expire in half a database.
my ($direct_list) = run_command(['pg_restore', '-l', "$dump.direct"]);
append_to_file("$early.direct", join "\n", grep { !/$is_late/ } split /\n/, $direct_list);
append_to_file("$late.direct",  join "\n", grep { /$is_late/ } split /\n/,  $direct_list);
$node->command_ok(['pg_restore', '-e', '-d', 'direct_reordered', '-L', "$early.direct", "$dump.direct"], 'holds are restored before the journal');
worker_pid($node, 'direct_reordered');
$now = ask($node, 'direct_reordered', 'SELECT clock_timestamp()');
poll_for($node, 'direct_reordered', "SELECT heartbeat > timestamptz '$now' + interval '1500 ms' FROM wallet.queue", 't');
like(ask($node, 'direct_reordered', $due), qr/^[1-9]/, 'what is due does not expire');
is(ask($node, 'direct_reordered', 'SELECT count(*) FROM wallet.transfer'), '0', 'nor is anything else posted');
$node->command_ok(['pg_restore', '-e', '-d', 'direct_reordered', '-L', "$late.direct", "$dump.direct"], 'the journal is restored');
becomes($node, 'direct_reordered', $due, '0', 'then it expires');
is(ask($node, 'direct_reordered', 'SELECT held FROM wallet_capture((SELECT max(hold_id) FROM wallet.hold WHERE state = 0), 5)'), '0.00', 'an open one is captured');
like(ask($node, 'direct_reordered', 'SELECT ceiling FROM wallet_set_limits(3, ceiling => 6000)'), qr/^6000/, 'and limits are changed');
all_is_well($node, 'direct_reordered', 'holds and reversals, restored');

unlike(log_since($node, $position), qr/ERROR/, 'the worker had no trouble with any of it');

# A standby has no worker; promoted, it goes on with the queue.
set_conf($node, 'pg_wallet.databases' => 'nothing');
becomes($node, $db, 'SELECT worker_pid IS NULL FROM wallet.queue', 't', 'the primary pauses');
$node->safe_psql($db, transfers_sql([1, 2, 1], [2, 3, 1]));
$node->safe_psql('direct', q{SELECT wallet_hold(2, 3, 1, '1 ms')});
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "pg_wallet.databases = ''");
$standby->start;
$node->wait_for_catchup($standby);
is(ask($standby, $db, 'SELECT queued, worker_pid IS NULL FROM wallet.queue'),
    '2|t', 'a standby shows the queue and has no worker');
is(ask($standby, $db, 'SELECT worker_alive FROM wallet_ready()'), 'f', 'so it is not ready');
is(ask($standby, $db, $settled), $before{$settled}, 'but handshakes can be looked up');
is(ask($standby, 'direct', $due), '1', 'nobody records there that a hold is due');
is(ask($standby, 'direct', 'SELECT held FROM wallet_get(2)'), '20.00', 'but it counts no more');
all_is_well($standby, 'direct', 'holds on a standby');
like(
    ask($standby, $db, deposits_sql([1, 1])),
    qr/read-only transaction/,
    'and nothing can be queued');
$standby->promote;
becomes($standby, $db, queued(), '0', 'promoted, it posts what was queued');
$standby->safe_psql($db, deposits_sql([1, 1]));
becomes($standby, $db, queued(), '0', 'and what comes');
becomes($standby, 'direct', $due, '0', 'and the hold expires');
all_is_well($standby, 'direct', 'holds of the promoted standby');
all_is_well($standby, $db, 'the promoted standby');

done_testing();

sub enqueue
{
    my ($kind, $payload, $key, $database) = @_;

    return ask(
        $node,
        $database // $db,
        "SELECT wallet_enqueue('$kind', '$payload'" . (defined $key ? ", '$key'" : '') . ')');
}
