#!/usr/bin/perl
# pairs.pl KIND: prints pairs_KIND.scenario, in which each line breaks two rules and is refused for the first of them.
# test/unit/scenarios.t compares the files with what is printed here; `pairs.pl all` writes them.
#
# A flaw is [CODE, WAYS, ALTERNATIVE...]: what breaks the rule of that code is one of the alternatives, each a set of
# slots with their words. Two flaws go together where they have alternatives that want no slot to be two things.
# The flaws of a kind stand in the order of the rules.
use strict;
use warnings;

use File::Basename qw(dirname);

my $all = 'rules direct queue';
my $asked = 'rules queue';
my @payload = qw(invalid_split invalid_shortfall invalid_expiry amount_not_positive same_wallet invalid_max_capture);
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

# Transfers, some of them reversed, between each two wallets: the payee gives back. Some of the money is left.
sub transfers {
    my @lines = ($wallets, "deposit frozen 100\nlimits full ceiling infinity\ndeposit full 100\n");
    for my $payer (qw(rich closed full)) {
        push @lines, "deposit closed 100\n" if $payer eq 'closed';
        for my $payee (qw(open frozen poor)) {
            for my $state (qw(whole reversed)) {
                my $name = "${payer}_${payee}_$state";
                push @lines, "$name: transfer $payer $payee 5\n";
                push @lines, "reverse $name by operator\n" if $state eq 'reversed';
            }
        }
    }
    push @lines, "withdraw closed all\nwithdraw poor all\nH: hold rich open 1\nlimits full ceiling 0\n";
    return join '', @lines, $statuses;
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
        line => 'capture {payer}_{payee}_{state} {amount} {by} {most} {key} {valid}',
        slots => { payer => 'rich', payee => 'open', state => 'open' },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states,
            [ 'wallet_closed', $all, { payee => 'closed' } ], [ 'wallet_frozen', $all, { payer => 'frozen' } ], @of_amounts,
            [ 'exceeds_hold', $all, { amount => 1001 } ], $above,
            [ 'insufficient_funds', $all, { payer => 'poor', amount => 2 } ],
            [ 'balance_limit', $all, { payee => 'full' } ] ],
    },
    void => {
        setup => holds(),
        line => 'void {payer}_{payee}_{state} {amount} {by} {key} {valid}',
        slots => { payer => 'rich', payee => 'open', state => 'open' },
        flaws => [ [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states, @of_amounts,
            [ 'exceeds_hold', $all, { amount => 2 } ] ],
    },
    extend => {
        setup => holds(),
        line => 'extend {payer}_{payee}_{state} {amount} {in} {by} {most} {key} {valid}',
        slots => { payer => 'rich', payee => 'open', state => 'open', amount => 2 },
        flaws => [ [ 'invalid_expiry', $all, { in => 'in 0s' } ], [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'hold_not_found', $all, { hold => 'none' } ], $stranger, @$hold_states,
            [ 'wallet_closed', $all, { payee => 'closed' } ], [ 'wallet_frozen', $all, { payer => 'frozen' } ], @of_amounts,
            [ 'below_hold', $all, { amount => 0.5 }, { amount => 1 }, { in => 'in 1h' } ], $above,
            [ 'insufficient_funds', $all, { payer => 'poor' } ] ],
    },
    reverse => {
        setup => transfers(),
        line => 'reverse {payer}_{payee}_{state} {amount} {shortfall} {by} {most} {key} {valid}',
        slots => { payer => 'rich', payee => 'open', state => 'whole' },
        flaws => [ [ 'invalid_shortfall', $all, { shortfall => 'shortfall loan' } ], [ 'amount_not_positive', $all, { amount => 0 } ], @of_requests,
            [ 'transaction_not_found', $all, { hold => 'none' } ], $stranger, [ 'not_reversible', $all, { hold => 'H' } ],
            [ 'already_reversed', $all, { state => 'reversed' } ],
            [ 'wallet_closed', $all, { payer => 'closed' } ], [ 'wallet_frozen', $all, { payee => 'frozen' } ], @of_amounts,
            [ 'exceeds_reversible', $all, { amount => 6 } ], $above,
            [ 'insufficient_funds', $all, { payee => 'poor' } ],
            [ 'balance_limit', $all, { payer => 'full' } ] ],
    },
    split => {
        setup => $wallets . $statuses,
        line => "group {by} {most} {key} {valid}\n- split {source} {amount} open {share} {destination} {rest}",
        slots => { source => 'rich', destination => 'stranger', amount => 10, share => 5, rest => 'rest', by => 'by operator' },
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
    my ($first, $second) = @_;
    for my $slot (keys %$first) {
        return undef if exists $second->{$slot} && $second->{$slot} ne $first->{$slot};
    }
    my %slots = (%$first, %$second);
    # Who is named by a hold that there is none of can't have a state.
    return undef if exists $slots{hold} && grep { exists $slots{$_} } qw(payer payee state);
    return \%slots;
}

sub together {
    my ($first, $second) = @_;
    for my $one (@$first[ 2 .. $#$first ]) {
        for my $other (@$second[ 2 .. $#$second ]) {
            my $slots = merged($one, $other);
            return $slots if defined $slots;
        }
    }
    return undef;
}

# A key and a stranger are asked for over the queue; and decimals may be counted there before all that is judged in its turn.
sub ways_of {
    my ($first, $second) = @_;
    my %second = map { $_ => 1 } split ' ', $second->[1];
    my @ways = grep { $second{$_} } split ' ', $first->[1];
    @ways = grep { $_ ne 'queue' } @ways if $second->[0] eq 'amount_precision' && !grep { $_ eq $first->[0] } @payload;
    return @ways;
}

sub lines {
    my ($kind) = @_;
    my @flaws = @{ $kind->{flaws} };
    my @lines;
    for my $i (0 .. $#flaws) {
        for my $j ($i + 1 .. $#flaws) {
            my $slots = together($flaws[$i], $flaws[$j]) or next;
            my @ways = ways_of($flaws[$i], $flaws[$j]) or next;
            my %word = (%{ $kind->{slots} }, %$slots);
            my $line = $kind->{line};
            $line =~ s/\{payer\}_\{payee\}_\{state\}/$word{hold} \/\/ '{payer}_{payee}_{state}'/e;
            my $direct = grep { $_ eq 'direct' } @ways;
            delete $word{by} if $direct;
            $line =~ s/\{(\w+)\}/$word{$1} \/\/ ''/ge;
            my $mark = @ways == 3 ? '' : "[@ways] ";
            my ($head, @legs) = split /\n/, $line;
            my $leg = $kind->{line} =~ /\n/ && !grep({ $flaws[$i][0] eq $_ } @payload, qw(idempotency_mismatch request_expired)) ? ' leg 0' : '';
            push @lines, map { s/ +/ /gr =~ s/ +$//r . "\n" } "$mark$head -> $flaws[$i][0]$leg", @legs;
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
