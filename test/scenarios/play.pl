#!/usr/bin/perl
# play.pl SCENARIO: carries out a scenario in three ways, as TAP: by the rules alone, by direct calls and
# through the queue. Each line is one test in each way that the line is meant for. libpq's PG* variables
# name a database with the extension and without a worker; PSQL is psql, CC the compiler.
use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Database qw(by_direct by_queue faults);
use Rules qw(by_rules);
use Scenario qw(codes_by_sqlstate microseconds read_scenario);

my $header = dirname(__FILE__) . '/../../extension/rules/codes.h';
my %code_of = codes_by_sqlstate($header);

# An amount as it is written shortest.
sub shortest {
    my ($word) = @_;
    return $word =~ /^-?\d+\.\d+$/ ? $word =~ s/\.?0+$//r : $word;
}

# What an answer says of an operation: its code, and what is told with it.
sub read_answer {
    my ($answer) = @_;
    my ($sqlstate) = $answer =~ /^(\w{5}) /;
    if (defined $sqlstate && $code_of{$sqlstate}) {
        my ($number) = $answer =~ /\b(?:leg|row) (\d+)/i;
        return { code => $code_of{$sqlstate}, number => $number, all => $answer };
    }
    my ($code, @words) = split ' ', $answer;
    return { code => $code, number => $words[1], all => $answer } if @words && $words[0] eq 'leg';
    return { code => $code, amount => $words[0], posted => $words[1], id => $words[2], all => $answer } if ($code // '') eq 'processed';
    return { code => $answer, all => $answer };
}

# A moment as an expectation has it, in microseconds: from the clock as it was set last, or from when an operation was
# carried out.
sub moment {
    my ($text, $now, $told) = @_;
    my ($name, $shift) = $text =~ /^([a-z]\w*)?([+-]\w+)?$/i;
    return $text if $text =~ /^(?:infinity|none)$/ || !defined $name && !defined $shift;
    my $from = defined $name ? $told->{$name}{posted} // return "$text, which has no moment" : $now;
    return $from + (defined $shift ? microseconds($shift) : 0);
}

# What a line expects to be shown, in words; nothing where the line is about an outcome.
sub shown {
    my ($operation, $now, $told) = @_;
    my $values = $operation->{values};
    return map { $_->[0] =~ /^(?:expires|posted)$/ ? moment($_->[1], $now, $told) : $_->[1] } @{ $values->{fields} } if $values->{fields};
    return map { @$_ } @{ $values->{rows} } if $values->{rows};
    return @{ $values->{names} } if $values->{names};
    return map { $_->{expected} } @{ $operation->{legs} } if $operation->{verb} eq 'many';
    return $values->{balance} // ();
}

# What was told, and what is expected, in the same words.
sub compared {
    my ($operation, $answer, $now, $told) = @_;
    my ($part, $number, $moved, $again) = @{$operation}{qw(part number moved again)};
    my $found = read_answer($answer);
    $told->{ $operation->{name} } = $found if defined $operation->{name};
    return ("$found->{code} $part " . ($found->{number} // 'unknown'), "$operation->{expected} $part $number") if defined $part;
    return ("$found->{code} " . shortest($found->{amount} // 'nothing'), 'processed ' . shortest($moved)) if defined $moved;
    return ("$again, which is " . ($found->{id} // $found->{all}), "$again, which is " . ($told->{$again}{id} // 'not there')) if defined $again;
    my @shown = shown($operation, $now, $told);
    return ($found->{code}, $operation->{expected}) if !@shown || $operation->{expected} ne ($operation->{values}{balance} // 'processed');
    return map { join ' ', map { shortest($_) } @$_ } [ split ' ', $found->{all} ], \@shown;
}

sub play {
    my ($way, $by, @all) = @_;
    my @operations = grep { $_->{ways}{$way} } @all;
    my $start = my $now = time * 1_000_000;
    my @answers = $by->($start, @operations);
    my %told;
    for my $n (0 .. $#operations) {
        my $operation = $operations[$n];
        my $answer = $answers[$n] // 'no answer';
        my $name = "$way, line $operation->{line}: $operation->{text}";
        if ($operation->{verb} eq 'clock') {
            like($answer, qr/^\d+$/, $name);
            $now = $answer;
            next;
        }
        my ($found, $expected) = compared($operation, $answer, $now, \%told);
        is($found, $expected, $name) or diag($answer);
    }
    return;
}

die "usage: play.pl SCENARIO\n" unless @ARGV == 1;
my @operations = read_scenario($ARGV[0], $header);
my %ways = map { $_ => 1 } split ' ', $ENV{SCENARIO_WAYS} // 'rules direct queue';
play(rules => \&by_rules, @operations) if $ways{rules};
for my $way (grep { $ways{$_} } qw(direct queue)) {
    play($way => $way eq 'direct' ? \&by_direct : \&by_queue, @operations);
    is_deeply([ faults() ], [], "$way: wallet_verify() finds no fault");
}
done_testing();
