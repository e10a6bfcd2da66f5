"""clients.py: those who pay over HTTP, through the queue from SQL and in transactions of their own,
and one who reads. Each is a thread with a journal, a seed and a range of amounts of its own, and
writes down what it is about to ask before it asks.

A payment that has a key is sent until there is an answer that promises something, however often
that takes. What was sent lately is sent again after every fault, and in the end everything: the
last ones as they were sent first, the others many at a time. Each answer has to be the first one
once more."""

import collections
import http.client
import itertools
import json
import random
import threading
import time
import urllib.parse

import journal
import pq

PAUSE_S = 0.05
STALL_S = 0.1
# So many are sent again one by one; and so many keys differ in nothing but their last number.
SINGLY, BLOCK = 20, 100

Payment = collections.namedtuple("Payment", "cents key source destination")


class Doubt(Exception):
    """Nobody but the database knows whether it was stored."""


class Refused(Exception):
    """It was not stored, and the code says why."""


class Client(threading.Thread):
    """run() pays until stop is set, or COUNT times. `of` clients number their amounts by turns."""

    way, word = "queue", "ack"

    def __init__(self, world, number, of):
        super().__init__(name=f"{type(self).__name__}{number}", daemon=True)
        self.world, self.number, self.of = world, number, of
        self.random = random.Random(f"{world.seed} {number}")
        self.journal = journal.Journal(world.folder, self.name)
        self.count = 0
        self.answered = {}  # {payment with a key: its first answer}
        self.faults = 0

    def new_payment(self, keyless=0.1):
        """Keys are such that a bulk request can have the same ones."""
        self.count += 1
        cents = self.count * self.of + self.number + 1
        source, destination = self.random.sample(self.world.wallets, 2)
        key = None if self.random.random() < keyless else f"torture-{self.world.seed}-{self.number}-{self.count // BLOCK}/{self.count % BLOCK}"
        payment = Payment(cents, key, source, destination)
        self.journal.write("op", cents, self.way, key, source, destination)
        return payment

    def run(self):
        while not self.world.stop.is_set():
            self.pay(self.new_payment())
            if self.faults != self.world.faults.value:
                self.faults = self.world.faults.value
                self.repeat()
            time.sleep(self.random.uniform(0, self.world.pause_s))
        self.repeat()
        self.send_again(self.answered)

    def repeat(self):
        """What was sent lately."""
        lately = list(self.answered)[-max(SINGLY, self.world.lately) :]
        for payment in lately[-SINGLY:]:
            self.pay(payment)
        self.send_again(lately[:-SINGLY])

    def pay(self, payment):
        """Until there is an answer that promises something; a long wait for it is noted."""
        begin = time.monotonic()
        self.pay_at_last(payment)
        if time.monotonic() - begin > STALL_S:
            self.journal.write("waited", payment.cents, round(time.monotonic() - begin, 4))

    def pay_at_last(self, payment):
        while True:
            try:
                self.send(payment)
                return
            except Refused as why:
                self.journal.write("refused", payment.cents, str(why))
                return
            except Doubt as why:
                self.journal.write("doubt", payment.cents, str(why))
                if payment.key is None:
                    return
                time.sleep(PAUSE_S)

    def promise(self, payment, answer):
        """An answer that promises something."""
        self.journal.write(self.word, payment.cents, answer)
        if payment.key:
            self.answered.setdefault(payment, answer)

    def send_again(self, payments):
        """Each has to get its first answer once more. Only another one is written down, for the
        checker to find; the others are counted."""
        same = 0
        for _, block in itertools.groupby(payments, lambda payment: payment.key.rpartition("/")[0]):
            block = list(block)
            for payment, answer in zip(block, self.ask_at_last(block), strict=True):
                if isinstance(answer, Refused):
                    self.journal.write("refused", payment.cents, str(answer))
                elif answer != self.answered[payment]:
                    self.journal.write(self.word, payment.cents, answer)
                else:
                    same += 1
        self.journal.write("again", same)

    def ask_at_last(self, block):
        """What ask_again() answers to each of them: a handshake or a transfer, or Refused."""
        while True:
            try:
                return self.ask_again(block)
            except Refused as why:
                return [why] * len(block)
            except Doubt:
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
        self.promise(payment, answer["handshake_id"])
        if status == 202 and self.random.random() < 0.5:
            query = {"user_id": self.world.users[payment.source], "handshake_id": answer["handshake_id"]}
            try:
                status, answer = self.ask(payment, "GET", "/api/v1/transaction?" + urllib.parse.urlencode(query))
            except Doubt:
                return
        if status == 200:
            code = "processed" if answer["status"] == "processed" else answer["info"]["code"]
            self.journal.write("told", payment.cents, code, answer["transaction_id"])

    def ask_again(self, block):
        """A bulk request that has each in the place that its key names, and what is no transfer between them."""
        places = {int(payment.key.rpartition("/")[2]): self.body(payment) for payment in block}
        array = "[%s]" % ",".join(places.get(place, "0") for place in range(max(places) + 1))
        key = {"Idempotency-Key": block[0].key.rpartition("/")[0]}
        _, answers = self.ask(block[0], "POST", "/api/v1/transaction/bulk", array, key)
        return [answers[place]["handshake_id"] or Refused(answers[place]["info"]["code"]) for place in places]

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
        if not isinstance(decoded, (dict, list)) or not kind.startswith(expected):
            self.journal.write("unclean", payment.cents, f"{answer.status} {kind} {text[:80]!r}")
            raise Doubt(answer.status)
        if answer.status in (200, 202):
            return decoded
        # 502 and 504 are those of a proxy whose shim has gone.
        if answer.status in (408, 500, 502, 503, 504) or decoded["code"] == "idempotency_in_progress":
            raise Doubt(f"{answer.status} {decoded['code']}")
        raise Refused(decoded["code"])


class SqlClient(Client):
    connection = None

    def send(self, payment):
        self.attempt(self.transact, payment)

    def ask_again(self, block):
        return self.attempt(self.transact_again, block)

    def attempt(self, transact, what):
        try:
            if self.connection is None:
                self.connection = pq.Connection(self.world.conninfo + type(self).__name__)
            return transact(what)
        except pq.Error as error:
            return self.failed(error)

    def failed(self, error):
        if error.lost:
            self.connection = None
            raise Doubt(str(error)) from error
        try:
            self.connection.query("ROLLBACK")
        except pq.Error:  # which ends the transaction as well
            self.connection.close()
            self.connection = None
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
        self.promise(payment, handshake)

    def transact_again(self, block):
        rows = self.connection.query(
            "SELECT handshake_id, code FROM wallet_enqueue_many(array_fill('transaction'::text, ARRAY[$3::integer]),"
            " ARRAY(SELECT value::text FROM json_array_elements($1::json)),"
            " ARRAY(SELECT value FROM json_array_elements_text($2::json))) ORDER BY ordinal",
            "[%s]" % ",".join(map(self.body, block)), json.dumps([payment.key for payment in block]), len(block),
        )  # fmt: skip
        return [handshake or Refused(code) for handshake, code in rows]


class DirectClient(SqlClient):
    """wallet_transfer() and a row of the client's own, in one transaction."""

    way, word = "direct", "paid"

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
        self.promise(payment, int(transfer))

    def transact_again(self, block):
        """Each in a transaction of its own, so that none holds more than two wallets. It moves no
        money, and so does not wait for the disk."""
        rows = self.connection.query(
            "".join(
                f"BEGIN; SET LOCAL synchronous_commit = off; SELECT transfer_id FROM wallet_transfer({payment.source}, {payment.destination},"
                f" {payment.cents}::numeric / 100, idempotency_key => '{payment.key}'); COMMIT;"
                for payment in block
            )
        )
        return [int(transfer) for (transfer,) in rows]


class ManyClient(SqlClient):
    """wallet_transfer_many(), and rows of the client's own, in one transaction. No key makes such a
    call safe to repeat: after a doubt the client's own rows say whether it has been committed."""

    way, word = "direct", "paid"
    COUNT_MAX = 8

    def run(self):
        while not self.world.stop.is_set():
            self.pay_many([self.new_payment(keyless=1) for _ in range(self.random.randint(2, self.COUNT_MAX))])
            time.sleep(self.random.uniform(0, self.world.pause_s))

    def pay_many(self, payments):
        """Until there is an answer for each of them."""
        every = self.random.random() < 0.3
        while True:
            try:
                answers = self.attempt(lambda some: self.transact_many(some, every), payments)
                break
            except Refused as why:
                answers = {payment.cents: why for payment in payments}
                break
            except Doubt as why:
                for payment in payments:
                    self.journal.write("doubt", payment.cents, str(why))
                time.sleep(PAUSE_S)
        for payment in payments:
            answer = answers.get(payment.cents, "not committed")
            if isinstance(answer, int):
                self.promise(payment, answer)
            else:
                self.journal.write("refused", payment.cents, str(answer))

    def transact_many(self, payments, every):
        """{cents: its transfer, or the code that refuses it}"""

        def array(values):
            return "{%s}" % ",".join(map(str, values))

        cents = [payment.cents for payment in payments]
        self.connection.query("BEGIN")
        rows = self.connection.query("SELECT cents, transfer_id FROM application WHERE cents = ANY ($1::bigint[])", array(cents))
        if not rows:
            rows = self.connection.query(
                "WITH many AS MATERIALIZED (SELECT * FROM wallet_transfer_many($1::bigint[], $2::bigint[],"
                " ARRAY(SELECT c::numeric / 100 FROM unnest($3::bigint[]) WITH ORDINALITY AS u (c, n) ORDER BY n), all_or_nothing => $4)),"
                " own AS (INSERT INTO application SELECT ($3::bigint[])[ordinal], transfer_id FROM many WHERE transfer_id IS NOT NULL)"
                " SELECT ($3::bigint[])[ordinal], coalesce(transfer_id::text, code) FROM many",
                array(payment.source for payment in payments), array(payment.destination for payment in payments),
                array(cents), str(every).lower(),
            )  # fmt: skip
        self.connection.query("COMMIT")
        return {int(cents): int(answer) if answer.isdigit() else answer for cents, answer in rows}


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

    KINDS = [HttpClient, HttpClient, HttpClient, QueueClient] * 2

    def __init__(self, world, number, of, keys):
        self.world, self.keys = world, keys
        self.barrier = threading.Barrier(len(self.KINDS))
        self.members = [kind(world, number, of) for kind in self.KINDS]
        for i, member in enumerate(self.members):
            member.journal = journal.Journal(world.folder, f"Crowd{i}")
        self.leader, self.payment = self.members[0], None
        self.threads = [
            threading.Thread(target=self.run, args=(member,), name=f"Crowd{i}", daemon=True)
            for i, member in enumerate(self.members)
        ]

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
        except BaseException:
            self.barrier.abort()
            raise
        member.send_again(member.answered)
