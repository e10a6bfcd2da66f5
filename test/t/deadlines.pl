# Requests with a deadline, and requests that name a hold by its handshake, while a wallet is locked
# or a transaction is open: who waits, who is told at once, and who is not held up.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('deadlines', conf => "pg_wallet.poll_interval = '100ms'\n");

new_database($node, $db);
make_wallets($node, $db, 8, 100);
worker_pid($node, $db);

my $holder = $node->background_psql($db);
my $other  = $node->background_psql($db);

sub enqueue
{
    my ($kind, $members, $until) = @_;
    $members .= ", 'valid_until', clock_timestamp() + interval '$until'" if $until;
    return ask($node, $db, "SELECT wallet_enqueue('$kind', json_build_object($members))");
}

sub ends
{
    my ($kind, $user, $handshake, $expected, $name) = @_;
    becomes($node, $db,
        "SELECT coalesce(code, state) FROM wallet_lookup('$kind', $user, '$handshake')",
        $expected, $name);
    return;
}

sub stands
{
    my ($kind, $user, $handshake) = @_;
    return ask($node, $db,
        "SELECT coalesce(code, state) FROM wallet_lookup('$kind', $user, '$handshake')");
}

# A wallet stays locked: what has a deadline is told in time, at any place of the line.
$holder->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 1 FOR UPDATE');
my $first = enqueue('deposit', q{'user_id', 1, 'wallet_id', 1, 'amount', 1});
my $late  = enqueue('transaction',
    q{'user_id', 1, 'source_wallet_id', 1, 'dest_wallet_id', 2, 'trans_sum', 2}, '300 ms');
my $behind = enqueue('deposit', q{'user_id', 2, 'wallet_id', 2, 'amount', 4});
my $later  = enqueue('deposit', q{'user_id', 1, 'wallet_id', 1, 'amount', 8}, '1 hour');
ends('transaction', 1, $late, 'request_expired', 'an expired request is told while its wallet is locked');
ends('deposit', 2, $behind, 'processed', 'and blocks nobody behind it any more');
is(stands('deposit', 1, $first), 'queued', 'the request before it still waits');
is(stands('deposit', 1, $later), 'queued', 'and so does the one behind it that has time');

# A hold that waits for the locked wallet, and what names it.
my $hold = enqueue('hold', q{'user_id', 1, 'source_wallet_id', 1, 'dest_wallet_id', 3, 'amount', 50});
my $capture = enqueue('capture', "'user_id', 3, 'hold_handshake_id', '$hold', 'amount', 20, 'final', false");
my $void    = enqueue('void', "'user_id', 3, 'hold_handshake_id', '$hold'");
my $short = enqueue('capture', "'user_id', 3, 'hold_handshake_id', '$hold'", '200 ms');
ends('capture', 3, $short, 'request_expired', 'one that names a hold can expire, too');
is(stands('capture', 3, $capture), 'queued', 'the capture waits for its hold');
$holder->query_safe('COMMIT');
ends('void', 3, $void, 'processed', 'what names the hold is carried out');
is(stands('capture', 3, $capture), 'processed', 'in its order');
is(ask($node, $db, 'SELECT array_agg(kind ORDER BY transfer_id) FROM wallet.transfer WHERE link_id IS NOT NULL'),
    '{7,8,9}', 'hold, capture and void');
is(ask($node, $db, 'SELECT balance, held FROM wallet.wallet WHERE wallet_id = 1'), '8900|0', 'the payer has paid 20');

# Found while the payer's wallet is locked: now the capture waits for the wallet, and so do later payments.
$hold = enqueue('hold', q{'user_id', 5, 'source_wallet_id', 5, 'dest_wallet_id', 6, 'amount', 50});
ends('hold', 5, $hold, 'processed', 'a hold');
$holder->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 5 FOR UPDATE');
$capture = enqueue('capture', "'user_id', 6, 'hold_handshake_id', '$hold'");
becomes($node, $db, 'SELECT deferred FROM wallet.queue', '1', 'its capture waits for the locked wallet');
my $spent = enqueue('withdrawal', q{'user_id', 6, 'wallet_id', 6, 'amount', 150});
becomes($node, $db, 'SELECT deferred FROM wallet.queue', '2', 'and the payee\'s next payment for the capture');
$holder->query_safe('COMMIT');
ends('withdrawal', 6, $spent, 'processed', 'which it is paid from');

# A hold of a transaction that is still open, or that is rolled back.
my ($open) = $holder->query_safe(q{BEGIN; SELECT wallet_enqueue('hold', '{"user_id":7,"source_wallet_id":7,"dest_wallet_id":8,"amount":5}')}) =~ /([0-9a-f]{64})/;
my ($never) = $other->query_safe(q{BEGIN; SELECT wallet_enqueue('hold', '{"user_id":7,"source_wallet_id":7,"dest_wallet_id":8,"amount":5}')}) =~ /([0-9a-f]{64})/;
my $of_open  = enqueue('capture', "'user_id', 8, 'hold_handshake_id', '$open'");
my $of_never = enqueue('capture', "'user_id', 8, 'hold_handshake_id', '$never'");
becomes($node, $db, 'SELECT deferred FROM wallet.queue', '2', 'two captures of holds that are not there yet');
my $free = enqueue('transaction', q{'user_id', 8, 'source_wallet_id', 8, 'dest_wallet_id', 7, 'trans_sum', 5});
ends('transaction', 8, $free, 'processed', 'which make no wallet busy');
$other->query_safe('ROLLBACK');
$holder->query_safe('COMMIT');
ends('capture', 8, $of_open,  'processed',      'one hold came');
ends('capture', 8, $of_never, 'hold_not_found', 'the other one never came');

# A group waits as one: its legs are kept while it waits, and a restart finds all of it again.
$holder->query_safe('BEGIN; SELECT FROM wallet.wallet WHERE wallet_id = 1 FOR UPDATE');
my $legs = join ',', map { qq({"kind":"transaction","source_wallet_id":1,"dest_wallet_id":$_,"trans_sum":1}) } 2 .. 8;
my $group = ask($node, $db, qq{SELECT wallet_enqueue('group', '{"user_id":1,"legs":[$legs]}')});
my $after = enqueue('deposit', q{'user_id', 8, 'wallet_id', 8, 'amount', 1});
my $named = enqueue('hold', q{'user_id', 1, 'source_wallet_id', 1, 'dest_wallet_id', 8, 'amount', 1});
$capture = enqueue('capture', "'user_id', 8, 'hold_handshake_id', '$named'");
becomes($node, $db, 'SELECT deferred FROM wallet.queue', '4', 'a group, a deposit behind it, a hold and its capture');
$holder->quit;
$other->quit;
$node->stop('immediate');
$node->start;
ends('deposit', 8, $after, 'processed', 'after a restart the deposit is posted');
is(stands('group', 1, $group), 'processed', 'and so is the group before it');
ends('capture', 8, $capture, 'processed', 'and the capture of the hold that was queued last');

all_is_well($node, $db, "deadlines and named holds");
$node->stop;
done_testing();
