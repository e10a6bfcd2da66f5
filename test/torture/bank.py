"""bank.py: the wallets, the clients that pay, and the comparison at the end: what every test with
faults here has in common."""

import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading
import time

import checker
import clients
import deeds
import journal
import tap
from system import System, wait_until

WALLETS = 20
# Nobody holds money on these, so that they can be swept and closed.
TILLS = 3
# Some wallets are poor: payments from them are refused now and then.
RICH, POOR = 100_000_00, 10_00
# Clients number their amounts by turns: those that payers() lists, and these.
CROWD, NEMESIS, MANY, CLIENTS = 9, 10, 11, 12

processes = multiprocessing.get_context("fork")


class World:
    """What the clients know, in whichever process they run."""

    stop_s_max = 1.0
    pause_s = 0.02
    # So many payments does each client send again after a fault.
    lately = int(os.environ.get("LATELY") or 100)

    def __init__(self, system, seed, folder):
        self.seed, self.folder = seed, folder
        self.url, self.conninfo = system.url, system.conninfo
        self.stop, self.faults = processes.Event(), processes.Value("i", 0)
        self.users, self.wallets, self.tills = {}, [], []
        # What the merchants of one process know: (id, payer, payee). Of promises the id is the
        # handshake of a request that makes a hold.
        self.holds, self.captures, self.groups, self.promises = [], [], [], []

    def open_wallets(self, connection):
        """Returns {wallet: cents}. Two are for the nemesis alone, so that nobody holds them; the last ones are tills."""
        initial = {}
        for user in range(1, WALLETS + 3 + TILLS):
            cents = 0 if user > WALLETS + 2 else POOR if user % 5 == 0 else RICH
            ((wallet,),) = connection.query("SELECT wallet_id FROM wallet_create($1::bigint, $2::numeric / 100)", user, cents)
            self.users[int(wallet)] = user
            initial[int(wallet)] = cents
        self.wallets, self.tills = sorted(initial)[:WALLETS], sorted(initial)[-TILLS:]
        return initial


class Bank:
    """With `as` a running system, its wallets open."""

    def __init__(self, name, seed, keys):
        tap.note(f"seed {seed}: SEED={seed} repeats what is decided by chance")
        # strace and sockets want a short path that the test user may reach.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"torture_{name}."))
        self.system = System(self.folder / "run")
        self.seed, self.keys = seed, keys
        self.children = []

    def __enter__(self):
        self.system.start()
        (self.folder / "journals").mkdir()
        self.world = World(self.system, self.seed, self.folder / "journals")
        connection = self.system.connect()
        # Only processes die here, never the machine, so that a crash needs no sync of each file.
        connection.query("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")
        connection.query("SELECT pg_reload_conf()")
        # Housekeeping that comes once an hour would fall upon one run or another.
        connection.query("UPDATE cron.job SET active = false")
        connection.query("CREATE TABLE application (cents bigint PRIMARY KEY, transfer_id bigint)")
        connection.query("CREATE TABLE swept (number bigint PRIMARY KEY, transfer_id bigint)")
        self.initial = self.world.open_wallets(connection)
        connection.close()
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
        self.system.stop()

    def payers(self):
        kinds = [clients.HttpClient] * 4 + [clients.QueueClient] * 2 + [clients.DirectClient] * 2 + [clients.Reader]
        return [kind(self.world, number, CLIENTS) for number, kind in enumerate(kinds)] + [clients.ManyClient(self.world, MANY, CLIENTS)]

    def merchants(self):
        return [deeds.Merchant(self.world, number, 3) for number in range(3)]

    def crowd(self):
        return [clients.Crowd(self.world, CROWD, CLIENTS, self.keys)]

    def nemesis_world(self):
        """The number and the count of the nemesis among the clients, and wallets of its own."""
        world = World(self.system, self.seed, self.world.folder)
        world.stop, world.faults, world.users = self.world.stop, self.world.faults, self.world.users
        world.wallets = sorted(self.initial)[WALLETS : WALLETS + 2]
        return world, NEMESIS, CLIENTS

    def begin(self):
        for make in (self.payers, self.merchants, self.crowd):
            child = processes.Process(target=serve, args=(make,))
            child.start()
            self.children.append(child)

    def let_crowd_end(self, deadline):
        """Until each of its keys has been sent, as far as there is time."""
        self.children[-1].join(max(0, deadline - time.monotonic()))

    def end(self):
        """Lets the clients finish what they are at, and the queue run dry."""
        self.world.stop.set()
        for child in self.children:
            child.join(300)
        statuses = [child.exitcode for child in self.children]
        tap.ok(not any(statuses) and None not in statuses, "every client has got an answer in the end", f"they ended with {statuses}")
        connection = self.system.connect()
        dry = wait_until(lambda: connection.query("SELECT queued FROM wallet.queue") == [["0"]], 60, 0.1)
        tap.ok(dry, "the queue is worked off")
        due = "SELECT count(*) FROM wallet.hold WHERE state = 0 AND expires_at <= clock_timestamp() - interval '1 second'"
        tap.ok(wait_until(lambda: connection.query(due) == [["0"]], 10, 0.1), "holds that are due have expired")
        connection.close()

    def contradictions(self):
        """What clients were told, what the tables hold, and how the two contradict each other."""
        lines = list(journal.read(self.world.folder))
        owner = {line[2]: self.world.users[line[5]] for line in lines if line[0] == "op"}
        handshakes = sorted({(owner[line[2]], line[3]) for line in lines if line[0] == "ack"})
        connection = self.system.connect()
        tables = checker.read_tables(connection, self.initial, handshakes)
        # The worker still releases holds whose time comes meanwhile.
        connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
        facts = deeds.read_facts(connection, lines)
        connection.query("COMMIT")
        connection.close()
        others = [(row.source, row.destination, row.amount) for row in facts.rows
                  if row.kind not in deeds.RESERVING and (row.kind != "transaction" or row.group_id)]  # fmt: skip
        tap.note(f"beside them: {deeds.summary(lines, facts)}")
        return lines, tables, checker.check(lines, tables, others) + list(deeds.check(lines, facts))

    def compare(self):
        lines, tables, faults = self.contradictions()
        words = [line[0] for line in lines]
        tap.note(
            f"{words.count('op')} payments asked for; {len(tables.lookups)} acknowledged with a handshake,"
            f" {words.count('ack')} times; {words.count('paid')} direct ones committed;"
            f" {words.count('doubt')} answers in doubt, {words.count('refused')} refused; {words.count('seen')} snapshots;"
            f" {len(tables.transfers)} transfers, {len(tables.outcomes)} refused in the queue"
        )
        tap.ok(not faults, "journals and tables agree: nothing lost, nothing doubled, no money made", *faults)
        tap.ok(tables.lookups and words.count("paid") and words.count("seen"), "there was something to compare")
        return lines


def count_repeated(lines):
    """Everything that has a key and was answered has been sent again in the end."""
    keyed = {line[2] for line in lines if line[0] == "op" and line[4]}
    answered = keyed & {line[2] for line in lines if line[0] in ("ack", "paid")}
    again = sum(line[2] for line in lines if line[0] == "again")
    tap.note(f"sent again many at a time, and answered as at first: {again} times; payments with a key and an answer: {len(answered)}")
    crowd = sum(line[0] == "op" and (line[4] or "").split("-")[2:3] == [str(CROWD)] for line in lines)
    tap.note(f"keys that eight have sent at once: {crowd}")
    tap.ok(again >= len(answered) > 0, "all of them have been sent again in the end")


def serve(make):
    """A process of clients. Ends with 1 when one of them has died of an exception, and names it."""
    died = []

    def bury(what):
        died.append(what.thread)
        print(f"{what.thread.name} has died of {what.exc_type.__name__}: {what.exc_value}", file=sys.stderr)
        threading.__excepthook__(what)

    threading.excepthook = bury
    members = make()
    for member in members:
        member.start()
    for member in members:
        member.join()
    sys.exit(1 if died else 0)
