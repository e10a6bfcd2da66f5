# The audit reads what is new and some of the past, however long the journal is; nothing that is
# changed in it stays unseen for longer than the audit needs to come around.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('audit', conf => "pg_wallet.worker = off\nmax_wal_size = '2GB'\n");

# Pairs of wallets that pay each other a cent, to and fro. A round is a transfer of each pair.
my $pairs  = 1000;
my $rounds = 0;

new_database($node, $db);
$node->safe_psql($db, <<"SQL");
INSERT INTO wallet.transfer SELECT i, NULL, -840, i, 1000, NULL, 1000, NULL, NULL, '2026-01-01', 3 FROM generate_series(1, 2 * $pairs) AS i;
INSERT INTO wallet.wallet (wallet_id, user_id, balance, last_transfer_id, created_at, updated_at, status, currency)
    SELECT i, i, 1000, i, '2026-01-01', '2026-01-01', 'active', 'usd' FROM generate_series(1, 2 * $pairs) AS i;
SELECT setval('wallet.transfer_id_seq', 2 * $pairs), setval('wallet.wallet_id_seq', 2 * $pairs);
SQL

# ---- As much work for the same new rows ----

grow(2);
is(audit(), 't', 'the first audit finds no fault');
is(ask($node, $db, 'SELECT transfer_id FROM wallet.checkpoint'), 4 * $pairs, 'and takes all as verified');
grow(5);
my ($few, $well) = rows_read(0);
is($well, 't', '5,000 new transfers in a short journal');
cmp_ok($few, '<', 60_000, "$few rows are read");
grow(200);
is(audit(), 't', '200,000 more are verified');
grow(5);
my $many;
($many, $well) = rows_read(0);
is($well, 't', '5,000 new transfers in a long journal');
cmp_ok($many, '<', 1.1 * $few, "no more rows are read than in a short one: $many");
grow(5);
($many, $well) = rows_read(1);
cmp_ok($many, '<', 1.1 * $few + 132_000, "of the past a block of 131,072: $many rows");

# ---- What is falsified in the past ----

my $victim = 2 * $pairs + 150 * $pairs + 7;
my %tamper = (
    amount   => "UPDATE wallet.transfer SET amount = amount + 1 WHERE transfer_id = $victim",
    balance  => "UPDATE wallet.transfer SET source_balance = source_balance + 1 WHERE transfer_id = $victim",
    previous => "UPDATE wallet.transfer SET source_previous = source_previous - $pairs WHERE transfer_id = $victim",
    posted   => "UPDATE wallet.transfer SET posted_at = posted_at - interval '1 day' WHERE transfer_id = $victim",
    metadata => "UPDATE wallet.transfer SET metadata = '{}' WHERE transfer_id = $victim",
    missing  => "DELETE FROM wallet.transfer WHERE transfer_id = $victim",
    extra    => "INSERT INTO wallet.transfer SELECT - transfer_id, NULL, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance, source_previous, destination_previous, posted_at, kind FROM wallet.transfer WHERE transfer_id = $victim;"
        . "UPDATE wallet.transfer SET transfer_id = $victim + 1000000000 WHERE transfer_id = $victim",
    wallet   => 'UPDATE wallet.wallet SET balance = balance + 1 WHERE wallet_id = 77',
    currency => q{UPDATE wallet.wallet SET currency = 'eur' WHERE wallet_id = 77},
    gone     => 'DELETE FROM wallet.wallet WHERE wallet_id = 77',
    back     => "UPDATE wallet.wallet SET last_transfer_id = last_transfer_id - $pairs WHERE wallet_id = 77");
my %by_its_wallet = map { $_ => 1 } qw(wallet currency gone back);
my $blocks = 2;

foreach my $what (sort keys %tamper)
{
    my $audits = join ';', ('SELECT wallet_audit(false, 1)') x $blocks;
    my @said = split /\n/, ask($node, $db, <<"SQL");
BEGIN;
ALTER TABLE wallet.transfer DISABLE TRIGGER USER;
ALTER TABLE wallet.wallet DISABLE TRIGGER USER;
$tamper{$what};
$audits;
SELECT wallet_audit(false, 0);
ROLLBACK;
SQL
    like(join('', @said[0 .. $blocks - 1]), $by_its_wallet{$what} ? qr/^ff$/ : qr/^t*f+$/,
        "$what: the audit comes across it in two rounds" . ($by_its_wallet{$what} ? ', at once' : ''));
    is($said[$blocks], 'f', '... and goes on to report it');
}
is(audit(), 't', 'nothing of it has stayed');

# Of more than two million wallets some are compared by each audit: blocks of wallets, sixteen at a time.
$node->safe_psql($db, q{INSERT INTO wallet.wallet (wallet_id, user_id, balance, last_transfer_id, created_at, updated_at, status, currency) SELECT (i << 17) + 1, (i << 17) + 1, 0, 0, now(), now(), 'active', 'usd' FROM generate_series(1, 20) AS i});
is(ask($node, $db, q{BEGIN; UPDATE wallet.wallet SET balance = 1 WHERE wallet_id = (18 << 17) + 1;
        SELECT concat(wallet_audit(), wallet_audit(), wallet_audit()); ROLLBACK}) =~ tr/f//,
    2, 'a wallet in a block far off is found in its turn, and from then on');
$node->safe_psql($db, 'BEGIN; ALTER TABLE wallet.wallet DISABLE TRIGGER USER; DELETE FROM wallet.wallet WHERE wallet_id > 1 << 17; ALTER TABLE wallet.wallet ENABLE ALWAYS TRIGGER refuse_change; ALTER TABLE wallet.wallet ENABLE ALWAYS TRIGGER refuse_row_change; COMMIT');

# ---- In bounded memory, without a file ----

is(ask($node, $db, 'SELECT wallet_audit(full => true)'), 't', 'everything is proved again');
poll_for($node, $db, q{SELECT xact_commit > 20 FROM pg_stat_database WHERE datname = 'payments'}, 't');
is(ask($node, $db, q{SELECT temp_files FROM pg_stat_database WHERE datname = 'payments'}), '0', 'without a temporary file');

# ---- While the journal is written ----

# Somebody has drawn an id and has not committed: no checkpoint goes past that.
my $open = $node->background_psql($db);
my $drawn = $open->query_safe('BEGIN; SELECT transfer_id FROM wallet_transfer(1, 2, 0.01)');
$node->safe_psql($db, 'SELECT wallet_transfer(3, 4, 0.01)');
is(audit(), 't', 'with an open payment');
cmp_ok(ask($node, $db, 'SELECT transfer_id FROM wallet.checkpoint'), '<', $drawn, 'its id is not taken for settled');
$open->query_safe('COMMIT');
is(audit(), 't', 'when it has committed');
is(ask($node, $db, 'SELECT transfer_id FROM wallet.checkpoint'), $drawn + 1, 'both are');

# Two at once: one after the other, and nothing is added up twice.
$node->safe_psql($db, 'SELECT wallet_transfer(3, 4, 0.01)');
$open->query_safe('BEGIN; SELECT wallet_audit()');
my $said = '';
my $second = IPC::Run::start(['psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-d', $db, '-c', 'SELECT wallet_audit()'], '>', \$said, '2>&1');
becomes($node, $db, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'wallet_audit'}, '1', 'a second audit waits');
$open->query_safe('COMMIT');
$second->finish;
is($said, "t\n", 'and finds no fault');
is(audit(), 't', 'nor does a third');
$open->quit;

# ---- Requests: many that wait, and partitions that go ----

$node->safe_psql($db, deposits_sql(map { [1, 0.01] } 1 .. 1100));
is(audit(), 't', 'with 1,100 requests that wait');
is(ask($node, $db, 'SELECT request_id FROM wallet.checkpoint'), '0', 'the checkpoint waits with them');
is(ask($node, $db, 'SELECT wallet_process(200)'), '200', 'some are posted');
is(audit(), 't', 'with 900 that wait');
is(ask($node, $db, 'SELECT request_id, cardinality(waiting) FROM wallet.checkpoint'), '1100|900', 'it goes past them and remembers them');
is(ask($node, $db, 'SELECT wallet_process()'), '900', 'the rest is posted');
$node->safe_psql($db, deposits_sql([1, 0.01]));
is(audit(), 't', 'and verified');
is(ask($node, $db, 'SELECT request_id, waiting FROM wallet.checkpoint'), '1101|{1101}', 'one has come meanwhile');
$node->safe_psql($db, 'SELECT wallet_process(), wallet_rotate_requests(); SELECT wallet_rotate_requests()');
set_conf($node, 'pg_wallet.request_retention' => '1s');
becomes($node, $db, q{SELECT bool_and(enqueued_at < clock_timestamp() - interval '1 s') FROM wallet.request}, 't', 'a second later');
$node->safe_psql($db, deposits_sql([1, 0.01]) . '; SELECT wallet_process()');
like(poll_for($node, $db, 'SELECT wallet_expire_requests()', qr/^[1-9]/), qr/^[1-9]/, 'old requests go');
is(audit(), 't', 'their absence is no fault');
is(ask($node, $db, q{SELECT count(*) FROM wallet.verified WHERE area IN ('request', 'outcome') AND block < 1 << 27}), '0', 'they are forgotten');
is(audit('full => true'), 't', 'also for everything');

# ---- Copies ----

$node->safe_psql('postgres', "CREATE DATABASE twin TEMPLATE $db");
is(ask($node, 'twin', 'SELECT (wallet_transfer(1, 2, 0.01)).transfer_id IS NOT NULL, wallet_audit()'), 't|t', 'a copy goes on from the same checkpoint');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok(['pg_dump', '-f', $dump, $db], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump], 'and its restore');
is(ask($node, 'restored', 'SELECT count(*) FROM wallet.checkpoint'), '0', 'where nothing counts as verified');
is(ask($node, 'restored', 'SELECT wallet_audit()'), 't', 'until an audit has read everything');
is(ask($node, 'restored', 'SELECT transfer_id FROM wallet.checkpoint'), ask($node, $db, 'SELECT max(transfer_id) FROM wallet.transfer'), 'which it has');

done_testing();

sub audit
{
    my ($arguments) = @_;

    return ask($node, $db, 'SELECT wallet_audit(' . ($arguments // '') . ')');
}

# How many rows an audit reads, with so many of the past, and what it says.
sub rows_read
{
    my ($past) = @_;
    my ($answer, $count) = split /\n/, ask($node, $db, <<"SQL");
BEGIN;
SELECT wallet_audit(false, $past);
SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables WHERE schemaname = 'wallet' AND relname IN ('transfer', 'wallet');
COMMIT;
SQL
    return ($count, $answer);
}

# More transfers, as many rounds of them; the wallets follow.
sub grow
{
    my ($more) = @_;
    my $until = $rounds + $more;

    $node->safe_psql($db, <<"SQL");
INSERT INTO wallet.transfer
    SELECT i, NULL, CASE r % 2 WHEN 0 THEN one ELSE other END, CASE r % 2 WHEN 0 THEN other ELSE one END, 1,
           1000 - (r + 1) % 2, 1000 + (r + 1) % 2,
           CASE WHEN r = 0 THEN one ELSE i - $pairs END, CASE WHEN r = 0 THEN other ELSE i - $pairs END,
           timestamptz '2026-01-01' + r * interval '1 s', 2
        FROM (SELECT 2 * $pairs + 1 + r * $pairs + p AS i, r, 2 * p + 1 AS one, 2 * p + 2 AS other
                  FROM generate_series($rounds, $until - 1) AS r, generate_series(0, $pairs - 1) AS p) AS n;
UPDATE wallet.wallet SET last_transfer_id = 2 * $pairs + 1 + ($until - 1) * $pairs + (wallet_id - 1) / 2,
        balance = 1000 - CASE $until % 2 WHEN 0 THEN 0 WHEN 1 THEN CASE wallet_id % 2 WHEN 1 THEN 1 ELSE -1 END END
    WHERE wallet_id <= 2 * $pairs;
SELECT setval('wallet.transfer_id_seq', 2 * $pairs + $until * $pairs);
SQL
    $rounds = $until;
    return;
}
