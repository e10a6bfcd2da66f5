# Kinds.pm: the table of extension/rules/kinds.h for scripts and tests.
package Kinds;
use strict;
use warnings;

# read_kinds(FILE): the kinds in their order: {symbol, number, name, path ('' where HTTP takes no POST), scope (one of
# these, with blanks between them), shape, transfers, uses ({request, leg, journal}), meaning, members => [{name, type,
# required, meaning}...]}. What the journal alone has has no members. Every line that looks like a row has to be one.
sub read_kinds
{
    my ($file) = @_;
    open my $handle, '<', $file or die "cannot read $file: $!\n";
    my ($list, %members, @kinds);

    while (<$handle>)
    {
        $list = $1 if /^#define (\w+)\(\w\) \\$/;
        if (/^\tM\(/)
        {
            /^\tM\("(\w+)", TYPE_(\w+), (true|false), \w+, "([^"]+)"\)/ or die "$file, line $.: no row of a member: $_";
            push @{ $members{$list} }, { name => $1, type => $2, required => $3 eq 'true', meaning => $4 };
        }
        elsif (/^\tX\(/)
        {
            /^\tX\(KIND_(\w+), (\d+), "(\w+)", (?:"([^"]+)"|NULL), ([A-Z_ |]+), SHAPE_(\w+), (\w+), (\w+), \w+, ([A-Z_ |]+), "([^"]+)"\)/
                or die "$file, line $.: no row of a kind: $_";
            my ($scopes, $uses) = ($5, $9);
            my %kind = (symbol => $1, number => $2, name => $3, path => $4 // '', shape => lc $6, transfers => $7, meaning => $10,
                members => $members{$8} || die("$file, line $.: the members of $8 come before\n"));
            $kind{scope} = join ' ', map { lc } $scopes =~ /SCOPE_(\w+)/g;
            $kind{uses} = { map { (lc $_ => 1) } $uses =~ /USE_(\w+)/g };
            $kind{members} = [] if !$kind{uses}{request} && !$kind{uses}{leg};
            push @kinds, \%kind;
        }
    }
    return @kinds;
}

1;
