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
    USER           => 'id',
    AMOUNT         => 'amount above zero',
    AMOUNT_OR_ZERO => 'amount, or zero',
    CURRENCY       => 'currency',
    TIME           => 'time',
    DEADLINE       => 'time',
    INTERVAL       => 'seconds, or an interval',
    FLAG           => 'true or false',
    NEGATED_FLAG   => 'true or false',
    AMOUNT_MODE    => 'one of three words',
    SHORTFALL      => 'one of three words',
    HANDSHAKE      => 'handshake',
    LEGS           => 'array of objects',
    SPLIT          => 'array of objects',
);
my $table = "\n| member | type | needed | meaning |\n|---|---|---|---|\n";

print <<'END';
# Kinds

Each request has a kind. The kind says which members its payload has, who may ask over HTTP, and
what is done. `wallet_enqueue(kind, payload)` and HTTP take the same payloads.

The tables store the number of the kind, and the handshake of a request seals it: a number never
changes its meaning. The table `wallet.kind` has the names, and functions, views and HTTP show them.
An id is a whole number from 1 on, an amount a plain decimal number. Both may stand in strings. A
time is text of ISO 8601, in UTC where it names no zone. An interval is a number of seconds, or text
such as `2 days` or `PT36H`; a day has 24 hours, a month 30 days.

An operator who speaks for all users may leave out `user_id`, except of a wallet and of a read. The
leg of a group has the members of its kind without `user_id`, `valid_until` and
`hold_handshake_id`, and `kind` besides; `split` may stand in a leg alone, and `amount` in place of
`trans_sum`. Some kinds are legs only,
and some are rows of the journal that nobody asks for.

This page is made from [extension/rules/kinds.h](../extension/rules/kinds.h) by `docs/kinds.pl`.

| number | kind | POST to | one of these scopes | what a request asks for |
|---|---|---|---|---|
END
my @kinds = Kinds::read_kinds($file);
for (@kinds)
{
    my $use = $_->{path} ? "`$_->{path}`" : $_->{uses}{request} ? '' : $_->{uses}{leg} ? 'a leg only' : 'the journal only';
    my $scope = $_->{uses}{journal} ? '' : join ', ', split ' ', $_->{scope};
    print "| $_->{number} | [`$_->{name}`](#$_->{name}) | $use | $scope | $_->{meaning} |\n";
}
for my $kind (@kinds)
{
    print "\n## $kind->{name}\n\n$kind->{meaning}\n", @{ $kind->{members} } ? $table : ();
    for my $member (@{ $kind->{members} })
    {
        my $type = $types{ $member->{type} } or die "no words for $member->{type}\n";
        print "| `$member->{name}` | $type | ", ($member->{required} ? 'yes' : ''), " | $member->{meaning} |\n";
    }
}
