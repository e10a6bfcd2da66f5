#!/usr/bin/python3
"""What holds, reversals and groups must be after faults: a small world in which all is well, and the same one with one
thing wrong at a time."""

import copy
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import deeds
import tap
from deeds import Row

LINES = [
    ["deed", 0, 1, "hold", "direct", 1], ["did", 0, 1, 10], ["did", 0, 1, 10],
    ["deed", 0, 2, "capture", "queue", 2], ["did", 0, 2, "hs2"],
    ["deed", 0, 3, "capture", "queue", 2], ["did", 0, 3, "hs3"],
    ["deed", 0, 4, "hold", "direct", 1], ["did", 0, 4, 12],
    ["deed", 0, 5, "void", "direct", 2], ["denied", 0, 5, "PW222"],
    ["deed", 0, 6, "reversal", "direct", 2], ["did", 0, 6, 14],
    ["deed", 0, 7, "group", "direct", 1], ["did", 0, 7, 15],
]  # fmt: skip
FACTS = deeds.Facts(
    rows=[
        Row(10, None, "hold", 1, 2, 100, 100, None, None, None),
        Row(11, 5, "capture", 1, 2, 60, 0, 10, None, None),
        Row(12, None, "hold", 1, 2, 50, 50, None, None, None),
        Row(13, None, "expiry", 1, 2, 50, 0, 12, None, None),
        Row(14, None, "reversal", 2, 1, 20, 0, 11, None, None),
        Row(15, None, "transaction", 1, 2, 5, 0, None, 15, 2),
        Row(16, None, "fee", 1, 3, 1, 0, None, 15, None),
    ],
    holds={10: (1, 0, 60, "captured"), 12: (1, 0, 0, "expired")},
    reversed={11: 20},
    held={1: 0, 2: 0},
    lookups={"hs2": ("processed", 11), "hs3": ("rejected", None)},
)


def case(name, expected, change=None, **facts):
    """change(lines, facts): what is done to a world that was well."""
    lines, world = copy.deepcopy(LINES), copy.deepcopy(FACTS)
    if change:
        change(lines, world)
    faults = list(deeds.check(lines, world._replace(**facts)))
    good = any(expected in fault for fault in faults) if expected else not faults
    tap.ok(good, name, *(faults or ["no fault found"]))


def add(*row):
    return lambda _, facts: facts.rows.append(Row(*row))


case("a world in which all is well", None)
case("a hold that is captured twice", "capture of hold 10, which is captured", add(17, None, "capture", 1, 2, 40, 0, 10, None, None))
case("a hold that is captured and then voided", "void of hold 10, which is captured", add(17, None, "void", 1, 2, 40, 0, 10, None, None))
case("a hold that is captured after it has expired", "capture of hold 12, which is expired", add(17, None, "capture", 1, 2, 50, 0, 12, None, None))
case("a hold that the table thinks is open", "hold 10: the table says (40, 60, 'open')", holds={**FACTS.holds, 10: (1, 40, 60, "open")})
case("a hold that the table has lost", "hold 12: the table says ()", holds={10: FACTS.holds[10]})
case("an expiry that releases less", "expiry of 30 releases 50", rows=[row._replace(amount=30) if row.transfer_id == 13 else row for row in FACTS.rows])
case("a wallet that holds what no hold reserves", "wallet 1: holds 7", held={1: 7, 2: 0})
case("a row that tells another sum", "holds 3, its holds say 0", rows=[row._replace(held=3) if row.transfer_id == 15 else row for row in FACTS.rows])
case("refunded twice", "80 were refunded", add(17, None, "reversal", 2, 1, 60, 0, 11, None, None), reversed={11: 80})
case("a refund that the table does not know", "reversals of 20, the table says None", reversed={})
case("a group whose last row is missing", "group 15: 1 rows, the first says 2", rows=FACTS.rows[:-1])
case("a row of a group with a request of its own", "group 15", rows=FACTS.rows[:-1] + [FACTS.rows[-1]._replace(request_id=9)])
case("a key with two answers", "deed 1: 2 different answers", lambda lines, _: lines.append(["did", 0, 1, 12]))
case("two keys with the same answer", "transfer 10: two deeds", lambda lines, _: lines.append(["did", 0, 4, 10]))
case("an answer that is of another kind", "deed 4: hold as transfer 11, which is capture", lambda lines, _: lines.append(["did", 0, 4, 11]))
case("a handshake that says queued for ever", "deed 3: its handshake says queued", lookups={**FACTS.lookups, "hs3": ("queued", None)})
case("a hold of nobody's", "hold that nobody asked for", add(17, None, "hold", 1, 2, 1, 1, None, None, None))
case("a group of nobody's", "fee that nobody asked for", add(17, None, "fee", 1, 3, 1, 0, None, 17, 1))
tap.done()
