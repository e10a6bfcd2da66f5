#!/usr/bin/perl
# manual.pl FILE...: prints the faults of the manual, and exits with 1 when there are any. In Markdown:
# - a line of prose with more than 100 columns (.editorconfig). Tables, code blocks and a line that is
#   one long word may be wider;
# - a link to a file or a heading that does not exist;
# - the path of a file that does not exist. bench/results is made by make bench.
# In other files: a page of the manual that does not exist, or a heading, as in: docs/posting.md, "Turns".
use strict;
use warnings;
use open qw(:std :utf8);

use File::Basename qw(dirname);

my $columns_max = 100;
my $folders = qr/(?:extension|shim|sql|expected|test|bench|docs|deploy|bin|\.ci)/;
my $named_path = qr~(?<![\w./-])($folders/[\w.*/-]*[\w*/])(?![\w<])~;
my $faults = 0;

sub fault
{
    print "@_\n";
    $faults++;
}

# The lines of a file, each as [number, text, kind]: 'prose', 'table' or 'code'.
sub lines_of
{
    my ($file) = @_;
    my ($is_fenced, $before, @lines) = (0, '');

    open my $in, '<', $file or die "$file: $!\n";
    while (my $line = <$in>)
    {
        chomp $line;
        my $is_fence = $line =~ /^\s*```/;
        # A block by its indentation begins after an empty line, and not within a list.
        my $is_block = $line =~ /^ {4}/ && $before =~ /^$|^code/;
        my $kind = $is_fenced || $is_fence || $is_block ? 'code' : $line =~ /^\s*\|/ ? 'table' : 'prose';
        push @lines, [ $., $line, $kind ];
        $is_fenced = !$is_fenced if $is_fence;
        $before = $line eq '' ? '' : $is_block ? 'code' : 'text';
    }
    return @lines;
}

# GitHub's anchors of a file's headings.
sub anchors_of
{
    my ($file) = @_;
    my %anchors;

    for (grep { $_->[2] eq 'prose' && $_->[1] =~ /^#+ / } lines_of($file))
    {
        my $anchor = lc $_->[1] =~ s/^#+ //r;
        $anchor =~ s/[^\w\- ]//g;
        $anchors{ $anchor =~ tr/ /-/r } = 1;
    }
    return \%anchors;
}

sub check_link
{
    my ($place, $file, $target) = @_;
    my ($path, $anchor) = $target =~ /^([^#]*)(?:#(.*))?$/;

    return if $target =~ /^\w+:/;
    my $wanted = $path eq '' ? $file : dirname($file) . "/$path";
    return fault("$place: there is no $wanted") unless -e $wanted;
    fault("$place: $wanted has no heading #$anchor") if defined $anchor && !anchors_of($wanted)->{$anchor};
}

sub slurp
{
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub check_source
{
    my ($file) = @_;
    my $text = slurp($file);

    # A sentence of a comment goes on behind the mark at the beginning of the next line.
    $text =~ s{\n[ \t]*(?:\*(?!/)|--|#)?[ \t]*}{ }g;
    while ($text =~ m{(?<![\w./])(docs/\w+\.(?:md|pl))\b(?:, "([^"]+)")?}g)
    {
        my ($page, $heading) = ($1, $2);
        fault("$file: there is no $page") unless -e $page;
        fault("$file: $page has no heading \"$heading\"")
            if defined $heading && -e $page && slurp($page) !~ /^#+ \Q$heading\E$/m;
    }
}

check_source($_) for grep { !/\.md$/ } @ARGV;
for my $file (grep { /\.md$/ } @ARGV)
{
    for (lines_of($file))
    {
        my ($number, $line, $kind) = @$_;
        my $place = "$file:$number";

        fault("$place: more than $columns_max columns")
            if $kind eq 'prose' && length $line > $columns_max && $line =~ /^\s*(?:[-*]\s+|\d+\.\s+)?\S+\s+\S/;
        if ($kind ne 'code')
        {
            check_link($place, $file, $1) while $line =~ /\]\(([^)\s]+)\)/g;
        }
        while ($line =~ /$named_path/g)
        {
            my $path = $1;
            my @files = grep { -e } glob $path;
            fault("$place: there is no $path") unless @files || $path =~ m{^bench/results/};
        }
    }
}
exit($faults > 0);
