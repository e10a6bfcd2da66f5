#!/usr/bin/python3
"""The checker must see what it is there for: a small world in which all is well, and the same one
with one thing wrong at a time."""

import copy
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checker
import tap

LINES = [
    ["op", 0, 101, "queue", "a", 1, 2], ["ack", 0, 101, "hs101"], ["ack", 0, 101, "hs101"], ["told", 0, 101, "processed", 11],
    ["op", 0, 102, "queue", "b", 2, 1], ["doubt", 0, 102, "cut"], ["ack", 0, 102, "hs102"], ["told", 0, 102, "insufficient_funds", None],
    ["op", 0, 103, "queue", None, 1, 2], ["doubt", 0, 103, "cut"],
    ["op", 0, 104, "direct", "c", 1, 2], ["paid", 0, 104, 12],
    ["op", 0, 105, "direct", None, 1, 2], ["refused", 0, 105, "PW215"],
    ["seen", 0, 2000, 0, -2000],
]  # fmt: skip
TABLES = checker.Tables(
    requests=[[1, 1, 2, 101], [2, 2, 1, 102]],
    transfers=[[11, 1, 1, 2, 101], [12, None, 1, 2, 104]],
    outcomes=[(2, "insufficient_funds")],
    wallets={1: 795, 2: 1205},
    initial={1: 1000, 2: 1000},
    application=[[104, 12]],
    lookups={"hs101": ("processed", "processed", 11), "hs102": ("rejected", "insufficient_funds", None)},
    verify=[],
)


def case(name, expected, change=None, **tables):
    """change(lines, tables): what is done to a world that was well."""
    lines, world = copy.deepcopy(LINES), copy.deepcopy(TABLES)
    if change:
        change(lines, world)
    faults = checker.check(lines, world._replace(**tables))
    good = any(expected in fault for fault in faults) if expected else not faults
    tap.ok(good, name, *(faults or ["no fault found"]))


def without(row, rows):
    rows.remove(row)


case("a world in which all is well", None)
case("an acknowledged request is lost", "payment 101: acknowledged, and lost", lambda _, t: without(TABLES.requests[0], t.requests))
case("a handshake that no table knows", "payment 103: acknowledged, and lost", lambda j, _: j.append(["ack", 0, 103, "hs103"]))
case("money moved twice", "payment 101: moved 2 times", lambda _, t: t.transfers.append([13, 1, 1, 2, 101]))
case("money moved past its request", "payment 101: moved past its request", lambda _, t: t.transfers.append([13, None, 1, 2, 101]))
case("a request stored twice", "payment 101: stored 2 times", lambda _, t: t.requests.append([3, 1, 2, 101]))
case("a request without an outcome", "payment 102: its request has 0 outcomes", outcomes=[])
case("a request with two outcomes", "payment 101: its request has 2 outcomes", lambda _, t: t.outcomes.append((1, "same_wallet")))
case("an outcome of nobody's", "an outcome of request 9", lambda _, t: t.outcomes.append((9, "same_wallet")))
case("a request of nobody's", "nobody asked", lambda _, t: t.requests.append([9, 1, 2, 999]))
case("a transfer of nobody's", "nobody asked", lambda _, t: t.transfers.append([13, None, 1, 2, 999]))
case("a transfer to another wallet", "nobody asked", transfers=[[11, 1, 2, 1, 101], [12, None, 1, 2, 104]])
case("two handshakes for one key", "payment 101: 2 different handshakes", lambda j, _: j.append(["ack", 0, 101, "other"]))
case("a key that means something else later", "payment 104: acknowledged, and refused", lambda j, _: j.append(["refused", 0, 104, "PW301"]))
case("a client was told otherwise", "payment 102: a client was told", lambda j, _: j.append(["told", 0, 102, "processed", 14]))
case("a handshake that says queued for ever", "payment 101: its handshake says", lookups={**TABLES.lookups, "hs101": ("queued", None, None)})
case("a committed payment is lost", "payment 104: committed", transfers=TABLES.transfers[:1])
case("a refused payment moved money", "payment 105: money moved", lambda _, t: t.transfers.append([13, None, 1, 2, 105]))
case("a payment without the client's own row", "payment 104: the client's own rows", application=[])
case("the client's own row without a payment", "payment 105: the client's own rows", lambda _, t: t.application.append([105, 15]))
case("a balance that the journal does not explain", "the balances of the wallets [1]", wallets={1: 796, 2: 1205})
case("a snapshot with too much money", "a snapshot shows 2001", lambda j, _: j.append(["seen", 0, 2001, 0, -2000]))
case("a snapshot below the floor", "a snapshot shows a balance of -1", lambda j, _: j.append(["seen", 0, 2000, -1, -2000]))
case("wallet_verify() finds a fault", "wallet_verify(): journal_chain", verify=[["journal_chain", "wallet 1"]])
case("an unclean answer", "an unclean answer", lambda j, _: j.append(["unclean", 0, 101, "500 text/plain"]))
tap.done()
