#!/usr/bin/perl
# codes.pl < extension/rules/codes.h > docs/codes.md: the table of codes as a page of the manual.
use strict;
use warnings;

print <<'END';
# Codes

Every way in which a request can end. The codes stand in the order in which the rules are checked:
a request that breaks two rules is refused with the code that stands first. Two checks come earlier
than the table says:

- An amount that no currency could hold is refused while the payload is read: before the idempotency
  key is looked at, and before any rule on what several members say together. Of several values that
  are wrong by themselves, the one whose code stands first is told.
- Queueing a request checks at once whether the amount of a new wallet, or any amount with more than
  two decimals, has more decimals than the currency. If so, the request is not stored.

Of several faults of a payload, with all legs of a group, the first in the table is the answer,
whether a value is wrong by itself or what several members say together. A fault of the idempotency
key has its place among them; over HTTP the key is a header, and is looked at before the body.

A repeated idempotency key is found after the rules of the payload, and gives the first result
before any rule that stands below `idempotency_mismatch` is looked at.

| column | meaning |
|---|---|
| code | what outcomes and HTTP answers carry |
| SQLSTATE | what the SQL error carries |
| HTTP | the status of an answer that refuses a request before the request is queued. A request that is refused later, when its turn comes, has an outcome, and outcomes are read with status 200 |
| later | `yes`: the request, sent again later without a change, may succeed |

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
