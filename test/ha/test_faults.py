#!/usr/bin/python3
"""Clients pay through haproxy while a machine's servers are killed, frozen and cut off. Nothing that was
acknowledged may be lost, nothing done twice; both databases must be clean in the end. Prints a
table: for each kind of fault how often, the longest time without an acknowledgement, how many were
acknowledged from the fault until all was whole again, how many of them are lost or doubled.

FAULTS=N (in network namespaces, as root): every kind of fault N times, frozen or cut off for FROZEN
seconds (45). Without it: one kill, one switchover, one freeze that ends when the standby leads.
KINDS: only kinds whose name this regular expression finds.
HA_STRICT=on: nothing is acknowledged while a machine is lost, so those gaps have no bound; nor is
anything after a switchover, before the old leader has become a standby."""

import collections
import contextlib
import os
import pathlib
import random
import re
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "../torture")]
import bank
import checker
import clients
import journal
import tap
from nemesis import Metronome
from servers import Servers
from system import wait_until

CLIENTS = 8
IS_STRICT = os.environ.get("HA_STRICT") == "on"
# How long all goes well before a fault.
CALM_S = 3
# Patroni's ttl is 15 or 20 s.
REPLACED_S_MAX = 60

Fault = collections.namedtuple("Fault", "kind begin end late")


def number(name, default):
    return int(os.environ.get(name) or default)


def longest_gaps(servers):
    """The longest gaps that are right, in seconds, by the first word of a fault's kind."""
    if IS_STRICT:
        return {"kill": 20, "switchover": 20}
    # Whoever is lost keeps the leader key for its ttl.
    return {"kill": 20, "switchover": 3, "lose": servers.ttl() + 5}


class Faults:
    def __init__(self, servers, frozen_s):
        self.servers, self.frozen_s = servers, frozen_s

    def kill(self, what):
        self.servers.kill(what)

    def during(self, context):
        with context:
            time.sleep(self.frozen_s)

    def freeze_until_replaced(self, what, standby):
        """For so long at least, and until the standby leads. Then the frozen leader goes on, and may lead no more."""
        with self.servers.frozen(what):
            until = time.monotonic() + self.frozen_s
            wait_until(lambda: self.servers.is_in_role(standby, "primary"), REPLACED_S_MAX, 0.2)
            time.sleep(max(0, until - time.monotonic()))
        self.servers.await_whole()
        tap.ok(self.servers.leader() == standby, f"{what}, frozen and replaced, has not taken the leader key back")

    def switchover(self):
        self.servers.run("ctl", "switchover", "--force", "--candidate", self.servers.standby())

    def short(self):
        return {
            "kill -9 both of the leader": lambda leader, standby: self.kill(f"both of {leader}"),
            "switchover": lambda leader, standby: self.switchover(),
            "freeze both of the leader": lambda leader, standby: self.freeze_until_replaced(f"both of {leader}", standby),
        }

    def all(self):
        servers, found = self.servers, self.short()
        for part in ("postgres", "patroni"):
            found[f"kill -9 {part} of the leader"] = lambda leader, standby, part=part: self.kill(f"{part} of {leader}")
        found["freeze postgres of the leader"] = lambda leader, standby: self.during(servers.frozen(f"postgres of {leader}"))
        found["freeze patroni of the leader"] = lambda leader, standby: self.freeze_until_replaced(f"patroni of {leader}", standby)
        found["lose the leader's machine"] = lambda leader, standby: self.during(servers.lost(leader))
        found["lose the standby's machine"] = lambda leader, standby: self.during(servers.lost(standby))
        found["freeze both of the standby"] = lambda leader, standby: self.during(servers.frozen(f"both of {standby}"))
        for node in ("etcd", "haproxy", "shim1"):
            found[f"kill -9 {node}"] = lambda leader, standby, node=node: self.kill(node)
            found[f"freeze {node}"] = lambda leader, standby, node=node: self.during(servers.frozen(node))
        if servers.netns:
            for pair in ("leader standby", "leader etcd", "standby etcd", "leader haproxy", "standby haproxy", "haproxy shim1"):
                found[f"cut {pair.replace(' ', ' from ')}"] = lambda leader, standby, pair=pair: self.during(
                    servers.cut(*({"leader": leader, "standby": standby}.get(node, node) for node in pair.split()))
                )
        return found


def payers(world):
    return [clients.HttpClient(world, i, CLIENTS) for i in range(CLIENTS)]


def strike(servers, world, metronome, kind, deed):
    leader, standby = servers.leader(), servers.standby()
    begin, late = time.time(), metronome.late
    deed(leader, standby)
    servers.await_whole()
    workers = servers.workers()
    if sum(workers) != 1 and not wait_until(lambda: sum(servers.workers()) == 1, 20, 0.2):
        tap.ok(False, f"{kind}: one worker in all", f"workers of db1 and db2: {servers.workers()}")
    world.faults.value += 1
    whole = time.time()
    time.sleep(CALM_S)
    # It may have gone wrong once more.
    servers.await_whole()
    fault = Fault(kind, begin, time.time(), metronome.late - late)
    tap.note(f"{kind}: whole again after {whole - begin:.1f} s, calm after {fault.end - begin:.1f} s; the leader was {leader}, is {servers.leader()}")
    return fault


def strike_all(servers, world, metronome, deeds):
    """Returns the faults that have been struck.  Where one goes wrong, those before it are judged all the same."""
    faults = []
    for kind, deed in deeds:
        try:
            faults.append(strike(servers, world, metronome, kind, deed))
        except Exception as error:
            tap.ok(False, f"{kind}: struck and whole again", repr(error))
            break
    return faults


def longest_gap(times, fault):
    """Between two acknowledgements, from the last one before the fault to the first one after."""
    before = [t for t in times if t < fault.begin][-1:] or [fault.begin]
    within = [t for t in times if fault.begin <= t <= fault.end]
    after = [t for t in times if t > fault.end][:1]
    row = before + within + (after or [fault.end])
    return max(later - earlier for earlier, later in zip(row, row[1:]))


def report(lines, tables, faults, bounds):
    """Prints the table. Returns each gap that is too long, and kinds of faults with nothing to compare."""
    acks = sorted((line[1], line[2]) for line in lines if line[0] == "ack")
    times = [at for at, _ in acks]
    stored = collections.Counter(row[3] for row in tables.requests)
    moved = collections.Counter(row[4] for row in tables.transfers)
    slow = []
    tap.note(f"{'fault':32} times  longest gap  median gap  acknowledged  lost  doubled")
    for kind in dict.fromkeys(fault.kind for fault in faults):
        some = [fault for fault in faults if fault.kind == kind]
        gaps = sorted(longest_gap(times, fault) for fault in some)
        cents = {c for at, c in acks if any(fault.begin <= at <= fault.end for fault in some)}
        lost = sum(not stored[c] for c in cents)
        doubled = sum(stored[c] > 1 or moved[c] > 1 for c in cents)
        tap.note(f"{kind:32} {len(some):5}  {gaps[-1]:9.1f} s  {gaps[len(gaps) // 2]:8.1f} s  {len(cents):12}  {lost:4}  {doubled:7}")
        bound = bounds.get(kind.split()[0], 10**6)
        slow += [] if cents else [f"{kind}: nothing was acknowledged from the fault until all was whole"]
        slow += [f"{kind}: {longest_gap(times, fault):.1f} s, the machine was late by {fault.late:.1f} s" for fault in some
                 if longest_gap(times, fault) > bound + fault.late]  # fmt: skip
    return slow


def both_sides(servers):
    """What wallet_verify() finds on the standby once it has replayed what the leader has."""
    leader, standby = servers.connect(), servers.connect(servers.standby())
    ((written,),) = leader.query("SELECT pg_current_wal_lsn()")
    replayed = wait_until(lambda: standby.query("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", written) == [["t"]], 60, 0.1)
    tap.ok(replayed, "the standby has replayed everything")
    return standby.query("SELECT name, detail FROM wallet_verify() WHERE NOT ok", seconds=300)


def judge(servers, world, initial, faults):
    lines = list(journal.read(world.folder))
    owner = {line[2]: world.users[line[5]] for line in lines if line[0] == "op"}
    handshakes = sorted({(owner[line[2]], line[3]) for line in lines if line[0] == "ack"})
    connection = servers.connect()
    dry = wait_until(lambda: connection.query("SELECT queued FROM wallet.queue") == [["0"]], 60, 0.1)
    tap.ok(dry, "the queue is worked off")
    tables = checker.read_tables(connection, initial, handshakes)
    wrong = checker.check(lines, tables)
    tap.ok(not wrong, f"{len(handshakes)} acknowledged: nothing lost, nothing doubled, each handshake valid, wallet_verify() clean", *wrong)
    unclean = both_sides(servers)
    tap.ok(not unclean, "wallet_verify() on the standby is clean", *unclean)
    bounds = longest_gaps(servers)
    slow = report(lines, tables, faults, bounds)
    tap.ok(not slow, f"something is acknowledged after every fault, and no gap is longer than {bounds}", *slow)
    tap.ok(sum(servers.workers()) == 1, "the worker runs on one database", servers.workers())


def main():
    times, seed = number("FAULTS", 0), number("SEED", time.time_ns() % 1_000_000)
    apart = bool(times) and os.geteuid() == 0
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ha."))
        folder.chmod(0o755)
        servers = Servers(folder / "run", apart)
        stack.callback(servers.stop)
        begin = time.monotonic()
        servers.start()
        tap.note(f"seed {seed}; whole after {time.monotonic() - begin:.1f} s")
        (folder / "journals").mkdir()
        world = bank.World(servers, seed, folder / "journals")
        connection = servers.connect()
        # What the checker of test/torture reads; nobody pays in SQL here.
        connection.query("CREATE TABLE application (cents bigint PRIMARY KEY, transfer_id bigint)")
        initial = world.open_wallets(connection)
        connection.close()
        child = bank.processes.Process(target=bank.serve, args=(lambda: payers(world),))
        child.start()
        stack.callback(child.kill)
        metronome = Metronome(daemon=True)
        metronome.start()
        nemesis = Faults(servers, number("FROZEN", 45 if times else 0))
        kinds = nemesis.all() if times else nemesis.short()
        deeds = [(kind, deed) for kind, deed in kinds.items() if re.search(os.environ.get("KINDS") or "", kind)] * max(times, 1)
        if times:
            random.Random(seed).shuffle(deeds)
        time.sleep(CALM_S)
        faults = strike_all(servers, world, metronome, deeds)
        world.stop.set()
        child.join(120)
        tap.ok(child.exitcode == 0, "every client has got an answer in the end", f"exit status {child.exitcode}")
        judge(servers, world, initial, faults)
    tap.done()


main()
