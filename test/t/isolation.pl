# A database whose transactions are serializable, or read-only, unless they say otherwise: jobs of ours
# say so, and what needs the level READ COMMITTED says how.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('isolation', conf => "pg_wallet.poll_interval = '50ms'\npg_wallet.request_retention = '1s'\n");
new_database($node, $db);
make_wallets($node, $db, 3, 100);

# All in one message, as pg_cron and libpq send it.
sub at_once
{
    my ($sql) = @_;
    my ($out, $error) = ('', '');

    $node->run_log([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', $sql ], '>', \$out, '2>', \$error);
    return $out . $error;
}

# Where pg_cron is absent its function is enough to see what would be called.
$node->safe_psql($db, <<'SQL');
CREATE SCHEMA cron;
CREATE FUNCTION cron.schedule(job text, schedule text, command text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 1, 'pg_cron', e.extowner, 'cron'::regnamespace, false, '1' FROM pg_extension AS e WHERE e.extname = 'pg_wallet';
SQL
my @jobs = split /\n/, ask($node, $db, 'SELECT command FROM wallet_schedule_maintenance()');
cmp_ok(scalar @jobs, '>=', 4, 'jobs');

foreach my $level ('serializable', 'repeatable read')
{
    $node->safe_psql('postgres', "ALTER DATABASE $db SET default_transaction_isolation = '$level'");
    like(ask($node, $db, $_), qr/ERROR:  .*needs the isolation level READ COMMITTED.*HINT:  .*BEGIN ISOLATION LEVEL READ COMMITTED/s, "$level: $_")
        foreach 'SELECT wallet_expire_requests()', 'SELECT wallet_process()';
    like(at_once("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT $_; COMMIT"), qr/^\d+$/, "$level, as the hint says: $_")
        foreach 'wallet_expire_requests()', 'wallet_process()';
    is(ask($node, $db, $_), 't', "$level: $_") foreach
        'SELECT wallet_audit()', 'SELECT wallet_rotate_requests() IS NOT NULL', 'SELECT wallet_expire_idempotency_keys() >= 0',
        q{SELECT (wallet_transfer(1, 2, 0.01, 'exact', NULL, md5(random()::text))).transfer_id IS NOT NULL}, q{SELECT (wallet_set_status(3, 'active')).wallet_id IS NOT NULL}, 'SELECT bool_and(ok) FROM wallet_verify()',
        q{SELECT length(wallet_api_key_create(md5(random()::text), '{read}')) > 60}, 'SELECT count(*) > 0 FROM wallet_history(1)';
    is(ask($node, $db, deposits_sql([ 1, 1 ], [ 2, 1 ])), '2', "$level: requests are queued");
    becomes($node, $db, queued(), '0', "$level: and posted");
    unlike(at_once($_), qr/ERROR|WARNING/, "$level, the job: $_") foreach @jobs;
    $node->safe_psql('postgres', "ALTER DATABASE $db SET default_transaction_read_only = on");
    unlike(at_once($_), qr/ERROR|WARNING/, "$level and read-only, the job: $_") foreach @jobs;
    $node->safe_psql('postgres', "ALTER DATABASE $db RESET default_transaction_read_only");
}

# The job does its work: old requests go.
$node->safe_psql($db, 'SET default_transaction_isolation = "read committed"; SELECT wallet_rotate_requests()');
is(ask($node, $db, deposits_sql([ 1, 1 ])), '1', 'a request in a new partition');
becomes($node, $db, queued(), '0', 'is posted');
my ($expire) = grep { /expire_requests/ } @jobs;
my $partitions = q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'wallet.request'::regclass};
my $before = ask($node, $db, $partitions);
foreach (1 .. 200)
{
    at_once($expire);
    last if ask($node, $db, 'SELECT count(*) > 0 FROM wallet.expiry') eq 't';
    select undef, undef, undef, 0.05;
}
is(ask($node, $db, 'SELECT count(*) > 0 FROM wallet.expiry'), 't', 'the job drops old partitions');

done_testing();
