#!/usr/bin/python3
"""The bank: clients pay over HTTP and in SQL while processes are killed, stopped and cut off and
system calls fail. SEED, KILLS (faults), DURATION (seconds), KEYS (each sent by eight at once),
LATELY (payments that each client sends again after a fault) and KINDS (only faults whose name has
this in it) come from the environment; without them this is the quick version."""

import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap
from bank import Bank, count_repeated
from nemesis import Nemesis, cannot_trace

RECOVERY_S_MAX = 2.0


def number(name, default):
    return int(os.environ.get(name) or default)


def report(lines, nemesis):
    found = [(line[3], line[1]) for line in lines if line[0] == "waited"] or [(0.0, 0.0)]
    tap.note(f"{'fault':40} times  recovery median, most   the shim's, most  longest stall  all of it, mean")
    for kind in sorted({strike[0] for strike in nemesis.strikes}):
        times, shim = zip(*(strike[1:3] for strike in nemesis.strikes if strike[0] == kind))
        windows = [(line[3], line[2]) for line in lines if line[0] == "fault" and line[4] == kind]
        mean = statistics.mean(until - begin for begin, until in windows)
        worst = max((s for s, at in found if any(at - s <= until and at >= begin for begin, until in windows)), default=0)
        tap.note(f"{kind:40} {len(times):5}  {statistics.median(times):9.3f} s  {max(times):7.3f} s  {max(shim):7.3f} s  {worst:10.3f} s  {mean:12.3f} s")
    _, times, shim, _ = zip(*nemesis.strikes)
    tap.note(f"{len(times)} faults; the worker posts again after: median {statistics.median(times):.3f} s, most {max(times):.3f} s")
    tap.note(f"the shim is ready again after: median {statistics.median(shim):.3f} s, most {max(shim):.3f} s")
    tap.note(f"the longest stall a client saw: {max(found)[0]:.3f} s")
    tap.note(f"system calls that were made to fail: {sum(nemesis.injected.values())} {nemesis.injected}, not reached: {nemesis.unhit}")


def main():
    count, seconds = number("KILLS", 50), number("DURATION", 50)
    with Bank("bank", number("SEED", time.time_ns() % 1_000_000), number("KEYS", 300)) as bank:
        world, turn, of = bank.nemesis_world()
        nemesis = Nemesis(bank.system, world, turn, of)
        bank.begin()
        deadline = time.monotonic() + seconds
        nemesis.torment(count, seconds)
        bank.let_crowd_end(deadline)
        nemesis.send_again(nemesis.answered)
        bank.end()
        lines = bank.compare()
        count_repeated(lines)
        report(lines, nemesis)
        for who, column in (("worker posts", 1), ("shim is ready", 2)):
            slow = [f"{strike[0]}: {strike[column]:.3f} s, the machine took {strike[3]:.3f} s of it" for strike in nemesis.strikes
                    if strike[column] > RECOVERY_S_MAX + strike[3]]  # fmt: skip
            tap.ok(not slow, f"the {who} again within {RECOVERY_S_MAX} s of each fault", *slow)
        tap.ok(len(nemesis.strikes) >= min(count, 5), f"{len(nemesis.strikes)} faults survived")
        if why := cannot_trace():
            tap.skip("system calls that fail", why)
        elif any("error=" in kind for kind in nemesis.kinds):
            tap.ok(nemesis.injected, "system calls were made to fail")
    tap.done()


main()
