#!/usr/bin/perl
# openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h: prints the document with all that follows
# from the two tables made anew. After a change of one of them:
#
#   perl docs/openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h >new.json && mv new.json shim/openapi.json
#
# From codes.h: the schema Code has all codes, and the schema Problem422, say, those of the HTTP status 422.
# From kinds.h: the schema TransactionRequest, say, has the members of the kind transaction. Its description and its
# examples are written by hand, and so are the operations of its path.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Kinds;

my ($file, $codes_h, $kinds_h) = @ARGV;
$kinds_h or die "usage: openapi.pl shim/openapi.json extension/rules/codes.h extension/rules/kinds.h\n";
open my $document, '<', $file or die "cannot read $file: $!\n";
my $text = do { local $/; <$document> };

# --- codes ---

my %codes;
open my $codes, '<', $codes_h or die "cannot read $codes_h: $!\n";
while (<$codes>)
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

# --- kinds ---

# What a value of each type is, beside its description.
my %types = (
    ID             => [ '"$ref": "#/components/schemas/IdIn"' ],
    AMOUNT         => [ '"$ref": "#/components/schemas/Amount"' ],
    AMOUNT_OR_ZERO => [ '"$ref": "#/components/schemas/InitialAmount"' ],
    CURRENCY       => [ '"type": "string"', '"pattern": "^[A-Za-z]{3}$"' ],
);

sub property
{
    my ($member) = @_;
    my $type = $types{ $member->{type} } or die "no schema for $member->{type}\n";
    my @lines = (qq("description": "$member->{meaning}"), @{$type});
    return qq(          "$member->{name}": {\n) . join(",\n", map { "            $_" } @lines) . "\n          }";
}

# The end of the schema of a kind's payload, from additionalProperties on.
sub payload
{
    my ($kind) = @_;
    my @required = map { qq(          "$_->{name}") } grep { $_->{required} } @{ $kind->{members} };
    return qq(        "additionalProperties": false,\n        "required": [\n) . join(",\n", @required)
        . qq(\n        ],\n        "properties": {\n) . join(",\n", map { property($_) } @{ $kind->{members} }) . "\n        }\n      }";
}

for my $kind (grep { $_->{path} } Kinds::read_kinds($kinds_h))
{
    my $schema = join('', map { ucfirst } split /_/, $kind->{name}) . 'Request';
    my $head = qr/^      "$schema": \{\n(?:(?!^      \}).*\n)*?/m;

    # A new one stands before that of many requests.
    $text =~ s/^(?=      "BulkRequest": \{)/      "$schema": {\n        "type": "object",\n        "additionalProperties": false\n      },\n/m
        unless $text =~ $head;
    $text =~ s/($head)        "additionalProperties": false.*?\n      \}/$1 . payload($kind)/se
        or die "$file has no schema called $schema\n";
    index($text, qq(    "$kind->{path}": {\n)) >= 0
        or die "$file has no path $kind->{path}: add its operations, and let those of POST take $schema\n";
    $text =~ m{^    "\Q$kind->{path}\E": \{\n(?:(?!^    \}).*\n)*?        "requestBody": \{\n(?:(?!^        \}).*\n)*? +"\$ref": "#/components/schemas/$schema"}m
        or die "$file: the POST of $kind->{path} does not take $schema\n";
}
print $text;
