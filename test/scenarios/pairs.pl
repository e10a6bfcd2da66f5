#!/usr/bin/perl
# pairs.pl KIND: prints pairs_KIND.scenario, in which each line breaks two rules and is refused for
# the first of them. test/unit/scenarios.t compares the files with what is printed here;
# `pairs.pl all` writes them.
#
# A flaw is [CODE, WAYS, ALTERNATIVE...]: what breaks the rule of that code is one of the
# alternatives, each a set of slots with their words. Two flaws go together where they have
# alternatives that want no slot to be two things. The flaws of a kind stand in the order of the
# rules. A slot's words may name other slots, {payer}: a flaw that gives the slot other words cannot
# go with one that is about the slots named.
#
# Beside its flaws a kind has these:
#   setup      the lines that make what the operations need
#   line       the operation, with its slots
#   slots      what stands in a slot where no flaw says otherwise
#   has_legs   the code of a refusal is followed by the leg, which is the first one
#   is_whole   codes that are judged of a group as a whole, and so without a leg
#   operators  an operator's call: there is no request
#   every      a line for each two alternatives that break no third rule, not for the first two
use strict;
use warnings;

use File::Basename qw(dirname);

my $all = 'rules direct queue';
my $asked = 'rules queue';
my @payload = qw(missing_member invalid_split invalid_shortfall invalid_expiry amount_not_positive amount_negative same_wallet invalid_max_capture);
# Over the queue an amount's decimals are counted at once. These rules come before that: where the
# currency is not known, no decimals can be counted.
my @before_decimals = (@payload, 'unknown_currency');
my $too_large = '9223372036854775807';

# What any request can get wrong.
my @of_requests = (
    [ 'idempotency_mismatch', 'queue', { key => 'key used', by => 'by rich' } ],
    [ 'request_expired', $asked, { valid => 'valid -1s' } ],
);
my @of_amounts = (
    [ 'amount_precision', $all, { amount => '0.001' } ],
    [ 'amount_too_large', $all, { amount => $too_large } ],
);
my $stranger = [ 'not_owner', $asked, { by => 'by stranger' } ];
my $above = [ 'amount_above_limit', $asked, { most => 'most 0.5' } ];

my $wallets = <<'END';
wallet rich 1000
wallet open 10
wallet poor
wallet euro 10 eur
wallet frozen 10
wallet closed
wallet full
wallet stranger
limits full ceiling 0
END
my $statuses = "status frozen frozen\nstatus closed closed\n[queue] deposit rich 2 by rich key used\n";

# Two wallets, of which either may be the one that breaks a rule.
my @of_two = (
    @of_requests,
    [ 'source_wallet_not_found', $all, { source => 'none' } ],
    [ 'destination_wallet_not_found', $all, { destination => 'nowhere' } ],
    $stranger,
    [ 'wallet_closed', $all, { destination => 'closed' }, { source => 'closed' } ],
    [ 'wallet_frozen', $all, { source => 'frozen' }, { destination => 'frozen' } ],
    [ 'currency_mismatch', $all, { destination => 'euro' }, { source => 'euro' } ],
    @of_amounts,
);
my $same = [ 'same_wallet', $all, map { { source => $_, destination => $_ } } qw(rich none closed frozen poor full deep euro) ];

# Holds in each state, between each two wallets; the lines that make them.
my @payers = qw(rich frozen poor);
my @payees = qw(open closed full);
my %made_by = (open => '', captured => 'capture', voided => 'void', expired => '');

sub holds {
    my @lines = ($wallets, "deposit poor 100\ndeposit frozen 10\nlimits full ceiling infinity\n");
    for my $state (sort keys %made_by) {
        for my $payer (@payers) {
            for my $payee (@payees) {
                my $name = "${payer}_${payee}_$state";
                push @lines, "$name: hold $payer $payee 1 max 1000 in " . ($state eq 'expired' ? '1h' : '30d') . "\n";
                push @lines, "$made_by{$state} $name\n" if $made_by{$state};
            }
        }
    }
    return join '', @lines, "withdraw poor all\nwithdraw closed all\nclock +2h\nexpire\nwithdraw poor all\nlimits full ceiling 0\n", $statuses;
}

# Transfers or groups of them, some of them reversed, between each two wallets: the payee gives
# back. Some of the money is left. H is what cannot be reversed.
sub transfers {
    my ($made, $reversed, $hold) = @_;
    my @lines = ($wallets, "deposit frozen 100\nlimits full ceiling infinity\ndeposit full 100\n");
    for my $payer (qw(rich closed full)) {
        push @lines, "deposit closed 100\n" if $payer eq 'closed';
        for my $payee (qw(open frozen poor)) {
            for my $state (qw(whole reversed)) {
                my $name = "${payer}_${payee}_$state";
                push @lines, "$name: " . $made =~ s/PAYER/$payer/gr =~ s/PAYEE/$payee/gr;
                push @lines, "$reversed $name by operator\n" if $state eq 'reversed';
            }
        }
    }
    push @lines, "withdraw closed all\nwithdraw poor all\n$hold", "limits full ceiling 0\n";
    return join '', @lines, $statuses;
}

# Wallets with money, or with a debt, some of them with an open hold and some frozen; and wallets
# into which they are swept.
sub closing {
    my @lines = ("wallet any\n");
    for my $name (map { my $status = $_; map { ("${status}_${_}_free", "${status}_${_}_held") } qw(money debt) } qw(active frozen)) {
        push @lines, $name =~ /debt/ ? "wallet $name\nlimits $name floor -50\nwithdraw $name 10\n" : "wallet $name 100\n";
        push @lines, "hold $name any 1 in 30d\n" if $name =~ /held/;
        push @lines, "status $name frozen\n" if $name =~ /frozen/;
    }
    for my $currency (qw(usd eur)) {
        for my $state (qw(active frozen closed)) {
            for my $room (qw(free full)) {
                my $name = "${currency}_${state}_$room";
                push @lines, "wallet $name 0 $currency\n";
                push @lines, "limits $name ceiling 0\n" if $room eq 'full';
                push @lines, "status $name $state\n" if $state ne 'active';
            }
        }
    }
    return join '', @lines;
}

my $hold_states = [ map { [ "hold_$_", $all, { state => $_ } ] } qw(captured voided expired) ];
my %kinds = (
    transfer => {
        setup => $wallets . $statuses,
        line => 'transfer {source} {destination} {amount} {by} {most} {key} {valid}',
        slots => { source => 'rich', destination => 'open', amount => 1 },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], $same, @of_two, $above,
            [ 'insufficient_funds', $all, { source => 'poor' }, { amount => 100000 } ],
            [ 'balance_limit', $all, { destination => 'full' } ] ],
    },
    withdraw => {
        setup => $wallets . $statuses,
        line => 'withdraw {source} {amount} {by} {most} {key} {valid}',
        slots => { source => 'rich', amount => 1 },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests, [ 'wallet_not_found', $all, { source => 'none' } ], $stranger,
            [ 'wallet_closed', $all, { source => 'closed' } ], [ 'wallet_frozen', $all, { source => 'frozen' } ], @of_amounts, $above,
            [ 'insufficient_funds', $all, { source => 'poor' }, { amount => 100000 } ] ],
    },
    deposit => {
        setup => $wallets . $statuses,
        line => 'deposit {source} {amount} {by} {most} {key} {valid}',
        slots => { source => 'rich', amount => 1 },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests, [ 'wallet_not_found', $all, { source => 'none' } ], $stranger,
            [ 'wallet_closed', $all, { source => 'closed' } ], [ 'wallet_frozen', $all, { source => 'frozen' } ], @of_amounts, $above,
            [ 'balance_limit', $all, { source => 'full' } ] ],
    },
    hold => {
        setup => "${wallets}wallet deep\nlimits deep floor -92233720368547758.07\nhold deep open 92233720368547758.07\ndeposit deep 100\n$statuses",
        line => 'hold {source} {destination} {amount} {max} {in} {by} {most} {key} {valid}',
        slots => { source => 'rich', destination => 'open', amount => 1 },
        flaws => [ [ 'invalid_expiry', $all, { in => 'in 0s' } ], [ 'amount_not_positive', $all, { amount => 0 } ], $same,
            [ 'invalid_max_capture', $all, { max => 'max 0.0001' } ], @of_two, $above,
            [ 'insufficient_funds', $all, { source => 'poor' }, { amount => 100000 } ],
            [ 'balance_limit', $all, { source => 'deep' } ] ],
    },
    capture => {
        setup => holds(),
        line => 'capture {hold} {amount} {by} {most} {key} {valid}',
        slots => { hold => '{payer}_{payee}_{state}', payer => 'rich', payee => 'open', state => 'open' },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states,
            [ 'wallet_closed', $all, { payee => 'closed' } ], [ 'wallet_frozen', $all, { payer => 'frozen' } ], @of_amounts,
            [ 'exceeds_hold', $all, { amount => 1001 } ], $above,
            [ 'insufficient_funds', $all, { payer => 'poor', amount => 2 } ],
            [ 'balance_limit', $all, { payee => 'full' } ] ],
    },
    void => {
        setup => holds(),
        line => 'void {hold} {amount} {by} {key} {valid}',
        slots => { hold => '{payer}_{payee}_{state}', payer => 'rich', payee => 'open', state => 'open' },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states, @of_amounts,
            [ 'exceeds_hold', $all, { amount => 2 } ] ],
    },
    extend => {
        setup => holds(),
        line => 'extend {hold} {amount} {in} {by} {most} {key} {valid}',
        slots => { hold => '{payer}_{payee}_{state}', payer => 'rich', payee => 'open', state => 'open', amount => 2 },
        flaws => [ [ 'invalid_expiry', $all, { in => 'in 0s' } ], [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states,
            [ 'wallet_closed', $all, { payee => 'closed' } ], [ 'wallet_frozen', $all, { payer => 'frozen' } ], @of_amounts,
            [ 'below_hold', $all, { amount => 0.5 }, { amount => 1 }, { in => 'in 1h' } ], $above,
            [ 'insufficient_funds', $all, { payer => 'poor' } ] ],
    },
    reverse => {
        setup => transfers("transfer PAYER PAYEE 5\n", 'reverse', "H: hold rich open 1\n"),
        line => 'reverse {transfer} {amount} {shortfall} {by} {most} {key} {valid}',
        slots => { transfer => '{payer}_{payee}_{state}', payer => 'rich', payee => 'open', state => 'whole' },
        flaws => [ [ 'invalid_shortfall', $all, { shortfall => 'shortfall loan' } ], [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'transaction_not_found', $all, { transfer => 'none' } ], $stranger, [ 'not_reversible', $all, { transfer => 'H' } ],
            [ 'already_reversed', $all, { state => 'reversed' } ],
            [ 'wallet_closed', $all, { payer => 'closed' } ], [ 'wallet_frozen', $all, { payee => 'frozen' } ], @of_amounts,
            [ 'exceeds_reversible', $all, { amount => 6 } ], $above,
            [ 'insufficient_funds', $all, { payee => 'poor' } ],
            [ 'balance_limit', $all, { payer => 'full' } ] ],
    },
    reverse_group => {
        setup => transfers("group\n- transfer PAYER PAYEE 3\n- transfer PAYER PAYEE 2\n", 'reverse_group', "H: group\n- hold rich open 1\n"),
        line => 'reverse_group {group} {by} {most} {key} {valid}',
        slots => { group => '{payer}_{payee}_{state}', payer => 'rich', payee => 'open', state => 'whole' },
        has_legs => 1,
        is_whole => [qw(transaction_not_found not_reversible already_reversed)],
        every => 1,
        flaws => [ @of_requests, [ 'transaction_not_found', $all, { group => 'none' } ], $stranger, [ 'not_reversible', $all, { group => 'H' } ],
            [ 'already_reversed', $all, { state => 'reversed' } ],
            [ 'wallet_closed', $all, { payer => 'closed' } ], [ 'wallet_frozen', $all, { payee => 'frozen' } ], $above,
            [ 'insufficient_funds', $all, { payee => 'poor' } ],
            [ 'balance_limit', $all, { payer => 'full' } ] ],
    },
    wallet => {
        setup => "${wallets}[queue] deposit rich 2 by rich key used\n[queue] wallet keyed $too_large eur key used -> amount_too_large\n",
        line => 'wallet {new} {amount} {currency} {most} {key} {valid}',
        slots => { new => 'fresh', amount => 1, currency => 'usd' },
        every => 1,
        flaws => [ [ 'amount_negative', $all, { amount => -1 }, { amount => '-0.001' }, { amount => "-$too_large" } ],
            [ 'idempotency_mismatch', 'queue', map { { key => 'key used', new => $_ } } qw(keyed rich) ],
            [ 'request_expired', $asked, { valid => 'valid -1s' } ],
            [ 'unknown_currency', $all, { currency => 'xxx' } ],
            [ 'wallet_exists', $all, { new => 'rich' } ],
            [ 'amount_precision', $all, { amount => '0.001' }, { amount => '-0.001' } ],
            [ 'amount_too_large', $all, { amount => $too_large }, { amount => "-$too_large" } ], $above ],
    },
    close => {
        setup => closing(),
        line => 'close {wallet} {sweep}',
        slots => { wallet => '{status}_{money}_{holds}', status => 'active', money => 'money', holds => 'free',
            sweep => 'sweep {currency}_{state}_{room}', currency => 'usd', state => 'active', room => 'free' },
        operators => 1,
        every => 1,
        # A wallet without money to sweep asks nothing of the other wallet, and may be frozen.
        flaws => [ [ 'same_wallet', $all, { sweep => 'sweep {wallet}' } ],
            [ 'wallet_not_found', $all, { wallet => 'none' } ],
            [ 'destination_wallet_not_found', $all, { sweep => 'sweep nowhere' } ],
            [ 'wallet_closed', $all, { state => 'closed' } ],
            [ 'wallet_frozen', $all, { state => 'frozen' }, { status => 'frozen', sweep => 'sweep {wallet}' }, { status => 'frozen', sweep => 'sweep nowhere' },
                map { { status => 'frozen', currency => $_ } } qw(usd eur) ],
            [ 'currency_mismatch', $all, { currency => 'eur' } ],
            [ 'balance_limit', $all, { room => 'full' } ],
            [ 'wallet_has_holds', $all, { holds => 'held' } ],
            [ 'wallet_not_empty', $all, { money => 'money', status => 'active', sweep => '' },
                map { { money => 'debt', status => 'active', %$_ } } { sweep => 'sweep {wallet}' }, { sweep => 'sweep nowhere' },
                { currency => 'usd', state => 'active', room => 'free' } ] ],
    },
    limits => {
        setup => $wallets . "limits closed ceiling 0\nstatus closed closed\n",
        line => 'limits {wallet} {floor} {ceiling}',
        slots => { wallet => 'rich', floor => 'floor 1' },
        operators => 1,
        every => 1,
        flaws => [ [ 'missing_member', $all, { floor => '', ceiling => '' } ],
            [ 'wallet_not_found', $all, { wallet => 'none' } ],
            [ 'wallet_closed', $all, { wallet => 'closed' } ],
            [ 'amount_precision', $all, map { ({ floor => "floor $_" }, { ceiling => "ceiling $_" }) } '0.001', '-0.001' ],
            [ 'amount_too_large', $all, map { ({ floor => "floor $_" }, { ceiling => "ceiling $_" }) } $too_large, "-$too_large" ],
            [ 'floor_above_ceiling', $all, map({ { wallet => 'full', floor => "floor $_" } } 1, '0.001', $too_large),
                { floor => 'floor 2', ceiling => 'ceiling 1' }, { floor => 'floor 2', ceiling => 'ceiling 0.001' },
                { floor => 'floor 2', ceiling => "ceiling -$too_large" } ] ],
    },
    split => {
        setup => $wallets . $statuses,
        line => "group {by} {most} {key} {valid}\n- split {source} {amount} open {share} {destination} {rest}",
        slots => { source => 'rich', destination => 'stranger', amount => 10, share => 5, rest => 'rest', by => 'by operator' },
        has_legs => 1,
        flaws => [ [ 'invalid_split', $all, { share => 'rest', rest => 'rest' }, { rest => '1000001ppm' } ],
            [ 'amount_not_positive', $all, { amount => 0 }, { share => 0 } ], $same, @of_requests,
            map({ [ $_->[0], $_->[1], map { my %slots = %$_; exists $slots{amount} && $slots{amount} eq '0.001' ? { share => '0.001' } : \%slots } @$_[ 2 .. $#$_ ] ] } @of_two[ 2 .. $#of_two ]),
            [ 'split_mismatch', $all, { share => 20 }, { share => 5, rest => 4 } ], $above,
            [ 'insufficient_funds', $all, { source => 'poor' }, { amount => 100000 } ],
            [ 'balance_limit', $all, { destination => 'full' } ] ],
    },
);

# Slots that both flaws want; undef where they can't go together.
sub merged {
    my ($kind, $first, $second) = @_;
    for my $slot (keys %$first) {
        return undef if exists $second->{$slot} && $second->{$slot} ne $first->{$slot};
    }
    my %slots = (%$first, %$second);
    for my $slot (keys %slots) {
        # What is not named by its parts has none.
        return undef if grep { exists $slots{$_} } ($kind->{slots}{$slot} // '') =~ /\{(\w+)\}/g;
    }
    return \%slots;
}

# Does an operation in these words break the rule?
sub breaks {
    my ($flaw, $words) = @_;
    for my $slots (@$flaw[ 2 .. $#$flaw ]) {
        return 1 unless grep { ($words->{$_} // '') ne $slots->{$_} } keys %$slots;
    }
    return 0;
}

# The slots of each two alternatives that go together, or of the first two.
sub together {
    my ($kind, $first, $second) = @_;
    my @others = grep { $_ != $first && $_ != $second } @{ $kind->{flaws} };
    my @found;
    for my $one (@$first[ 2 .. $#$first ]) {
        push @found, map { merged($kind, $one, $_) // () } @$second[ 2 .. $#$second ];
    }
    return @found ? $found[0] : () unless $kind->{every};
    return grep {
        my %words = (%{ $kind->{slots} }, %$_);
        !grep { breaks($_, \%words) } @others;
    } @found;
}

# A key and a stranger are asked for over the queue; and decimals may be counted there before all
# that is judged in its turn.
sub ways_of {
    my ($kind, $first, $second) = @_;
    my %second = map { $_ => 1 } split ' ', $second->[1];
    my @ways = grep { $second{$_} } split ' ', $first->[1];
    @ways = grep { $_ ne 'queue' } @ways
        if $second->[0] eq 'amount_precision' && !$kind->{operators} && !grep { $_ eq $first->[0] } @before_decimals;
    return @ways;
}

# What is said of the leg, where a leg is what the first of the two flaws is about.
sub leg_of {
    my ($kind, @codes) = @_;
    my %is_whole = map { $_ => 1 } @payload, qw(idempotency_mismatch request_expired), @{ $kind->{is_whole} // [] };
    return $kind->{has_legs} && !grep({ $is_whole{$_} } @codes) ? ' leg 0' : '';
}

# The operation in the slots' words: each on a line of its own, its legs below it.
sub operation {
    my ($kind, %word) = @_;
    my $text = $kind->{line};
    1 while $text =~ s/\{(\w+)\}/$word{$1} \/\/ ''/ge;
    return split /\n/, $text;
}

sub lines {
    my ($kind) = @_;
    my @flaws = @{ $kind->{flaws} };
    my (@lines, %seen);
    for my $i (0 .. $#flaws) {
        for my $j ($i + 1 .. $#flaws) {
            my @ways = ways_of($kind, $flaws[$i], $flaws[$j]) or next;
            my @codes = map { $_->[0] } @flaws[ $i, $j ];
            for my $slots (together($kind, $flaws[$i], $flaws[$j])) {
                my %word = (%{ $kind->{slots} }, %$slots);
                delete $word{by} if grep { $_ eq 'direct' } @ways;
                my $mark = @ways == 3 ? '' : "[@ways] ";
                my ($head, @legs) = operation($kind, %word);
                my @said = map { s/ +/ /gr =~ s/ +$//r . "\n" } "$mark$head -> $codes[0]" . leg_of($kind, @codes), @legs;
                push @lines, @said unless $kind->{every} && $seen{"@said"}++;
            }
        }
        push @lines, "\n";
    }
    return @lines;
}

sub text {
    my ($name) = @_;
    my $kind = $kinds{$name} or die "pairs.pl: there is no kind $name: there are ${\join ', ', sort keys %kinds}\n";
    my $text = join '', "# $name: each operation breaks two rules, and is refused for the one that stands first in extension/rules/codes.h.\n",
        "# Made by pairs.pl.\n", $kind->{setup}, "\n", lines($kind);
    return $text =~ s/\n\n+/\n\n/gr =~ s/\n+$/\n/r;
}

my ($wanted) = @ARGV or die "usage: pairs.pl KIND, or pairs.pl all\n";
if ($wanted ne 'all') { print text($wanted) }
else {
    for my $name (sort keys %kinds) {
        my $file = dirname(__FILE__) . "/pairs_$name.scenario";
        open my $handle, '>', $file or die "cannot write $file: $!\n";
        print {$handle} text($name);
        close $handle or die "cannot write $file: $!\n";
    }
}
