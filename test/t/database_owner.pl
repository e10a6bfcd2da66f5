# A database whose owner is no superuser, and hostile: what he plants and sets there runs with his
# own rights alone, in the worker too, and does not get the journal dropped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('database_owner');

sub as_boss
{
    my ($sql) = @_;
    my ($out, $error) = ('', '');

    IPC::Run::run([ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-U', 'boss', '-d', $db ],
        '<', \$sql, '>', \$out, '2>', \$error);
    return $out . $error;
}

$node->safe_psql('postgres', "CREATE ROLE boss LOGIN; CREATE DATABASE $db OWNER boss");
is(as_boss(<<'SQL'), '', 'the owner of the database sets traps');
CREATE SCHEMA trap;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
CREATE SEQUENCE trap.sprung;
GRANT USAGE ON trap.sprung TO PUBLIC;
CREATE FUNCTION trap.spring() RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_user <> 'boss' THEN
        PERFORM nextval('trap.sprung');
    END IF;
    RETURN true;
END
$$;
DO $do$
DECLARE
    l text;
    r text;
    o text;
BEGIN
    FOREACH l IN ARRAY ARRAY['bigint', 'integer', 'oid', 'name', 'pg_catalog.text', 'timestamptz', 'boolean'] LOOP
        FOREACH r IN ARRAY ARRAY['bigint', 'integer', 'oid', 'name', 'pg_catalog.text', 'timestamptz', 'boolean'] LOOP
            EXECUTE format('CREATE FUNCTION trap.op(%s, %s) RETURNS boolean LANGUAGE sql AS $$ SELECT trap.spring() $$', l, r);
            FOREACH o IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-', '||'] LOOP
                EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.op)', o, l, r);
            END LOOP;
        END LOOP;
    END LOOP;
END
$do$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(); RETURN 'epoch'; END $$;
CREATE FUNCTION trap.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(); RETURN 1; END $$;
CREATE DOMAIN trap.text AS pg_catalog.text CHECK (trap.spring());
ALTER DATABASE payments SET search_path = trap, pg_catalog, public;
ALTER DATABASE payments SET default_transaction_isolation = serializable;
ALTER DATABASE payments SET default_transaction_read_only = on;
ALTER DATABASE payments SET statement_timeout = '30s';
ALTER DATABASE payments SET enable_indexscan = off;
ALTER DATABASE payments SET enable_nestloop = off;
ALTER DATABASE payments SET datestyle = 'German';
ALTER DATABASE payments SET standard_conforming_strings = off;
SQL

# The superuser's own statements are careful, as they have to be in such a place.
my $careful = 'SET search_path = pg_catalog, public; SET default_transaction_read_only = off; '
    . 'SET transaction_isolation = \'read committed\'; ';
my $sprung = 'SELECT is_called FROM trap.sprung';
is(ask($node, $db, "SET default_transaction_read_only = off; CREATE EXTENSION pg_wallet SCHEMA public; $sprung"),
    'f', 'the extension is made among them');
is(ask($node, $db, "$careful SELECT count(wallet_create(i, 100)) FROM generate_series(1, 5) AS i"), '5', 'wallets are made');
is(ask($node, $db, $careful . transfers_sql(map { [ $_ % 5 + 1, ($_ + 1) % 5 + 1, 1 ] } 1 .. 50)), '50', 'transfers are queued');
becomes($node, $db, "$careful SELECT queued, posted, refused FROM wallet.queue", '0|50|0', 'the worker posts them');
is(ask($node, $db, "$careful SELECT wallet_audit()"), 't', 'all is well');
is(ask($node, $db, $sprung), 'f', 'neither the worker nor a function has stepped into a trap');

# The guard.
my $refused = qr/journal holds transfers|must be (?:owner|superuser)|permission denied|requires it/;
my $write   = 'SET default_transaction_read_only = off;';
like(as_boss("$write $_"), $refused, "the database's owner: $_") foreach
    'DROP SCHEMA public CASCADE', 'DROP EXTENSION pg_wallet CASCADE', 'SET pg_wallet.allow_drop = on; DROP SCHEMA public CASCADE',
    'ALTER DATABASE payments SET pg_wallet.allow_drop = on', 'ALTER ROLE boss SET pg_wallet.allow_drop = on', 'DROP SCHEMA wallet CASCADE',
    'DROP EVENT TRIGGER pg_wallet_guard_drop',
    'SELECT handshake_key FROM wallet.secret', 'UPDATE wallet.wallet SET balance = 0', 'CREATE TABLE wallet.mine ()',
    'SELECT public.wallet_transfer(1, 2, 1)', q{SELECT public.wallet_grant('boss', 'operator')};

# What PostgreSQL evaluates when a session first looks at a table, since it is the same for every row.
# Nothing of this is in a statement.
ask($node, $db, $careful . <<'SQL');
SELECT wallet_grant('boss', 'operator'), setval('trap.sprung', 1, false);
CREATE SEQUENCE public.ran;
GRANT USAGE ON public.ran TO PUBLIC;
CREATE FUNCTION public.constant(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM pg_catalog.nextval(''public.ran''); RETURN CASE WHEN n = n THEN 0 ELSE 1 END; END';
SQL
my %constants = (
    'an index of the journal' => 'CREATE INDEX extra ON wallet.transfer ((amount + constant(1)))',
    'a predicate of an index' => 'CREATE INDEX extra ON wallet.request (user_id) WHERE user_id > constant(1)',
    'a key of partitions'     => 'ALTER TABLE wallet.request RENAME TO request_before; '
        . 'CREATE TABLE wallet.request (LIKE wallet.request_before INCLUDING DEFAULTS) PARTITION BY RANGE (request_id, (user_id + constant(1))); '
        . 'CREATE TABLE wallet.request_all PARTITION OF wallet.request FOR VALUES FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE)',
);
for my $what (sort { $constants{$b} cmp $constants{$a} } keys %constants)
{
    my $queue = qq($write SELECT public.wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}'));

    # The first session counts what is queued, by a statement.
    ask($node, $db, "$careful $constants{$what}");
    as_boss($queue);
    ask($node, $db, "$careful SELECT setval('trap.sprung', 1, false), setval('public.ran', 1, false)");
    like(as_boss("$write SELECT public.wallet_transfer(1, 2, 1)"), qr/^\(\d+,1,2,/, "the owner of the database pays, with constants in $what");
    like(as_boss($queue), qr/^[0-9a-f]{64}$/, 'and queues');
    is(ask($node, $db, "SELECT (SELECT is_called FROM public.ran), is_called FROM trap.sprung"), 't|f', 'they are evaluated, and no trap is sprung');
    ask($node, $db, "$careful DROP INDEX IF EXISTS wallet.extra");
}
becomes($node, $db, "$careful SELECT queued FROM wallet.queue", '0', 'the worker posts what was queued');
my $journal = ask($node, $db, "$careful SELECT count(*) FROM wallet.transfer");

# Without the library in the session a setting of ours is only a name, which anybody can set: it
# counts for nothing when the library comes.
$node->adjust_conf('postgresql.conf', $_, undef) foreach 'shared_preload_libraries', 'pg_wallet.poll_interval', 'pg_wallet.batch_max';
$node->restart;
like(as_boss("$write SET pg_wallet.allow_drop = on; DROP SCHEMA public CASCADE"), $refused, 'nor where the library is not preloaded');
as_boss('ALTER DATABASE payments SET pg_wallet.allow_drop = on');
like(as_boss("$write DROP SCHEMA public CASCADE"), $refused, 'nor by a setting of the database');
is(ask($node, $db, "$careful SELECT count(*) FROM wallet.transfer"), $journal, 'the journal is whole');

done_testing();
