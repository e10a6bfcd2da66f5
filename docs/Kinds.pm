# Kinds.pm: the table of extension/rules/kinds.h for scripts and tests.
package Kinds;
use strict;
use warnings;

# read_kinds(FILE): the kinds in their order: {symbol, number, name, path ('' where HTTP takes no POST), scope, shape,
# transfers, meaning, members => [{name, type, required, meaning}...]}. Every line that looks like a row has to be one.
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
            /^\tX\(KIND_(\w+), (\d+), "(\w+)", (?:"([^"]+)"|NULL), SCOPE_(\w+), SHAPE_(\w+), (\d+), (\w+),(?:.*,)? "([^"]+)"\)/
                or die "$file, line $.: no row of a kind: $_";
            push @kinds, { symbol => $1, number => $2, name => $3, path => $4 // '', scope => lc $5, shape => lc $6, transfers => $7,
                members => $members{$8} || die("$file, line $.: the members of $8 come before\n"), meaning => $9 };
        }
    }
    return @kinds;
}

1;
