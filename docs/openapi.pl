#!/usr/bin/perl
# openapi.pl shim/openapi.json < extension/rules/codes.h: prints the document with its lists of codes made anew.
# The schema Code has all of them, and the schema Problem422, say, those of the HTTP status 422. After a
# change of codes.h:
#
#   perl docs/openapi.pl shim/openapi.json <extension/rules/codes.h >new.json && mv new.json shim/openapi.json
use strict;
use warnings;

my ($file) = @ARGV or die "usage: openapi.pl shim/openapi.json < extension/rules/codes.h\n";
open my $document, '<', $file or die "cannot read $file: $!\n";
my $text = do { local $/; <$document> };
my %codes;
while (<STDIN>)
{
    # The first one, CODE_OK, refuses nothing.
    next unless /^\s*X\((\w+), "(\w+)", "\w+", \d, (\d+), / && $1 ne 'CODE_OK';
    push @{ $codes{$_} }, $2 for 'Code', "Problem$3";
}
# No operation of the document has this answer: other methods get it.
delete $codes{Problem405};

for my $schema (sort keys %codes)
{
    # The first enum after the schema's name.
    $text =~ s/(^ +"$schema": \{\n(?:(?!^ +"enum").*\n)*?( +)"enum": \[)[^\]]*\]/
        $1 . join(',', map { qq(\n$2  "$_") } @{ $codes{$schema} }) . "\n$2]"/me
        or die "$file has no list of codes called $schema: add the schema, and an answer that has it\n";
}
print $text;
