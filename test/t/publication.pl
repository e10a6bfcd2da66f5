# CREATE PUBLICATION … FOR ALL TABLES, as change capture tools make it: whatever is updated or deleted
# from has an identity, and nothing of ours behaves in another way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('published', init => { allows_streaming => 'logical' }, conf => <<'CONF');
pg_wallet.poll_interval = '50ms'
autovacuum = off
CONF
my $everything = 'CREATE PUBLICATION everything FOR ALL TABLES';

# The worker goes on, and so does the keeping of its position.
new_database($node, $db);
$node->safe_psql($db, $everything);
my $position = log_position($node);
make_wallets($node, $db, 5, 1000);
foreach my $round (1 .. 3)
{
    is(ask($node, $db, transfers_sql(map { [ 1 + $_ % 5, 1 + ($_ + 1) % 5, 1 ] } 1 .. 100)), '100', "round $round: a hundred transfers are queued");
    becomes($node, $db, queued(), '0', 'and posted');
    is(ask($node, $db, 'SELECT wallet_process()'), '0', 'by whoever looks first');
}
becomes($node, $db, 'SELECT max(p.low_water) >= (SELECT max(r.request_id) FROM wallet.request AS r) FROM wallet.queue_position AS p', qr/^[tf]$/, 'the position can be read');
is(ask($node, $db, deposits_sql([ 1, 1 ])), '1', 'one more');
becomes($node, $db, queued(), '0', 'which is posted');
is(ask($node, $db, $_), 't', $_) foreach
    'SELECT wallet_audit()', q{SELECT count(wallet_deposit(1, 1, NULL, 'k')) = 1}, q{SELECT (wallet_set_status(5, 'frozen')).wallet_id IS NOT NULL},
    q{UPDATE wallet.idempotency_key SET created_at = created_at - interval '1 year'; SELECT wallet_expire_idempotency_keys() = 1},
    q{SELECT wallet_api_key_create('a', '{read}') IS NOT NULL}, q{SELECT count(*) = 1 FROM wallet_api_key_check_many(ARRAY(SELECT key_hash FROM wallet.api_key))},
    q{SELECT wallet_api_key_revoke('a') IS NOT NULL},
    q{INSERT INTO wallet.secret (handshake_key) VALUES (sha256('restored')); SELECT count(*) = 1 FROM wallet.secret},
    'SELECT wallet_rotate_requests()', 'SELECT wallet_expire_requests() = 0';
all_is_well($node, $db, 'published');
unlike(log_since($node, $position), qr/replica identity/, 'nothing lacked an identity');
is(ask($node, $db, <<'SQL'), '', 'every table has one');
SELECT c.oid::regclass FROM pg_class AS c
    WHERE c.relnamespace = 'wallet'::regnamespace AND c.relkind = 'r' AND c.relreplident = 'd'
        AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
SQL

# The whole regression under such a publication, but for what says itself what is published, or says nothing of it.
set_conf($node, 'pg_wallet.worker' => 'off', 'pg_wallet.poll_interval' => '60s');
my $work = PostgreSQL::Test::Utils::tempdir();
my @tests = grep { $_ !~ /^(alterations(_holds)?|install_settings)$/ } map { m{sql/(.*)\.sql$} } sort glob "sql/*.sql";
$node->safe_psql('postgres', "CREATE DATABASE regression TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
$node->safe_psql('postgres', "ALTER DATABASE regression SET $_") foreach
    q{lc_messages = 'C'}, q{timezone = 'PST8PDT'}, q{datestyle = 'Postgres, MDY'}, q{intervalstyle = 'postgres_verbose'};
$node->safe_psql('regression', $everything);
local $ENV{PGOPTIONS} = '';
ok(run_log([ $ENV{PG_REGRESS}, '--use-existing', '--dbname=regression', '--host=' . $node->host, '--port=' . $node->port, "--user=$ENV{USER}",
             '--bindir=' . $node->config_data('--bindir'), '--inputdir=.', "--outputdir=$work", @tests ]),
    'every regression test passes under a publication of all tables')
    or diag(slurp_file("$work/regression.diffs"));
is(ask($node, 'regression', q{SELECT puballtables FROM pg_publication}), 't', 'which is still there');

done_testing();
