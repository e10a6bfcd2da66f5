"""Random operations, most of them with something that they can work on: what schedule.py makes up.

An operation is a kind and a list of members (name, type, value), from which the JSON of a payload, the arguments of a
direct call and the model's Operation are made.
"""
import random
from decimal import Decimal

from payload import (CURRENCIES, INFINITY, MODES, PARTS, SECOND, SLACK, UNITS_MAX, Faults, Payload, check_id, operation_of, read_numeric_amount,
                     read_payload, read_split, time_text)
from session import literal

HOUR = 3600 * SECOND
NAMES = {"dest_wallet_id": "destination_wallet_id", "trans_sum": "amount"}
CALLS = {"transaction": "transfer", "withdrawal": "withdraw", "deposit": "deposit", "hold": "hold", "capture": "capture", "void": "void",
         "hold_extend": "hold_extend", "reversal": "reverse", "group": "group", "group_reversal": "reverse_group"}
CASTS = {"interval": "interval", "end": "timestamptz", "time": "timestamptz"}


def value_sql(kind, value):
    if kind == "interval":
        value = f"{value} seconds"
    if kind in ("end", "time"):
        value = time_text(value) + ("" if value >= INFINITY else "+00")
    if kind == "legs":
        return literal(value_json(kind, value)) + "::jsonb"
    return literal(value) + (f"::{CASTS[kind]}" if kind in CASTS else "")


def value_json(kind, value):
    """Plainly written; json_of() in Chance knows other ways."""
    if kind in ("legs", "split"):
        return Payload(()).text if value is None else "[" + ",".join(payload_of(members).text for members in value) + "]"
    if kind == "flag":
        return "true" if value else "false"
    if kind in ("end", "time"):
        return f'"{time_text(value)}"'
    return str(value) if kind in ("id", "amount", "interval", "parts") else f'"{value}"'


def payload_of(members):
    return Payload(tuple((name, [payload_of(each) for each in value] if kind in ("legs", "split") else value_json(kind, value))
                         for name, kind, value in members))


def direct_operation(kind, members):
    """The Operation of a direct call; the arguments are read from left to right."""
    values, faults = {}, Faults()
    for name, type_, value in members:
        if type_ == "id":
            check_id(value)
        elif type_ == "amount":
            value = read_numeric_amount(value)
        elif type_ == "interval":
            value *= SECOND
        elif type_ == "legs":
            value = read_payload("group", payload_of([("legs", "legs", value)])).legs
        elif type_ == "split":
            value = read_split([payload_of(share) for share in value], faults)
        values[name] = value
    operation = operation_of(kind, values, faults)
    faults.refuse()
    operation.user_id = None
    return operation


class Chance:
    """Needs random, model and with_worker. Most of what is calm is carried out, so that groups are, too."""

    calm = False

    def one_of(self, weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def wallet_id(self, currency=None):
        """Mostly one of the wallets that there are, and of those the first ones most often."""
        wallets = [w.wallet_id for w in self.model.wallets.values() if currency in (None, w.currency) and not (self.calm and w.status != "active")]
        if not wallets or self.chance(0.2 if self.calm else 3):
            return self.random.choice([self.model.next_wallet_id + 1000, 10**12, UNITS_MAX])
        return self.random.choice(wallets[:12] if self.chance(60) else wallets)

    def two_wallets(self):
        source = self.wallet_id()
        if self.chance(0.2 if self.calm else 2):
            return source, source
        wallet = self.model.wallets.get(source)
        destination = self.wallet_id(wallet.currency if wallet and self.chance(99 if self.calm else 90) else None)
        return source, destination if destination != source else self.wallet_id()

    def user_of(self, wallet_id):
        wallet = self.model.wallets.get(wallet_id)
        if wallet is None or self.chance(5):
            return self.random.randint(1, len(self.model.users) + 3)
        return wallet.user_id

    def key(self):
        return self.one_of({None: 75, f"a{self.random.randint(0, 60)}": 16, "order 17": 4, "é" * 255: 2, "": 0.5, "x" * 256: 0.5})

    def amount(self, wallet_id, currency=None, about=None):
        """A plain decimal number, as one may write it for this wallet; often about what there is of something."""
        wallet = self.model.wallets.get(wallet_id)
        currency = currency or (wallet.currency if wallet else "usd")
        digits = CURRENCIES.get(currency, 2)
        unit = Decimal(1).scaleb(-digits)
        if about is None:
            about = self.model.available(wallet, self.model.moment_of([wallet_id])) if wallet and self.chance(50) else wallet.balance if wallet else 0
        random_units = self.random.randint(1, 10 ** self.random.randint(1, 3 if self.calm else 6))
        kind = self.one_of({"some": 70, "zeros": 5, "part": 25} if self.calm else {
                            "some": 60, "zeros": 5, "whole": 5, "all": 7, "one more": 5, "part": 8, "precise": 3, "tiny": 1,
                            "zero": 1, "negative": 1, "most": 2, "too much": 1, "huge": 1})
        value = {"all": about * unit, "one more": (about + 1) * unit, "zero": Decimal(0), "whole": Decimal(random_units),
                 "part": max(1, abs(about) // self.random.randint(2, 5)) * unit,
                 "most": UNITS_MAX * unit, "too much": (UNITS_MAX + 1) * unit,
                 "huge": Decimal(self.random.choice([10**19, 10**30, UNITS_MAX, -10**25])),
                 "tiny": Decimal("0.000000001"), "precise": random_units * unit / 10}.get(kind, random_units * unit)
        text = f"{-value if kind == 'negative' else value:f}"
        if kind == "zeros":
            text += ("" if "." in text else ".") + "0" * self.random.randint(1, 12)
        elif "." in text and self.chance(30):
            text = text.rstrip("0").rstrip(".")
        return text

    # --- members, by kind ---

    def end(self):
        """When a hold ends: often at a moment that some wallet has come to while the clock was later."""
        clock, how = self.model.clock, self.one_of({"none": 35, "in": 30, "at": 17, "never": 5, "frozen": 10, "both": 1, "past": 1, "no time": 1})
        seconds = self.random.choice([1800, 3600, 7200, 86400, 172800, 30 * 86400])
        later = [w.updated.at for w in self.model.wallets.values() if not w.updated.fuzzy and w.updated.at > clock.last]
        if how == "frozen" and not later:
            how = "in"
        at = {"at": clock.at + self.random.randint(1, 72) * HOUR + self.random.randint(0, SECOND), "never": INFINITY, "past": clock.at - HOUR,
              "both": clock.at + 5 * HOUR, "frozen": later and self.random.choice(later) + self.random.randint(-1, 1)}.get(how)
        members = [("expires_at", "end", at)] if at is not None else []
        if how in ("in", "both", "no time"):
            members.append(("expires_in", "interval", seconds if how != "no time" else self.random.choice([0, -1])))
        return members

    def mode(self, amount_member, wallet_id):
        mode = self.one_of({"exact": 70, "none": 10, "up_to": 12, "all": 8})
        members = [] if mode == "none" else [("amount_mode", "mode", mode)]
        if mode != "all" or self.chance(3):
            members.insert(0, (amount_member, "amount", self.amount(wallet_id)))
        return members if mode != "exact" or self.chance(10) else members[:1]

    def transfer_row(self, kinds=None):
        """A row of the journal that the model knows the id of; None now and then, or where there is none."""
        ids = self.known_rows[-400:] if self.chance(80) else self.known_rows
        for _ in range(20):
            row = self.model.transfers.get(self.random.choice(ids)) if ids else None
            if row is not None and (kinds is None or row.kind in kinds or self.chance(2)):
                return row
        return None

    def hold_row(self):
        wallets = list(self.model.open_holds)
        for _ in range(8 if wallets and self.chance(75) else 0):
            rows = [row for row in self.model.open_holds[self.random.choice(wallets)] if row.id is not None]
            if rows:
                return self.random.choice(rows)
        return self.transfer_row(("hold",))

    def hold_name(self, row):
        if row is not None and row.request and row.request.kind == "hold" and row.request.handshake and self.chance(30):
            return ("hold_handshake_id", "handshake", row.request.handshake)
        return ("hold_id", "id", row.id if row is not None else 10**12)

    def members_of_transaction(self):
        source, destination = self.two_wallets()
        return source, [("source_wallet_id", "id", source), ("dest_wallet_id", "id", destination), *self.mode("trans_sum", source)]

    def members_of_fee(self):
        source, members = self.members_of_transaction()
        return source, [("amount" if name == "trans_sum" else name, kind, value) for name, kind, value in members]

    def members_of_deposit(self):
        wallet = self.wallet_id()
        return wallet, [("wallet_id", "id", wallet), ("amount", "amount", self.amount(wallet))]

    def members_of_withdrawal(self):
        wallet = self.wallet_id()
        return wallet, [("wallet_id", "id", wallet), *self.mode("amount", wallet)]

    def members_of_hold(self):
        source, destination = self.two_wallets()
        amount = self.amount(source)
        members = [("source_wallet_id", "id", source), ("dest_wallet_id", "id", destination), ("amount", "amount", amount), *self.end()]
        if self.chance(15):
            del members[1]
        if self.chance(30):
            most = self.amount(source) if self.chance(30) else f"{Decimal(amount) * self.random.randint(1, 3):f}"
            members.append(("max_capture", "amount", most))
        return source, members

    def about_hold(self, of_payer):
        queued = [] if self.with_worker else [r for r in self.model.queue if r.kind == "hold" and r.handshake]
        if queued and self.chance(8):
            request = self.random.choice(queued)
            return None, None, request.source_id if of_payer else request.destination_id, [("hold_handshake_id", "handshake", request.handshake)]
        row = self.hold_row()
        hold = self.model.holds.get(row)
        end = (hold.source_id if of_payer else hold.destination_id) if hold else self.wallet_id()
        return row, hold, end, [self.hold_name(row)]

    def members_of_capture(self):
        row, hold, payee, members = self.about_hold(False)
        if self.chance(60):
            headroom = hold.max_capture - hold.total if hold and self.chance(40) else 0
            members.append(("amount", "amount", self.amount(row and row.source_id, about=hold.rest + headroom if hold else 0)))
        if self.chance(50):
            members.append(("final", "flag", self.chance(30)))
        return payee, members

    def members_of_void(self):
        row, hold, payee, members = self.about_hold(False)
        if self.chance(50):
            members.append(("amount", "amount", self.amount(row and row.source_id, about=hold.rest if hold else 0)))
        return payee, members

    def members_of_hold_extend(self):
        row, hold, payer, members = self.about_hold(True)
        if self.chance(65):
            total = hold.total if hold else 0
            members.append(("amount", "amount", self.amount(row and row.source_id, about=total + self.random.choice([0, 1, 500]))))
        return payer, members + (self.later_end(hold) if self.chance(60) or not members[1:] else [])

    def later_end(self, hold):
        """The end of an extension, which the model can tell from the one that the hold has."""
        members = self.end()
        if hold is None or hold.expires.fuzzy:
            return [("expires_at", "end", INFINITY)]
        near = [name for name, _, value in members if name == "expires_in" and abs(self.model.clock.at + value * SECOND - hold.expires.at) < 2 * SLACK]
        return members if not near else [("expires_at", "end", hold.expires.at + self.random.choice([0, HOUR]))]

    def members_of_reversal(self):
        row = self.transfer_row(("transaction", "fee", "deposit", "withdrawal", "capture", "sweep"))
        members = [("transfer_id", "id", row.id if row else 10**12)]
        if self.chance(50):
            members.append(("amount", "amount", self.amount(row and row.source_id, row and row.currency, self.model.left(row) if row else 0)))
        if self.chance(40):
            members.append(("shortfall", "shortfall", self.one_of({"refuse": 20, "available": 40, "overdraw": 40})))
        return row.destination_id if row else None, members

    def members_of_group_reversal(self):
        row = self.transfer_row()
        if self.known_groups and self.chance(90):
            row = self.random.choice(self.known_groups[-30:])
        members = [("group_id", "id", row.id if row else 10**12)]
        return row.destination_id if row else None, members + ([("keep_fees", "flag", self.chance(70))] if self.chance(40) else [])

    def split(self, source):
        wallet = self.model.wallets.get(source)
        shares = []
        for _ in range(self.one_of({0: 1, 1: 10, 2: 40, 3: 40, 6: 9})):
            share = [("dest_wallet_id", "id", self.wallet_id(wallet.currency if wallet and self.chance(95) else None))]
            how = self.one_of({"amount": 25, "parts": 70, "none": 1})
            if how == "amount":
                share.append(("amount", "amount", self.amount(source)))
            elif how == "parts":
                share.append(("parts_per_million", "parts", self.random.choice([1, 15000, 250000, 333333, 400000, PARTS, 0, PARTS + 1][: 6 if self.chance(95) else 8])))
            shares.append(share)
        if shares and self.chance(90):
            self.random.choice(shares)[1:] = [("rest", "flag", True)]
        return shares

    def leg(self):
        self.calm = self.chance(93)
        kind = self.one_of({"transaction": 30, "fee": 15, "deposit": 10, "withdrawal": 8, "hold": 12, "capture": 10, "void": 5, "hold_extend": 3, "reversal": 7})
        owner, members = self.members(kind)
        members = [each for each in members if each[0] != "hold_handshake_id" and (kind != "hold_extend" or each[0] != "expires_in")]
        if kind in ("capture", "void", "hold_extend") and members[:1] and members[0][0] != "hold_id":
            members.insert(0, ("hold_id", "id", 10**12))
        if not members:
            members.append(("hold_id", "id", 10**12))
        if kind == "transaction" and self.chance(30):
            source = members[0][2]
            members = [members[0], ("trans_sum" if self.chance(50) else "amount", "amount", self.amount(source)), ("split", "split", self.split(source))]
        return owner, [("kind", "leg_kind", kind), *members]

    def members_of_group(self):
        legs = [self.leg() for _ in range(self.one_of({1: 15, 2: 35, 3: 30, 5: 15, 20: 3, 64: 0.5, 65: 0.5, 0: 1}))]
        return legs[0][0] if legs else 1, [("legs", "legs", [leg for _, leg in legs])]

    def members(self, kind):
        """(the wallet whose user may ask, the members)"""
        return getattr(self, "members_of_" + kind)()

    # --- JSON, with what people get wrong ---

    def is_ahead(self, wallet_id):
        """Is it a wallet that the queue may be making just now? Then amounts are judged later."""
        return wallet_id is not None and wallet_id not in self.model.wallets and wallet_id < self.model.next_wallet_id + 1000

    def coming_wallet(self, wallet_id):
        if not self.chance(6):
            return wallet_id
        return self.model.next_wallet_id + self.random.randint(0, 2)

    def json_amount(self, text):
        if self.chance(10):
            return f'"{text}"'
        if self.chance(1.5):
            return self.random.choice(["1e2", "1E-2", '"1e2"', '"+1"', '"01"', '"1."', '".5"', '""', '" 1"', '"NaN"', "true", "null",
                                       "[1]", "{}", "01", "+1", "1.", "NaN", "-0", '"-0.00"'])
        return text

    def json_id(self, wallet_id):
        if not self.chance(1):
            return self.one_of({f"{wallet_id}": 90, f'"{wallet_id}"': 6, f"{wallet_id}.0": 2, f'"{wallet_id}.00"': 2})
        return self.random.choice(["0", "-1", '"-0"', "-1.0", "1.5", "1e1", '"1e1"', '"01"', '"+1"', '" 1"', '""', "null", "9223372036854775808",
                                   '"9223372036854775808.0"', "-9223372036854775809", "true", "[]"])

    def json_interval(self, seconds):
        forms = [f"{seconds}", f'"{seconds} seconds"']
        for unit, length in (("hour", 3600), ("day", 86400)):
            if seconds > 0 and seconds % length == 0:
                count = seconds // length
                forms += [f'"{count} {unit}s"', f'"P{"T" if unit == "hour" else ""}{count}{unit[0].upper()}"']
        return self.random.choice(forms)

    def json_word(self, word, others):
        if self.chance(1):
            return self.random.choice(['"nothing"', '""', '"EXACT"', "1", "null", "true"])
        return f'"{self.random.choice(others) if self.chance(1) else word}"'

    def json_of(self, kind, value):
        if kind == "id":
            return self.json_id(value)
        if kind == "amount":
            return self.json_amount(value)
        if kind == "interval":
            return self.json_interval(value)
        if kind == "mode":
            return self.json_word(value, MODES)
        if kind in ("legs", "split"):
            return [Payload(tuple((name, self.json_of(type_, each)) for name, type_, each in members)) for members in value]
        return value_json(kind, value)

    def payload(self, members):
        members = [(name, self.json_of(kind, value)) for name, kind, value in members]
        if self.chance(30):
            self.random.shuffle(members)
        if self.chance(1):
            members.pop()
        if self.chance(1) and members:
            members.insert(self.random.randint(0, len(members)), self.random.choice(members + [("note", "1")]))
        return Payload(tuple(members), self.one_of({"": 99, "x": 1}))

    def asker(self, wallet_id):
        """user_id, or nothing: an operator asks."""
        if self.chance(15) or (wallet_id is None and self.chance(80)):
            return []
        return [("user_id", "id", self.user_of(wallet_id))]

    def deadline(self):
        how = self.one_of({"none": 93, "later": 6, "past": 1})
        at = self.model.clock.at + (-HOUR if how == "past" else self.random.randint(1, 4) * HOUR)
        return [] if how == "none" else [("valid_until", "time", at)]

    QUEUED = {"transaction": 30, "deposit": 10, "withdrawal": 8, "wallet": 6, "wallet_read": 6, "hold": 14, "capture": 11, "void": 4, "hold_extend": 4,
              "reversal": 8, "group": 8, "group_reversal": 2, "payment": 1}

    def request(self):
        """(kind, payload)"""
        self.calm = self.chance(50)
        kind = self.one_of(self.QUEUED)
        if kind == "wallet":
            return kind, self.payload(self.members_of_wallet())
        if kind in ("wallet_read", "payment"):
            wallet = self.coming_wallet(self.wallet_id())
            return kind, self.payload([("user_id", "id", self.user_of(wallet)), ("wallet_id", "id", wallet)])
        owner, members = self.members(kind)
        members = [self.with_coming(member) for member in members]
        if any(type_ == "id" and self.is_ahead(value) for _, type_, value in members):
            members = [(name, type_, "1.5" if type_ == "amount" else value) for name, type_, value in members]
        return kind, self.payload(self.asker(owner) + members + self.deadline())

    def with_coming(self, member):
        name, kind, value = member
        return (name, kind, self.coming_wallet(value)) if name in ("source_wallet_id", "dest_wallet_id", "wallet_id") else member

    def members_of_wallet(self):
        currency = self.one_of({"usd": 30, "USD": 5, "jpy": 20, "kwd": 20, "clf": 10, "zzz": 3})
        members = [("user_id", "id", self.random.randint(1, len(self.model.users) + 3))]
        members += [("amount", "amount", self.amount(None, currency.lower()))] if self.chance(80) else []
        return members + ([("currency", "currency", currency)] if members[1:] or self.chance(80) else []) + self.deadline()


def seeded(seed):
    return random.Random(seed)
