#!/usr/bin/python3
"""More than there is room for: payments are offered at twice the rate at which they can be carried
out, with PostgreSQL shut down and started again in the middle, once in order and once not. The queue
must stay within its limit, every answer be an acknowledgement or 503 with Retry-After, memory be
bounded; what was acknowledged must have its outcome, what was refused none; and soon after the load
has gone everybody must be served as before. SEED and DURATION (seconds, at most a minute) come from
the environment.

The worker is held to one request a transaction (pg_wallet.batch_max), each of which takes a
millisecond and more, so that the rate it sustains is one that a client in Python can well double,
however fast the disk is."""

import json
import math
import os
import signal
import statistics
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bank
import clients
import load
import pq
import tap
from system import wait_until

BATCH_MAX = 1
FIRST_LIMIT = 1000
MEASURED_S = 3
GROWTH_KB_MAX = 8 * 1024
RECOVERY_S_MAX = 10
NORMAL_S_LEAST = 0.1
PROBES_LEAST = 20
# For so long the load goes on before a full queue that nobody works off.
FULL_S = 1
# Readings of the queue come so often.
WATCH_S = 0.02
FAST_AS_CAN_BE = 1e9


class Watch(threading.Thread):
    """Looks at the queue and at the memory of those who serve it."""

    SQL = (
        "SELECT q.queued, q.posted + q.refused, q.worker_pid,"
        " (SELECT string_agg(a.pid::text, ' ') FROM pg_stat_activity AS a WHERE a.usename = 'wallet_shim') FROM wallet.queue AS q"
    )

    def __init__(self, system):
        super().__init__(daemon=True)
        self.system, self.stop = system, threading.Event()
        self.samples = []  # (when, how many are queued, how many have been carried out)
        self.memory = []  # (when, {who: kB})

    def run(self):
        connection = None
        while not self.stop.wait(WATCH_S):
            try:
                connection = connection or self.system.connect("watch")
                ((queued, done, worker, backends),) = connection.query(self.SQL)
                self.samples.append((time.time(), int(queued), int(done or 0)))
                self.weigh(worker, backends)
            except pq.Error:
                connection = None

    def weigh(self, worker, backends):
        who = {"the shim": [self.system.pid("shim")], "the worker": [worker] if worker else [], "its backends": (backends or "").split()}
        found = {}
        for name, pids in who.items():
            try:
                found[name] = max(anonymous_kb(pid) for pid in pids)
            except (OSError, ValueError):
                pass
        self.memory.append((time.time(), found))

    def rate(self, seconds):
        """How many a second have been carried out of late; 0 where that cannot be told."""
        lately = [sample for sample in self.samples[-1000:] if sample[0] > time.time() - seconds]
        if len(lately) < 2 or lately[-1][2] < lately[0][2]:
            return 0
        return (lately[-1][2] - lately[0][2]) / (lately[-1][0] - lately[0][0])

    def queued(self):
        return self.samples[-1][1] if self.samples else 0

    def most(self, name, begin, end):
        return max((found.get(name, 0) for when, found in self.memory if begin <= when <= end), default=0)


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        # One that has ended, and is not yet buried, has none.
        return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


class Prober(clients.HttpClient):
    """One who waits for the outcome of a payment, then makes the next: how long does that take?"""

    def __init__(self, world, number, of):
        super().__init__(world, number, of)
        self.taken = []  # (when, seconds)

    def run(self):
        while not self.world.stop.is_set():
            begin = time.time()
            payment = self.new_payment(keyless=1)
            try:
                status, answer = self.ask(payment, "POST", "/api/v1/transaction", self.body(payment), {"Prefer": "wait=10"})
                self.journal.write("ack", payment.cents, answer["handshake_id"])
                if status == 200:
                    self.taken.append((begin, time.time() - begin))
            except clients.Doubt as why:
                self.journal.write("doubt", payment.cents, str(why))
            time.sleep(0.02)

    def since(self, when):
        return [seconds for begin, seconds in self.taken if begin >= when]


class Overload(bank.Bank):
    def __init__(self, seed):
        super().__init__("overload", seed, keys=0)
        self.rate = bank.processes.Value("d", 0.0)
        self.times = []  # (begin, end) of each piece of overload, without the outages
        self.outages = []

    def begin(self):
        child = bank.processes.Process(target=bank.serve, args=(lambda: [load.Load(self.world, 0, 2, self.rate)],))
        child.start()
        self.children.append(child)
        self.watch = Watch(self.system)
        self.watch.start()
        self.prober = Prober(self.world, 1, 2)
        self.prober.start()

    def end(self):
        self.rate.value = 0
        super().end()
        self.prober.join(30)
        self.watch.stop.set()
        self.watch.join()
        with open(f"{self.world.folder}/answers.json", encoding="utf-8") as file:
            self.answers = json.load(file)

    def set(self, **settings):
        connection = self.system.connect()
        for name, value in settings.items():
            connection.query(f"ALTER SYSTEM SET pg_wallet.{name} = {value}")
        connection.query("SELECT pg_reload_conf()")
        connection.close()

    def slow_down(self):
        connection = self.system.connect()
        connection.query(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.001); RETURN NULL; END';"
            " CREATE TRIGGER linger AFTER INSERT ON wallet.transfer FOR EACH ROW EXECUTE FUNCTION linger()"
        )
        connection.close()
        self.set(batch_max=BATCH_MAX, queue_limit=FIRST_LIMIT)

    def measure(self):
        """What can be sustained: how many a second are carried out while more than that are offered."""
        self.rate.value = FAST_AS_CAN_BE
        if not wait_until(lambda: self.watch.queued() >= FIRST_LIMIT / 2, 60):
            raise RuntimeError("the load is no load")
        time.sleep(MEASURED_S)
        self.sustained = self.watch.rate(MEASURED_S)
        self.rate.value = 0
        if not wait_until(lambda: self.watch.queued() == 0, 60):
            raise RuntimeError("the queue does not run dry")
        # A full queue is then a wait of about a second.
        self.limit = max(50, math.ceil(self.sustained))
        self.set(queue_limit=self.limit)

    def as_usual(self):
        """How long a payment takes while half as many are offered."""
        self.rate.value = self.sustained / 2
        begin = time.time()
        time.sleep(MEASURED_S)
        if not wait_until(lambda: len(self.prober.since(begin)) >= PROBES_LEAST, 60):
            raise RuntimeError("half of what is sustained is too much")
        self.usual = self.prober.since(begin)
        self.loaded_from = time.time()

    def overload(self, seconds):
        """Twice what is sustained, also where the machine can do more by now than it could before."""
        begin = time.time()
        while time.time() < begin + seconds:
            self.rate.value = 2 * max(self.sustained, self.watch.rate(1))
            time.sleep(0.1)
        self.times.append((begin, time.time()))

    def restart(self, how, full):
        """Full: with the worker paused, so that the queue is still as full as it may be when the
        load is back; then whatever is let in is too much."""
        begin = time.time()
        if full:
            self.set(worker="off")
            if not wait_until(lambda: self.watch.queued() >= 0.9 * self.limit, 60):
                raise RuntimeError("the queue does not become full")
        self.system.stop_server(how)
        self.system.start_server()
        if full:
            if not wait_until(self.shim_is_connected, 60, 0.02):
                raise RuntimeError("the shim does not connect again")
            time.sleep(FULL_S)
            self.set(worker="on")
        if not wait_until(self.system.shim_is_ready, 60, 0.02):
            raise RuntimeError("the shim does not come back")
        self.outages.append((begin, time.time() + 1))

    def shim_is_connected(self):
        connection = self.system.connect()
        ((count,),) = connection.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'wallet_shim'")
        connection.close()
        return count == "4"  # two for each of the shim's threads

    def recover(self):
        """Half as many again: seconds until five payments, one after the other, take no longer than usual."""
        self.rate.value = self.sustained / 2
        begin = self.loaded_until = time.time()
        self.normal_s = max(NORMAL_S_LEAST, 3 * max(self.usual))

        def recovered():
            last = self.prober.taken[-5:]
            return len(last) == 5 and last[0][0] >= begin and all(seconds <= self.normal_s for _, seconds in last)

        found = wait_until(recovered, 60)
        return time.time() - begin if found else math.inf


def during(times, rows):
    return [row for row in rows if any(begin <= row[0] <= end for begin, end in times)]


def check_answers(it):
    odd = [answer for answer in it.answers if (answer[2], answer[3]) not in ((202, None), (503, "queue_full"))]
    unexplained = [answer for answer in odd if not during(it.outages, [answer]) or answer[2] != 503 or answer[3] not in ("database_unavailable", "database_busy")]
    tap.ok(not unexplained, "every answer is 202 or 503 queue_full, or 503 database_unavailable or database_busy in an outage", *unexplained)
    bare = [answer for answer in it.answers if answer[2] == 503 and not (answer[4] or "").isdigit()]
    tap.ok(not bare, "every 503 has Retry-After", *bare)
    for number, piece in enumerate(it.times, 1):
        full = [answer for answer in during([piece], it.answers) if answer[3] == "queue_full"]
        tap.ok(full, f"the limit is reached, time {number} of {len(it.times)}: {len(full)} are refused")


def check_rates(it):
    seconds = sum(end - begin for begin, end in it.times)
    answers = during(it.times, it.answers)
    taken = [answer for answer in answers if answer[2] == 202]
    tap.note(
        f"sustained: {it.sustained:.0f} a second; offered for {seconds:.0f} s: {len(answers) / seconds:.0f} a second,"
        f" {len(taken)} acknowledged ({len(taken) / seconds:.0f} a second), {len(answers) - len(taken)} refused;"
        f" {len(it.outages)} outages of {', '.join(f'{end - begin - 1:.1f}' for begin, end in it.outages)} s"
    )
    for name, some in (("202", taken), ("503", [answer for answer in answers if answer[2] == 503])):
        times = sorted(answer[1] for answer in some) or [0]
        tap.note(f"answers with {name}: median {statistics.median(times):.3f} s, 99 % within {times[len(times) * 99 // 100]:.3f} s, last {times[-1]:.3f} s")
    tap.ok(len(answers) > 1.5 * it.sustained * seconds, "much more was offered than is sustained")
    tap.ok(len(taken) > 0.5 * it.sustained * seconds, "nearly as many are acknowledged as without the overload")


def check_queue(it):
    most = max(sample[1] for sample in it.watch.samples if sample[0] >= it.loaded_from)
    tap.note(f"the limit is {it.limit}; at most {most} were queued, of {len(it.watch.samples)} times that one looked")
    # Open transactions may hold a request of each connection's and the prober's.
    room = it.limit + load.CONNECTIONS + 1
    tap.ok(most <= room, "no more are queued than the limit and what open transactions hold, also after a restart", f"{most} were")


def check_memory(it):
    begin = it.watch.samples[0][0]
    for name in ("the shim", "the worker", "its backends"):
        before, most = it.watch.most(name, begin, it.loaded_from), it.watch.most(name, it.loaded_from, math.inf)
        tap.note(f"memory of {name}: at most {before} kB before, {most} kB under overload and after")
        tap.ok(before and most and most - before <= GROWTH_KB_MAX, f"the memory of {name} is bounded")


def main():
    seconds = min(int(os.environ.get("DURATION") or 12), 60)
    seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    with Overload(seed) as it:
        it.slow_down()
        it.begin()
        it.measure()
        it.as_usual()
        it.overload(seconds / 3)
        for how, full in ((signal.SIGINT, True), (signal.SIGQUIT, False)):
            it.restart(how, full)
            it.overload(seconds / 3)
        recovery = it.recover()
        it.end()
        check_answers(it)
        check_rates(it)
        check_queue(it)
        check_memory(it)
        under = [seconds for begin, seconds in during(it.times, it.prober.taken)]
        tap.note(
            f"from a payment to its outcome: usually {statistics.median(it.usual):.3f} s, at most {max(it.usual):.3f} s;"
            f" under overload {statistics.median(under or [0]):.3f} s, at most {max(under or [0]):.3f} s"
        )
        tap.ok(recovery <= RECOVERY_S_MAX, f"{recovery:.1f} s after the overload it takes no longer than {it.normal_s:.2f} s again")
        lines, tables, faults = it.contradictions()
        words = [line[0] for line in lines]
        tap.note(f"{words.count('ack')} acknowledged, {words.count('refused')} refused, {words.count('doubt')} in doubt; {len(tables.requests)} stored")
        tap.ok(not faults, "each acknowledged has one outcome, no refused one has any; all money is accounted for", *faults)
    tap.done()


main()
