# Bugs that users of other ledgers have reported, one after the other: none of them is here.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use Test::More;
use WalletServer;

# The worker of "queued" posts; nobody does in "called", so that a hold that is due stays as it is.
my $node = new_server('others_bugs', conf => "pg_wallet.poll_interval = '100ms'\npg_wallet.databases = 'queued'\n");

new_database($node, $_) foreach qw(queued called);
worker_pid($node, 'queued');

# A statement in a session of its own, which may have to wait; said() is what came of it.
sub begin
{
    my ($db, $sql) = @_;
    my %session = (out => '', err => '');

    $session{run} = IPC::Run::start(
        [$node->installed_command('psql'), '-XqAt', '-v', 'VERBOSITY=verbose', '-h', $node->host, '-p', $node->port, '-d', $db, '-c', $sql],
        '>', \$session{out}, '2>', \$session{err});
    return \%session;
}

sub said
{
    my ($session) = @_;

    $session->{run}->finish;
    chomp $session->{out};
    return $session->{err} =~ /^ERROR: +(\w{5})/ ? $1 : $session->{out};
}

# The statement twice at once: the second one waits for the first one's commit.
sub twice_at_once
{
    my ($db, $sql, $second_says, $name) = @_;
    my $first = $node->background_psql($db);

    $first->query_safe("BEGIN; $sql;");
    my $second = begin($db, $sql);
    becomes($node, $db, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'}, '1', "$name: the second one waits");
    $first->query_safe('COMMIT');
    $first->quit;
    is(said($second), $second_says, "$name: and is told why");
    return;
}

# Two wallets, the first with so much: (payer, payee), which are their users, too.
sub wallets
{
    my ($db, $amount) = @_;

    return map { ask($node, $db, "SELECT wallet_id FROM wallet_create((SELECT coalesce(max(user_id), 0) + 1 FROM wallet.wallet), $_)") } $amount, 0;
}

sub one { return ask($node, $_[0], "SELECT $_[1]") }
sub amounts { return ask($node, $_[0], "SELECT amount, held, available FROM wallet_get($_[1])") }
sub sqlstate { return said(begin($_[0], "SELECT $_[1]")) }

# The id of a new hold.
sub hold
{
    my ($db, $payer, $payee, $amount, $more) = @_;

    return one($db, "transfer_id FROM wallet_hold($payer, $payee, $amount" . ($more // '') . ')');
}

# Queues the request; returns its handshake.
sub enqueue
{
    my ($kind, $json, $key) = @_;

    return one('queued', "wallet_enqueue('$kind', '$json'" . (defined $key ? ", '$key'" : '') . ')');
}

# What became of a queued request.
sub outcome_is
{
    my ($kind, $user, $handshake, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return becomes($node, 'queued', "SELECT code FROM wallet_lookup('$kind', $user, '$handshake')", $expected, $name);
}

# ---- Refunded twice at once ----
{
    my ($payer, $payee) = wallets('called', 100);
    my $sale = one('called', "transfer_id FROM wallet_transfer($payer, $payee, 60)");

    one('called', "transfer_id FROM wallet_deposit($payee, 500)");
    twice_at_once('called', "SELECT transfer_id FROM wallet_reverse($sale)", 'PW224', 'refunded twice at once');
    is(amounts('called', $payer), '100.00|0.00|100.00', 'the payer has the money back once');
    $sale = one('called', "transfer_id FROM wallet_transfer($payer, $payee, 60)");
    twice_at_once('called', "SELECT transfer_id FROM wallet_reverse($sale, 40)", 'PW228', 'two parts that are too much together');
    is(amounts('called', $payer), '80.00|0.00|80.00', 'one part has come back');

    ($payer, $payee) = wallets('queued', 100);
    $sale = one('queued', "transfer_id FROM wallet_transfer($payer, $payee, 60)");
    my $session = $node->background_psql('queued');
    $session->query_safe("BEGIN; SELECT wallet_reverse($sale)");
    my $refund = enqueue('reversal', qq({"user_id":$payee,"transfer_id":$sale}));
    $session->query_safe('COMMIT');
    $session->quit;
    outcome_is('reversal', $payee, $refund, 'already_reversed', 'a refund in the queue beside one that is under way');
    is(amounts('queued', $payer), '100.00|0.00|100.00', 'the payer has the money back once');
}

# ---- Voided twice, captured twice at once ----
{
    my ($payer, $payee) = wallets('called', 100);
    my $hold = hold('called', $payer, $payee, 60);

    one('called', "transfer_id FROM wallet_void($hold)");
    is(sqlstate('called', "wallet_void($hold)"), 'PW221', 'voided twice: the second time it is voided already');
    is(amounts('called', $payer), '100.00|0.00|100.00', 'what was reserved is available once');
    $hold = hold('called', $payer, $payee, 60);
    twice_at_once('called', "SELECT transfer_id FROM wallet_void($hold)", 'PW221', 'voided twice at once');
    is(amounts('called', $payer), '100.00|0.00|100.00', 'what was reserved is available once');
    $hold = hold('called', $payer, $payee, 60);
    twice_at_once('called', "SELECT transfer_id FROM wallet_capture($hold)", 'PW220', 'captured twice at once');
    is(amounts('called', $payer), '40.00|0.00|40.00', 'money moved once');
    $hold = hold('called', $payer, $payee, 30);
    twice_at_once('called', "SELECT transfer_id FROM wallet_capture($hold, 20, final => false)", 'PW227', 'two partial captures that are too much together');
    is(amounts('called', $payer), '20.00|10.00|10.00', 'the rest stays reserved');
}

# ---- Captured after the hold was refused ----
{
    my ($payer, $payee) = wallets('queued', 100);
    my $hold    = enqueue('hold',    qq({"user_id":$payer,"source_wallet_id":$payer,"dest_wallet_id":$payee,"amount":100.01}));
    my $capture = enqueue('capture', qq({"user_id":$payee,"hold_handshake_id":"$hold"}));

    outcome_is('hold',    $payer, $hold,    'insufficient_funds', 'a hold is refused');
    outcome_is('capture', $payee, $capture, 'hold_not_found',     'a capture that names that hold finds none');
    is(amounts('queued', $payer), '100.00|0.00|100.00', 'nothing moved');
    $hold = enqueue('hold', qq({"user_id":$payer,"source_wallet_id":$payer,"dest_wallet_id":$payee,"amount":70}));
    my @captures = map { enqueue('capture', qq({"user_id":$payee,"hold_handshake_id":"$hold"})) } 1 .. 2;
    outcome_is('capture', $payee, $captures[0], 'processed',     'one that was accepted is captured');
    outcome_is('capture', $payee, $captures[1], 'hold_captured', 'once');
}

# ---- A hold forgotten by the available balance ----
{
    my ($payer, $payee) = wallets('called', 100);

    hold('called', $payer, $payee, 60);
    is(amounts('called', $payer), '100.00|60.00|40.00', 'what is held is not available');
    is(sqlstate('called', $_), 'PW215', "and so is refused: $_")
        foreach "wallet_transfer($payer, $payee, 40.01)", "wallet_withdraw($payer, 40.01)", "wallet_hold($payer, $payee, 40.01)",
        qq(wallet_group('[{"kind":"fee","source_wallet_id":$payer,"dest_wallet_id":$payee,"amount":40.01}]'));
    is(one('called', "wallet_dry_run('withdrawal', '{\"wallet_id\":$payer,\"amount\":40.01}') ->> 'code'"), 'insufficient_funds', 'a dry run says so, too');
    is(one('called', "amount FROM wallet_transfer($payer, $payee, 99, amount_mode => 'up_to')"), '40.00', 'up_to moves no more');
    is(sqlstate('called', "wallet_transfer($payer, $payee, NULL, amount_mode => 'all')"), 'PW215', 'and then there is nothing left');
    is(sqlstate('called', "wallet_close($payer, $payee)"), 'PW231', 'a wallet with an open hold is not closed');
}

# ---- An expired hold that still blocks a payment ----
{
    my ($payer, $payee) = wallets('called', 100);
    my $hold  = hold('called', $payer, $payee, 60, ", expires_in => '1 hour'");
    my $later = "set_config('pg_wallet.clock_offset', '1 hour', false)";

    is(ask($node, 'called', "SELECT FROM $later; SELECT amount, held, available FROM wallet_get($payer)"), "100.00|0.00|100.00", 'a hold that is due counts nowhere');
    like(ask($node, 'called', "SELECT FROM $later; SELECT amount FROM wallet_transfer($payer, $payee, 100)"), qr/^100\.00$/m, 'a payment is not held up, though nobody has swept');
    is(one('called', "string_agg(wallet.kind_name(kind), ',' ORDER BY transfer_id) FROM wallet.transfer WHERE source_wallet_id = $payer"), 'hold,expiry,transaction', 'the expiry is on record, and comes first');
    is(ask($node, 'called', "SELECT FROM $later; SELECT state FROM wallet_hold_get($hold)"), "expired", 'the hold has expired');
}

# ---- A lock error that hides the state ----
{
    my ($payer, $payee) = wallets('queued', 100);
    my $hold    = hold('queued', $payer, $payee, 60);
    my $session = $node->background_psql('queued');

    $session->query_safe("BEGIN; SELECT wallet_capture($hold)");
    my @asked = map { [$_, enqueue($_, qq({"user_id":$payee,"hold_id":$hold}))] } qw(capture void);
    my $direct = begin('queued', "SELECT wallet_void($hold)");
    my ($other) = wallets('queued', 1);

    outcome_is('deposit', $other, enqueue('deposit', qq({"user_id":$other,"wallet_id":$other,"amount":1})), 'processed', 'the queue goes on beside a wallet that somebody holds');
    is(one('queued', "state FROM wallet_lookup('$_->[0]', $payee, '$_->[1]')"), 'queued', "what needs that wallet waits: $_->[0]") foreach @asked;
    $session->query_safe('COMMIT');
    $session->quit;
    is(said($direct), 'PW220', 'a direct call that had to wait is told the state');
    outcome_is($_->[0], $payee, $_->[1], 'hold_captured', "so is a queued $_->[0]") foreach @asked;
}

# ---- A balance that a reversal drives below its floor unasked ----
{
    my ($payer, $payee) = wallets('queued', 100);
    my $sale = one('queued', "transfer_id FROM wallet_transfer($payer, $payee, 50)");

    one('queued', "wallet_set_limits($payee, 10)");
    one('queued', "transfer_id FROM wallet_withdraw($payee, 15)");
    is(sqlstate('queued', "wallet_reverse($sale)"), 'PW215', 'a reversal takes no more than there is above the floor');
    outcome_is('reversal', $payee, enqueue('reversal', qq({"user_id":$payee,"transfer_id":$sale,"shortfall":"overdraw"})), 'not_owner', 'who is no operator cannot overdraw');
    is(one('queued', "amount FROM wallet_reverse($sale, shortfall => 'available')"), '25.00', 'what is available stops at the floor');
    is(amounts('queued', $payee), '10.00|0.00|0.00', 'where it stays');
    is(one('queued', "amount, overdraw FROM wallet_reverse($sale, shortfall => 'overdraw')"), '25.00|t', 'an operator may ask for it, and the row says so');
    is(amounts('queued', $payee), '-15.00|0.00|-25.00', 'then debits stop');
}

# ---- A retry of up_to that moves another amount ----
{
    my ($payer, $payee) = wallets('queued', 30);
    my $call = "transfer_id, amount FROM wallet_transfer($payer, $payee, 100, amount_mode => 'up_to', idempotency_key => 'direct')";
    my $json = qq({"user_id":$payer,"source_wallet_id":$payer,"dest_wallet_id":$payee,"trans_sum":100,"amount_mode":"up_to"});
    my $first = one('queued', $call);

    like($first, qr/\|30\.00$/, 'up_to moves what there is');
    one('queued', "transfer_id FROM wallet_deposit($payer, 20)");
    is(one('queued', $call), $first, 'a retry after more has come moves nothing, and says the same');
    is(amounts('queued', $payer), '20.00|0.00|20.00', 'the rest is there');
    my $handshake = enqueue('transaction', $json, 'queued');
    outcome_is('transaction', $payer, $handshake, 'processed', 'the same through the queue');
    one('queued', "transfer_id FROM wallet_deposit($payer, 7)");
    is(enqueue('transaction', $json, 'queued'), $handshake, 'a retry gets the first handshake');
    becomes($node, 'queued', queued(), '0', 'the queue is empty');
    is(amounts('queued', $payer), '7.00|0.00|7.00', 'and nothing more has moved');
    is(one('queued', "amount::numeric(20, 2) FROM wallet_lookup('transaction', $payer, '$handshake')"), '20.00', 'the outcome says what moved');
}

is(ask($node, $_, q{SELECT concat(name, ': ', detail) FROM wallet_verify() WHERE NOT ok}), '', "$_: wallet_verify() finds no fault")
    foreach qw(queued called);
done_testing();
