#!/usr/bin/python3
"""What holds, reversals, groups and sweeps must be after faults: a small world in which all is well, and the same one with one
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
    ["deed", 0, 8, "group_reversal", "direct", 2, [15, False]], ["did", 0, 8, 20],
    ["deed", 0, 9, "split", "queue", 1, [[3, 33], [2, 66], [4, 1]]], ["did", 0, 9, "hs9"],
    ["deed", 0, 10, "sweep", "direct", 4], ["did", 0, 10, 25], ["did", 0, 10, 25],
    ["deed", 0, 11, "sweep", "direct", 4], ["did", 0, 11, 0],
    ["deed", 0, 12, "hold", "queue", 1], ["did", 0, 12, "hs12"],
    ["deed", 0, 13, "promised", "queue", 2, "hs12"], ["did", 0, 13, "hs13"],
    ["deed", 0, 14, "promised", "queue", 2, "hs12"], ["did", 0, 14, "hs14"],
    ["deed", 0, 15, "group_reversal", "queue", 2, [22, True]], ["did", 0, 15, "hs15"],
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
        Row(20, None, "reversal", 3, 1, 1, 0, 16, 20, 2),
        Row(21, None, "reversal", 2, 1, 5, 0, 15, 20, None),
        Row(22, 9, "transaction", 1, 3, 33, 0, None, 22, 3),
        Row(23, None, "transaction", 1, 2, 66, 0, None, 22, None),
        Row(24, None, "transaction", 1, 4, 1, 0, None, 22, None),
        Row(25, None, "sweep", 4, 2, 1, 0, None, None, None),
        Row(26, 12, "hold", 1, 2, 10, 10, None, None, None),
        Row(27, 13, "capture", 1, 2, 10, 0, 26, None, None),
    ],
    holds={10: (1, 0, 60, "captured"), 12: (1, 0, 0, "expired"), 26: (1, 0, 10, "captured")},
    reversed={11: 20, 15: 5, 16: 1},
    held={1: 0, 2: 0},
    lookups={"hs2": ("processed", 11), "hs3": ("rejected", None), "hs9": ("processed", 22), "hs12": ("processed", 26), "hs13": ("processed", 27),
             "hs14": ("rejected", None), "hs15": ("rejected", None)},
    swept={10: 25, 11: 0},
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


def said(word, number, place, value):
    """One word of the journals is another one."""

    def change(lines, _):
        next(line for line in lines if line[0] == word and line[2] == number)[place] = value

    return change


def changed(transfer, **columns):
    """The rows, one of them changed; without it where columns has none."""
    return [row._replace(**columns) if row.transfer_id == transfer else row for row in FACTS.rows if columns or row.transfer_id != transfer]


case("a world in which all is well", None)
case("a hold that is captured twice", "capture of hold 10, which is captured", add(37, None, "capture", 1, 2, 40, 0, 10, None, None))
case("a hold that is captured and then voided", "void of hold 10, which is captured", add(37, None, "void", 1, 2, 40, 0, 10, None, None))
case("a hold that is captured after it has expired", "capture of hold 12, which is expired", add(37, None, "capture", 1, 2, 50, 0, 12, None, None))
case("a hold that the table thinks is open", "hold 10: the table says (40, 60, 'open')", holds={**FACTS.holds, 10: (1, 40, 60, "open")})
case("a hold that the table has lost", "hold 12: the table says ()", holds={10: FACTS.holds[10], 26: FACTS.holds[26]})
case("an expiry that releases less", "expiry of 30 releases 50", rows=changed(13, amount=30))
case("a wallet that holds what no hold reserves", "wallet 1: holds 7", held={1: 7, 2: 0})
case("a row that tells another sum", "holds 3, its holds say 0", rows=changed(15, held=3))
case("refunded twice", "80 were refunded", add(37, None, "reversal", 2, 1, 60, 0, 11, None, None), reversed={**FACTS.reversed, 11: 80})
case("a refund that the table does not know", "reversals of 20, the table says None", reversed={})
case("a group whose last row is missing", "group 15: 1 rows, the first says 2", rows=changed(16))
case("a row of a group with a request of its own", "group 15", rows=changed(16, request_id=9))
case("a key with two answers", "deed 1: 2 different answers", lambda lines, _: lines.append(["did", 0, 1, 12]))
case("two keys with the same answer", "transfer 10: two deeds", lambda lines, _: lines.append(["did", 0, 4, 10]))
case("an answer that is of another kind", "deed 4: hold as transfer 11, which is capture", lambda lines, _: lines.append(["did", 0, 4, 11]))
case("a handshake that says queued for ever", "deed 3: its handshake says queued", lookups={**FACTS.lookups, "hs3": ("queued", None)})
case("a hold of nobody's", "hold that nobody asked for", add(37, None, "hold", 1, 2, 1, 1, None, None, None))
case("a group of nobody's", "fee that nobody asked for", add(37, None, "fee", 1, 3, 1, 0, None, 37, 1))
case("a group reversed twice", "transfer 15 over 5: 10 were refunded", add(37, None, "reversal", 2, 1, 5, 0, 15, 37, 1), reversed={**FACTS.reversed, 15: 10})
case("a group that is reversed in part", "leaves 1 of transfer 16", rows=changed(20, link_id=11), reversed={11: 21, 15: 5})
case("a fee that was to be kept is no fault", None, said("deed", 8, 6, [15, True]), rows=[row for row in changed(20) if row.transfer_id != 21]
     + [Row(20, None, "reversal", 2, 1, 5, 0, 15, 20, 1)], reversed={11: 20, 15: 5})  # fmt: skip
case("a group's reversal that takes another row with it", "reverses [11]", rows=changed(20, link_id=11), reversed={11: 21, 15: 5})
case("a group's reversal that is a group of payments", "deed 8: group_reversal as transfer 15", said("did", 8, 3, 15))
case("two deeds that reverse one group once", "transfer 20: two deeds", lookups={**FACTS.lookups, "hs15": ("processed", 20)})
case("a split whose share is another one", "the split 22 has moved", rows=changed(23, amount=67))
case("a split whose share goes elsewhere", "the split 22 has moved", rows=changed(24, destination=3))
case("a sweep without the client's own row", "deed 10: told sweep 25", swept={11: 0})
case("the client's own row without a sweep", "sweeps [25]", rows=changed(25))
case("a sweep that leaves money", "the sweep of wallet 4 leaves 2", rows=changed(24, amount=3))
case("a till swept twice", "the sweep of wallet 4 leaves -1", add(37, None, "sweep", 4, 2, 1, 0, None, None, None))
case("a capture of another hold than the one named", "transfer 27 captures hold 10", rows=changed(27, link_id=10))
case("a capture whose hold's handshake was refused", "of which the handshake says", lookups={**FACTS.lookups, "hs12": ("rejected", None)})
tap.done()
