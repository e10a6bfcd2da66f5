"""What pg_wallet promises, written down a second time: from README.md and docs/, not from the C code.

Amounts are decimal.Decimal here, wallets are objects, the queue is a list, and everything happens
at once. Rules that are broken raise Refused with the first code in the order of docs/codes.md.
"""
import re
from dataclasses import dataclass, replace
from decimal import Decimal, getcontext
from typing import Any, Optional

getcontext().prec = 1100

UNITS_MAX = 2**63 - 1
DECIMALS_MAX = 8  # of any currency
CURRENCIES = {"usd": 2, "eur": 2, "jpy": 0, "kwd": 3, "clf": 4}
STATUSES = ("active", "frozen", "closed")

MEMBERS = {
    "wallet": {"user_id": "id", "amount": "amount?", "currency": "currency?"},
    "transaction": {"user_id": "id", "source_wallet_id": "id", "dest_wallet_id": "id", "trans_sum": "amount"},
    "deposit": {"user_id": "id", "wallet_id": "id", "amount": "amount"},
    "withdrawal": {"user_id": "id", "wallet_id": "id", "amount": "amount"},
    "wallet_read": {"user_id": "id", "wallet_id": "id"},
}


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Amount:
    value: Decimal
    decimals: int  # without zeros at the end


@dataclass(frozen=True)
class Wallet:
    wallet_id: int
    user_id: int
    currency: str
    balance: Decimal
    status: str = "active"

    @property
    def digits(self):
        return CURRENCIES[self.currency]


class Transfer:
    """A row of the journal; None is the outside. The server's id is learnt later."""

    def __init__(self, kind, source, destination, amount, currency, metadata, request):
        self.kind, self.amount, self.currency = kind, amount, currency
        self.source_id = source.wallet_id if source else None
        self.destination_id = destination.wallet_id if destination else None
        self.source_balance = source.balance if source else None
        self.destination_balance = destination.balance if destination else None
        self.metadata, self.request, self.id = metadata, request, None

    def balance_of(self, wallet_id):
        return self.source_balance if self.source_id == wallet_id else self.destination_balance


@dataclass(eq=False)
class Request:
    """A stored request; its handshake and id are learnt from the server."""

    kind: str
    user_id: int
    source_id: Optional[int] = None
    destination_id: Optional[int] = None
    amount: Optional[Amount] = None
    currency: Optional[str] = None
    handshake: Optional[str] = None
    id: Optional[int] = None

    @property
    def asked(self):
        """What a second request with the same key must ask for too: 10.5 and 10.50 are the same."""
        value = self.amount.value if self.amount else None
        return ("queue", self.kind, self.source_id, self.destination_id, value, self.currency)


@dataclass(frozen=True)
class Outcome:
    code: str
    wallet: Optional[Wallet] = None  # the new one, or the one that was read, as it was
    transfer: Optional[Transfer] = None


@dataclass(frozen=True)
class Payload:
    """Members in their order, each with the text of its value; what follows the object."""

    members: tuple
    tail: str = ""

    @property
    def text(self):
        return "{" + ",".join(f'"{name}":{value}' for name, value in self.members) + "}" + self.tail


def check_size(value, decimals):
    """What no currency could hold is refused while it is read."""
    if decimals > DECIMALS_MAX:
        raise Refused("amount_precision")
    units = value.scaleb(decimals)
    if not -UNITS_MAX - 1 <= units <= UNITS_MAX:
        raise Refused("amount_too_large")


def make_amount(value):
    """Zeros at the end of the decimals say nothing, in JSON as for numeric."""
    decimals = max(0, -value.normalize().as_tuple().exponent)
    check_size(value, decimals)
    return Amount(value, decimals)


def read_json_amount(text):
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text, re.ASCII):
        raise Refused("invalid_amount")
    return make_amount(Decimal(text))


def read_numeric_amount(text):
    value = Decimal(text)
    if not value.is_finite():
        raise Refused("invalid_amount")
    return make_amount(value)


def is_json_number(text):
    return re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text, re.ASCII) is not None


def read_member(kind, text):
    """The value of one member, by its type; kind ends with ? where it may be missing."""
    is_string = text.startswith('"')
    is_number = is_json_number(text)
    if not is_string and not is_number and not (text in ("true", "false", "null") or text[0] in "[{"):
        raise Refused("invalid_json")
    if kind == "id":
        text = text[1:-1] if is_string else text
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.0+)?", text, re.ASCII):
            raise Refused("wrong_type")
        if not 1 <= Decimal(text) <= UNITS_MAX:
            raise Refused("id_out_of_range")
        return int(Decimal(text))
    if kind == "amount?" or kind == "amount":
        if not is_string and not is_number:
            raise Refused("wrong_type")
        return read_json_amount(text.strip('"'))
    if not is_string:
        raise Refused("wrong_type")
    if len(text) != 5:
        raise Refused("unknown_currency")
    return text.strip('"').lower()


def read_payload(kind, payload):
    """From left to right: the first thing that is wrong counts; what is missing comes last."""
    if kind not in MEMBERS:
        raise Refused("unknown_kind")
    known, values = MEMBERS[kind], {}
    for name, text in payload.members:
        if name not in known:
            raise Refused("unknown_member")
        if name in values:
            raise Refused("duplicate_member")
        values[name] = read_member(known[name], text)
    if payload.tail:
        raise Refused("invalid_json")
    for name, member_kind in known.items():
        if name not in values and not member_kind.endswith("?"):
            raise Refused("missing_member")
    return values


def request_of(kind, values):
    user_id, wallet_id = values["user_id"], values.get("wallet_id")
    if kind == "wallet":
        return Request(kind, user_id, None, None, values.get("amount", Amount(Decimal(0), 0)), values.get("currency", "usd"))
    if kind == "transaction":
        return Request(kind, user_id, values["source_wallet_id"], values["dest_wallet_id"], values["trans_sum"])
    if kind == "deposit":
        return Request(kind, user_id, None, wallet_id, values["amount"])
    return Request(kind, user_id, wallet_id, None, values.get("amount"))


def check_key(key):
    if key is not None and not 1 <= len(key) <= 255:
        raise Refused("invalid_idempotency_key")


def check_id(value):
    if value is not None and not 1 <= value:
        raise Refused("id_out_of_range")


def check_request(kind, source_id, destination_id, amount):
    if kind == "wallet" and amount.value < 0:
        raise Refused("amount_negative")
    if kind in ("transaction", "deposit", "withdrawal"):
        if amount.value <= 0:
            raise Refused("amount_not_positive")
        if source_id == destination_id:
            raise Refused("same_wallet")


def check_currency(amount, currency):
    if amount.decimals > CURRENCIES[currency]:
        raise Refused("amount_precision")
    if amount.value.scaleb(CURRENCIES[currency]) > UNITS_MAX:
        raise Refused("amount_too_large")


class Model:
    def __init__(self):
        self.wallets: dict[int, Wallet] = {}
        self.users: dict[int, int] = {}
        self.keys: dict[tuple, tuple[tuple, Any]] = {}
        self.journal: list[Transfer] = []
        self.requests: list[Request] = []
        self.queue: list[Request] = []
        self.outcomes: dict[Request, Outcome] = {}
        self.next_wallet_id = 1  # a sequence: never set back

    def snapshot(self):
        return {name: value.copy() for name, value in vars(self).items() if isinstance(value, (dict, list))}

    def roll_back(self, snapshot):
        vars(self).update(snapshot)

    # --- the rules ---

    def post(self, kind, source_id, destination_id, amount, user_id=None, metadata=None, request=None):
        check_request(kind, source_id, destination_id, amount)
        source, destination = self.wallets.get(source_id), self.wallets.get(destination_id)
        if kind != "transaction" and not (source or destination):
            raise Refused("wallet_not_found")
        if kind == "transaction" and not source:
            raise Refused("source_wallet_not_found")
        if kind == "transaction" and not destination:
            raise Refused("destination_wallet_not_found")
        own, sides = source or destination, [side for side in (source, destination) if side]
        if user_id is not None and user_id != own.user_id:
            raise Refused("not_owner")
        for status in ("closed", "frozen"):
            if any(side.status == status for side in sides):
                raise Refused("wallet_" + status)
        if len({side.currency for side in sides}) > 1:
            raise Refused("currency_mismatch")
        check_currency(amount, own.currency)
        if source and source.balance < amount.value:
            raise Refused("insufficient_funds")
        if destination and (destination.balance + amount.value).scaleb(own.digits) > UNITS_MAX:
            raise Refused("balance_limit")
        if source:
            source = self.wallets[source_id] = replace(source, balance=source.balance - amount.value)
        if destination:
            destination = self.wallets[destination_id] = replace(destination, balance=destination.balance + amount.value)
        transfer = Transfer(kind, source, destination, amount.value, own.currency, metadata, request)
        self.journal.append(transfer)
        return transfer

    def make_wallet(self, user_id, amount, currency, request=None):
        check_request("wallet", None, None, amount)
        if currency not in CURRENCIES:
            raise Refused("unknown_currency")
        if user_id in self.users:
            raise Refused("wallet_exists")
        check_currency(amount, currency)
        wallet_id, self.next_wallet_id = self.next_wallet_id, self.next_wallet_id + 1
        self.wallets[wallet_id] = Wallet(wallet_id, user_id, currency, Decimal(0))
        self.users[user_id] = wallet_id
        if amount.value > 0:
            self.post("deposit", None, wallet_id, amount, request=request)
        return self.wallets[wallet_id]

    # --- direct calls ---

    def create(self, user_id, amount, currency):
        check_id(user_id)
        return self.make_wallet(user_id, read_numeric_amount(amount), currency.lower())

    def pay(self, kind, source_id, destination_id, amount, metadata, key):
        check_id(source_id)
        check_id(destination_id)
        amount = read_numeric_amount(amount)
        check_key(key)
        asked = ("direct", kind, source_id, destination_id, amount.value, metadata)
        own = self.wallets.get(source_id if source_id is not None else destination_id)
        if key is not None and own is not None:
            stored, transfer = self.keys.get((own.user_id, key), (asked, None))
            if stored != asked:
                raise Refused("idempotency_mismatch")
            if transfer is not None:
                return transfer
        transfer = self.post(kind, source_id, destination_id, amount, metadata=metadata)
        if key is not None:
            self.keys[own.user_id, key] = (asked, transfer)
        return transfer

    def set_status(self, wallet_id, status):
        check_id(wallet_id)
        if status not in STATUSES:
            raise Refused("unknown_status")
        wallet = self.get(wallet_id)
        if wallet.status == "closed" and status != "closed":
            raise Refused("wallet_closed")
        if status == "closed" and wallet.balance != 0:
            raise Refused("wallet_not_empty")
        self.wallets[wallet_id] = replace(wallet, status=status)
        return self.wallets[wallet_id]

    def get(self, wallet_id):
        if wallet_id not in self.wallets:
            raise Refused("wallet_not_found")
        return self.wallets[wallet_id]

    # --- the queue ---

    def enqueue(self, kind, payload, key):
        """Store the request, or find the one that was stored with the same key."""
        request = request_of(kind, read_payload(kind, payload))
        check_key(key)
        check_request(kind, request.source_id, request.destination_id, request.amount)
        self.check_at_once(request)
        if key is not None:
            stored, earlier = self.keys.get((request.user_id, key), (request.asked, None))
            if stored != request.asked:
                raise Refused("idempotency_mismatch")
            if earlier is not None:
                return earlier
            self.keys[request.user_id, key] = (request.asked, request)
        self.requests.append(request)
        self.queue.append(request)
        return request

    def check_at_once(self, request):
        """An amount whose currency is known, and that does not fit it, is not even stored."""
        if request.kind == "wallet":
            if request.currency not in CURRENCIES:
                raise Refused("unknown_currency")
            check_currency(request.amount, request.currency)
        elif request.amount is not None and request.amount.decimals > 2:
            wallet = self.wallets.get(request.source_id or request.destination_id)
            if wallet is not None:
                check_currency(request.amount, wallet.currency)

    def carry_out(self, request):
        if request.kind == "wallet":
            wallet = self.make_wallet(request.user_id, request.amount, request.currency, request)
            return Outcome("processed", wallet=wallet)
        if request.kind == "wallet_read":
            wallet = self.get(request.source_id)
            if wallet.user_id != request.user_id:
                raise Refused("not_owner")
            return Outcome("processed", wallet=wallet)
        transfer = self.post(request.kind, request.source_id, request.destination_id, request.amount,
                             request.user_id, request=request)
        return Outcome("processed", transfer=transfer)

    def process(self, requests_max=None):
        """Give the first requests of the queue their outcomes; how many."""
        turn = self.queue[:requests_max]
        self.queue = self.queue[len(turn):]
        for request in turn:
            try:
                self.outcomes[request] = self.carry_out(request)
            except Refused as refused:
                self.outcomes[request] = Outcome(refused.code)
        return len(turn)

    def history(self, wallet_id):
        """Newest first."""
        return [t for t in reversed(self.journal) if wallet_id in (t.source_id, t.destination_id)]
