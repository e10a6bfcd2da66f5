# Moving to another server by logical replication, by exactly the statements that docs/operations.md
# gives: payments go on meanwhile, and the new server goes on where the old one has stopped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db = 'payments';

# The statements, by the comment over each block: "-- on the old server: publish".
my %documented;
{
    my $manual = slurp_file('docs/operations.md');
    my ($section) = $manual =~ /^## Moving to another server\n(.*?)(?=^## |\z)/ms;
    while ($section =~ /```sql\n-- (on the (?:old|new) server: [^\n]*)\n(.*?)```/gs)
    {
        $documented{$1} = $2;
    }
}
is(join(', ', sort keys %documented),
    'on the new server: open, on the new server: subscribe, on the new server: unsubscribe, on the old server: compare, on the old server: publish',
    'the manual has every step');

my $old = new_server('old', init => { allows_streaming => 'logical' }, conf => "pg_wallet.poll_interval = '50ms'\n");
my $new = new_server('new', init => { allows_streaming => 'logical' }, conf => "pg_wallet.poll_interval = '50ms'\n");
my $position = log_position($new);

sub step
{
    my ($node, $name) = @_;
    my $sql = $documented{$name} // '';

    my $connection = sprintf('host=%s port=%s dbname=%s', $old->host, $old->port, $db);

    $sql =~ s/'host=old [^']*'/'$connection'/;
    return ask($node, $db, $sql);
}

# Something of everything on the old server, in three partitions.
new_database($old, $db);
$old->safe_psql($db, "INSERT INTO wallet.currency (code, number, minor_digits) VALUES ('pts', 1001, 4)");
make_wallets($old, $db, 20, 1000);
$old->safe_psql($db, q{SELECT wallet_create(21, 0.1234, 'pts'); SELECT wallet_transfer(1, 2, 3.21, 'exact', '{"for": "lunch"}', 'direct')});
$old->safe_psql($db, operations_sql());
my $handshake = ask($old, $db, q{SELECT wallet_enqueue('transaction', '} . transfer_json(1, 2, 77.88) . q{', 'queued')});
becomes($old, $db, queued(), '0', 'a request is posted');
is(ask($old, $db, 'SELECT wallet_rotate_requests()'), 't', 'a new partition');
$old->safe_psql($db, q{SELECT wallet_api_key_create('app', '{read}'); SELECT wallet_api_key_create('gone', '{read}'); SELECT wallet_api_key_revoke('gone'); SELECT wallet_audit()});
is(ask($old, $db, deposits_sql(map { [ 1 + $_ % 20, 1 ] } 1 .. 100)), '100', 'requests in it');

is(step($old, 'on the old server: publish'), '', 'published');
$new->safe_psql('postgres', "CREATE DATABASE $db");
my $subscribed = step($new, 'on the new server: subscribe'); unlike($subscribed, qr/ERROR/, 'subscribed') or BAIL_OUT($subscribed);
becomes($new, $db, q{SELECT count(*) > 8 AND bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel}, 't', 'the initial copy is through');

# Payments go on, a key is revoked and an idempotency key expires, and nothing is posted by the new server.
is(ask($old, $db, transfers_sql(map { [ 1 + $_ % 20, 1 + ($_ + 1) % 20, 1 ] } 1 .. 200)), '200', 'payments go on');
$old->safe_psql($db, q{SELECT wallet_transfer(2, 3, 1), wallet_create(22, 5), wallet_api_key_revoke('app')});
is(ask($old, $db, q{UPDATE wallet.idempotency_key SET created_at = created_at - interval '1 year' WHERE key = 'direct'; SELECT wallet_expire_idempotency_keys()}), '1', 'a key expires');
becomes($old, $db, queued(), '0', 'all is posted');

# The worker of the old one ends, and what is queued now is for the new one.
set_conf($old, 'pg_wallet.worker' => 'off');
becomes($old, $db, 'SELECT count(*) FROM wallet.queue WHERE worker_pid IS NOT NULL', '0', 'the old worker has ended');
my $waiting = ask($old, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":5,"wallet_id":5,"amount":7}', 'waiting')});
is(ask($old, $db, deposits_sql(map { [ 1 + $_ % 20, 1 ] } 1 .. 49)), '49', 'requests wait');
ask($old, $db, 'BEGIN; ' . deposits_sql([ 1, 1 ], [ 1, 1 ]) . '; SELECT wallet_transfer(1, 2, 1); ROLLBACK');
becomes($old, $db, $documented{'on the old server: compare'}, 't', 'all has arrived');
is(ask($new, $db, queued()), '50', 'it waits there, too');
like(ask($new, $db, 'SELECT wallet_process()'), qr/^0$|the queue is closed.*REFRESH MATERIALIZED VIEW wallet\.opening/s, 'and nobody posts it yet');
my $unready = ask($new, $db, $documented{'on the new server: unsubscribe'});
unlike($unready, qr/ERROR/, 'unsubscribed');

# Too early: sequences and queue are as CREATE EXTENSION made them.
like(ask($new, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":5,"wallet_id":5,"amount":7}')}), qr/ERROR:  sequence wallet\.request_id_seq is behind.*HINT/s, 'nothing is queued before the sequences are set');
like(ask($new, $db, 'SELECT wallet_transfer(1, 2, 1)'), qr/ERROR:  sequence wallet\.transfer_id_seq is behind/, 'nor paid');
unlike(step($new, 'on the new server: open'), qr/ERROR/, 'the queue is opened');

becomes($new, $db, queued(), '0', 'what was queued on the old one is posted by the new one');
is(ask($new, $db, "SELECT state, code FROM wallet_lookup('transaction', 1, '$handshake')"), 'processed|processed', 'a handshake of the old one says what it said');
is(ask($new, $db, "SELECT state, code FROM wallet_lookup('deposit', 5, '$waiting')"), 'processed|processed', 'one that was waiting tells its outcome');
is(ask($new, $db, q{SELECT wallet_enqueue('deposit', '{"user_id":5,"wallet_id":5,"amount":7}', 'waiting')}), $waiting, 'a retry with its key is the same request');
is(ask($new, $db, deposits_sql([ 21, 0.0001 ], [ 22, 1 ])), '2', 'the queue goes on');
is(ask($new, $db, q{SELECT wallet_id FROM wallet_create(30, 1)}), '23', 'with new wallets');
is(ask($new, $db, q{SELECT count(*) FROM wallet_transfer(1, 2, 1)}), '1', 'and payments');
is(ask($new, $db, 'SELECT held FROM wallet_capture((SELECT max(hold_id) FROM wallet.hold WHERE state = 0), 5)'), '0.00', 'and holds');
like(ask($new, $db, 'SELECT ceiling FROM wallet_set_limits(3, ceiling => 6000)'), qr/^6000/, 'and limits');
is(ask($new, $db, 'SELECT wallet_rotate_requests()'), 't', 'and partitions');
is(ask($new, $db, deposits_sql([ 1, 1 ])), '1', 'whose requests');
becomes($new, $db, queued(), '0', 'are posted');
is(ask($new, $db, 'SELECT count(*) FROM wallet_api_keys() WHERE revoked_at IS NULL'), '0', 'revoked keys are revoked');
is(ask($new, $db, 'SELECT count(*) FROM wallet.secret'), '1', 'there is one secret');
all_is_well($new, $db, 'the new server');

done_testing();
