"""What somebody asks for, read from JSON or from the arguments of a call: README.md and docs/ a second time.

Amounts are decimal.Decimal until the currency is known. Times are microseconds since 1970. A payload that is wrong
raises Refused with the first code in the order of docs/codes.md, be it of a value or of what the whole says; an amount
that no currency could hold is told before all rules.
"""
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Optional

getcontext().prec = 1100

UNITS_MAX = 2**63 - 1
DECIMALS_MAX = 8  # of any currency
CURRENCIES = {"usd": 2, "eur": 2, "jpy": 0, "kwd": 3, "clf": 4}
INFINITY = 2**70  # later than every time
SECOND = 10**6
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LEGS_MAX = 64
PARTS = 10**6
SLACK = 600 * SECOND

CODES = Path(__file__).resolve().parents[2] / "docs" / "codes.md"


def sqlstates():
    """What docs/codes.md says, in its order: {code: SQLSTATE}."""
    rows = re.findall(r"^\| `(\w+)` \| (\w{5}) \|", CODES.read_text(encoding="utf-8"), re.M)
    return dict(rows)


SQLSTATE = sqlstates()
ORDER = list(SQLSTATE)

MODES = ("exact", "up_to", "all")
SHORTFALLS = ("refuse", "available", "overdraw")


class Refused(Exception):
    def __init__(self, code, leg=None):
        super().__init__(code)
        self.code, self.leg = code, leg


@dataclass(frozen=True)
class Amount:
    value: Decimal
    decimals: int  # without zeros at the end


@dataclass(frozen=True)
class Share:
    """Of a split: an amount, millionths, or (both None) the rest."""

    destination_id: int
    amount: Optional[Amount] = None
    parts: Optional[int] = None
    is_right: bool = True  # exactly one of them is given


@dataclass(eq=False)
class Operation:
    """Whatever somebody asks for; user_id is None for a direct call, 0 for an operator."""

    kind: str
    user_id: Optional[int] = None
    source_id: Optional[int] = None
    destination_id: Optional[int] = None
    amount: Optional[Amount] = None
    currency: Optional[str] = None
    amount_mode: str = "exact"
    hold_id: Optional[int] = None
    hold_handshake: Optional[str] = None
    final: bool = True
    max_capture: Optional[Amount] = None
    expires_in: Optional[int] = None
    expires_at: Optional[int] = None
    transfer_id: Optional[int] = None
    shortfall: str = "refuse"
    group_id: Optional[int] = None
    keep_fees: bool = False
    legs: tuple = ()
    split: tuple = ()
    is_split: bool = False
    valid_until: Optional[int] = None
    metadata: Optional[str] = None
    # what the shim knows of the asker
    may_reverse: bool = False
    max_amount: Optional[Amount] = None
    # a request's, which are learnt
    handshake: Optional[str] = None
    id: Optional[int] = None

    UNASKED = ("valid_until", "may_reverse", "max_amount", "handshake", "id", "user_id", "amount", "max_capture", "legs")

    @property
    def asked(self):
        """What a second request with the same key must ask for too: 10.5 and 10.50 are the same; the deadline is no part."""
        same = [f"{name}={value}" for name, value in vars(self).items() if name not in self.UNASKED]
        values = [amount and amount.value.normalize() for amount in (self.amount, self.max_capture)]
        return (*same, *values, *(leg.asked for leg in self.legs))

    @property
    def is_direct(self):
        return self.user_id is None


@dataclass(frozen=True)
class Payload:
    """Members in their order, each with the text of its value, or a list of payloads; what follows the object."""

    members: tuple
    tail: str = ""

    @property
    def text(self):
        return "{" + ",".join(f'"{name}":{text_of(value)}' for name, value in self.members) + "}" + self.tail


def text_of(value):
    return value if isinstance(value, str) else "[" + ",".join(map(text_of, value)) + "]" if isinstance(value, list) else value.text


# --- moments ---

class Ambiguous(Exception):
    """The model cannot know: the schedule has come too close to a moment."""


@dataclass(frozen=True)
class Moment:
    at: int
    fuzzy: bool = False

    @property
    def last(self):
        return self.at + SLACK if self.fuzzy else self.at


def reached(now, end):
    """Is it that time, or later?"""
    if now.at >= end.last:
        return True
    if now.last < end.at or (now.fuzzy and now.last <= end.at):
        return False
    raise Ambiguous(f"{now} and {end}")


# --- values ---

# A member's name and type, with ? where it may be missing.
HOLD_NAME = "hold_id id? hold_handshake_id handshake?"
END = "expires_in interval? expires_at end?"
LEGS = {
    "transaction": "source_wallet_id id dest_wallet_id id? trans_sum amount? amount amount? amount_mode mode? split split?",
    "fee": "source_wallet_id id dest_wallet_id id amount amount? amount_mode mode?",
    "deposit": "wallet_id id amount amount",
    "withdrawal": "wallet_id id amount amount? amount_mode mode?",
    "hold": f"source_wallet_id id dest_wallet_id id? amount amount max_capture amount? {END}",
    "capture": "hold_id id amount amount? final flag?",
    "void": "hold_id id amount amount?",
    "hold_extend": f"hold_id id amount amount? {END}",
    "reversal": "transfer_id id amount amount? shortfall shortfall?",
}
KINDS = {
    "wallet": "user_id id amount amount? currency currency? valid_until time?",
    "wallet_read": "user_id id wallet_id id",
    "transaction": "user_id id? source_wallet_id id dest_wallet_id id trans_sum amount? amount_mode mode? valid_until time?",
    "group": "user_id id? legs legs valid_until time?",
    "group_reversal": "user_id id? group_id id keep_fees flag? valid_until time?",
}
for _kind in ("deposit", "withdrawal", "hold", "capture", "void", "hold_extend", "reversal"):
    KINDS[_kind] = "user_id id? " + LEGS[_kind].replace("hold_id id", HOLD_NAME) + " valid_until time?"


def members_of(words):
    words = words.split()
    return dict(zip(words[::2], words[1::2]))


KINDS = {kind: members_of(words) for kind, words in KINDS.items()}
LEGS = {kind: members_of("kind leg_kind? " + words) for kind, words in LEGS.items()}
SHARE = members_of("dest_wallet_id id amount amount? parts_per_million parts? rest flag?")
FIELDS = {"source_wallet_id": "source_id", "dest_wallet_id": "destination_id", "trans_sum": "amount", "hold_handshake_id": "hold_handshake"}

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 30 * 86400}
ISO_UNITS = {"PTS": 1, "PTM": 60, "PTH": 3600, "PD": 86400, "PM": 30 * 86400}


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


def read_interval(text):
    """Microseconds: a number is seconds, a day has 24 hours and a month 30 days."""
    text = text.strip('"')
    if re.fullmatch(r"-?[0-9.]+", text):
        return int(Decimal(text) * SECOND)
    if text.startswith("P"):
        number = re.search(r"-?\d+", text).group()
        return int(number) * ISO_UNITS[text.replace(number, "")] * SECOND
    number, unit = text.split()
    return int(number) * UNITS[unit.rstrip("s")] * SECOND


def read_time(text):
    """Without a zone: UTC."""
    text = text.strip('"')
    if text == "infinity":
        return INFINITY
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return ((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) - EPOCH) // timedelta(microseconds=1)


def time_text(at):
    return "infinity" if at >= INFINITY else (EPOCH + timedelta(microseconds=at)).replace(tzinfo=None).isoformat(timespec="microseconds")


def is_json_number(text):
    return re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text, re.ASCII) is not None


def read_word(text, words, code):
    if text.strip('"') not in words:
        raise Refused(code)
    return text.strip('"')


def read_id(text, is_string):
    text = text[1:-1] if is_string else text
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.0+)?", text, re.ASCII):
        raise Refused("wrong_type")
    if not 1 <= Decimal(text) <= UNITS_MAX:
        raise Refused("id_out_of_range")
    return int(Decimal(text))


def read_currency(text):
    if len(text) != 5:
        raise Refused("unknown_currency")
    return text.strip('"').lower()


def read_handshake(text):
    if not re.fullmatch(r'"[0-9a-fA-F]{64}"', text):
        raise Refused("invalid_handshake")
    return text.strip('"').lower()


STRINGS = {
    "currency": read_currency,
    "mode": lambda text: read_word(text, MODES, "invalid_amount_mode"),
    "shortfall": lambda text: read_word(text, SHORTFALLS, "invalid_shortfall"),
    "time": read_time,
    "end": read_time,
    "handshake": read_handshake,
    "leg_kind": lambda text: text.strip('"'),
}


class Faults(list):
    """A payload may have several: the first in the order of docs/codes.md is told."""

    def read(self, reader, *arguments):
        try:
            return reader(*arguments)
        except Refused as refused:
            self.append(refused.code)
            return None

    def first(self):
        return min(self, key=ORDER.index)

    def refuse(self):
        if self:
            raise Refused(self.first())


UNHOLDABLE = ("amount_precision", "amount_too_large")


def stands_behind(code, other):
    """A code that was found while reading behind another one."""
    return code not in UNHOLDABLE and ORDER.index(code) > ORDER.index(other)


def read_member(kind, value, faults):
    """The value of one member, by its type."""
    kind = kind.rstrip("?")
    if kind in ("legs", "split"):
        return read_legs(value, faults) if kind == "legs" else read_split(value, faults)
    if not isinstance(value, str):
        raise Refused("wrong_type")
    is_string, is_number = value.startswith('"'), is_json_number(value)
    if not is_string and not is_number and not (value in ("true", "false", "null") or value[0] in "[{"):
        raise Refused("invalid_json")
    if kind == "id":
        return read_id(value, is_string)
    if kind == "flag":
        if value not in ("true", "false"):
            raise Refused("wrong_type")
        return value == "true"
    if kind in ("amount", "interval", "parts") and not is_string and not is_number:
        raise Refused("wrong_type")
    if kind == "amount":
        return read_json_amount(value.strip('"'))
    if kind == "interval":
        return read_interval(value)
    if kind == "parts":
        if not 1 <= int(value) <= PARTS:
            raise Refused("invalid_split")
        return int(value)
    if not is_string:
        raise Refused("wrong_type")
    return STRINGS[kind](value)


def read_members(known, payload, faults):
    """{name: value} of all that are given; None where the value is wrong."""
    values = {}
    for name, value in payload.members:
        if name not in known:
            faults.append("unknown_member")
        elif name in values:
            faults.append("duplicate_member")
        else:
            values[name] = faults.read(read_member, known[name], value, faults)
            if values[name] is None and known[name].startswith("amount"):
                values[name] = Amount(Decimal(1), 0)  # which breaks no rule: it is given
    if payload.tail:
        faults.append("invalid_json")
    for name, kind in known.items():
        if name not in values and not kind.endswith("?"):
            faults.append("missing_member")
    return values


def read_split(value, faults):
    if not isinstance(value, list):
        raise Refused("wrong_type")
    if not value:
        raise Refused("invalid_split")
    return tuple(read_share(share, faults) for share in value)


def read_share(payload, faults):
    values = read_members(SHARE, payload, faults)
    kinds = values.keys() - {"dest_wallet_id"}
    is_right = len(kinds) == 1 and values.get("rest") is not False
    return Share(values.get("dest_wallet_id"), values.get("amount"), values.get("parts_per_million"), is_right)


def read_legs(value, faults):
    if not isinstance(value, list):
        raise Refused("wrong_type")
    legs = tuple(read_leg(leg, faults) for leg in value)
    count = sum(max(1, len(leg.split)) if leg else 1 for leg in legs)
    if not 1 <= count <= LEGS_MAX:
        faults.append("invalid_legs")
    return legs


def read_leg(payload, faults):
    """None where the kind is none of a leg's: then nothing can be said of the other members."""
    kind = dict(reversed(payload.members)).get("kind")
    if kind is None:
        faults.append("missing_member")
        return None
    if not kind.startswith('"'):
        faults.append("wrong_type")
        return None
    kind = kind.strip('"')
    if kind not in LEGS:
        faults.append("invalid_legs" if kind in KINDS else "unknown_kind")
        return None
    return operation_of(kind, read_members(LEGS[kind], payload, faults), faults)


def read_payload(kind, payload, needs_user=False):
    if kind not in KINDS:
        raise Refused("unknown_kind")
    faults = Faults()
    values = read_members(KINDS[kind], payload, faults)
    if needs_user and "user_id" not in values:
        faults.append("missing_member")
    operation = operation_of(kind, values, faults)
    if faults and stands_behind(faults.first(), "invalid_legs"):
        faults += (code for each in (operation, *operation.legs) for code, is_so in operation_faults(each, None) if is_so)
    faults.refuse()
    return operation


# --- what the whole says ---

def choice_faults(kind, names, mode):
    """What is missing, or too much, by the names of the members that are given."""
    amounts = names & {"amount", "trans_sum"}
    if len(amounts) > 1:
        yield "duplicate_member"
    if kind in ("transaction", "fee", "withdrawal") and mode != "all" and not amounts:
        yield "missing_member"
    if kind in ("capture", "void", "hold_extend"):
        named = len(names & {"hold_id", "hold_handshake_id"})
        if named != 1:
            yield "unknown_member" if named else "missing_member"
    if kind == "hold_extend" and not names & {"amount", "expires_in", "expires_at"}:
        yield "missing_member"
    if kind == "transaction" and ("split" in names) == ("dest_wallet_id" in names):
        yield "unknown_member" if "split" in names else "missing_member"


def operation_of(kind, values, faults):
    mode = values.get("amount_mode")
    faults += choice_faults(kind, values.keys(), mode)
    fields = {FIELDS.get(name, name): value for name, value in values.items() if name != "kind" and value is not None}
    if "wallet_id" in fields:
        fields["destination_id" if kind == "deposit" else "source_id"] = fields.pop("wallet_id")
    if kind == "wallet":
        fields.setdefault("amount", Amount(Decimal(0), 0))
        fields.setdefault("currency", "usd")
    fields.setdefault("user_id", 0)
    return Operation(kind, is_split="split" in values, **fields)


def check_key(key):
    if key is not None and not 1 <= len(key) <= 255:
        raise Refused("invalid_idempotency_key")


def check_id(value):
    if value is not None and not 1 <= value:
        raise Refused("id_out_of_range")


def split_is_wrong(operation):
    rests = sum(share.amount is None and share.parts is None for share in operation.split)
    parts = [share.parts for share in operation.split if share.parts is not None]
    return not all(share.is_right for share in operation.split) or rests > 1 or parts and (rests == 0 or sum(parts) > PARTS)


def operation_faults(operation, now):
    """Codes in the order of docs/codes.md."""
    kind, amount = operation.kind, operation.amount
    if kind == "group":
        yield "invalid_legs", not 1 <= sum(max(1, len(leg.split)) for leg in operation.legs) <= LEGS_MAX
    yield "invalid_split", operation.is_split and split_is_wrong(operation)
    yield "invalid_amount_mode", operation.amount_mode == "all" and amount is not None
    yield "invalid_amount_mode", operation.amount_mode != "exact" and operation.is_split
    yield "invalid_expiry", operation.expires_in is not None and (operation.expires_at is not None or operation.expires_in <= 0)
    yield "invalid_expiry", now and operation.expires_at is not None and reached(now, Moment(operation.expires_at))
    amounts = [amount, operation.max_capture, *(share.amount for share in operation.split)]
    if kind == "wallet":
        yield "amount_negative", amount.value < 0
    else:
        yield "amount_not_positive", any(each is not None and each.value <= 0 for each in amounts)
    ends = [operation.destination_id, *(share.destination_id for share in operation.split)]
    yield "same_wallet", operation.source_id is not None and operation.source_id in ends
    yield "invalid_max_capture", operation.max_capture is not None and operation.max_capture.value < amount.value


def is_broken(operation):
    """Whatever the time is."""
    try:
        check_operation(operation)
        return False
    except Refused:
        return True


def check_operation(operation, now=None):
    """What the operation alone says, and its legs; with a moment also whether a hold's end lies in the past."""
    faults = [Faults(code for code, is_so in operation_faults(each, now) if is_so) for each in (*operation.legs, operation)]
    codes = Faults(code for each in faults for code in each)
    if codes:
        raise Refused(codes.first(), next((leg for leg in range(len(operation.legs)) if codes.first() in faults[leg]), None))


def check_currency(currency):
    if currency not in CURRENCIES:
        raise Refused("unknown_currency")


def units_of(amount, currency):
    """An amount in minor units of a currency: never rounded."""
    if amount.decimals > CURRENCIES[currency]:
        raise Refused("amount_precision")
    units = int(amount.value.scaleb(CURRENCIES[currency]))
    if not -UNITS_MAX <= units <= UNITS_MAX:
        raise Refused("amount_too_large")
    return units
