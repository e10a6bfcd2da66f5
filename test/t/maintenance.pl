# pg_cron's jobs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('maintenance');

new_database($node, $db);
make_wallets($node, $db, 2, 100);
like(
    ask($node, $db, 'SELECT * FROM wallet_schedule_maintenance()'),
    qr/ERROR:  pg_cron is not installed in this database\n.*HINT:  Add pg_cron to /s,
    'without pg_cron it says what to do');

if (ask($node, $db, q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'}) eq '0')
{
    done_testing();
    exit;
}
$node->append_conf('postgresql.conf',
    "shared_preload_libraries = 'pg_cron,pg_wallet'\ncron.database_name = '$db'");
$node->restart;
$node->safe_psql($db, 'CREATE EXTENSION pg_cron');

my $jobs = 'SELECT jobname, schedule, command, database, active FROM cron.job ORDER BY jobname';
is(ask($node, $db, 'SELECT count(*) FROM wallet_schedule_maintenance()'),
    '4', 'with it four jobs are set up');
my $scheduled = ask($node, $db, $jobs);
like(
    $scheduled,
    qr/^pg_wallet analyze\|.*ANALYZE.*\|$db\|t\npg_wallet audit\|.*\npg_wallet expire idem.*\npg_wallet expire requests/,
    'they are there');
is(ask($node, $db, 'SELECT count(*) FROM wallet_schedule_maintenance()'), '4', 'called again');
is(ask($node, $db, $jobs), $scheduled, 'it changes nothing');

# What the jobs do, each in a session of its own as pg_cron has it.
$node->safe_psql($db,
    q{SELECT wallet_deposit(1, 1, NULL, 'young'), wallet_deposit(1, 1, NULL, 'old')});
$node->safe_psql($db,
    q{UPDATE wallet.idempotency_key SET created_at = now() - interval '8 days' WHERE key = 'old'});
foreach my $command (split /\n/, ask($node, $db, 'SELECT command FROM cron.job ORDER BY jobname'))
{
    unlike(ask($node, $db, $command), qr/ERROR/, $command);
}
is( ask($node, $db,
        'SELECT count(*) > 5, bool_and(ok), count(DISTINCT checked_at) FROM wallet.audit'),
    't|t|1',
    'the audit is kept');
is(ask($node, $db, 'SELECT string_agg(key, chr(32)) FROM wallet.idempotency_key'),
    'young', 'the old key is forgotten, the young one is not');
is( ask($node,
        $db,
        q{SELECT count(*) FROM pg_stat_all_tables
            WHERE schemaname = 'wallet' AND relname = 'wallet' AND last_analyze IS NOT NULL}
    ),
    '1',
    'the tables are analyzed');

# The audit finds what is wrong.
$node->safe_psql($db, 'UPDATE wallet.wallet SET balance = balance + 1 WHERE wallet_id = 2');
is(ask($node, $db, 'SELECT wallet_audit()'), 'f', 'the audit notices money out of nowhere');
is( ask($node, $db, q{SELECT string_agg(name, ' ' ORDER BY name) FROM wallet.audit WHERE NOT ok}),
    'balance_matches_journal money_conserved',
    'and keeps what it was');

# Another retention.
set_conf($node, 'pg_wallet.idempotency_retention' => '60s');
becomes($node, $db, 'SHOW pg_wallet.idempotency_retention', '1min', 'the retention is a setting');
$node->safe_psql($db, q{UPDATE wallet.idempotency_key SET created_at = now() - interval '61 s'});
is(ask($node, $db, 'SELECT wallet_expire_idempotency_keys()'), '1', 'which the expiry follows');

done_testing();
