"""load.py: payments over HTTP at a rate that is given, however fast they are answered: a few
connections that stay, each with one request under way, served by one thread."""

import json
import selectors
import socket
import time
import urllib.parse

import clients

CONNECTIONS = 64
# What a stall has held up is made up for, as far as that.
MADE_UP_S = 0.5
ANSWER_S_MAX = 20


class Wire:
    """A connection."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, ANSWER_S_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.payment, self.sent_at, self.received = None, 0.0, b""

    def send(self, payment, request):
        self.payment, self.sent_at, self.received = payment, time.time(), b""
        self.socket.sendall(request)

    def answer(self):
        """(status, fields, body) once all of it is there; None before, ConnectionError when it ends."""
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("closed without an answer")
        self.received += more
        head, _, body = self.received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if len(body) < int(fields.get("content-length") or 1):
            return None
        return int(lines[0].split()[1]), fields, body


class Load(clients.Client):
    """Pays `rate` times a second (a shared number, 0: not at all) until world.stop is set. What it
    was told is in its journal as anybody's; when, how soon and with which status, in the file
    answers.json: [time, seconds, status, code, Retry-After]..."""

    def __init__(self, world, number, of, rate):
        super().__init__(world, number, of)
        self.rate = rate
        self.address = urllib.parse.urlsplit(world.url).netloc
        self.selector = selectors.DefaultSelector()
        self.idle, self.answers, self.under_way = [], [], 0

    def run(self):
        for _ in range(CONNECTIONS):
            self.connect()
        due, last = 0.0, time.monotonic()
        while not self.world.stop.is_set():
            rate, now = self.rate.value, time.monotonic()
            due, last = min(due + (now - last) * rate, max(CONNECTIONS, rate * MADE_UP_S)), now
            while self.idle and due >= 1:
                self.send(self.idle.pop())
                due -= 1
            self.receive(min(0.05, (1 - due) / rate) if rate and self.idle else 0.05)
        deadline = time.monotonic() + ANSWER_S_MAX
        while self.under_way and time.monotonic() < deadline:
            self.receive(0.1)
        for key in list(self.selector.get_map().values()):
            if key.data.payment:
                self.note(key.data, 0, "no answer at all")
        with open(f"{self.world.folder}/answers.json", "w", encoding="utf-8") as file:
            json.dump(self.answers, file)

    def connect(self):
        host, port = self.address.split(":")
        wire = Wire((host, int(port)))
        self.selector.register(wire.socket, selectors.EVENT_READ, wire)
        self.idle.append(wire)

    def send(self, wire):
        payment = self.new_payment(keyless=1)
        body = self.body(payment)
        head = f"POST /api/v1/transaction HTTP/1.1\r\nHost: {self.address}\r\nContent-Type: application/json\r\n"
        self.under_way += 1
        try:
            wire.send(payment, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError as error:
            self.lost(wire, error)

    def receive(self, seconds):
        for key, _ in self.selector.select(seconds):
            wire = key.data
            try:
                answer = wire.answer()
            except OSError as error:
                self.lost(wire, error)
                continue
            if answer and wire.payment:
                self.take(wire, *answer)
                self.idle.append(wire)

    def lost(self, wire, error):
        self.selector.unregister(wire.socket)
        wire.socket.close()
        if wire.payment:
            self.note(wire, 0, repr(error))
        else:
            self.idle.remove(wire)
        self.connect()

    def note(self, wire, status, code, retry_after=None):
        """What is not a plain answer promises nothing."""
        self.under_way -= 1
        now = time.time()
        self.answers.append([now, now - wire.sent_at, status, code, retry_after])
        if status != 202 and code != "queue_full":
            self.journal.write("doubt", wire.payment.cents, f"{status} {code}")
        wire.payment = None

    def take(self, wire, status, fields, body):
        payment = wire.payment
        retry_after = fields.get("retry-after")
        try:
            decoded = json.loads(body)
            if status == 202:
                self.journal.write("ack", payment.cents, decoded["handshake_id"])
                self.note(wire, status, None, retry_after)
                return
            code = decoded["code"]
        except (ValueError, KeyError, TypeError):
            self.journal.write("unclean", payment.cents, f"{status} {body[:80]!r}")
            self.note(wire, status, "unclean", retry_after)
            return
        if code == "queue_full":
            self.journal.write("refused", payment.cents, code)
        self.note(wire, status, code, retry_after)
