#!/usr/bin/python3
"""The test must see when a client dies, and when what is sent again gets another answer than it got
first. Clients without a system."""

import os
import sys
import tempfile
import types

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checker
import clients
import journal
import pq
import tap
from bank import processes, serve

COUNT = 2 * clients.BLOCK + 50


def new_world(folder):
    return types.SimpleNamespace(
        seed=1, folder=folder, stop=processes.Event(), faults=processes.Value("i", 0), users={1: 1, 2: 2}, wallets=[1, 2],
        pause_s=0, lately=COUNT,
    )  # fmt: skip


class Answered(clients.Client):
    """Pays so many times, and is answered at once."""

    changed, doubts = {}, 1

    def send(self, payment):
        self.promise(payment, str(payment.cents))
        if self.count == COUNT:
            self.world.stop.set()

    def ask_again(self, block):
        if self.doubts:
            self.doubts -= 1
            raise clients.Doubt("once")
        return [self.changed.get(payment.cents, str(payment.cents)) for payment in block]


class Unexpected(Answered):
    def send(self, payment):
        self.promise(payment, {}["handshake_id"])


class Crowd(clients.Crowd):
    KINDS = [Answered] * 8


class UnexpectedCrowd(clients.Crowd):
    KINDS = [Answered] * 7 + [Unexpected]


def served(make):
    """The exit status of a process of clients, and what it has said."""
    with tempfile.TemporaryFile("w+") as said:

        def run():
            os.dup2(said.fileno(), 2)
            serve(make)

        child = processes.Process(target=run)
        child.start()
        child.join(60)
        status = child.exitcode
        child.kill()
        said.seek(0)
        return status, said.read()


def dying(folder):
    def clients_of(*kinds):
        return lambda: [kind(new_world(folder), number, len(kinds)) for number, kind in enumerate(kinds)]

    def crowd_of(kind):
        return lambda: [kind(new_world(folder), 0, 1, keys=3)]

    for name, make in (("clients", clients_of(Answered, Answered)), ("a crowd", crowd_of(Crowd))):
        found, said = served(make)
        tap.ok((found, said) == (0, ""), f"{name}: all of them end", f"exit status {found}", said)
    for name, make in (("clients", clients_of(Answered, Unexpected)), ("a crowd", crowd_of(UnexpectedCrowd))):
        found, said = served(make)
        tap.ok(found == 1, f"{name}: one of them dies of an exception", f"exit status {found}")
        tap.ok("has died of KeyError: 'handshake_id'" in said, f"{name}: it is named", said)


def repeating(folder):
    """What was paid first gets another answer in the end, and what was paid next is refused."""
    client = Answered(new_world(folder), 0, 1)
    first, second = client.new_payment(keyless=0), client.new_payment(keyless=0)
    client.changed = {first.cents: "another", second.cents: clients.Refused("PW301")}
    client.pay(first)
    client.pay(second)
    client.run()
    lines = list(journal.read(folder))
    payments, _ = checker.read_payments(lines)
    tap.ok(payments[first.cents].handshakes == {str(first.cents), "another"}, "another answer is written down")
    tap.ok(payments[second.cents].refused, "a refusal is written down")
    odd = [cents for cents, payment in payments.items() if payment.refused or payment.handshakes != {str(cents)}]
    tap.ok(odd == [first.cents, second.cents], "and nothing else", f"{odd}")
    # Once as what was sent lately, less the last ones; and once in the end.
    expected = 2 * (len(client.answered) - 2) - clients.SINGLY
    again = [line[2] for line in lines if line[0] == "again"]
    tap.ok(sum(again) == expected, "the others are counted", f"{again} instead of {expected}")


class Failing:
    """A connection on which a statement fails; it is lost before that can be rolled back."""

    def query(self, sql, *_):
        raise pq.Error(sql, "40P01", lost=sql == "ROLLBACK")

    def close(self):
        pass


def losing(folder):
    client = clients.QueueClient(new_world(folder), 0, 1)
    client.connection = Failing()
    try:
        client.send(client.new_payment())
        found = "an answer"
    except clients.Doubt:
        found = client.connection
    except pq.Error as error:
        found = error
    tap.ok(found is None, "a rollback that finds the connection lost: another connection is made", found)


class Forgetful:
    """A connection to a bank that remembers: the first commit goes through, and is lost on its way back."""

    kept, commits = [], 0

    def query(self, sql, *values):
        if sql == "COMMIT":
            Forgetful.commits += 1
            if self.commits == 1:
                raise pq.Error("gone", lost=True)
        if sql.startswith("SELECT cents"):
            return self.kept
        if "wallet_transfer_many" in sql:
            # The second one is refused.
            first, second = values[2].strip("{}").split(",")
            Forgetful.kept = [[first, "7"]]
            return [[first, "7"], [second, "insufficient_funds"]]
        return []


def many(folder):
    client = clients.ManyClient(new_world(folder), 0, 1)
    payments = [client.new_payment(keyless=1) for _ in range(2)]
    # Each attempt makes its connection, which is the bank's.
    make, pq.Connection = pq.Connection, lambda *_: Forgetful()
    client.world.conninfo = ""
    client.pay_many(payments)
    pq.Connection = make
    told, _ = checker.read_payments(journal.read(folder))
    first, second = (told[payment.cents] for payment in payments)
    tap.ok(Forgetful.commits == 2 and first.doubt and first.paid == {7}, "many at once, and a doubt: what was committed is found", first.paid)
    tap.ok(second.refused and not second.paid, "and what was not is refused")


def main():
    with tempfile.TemporaryDirectory() as folder:
        dying(folder)
    with tempfile.TemporaryDirectory() as folder:
        repeating(folder)
    with tempfile.TemporaryDirectory() as folder:
        losing(folder)
    with tempfile.TemporaryDirectory() as folder:
        many(folder)
    tap.done()


main()
