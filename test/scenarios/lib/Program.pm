package Program;

# Program.pm: what a program prints when it is given lines.
use strict;
use warnings;

use File::Temp qw(tempdir);
use Exporter qw(import);
our @EXPORT_OK = qw(output_of);

my $work = tempdir(CLEANUP => 1);

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

1;
