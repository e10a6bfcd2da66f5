#!/usr/bin/python3
"""A disk that is full: first that of the tables, then that of the write-ahead log. Clients go on
paying. SMALL_DISK names a small file system of our own to fill, which only root can mount."""

import os
import pathlib
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import journal
import pq
import tap
from bank import Bank
from nemesis import Nemesis
from system import ended, wait_until

disk = pathlib.Path(os.environ.get("SMALL_DISK") or "/nowhere")
ballast = disk / "ballast"


def fill():
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def doubts(bank, since, pattern):
    """Has a client been told so?"""
    return any(line[0] == "doubt" and line[1] >= since and pattern in line[3] for line in journal.read(bank.world.folder))


def resumes(nemesis, what):
    """Payments are posted again, as soon as the worker's pause after an error is over."""
    begin = time.monotonic()
    nemesis.recover()
    tap.ok(time.monotonic() - begin < 30, f"{what}: {time.monotonic() - begin:.1f} s after there is space, payments are posted")


def move_tables(bank):
    connection = bank.system.connect()
    (disk / "tables").mkdir()
    connection.query(f"CREATE TABLESPACE small LOCATION '{disk}/tables'")
    for kind, name in connection.query(
        "SELECT CASE relkind WHEN 'r' THEN 'TABLE' ELSE 'INDEX' END, oid::regclass FROM pg_class"
        " WHERE relnamespace = 'wallet'::regnamespace AND relkind IN ('r', 'i') AND relname ~ '^(request|transfer|outcome|idempotency)'"
    ):
        connection.query(f"ALTER {kind} {name} SET TABLESPACE small")
    connection.close()


def full_tables(bank, nemesis):
    worker, since = nemesis.victim("worker"), time.time()
    fill()
    for pattern, who in (("503 insufficient_resources", "HTTP clients get 503"), ("53100", "SQL clients get disk_full")):
        tap.ok(wait_until(lambda: doubts(bank, since, pattern), 60, 0.2), f"the tables' disk is full: {who}")
    # What was queued before may have found room in the tables' last pages.
    words = f"[{worker}] ERROR:  could not extend file"
    connection = bank.system.connect()
    tap.ok(
        wait_until(lambda: words in bank.system.log() or connection.query("SELECT queued = 0 FROM wallet.queue") == [["t"]], 60, 0.2),
        "and the worker says so in the log, unless it is through",
    )
    connection.close()
    ballast.unlink()
    resumes(nemesis, "the tables' disk")
    tap.ok(nemesis.victim("worker") == worker, "by the same worker")


def move_log(bank):
    bank.system.stop_server(signal.SIGINT)
    log = bank.system.folder / "data/pg_wal"
    shutil.move(log, disk / "wal")
    log.symlink_to(disk / "wal")
    bank.system.start_server()


def full_log(bank, nemesis):
    since = time.time()
    fill()

    def broken():
        """Log files that are there already are used up first."""
        try:
            nemesis.look("SELECT pg_switch_wal()")
        except pq.Error:
            pass
        return "PANIC" in bank.system.log()

    tap.ok(wait_until(broken, 60, 0.1), "the log's disk is full: the server gives up")
    tap.ok(wait_until(lambda: doubts(bank, since, "503"), 60, 0.2), "HTTP clients get 503")
    # Recovery needs space as well: without it the server may have ended altogether.
    postmaster = bank.system.pid("postgres")
    ballast.unlink()
    if wait_until(lambda: ended(postmaster), 2):
        bank.system.start_server()
    resumes(nemesis, "the log's disk")


def main():
    if not disk.is_dir():
        tap.skip("a full disk", "only root can mount a small file system to fill")
        tap.done()
    seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    with Bank("disk", seed, keys=0) as bank:
        world, turn, of = bank.nemesis_world()
        nemesis = Nemesis(bank.system, world, turn, of)
        move_tables(bank)
        bank.begin()
        nemesis.recover()
        full_tables(bank, nemesis)
        move_log(bank)
        nemesis.recover()
        full_log(bank, nemesis)
        bank.end()
        bank.compare()
        connection = bank.system.connect()
        refused = connection.query("SELECT count(*) FROM wallet.outcome WHERE code = 'internal_error'")
        tap.ok(refused == [["0"]], "and the trouble was charged to nobody")
        connection.close()
    tap.done()


main()
