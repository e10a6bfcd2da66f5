#!/usr/bin/perl
# kinds.pl extension/rules/kinds.h > docs/kinds.md: the table of kinds as a page of the manual.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Kinds;

my ($file) = @ARGV or die "usage: kinds.pl extension/rules/kinds.h\n";
my %types = (
    ID             => 'id',
    AMOUNT         => 'amount above zero',
    AMOUNT_OR_ZERO => 'amount, or zero',
    CURRENCY       => 'currency',
);

print <<'END';
# Kinds

Each request has a kind. The kind says which members its payload has, who may ask over HTTP, and
what is done. `wallet_enqueue(kind, payload)` and HTTP take the same payloads.

The tables store the number of the kind, and the handshake of a request seals it: a number never
changes its meaning. The table `wallet.kind` has the names, and functions, views and HTTP show them.
An id is a whole number from 1 on, an amount a plain decimal number. Both may stand in strings.

This page is made from [extension/rules/kinds.h](../extension/rules/kinds.h) by `docs/kinds.pl`.

| number | kind | POST to | scope of the API key | what a request asks for |
|---|---|---|---|---|
END
my @kinds = Kinds::read_kinds($file);
printf "| %d | [`%s`](#%s) | %s | %s | %s |\n", @{$_}{qw(number name name)}, $_->{path} ? "`$_->{path}`" : '', $_->{scope}, $_->{meaning}
    for @kinds;
for my $kind (@kinds)
{
    print "\n## $kind->{name}\n\n$kind->{meaning}\n\n| member | type | needed | meaning |\n|---|---|---|---|\n";
    for my $member (@{ $kind->{members} })
    {
        my $type = $types{ $member->{type} } or die "no words for $member->{type}\n";
        print "| `$member->{name}` | $type | ", ($member->{required} ? 'yes' : ''), " | $member->{meaning} |\n";
    }
}
