"""Operations that break two rules each: all pairs for each kind, by direct calls, through the queue, and both once more as
a leg of a group. The first rule in the order of docs/codes.md has to be the answer, from the model and from the server.

A refusal changes nothing, so all ways of a pair share their wallets, which are new for each pair.
"""
from itertools import combinations

from chance import payload_of
from payload import ORDER, SECOND, read_json_amount

HOUR = 3600 * SECOND

# By the code of the rule that is broken: what breaking it takes. Two that take the same cannot be broken together.
COMMON = {
    "amount_not_positive": {"sign"},
    "idempotency_mismatch": {"key"},
    "request_expired": {"deadline"},
    "not_owner": {"asker"},
    "amount_precision": {"precision"},
    "amount_above_limit": {"limit"},
}
BOTH = {"wallet_closed": {"destination"}, "wallet_frozen": {"source"}}
FUNDS, ROOM = {"insufficient_funds": {"size"}}, {"balance_limit": {"ceiling"}}
HOLD = {"hold_not_found": {"name", "state"}, "hold_voided": {"state"}, "hold_expired": {"state"}}
RULES = {
    "transaction": {**COMMON, "same_wallet": {"destination", "ends"}, "source_wallet_not_found": {"source", "asker", "name", "currency"},
                    "destination_wallet_not_found": {"destination", "currency"}, **BOTH, "currency_mismatch": {"currency"}, **FUNDS, **ROOM},
    "deposit": {**COMMON, "wallet_not_found": {"destination", "asker", "name", "key"}, "wallet_closed": {"destination"}, "wallet_frozen": {"destination"}, **ROOM},
    "withdrawal": {**COMMON, "wallet_not_found": {"source", "asker", "name", "key"}, "wallet_frozen": {"source"}, **FUNDS},
    "hold": {**COMMON, "same_wallet": {"destination", "ends"}, "invalid_expiry": {"end"}, "invalid_max_capture": {"most", "sign"},
             "source_wallet_not_found": {"source", "asker", "name", "currency"}, "destination_wallet_not_found": {"destination", "currency"},
             **BOTH, "currency_mismatch": {"currency"}, **FUNDS},
    "capture": {**COMMON, **HOLD, **BOTH, "exceeds_hold": {"exceeds"}, **FUNDS, **ROOM},
    "void": {**COMMON, **HOLD, "exceeds_hold": {"exceeds"}},
    "hold_extend": {**COMMON, **HOLD, "invalid_expiry": {"end"}, **BOTH, "below_hold": {"size"}, **FUNDS},
    "reversal": {**COMMON, "transaction_not_found": {"name", "state"}, "already_reversed": {"state"}, "not_reversible": {"state"}, **BOTH,
                 "exceeds_reversible": {"exceeds"}, "insufficient_funds": {"spent"}, **ROOM},
}
# What nothing keeps apart but that cannot be together: who does not exist has no key and no user.
NEVER = [{"hold_not_found", "idempotency_mismatch"}, {"hold_not_found", "not_owner"}, {"transaction_not_found", "idempotency_mismatch"},
         {"transaction_not_found", "not_owner"}, {"source_wallet_not_found", "idempotency_mismatch"}, {"not_owner", "idempotency_mismatch"}]
# A mode of the queue alone, or of nobody.
QUEUED = {"request_expired", "not_owner", "amount_above_limit"}
NOWHERE = 10**12
BATCH = 40


def pairs_of(kind):
    rules = RULES[kind]
    for pair in combinations(rules, 2):
        if not rules[pair[0]] & rules[pair[1]] and set(pair) not in NEVER:
            yield kind, set(pair)


class Case:
    """Two wallets in yen, the source with 1000, and a hold or transfer of 600 between them where the kind needs one."""

    def __init__(self, schedule, kind, broken):
        self.schedule, self.kind, self.broken = schedule, kind, broken
        self.source = self.wallet(1000)
        self.destination = self.wallet(0, "usd" if "currency_mismatch" in broken else "jpy")
        self.other = self.wallet(0)
        self.row = None
        model = schedule.model
        if kind in ("capture", "void", "hold_extend"):
            end = model.clock.at + (HOUR if "hold_expired" in broken else 1000 * HOUR)
            self.ask("hold", [("source_wallet_id", "id", self.source), ("dest_wallet_id", "id", self.destination), ("amount", "amount", "600"),
                              ("max_capture", "amount", "1500"), ("expires_at", "end", end)])
            self.row = model.journal[-1]
        if kind == "reversal":
            self.ask("transaction", [("source_wallet_id", "id", self.source), ("dest_wallet_id", "id", self.destination), ("trans_sum", "amount", "600")])
            self.row = model.journal[-1]
        if "not_reversible" in broken:
            self.ask("hold", [("source_wallet_id", "id", self.source), ("dest_wallet_id", "id", self.destination), ("amount", "amount", "1")])
            self.row = model.journal[-1]

    def wallet(self, amount, currency="jpy"):
        user = len(self.schedule.model.users) + 1
        while user in self.schedule.model.users:
            user += 1
        self.schedule.create_wallet(user, str(amount), currency)
        return self.schedule.model.users[user]

    def ask(self, kind, members, key=None):
        self.schedule.pay_by((kind, members, None, key))

    def user(self, wallet_id):
        return self.schedule.model.wallets[wallet_id].user_id

    def spoil(self):
        """Breaks what is not broken by the request itself; the hold or transfer has its id now."""
        broken, schedule, model = self.broken, self.schedule, self.schedule.model
        if "idempotency_mismatch" in broken:
            for wallet in (self.source, self.destination, self.other):
                self.ask("deposit", [("wallet_id", "id", wallet), ("amount", "amount", "1")], "used")
                self.ask("withdrawal", [("wallet_id", "id", wallet), ("amount", "amount", "1")])
        if "hold_voided" in broken:
            self.ask("void", [("hold_id", "id", self.row.id)])
        if "already_reversed" in broken:
            self.ask("reversal", [("transfer_id", "id", self.row.id)])
        if self.kind == "reversal" and ("insufficient_funds" in broken or "wallet_closed" in broken):
            left = model.wallets[self.destination].balance
            if left:
                self.ask("withdrawal", [("wallet_id", "id", self.destination), ("amount", "amount", str(left))])
        if "balance_limit" in broken:
            gains = self.source if self.kind == "reversal" else self.destination
            schedule.limit(gains, None, str(min(0, model.wallets[gains].balance)))
        if "wallet_closed" in broken:
            schedule.status(self.destination, "closed")
        if "wallet_frozen" in broken:
            schedule.status(self.destination if self.kind == "deposit" else self.source, "frozen")

    def amount(self):
        broken = self.broken
        whole = 10
        if self.kind == "hold_extend":
            whole = 599 if "below_hold" in broken else 601
        if "insufficient_funds" in broken and self.kind != "reversal":
            whole = {"capture": 1200, "hold_extend": 1200}.get(self.kind, 1500)
        if broken & {"exceeds_hold", "exceeds_reversible"}:
            whole = 5000
        sign = "-" if "amount_not_positive" in broken else ""
        return f"{sign}{whole}{'.5' if 'amount_precision' in broken else ''}"

    def members(self):
        broken, kind = self.broken, self.kind
        source = NOWHERE if broken & {"source_wallet_not_found", "wallet_not_found"} and kind != "deposit" else self.source
        destination = source if "same_wallet" in broken else self.destination
        if "destination_wallet_not_found" in broken or (kind == "deposit" and "wallet_not_found" in broken):
            destination = NOWHERE
        name = NOWHERE if broken & {"hold_not_found", "transaction_not_found"} else self.row and self.row.id
        members = {"transaction": [("source_wallet_id", "id", source), ("dest_wallet_id", "id", destination), ("trans_sum", "amount", self.amount())],
                   "hold": [("source_wallet_id", "id", source), ("dest_wallet_id", "id", destination), ("amount", "amount", self.amount())],
                   "deposit": [("wallet_id", "id", destination), ("amount", "amount", self.amount())],
                   "withdrawal": [("wallet_id", "id", source), ("amount", "amount", self.amount())],
                   "reversal": [("transfer_id", "id", name), ("amount", "amount", self.amount())]}.get(
                       kind, [("hold_id", "id", name), ("amount", "amount", self.amount())])
        if "invalid_max_capture" in broken:
            members.append(("max_capture", "amount", "5"))
        if "invalid_expiry" in broken:
            members.append(("expires_in", "interval", -1))
        return members

    def broken_by(self):
        """The first rule that is broken."""
        return min(self.broken, key=ORDER.index)

    def try_it(self):
        """In all ways that can break both rules."""
        schedule, members = self.schedule, self.members()
        key = "used" if "idempotency_mismatch" in self.broken else None
        deadline = [("valid_until", "time", schedule.model.clock.at - HOUR)] if "request_expired" in self.broken else []
        leg = [("kind", "leg_kind", self.kind), *members]
        good = [("kind", "leg_kind", "deposit"), ("wallet_id", "id", self.other), ("amount", "amount", "1")]
        if not self.broken & QUEUED:
            self.ask(self.kind, members, key)
            self.expect()
            self.ask("group", [("legs", "legs", [good, leg])], key)
            self.expect()
        asker = [("user_id", "id", self.asker())]
        most = read_json_amount("0.01") if "amount_above_limit" in self.broken else None
        items = [(self.kind, payload_of(asker + members + deadline), key),
                 ("group", payload_of(asker + [("legs", "legs", [leg, good])] + deadline), key)]
        before = len(schedule.model.requests)
        schedule.enqueue_many(items, speaks_for_all=False, may_reverse=False, max_amount=most)
        return schedule.model.requests[before:], {row[2] for row in schedule.steps[-1].rows} - {None}

    def expect(self):
        if self.schedule.steps[-1].code != self.broken_by():
            self.wrong(self.schedule.steps[-1].code)

    def wrong(self, code):
        self.schedule.fail(f"{self.kind} that breaks {' and '.join(sorted(self.broken, key=ORDER.index))}: the model says {code}")

    def asker(self):
        if "not_owner" in self.broken:
            return self.user(self.other)
        return self.user(self.source if self.kind in ("transaction", "withdrawal", "hold", "hold_extend") else self.destination)


def run(schedule):
    """All pairs; how many."""
    pairs = [pair for kind in RULES for pair in pairs_of(kind)]
    for first in range(0, len(pairs), BATCH):
        schedule.turn_clock()
        cases = [Case(schedule, *pair) for pair in pairs[first:first + BATCH]]
        schedule.compare()
        schedule.turn_clock(2 * HOUR)
        queued = []
        for case in cases:
            case.spoil()
            queued.append((case, *case.try_it()))
        schedule.process(requests_max=None)
        for case, requests, refused in queued:
            codes = refused | {schedule.model.outcomes[request].code for request in requests}
            if codes != {case.broken_by()}:
                case.wrong(codes)
        schedule.compare()
    return len(pairs)
