package Rules;

# Rules.pm: carries out the operations of a scenario by the rules alone: test/scenarios/rules/ with extension/rules/.
use strict;
use warnings;

use Digest::SHA;
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec;
our @EXPORT_OK = qw(by_rules);

use Database qw(numbers user_of);
use Payload qw(members);
use Program qw(output_of);
use Scenario qw(microseconds %missing %verbs);

my $top = dirname(__FILE__) . '/../../..';

# The program is made once, by the first scenario of a run.
sub program {
    my $include = "$top/extension";
    my @sources = glob "$top/test/scenarios/rules/*.c $include/rules/*.c";
    my $digest = Digest::SHA->new(1);
    $digest->addfile($_) for @sources, glob "$top/test/scenarios/rules/*.h $include/rules/*.h";
    my $program = File::Spec->tmpdir . '/scenario-rules-' . $digest->hexdigest;
    return $program if -x $program;
    system($ENV{CC} // 'cc', qw(-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror), '-fsanitize=address,undefined',
        '-fno-sanitize-recover=all', "-I$include", @sources, '-o', "$program.$$") == 0 or die 'the rules do not compile';
    rename "$program.$$", $program or die "cannot rename $program: $!";
    return $program;
}

sub numbered {
    my ($name, $number_of) = @_;
    return $missing{$name} // $number_of->{$name};
}

# Values as reading.c reads them.
my %word_of = (
    wallet => sub { numbered(@_) },
    operation => sub { '$' . $_[0] =~ s/^@//r },
    handshake => sub { '$' . $_[0] },
    amount => sub { $_[0] },
    number => sub { $_[0] },
    text => sub { $_[0] },
    flag => sub { $_[0] ? 1 : 0 },
    duration => sub { microseconds($_[0]) },
    moment => sub { $_[0] eq 'infinity' ? $_[0] : microseconds($_[0]) },
);

sub share_word {
    my ($number_of, $wallet, $part) = @_;
    my ($name, undef, $value) = @$part;
    return 'share=' . numbered($wallet->[2], $number_of) . ':' . ($name eq 'rest' ? $name : $name eq 'amount' ? $value : "${value}ppm");
}

sub words {
    my ($number_of, @members) = @_;
    my @words;
    for my $member (@members) {
        my ($name, $type, $value) = @$member;
        if ($name eq 'split') { push @words, map { share_word($number_of, @$_) } @$value }
        elsif ($name eq 'legs') { push @words, 'legs=' . @$value }
        else { push @words, ($name eq 'hold_handshake_id' ? 'hold_id' : $name) . '=' . $word_of{$type}->($value, $number_of) }
    }
    return @words;
}

sub request_lines {
    my ($operation, $number_of) = @_;
    my $values = $operation->{values};
    my @with = (defined $operation->{name} ? "name=$operation->{name}" : (), $operation->{is_dry} ? 'dry=1' : (),
        $values->{may_reverse} ? 'may_reverse=1' : (), defined $values->{most} ? "most=$values->{most}" : ());
    my $user = $operation->{verb} eq 'wallet' ? $number_of->{ $operation->{wallets}[0] } : user_of($operation, $number_of);
    push @with, "user_id=$user" if defined $user;
    my @lines = (join(' ', 'request', $verbs{ $operation->{verb} }{kind}, @with, words($number_of, members($operation))));
    for my $leg (@{ $operation->{legs} // [] }) {
        push @lines, join(' ', 'leg', $verbs{ $leg->{verb} }{kind}, words($number_of, members($leg)));
    }
    return @lines;
}

sub lines {
    my ($operation, $number_of) = @_;
    my ($verb, $values) = @{$operation}{qw(verb values)};
    return request_lines(@_) if $verbs{$verb}{kind};
    my @wallets = map { numbered($_, $number_of) } @{ $operation->{wallets} };
    my @fields = map { $_->[0] } @{ $values->{fields} // [] };
    return "status $wallets[0] $values->{status}" if $verb eq 'status';
    return join ' ', "close $wallets[0]", map { "sweep=$_" } @wallets[1 .. $#wallets] if $verb eq 'close';
    return join ' ', "limits $wallets[0]", map { defined $values->{$_} ? "$_=$values->{$_}" : () } qw(floor ceiling) if $verb eq 'limits';
    return 'expire' if $verb eq 'expire';
    return "journal $wallets[0] " . @{ $values->{rows} } if $verb eq 'journal';
    return "row $values->{thing} @fields" if $verb eq 'row';
    return ($operation->{of} eq 'wallet' ? 'wallet ' . numbered($values->{thing}, $number_of) : "hold $values->{thing}") . " @fields" if $verb eq 'expect';
    my ($name, $shift) = $values->{moment} =~ /^(\w*)([+-]\w+)?$/;
    return join ' ', 'clock', $name eq '' ? () : "\$$name", microseconds($shift // '0us');
}

sub by_rules {
    my ($now, @operations) = @_;
    my $number_of = numbers(0, @operations);
    return output_of([ map { "$_\n" } "start $now", map { lines($_, $number_of) } @operations ], program());
}

1;
