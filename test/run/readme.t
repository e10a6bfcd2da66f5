#!/usr/bin/perl
# Runs every example of README.md, and then those of docs/ledger.md, on a system of its own, one after
# the other, and compares what comes out with what the page says. Handshakes and times differ: a
# handshake is the same wherever a page shows the same one. What asks how a request stands is asked again until it is settled.
use strict;
use warnings;

use File::Temp;
use FindBin;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds_max = 10;
my $handshake = qr/\b[0-9a-f]{64}\b/;
chdir "$FindBin::Bin/../.." or die $!;

sub free_port
{
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    return $socket->sockport;
}

# A page's console blocks, as [command, output as shown].
sub examples
{
    my ($page) = @_;
    my @examples;
    my $inside = 0;
    open my $handle, '<', $page or die "$page: $!";
    while (my $line = <$handle>)
    {
        if ($line =~ /^```/)
        {
            $inside = $line =~ /^```console/;
        }
        elsif ($inside && $line =~ /^(\$|wallet=#) (.*)/)
        {
            push @examples, [ $2, $1 eq '$' ? 'shell' : 'sql', '' ];
        }
        elsif ($inside)
        {
            $examples[-1][2] .= $line;
        }
    }
    return @examples;
}

# What may differ from run to run, made the same.
sub normalized
{
    my ($text) = @_;
    $text =~ s/$handshake/HANDSHAKE/g;
    $text =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/TIME/g;
    $text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d/TIME/g;
    $text =~ s/ +$//gm;
    $text =~ s/\n+\z//;
    $text =~ s/\A\n+//;
    # psql makes a column as wide as what is in it.
    $text =~ s/ *TIME *\n/ TIME\n/g;
    $text =~ s/ *posted_at *\n/ posted_at\n/g;
    $text =~ s/\+-+\n/+-\n/g;
    return $text;
}

sub run
{
    my ($command, $kind) = @_;
    my ($host, $file) = ($ENV{PGHOST}, File::Temp->new);
    if ($kind eq 'sql')
    {
        print $file "$command\n";
        $file->flush;
        return scalar `psql -X -d wallet -f $file 2>&1 | sed 's/^psql:[^ ]*: //'`;
    }
    return scalar `$command 2>/dev/null`;
}

# May the command be repeated? Then it is, until it says what it should. curl with a body POSTs, unless told otherwise.
sub is_question
{
    my ($command) = @_;
    return $command !~ /wallet_(?:create|transfer|enqueue|hold|capture|void|reverse|group)/ && ($command !~ / -d / || $command =~ /-X (?:GET|QUERY)/);
}

my $dir = File::Temp->newdir('/tmp/pg_wallet_readme.XXXXXX');
chmod 0755, $dir;
my $port = free_port();
$ENV{RUN_DIR} = "$dir/run";
is(system("make --no-print-directory start PORT=$port RUN_DIR=$dir/run >$dir/out 2>&1"), 0, 'make start')
    or diag(`cat $dir/out`);
for my $line (split /\n/, `cat $dir/run/env`)
{
    $ENV{$1} = $2 if $line =~ /^(\w+)=(.*)/;
}

# A newcomer's first screen: a way to start, and a payment without a handshake that is copied by hand.
{
    open my $file, '<', 'README.md' or die $!;
    my $first = join '', map { scalar <$file> } 1 .. 50;
    my @commands = grep { $_->[1] eq 'shell' } examples('README.md');
    like($first, qr/^    make run\b.*docker compose up/m, 'the first screen: how to start');
    like($first, qr/docker-compose/, 'by the other name, too');
    like($first, qr{^\$ curl .*/transaction }m, 'a payment');
    my @copied = grep { $_->[0] =~ $handshake } @commands[0 .. 5];
    is_deeply(\@copied, [], 'and no handshake to copy');
    is(scalar(grep { $_->[0] =~ /Prefer: wait/ } @commands[0 .. 2]), 3, 'the first three wait for their outcomes');
    like(do { local $/; $first . <$file> }, qr/\*\*A refusal is `200` with `"status":"rejected"`\*\*/, 'in bold: what a refusal is');
}

my %actual;    # the handshakes of a page => ours
for my $example (map { examples($_) } qw(README.md docs/ledger.md))
{
    my ($command, $kind, $expected) = @$example;
    my $deadline = time + $seconds_max;
    my $output;
    (my $ours = $command) =~ s/($handshake)/$actual{$1} \/\/ $1/ge;
    $ours =~ s/127\.0\.0\.1:8000/127.0.0.1:$port/g;
    do
    {
        $output = run($ours, $kind);
    } while (normalized($output) ne normalized($expected)
        && is_question($command) && time < $deadline && sleep 0.05);

    is(normalized($output), normalized($expected), $command);
    my @shown = $expected =~ /($handshake)/g;
    my @given = $output =~ /($handshake)/g;
    is($actual{ $shown[$_] } //= $given[$_], $given[$_], 'the same handshake') for 0 .. $#shown;
}

is(`perl docs/codes.pl <extension/rules/codes.h`, `cat docs/codes.md`, 'docs/codes.md is made from codes.h');
my ($install_script) = glob 'extension/pg_wallet--*.sql';
open my $sql, '<', $install_script or die $!;
my ($manual, $script) = map { local $/; <$_> } do { open my $f, '<', 'docs/sql.md' or die $!; $f }, $sql;
my @functions = $script =~ /^CREATE FUNCTION \@extschema\@\.(\w+)/mg;
like($manual, qr/^\| `$_\(/m, "docs/sql.md has $_") for @functions;
my %made = map { ($_ => 1) } @functions;
is_deeply([ grep { !$made{$_} } $manual =~ /^\| `(\w+)\(/mg ], [], 'docs/sql.md has no other function');
is(system('make --no-print-directory stop >/dev/null'), 0, 'make stop');
done_testing();
