# What a trigger of the user's raises while the worker posts: one of our codes (class PW) is the outcome of the
# request that has met it, whatever table it is on and also at the commit; any other goes by docs/operations.md. All
# other requests are carried out.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('refusals', conf => "pg_wallet.poll_interval = '1s'\n");

new_database($node, $db);
make_wallets($node, $db, 20, 100);
worker_pid($node, $db);

# Each wallet has an error of its own: [wallet, SQLSTATE, outcome], '' where the request waits.
my @errors = (
    [ 1, 'PW215', 'insufficient_funds' ],
    [ 2, 'PW209', 'not_owner' ],
    [ 3, 'PW211', 'wallet_frozen' ],
    [ 4, 'PW404', 'not_found' ],
    [ 5, 'PW901', 'internal_error' ],
    [ 6, 'PW999', 'internal_error' ],
    [ 7, 'P0001', 'internal_error' ],
    [ 8, '23514', 'internal_error' ],
    [ 9, '22012', 'internal_error' ],
    [ 10, '42501', '' ],
    [ 11, '53100', '' ],
);
my $values = join(', ', map { "($_->[0], '$_->[1]')" } @errors);
my $raise  = <<"SQL";
CREATE OR REPLACE FUNCTION raise_error() RETURNS trigger LANGUAGE plpgsql AS \$\$
DECLARE
    code text := (SELECT v.code FROM (VALUES $values) AS v (wallet_id, code) WHERE v.wallet_id = NEW.destination_wallet_id);
BEGIN
    IF code IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'no, says the trigger';
    END IF;
    RETURN NEW;
END
\$\$;
SQL
my $outcomes = 'SELECT coalesce(o.code, CASE WHEN t.transfer_id IS NULL THEN $$$$ ELSE $$processed$$ END), r.destination_wallet_id FROM wallet.request AS r '
    . 'LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id) WHERE r.request_id > %d ORDER BY 2';
my $expected = join("\n", (map { "$_->[2]|$_->[0]" } @errors), map { "processed|$_" } 12 .. 20);

foreach my $trigger (
    'CREATE TRIGGER raise_error BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION raise_error()',
    'CREATE CONSTRAINT TRIGGER raise_error AFTER INSERT ON wallet.transfer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_error()')
{
    my ($what) = $trigger =~ /(DEFERRED|BEFORE)/;
    my $last = ask($node, $db, 'SELECT coalesce(max(request_id), 0) FROM wallet.request');

    $node->safe_psql($db, "$raise $trigger");
    $node->safe_psql($db, deposits_sql(map { [$_, 1] } 1 .. 20));
    becomes($node, $db, sprintf($outcomes, $last), $expected, "$what: each has its own outcome");
    $node->safe_psql($db, 'DROP TRIGGER raise_error ON wallet.transfer');
    becomes($node, $db, queued(), '0', "$what: those that waited are carried out without it", 15);
}

# What is refused is told by its handshake, in the code's words.
$node->safe_psql($db, "CREATE TRIGGER raise_error BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION raise_error()");
my $handshake = ask($node, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":1,"wallet_id":1,"amount":1}')});
becomes($node, $db, "SELECT state, code, message FROM wallet_lookup('deposit', 1, '$handshake')",
    'rejected|insufficient_funds|the source wallet does not hold enough money', 'the handshake tells it');

all_is_well($node, $db, 'refusals');
done_testing();
