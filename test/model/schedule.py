#!/usr/bin/python3
"""Random operations on a database with pg_wallet, each answer compared with that of rules.py.

    schedule.py --database NAME [--seed N] [--operations N] [--worker] [--pairs]

The database is new, libpq's PG* variables say where. A burst of operations is made up, with what the model says to each;
psql carries it out; then both are compared, and so are all balances and limits, the holds and the reversed sums that have
changed, what is new in the journal and in the queue, and some histories. Without --worker the queue is worked off by
wallet_process() in between, anywhere, and the clock is shifted between bursts: to the very moment of an expiry, before and
after it, and back. With --worker the worker has the queue, which is then empty before direct calls come. --pairs begins
with operations that break two rules each (pairs.py). Prints the seed; the first difference ends the run with status 1.
"""
import argparse
import random
import sys
import time
from dataclasses import replace
from decimal import Decimal
from itertools import islice

import pairs
from calls import Model
from chance import CALLS, HOUR, NAMES, Chance, direct_operation, seeded, value_sql
from payload import CURRENCIES, INFINITY, SECOND, SLACK, SQLSTATE, UNITS_MAX, Moment, Refused, read_json_amount, read_time
from session import PLAIN_ROW, ROW, Psql, Step, array, decimal_text, is_json, is_same, literal, micros, read_micros, row_of, shown

SECONDS_MAX = 60
WALLETS_MAX = 300
WALLET = "wallet_id, user_id, status, amount, currency, held, floor, ceiling, available"
LOOKUP = ("state, code, wallet_id, wallet_status, CASE WHEN group_id IS NULL THEN trim_scale(amount::numeric) END, CASE WHEN wallet_id IS NOT NULL THEN currency END, "
          "transfer_id, CASE WHEN group_id IS NULL THEN source_wallet_id END, CASE WHEN group_id IS NULL THEN destination_wallet_id END, "
          "CASE WHEN group_id IS NULL THEN link_id END, group_id, leg")
NEAR = SLACK + 30 * SECOND  # no time of interest is as near as that before a burst begins
HOLD_STATES = ("open", "captured", "voided", "expired")
HOLD = ("hold_id, source_wallet_id, destination_wallet_id, amount, captured, rest, max_capture, state, " + micros("expires_at"))


def trimmed(units, currency):
    return None if units is None else f"{(Decimal(units).scaleb(-CURRENCIES[currency])).normalize() + 0:f}"


class Comparison(Chance):
    """Statements with what they must answer, and what the tables must hold."""

    def __init__(self, seed, database, with_worker):
        self.random = seeded(seed)
        self.seed, self.with_worker = seed, with_worker
        self.model, self.psql = Model(), Psql(database)
        self.operations = self.compared = self.bursts = 0
        self.steps = []
        self.keyed = []  # calls with a key, to be made again
        self.model.handshakes = self.handshakes = {}
        self.known_rows, self.known_groups = [], []
        self.rows_compared = self.requests_compared = 0
        self.last_row = self.last_request = 0
        self.released = set()  # wallets that something due has been taken from, which the model did not see coming
        self.met = {}  # how often each code was the answer

    def step(self, statement, call, rows_of):
        """The statement, with what the model's call answers to it."""
        try:
            self.steps.append(Step(statement, rows_of(call())))
        except Refused as refused:
            self.steps.append(Step(statement, [], refused.code))

    def wallet_row(self, wallet):
        now = self.model.moment_of([wallet.wallet_id])
        amounts = [wallet.balance, self.model.held(wallet.wallet_id, now), wallet.floor, wallet.ceiling, self.model.available(wallet, now)]
        balance, *limits = (decimal_text(units, wallet.currency) for units in amounts)
        return [wallet.wallet_id, wallet.user_id, wallet.status, balance, wallet.currency, *limits]

    def hold_row_of(self, row):
        hold = self.model.holds[row]
        now = self.model.moment_of([hold.source_id])
        state = hold.shown(now)
        rest = 0 if state == "expired" else hold.rest
        amounts = [hold.captured + rest, hold.captured, rest, hold.max_capture]
        return [row, hold.source_id, hold.destination_id, *(decimal_text(units, row.currency) for units in amounts), state, hold.expires]

    def lookup_row(self, request):
        outcome = self.model.outcomes.get(request)
        if outcome is None:
            return ["queued"] + [None] * 11
        if outcome.code != "processed":
            return ["rejected", outcome.code] + [None] * 9 + [outcome.leg]
        answer = ["processed", "processed"]
        if outcome.rows:
            row = outcome.rows[0]
            if row.group is not None:
                return answer + [None] * 4 + [row, None, None, None, row, None]
            return answer + [None] * 2 + [trimmed(row.amount, row.currency), None, row, row.source_id, row.destination_id, row.link, None, None]
        wallet = outcome.wallet if request.kind == "wallet_read" else self.model.wallets[outcome.wallet.wallet_id]
        return answer + [wallet.wallet_id, wallet.status, trimmed(wallet.balance, wallet.currency), wallet.currency] + [None] * 6

    # --- comparison ---

    def fail(self, *lines):
        print(f"seed {self.seed}, after {self.operations} operations:", *lines, sep="\n  ")
        sys.exit(1)

    def differ(self, step, rows, state):
        expected = [[shown(field) for field in row] for row in step.rows]
        wrong = [n for n, (fields, got) in enumerate(zip(step.rows, rows)) if not self.is_same_row(fields, got)]
        pairs = [(expected[n], rows[n]) for n in wrong] or [(expected, rows)]
        statement = str(step.about[wrong[0]]) if wrong and step.about else step.statement
        self.fail(statement[:3000], f"the model says {step.code}, {len(expected)} rows, the server {state}, {len(rows)} rows; the first that differs:",
                  f"model:  {pairs[0][0]}", f"server: {pairs[0][1]}", self.psql.said() if state != SQLSTATE[step.code] else "")

    def is_same_row(self, expected, row):
        return len(row) == len(expected) and all(is_same(field, got, self.handshakes) for field, got in zip(expected, row))

    def compare_steps(self):
        answers = self.psql.run([step.statement for step in self.steps])
        for step, (rows, state) in zip(self.steps, answers):
            if state != SQLSTATE[step.code] or len(rows) != len(step.rows) or not all(map(self.is_same_row, step.rows, rows)):
                self.differ(step, rows, state)
            self.compared += 1
            self.met[step.code] = self.met.get(step.code, 0) + 1
        self.steps = []

    def rows(self, statement):
        ((rows, state),) = self.psql.run([statement])
        if state != "00000":
            self.fail(statement[:2000], state, self.psql.said())
        self.compared += 1
        return rows

    def compare(self):
        """The operations, and then the tables."""
        self.compare_steps()
        # What the worker releases in between, it has released later.
        self.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.compare_requests()
        self.compare_journal()
        self.compare_holds()
        self.compare_wallets()
        self.rows("COMMIT")
        self.bursts += 1
        if self.bursts % 40 == 0:
            self.compare_totals()
        self.model.log.clear()
        new = self.model.requests[self.requests_compared:]
        self.requests_compared, self.rows_compared = len(self.model.requests), len(self.model.journal)
        self.ask_outcomes([r for r in new + self.random.sample(self.model.requests, min(10, len(self.model.requests))) if r.handshake])
        for wallet_id in self.random.sample(sorted(self.model.wallets), min(1, len(self.model.wallets))):
            self.ask_history(wallet_id, self.random.randint(1, 50), with_holds=self.chance(50))
        self.compare_steps()

    def compare_requests(self):
        new = self.model.requests[self.requests_compared:]
        rows = self.rows("SELECT request_id, wallet.kind_name(kind), user_id, trim_scale(wallet.amount(amount, amount_scale)) "
                         f"FROM wallet.request WHERE request_id > {self.last_request} ORDER BY 1")
        expected = [[r.kind, str(r.user_id), r.amount and f"{r.amount.value.normalize() + 0:f}"] for r in new]
        if [row[1:] for row in rows] != expected:
            wrong = [pair for pair in zip(expected, (row[1:] for row in rows)) if pair[0] != pair[1]]
            self.fail(f"requests: {len(expected)} in the model, {len(rows)} stored; the first that differs:", str(wrong[:1]))
        for request, row in zip(new, rows):
            request.id = self.last_request = int(row[0])

    def compare_journal(self):
        """Each row of the model has its row there, in their order. Rows of expiry are learnt, and must be due."""
        new = iter(self.model.journal[self.rows_compared:])
        statement = (f"SELECT transfer_id, request_id, metadata, group_id, group_size, {micros('posted_at')}, wallet.kind_name(kind), nullif(greatest(source_wallet_id, 0), 0), "
                     "nullif(greatest(destination_wallet_id, 0), 0), amount, CASE WHEN source_wallet_id > 0 THEN source_balance END, "
                     "CASE WHEN destination_wallet_id > 0 THEN destination_balance END, coalesce(held, 0), link_id, "
                     f"{micros('expires_at')}, max_capture, coalesce(overdraw, false) FROM wallet.transfer WHERE transfer_id > {self.last_row} ORDER BY 1")
        for got in self.rows(statement):
            self.last_row = int(got[0])
            if got[6] == "expiry":
                self.learn_expiry(got)
                continue
            row = next(new, None)
            if row is None:
                self.fail(f"a row that the model does not have: {got}")
            self.learn_row(row, got)
        if (row := next(new, None)) is not None:
            self.fail(f"a row that is not there: {row_of(row)}")

    def learn_row(self, row, got):
        values = [row.source_id, row.destination_id, row.amount, row.source_balance, row.destination_balance]
        if row in (row.group, row.link):
            row.id = int(got[0])
        same = row.id in (None, self.last_row) and got[1:5] == [shown(each) for each in (row.request and row.request.id, row.metadata, row.group, row.group_size)]
        same = same and got[6:12] == [row.kind, *map(shown, values)] and int(got[12]) in row.held and got[13] == shown(row.link)
        same = same and got[15:] == [shown(row.max_capture), "t" if row.overdraw else "f"] and is_same(row.posted, got[5], self.handshakes)
        posted = read_micros(got[5]) if same else 0
        if same and row.expires is not None:
            expires = read_micros(got[14]) if got[14] else 0
            end = row.expires_as.expires if row.expires_as else row.expires
            same = expires == (posted + end.at - row.posted.at if end.fuzzy else end.at)
            row.expires = Moment(expires)
        elif same:
            same = got[14] is None
        if not same:
            self.fail(f"rows differ, the model's is request {row.request and row.request.id}, metadata {row.metadata}, group {shown(row.group)} of {row.group_size}, "
                      f"posted {shown(row.posted)}:", f"model:  {list(map(shown, row_of(row)))}", f"server: {got}")
        row.id, row.posted = self.last_row, Moment(posted)
        self.model.transfers[row.id] = row
        self.known_rows.append(row.id)
        if row.group is row:
            self.known_groups.append(row)

    def learn_expiry(self, got):
        """It releases what a hold has left that is due. Some the model must have seen coming; the others may come at any time."""
        made, posted, amount = self.model.transfers.get(int(got[13])), read_micros(got[5]), int(got[9])
        hold = self.model.holds.get(made)
        moment, rest = self.model.swept.get(made, (None, None))
        if made in self.model.swept:
            del self.model.swept[made]
            good = amount == rest and hold.expires.at <= posted <= moment.last
        else:
            good = hold is not None and hold.state == "open" and amount == hold.rest and hold.expires.at <= posted <= self.latest()
            if good:
                self.model.put_hold(made, replace(hold, state="expired", rest=0))
                self.released.add(hold.source_id)
        if not good or got[1:5] != [None] * 4 or got[7:9] != [shown(hold.source_id), shown(hold.destination_id)] or got[11] is not None:
            self.fail(f"an expiry that should not be: {got}", f"the model: {rest} at {moment and shown(moment)}", f"of {hold}")

    def latest(self):
        """No moment is later than the clock and all wallets."""
        return max([self.model.clock.last] + [w.updated.last for w in self.model.wallets.values()])

    def compare_holds(self):
        if self.model.swept:
            self.fail(f"holds that have expired, without a row that says so: {[row.id for row in self.model.swept][:5]}")
        changed = [row for row in self.model.changed_holds if row in self.model.holds]
        self.model.changed_holds.clear()
        got = {int(row[0]): row[1:] for row in changed and self.rows(
            "SELECT hold_id, source_wallet_id, nullif(greatest(destination_wallet_id, 0), 0), rest, captured, max_capture, state, "
            f"{micros('expires_at')} FROM wallet.hold WHERE hold_id = ANY ({array([row.id for row in changed], 'bigint')})")}
        for row in changed:
            hold, there = self.model.holds[row], got.get(row.id)
            values = [hold.source_id, hold.destination_id, hold.rest, hold.captured, hold.max_capture, HOLD_STATES.index(hold.state)]
            if there is None or there[:6] != list(map(shown, values)) or read_micros(there[6]) != hold.expires.at:
                self.fail(f"hold {row.id}:", f"model:  {list(map(shown, values))} {hold.expires.at}", f"server: {there}")
        sums = {shown(row): shown(self.model.reversed[row]) for row in self.model.changed_sums if row in self.model.reversed}
        self.model.changed_sums.clear()
        there = dict(self.rows(f"SELECT transfer_id, amount FROM wallet.reversed WHERE transfer_id = ANY ({array(sums, 'bigint')})")) if sums else {}
        if sums != there:
            self.fail("sums reversed:", f"model:  {sums}", f"server: {there}")

    def compare_wallets(self):
        rows = self.rows(f"SELECT wallet_id, user_id, status, currency, balance, held, floor, nullif(ceiling, {UNITS_MAX}), {micros('updated_at')} FROM wallet.wallet ORDER BY 1")
        wallets = [wallet for _, wallet in sorted(self.model.wallets.items())]
        if len(rows) != len(wallets):
            self.fail(f"{len(wallets)} wallets in the model, {len(rows)} in the table")
        for wallet, got in zip(wallets, rows):
            held = sum(self.model.holds[row].rest for row in self.model.open_holds.get(wallet.wallet_id, ()))
            values = [wallet.wallet_id, wallet.user_id, wallet.status, wallet.currency, wallet.balance, held, wallet.floor, wallet.ceiling]
            updated = read_micros(got[8])
            good = is_same(wallet.updated, got[8], {}) or (wallet.wallet_id in self.released and wallet.updated.at <= updated <= self.latest())
            if got[:8] != list(map(shown, values)) or not good:
                self.fail("wallet:", f"model:  {list(map(shown, values))} {shown(wallet.updated)}", f"server: {got}")
            self.model.wallets[wallet.wallet_id] = replace(wallet, updated=Moment(updated))
        self.released.clear()

    def compare_totals(self):
        outcomes = sum(not outcome.rows for outcome in self.model.outcomes.values())
        changes = len(self.model.limit_changes)
        self.steps.append(Step("SELECT (SELECT count(*) FROM wallet.outcome), (SELECT count(*) FROM wallet.limit_change), (SELECT count(*) FROM wallet.hold)",
                               [[outcomes, changes, len(self.model.holds)]]))

    def ask_outcomes(self, requests):
        if not requests:
            return
        rows = [[number, *self.lookup_row(request)] for number, request in enumerate(requests, 1)]
        self.steps.append(Step(
            f"SELECT ordinal, {LOOKUP} FROM wallet_lookup_many({array([r.kind for r in requests])}, {array([r.user_id for r in requests], 'bigint')}, "
            f"{array([r.handshake for r in requests])})", rows, about=requests))

    def ask_history(self, wallet_id, page, pages_max=3, with_holds=False):
        """The newest pages of a wallet's history. Rows of expiry are left out: their pages are shorter."""
        pages_max = 1 if with_holds else pages_max
        history = list(islice(self.model.history(wallet_id, with_holds), page * pages_max))
        before = "NULL"
        for first in range(0, len(history) + 1, page):
            rows = [[t, t.kind, t.source_id, t.destination_id, decimal_text(t.amount, t.currency), decimal_text(t.balance_of(wallet_id), t.currency),
                     t.metadata, t.request.id if t.request else None] for t in history[first:first + page]]
            source = f"wallet_history({wallet_id}, {before}, {page if not with_holds else 1000}{', include_holds => true' if with_holds else ''})"
            if first < page * pages_max:
                self.steps.append(Step(
                    f"SELECT transfer_id, kind, source_wallet_id, destination_wallet_id, amount, balance, metadata, request_id FROM {source} "
                    f"WHERE kind <> 'expiry' LIMIT {page}", rows))
            before = rows[-1][0].id if rows else before


class Schedule(Comparison):
    """What is asked for."""

    # --- direct calls ---

    def numeric(self, text):
        return self.random.choice(["NaN", "Infinity", "1e3", "1e-3", "1e1000", "-1e1000", "+5", "007"]) if self.chance(2) else text

    def create(self):
        if len(self.model.wallets) > WALLETS_MAX and self.chance(90):
            self.get()
            return
        user_id = self.random.randint(1, len(self.model.users) + 3) if self.chance(95) else self.random.choice([0, -1])
        currency = self.one_of({"usd": 60, "USD": 5, "jpy": 14, "kwd": 14, "clf": 5, "zzz": 3, "": 1, "us": 1})
        self.create_wallet(user_id, self.numeric(self.amount(None, currency.lower())), currency)

    def create_wallet(self, user_id, amount, currency):
        self.step(f"SELECT {WALLET} FROM wallet_create({user_id}, {literal(amount)}, {literal(currency)})",
                  lambda: self.model.create(user_id, amount, currency), lambda wallet: [self.wallet_row(wallet)])

    DIRECT_KINDS = {"transaction": 34, "deposit": 14, "withdrawal": 8, "hold": 14, "capture": 11, "void": 4, "hold_extend": 4,
                    "reversal": 8, "group": 8, "group_reversal": 2}

    def pay(self):
        self.calm = self.chance(50)
        kind = self.one_of(self.DIRECT_KINDS)
        _, members = self.members(kind)
        if members and members[0][0] == "hold_handshake_id":
            members[0] = ("hold_id", "id", 10**12)
        members = [(name, type_, self.numeric(value) if type_ == "amount" else value) for name, type_, value in members]
        if self.chance(1) and members[0][1] == "id":
            members[0] = (*members[0][:2], self.random.choice([0, -840, -1]))
        key = self.key()
        # Which of two faults is told, one of the legs and one of the key, is not compared.
        key = None if kind == "group" and key in ("", "x" * 256) else key
        call = (kind, members, self.one_of({None: 85, '{"order": 17}': 10, "[1, 2]": 5}), key)
        if call[3] is not None:
            self.keyed.append(("direct", call))
        self.pay_by(call)

    def pay_by(self, call):
        kind, members, metadata, key = call
        values = ", ".join(f"{NAMES.get(name, name)} => {value_sql(type_, value)}" for name, type_, value in members)
        if kind == "transaction" and not any(name == "trans_sum" for name, _, _ in members):
            values += ", amount => NULL"
        if kind == "withdrawal" and not any(name == "amount" for name, _, _ in members):
            values += ", amount => NULL"
        if kind == "hold" and not any(name == "dest_wallet_id" for name, _, _ in members):
            values += ", destination_wallet_id => NULL"
        # transfer_info has the first columns of operation_info alone.
        is_plain = kind in ("transaction", "deposit", "withdrawal")
        columns = PLAIN_ROW if is_plain else f"transfer_id, group_id, {ROW}"
        self.step(f"SELECT {columns} FROM wallet_{CALLS[kind]}({values}, metadata => {literal(metadata)}, idempotency_key => {literal(key)})",
                  lambda: self.called(*call),
                  lambda rows: [[row, *row_of(row)[1:6]] if is_plain else [row, row.group, *row_of(row)] for row in rows])

    def called(self, kind, members, metadata, key):
        operation = direct_operation(kind, members)
        operation.metadata = metadata
        return self.model.call(operation, key)

    def pay_many(self):
        """wallet_transfer_many(): each row is judged as the rows before it left things."""
        pairs = [self.two_wallets() for _ in range(self.random.randint(1, 12))]
        amounts = [self.amount(source) for source, _ in pairs]
        members = [[("source_wallet_id", "id", s), ("dest_wallet_id", "id", d), ("trans_sum", "amount", a)] for (s, d), a in zip(pairs, amounts)]
        together = self.chance(30)
        sources, destinations = zip(*pairs)
        self.operations += len(pairs) - 1
        self.step(f"SELECT ordinal, transfer_id, code FROM wallet_transfer_many({array(sources, 'bigint')}, {array(destinations, 'bigint')}, "
                  f"{array(amounts, 'numeric')}, all_or_nothing => {literal(together)})",
                  lambda: self.model.transfer_many([end for pair in pairs for end in pair], [lambda m=m: direct_operation("transaction", m) for m in members], together),
                  lambda answers: [[number, row, code] for number, (row, code) in enumerate(answers, 1)])

    def set_status(self):
        frozen = [w.wallet_id for w in self.model.wallets.values() if w.status != "active"]
        wallet_id, status = self.wallet_id(), self.one_of({"frozen": 35, "active": 20, "closed": 40, "gone": 3, "ACTIVE": 2})
        if frozen and self.chance(60):
            wallet_id, status = self.random.choice(frozen), self.one_of({"active": 85, "frozen": 10, "closed": 5})
        if self.chance(25):
            sweep_to = self.wallet_id() if self.chance(80) else None
            self.step(f"SELECT {WALLET} FROM wallet_close({wallet_id}, {literal(sweep_to)})",
                      lambda: self.model.close(wallet_id, sweep_to), lambda wallet: [self.wallet_row(wallet)])
            return
        self.status(wallet_id, status)

    def status(self, wallet_id, status):
        self.step(f"SELECT {WALLET} FROM wallet_set_status({wallet_id}, {literal(status)})",
                  lambda: self.model.set_status(wallet_id, status), lambda wallet: [self.wallet_row(wallet)])

    def set_limits(self):
        wallet_id = self.wallet_id()
        floor = ceiling = None
        if self.chance(75):
            floor = self.random.choice(["", "-", "-", "-"]) + self.amount(wallet_id).lstrip("-")
            floor = "0" if self.chance(30) else floor
        if self.chance(40):
            ceiling = "Infinity" if self.chance(50) else self.amount(wallet_id)
        self.limit(wallet_id, floor, ceiling)

    def limit(self, wallet_id, floor, ceiling):
        arguments = f", floor => {literal(floor)}" * (floor is not None) + f", ceiling => {literal(ceiling)}" * (ceiling is not None)
        self.step(f"SELECT {WALLET} FROM wallet_set_limits({wallet_id}{arguments})",
                  lambda: self.model.set_limits(wallet_id, floor, ceiling), lambda wallet: [self.wallet_row(wallet)])

    def get(self):
        wallet_id = self.wallet_id()
        self.step(f"SELECT {WALLET} FROM wallet_get({wallet_id})", lambda: self.model.get(wallet_id), lambda wallet: [self.wallet_row(wallet)])

    def ask_holds(self):
        wallet_id, state = self.wallet_id(), self.one_of({"open": 50, "captured": 10, "voided": 10, "expired": 10, None: 20})
        self.step(f"SELECT {HOLD} FROM wallet_holds({wallet_id}, {literal(state)}) ORDER BY 1",
                  lambda: self.model.holds_of(wallet_id, state), lambda rows: [self.hold_row_of(row) for row in rows])

    def dry_run(self):
        kind, payload = self.request()
        if not is_json(payload.text):
            return
        code = self.model.dry_run(kind, payload)
        answer = ["processed", None] if code == "processed" else ["rejected", code]
        self.steps.append(Step(f"SELECT d ->> 'would', nullif(d ->> 'code', 'processed') FROM wallet_dry_run({literal(kind)}, {literal(payload.text)}) AS d", [answer]))

    # --- the queue ---

    def item(self):
        """A request for the queue: (kind, payload, key)."""
        kind, payload = self.request()
        item = (kind, payload, self.key())
        if item[2] is not None:
            self.keyed.append(("queue", item))
        return item

    def enqueue(self):
        """One by itself, which takes json: what is no JSON at all goes with the others."""
        kind, payload, key = self.item()
        try:
            rows, code = [[self.model.enqueue(kind, payload, key)]], "processed"
        except Refused as refused:
            if not is_json(payload.text):
                self.enqueue_many([(kind, payload, key)])
                return
            rows, code = [], refused.code
        self.steps.append(Step(f"SELECT wallet_enqueue({literal(kind)}, {literal(payload.text)}, {literal(key)})", rows, code))

    def enqueue_many(self, items=None, **asker):
        """As the shim does it, where the asker is told: who speaks for all, and may reverse, and up to which amount."""
        items = items or [self.item() for _ in range(self.random.randint(1, 40))]
        rows = []
        for number, item in enumerate(items, 1):
            try:
                rows.append([number, self.model.enqueue(*item, **asker), None])
            except Refused as refused:
                rows.append([number, None, refused.code])
        self.operations += len(items) - 1
        kinds, payloads, keys = zip(*items)
        function, more = "wallet_enqueue_many", ""
        if asker:
            function = "wallet_enqueue_utf8"
            rights = asker["speaks_for_all"] + 2 * asker["may_reverse"]
            most = asker["max_amount"] and f"{asker['max_amount'].value:f}"
            more = f", rights => {array([rights] * len(items), 'integer')}, max_amounts => {array([most] * len(items))}"
            payloads = [f"convert_to({literal(p.text)}, 'UTF8')" for p in payloads]
            keys = ["NULL" if key is None else f"convert_to({literal(key)}, 'UTF8')" for key in keys]
            arrays = f"ARRAY[{', '.join(payloads)}]::bytea[], ARRAY[{', '.join(keys)}]::bytea[]"
        else:
            arrays = f"{array(p.text for p in payloads)}, {array(keys)}"
        self.steps.append(Step(f"SELECT ordinal, handshake_id, code FROM {function}({array(kinds)}, {arrays}{more}) ORDER BY 1", rows,
                               about=[(kind, payload.text, key, asker) for kind, payload, key in items]))

    def enqueue_as(self):
        most = read_json_amount(self.random.choice(["1", "10", "500", "0.5"])) if self.chance(60) else None
        items = [self.item() for _ in range(self.random.randint(1, 20))]
        self.enqueue_many(items, speaks_for_all=self.chance(50), may_reverse=self.chance(50), max_amount=most)

    def again(self, way):
        """A call with a key once more, perhaps for another amount."""
        calls = [call for made, call in self.keyed[-100:] if made == way]
        if not calls:
            return
        call = self.random.choice(calls)
        if way == "queue":
            self.enqueue_many([call, self.item(), call])
            return
        kind, members, *rest = call
        if self.chance(25):
            members = [(name, type_, self.amount(None) if type_ == "amount" else value) for name, type_, value in members]
        self.pay_by((kind, members, *rest))

    def process_some(self):
        """A number of requests may be several batches: what they have in common, as a moment later than the clock, must not matter."""
        is_plain = not any(map(self.model.waits_for_hold, self.model.queue)) and all(w.updated.at <= self.model.clock.at for w in self.model.wallets.values())
        self.process(self.random.randint(1, 30) if is_plain and self.chance(50) else None)

    def process(self, requests_max=None):
        self.steps.append(Step(f"SELECT wallet_process({literal(requests_max)})", [[self.model.process(requests_max)]]))

    def lookup(self):
        known = self.model.requests[-60:] if self.chance(80) else self.model.requests
        request = self.random.choice(known) if known else None
        if request is None or not request.handshake:
            return
        user_id = request.user_id + (1 if self.chance(5) else 0)
        statement = f"SELECT {LOOKUP} FROM wallet_lookup({literal(request.kind)}, {user_id}, {literal(request.handshake)})"
        if user_id == request.user_id:
            self.steps.append(Step(statement, [self.lookup_row(request)]))
        else:
            self.steps.append(Step(statement, [], "handshake_unknown"))

    # --- the clock ---

    def times(self):
        """What the clock must not come close to without reaching it."""
        holds = [self.model.holds[row].expires.at for rows in self.model.open_holds.values() for row in rows]
        wallets = [wallet.updated.at for wallet in self.model.wallets.values()]
        queued = [leg for request in self.model.queue for leg in (request, *request.legs)]
        again = [read_time(text) for way, call in self.keyed[-100:] if way == "queue" for name, text in call[1].members if name == "valid_until"]
        return holds + wallets + again + [at for leg in queued for at in (leg.valid_until, leg.expires_at) if at]

    def ends(self):
        """What the clock must not be near to at all: extensions in the queue that would end when their holds do anyway."""
        for request in self.model.queue:
            if request.kind == "hold_extend" and request.expires_in:
                hold = self.model.holds.get(self.model.transfers.get(request.hold_id))
                yield hold.expires.at - request.expires_in if hold else 0

    def turn_clock(self, forward=0):
        """Now and then to the very moment of an expiry, or away from all moments; never close before one."""
        now = read_micros(self.psql.value(f"SELECT {micros('wallet.clock()')}"))
        times = sorted(at for at in self.times() if at < INFINITY)
        target = now
        if not self.with_worker and self.chance(30) or self.with_worker and self.chance(5):
            coming = [at for at in times if at > now]
            target = self.one_of({"at": 40, "before": 20, "back": 25, "on": 15})
            near = self.random.choice(coming[:10]) if coming else now + HOUR
            target = {"at": near, "before": near - NEAR, "back": now - self.random.randint(1, 72) * HOUR, "on": now + self.random.randint(1, 5) * HOUR}[target]
            target = max(target, now) if self.with_worker else target
        target = now + forward if forward else target
        for at in times:
            if target < at < target + NEAR:
                target = at
        for at in sorted(self.ends()):
            if abs(at - target) < NEAR:
                return self.turn_clock(forward=at + NEAR - now)
        if target != now:
            self.set_clock(target)
            now = read_micros(self.psql.value(f"SELECT {micros('wallet.clock()')}"))
        self.model.clock = Moment(now, True)

    def set_clock(self, target):
        offset = f"(to_timestamp({target}::numeric / 1000000) - clock_timestamp() + interval '1 ms')::text"
        if not self.with_worker:
            self.psql.value(f"SELECT set_config('pg_wallet.clock_offset', {offset}, false)")
            return
        offset = self.psql.value(f"SELECT {offset}")
        self.rows(f"ALTER SYSTEM SET pg_wallet.clock_offset = {literal(offset)}")
        self.rows("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 30
        while self.psql.value("SELECT current_setting('pg_wallet.clock_offset')") != offset:
            if time.monotonic() > deadline:
                raise RuntimeError("the session has not taken the new offset of the clock")

    # --- bursts ---

    def operate(self, weights):
        self.calm = False
        operation = self.one_of(weights)
        self.operations += 1
        if operation in ("direct", "queue"):
            self.again(operation)
        else:
            getattr(self, operation)()

    def transact(self, weights):
        """Some operations in one transaction, which is committed or rolled back."""
        before = self.model.mark()
        self.steps.append(Step("BEGIN", []))
        for _ in range(self.random.randint(1, 8)):
            self.operate(weights)
        if self.chance(60):
            self.steps.append(Step("COMMIT", []))
        else:
            self.steps.append(Step("ROLLBACK", []))
            self.model.undo(before)

    DIRECT = {"create": 6, "pay": 60, "pay_many": 2, "set_status": 8, "set_limits": 5, "get": 3, "ask_holds": 2, "direct": 8, "lookup": 4, "dry_run": 6}
    QUEUE = {"enqueue": 20, "enqueue_many": 5, "enqueue_as": 2, "queue": 3, "lookup": 3}

    def burst(self):
        self.turn_clock()
        if not self.with_worker:
            self.make_up({**self.DIRECT, **self.QUEUE, "process_some": 8}, self.random.randint(1, 60))
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
        while self.psql.value("SELECT queued FROM wallet.queue") != "0":
            if time.monotonic() > deadline:
                sys.exit(f"seed {self.seed}: the worker does not come")
            time.sleep(0.001)

    def finish(self):
        self.turn_clock()
        if self.with_worker:
            self.wait_for_worker()
        else:
            self.process()
        self.compare()
        self.compare_totals()
        for wallet_id in self.model.wallets:
            # A page ends after 1,000 rows, and rows of holds that it does not show are among them.
            self.ask_history(wallet_id, 100, pages_max=10000)
        self.steps.append(Step("SELECT name, detail FROM wallet_verify() WHERE NOT ok", []))
        self.compare_steps()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--operations", type=int, default=6000)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    schedule = Schedule(options.seed, options.database, options.worker)
    start = time.monotonic()
    if options.pairs:
        print(f"{pairs.run(schedule)} pairs of broken rules", flush=True)
    while schedule.operations < options.operations:
        schedule.burst()
    schedule.finish()
    seconds = time.monotonic() - start
    model = schedule.model
    codes = sorted({outcome.code for outcome in model.outcomes.values()} | schedule.met.keys())
    print(f"{schedule.operations} operations, {schedule.compared} answers compared, {schedule.operations / seconds:.0f} operations per second: "
          f"{len(model.wallets)} wallets, {len(model.requests)} requests, {len(model.journal)} transfers, {len(model.holds)} holds, codes {' '.join(codes)}")


if __name__ == "__main__":
    main()
