# A server without shared_preload_libraries: everything but the worker.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('no_preload');

# The settings go with the library.
$node->stop;
$node->adjust_conf('postgresql.conf', $_, undef)
    foreach 'shared_preload_libraries', 'pg_wallet.poll_interval';
$node->start;
new_database($node, $db);
is(ask($node, 'postgres', 'SHOW shared_preload_libraries'), '', 'nothing is preloaded');

# Each ask() is a session of its own, which has not loaded the library before.
is(ask($node, $db, 'SELECT wallet_id, amount FROM wallet_create(1, 100)'),
    '1|100.00', 'wallet_create');
is(ask($node, $db, 'SELECT wallet_id, amount FROM wallet_create(2)'),
    '2|0.00', 'wallet_create without money');
is(ask($node, $db, 'SELECT amount FROM wallet_get(1)'), '100.00', 'wallet_get');
is(ask($node, $db, 'SELECT amount, destination_balance FROM wallet_transfer(1, 2, 22.12)'),
    '22.12|22.12', 'wallet_transfer');
is(ask($node, $db, 'SELECT destination_balance FROM wallet_deposit(1, 1)'),
    '78.88', 'wallet_deposit');
is(ask($node, $db, 'SELECT source_balance FROM wallet_withdraw(1, 1)'), '77.88', 'wallet_withdraw');
is(ask($node, $db, q{SELECT status FROM wallet_set_status(2, 'frozen')}),
    'frozen', 'wallet_set_status');
is(ask($node, $db, q{SELECT status FROM wallet_set_status(2, 'active')}), 'active', 'and back');
is(ask($node, $db, 'SELECT count(*) FROM wallet_history(1)'),             '4', 'wallet_history');
my $handshake = ask($node, $db,
    "SELECT wallet_enqueue('transaction', '" . transfer_json(1, 2, 77.88) . "', 'once')");
like($handshake, qr/^[0-9a-f]{64}$/, 'wallet_enqueue');
my $lookup = "SELECT state, code FROM wallet_lookup('transaction', 1, '$handshake')";
is(ask($node, $db, $lookup), 'queued|', 'wallet_lookup: it waits');
is( ask($node,
        $db,
        'SELECT queued, posted IS NULL, worker_pid IS NULL, started_at IS NULL, heartbeat IS NULL,
            gaps IS NULL FROM wallet.queue'
    ),
    '1|t|t|t|t|t',
    'the view shows the queue, and nulls for the worker');
like(ask($node, $db, 'SELECT * FROM wallet_ready()'),
    qr/^f\|the library is not preloaded/, 'wallet_ready() says that there is no worker');
is(ask($node, $db, 'SELECT wallet_process()'), '1',                   'wallet_process posts it');
is(ask($node, $db, $lookup),                   'processed|processed', 'wallet_lookup: it is done');
is(ask($node, $db, 'SELECT wallet_process()'), '0',                   'there is nothing more');
is(ask($node, $db, 'SELECT wallet_audit()'),   't',                   'wallet_audit');
is(ask($node, $db, 'SELECT wallet_expire_idempotency_keys()'),
    '0', 'wallet_expire_idempotency_keys: too early');
is( ask($node,
        $db,
        q{UPDATE wallet.idempotency_key SET created_at = now() - interval '8 days';
            SELECT wallet_expire_idempotency_keys()}
    ),
    '1',
    'wallet_expire_idempotency_keys: a week has passed');
like(ask($node, $db, 'SELECT wallet_transfer(1, 2, 1)'), qr/ERROR/, 'a refusal is an error');
all_is_well($node, $db, 'without preload');

# Money is not dropped by accident, by any way.
$node->safe_psql($db, 'CREATE SCHEMA other');
like(ask($node, $db, $_), qr/ERROR:  .*journal holds transfers/, "$_ is refused in a fresh session")
    foreach 'DROP EXTENSION pg_wallet', 'DROP EXTENSION pg_wallet CASCADE',
    'DROP SCHEMA public CASCADE';
$node->safe_psql($db, 'CREATE TABLE parent (); ALTER TABLE wallet.transfer INHERIT parent');
like(
    ask($node, $db, 'DROP TABLE parent CASCADE'),
    qr/ERROR:  .*(journal holds transfers|rows that are to be kept)/,
    'the journal does not go with a table that it inherits from');
$node->safe_psql($db, 'ALTER TABLE wallet.transfer NO INHERIT parent; DROP TABLE parent');
$node->safe_psql('postgres', 'CREATE ROLE owner SUPERUSER LOGIN; CREATE DATABASE owned');
$node->safe_psql('owned', 'SET ROLE owner; CREATE EXTENSION pg_wallet; SELECT wallet_create(1, 1)');
like(
    ask($node, 'owned', 'DROP OWNED BY owner CASCADE'),
    qr/ERROR:  .*journal holds transfers/,
    'and so is DROP OWNED');
is(ask($node, $db, 'SELECT count(*) FROM wallet.transfer'), '5', 'and the money is there');
is(ask($node, $db, 'DROP SCHEMA other'),                    '',  'another schema may go');
is(ask($node, $db, 'SET pg_wallet.allow_drop = on; DROP EXTENSION pg_wallet'),
    '', 'whoever means it can do it');
is(ask($node, $db, 'CREATE EXTENSION pg_wallet; DROP EXTENSION pg_wallet'),
    '', 'a journal without money may go as it is');

done_testing();
