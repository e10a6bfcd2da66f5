# Requests that fail through nobody's fault are set aside, whatever the error: all others go on, and
# they are carried out when the cause is gone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('culprits', conf => "pg_wallet.poll_interval = '1s'\n");

new_database($node, $db);
make_wallets($node, $db, 20, 100);
worker_pid($node, $db);
my $failing  = 'SELECT failing FROM wallet.queue';
my $position = log_position($node);

# Each of the wallets 3 to 6 has an error of its own.
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION bite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE NEW.destination_wallet_id
		WHEN 3 THEN RAISE insufficient_privilege USING MESSAGE = 'you may not';
		WHEN 4 THEN PERFORM FROM nowhere_to_be_found;
		WHEN 5 THEN RAISE object_not_in_prerequisite_state;
		WHEN 6 THEN RAISE disk_full;
		ELSE NULL;
	END CASE;
	RETURN NEW;
END
$$;
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION bite();
SQL
$node->safe_psql($db, deposits_sql(map { [$_ % 8 + 1, 1] } 0 .. 399));
my $settled = q{SELECT count(*) FROM wallet.transfer WHERE request_id IS NOT NULL};
becomes($node, $db, $settled, '200', 'those for the other wallets are carried out');
becomes($node, $db, $failing, '4', 'one request of each wallet that fails is set aside');
is( ask($node, $db,
        'SELECT failing_request_id = (SELECT min(request_id) FROM wallet.request WHERE destination_wallet_id = 3),
            failing_error, failing_since < clock_timestamp(), failing_attempts > 0, deferred FROM wallet.queue'),
    't|you may not|t|t|200', 'wallet.queue shows the one that has failed for longest');
$node->safe_psql($db, deposits_sql([7, 1]));
becomes($node, $db, $settled, '201', 'what comes later goes on');
log_becomes($node, $position, qr/LOG:  request \d+ fails, and waits: you may not/,
    'the log says it');
my @said = log_since($node, $position) =~ /request \d+ fails, and waits/g;
is(scalar(@said), 4, 'once for each');
foreach my $duty (qw(operator auditor))
{
    ask($node, $db, "CREATE ROLE the_$duty; SELECT wallet_grant('the_$duty', '$duty')");
    is(ask($node, $db, "SET ROLE the_$duty; $failing"), '4', "an $duty sees it");
}
# One cause goes: its requests are carried out, in their order, and those of the others wait.
$node->safe_psql($db, 'CREATE TABLE public.nowhere_to_be_found (); GRANT SELECT ON public.nowhere_to_be_found TO public');
$node->safe_psql($db, 'ALTER FUNCTION bite() SET search_path = public');
becomes($node, $db, 'SELECT amount FROM wallet_get(4)', '150.00', 'one cause has gone', 15);
is(ask($node, $db, $failing), '3', 'the others have not');
$node->safe_psql($db, 'DROP TRIGGER bite ON wallet.transfer');
becomes($node, $db, queued(), '0', 'all causes have gone', 15);
becomes($node, $db, 'SELECT failing, failing_request_id, failing_error FROM wallet.queue', '0||', 'nothing is shown');
is(ask($node, $db, 'SELECT count(*) FROM wallet.outcome WHERE code IS NOT NULL AND code <> $$processed$$'),
    '0', 'nothing was refused');
is(ask($node, $db, <<'SQL'), 't', 'and each wallet had its requests in their order');
SELECT bool_and(in_order) FROM (SELECT transfer_id > lag(transfer_id) OVER
	(PARTITION BY destination_wallet_id ORDER BY request_id) AS in_order
	FROM wallet.transfer WHERE request_id IS NOT NULL) AS t
SQL

# Many culprits, interleaved with others; some are refused for what they say themselves.
$node->safe_psql($db, <<'SQL');
CREATE OR REPLACE FUNCTION bite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.destination_wallet_id > 10 THEN
		RAISE insufficient_privilege USING MESSAGE = 'wallet ' || NEW.destination_wallet_id;
	ELSIF NEW.amount = 1300 THEN
		RAISE EXCEPTION 'thirteen';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION bite();
SQL
my $before = ask($node, $db, $settled);
$node->safe_psql($db, deposits_sql(map { [$_ % 20 + 1, $_ % 50 == 6 ? 13 : 1] } 0 .. 199));
becomes($node, $db, $failing, '10', 'ten culprits of one kind');
becomes($node, $db, 'SELECT count(*) FROM wallet.outcome', '2', 'two of another');
becomes($node, $db, "SELECT ($settled) - $before", '98', 'and all others are carried out');
$node->safe_psql($db, 'DROP TRIGGER bite ON wallet.transfer');
becomes($node, $db, queued(), '0', 'and so are the ten, with those behind them', 15);

# Everything fails: the queue pauses, and says so a few times; then it goes on.
$node->safe_psql($db, <<'SQL');
CREATE OR REPLACE FUNCTION bite() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE disk_full USING MESSAGE = 'no space'; END $$;
CREATE TRIGGER bite BEFORE INSERT ON wallet.transfer FOR EACH STATEMENT EXECUTE FUNCTION bite();
SQL
$position = log_position($node);
$node->safe_psql($db, deposits_sql(map { [$_ % 20 + 1, 1] } 0 .. 199));
becomes($node, $db, "SELECT failing > 0 FROM wallet.queue", 't', 'everything fails');
log_stays($node, $position, qr/^never$/, 2, 'for a while');
my @lines = log_since($node, $position) =~ /(no space)/g;
cmp_ok(scalar(@lines), '<', 60, 'and the log is not full of it');
is(ask($node, $db, queued()), '200', 'nothing is lost');
$node->safe_psql($db, 'DROP TRIGGER bite ON wallet.transfer');
becomes($node, $db, queued(), '0', 'all is carried out when there is space', 20);
is(ask($node, $db, 'SELECT count(*) FROM wallet.outcome'), '2', 'and nothing was refused');

all_is_well($node, $db, 'culprits');
done_testing();
