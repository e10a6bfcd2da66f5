# Two sessions queue bulk calls (payments, holds, captures), pay directly, one or many at once, and roll some of all back,
# while a worker posts and expires holds. At a random moment all processes of the server, or one of them, are killed by SIGKILL. After each restart everything that was acknowledged
# is there once, nothing that was rolled back is, ids rise, and the indexes are in order: here, on a standby that
# replays the log, after VACUUM, and after the standby is promoted.
# KILLS=200 makes a longer run, DURATION=N ends it after N seconds; PG_WALLET_TEST_SEED=N gives back what chance decides.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;

my $db         = 'payments';
my $wallets    = 200;          # and one more that has no money
my $items_max  = 3000;
my $kills      = $ENV{KILLS} // 5;
my $kills_max  = 25;           # of one server: its tables are read after each kill
my $ends       = time() + ($ENV{DURATION} // 86_400);
my $seed       = $ENV{PG_WALLET_TEST_SEED} // int(time() * 1000) % 1_000_000;
my $folder     = PostgreSQL::Test::Utils::tempdir();
my ($sessions, $cut_off) = (0, 0);
my ($node, $standby, %kept);

srand($seed);
note "seed $seed: PG_WALLET_TEST_SEED repeats this run";

for (my $server = 1; $kills > 0 && time() < $ends; $server++)
{
    make_servers($server);
    foreach my $round (1 .. ($kills < $kills_max ? $kills : $kills_max))
    {
        last if time() > $ends;
        one_kill("server $server, kill $round");
    }
    $kills -= $kills_max;
    $standby->promote;
    poll_for($standby, $db, 'SELECT pg_is_in_recovery()', 'f');
    in_order($standby, 'the promoted standby', 'bt_index_parent_check');
    all_is_well($standby, $db, 'the promoted standby');
    acknowledged($standby, 'the promoted standby, of all rounds', 0, \%kept);
    is(ask($standby, $db, 'SELECT count(DISTINCT kind) FROM wallet.transfer WHERE kind = ANY (ARRAY(SELECT number FROM wallet.kind WHERE name IN (\'transaction\', \'hold\', \'capture\', \'expiry\')))'),
        4, 'there were payments, holds, captures and expiries');
    foreach my $each ($node, $standby)
    {
        unlike(slurp_file($each->logfile), qr/PANIC|TRAP|inconsistent page|invalid page|could not read block/, 'the log of ' . $each->name . ' is clean');
        $each->stop;
    }
}
cmp_ok($cut_off, '>', 0, 'clients were cut off');
done_testing();

sub make_servers
{
    my ($number) = @_;

    # Small memory and many checkpoints: pages reach the disk at all times, and the log has whole pages as well as changes.
    $node = new_server("killed_$number", init => { allows_streaming => 1 }, conf => <<'CONF');
shared_buffers = 8MB
max_wal_size = 64MB
checkpoint_timeout = 30s
autovacuum_naptime = 1s
pg_wallet.poll_interval = '100ms'
CONF
    new_database($node, $db);
    make_wallets($node, $db, $wallets, 1_000_000);
    $node->safe_psql($db, "SELECT wallet_create($wallets + 1, 0)");
    $node->safe_psql($db, 'CREATE EXTENSION amcheck');
    # Every tenth request is refused. A line for each: whose it is, and its handshake.
    $node->safe_psql($db, <<"SQL");
CREATE FUNCTION queue_some(count integer, salt integer, amount numeric) RETURNS SETOF text LANGUAGE sql AS \$\$
SELECT format('queued %s %s', p.sources[m.ordinal], m.handshake_id)
    FROM (SELECT array_agg('transaction'::text), array_agg(s.source ORDER BY s.i),
                 array_agg(format('{"user_id":%1\$s,"source_wallet_id":%1\$s,"dest_wallet_id":%2\$s,"trans_sum":%3\$s}',
                                  s.source, 1 + s.source % $wallets, amount) ORDER BY s.i)
              FROM (SELECT i, CASE i % 10 WHEN 3 THEN $wallets + 1 ELSE 1 + (i * salt) % $wallets END
                        FROM generate_series(1, count) AS i) AS s (i, source)) AS p (kinds, sources, payloads),
         wallet_enqueue_many(p.kinds, p.payloads) AS m
\$\$;
-- Holds, every second of which ends soon, and captures of some that are open. Whether wallet_verify() finds a fault shows what came of them.
CREATE FUNCTION hold_some(count integer, salt integer, amount numeric) RETURNS bigint LANGUAGE sql AS \$\$
SELECT count(m.handshake_id)
    FROM (SELECT array_agg(r.kind), array_agg(r.payload)
              FROM (SELECT 'hold', format('{"user_id":%1\$s,"source_wallet_id":%1\$s,"dest_wallet_id":%2\$s,"amount":%3\$s,"expires_in":"%4\$s s"}',
                                          s.source, 1 + s.source % $wallets, amount, CASE i % 2 WHEN 0 THEN 1 ELSE 86400 END)
                        FROM (SELECT i, 1 + (i * salt) % $wallets FROM generate_series(1, count) AS i) AS s (i, source)
                    UNION ALL
                    SELECT 'capture', format('{"user_id":%s,"hold_id":%s}', h.destination_wallet_id, h.hold_id)
                        FROM (SELECT * FROM wallet.hold WHERE state = 0 ORDER BY hold_id LIMIT count / 2) AS h) AS r (kind, payload)) AS p (kinds, payloads),
         wallet_enqueue_many(p.kinds, p.payloads) AS m
\$\$;
CREATE FUNCTION pay_many(count integer, salt integer, amount numeric) RETURNS SETOF text LANGUAGE sql AS \$\$
SELECT format('paid %s', m.transfer_id)
    FROM (SELECT array_agg(s.source), array_agg(1 + s.source % $wallets), array_agg(amount)
              FROM (SELECT 1 + (i * salt) % $wallets FROM generate_series(1, count) AS i) AS s (source)) AS p (sources, destinations, amounts),
         wallet_transfer_many(p.sources, p.destinations, p.amounts) AS m
\$\$;
SELECT pg_create_physical_replication_slot('standby', true);
SQL
    $node->backup('copy');
    $standby = PostgreSQL::Test::Cluster->new("standby_$number");
    $standby->init_from_backup($node, 'copy', has_streaming => 1);
    $standby->append_conf('postgresql.conf', <<'CONF');
primary_slot_name = 'standby'
wal_retrieve_retry_interval = '50ms'
max_standby_streaming_delay = -1
CONF
    $standby->start;
    %kept = (queued => [], paid => []);
    return;
}

sub one_kill
{
    my ($name) = @_;
    my $checks_pages = rand() < 0.5;
    my $before       = ask($node, $db, 'SELECT max(transfer_id) FROM wallet.transfer');

    # A page for each record of the log, with which recovery and the standby compare what they made.
    set_conf($node, wal_consistency_checking => $checks_pages ? 'btree, generic, heap, heap2, sequence' : '');
    my @clients = map { start_client() } 1 .. 2;
    my $deadline = time() + 30;
    usleep(1000) until time() > $deadline || grep { -s $_->{out} } @clients;
    usleep(int(rand(300_000)));
    my $what = rand() < 0.7 ? kill_all($node) : kill_one($node);
    kill_all($standby) if rand() < 0.25;
    my %round = (queued => [], paid => []);
    end_client($_, \%round) foreach @clients;
    push @{ $kept{$_} }, @{ $round{$_} } foreach keys %round;
    $name .= " ($what, " . @{ $round{queued} } . ' requests and ' . @{ $round{paid} } . ' payments acknowledged' . ($checks_pages ? ', pages compared' : '') . ')';

    becomes($node, $db, queued(), '0', "$name: the queue is worked off");
    acknowledged($node, $name, $before, \%round);
    all_is_well($node, $db, $name);
    in_order($node, $name, 'bt_index_parent_check');
    $node->wait_for_catchup($standby);
    in_order($standby, "$name: the standby", 'bt_index_check');
    $node->safe_psql($db, 'VACUUM (INDEX_CLEANUP ON)');
    in_order($node, "$name: after VACUUM", 'bt_index_parent_check');
    return;
}

# A session that has more to do than there is time. After each call it says whether the call was kept; a line before that
# says nothing yet.
sub start_client
{
    my %client = map { $_ => "$folder/$_" . $sessions } qw(in out error);

    $sessions++;
    append_to_file($client{in}, join('', map { call() } 1 .. 400));
    $client{run} = IPC::Run::start(
        [ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', $client{in} ],
        '>', $client{out}, '2>', $client{error}, IPC::Run::timeout(60));
    return \%client;
}

# A call of a function with from 1 to 3000 items, as often below 50 as above.
sub some
{
    my ($function, $amount) = @_;

    return sprintf "SELECT %s(%d, %d, %s);\n", $function, exp(rand(log($items_max + 1))), 1 + int(rand($wallets)), $amount;
}

sub queue_some { return some('queue_some', @_) }

sub hold_some
{
    my ($amount) = @_;

    return some('hold_some', $amount) =~ s/(\w+\(.*\))/'held' WHERE $1 IS NULL/r;
}

sub pay
{
    my ($amount) = @_;
    my $from = 1 + int(rand($wallets));

    return sprintf "SELECT format('paid %%s', (wallet_transfer(%d, %d, %s)).transfer_id);\n", $from, 1 + $from % $wallets, $amount;
}

# What is rolled back is of 0.77.
sub call
{
    my ($keep, $forget) = ("\\echo kept\n", "\\echo forgotten\n");
    my $chance = rand();

    return queue_some('0.01') . $keep if $chance < 0.25;
    return hold_some('0.01') . $keep if $chance < 0.35;
    return some('pay_many', '0.01') . $keep if $chance < 0.45;
    return pay('0.01') . $keep if $chance < 0.75;
    return "BEGIN;\n" . queue_some('0.77') . hold_some('0.77') . some('pay_many', '0.77') . "ROLLBACK;\n$forget" if $chance < 0.85;
    return "BEGIN;\nSAVEPOINT s;\n" . pay('0.77') . queue_some('0.77') . "ROLLBACK TO s;\n$forget" . queue_some('0.01') . pay('0.01') . "COMMIT;\n$keep" if $chance < 0.95;
    return (shuffle "CHECKPOINT;\n", "VACUUM wallet.transfer;\n", "SELECT 'rotated' WHERE wallet_rotate_requests();\n", "SELECT 'switched' WHERE pg_switch_wal() IS NULL;\n")[0];
}

# Keeps what the session was told for certain. It may have said all it had to, or have lost its server (2).
sub end_client
{
    my ($client, $round) = @_;
    my %new;

    $client->{run}->finish;
    my $status = $client->{run}->full_result(0) >> 8;
    $cut_off++ if $status == 2;
    ok($status == 0 || $status == 2, 'a session had no error but the end of its server') or diag("$status: " . slurp_file($client->{error}));
    foreach my $line (split /\n/, slurp_file($client->{out}))
    {
        if ($line =~ /^(queued|paid) (.*)/)
        {
            push @{ $new{$1} }, $2;
            next;
        }
        next if $line !~ /^(kept|forgotten)$/;
        push @{ $round->{$_} }, $line eq 'kept' ? @{ $new{$_} } : () foreach keys %new;
        %new = ();
    }
    unlink @{$client}{qw(in out error)};
    return;
}

sub children_of
{
    my ($pid) = @_;
    my @children;

    foreach my $file (glob '/proc/[0-9]*/stat')
    {
        open my $stat, '<', $file or next;
        my $line = <$stat> // '';
        push @children, $1 if $line =~ /^(\d+) \(.*\) \S $pid /;
    }
    return @children;
}

sub postmaster_of { return (split /\n/, slurp_file($_[0]->data_dir . '/postmaster.pid'))[0] }

# All at once, in any order: the postmaster stands still meanwhile, so that it starts nobody.
sub kill_all
{
    my ($victim) = @_;
    my $deadline = time() + 60;
    my $postmaster = postmaster_of($victim);

    kill STOP => $postmaster;
    my @children = children_of($postmaster);
    kill KILL => shuffle @children;
    $victim->kill9;
    # A new postmaster does not start beside one of them.
    usleep(1000) while time() < $deadline && kill 0 => $postmaster, @children;
    $victim->start;
    return 'all are killed';
}

# One of the server's processes, after which the postmaster ends and replaces the others.
sub kill_one
{
    my $log      = log_position($node);
    my ($victim, $what) = split /:/, ask($node, 'postgres', <<'SQL');
SELECT concat(pid, ':', backend_type) FROM pg_stat_activity WHERE backend_type !~ '(autovacuum|parallel) worker' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
SQL
    kill KILL => $victim;
    log_becomes($node, $log, qr/all server processes terminated; reinitializing.*ready to accept connections/s, "killed: $what");
    return "killed: $what";
}

# Everything that was acknowledged is there: it is done once, by ids that are new, and nothing that was rolled back is.
sub acknowledged
{
    my ($where, $name, $before, $round) = @_;
    my $file = "$folder/acknowledged";

    unlink $file;
    append_to_file($file, join('', map { tr/ /\t/r . "\n" } @{ $round->{queued} }));
    is(ask($where, $db, <<"SQL"), '', "$name: each handshake has its outcome, and no two have the same transfer");
CREATE TEMP TABLE acknowledged (user_id bigint, handshake_id text, ordinal serial);
\\copy acknowledged (user_id, handshake_id) FROM '$file'
WITH answer AS (
    SELECT k.user_id, k.handshake_id, a.*
        FROM (SELECT array_agg('transaction'::text), array_agg(user_id ORDER BY ordinal), array_agg(handshake_id ORDER BY ordinal)
                  FROM acknowledged) AS l (kinds, users, handshakes),
             wallet.lookup_many(l.kinds, l.users, l.handshakes) AS a JOIN acknowledged AS k USING (ordinal)
), fault AS (
    SELECT concat('user ', user_id, ' ', handshake_id, ' ', state, ' ', code) FROM answer
        WHERE state IS DISTINCT FROM CASE WHEN user_id > $wallets THEN 'rejected' ELSE 'processed' END OR (state = 'processed' AND transfer_id <= $before)
    UNION ALL
    SELECT concat('transfer ', transfer_id, ' answers ', count(*), ' handshakes') FROM answer WHERE transfer_id IS NOT NULL GROUP BY transfer_id HAVING count(*) > 1
    UNION ALL
    SELECT concat(count(DISTINCT handshake_id), ' answers') FROM answer HAVING count(DISTINCT handshake_id) <> (SELECT count(*) FROM acknowledged)
)
SELECT * FROM fault LIMIT 5;
SQL
    my $ids = join ',', @{ $round->{paid} };
    is(ask($where, $db, <<"SQL"), '', "$name: each payment is there once, above what was there before");
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
SELECT p.id FROM unnest('{$ids}'::bigint[]) AS p (id) LEFT JOIN wallet.transfer AS t ON t.transfer_id = p.id AND t.amount = 1 AND t.request_id IS NULL
    GROUP BY p.id HAVING count(*) <> 1 OR count(t.transfer_id) <> 1 OR p.id <= $before LIMIT 5
SQL
    # Read without an index.
    is(ask($where, $db, <<'SQL'), '0|0|0|0|0', "$name: no id twice, none falls along a wallet's chain, and nothing that was rolled back");
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
SELECT (SELECT count(*) - count(DISTINCT request_id) FROM wallet.request),
       count(*) - count(DISTINCT transfer_id), count(request_id) - count(DISTINCT request_id),
       count(*) FILTER (WHERE source_previous >= transfer_id OR destination_previous >= transfer_id),
       count(*) FILTER (WHERE amount = 77) + (SELECT count(*) FROM wallet.request WHERE amount = 77)
    FROM wallet.transfer
SQL
    return;
}

# Of all indexes every entry is in order, and every row has one.
sub in_order
{
    my ($where, $name, $check) = @_;
    my $arguments = join ', ', ('true') x (1 + ($check =~ /parent/ ? 1 : 0) + ($where->pg_version >= 17 ? 1 : 0));

    is(ask($where, $db, <<"SQL"), 't', "$name: the indexes are in order");
SELECT count($check(i.indexrelid, $arguments)) > 9 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
    WHERE c.relnamespace = 'wallet'::regnamespace
SQL
    return;
}
