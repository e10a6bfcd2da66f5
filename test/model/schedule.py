#!/usr/bin/python3
"""Random operations on a database with pg_wallet, each answer compared with that of rules.py.

    schedule.py --database NAME [--seed N] [--operations N] [--worker]

The database is new, libpq's PG* variables say where. A burst of operations is made up, with what
the model says to each; psql carries it out; then both are compared, and so are all balances, what
is new in the journal and in the queue, and some histories. Without --worker the queue is worked off
by wallet_process() in between, anywhere; with it the worker has the queue, which is then empty
before direct calls come. Prints the seed; the first difference ends the run with status 1.
"""
import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from rules import CURRENCIES, UNITS_MAX, Model, Payload, Refused, Request, Transfer

SECONDS_MAX = 60
CODES = Path(__file__).resolve().parents[2] / "docs" / "codes.md"


def sqlstates():
    """What docs/codes.md says: {code: SQLSTATE}."""
    rows = re.findall(r"^\| `(\w+)` \| (\w{5}) \|", CODES.read_text(encoding="utf-8"), re.M)
    return dict(rows)


SQLSTATE = sqlstates()


def is_json(text):
    """As the type json has it, whatever else may be wrong with it before."""

    def refuse(constant):
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def array(values, kind="text"):
    return f"ARRAY[{','.join(map(literal, values))}]::{kind}[]"


def decimal_text(value, currency):
    return None if value is None else f"{value:.{CURRENCIES[currency]}f}"


def json_text(value):
    """An amount as JSON shows it."""
    whole, _, decimals = f"{value:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


class Psql:
    """One session, kept open. Statements fail one by one, also within a transaction."""

    def __init__(self, database):
        command = ["psql", "-XqAt", "-P", "null=~", "-v", "ON_ERROR_ROLLBACK=on", "-v", "VERBOSITY=verbose", "-d", database]
        # pylint: disable=consider-using-with
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.script = tempfile.NamedTemporaryFile("w", suffix=".sql")

    def run(self, statements):
        """[(rows, SQLSTATE)] of the statements."""
        self.script.seek(0)
        self.script.truncate()
        for statement in statements:
            self.script.write(statement + ";\n\\echo = :SQLSTATE\n")
        self.script.flush()
        self.process.stdin.write(f"\\i {self.script.name}\n\\echo done\n")
        self.process.stdin.flush()
        answers = []
        for _ in statements:
            rows = []
            while not (line := self.process.stdout.readline().rstrip("\n")).startswith("= "):
                if self.process.poll() is not None:
                    self.errors.seek(0)
                    sys.exit("psql has ended: " + self.errors.read().decode()[-2000:])
                rows.append([None if field == "~" else field for field in line.split("|")])
            answers.append((rows, line[2:]))
        self.process.stdout.readline()  # psql has left the script, which is written anew next time
        return answers


class Step:
    """A statement and what it must answer: rows whose fields may be model objects, or a code."""

    def __init__(self, statement, rows=None, code="processed"):
        self.statement, self.rows, self.code = statement, rows, code


class Schedule:
    def __init__(self, seed, database, with_worker):
        self.random = random.Random(seed)
        self.seed, self.with_worker = seed, with_worker
        self.model, self.psql = Model(), Psql(database)
        self.operations = self.compared = 0
        self.steps = []
        self.keyed = []  # calls with a key, to be made again
        self.handshakes = {}
        self.transfers_known = self.requests_known = 0

    # --- chance ---

    def one_of(self, weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def wallet_id(self, currency=None):
        """Mostly one of the wallets that there are, and of those the first ones most often."""
        wallets = [w.wallet_id for w in self.model.wallets.values() if currency in (None, w.currency)]
        if not wallets or self.chance(4):
            return self.random.choice([self.model.next_wallet_id + 1000, 10**12, UNITS_MAX])
        return self.random.choice(wallets[:12] if self.chance(60) else wallets)

    def two_wallets(self):
        source = self.wallet_id()
        if self.chance(3):
            return source, source
        wallet = self.model.wallets.get(source)
        destination = self.wallet_id(wallet.currency if wallet and self.chance(88) else None)
        return source, destination if destination != source else self.wallet_id()

    def user_of(self, wallet_id):
        wallet = self.model.wallets.get(wallet_id)
        if wallet is None or self.chance(5):
            return self.random.randint(1, len(self.model.users) + 3)
        return wallet.user_id

    def key(self):
        return self.one_of({None: 70, "a": 6, "b": 6, "c": 6, "order 17": 6, "é" * 255: 2, "": 1, "x" * 256: 1})

    def amount(self, wallet_id, currency=None):
        """A plain decimal number, as one may write it for this wallet."""
        wallet = self.model.wallets.get(wallet_id)
        digits = CURRENCIES.get(currency or (wallet.currency if wallet else "usd"), 2)
        unit = Decimal(1).scaleb(-digits)
        balance = wallet.balance if wallet else Decimal(0)
        random_units = self.random.randint(1, 10 ** self.random.randint(1, 6))
        kind = self.one_of({"some": 70, "zeros": 5, "whole": 5, "all": 4, "one more": 3, "precise": 4, "tiny": 1,
                            "zero": 2, "negative": 2, "most": 2, "too much": 1, "huge": 1})
        value = {"all": balance, "one more": balance + unit, "zero": Decimal(0), "whole": Decimal(random_units),
                 "most": UNITS_MAX * unit, "too much": (UNITS_MAX + 1) * unit,
                 "huge": Decimal(self.random.choice([10**19, 10**30, UNITS_MAX, -10**25])),
                 "tiny": Decimal("0.000000001"), "precise": random_units * unit / 10}.get(kind, random_units * unit)
        text = f"{-value if kind == 'negative' else value:f}"
        if kind == "zeros":
            text += ("" if "." in text else ".") + "0" * self.random.randint(1, 12)
        elif "." in text and self.chance(30):
            text = text.rstrip("0").rstrip(".")
        return text

    def is_ahead(self, wallet_id):
        """Is it a wallet that the queue may be making just now? Then amounts are judged later."""
        return wallet_id is not None and wallet_id not in self.model.wallets and wallet_id < self.model.next_wallet_id + 1000

    def coming_wallet(self, wallet_id):
        if not self.chance(6):
            return wallet_id
        return self.model.next_wallet_id + self.random.randint(0, 2)

    # --- direct calls ---

    def step(self, statement, call, rows_of):
        """The statement, with what the model's call answers to it."""
        try:
            self.steps.append(Step(statement, rows_of(call())))
        except Refused as refused:
            self.steps.append(Step(statement, [], refused.code))

    @staticmethod
    def wallet_row(wallet):
        return [wallet.wallet_id, wallet.user_id, wallet.status, decimal_text(wallet.balance, wallet.currency), wallet.currency]

    @staticmethod
    def transfer_row(transfer):
        return [transfer, transfer.source_id, transfer.destination_id] + [
            decimal_text(value, transfer.currency)
            for value in (transfer.amount, transfer.source_balance, transfer.destination_balance)]

    def numeric(self, text):
        return self.random.choice(["NaN", "Infinity", "1e3", "1e-3", "1e1000", "-1e1000", "+5", "007"]) if self.chance(4) else text

    def create(self):
        user_id = self.random.randint(1, len(self.model.users) + 3) if self.chance(95) else self.random.choice([0, -1])
        currency = self.one_of({"usd": 40, "USD": 5, "jpy": 20, "kwd": 20, "clf": 10, "zzz": 3, "": 1, "us": 1})
        amount = self.numeric(self.amount(None, currency.lower()))
        self.step(f"SELECT wallet_id, user_id, status, amount, currency FROM wallet_create({user_id}, {literal(amount)}, {literal(currency)})",
                  lambda: self.model.create(user_id, amount, currency), lambda wallet: [self.wallet_row(wallet)])

    def pay(self):
        kind = self.one_of({"transaction": 60, "deposit": 25, "withdrawal": 15})
        source, destination = self.two_wallets()
        if self.chance(2):
            source = self.random.choice([0, -840, -1])
        amount = self.numeric(self.amount(source))
        call = {"transaction": (source, destination), "deposit": (None, source), "withdrawal": (source, None)}[kind]
        call = (kind, *call, amount, self.one_of({None: 85, '{"order": 17}': 10, "[1, 2]": 5}), self.key())
        if call[5] is not None:
            self.keyed.append(("direct", call))
        self.pay_by(call)

    def pay_by(self, call):
        kind, source, destination, amount, metadata, key = call
        name = {"transaction": "transfer", "deposit": "deposit", "withdrawal": "withdraw"}[kind]
        ids = ", ".join(str(wallet_id) for wallet_id in (source, destination) if wallet_id is not None)
        self.step("SELECT transfer_id, source_wallet_id, destination_wallet_id, amount, source_balance, destination_balance "
                  f"FROM wallet_{name}({ids}, {literal(amount)}, {literal(metadata)}, {literal(key)})",
                  lambda: self.model.pay(*call), lambda transfer: [self.transfer_row(transfer)])

    def set_status(self):
        frozen = [w.wallet_id for w in self.model.wallets.values() if w.status == "frozen"]
        wallet_id, status = self.wallet_id(), self.one_of({"frozen": 35, "active": 20, "closed": 40, "gone": 3, "ACTIVE": 2})
        if frozen and self.chance(55):
            wallet_id, status = self.random.choice(frozen), "active"
        self.step(f"SELECT wallet_id, user_id, status, amount, currency FROM wallet_set_status({wallet_id}, {literal(status)})",
                  lambda: self.model.set_status(wallet_id, status), lambda wallet: [self.wallet_row(wallet)])

    def get(self):
        wallet_id = self.wallet_id()
        self.step(f"SELECT wallet_id, user_id, status, amount, currency FROM wallet_get({wallet_id})",
                  lambda: self.model.get(wallet_id), lambda wallet: [self.wallet_row(wallet)])

    # --- the queue ---

    def json_amount(self, wallet_id, currency=None):
        text = self.amount(wallet_id, currency)
        if self.is_ahead(wallet_id) and len(text.partition(".")[2].rstrip("0")) > 2:
            text = "1.5"
        if self.chance(10):
            return f'"{text}"'
        if self.chance(3):
            return self.random.choice(["1e2", "1E-2", '"1e2"', '"+1"', '"01"', '"1."', '".5"', '""', '" 1"', '"NaN"', "true", "null",
                                       "[1]", "{}", "01", "+1", "1.", "NaN", "-0", '"-0.00"'])
        return text

    def json_id(self, wallet_id):
        if not self.chance(1):
            return self.one_of({f"{wallet_id}": 90, f'"{wallet_id}"': 6, f"{wallet_id}.0": 2, f'"{wallet_id}.00"': 2})
        return self.random.choice(["0", "-1", '"-0"', "-1.0", "1.5", "1e1", '"1e1"', '"01"', '"+1"', '" 1"', '""', "null", "9223372036854775808",
                                   '"9223372036854775808.0"', "-9223372036854775809", "true", "[]"])

    def item(self):
        """A request for the queue: (kind, payload, key)."""
        kind = self.one_of({"transaction": 55, "deposit": 16, "withdrawal": 10, "wallet": 10, "wallet_read": 8, "payment": 1})
        source, destination = self.two_wallets()
        source, destination = self.coming_wallet(source), self.coming_wallet(destination)
        user = self.json_id(self.user_of(source))
        if kind == "wallet":
            currency = self.one_of({"usd": 30, "USD": 5, "jpy": 20, "kwd": 20, "clf": 10, "zzz": 3})
            members = [("user_id", self.json_id(self.random.randint(1, len(self.model.users) + 3)))]
            members += [("amount", self.json_amount(None, currency.lower()))] if self.chance(80) else []
            members += [("currency", f'"{currency}"')] if members[1:] or self.chance(80) else []
        elif kind == "transaction":
            members = [("user_id", user), ("source_wallet_id", self.json_id(source)), ("dest_wallet_id", self.json_id(destination)),
                       ("trans_sum", self.json_amount(source))]
        else:
            members = [("user_id", user), ("wallet_id", self.json_id(source))]
            members += [("amount", self.json_amount(source))] if kind != "wallet_read" else []
        if self.chance(30):
            self.random.shuffle(members)
        if self.chance(1):
            members.pop()
        if self.chance(1):
            members.insert(self.random.randint(0, len(members)), self.random.choice(members + [("note", "1")]))
        item = (kind, Payload(tuple(members), self.one_of({"": 99, "x": 1})), self.key())
        if item[2] is not None:
            self.keyed.append(("queue", item))
        return item

    def enqueue(self):
        """One by itself, which takes json: what is no JSON at all goes with the others."""
        kind, payload, key = self.item()
        try:
            request = self.model.enqueue(kind, payload, key)
        except Refused as refused:
            if not is_json(payload.text):
                self.enqueue_many([(kind, payload, key)])
                return
            self.steps.append(Step(f"SELECT wallet_enqueue({literal(kind)}, {literal(payload.text)}, {literal(key)})", [], refused.code))
        else:
            self.steps.append(Step(f"SELECT wallet_enqueue({literal(kind)}, {literal(payload.text)}, {literal(key)})", [[request]]))

    def enqueue_many(self, items=None):
        items = items or [self.item() for _ in range(self.random.randint(1, 40))]
        rows = []
        for number, item in enumerate(items, 1):
            try:
                rows.append([number, self.model.enqueue(*item), None])
            except Refused as refused:
                rows.append([number, None, refused.code])
        self.operations += len(items) - 1
        kinds, payloads, keys = zip(*items)
        self.steps.append(Step(
            f"SELECT ordinal, handshake_id, code FROM wallet_enqueue_many({array(kinds)}, {array(p.text for p in payloads)}, {array(keys)})", rows))

    def again(self, way):
        """A call with a key once more, perhaps for another amount."""
        calls = [call for made, call in self.keyed[-100:] if made == way]
        if not calls:
            return
        call = self.random.choice(calls)
        if way == "direct":
            self.pay_by(call if self.chance(75) else (*call[:3], self.amount(call[1]), *call[4:]))
        else:
            self.enqueue_many([call, self.item(), call])

    def process(self):
        requests_max = self.random.randint(1, 30) if self.chance(50) else None
        self.steps.append(Step(f"SELECT wallet_process({literal(requests_max)})", [[self.model.process(requests_max)]]))

    def lookup_row(self, request):
        """state, code, wallet_id, wallet_status, amount, currency, transfer, source, destination"""
        outcome = self.model.outcomes.get(request)
        if outcome is None:
            return ["queued"] + [None] * 8
        if outcome.code != "processed":
            return ["rejected", outcome.code] + [None] * 7
        row = ["processed", "processed"]
        if outcome.transfer:
            return row + [None] * 4 + self.transfer_row(outcome.transfer)[:3]
        wallet = outcome.wallet if request.kind == "wallet_read" else self.model.wallets[outcome.wallet.wallet_id]
        return row + [wallet.wallet_id, wallet.status, decimal_text(wallet.balance, wallet.currency), wallet.currency] + [None] * 3

    def lookup(self):
        known = [request for request in self.model.requests if request.handshake]
        if not known:
            return
        request = self.random.choice(known[-60:] if self.chance(80) else known)
        user_id = request.user_id + (1 if self.chance(5) else 0)
        statement = ("SELECT state, code, wallet_id, wallet_status, amount, currency, transfer_id, source_wallet_id, destination_wallet_id "
                     f"FROM wallet_lookup({literal(request.kind)}, {user_id}, {literal(request.handshake)})")
        if user_id == request.user_id:
            self.steps.append(Step(statement, [self.lookup_row(request)]))
        else:
            self.steps.append(Step(statement, [], "handshake_unknown"))

    # --- bursts ---

    def operate(self, weights):
        operation = self.one_of(weights)
        self.operations += 1
        if operation in ("direct", "queue"):
            self.again(operation)
        else:
            getattr(self, operation)()

    def transact(self, weights):
        """Some operations in one transaction, which is committed or rolled back."""
        before = self.model.snapshot()
        self.steps.append(Step("BEGIN", []))
        for _ in range(self.random.randint(1, 8)):
            self.operate(weights)
        if self.chance(60):
            self.steps.append(Step("COMMIT", []))
        else:
            self.steps.append(Step("ROLLBACK", []))
            self.model.roll_back(before)

    DIRECT = {"create": 6, "pay": 60, "set_status": 10, "get": 3, "direct": 8, "lookup": 4}
    QUEUE = {"enqueue": 20, "enqueue_many": 5, "queue": 3, "lookup": 3}

    def burst(self):
        if not self.with_worker:
            self.make_up({**self.DIRECT, **self.QUEUE, "process": 8}, self.random.randint(1, 60))
            self.compare()
        else:
            self.make_up({**self.QUEUE, "lookup": 0}, self.random.randint(1, 20))
            self.compare_steps()
            self.model.process()
            self.wait_for_worker()
            self.make_up(self.DIRECT, self.random.randint(1, 40))
            self.compare()

    def make_up(self, weights, count):
        for _ in range(count):
            if self.chance(4):
                self.transact(weights)
            else:
                self.operate(weights)

    def wait_for_worker(self):
        deadline = time.monotonic() + SECONDS_MAX
        while self.psql.run(["SELECT queued FROM wallet.queue"])[0][0] != [["0"]]:
            if time.monotonic() > deadline:
                sys.exit(f"seed {self.seed}: the worker does not come")
            time.sleep(0.001)

    # --- comparison ---

    def differ(self, step, rows, state):
        print(f"seed {self.seed}, after {self.operations} operations: {step.statement[:2000]}")
        expected = [[self.shown(field) for field in row] for row in step.rows]
        pairs = [(want, got) for want, got in zip(expected, rows) if want != got] or [(expected, rows)]
        print(f"the model says {step.code}, {len(expected)} rows, the server {state}, {len(rows)} rows; the first that differs:")
        print(f"  model:  {pairs[0][0]}\n  server: {pairs[0][1]}")
        sys.exit(1)

    @staticmethod
    def shown(field):
        if isinstance(field, Request):
            return field.handshake
        field = field.id if isinstance(field, Transfer) else field
        return None if field is None else str(field)

    def is_same(self, field, got):
        """An id or a handshake that the model cannot know is learnt, and is the same ever after."""
        if isinstance(field, Request):
            if field.handshake is None:
                field.handshake = got
                return self.handshakes.setdefault(got, field) is field
            return got == field.handshake
        if isinstance(field, Transfer):
            if field.id is None:
                field.id = int(got)
            return got == str(field.id)
        return got == (None if field is None else str(field))

    def compare_steps(self):
        answers = self.psql.run([step.statement for step in self.steps])
        for step, (rows, state) in zip(self.steps, answers):
            same = state == SQLSTATE[step.code] and len(rows) == len(step.rows) and all(
                len(row) == len(expected) and all(map(self.is_same, expected, row)) for expected, row in zip(step.rows, rows))
            if not same:
                self.differ(step, rows, state)
            self.compared += 1
        self.steps = []

    def compare(self):
        """The operations, and then the tables."""
        self.compare_steps()
        new_transfers, new_requests = self.model.journal[self.transfers_known:], self.model.requests[self.requests_known:]
        last_transfer = self.model.journal[self.transfers_known - 1].id if self.transfers_known else 0
        last_request = self.model.requests[self.requests_known - 1].id if self.requests_known else 0
        # The ids of requests come first: the journal names them.
        ids = self.psql.run([f"SELECT request_id FROM wallet.request WHERE request_id > {last_request} ORDER BY 1"])[0][0]
        for request, row in zip(new_requests, ids):
            request.id = int(row[0])
        self.steps = [
            Step(f"SELECT request_id, wallet.kind_name(kind), user_id, (wallet.amount(r.amount, amount_scale) = v.amount::numeric) IS NOT FALSE FROM (SELECT row_number() OVER "
                 f"(ORDER BY request_id) AS n, * FROM wallet.request WHERE request_id > {last_request}) AS r "
                 f"LEFT JOIN unnest({array([None if r.amount is None else f'{r.amount.value:f}' for r in new_requests])}) WITH ORDINALITY AS v (amount, n) USING (n) ORDER BY 1",
                 [[r.id, r.kind, r.user_id, "t"] for r in new_requests]),
            Step("SELECT transfer_id, nullif(greatest(source_wallet_id, 0), 0), nullif(greatest(destination_wallet_id, 0), 0), wallet.kind_name(kind), request_id, metadata "
                 f"FROM wallet.transfer WHERE transfer_id > {last_transfer} ORDER BY 1",
                 [[t, t.source_id, t.destination_id, t.kind, t.request.id if t.request else None, t.metadata] for t in new_transfers]),
            Step("SELECT w.wallet_id, user_id, status, wallet.amount(balance, minor_digits), currency "
                 "FROM wallet.wallet AS w JOIN wallet.currency ON code = currency ORDER BY 1",
                 [self.wallet_row(wallet) for _, wallet in sorted(self.model.wallets.items())]),
            Step("SELECT count(*) FROM wallet.outcome", [[sum(outcome.transfer is None for outcome in self.model.outcomes.values())]])]
        self.transfers_known, self.requests_known = len(self.model.journal), len(self.model.requests)
        self.compare_steps()
        self.ask_outcomes([r for r in new_requests + self.random.sample(self.model.requests, min(20, len(self.model.requests))) if r.handshake])
        for wallet_id in self.random.sample(sorted(self.model.wallets), min(2, len(self.model.wallets))):
            self.ask_history(wallet_id, self.random.randint(1, 50))
        self.compare_steps()

    def ask_outcomes(self, requests):
        rows = []
        for request in requests:
            row = self.lookup_row(request)
            row[4] = row[4] and json_text(Decimal(row[4]))
            rows.append([len(rows) + 1] + row)
        self.steps.append(Step(
            "SELECT ordinal, state, code, wallet_id, wallet_status, amount, currency, transfer_id, source_wallet_id, destination_wallet_id "
            f"FROM wallet_lookup_many({array([r.kind for r in requests])}, {array([r.user_id for r in requests], 'bigint')}, "
            f"{array([r.handshake for r in requests])})", rows))

    def ask_history(self, wallet_id, page, pages_max=3):
        """The newest pages of a wallet's history, at least."""
        history = self.model.history(wallet_id)
        before = "NULL"
        for first in range(0, min(len(history), page * pages_max) + 1, page):
            rows = [[t, t.kind, t.source_id, t.destination_id, decimal_text(t.amount, t.currency), decimal_text(t.balance_of(wallet_id), t.currency),
                     t.metadata, t.request.id if t.request else None] for t in history[first:first + page]]
            self.steps.append(Step(
                "SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance, metadata, request_id "
                f"FROM wallet_history({wallet_id}, {before}, {page})", rows))
            before = rows[-1][0].id if rows else before

    def finish(self):
        self.wait_for_worker() if self.with_worker else self.process()
        self.compare()
        for wallet_id in self.model.wallets:
            self.ask_history(wallet_id, 1000, pages_max=1000)
        self.steps.append(Step("SELECT name, detail FROM wallet_verify() WHERE NOT ok", []))
        self.compare_steps()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--operations", type=int, default=6000)
    parser.add_argument("--worker", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    schedule = Schedule(options.seed, options.database, options.worker)
    start = time.monotonic()
    while schedule.operations < options.operations:
        schedule.burst()
    schedule.finish()
    seconds = time.monotonic() - start
    model = schedule.model
    codes = sorted({outcome.code for outcome in model.outcomes.values()})
    print(f"{schedule.operations} operations, {schedule.compared} answers compared, {schedule.operations / seconds:.0f} operations per second: "
          f"{len(model.wallets)} wallets, {len(model.requests)} requests, {len(model.journal)} transfers, outcomes {' '.join(codes)}")


if __name__ == "__main__":
    main()
