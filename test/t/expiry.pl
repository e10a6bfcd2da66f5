# The worker expires holds by itself: in time, around a wallet that is locked, and around one whose expiry fails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use WalletServer;

my $db   = 'payments';
my $node = new_server('expiry');

# It polls once a minute here: what expires sooner expires because the worker knows when holds end.
new_database($node, $db);
make_wallets($node, $db, 6, 100);
my $open = "SELECT count(*) FROM wallet.hold WHERE state = 0";

$node->safe_psql($db, "SELECT wallet_hold(1, 2, 10, expires_in => '700 milliseconds')");
becomes($node, $db, $open, '0', 'a hold expires by itself', 20);
is( ask($node, $db, "SELECT h.rest, h.captured, h.state, t.amount, t.held IS NULL, t.request_id IS NULL,
            t.posted_at >= h.expires_at, t.posted_at < h.expires_at + interval '10 seconds'
        FROM wallet.hold AS h JOIN wallet.transfer AS t ON t.link_id = h.hold_id AND t.kind = 11"),
    '0|0|3|1000|t|t|t|t', 'with a row of its own, soon after its end');
is(ask($node, $db, 'SELECT held, available FROM wallet_get(1)'), '0.00|100.00', 'and the money is available again');

# A wallet that somebody has locked is left out, and comes later.
my $session = $node->background_psql($db);
$session->query_safe('BEGIN; SELECT wallet_id FROM wallet.wallet WHERE wallet_id = 3 FOR NO KEY UPDATE');
$node->safe_psql($db, "SELECT wallet_hold(4, 2, 10, expires_in => '500 milliseconds')");
$session->query_safe("SELECT wallet_hold(3, 2, 10, expires_in => '500 milliseconds'); COMMIT; BEGIN;"
    . 'SELECT wallet_id FROM wallet.wallet WHERE wallet_id = 3 FOR NO KEY UPDATE');
becomes($node, $db, "$open AND source_wallet_id = 4", '0', 'another wallet does not wait for a locked one', 20);
is(ask($node, $db, $open), '1', 'the locked one waits');
$session->query_safe('COMMIT');
becomes($node, $db, $open, '0', 'and has its turn when it is free', 20);
$session->quit;

# Entries of holds that are over, and would have ended later, are not visited by every look at what ends next.
sub looks { return split /\|/, ask($node, $db, "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'hold_by_expires_at'") }
$node->safe_psql($db, "SELECT count(wallet_hold(6, 2, 0.01, expires_in => '1 hour')) FROM generate_series(1, 1000)");
my ($scans, $read) = looks();
$node->safe_psql($db, 'SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(wallet_void(hold_id)) FROM wallet.hold WHERE state = 0');
poll_for($node, $db, "SELECT idx_scan >= $scans + 8 FROM pg_stat_user_indexes WHERE indexrelname = 'hold_by_expires_at'", 't', 30);
cmp_ok((looks())[1] - $read, '<', 500, 'a look visits no holds that end later');

# Many at once, more than a step takes; and of one wallet more than a payment would.
$node->safe_psql($db, "SELECT count(wallet_hold(4, 2, 0.01, expires_in => '2 seconds')) FROM generate_series(1, 600)");
becomes($node, $db, $open, '0', 'many holds of a wallet expire', 60);
is(ask($node, $db, 'SELECT held, available FROM wallet_get(4)'), '0.00|100.00', 'and all of their money is there');

# While the queue is closed, as during a restore, nothing expires, although the worker knows when the hold ends.
$node->safe_psql($db, q{SELECT wallet_enqueue('deposit', '{"user_id":6,"wallet_id":6,"amount":1}')});
becomes($node, $db, queued(), '0', 'the queue is open');
$node->safe_psql($db, "SELECT wallet_hold(6, 2, 10, expires_in => '1500 milliseconds')");
$node->safe_psql($db, 'UPDATE wallet.queue_position SET origin = gen_random_uuid()');
poll_for($node, $db, 'SELECT bool_and(expires_at < clock_timestamp() - interval \'1500 milliseconds\') FROM wallet.hold WHERE state = 0', 't');
is(ask($node, $db, $open), '1', 'no hold expires while the queue is closed');
$node->safe_psql($db, 'REFRESH MATERIALIZED VIEW wallet.opening; SELECT wallet.announce()');
becomes($node, $db, $open, '0', 'it expires when the queue is open again', 60);

# An error belongs to the wallet that causes it; a table with a trigger is written by statements.
$node->safe_psql($db, q{
    CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.source_wallet_id = 5 AND NEW.state = 3 THEN RAISE ''not this one''; END IF; RETURN NEW; END';
    CREATE TRIGGER stumble BEFORE UPDATE ON wallet.hold FOR EACH ROW EXECUTE FUNCTION stumble();
    SELECT wallet_hold(w, 2, 10, expires_in => '300 milliseconds') FROM generate_series(4, 6) AS w});
becomes($node, $db, "$open AND source_wallet_id <> 5", '0', 'the others expire beside one that cannot', 30);
is(ask($node, $db, 'SELECT held FROM wallet.wallet WHERE wallet_id = 5'), '1000', 'of which nothing is written');
$node->safe_psql($db, 'DROP TRIGGER stumble ON wallet.hold');
becomes($node, $db, $open, '0', 'until its cause is gone', 60);
is(ask($node, $db, "SELECT count(*) FROM wallet_verify() WHERE NOT ok"), '0', 'all is well in the end');

# 60,000 holds that end at one moment, all of four wallets, while clients pay 200 times a second between these.
$node->safe_psql($db, 'SELECT count(wallet_create(n, 1000)) FROM generate_series(7, 10) AS n');
$node->safe_psql($db, "SELECT count(wallet_hold(7 + n % 4, 2, 0.01, expires_in => '1 hour')) FROM generate_series(1, 60000) AS n");
my $logs = PostgreSQL::Test::Utils::tempdir();
append_to_file("$logs/pay.sql", "\\set source random(0, 3)\n\\set destination 7 + (:source + random(1, 3)) % 4\n"
    . "\\set source 7 + :source\nSELECT wallet_transfer(:source, :destination, 0.01);\n");
my $payers = IPC::Run::start([ 'pgbench', qw(-n -c 4 -j 2 -M prepared -R 200 -T 8 -l --log-prefix), "$logs/log", '-f', "$logs/pay.sql",
    $node->connstr($db) ], '>', \my $output, '2>&1');
poll_for($node, $db, "SELECT count(*) >= 4 FROM pg_stat_activity WHERE query LIKE 'SELECT wallet_transfer(\$1%'", 't');
my $jumped = Time::HiRes::time();
set_conf($node, 'pg_wallet.clock_offset' => '2 hours');
my ($paid, $tries, $until) = (0, 0, time + 120);
do {
    # Of 7 and 8 what no hold reserves; of 9, once, what the holds that have ended reserve in the table.
    my ($from, $amount) = $tries++ == 0 ? (9, 960) : (7 + $tries % 2, 0.1);
    $paid++ if ask($node, $db, "SET statement_timeout = '10s'; SELECT amount FROM wallet_transfer($from, 1, $amount)") =~ /^[\d.]+$/;
} while (time < $until && ask($node, $db, $open) ne '0');
my $swept = Time::HiRes::time();
is(ask($node, $db, $open), '0', 'the sweep expires all of them');
is($paid, $tries, 'while payments are answered, and none is refused for money that an expired hold reserved');
is(ask($node, $db, 'SELECT sum(held) FROM wallet.wallet WHERE wallet_id > 0'), '0', 'nothing is held in the end');
$payers->finish;
unlike($output, qr/error/, 'every payment is made');
# pgbench counts a payment from the moment when it was to begin, so that a payment which waits delays the next ones.
my @waits = sort { $a <=> $b } map { $_->[0] } grep { $_->[1] >= $jumped && $_->[1] - $_->[0] <= $swept }
    map { my @log = split ' '; [ $log[2] / 1e6, $log[4] + $log[5] / 1e6 ] } map { split /\n/, slurp_file($_) } glob "$logs/log.*";
my ($median, $longest) = map { sprintf '%.3f', $_ } @waits[ @waits / 2, -1 ];
note @waits . " payments in " . ($swept - $jumped) . " s, median $median s, longest $longest s";
cmp_ok($median, '<', 0.1, 'half of the payments that many due holds meet take no longer than others');
is(ask($node, $db, "SELECT count(*) FROM wallet_verify() WHERE NOT ok"), '0', 'and all is well');

$node->stop;
done_testing();
