"""nemesis.py: does harm, one fault after the other, and measures how soon money moves again.

Every kind comes once before any comes twice, in an order that the seed decides. After each fault,
recovery is the time from when PostgreSQL accepts a connection (and the fault has ended) to when a
new request has been posted, and the shim's is that to when its /readyz says yes. What the machine itself took from us in that time, since it has
others to serve, is measured as well."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import clients
import pq
import tap
from system import ended, wait_until

SECONDS_MAX = 60
WRITES = "pwrite64,pwritev,pwritev2"


class Metronome(threading.Thread):
    """How much later than asked for one wakes up, in sum: what a loaded machine takes from us."""

    late = 0.0

    def run(self):
        while True:
            before = time.monotonic()
            time.sleep(0.01)
            self.late += time.monotonic() - before - 0.01


class Nemesis(clients.QueueClient):
    """Also a client, whose own payments show whether the queue moves."""

    def __init__(self, system, world, number, of):
        super().__init__(world, number, of)
        self.system = system
        self.metronome = Metronome(daemon=True)
        self.strikes = []  # (kind, recovery, the shim's recovery, how late the machine was)
        self.injected = {}
        self.unhit = 0
        self.kinds = {
            f"kill {who}": (self.kill, who)
            for who in ("worker", "launcher", "backend", "checkpointer", "walwriter", "postmaster", "shim")
        }
        self.kinds |= {f"stop {who}": (self.pause, who) for who in ("worker", "backend", "checkpointer", "postmaster", "shim")}
        self.kinds |= {"terminate worker": (self.terminate, "worker"), "terminate backend": (self.terminate, "backend")}
        self.kinds |= {
            "cut the shim's connections": (self.cut,),
            "fast restart": (self.restart, signal.SIGINT),
            "immediate restart": (self.restart, signal.SIGQUIT),
            "outage of some seconds": (self.restart, signal.SIGINT, 4, 8),
            "kill twice": (self.kill_twice,),
        }
        for who in ("worker", "backend"):
            for where in ("wal", "data"):
                for what in ("error=EIO", "error=ENOSPC", "retval=0"):
                    calls = WRITES if what == "retval=0" else WRITES + ",fallocate"
                    self.kinds[f"{where} write of {who}: {what}"] = (self.inject, who, where, calls, what)
        self.kinds["wal sync of worker: error=EIO"] = (self.inject, "worker", "wal", "fdatasync,fsync", "error=EIO")
        self.kinds["data sync of checkpointer: error=EIO"] = (self.inject, "checkpointer", "data", "fsync", "error=EIO")
        if cannot_trace():
            self.kinds = {name: kind for name, kind in self.kinds.items() if kind[0] != self.inject}
        only = os.environ.get("KINDS") or ""
        self.kinds = {name: kind for name, kind in self.kinds.items() if only in name}

    def torment(self, count, seconds):
        """Strikes COUNT times, or for as long as there is time."""
        self.metronome.start()
        begin, bag = time.monotonic(), []
        while len(self.strikes) < count and time.monotonic() < begin + seconds:
            bag = bag or self.random.sample(sorted(self.kinds), len(self.kinds))
            self.strike(bag.pop())
            time.sleep(self.random.uniform(0, 0.2))
            if len(self.strikes) % 100 == 0:
                self.note_progress(begin)
        self.note_progress(begin)

    def note_progress(self, begin):
        tap.note(f"{len(self.strikes)} faults in {time.monotonic() - begin:.0f} s")

    def strike(self, name):
        begin = time.time()
        method, *arguments = self.kinds[name]
        method(*arguments)
        accepted, late = self.recover()
        recovery = time.monotonic() - accepted
        if not wait_until(self.system.shim_is_ready, SECONDS_MAX, 0.02):
            raise RuntimeError("the shim does not come back")
        self.strikes.append((name, recovery, time.monotonic() - accepted, self.metronome.late - late))
        self.journal.write("fault", time.time(), begin, name, recovery)
        self.world.faults.value += 1

    def recover(self):
        """Waits until a new payment is posted; returns when there was first a connection."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            try:
                connection = self.system.connect("nemesis")
                accepted, late = time.monotonic(), self.metronome.late
                self.connection = connection
                payment = self.new_payment(keyless=0)
                self.send(payment)
                if wait_until(lambda: self.posted(payment), deadline - time.monotonic(), 0.005):
                    connection.close()
                    self.connection = None
                    return accepted, late
                raise RuntimeError("nothing is posted any more")
            except clients.Doubt as doubt:
                self.journal.write("doubt", payment.cents, str(doubt))
            except pq.Error:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not come back")
            time.sleep(0.01)

    def transact(self, payment):
        sql = "SELECT wallet_enqueue('transaction', $1::json, $2)"
        ((self.handshake,),) = self.connection.query(sql, self.body(payment), payment.key)
        self.promise(payment, self.handshake)

    def posted(self, payment):
        sql = "SELECT state <> 'queued' FROM wallet_lookup('transaction', $1::bigint, $2)"
        return self.connection.query(sql, self.world.users[payment.source], self.handshake) == [["t"]]

    # --- what hurts ---------------------------------------------------------------------------

    def victim(self, who):
        """The process id of one of them, by chance."""
        if who == "shim":
            return self.system.pid("shim")
        if who == "postmaster":
            return self.system.pid("postgres")
        which = {
            "worker": "backend_type = 'pg_wallet worker'",
            "launcher": "backend_type = 'pg_wallet launcher'",
            "backend": "application_name IN ('wallet-shim', 'QueueClient', 'DirectClient')",
        }.get(who, f"backend_type = '{who}'")
        found = []

        def look():
            found[:] = self.look(f"SELECT pid FROM pg_stat_activity WHERE {which} ORDER BY pid")
            return found

        if not wait_until(look, SECONDS_MAX):
            raise RuntimeError(f"there is no {who}")
        return int(self.random.choice(found)[0])

    def look(self, sql, *values):
        connection = self.system.connect("nemesis")
        try:
            return connection.query(sql, *values)
        finally:
            connection.close()

    def crash(self, pid):
        """Kills one of the server's processes, which takes all others with it."""
        witness = self.system.connect("nemesis")
        os.kill(pid, signal.SIGKILL)
        if not wait_until(witness.lost, SECONDS_MAX):
            raise RuntimeError("a killed process has not ended the others")

    def kill(self, who):
        pid = self.victim(who)
        if who == "shim":
            self.system.kill_shim()
            self.system.start_shim()
        elif who == "postmaster":
            self.system.stop_server(signal.SIGKILL)
            self.system.start_server()
        else:
            self.crash(pid)

    def kill_twice(self):
        """The second time in the middle of recovery."""
        self.kill("backend")
        time.sleep(self.random.uniform(0, 0.2))
        self.system.stop_server(signal.SIGKILL)
        self.system.start_server()

    def pause(self, who):
        pid = self.victim(who)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.2, self.world.stop_s_max))
        if not ended(pid):
            os.kill(pid, signal.SIGCONT)

    def terminate(self, who):
        self.look("SELECT pg_terminate_backend($1::integer)", self.victim(who))

    def cut(self):
        self.look("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'wallet-shim'")

    def restart(self, how, least_s=0, most_s=0):
        self.system.stop_server(how)
        time.sleep(self.random.uniform(least_s, most_s))
        self.system.start_server()

    def inject(self, who, where, calls, what):
        """One system call on the write-ahead log, or on the wallets' files, fails; a write of
        nothing (retval=0) is the one short write that can be pretended without a lie."""
        files = self.files(where)
        pid = self.victim(who)
        calls = f"{calls}:{what}:when=1"
        log = pathlib.Path(self.world.folder, "strace")
        log.unlink(missing_ok=True)
        words = ["strace", "-qq", "-o", log, "-p", str(pid), "-e", f"trace={calls.split(':')[0]}", "-e", f"inject={calls}"]
        tracer = subprocess.Popen(words + [word for file in files for word in ("-P", file)], stderr=subprocess.DEVNULL)

        def hit():
            return log.exists() and "(INJECTED)" in log.read_text() or tracer.poll() is not None

        wait_until(lambda: log.exists() or tracer.poll() is not None, 5)
        if who == "checkpointer":
            try:
                self.look("CHECKPOINT")
            except pq.Error:
                pass
        wait_until(hit, 3)
        tracer.terminate()
        tracer.wait(10)
        name = f"{where} {'sync' if 'sync' in calls else 'write'} {what}"
        if log.exists() and "(INJECTED)" in log.read_text():
            self.injected[name] = self.injected.get(name, 0) + 1
        else:
            self.unhit += 1

    def files(self, where):
        """The log file in use and the ones after it, or those of all tables in the schema wallet."""
        if where == "wal":
            sql = (
                "SELECT 'pg_wal/' || pg_walfile_name(pg_current_wal_insert_lsn() + step * 16777216)"
                " FROM generate_series(0, 2) AS step"
            )
        else:
            sql = (
                "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relnamespace = 'wallet'::regnamespace"
                " AND relkind IN ('r', 'i') AND (relname ~ '^(request|transfer|outcome|idempotency)')"
            )
        return [str(self.system.folder / "data" / row[0]) for row in self.look(sql)]


def cannot_trace():
    """Why strace is of no use here; nothing where it is."""
    if not shutil.which("strace"):
        return "there is no strace"
    tracer = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    sleeper = subprocess.Popen(["sleep", "60"])
    attach = subprocess.Popen(["strace", "-o", "/dev/null", "-p", str(sleeper.pid)], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: attach.poll() is not None or "\nTracerPid:\t0\n" not in status(sleeper.pid), 5)
    refused = attach.poll() is not None
    attach.terminate()
    sleeper.kill()
    sleeper.wait()
    why = attach.communicate()[1].strip()
    return tracer.stderr.strip() or (why or "ptrace is not permitted" if refused else "")


def status(pid):
    return pathlib.Path(f"/proc/{pid}/status").read_text()
