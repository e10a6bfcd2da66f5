#!/usr/bin/perl
# codes.pl < extension/rules/codes.h > docs/codes.md: the table of codes as a page of the manual.
use strict;
use warnings;

print <<'END';
# Codes

Every way in which a request can end, in the order in which the rules are checked: who breaks two
rules is refused with the code that stands first. (An amount that no currency could hold is refused
while it is read, before any rule. A payload is read from left to right: the first thing that is
wrong in it counts. A request for the queue is not even stored when its amount is seen at once not to fit its
currency; that is looked up for new wallets, and for amounts with more than two decimals. A used
idempotency key is found before all rules by a direct call, and after those for which no wallet is
needed in the queue.) SQL errors carry the SQLSTATE; outcomes and HTTP
answers carry the code. *HTTP* is the status of an answer that refuses a request before it is
queued; a request that is refused in its turn has an outcome, which is read with status 200. *Later*
says whether the same request, sent again later, may well succeed.

This page is made from [extension/rules/codes.h](../extension/rules/codes.h) by `docs/codes.pl`.

| code | SQLSTATE | HTTP | later | meaning | hint |
|---|---|---|---|---|---|
END
my $string = qr/"((?:[^"\\]|\\.)*)"/;
while (<STDIN>)
{
    next unless /^\s*X\(\w+, $string, $string, (\d), (\d+), $string, $string\)/;
    my ($code, $sqlstate, $transient, $status, $message, $hint) = ($1, $2, $3, $4, $5, $6);
    print "| `$code` | $sqlstate | $status | ", $transient ? 'yes' : '', " | $message | $hint |\n";
}
