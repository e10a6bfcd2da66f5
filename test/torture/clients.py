"""clients.py: those who pay over HTTP, through the queue from SQL and in transactions of their own,
and one who reads. Each is a thread with a journal, a seed and a range of amounts of its own, and
writes down what it is about to ask before it asks.

A payment that has a key is sent until there is an answer that promises something, however often
that takes; what was sent lately is sent again after every fault, and each answer has to be the
first one once more."""

import collections
import http.client
import json
import random
import threading
import time
import urllib.parse

import journal
import pq

PAUSE_S = 0.05
STALL_S = 0.1
LATELY = 20

Payment = collections.namedtuple("Payment", "cents key source destination")


class Doubt(Exception):
    """Nobody but the database knows whether it was stored."""


class Refused(Exception):
    """It was not stored, and the code says why."""


class Client(threading.Thread):
    """run() pays until stop is set, or COUNT times. `of` clients number their amounts by turns."""

    way = "queue"

    def __init__(self, world, number, of):
        super().__init__(name=f"{type(self).__name__}{number}", daemon=True)
        self.world, self.number, self.of = world, number, of
        self.random = random.Random(f"{world.seed} {number}")
        self.journal = journal.Journal(world.folder, self.name)
        self.count = 0
        self.lately = collections.deque(maxlen=LATELY)
        self.faults = 0

    def new_payment(self, keyless=0.1):
        self.count += 1
        cents = self.count * self.of + self.number + 1
        source, destination = self.random.sample(self.world.wallets, 2)
        key = None if self.random.random() < keyless else f"torture-{self.world.seed}-{cents}"
        payment = Payment(cents, key, source, destination)
        self.journal.write("op", cents, self.way, key, source, destination)
        return payment

    def run(self):
        while not self.world.stop.is_set():
            payment = self.new_payment()
            if self.pay(payment) and payment.key:
                self.lately.append(payment)
            if self.faults != self.world.faults.value:
                self.faults = self.world.faults.value
                self.repeat()
            time.sleep(self.random.uniform(0, self.world.pause_s))
        self.repeat()

    def repeat(self):
        for payment in self.lately:
            self.pay(payment)

    def pay(self, payment):
        """True when there is an answer that promises something; a long wait for it is noted."""
        begin = time.monotonic()
        answered = self.pay_at_last(payment)
        if time.monotonic() - begin > STALL_S:
            self.journal.write("waited", payment.cents, round(time.monotonic() - begin, 4))
        return answered

    def pay_at_last(self, payment):
        while True:
            try:
                self.send(payment)
                return True
            except Refused as why:
                self.journal.write("refused", payment.cents, str(why))
                return False
            except Doubt as why:
                self.journal.write("doubt", payment.cents, str(why))
                if payment.key is None:
                    return False
                time.sleep(PAUSE_S)

    def body(self, payment):
        return (
            f'{{"user_id":{self.world.users[payment.source]},"source_wallet_id":{payment.source},'
            f'"dest_wallet_id":{payment.destination},"trans_sum":{payment.cents // 100}.{payment.cents % 100:02}}}'
        )


class HttpClient(Client):
    connection = None

    def send(self, payment):
        headers = {"Idempotency-Key": payment.key} if payment.key else {}
        if self.random.random() < 0.2:
            headers["Prefer"] = "wait=2"
        status, answer = self.ask(payment, "POST", "/api/v1/transaction", self.body(payment), headers)
        self.journal.write("ack", payment.cents, answer["handshake_id"])
        if status == 202 and self.random.random() < 0.5:
            query = {"user_id": self.world.users[payment.source], "handshake_id": answer["handshake_id"]}
            try:
                status, answer = self.ask(payment, "GET", "/api/v1/transaction?" + urllib.parse.urlencode(query))
            except Doubt:
                return
        if status == 200:
            code = "processed" if answer["status"] == "processed" else answer["info"]["code"]
            self.journal.write("told", payment.cents, code, answer["transaction_id"])

    def ask(self, payment, method, path, body=None, headers={}):
        """(status, decoded body) of an answer that promises something."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.world.url).netloc, timeout=12)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise Doubt(repr(error)) from error
        return answer.status, self.judge(payment, answer, text)

    def judge(self, payment, answer, text):
        kind = answer.headers.get("Content-Type", "")
        try:
            decoded = json.loads(text)
        except ValueError:
            decoded = None
        expected = "application/json" if answer.status < 300 else "application/problem+json"
        if not isinstance(decoded, dict) or not kind.startswith(expected):
            self.journal.write("unclean", payment.cents, f"{answer.status} {kind} {text[:80]!r}")
            raise Doubt(answer.status)
        if answer.status in (200, 202):
            return decoded
        if answer.status in (408, 500, 503) or decoded["code"] == "idempotency_in_progress":
            raise Doubt(f"{answer.status} {decoded['code']}")
        raise Refused(decoded["code"])


class SqlClient(Client):
    connection = None

    def send(self, payment):
        try:
            if self.connection is None:
                self.connection = pq.Connection(self.world.conninfo + type(self).__name__)
            self.transact(payment)
        except pq.Error as error:
            self.failed(error)

    def failed(self, error):
        if error.lost:
            self.connection = None
            raise Doubt(str(error)) from error
        self.connection.query("ROLLBACK")
        if error.sqlstate[:2] in ("PW", "") and error.sqlstate != "PW306":
            raise Refused(error.sqlstate) from error
        raise Doubt(f"{error.sqlstate} {error}") from error


class QueueClient(SqlClient):
    """wallet_enqueue(), now and then in a transaction that takes its time, or is rolled back."""

    def transact(self, payment):
        enqueue = ("SELECT wallet_enqueue('transaction', $1::json, $2)", self.body(payment), payment.key)
        if self.random.random() < 0.8:
            ((handshake,),) = self.connection.query(*enqueue)
        else:
            self.connection.query("BEGIN")
            ((handshake,),) = self.connection.query(*enqueue)
            time.sleep(self.random.uniform(0, 0.1))
            if payment.key is None:
                self.connection.query("ROLLBACK")
                raise Refused("rolled back")
            self.connection.query("COMMIT")
        self.journal.write("ack", payment.cents, handshake)


class DirectClient(SqlClient):
    """wallet_transfer() and a row of the client's own, in one transaction."""

    way = "direct"

    def transact(self, payment):
        self.connection.query("BEGIN")
        ((transfer,),) = self.connection.query(
            "SELECT transfer_id FROM wallet_transfer($1::bigint, $2::bigint, $3::numeric / 100, idempotency_key => $4)",
            payment.source, payment.destination, payment.cents, payment.key,
        )  # fmt: skip
        self.connection.query(
            "INSERT INTO application SELECT $1::bigint, $2::bigint WHERE NOT EXISTS"
            " (SELECT FROM application WHERE cents = $1::bigint)",
            payment.cents, transfer,
        )  # fmt: skip
        if self.random.random() < 0.1:
            time.sleep(self.random.uniform(0, 0.1))
        if payment.key is None and self.random.random() < 0.5:
            self.connection.query("ROLLBACK")
            raise Refused("rolled back")
        self.connection.query("COMMIT")
        self.journal.write("paid", payment.cents, int(transfer))


class Reader(SqlClient):
    """One snapshot after the other, each a single statement."""

    def run(self):
        while not self.world.stop.is_set():
            try:
                self.send(None)
            except (Doubt, Refused):
                pass
            time.sleep(0.1)

    def transact(self, _):
        ((total, least, outside),) = self.connection.query(
            "SELECT sum(balance), min(balance), (SELECT sum(CASE WHEN source_wallet_id < 0 THEN - amount ELSE amount END)"
            " FROM wallet.transfer WHERE source_wallet_id < 0 OR destination_wallet_id < 0) FROM wallet.wallet"
        )
        self.journal.write("seen", int(total), int(least), int(outside))


class Crowd:
    """The same request with the same key from several at once, key after key: most over HTTP, some
    from SQL. Who comes second gets the first one's handshake."""

    SIZE = 8

    def __init__(self, world, number, of, keys):
        self.world, self.keys = world, keys
        self.barrier = threading.Barrier(self.SIZE)
        self.members = [(QueueClient if i % 4 == 3 else HttpClient)(world, number, of) for i in range(self.SIZE)]
        for i, member in enumerate(self.members):
            member.journal = journal.Journal(world.folder, f"Crowd{i}")
        self.leader, self.payment = self.members[0], None
        self.threads = [threading.Thread(target=self.run, args=(member,), daemon=True) for member in self.members]

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def run(self, member):
        try:
            for _ in range(self.keys):
                if member is self.leader:
                    self.payment = member.new_payment(keyless=0)
                    if self.world.stop.is_set():
                        self.barrier.abort()
                self.barrier.wait()
                member.pay(self.payment)
                self.barrier.wait()
        except threading.BrokenBarrierError:
            pass
