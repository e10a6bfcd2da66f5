#!/usr/bin/perl
# play.pl SCENARIO: carries out a scenario in three ways, as TAP: by the rules alone, by direct calls and
# through the queue. Each line is one test in each way that the line is meant for. libpq's PG* variables
# name a database with the extension and without a worker; PSQL is psql, CC the compiler.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Scenario qw(%missing %kinds %kind_of codes_by_sqlstate read_scenario);

my $top = dirname(__FILE__) . '/../..';
my $header = "$top/extension/rules/codes.h";
my $no_user = 999999999;
my $work = tempdir(CLEANUP => 1);
my %code_of = codes_by_sqlstate($header);

# What a program prints when it is given the lines.
sub output_of {
    my ($lines, @command) = @_;
    my $file = "$work/input";
    open my $handle, '>', $file or die "cannot write $file: $!";
    print {$handle} @$lines;
    close $handle or die "cannot write $file: $!";
    open STDIN, '<', $file or die "cannot read $file: $!";
    open my $program, '-|', @command or die "cannot run $command[0]: $!";
    chomp(my @printed = <$program>);
    close $program or die "$command[0] has failed";
    return @printed;
}

# Users have numbers in the order of their names' first appearance, above a number that nobody has.
sub numbers {
    my ($base, @operations) = @_;
    my %number_of = map { $_ => undef } keys %missing;
    for my $name (map { @{ $_->{wallets} } } @operations) {
        $number_of{$name} = ++$base unless exists $number_of{$name};
    }
    return \%number_of;
}

# Who asks: whom the line names, else the owner of the first wallet that there is.
sub user_of {
    my ($operation, $number_of) = @_;
    my @names = defined $operation->{by} ? $operation->{by} : @{ $operation->{wallets} };
    my ($user) = grep { defined } map { $number_of->{$_} } @names;
    return $user // $no_user;
}

# ---- By the rules alone ----

# The members of the operation's payload with their values, each [name, type, value]; wallets are its wallets, as one has
# to write them. The value of one that is not given is undef.
sub members {
    my ($operation, $number_of, @wallets) = @_;
    my %value_of = (
        ID => sub { shift @wallets },
        CURRENCY => sub { $operation->{currency} },
        map { ($_ => sub { $operation->{amount} }) } qw(AMOUNT AMOUNT_OR_ZERO),
    );
    return map { [ @{$_}{qw(name type)}, $_->{name} eq 'user_id' ? user_of($operation, $number_of) : $value_of{ $_->{type} }->() ] }
        @{ $kinds{ $kind_of{ $operation->{verb} } }{members} };
}

sub rules_line {
    my ($operation, $number_of) = @_;
    my @wallets = map { $missing{$_} // $number_of->{$_} } @{ $operation->{wallets} };
    return "status $wallets[0] $operation->{status}\n" if $operation->{verb} eq 'status';
    my @values = map { $_->[2] // ($_->[1] eq 'CURRENCY' ? 'usd' : 0) } members($operation, $number_of, @wallets);
    return "$kind_of{ $operation->{verb} } @values\n";
}

sub by_rules {
    my (@operations) = @_;
    my $program = "$work/rules";
    system($ENV{CC} // 'cc', qw(-std=c11 -g -Wall -Wextra -Werror), '-fsanitize=address,undefined',
        '-fno-sanitize-recover=all', "-I$top/extension", "$top/test/scenarios/rules.c",
        glob("$top/extension/rules/*.c"), '-o', $program) == 0 or die 'the rules do not compile';
    my $number_of = numbers(0, @operations);
    return output_of([ map { rules_line($_, $number_of) } @operations ], $program);
}

# ---- In a database ----

my $prelude = <<'SQL';
\set VERBOSITY terse
CREATE FUNCTION pg_temp.answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE TEMPORARY TABLE asked (n integer, kind text, user_id bigint, handshake text);
CREATE FUNCTION pg_temp.outcome(kind text, user_id bigint, handshake text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN l.state = 'processed' AND kind = 'wallet_read' THEN l.amount::text ELSE coalesce(l.code, l.state) END
        FROM wallet_lookup(kind, user_id, handshake) AS l WHERE length(handshake) = 64
    UNION ALL SELECT handshake WHERE length(handshake) <> 64
$$;
SQL

sub sql {
    my (@lines) = @_;
    return output_of(\@lines, $ENV{PSQL} // 'psql', '-XqAt', '-F', '|', '-v', 'ON_ERROR_STOP=1');
}

# The number of the last user who has a wallet.
sub last_user { return (sql("SELECT coalesce(max(user_id), 0) FROM wallet.wallet;\n"))[0] }

sub quoted {
    my ($text) = @_;
    return q(') . $text =~ s/'/''/gr . q(');
}

# The id of a wallet, as an expression.
sub wallet_id {
    my ($name, $number_of) = @_;
    return $missing{$name} // "wallet_of($number_of->{$name})";
}

sub direct_statement {
    my ($operation, $number_of) = @_;
    my $verb = $operation->{verb};
    my @wallets = map { wallet_id($_, $number_of) } @{ $operation->{wallets} };
    my $amount = $operation->{amount};
    return "SELECT amount FROM wallet_get($wallets[0])" if $verb eq 'balance';
    my ($function, @arguments) =
        $verb eq 'wallet' ? ('create', $number_of->{ $operation->{wallets}[0] }, $amount // 0, quoted($operation->{currency} // 'usd'))
        : $verb eq 'status' ? ('set_status', $wallets[0], quoted($operation->{status}))
        : ($verb, @wallets, $amount);
    return "SELECT 'processed' FROM wallet_$function(" . join(', ', @arguments) . ')';
}

# What a statement of the database answers, in the words of a scenario.
sub told {
    my ($answer) = @_;
    my ($sqlstate) = $answer =~ /^(\w{5}) /;
    return defined $sqlstate && $code_of{$sqlstate} || $answer;
}

# The answers by the numbers of the operations.
sub answers {
    my (@rows) = @_;
    my @answers;
    for my $row (@rows) {
        my ($n, $answer) = split /\|/, $row, 2;
        $answers[$n] = told($answer);
    }
    return @answers;
}

sub answer_line {
    my ($n, $statement) = @_;
    return "SELECT $n, pg_temp.answer(" . quoted($statement) . ");\n";
}

sub by_direct {
    my (@operations) = @_;
    my $number_of = numbers(last_user(), @operations);
    return answers(sql($prelude, map { answer_line($_, direct_statement($operations[$_], $number_of)) } 0 .. $#operations));
}

# The payload of a request, as an expression.
sub payload {
    my ($operation, $number_of) = @_;
    my (@pairs, @values);
    for my $member (members($operation, $number_of, map { wallet_id($_, $number_of) } @{ $operation->{wallets} })) {
        my ($name, $type, $value) = @$member;
        next unless defined $value;
        push @pairs, qq("$name":%s);
        push @values, $type eq 'ID' ? $value : $type eq 'CURRENCY' ? quoted(qq("$value")) : quoted($value);
    }
    return 'format(' . join(', ', quoted('{' . join(',', @pairs) . '}'), @values) . ')::json';
}

my $process = <<'SQL';
SELECT wallet_process() AS processed \gset
SELECT n, pg_temp.outcome(kind, user_id, handshake) FROM asked ORDER BY n;
TRUNCATE asked;
SQL

# Requests are queued one after the other and carried out as one batch, up to the next one that needs the id of a
# wallet which the batch makes. The queue has no request for a status: an operator changes it between two batches.
sub by_queue {
    my (@operations) = @_;
    my $number_of = numbers(last_user(), @operations);
    my (@lines, %to_be_made);
    for my $n (0 .. $#operations) {
        my $operation = $operations[$n];
        my ($verb, @wallets) = ($operation->{verb}, @{ $operation->{wallets} });
        if ($verb eq 'wallet') { $to_be_made{ $wallets[0] } = 1 }
        elsif ($verb eq 'status' || grep { $to_be_made{$_} } @wallets) {
            push @lines, $process;
            %to_be_made = ();
        }
        if ($verb eq 'status') {
            push @lines, answer_line($n, direct_statement($operation, $number_of));
            next;
        }
        my ($kind, $user) = ($kind_of{$verb}, user_of($operation, $number_of));
        my $enqueue = "SELECT wallet_enqueue('$kind', " . payload($operation, $number_of) . ')';
        push @lines, "INSERT INTO asked SELECT $n, '$kind', $user, pg_temp.answer(" . quoted($enqueue) . ");\n";
    }
    return answers(sql($prelude, @lines, $process));
}

sub faults { return sql("SELECT name, detail FROM wallet_verify() WHERE NOT ok;\n") }

# ---- The three of them ----

# An amount as it is written shortest.
sub shortest {
    my ($word) = @_;
    return $word =~ /^-?\d+\.\d+$/ ? $word =~ s/\.?0+$//r : $word;
}

sub play {
    my ($way, $by, @all) = @_;
    my @operations = grep { $_->{ways}{$way} } @all;
    my @answers = $by->(@operations);
    for my $n (0 .. $#operations) {
        my $operation = $operations[$n];
        is(shortest($answers[$n] // 'no answer'), shortest($operation->{expected}),
            "$way, line $operation->{line}: $operation->{text}");
    }
    return;
}

die "usage: play.pl SCENARIO\n" unless @ARGV == 1;
my @operations = read_scenario($ARGV[0], $header);
play(rules => \&by_rules, @operations);
play(direct => \&by_direct, @operations);
is_deeply([ faults() ], [], 'direct: wallet_verify() finds no fault');
play(queue => \&by_queue, @operations);
is_deeply([ faults() ], [], 'queue: wallet_verify() finds no fault');
done_testing();
