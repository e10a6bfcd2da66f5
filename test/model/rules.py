"""What pg_wallet promises, written down a second time: from README.md and docs/, not from the C code.

Amounts are minor units here, wallets and holds are values that never change, the queue is a list, and everything happens
at once. Rules that are broken raise Refused with the first code in the order of docs/codes.md.

Nobody can foresee what the server's clock will say. A Moment that comes from the clock is one of the SLACK after `at`;
schedule.py sees to it that no time of interest lies in between, and learns afterwards what it was.
"""
from dataclasses import dataclass, replace
from typing import Any, Optional

from payload import CURRENCIES, INFINITY, PARTS, SECOND, UNITS_MAX, Moment, Operation, Refused, reached, units_of

HOLD_EXPIRY = 7 * 86400 * SECOND
RESERVING = ("hold", "void", "hold_extend", "expiry")
FOREVER = Moment(INFINITY)


def later(a, b):
    if a.fuzzy and b.fuzzy:
        return max(a, b, key=lambda moment: moment.at)
    return a if reached(a, b) else b


@dataclass(frozen=True)
class Wallet:
    wallet_id: int
    user_id: int
    currency: str
    updated: Moment
    balance: int = 0
    status: str = "active"
    floor: int = 0
    ceiling: Optional[int] = None

    @property
    def digits(self):
        return CURRENCIES[self.currency]


@dataclass(frozen=True)
class Hold:
    source_id: int
    destination_id: Optional[int]  # None: the outside
    rest: int
    max_capture: int
    terms: Any = None  # the row that says when it ends
    captured: int = 0
    state: str = "open"

    @property
    def expires(self):
        return self.terms.expires

    @property
    def total(self):
        return self.captured + self.rest

    def is_due(self, now):
        return self.state == "open" and reached(now, self.expires)

    def shown(self, now):
        return "expired" if self.is_due(now) else self.state


@dataclass(eq=False)
class Transfer:
    """A row of the journal; None is the outside. The server's id and moment are learnt later."""

    kind: str
    source_id: Optional[int]
    destination_id: Optional[int]
    amount: int
    currency: str
    posted: Moment
    source_balance: Optional[int] = None
    destination_balance: Optional[int] = None
    held: tuple = (0, 0)  # at least, and at the most
    link: Any = None  # the hold's row, or the transfer that was reversed
    group: Any = None
    group_size: Optional[int] = None
    expires: Optional[Moment] = None
    expires_as: Any = None  # the row that said so first
    max_capture: Optional[int] = None
    overdraw: bool = False
    metadata: Optional[str] = None
    request: Optional[Operation] = None
    id: Optional[int] = None

    @property
    def sides(self):
        return {self.source_id, self.destination_id} - {None}

    def balance_of(self, wallet_id):
        return self.source_balance if self.source_id == wallet_id else self.destination_balance


@dataclass(frozen=True)
class Outcome:
    code: str
    wallet: Optional[Wallet] = None  # the new one, or the one that was read, as it was
    rows: tuple = ()
    leg: Optional[int] = None


class State:
    """Tables, and a log by which they can be taken back."""

    def __init__(self):
        self.clock = Moment(0, True)
        self.wallets: dict[int, Wallet] = {}
        self.users: dict[int, int] = {}
        self.holds: dict[Transfer, Hold] = {}
        self.open_holds: dict[int, tuple] = {}  # by source
        self.swept: dict[Transfer, tuple] = {}  # an expiry that must be in the journal: its moment, and what it releases
        self.reversed: dict[Transfer, int] = {}
        self.keys: dict[tuple, tuple[tuple, Any]] = {}
        self.outcomes: dict[Operation, Outcome] = {}
        self.transfers: dict[int, Transfer] = {}  # by id, once that is known
        self.groups: dict[Transfer, list] = {}  # by the first row
        self.journal: list[Transfer] = []
        self.rows_of: dict[int, list] = {}  # the journal by wallet
        self.requests: list[Operation] = []
        self.queue: list[Operation] = []
        self.limit_changes: list[tuple] = []
        self.next_wallet_id = 1  # a sequence: never set back
        self.log: list[tuple] = []
        # for those who compare, and never undone
        self.handshakes: dict[str, Operation] = {}
        self.hold_rows: dict[int, list] = {}  # of either side, some of which may have been undone
        self.changed_holds: set[Transfer] = set()
        self.changed_sums: set[Transfer] = set()

    def put(self, table, key, value):
        self.log.append((table, key, table.get(key)))
        table[key] = value

    def mark(self):
        return len(self.log), len(self.journal), len(self.requests), len(self.limit_changes), list(self.queue)

    def undo(self, mark):
        log, journal, requests, changes, self.queue = mark
        for table, key, value in reversed(self.log[log:]):
            if value is None:
                del table[key]
            else:
                table[key] = value
        for row in self.journal[journal:]:
            for side in row.sides:
                self.rows_of[side].pop()
        del self.log[log:], self.journal[journal:], self.requests[requests:], self.limit_changes[changes:]

    def add_row(self, row):
        self.journal.append(row)
        for side in row.sides:
            self.rows_of.setdefault(side, []).append(row)
        return row

    # --- what there is at a moment ---

    def get(self, wallet_id, code="wallet_not_found"):
        if wallet_id not in self.wallets:
            raise Refused(code)
        return self.wallets[wallet_id]

    def moment_of(self, wallet_ids):
        """The clock, or the last moment of these wallets where that is later."""
        now = self.clock
        for wallet_id in wallet_ids:
            if wallet_id in self.wallets:
                now = later(now, self.wallets[wallet_id].updated)
        return now

    def held(self, wallet_id, now):
        """A due hold counts nowhere."""
        holds = (self.holds[row] for row in self.open_holds.get(wallet_id, ()))
        return sum(hold.rest for hold in holds if not hold.is_due(now))

    def held_shown(self, wallet_id, now):
        """What a row says: a due hold may have been released, or not yet, where nothing depends on it."""
        return self.held(wallet_id, now), sum(self.holds[row].rest for row in self.open_holds.get(wallet_id, ()))

    def available(self, wallet, now):
        return wallet.balance - self.held(wallet.wallet_id, now) - wallet.floor

    def put_hold(self, row, hold):
        self.put(self.holds, row, hold)
        self.changed_holds.add(row)
        others = tuple(other for other in self.open_holds.get(hold.source_id, ()) if other is not row)
        self.put(self.open_holds, hold.source_id, (*others, row) if hold.state == "open" else others)

    def put_wallet(self, wallet_id, now, **changes):
        self.put(self.wallets, wallet_id, replace(self.wallets[wallet_id], updated=now, **changes))
        return self.wallets[wallet_id]

    def expire(self, wallet_id, now):
        """What is due is released before anything else is written of this wallet."""
        for row in self.open_holds.get(wallet_id, ()):
            hold = self.holds[row]
            if hold.is_due(now):
                self.put(self.swept, row, (now, hold.rest))
                self.put_hold(row, replace(hold, state="expired", rest=0))

    def history(self, wallet_id, with_holds=False):
        """Newest first. A hold's rows stand in the source's chain alone."""
        for row in reversed(self.rows_of.get(wallet_id, ())):
            if row.kind in RESERVING:
                if with_holds and row.source_id == wallet_id:
                    yield row
            elif wallet_id in (row.source_id, row.destination_id):
                yield row


def may(asker, *users):
    """A direct call and an operator may do what any of these users may."""
    if asker.user_id and asker.user_id not in users:
        raise Refused("not_owner")


def operators_alone(asker):
    may(asker)


def check_status(*wallets):
    for status in ("closed", "frozen"):
        if any(wallet and wallet.status == status for wallet in wallets):
            raise Refused("wallet_" + status)


def check_precision(currency, *amounts):
    if any(amount and amount.decimals > CURRENCIES[currency] for amount in amounts):
        raise Refused("amount_precision")


def all_units(currency, *amounts):
    """Precision comes before size, over all of them."""
    check_precision(currency, *amounts)
    return [amount and units_of(amount, currency) for amount in amounts]


def check_max_amount(asker, amount, currency):
    """Bounds each row that moves or holds."""
    if asker.max_amount and amount > asker.max_amount.value.scaleb(CURRENCIES[currency]):
        raise Refused("amount_above_limit")


def check_gain(wallet, amount):
    if wallet and wallet.balance + amount > min(UNITS_MAX, UNITS_MAX if wallet.ceiling is None else wallet.ceiling):
        raise Refused("balance_limit")


def check_loss(wallet, amount):
    if wallet and wallet.balance - amount < -UNITS_MAX:
        raise Refused("balance_limit")


def shares_of(operation, total, amounts):
    """Each share of a split, floored; the one rest takes the remainder."""
    if not operation.is_split:
        return [total]
    shares = [amount if share.parts is None else total * share.parts // PARTS for share, amount in zip(operation.split, amounts)]
    left = total - sum(share for share in shares if share is not None)
    if left < 0 or (left > 0 and None not in shares):
        raise Refused("split_mismatch")
    return [left if share is None else share for share in shares]


class Rules(State):
    """judge() carries out an operation for whoever asks, and returns the rows that it makes."""

    def judge(self, operation, asker, now):
        return getattr(self, "judge_" + operation.kind)(operation, asker, now)

    def write(self, kind, source_id, destination_id, amount, now, reserves=False, **more):
        """A row, and what it does to the wallets; a reserving one moves nothing."""
        source, destination = self.wallets.get(source_id), self.wallets.get(destination_id)
        currency = (source or destination).currency
        if source:
            source = self.put_wallet(source_id, now, balance=source.balance - (0 if reserves else amount))
        if destination and not reserves:
            destination = self.put_wallet(destination_id, now, balance=destination.balance + amount)
        row = Transfer(kind, source_id, destination_id, amount, currency, now, source and source.balance,
                       None if reserves or not destination else destination.balance,
                       self.held_shown(source_id, now), **more)
        return self.add_row(row)

    # --- what moves money ---

    def judge_transaction(self, operation, asker, now):
        source = self.get(operation.source_id, "source_wallet_not_found")
        ends = [share.destination_id for share in operation.split] or [operation.destination_id]
        return self.pay(operation, asker, now, source, [self.get(end, "destination_wallet_not_found") for end in ends])

    judge_fee = judge_transaction

    def judge_deposit(self, operation, asker, now):
        return self.pay(operation, asker, now, None, [self.get(operation.destination_id)])

    def judge_withdrawal(self, operation, asker, now):
        return self.pay(operation, asker, now, self.get(operation.source_id), [])

    def pay(self, operation, asker, now, source, ends):
        own = source or ends[0]
        may(asker, own.user_id)
        check_status(source, *ends)
        if any(end.currency != own.currency for end in ends):
            raise Refused("currency_mismatch")
        total, *amounts = all_units(own.currency, operation.amount, *(share.amount for share in operation.split))
        if source:
            total = self.wanted(operation.amount_mode, total, source, now)
        shares = shares_of(operation, total, amounts)
        for share in shares:
            check_max_amount(asker, share, own.currency)
        if source and (total < 1 or self.available(source, now) < total):
            raise Refused("insufficient_funds")
        gains = {}
        for end, share in zip(ends, shares):
            gains[end.wallet_id] = gains.get(end.wallet_id, 0) + share
            if share > 0:
                check_gain(end, gains[end.wallet_id])
        if source:
            self.expire(source.wallet_id, now)
        ids = [end.wallet_id for end in ends] or [None]
        return [self.write(operation.kind, source and source.wallet_id, end, share, now) for end, share in zip(ids, shares) if share > 0]

    def wanted(self, mode, amount, wallet, now):
        available = self.available(wallet, now)
        if mode == "up_to":
            return min(amount, available)
        return min(available, wallet.balance - self.held(wallet.wallet_id, now)) if mode == "all" else amount

    # --- holds ---

    def judge_hold(self, operation, asker, now):
        source = self.get(operation.source_id, "source_wallet_not_found")
        has_end = operation.destination_id is not None
        destination = self.get(operation.destination_id, "destination_wallet_not_found") if has_end else None
        may(asker, source.user_id)
        check_status(source, destination)
        if destination and destination.currency != source.currency:
            raise Refused("currency_mismatch")
        amount, most = all_units(source.currency, operation.amount, operation.max_capture)
        self.reserve(source, amount, asker, now)
        self.expire(source.wallet_id, now)
        hold = Hold(source.wallet_id, operation.destination_id, amount, amount if most is None else most)
        return [self.record("hold", None, hold, amount, now, self.end_of(operation, now))]

    def reserve(self, source, amount, asker, now):
        check_max_amount(asker, amount, source.currency)
        if self.available(source, now) < amount:
            raise Refused("insufficient_funds")
        if self.held(source.wallet_id, now) + amount > UNITS_MAX:
            raise Refused("balance_limit")

    @staticmethod
    def end_of(operation, now):
        if operation.expires_at is not None:
            return FOREVER if operation.expires_at >= INFINITY else Moment(operation.expires_at)
        return replace(now, at=now.at + (HOLD_EXPIRY if operation.expires_in is None else operation.expires_in))

    def record(self, kind, row, hold, amount, now, end=None):
        """A row that reserves or releases, and the hold as it is afterwards."""
        self.put_wallet(hold.source_id, now)
        new = Transfer(kind, hold.source_id, hold.destination_id, amount, self.wallets[hold.source_id].currency, now, link=row,
                       source_balance=self.wallets[hold.source_id].balance, expires=end, max_capture=end and hold.max_capture)
        if row is None:
            new.link = new
            for side in (hold.source_id, hold.destination_id):
                self.hold_rows.setdefault(side, []).append(new)
        self.put_hold(row or new, replace(hold, terms=new if end else hold.terms))
        new.held = self.held_shown(hold.source_id, now)
        return self.add_row(new)

    def find_hold(self, operation):
        """(the row that made it, the hold)"""
        if operation.hold_id is not None:
            row = self.transfers.get(operation.hold_id)
        else:
            named = self.handshakes.get(operation.hold_handshake)
            row = (self.outcomes[named].rows or (None,))[0] if named in self.outcomes and named.kind == "hold" else None
        if row not in self.holds:
            raise Refused("hold_not_found")
        return row, self.holds[row]

    def open_hold(self, operation, asker, now):
        row, hold = self.find_hold(operation)
        if operation.kind == "hold_extend":
            may(asker, self.wallets[hold.source_id].user_id)
        elif hold.destination_id is None:
            operators_alone(asker)
        else:
            may(asker, self.wallets[hold.destination_id].user_id)
        if hold.shown(now) != "open":
            raise Refused("hold_" + hold.shown(now))
        return row, hold, self.wallets[hold.source_id], self.wallets.get(hold.destination_id)

    def judge_capture(self, operation, asker, now):
        row, hold, source, destination = self.open_hold(operation, asker, now)
        check_status(source, destination)
        (amount,) = all_units(source.currency, operation.amount)
        amount = hold.rest if amount is None else amount
        if amount > hold.rest + hold.max_capture - hold.total:
            raise Refused("exceeds_hold")
        check_max_amount(asker, amount, source.currency)
        if amount > hold.rest and self.available(source, now) < amount - hold.rest:
            raise Refused("insufficient_funds")
        check_gain(destination, amount)
        check_loss(source, amount)
        if amount > hold.rest:
            self.expire(source.wallet_id, now)
        rest = max(0, hold.rest - amount)
        if operation.final or rest == 0:
            self.put_hold(row, replace(hold, captured=hold.captured + amount, rest=0, state="captured"))
        else:
            self.put_hold(row, replace(hold, captured=hold.captured + amount, rest=rest))
        return [self.write("capture", hold.source_id, hold.destination_id, amount, now, link=row)]

    def judge_void(self, operation, asker, now):
        row, hold, source, _ = self.open_hold(operation, asker, now)
        (amount,) = all_units(source.currency, operation.amount)
        amount = hold.rest if amount is None else amount
        if amount > hold.rest:
            raise Refused("exceeds_hold")
        rest = hold.rest - amount
        hold = replace(hold, rest=rest, max_capture=hold.max_capture - amount, state="open" if rest else "voided")
        return [self.record("void", row, hold, amount, now)]

    def judge_hold_extend(self, operation, asker, now):
        row, hold, source, destination = self.open_hold(operation, asker, now)
        check_status(source, destination)
        (total,) = all_units(source.currency, operation.amount)
        total = hold.total if total is None else total
        has_end = operation.expires_in is not None or operation.expires_at is not None
        end = self.end_of(operation, now) if has_end else hold.expires
        moves = has_end and end != hold.expires
        if total < hold.total or (moves and not reached(end, hold.expires)) or (total == hold.total and not moves):
            raise Refused("below_hold")
        more = total - hold.total
        if more > 0:
            self.reserve(source, more, asker, now)
            self.expire(source.wallet_id, now)
        earlier = hold.terms
        hold = replace(hold, rest=hold.rest + more, max_capture=max(hold.max_capture, total))
        new = self.record("hold_extend", row, hold, more, now, end)
        new.expires_as = None if has_end else earlier
        return [new]

    # --- reversals and groups ---

    def left(self, row):
        return row.amount - self.reversed.get(row, 0)

    def judge_reversal(self, operation, asker, now):
        row = self.transfers.get(operation.transfer_id)
        if row is None:
            raise Refused("transaction_not_found")
        return self.reverse(row, operation, asker, now)

    def may_reverse(self, row, operation, asker):
        """The user of the destination gives back; what touches the outside is an operator's."""
        if operation.shortfall == "overdraw" or None in (row.source_id, row.destination_id):
            operators_alone(asker)
        elif not asker.may_reverse:
            may(asker, self.wallets[row.destination_id].user_id)

    def reverse(self, row, operation, asker, now):
        source, destination = self.wallets.get(row.destination_id), self.wallets.get(row.source_id)
        self.may_reverse(row, operation, asker)
        if row.kind in RESERVING or row.kind == "reversal":
            raise Refused("not_reversible")
        if self.left(row) == 0:
            raise Refused("already_reversed")
        check_status(source, destination)
        (amount,) = all_units(row.currency, operation.amount)
        amount = self.left(row) if amount is None else amount
        if amount > self.left(row):
            raise Refused("exceeds_reversible")
        if source and operation.shortfall == "available":
            amount = min(amount, self.available(source, now))
        check_max_amount(asker, amount, row.currency)
        is_short = source is not None and (amount < 1 or self.available(source, now) < amount)
        if is_short and operation.shortfall != "overdraw":
            raise Refused("insufficient_funds")
        check_gain(destination, amount)
        check_loss(source, amount)
        if source:
            self.expire(source.wallet_id, now)
        self.changed_sums.add(row)
        self.put(self.reversed, row, self.reversed.get(row, 0) + amount)
        return [self.write("reversal", row.destination_id, row.source_id, amount, now, link=row, overdraw=is_short)]

    def judge_group(self, operation, asker, now):
        return self.all_or_none([lambda leg=leg: self.judge(leg, asker, now) for leg in operation.legs])

    @staticmethod
    def reversible(rows, operation):
        """The rows of a group that can be reversed at all, last row first; and those of them that the operation reverses."""
        moved = [row for row in reversed(rows) if row.kind not in RESERVING and row.kind != "reversal"]
        return moved, [row for row in moved if not (operation.keep_fees and row.kind == "fee")]

    def judge_group_reversal(self, operation, asker, now):
        rows = self.groups.get(self.transfers.get(operation.group_id))
        if not rows:
            raise Refused("transaction_not_found")
        moved, wanted = self.reversible(rows, operation)
        left = [row for row in wanted if self.left(row) > 0]
        if not left:
            for row in wanted or moved or rows:
                self.may_reverse(row, operation, asker)
            raise Refused("already_reversed" if moved else "not_reversible")
        return self.all_or_none([lambda row=row: self.reverse(row, operation, asker, now) for row in left])

    def all_or_none(self, legs):
        rows, mark = [], self.mark()
        for number, leg in enumerate(legs):
            try:
                rows += leg()
            except Refused as refused:
                self.undo(mark)
                raise Refused(refused.code, number) from refused
        for row in rows:
            row.group = rows[0]
        rows[0].group_size = len(rows)
        self.put(self.groups, rows[0], rows)
        return rows

    # --- which wallets an operation writes, and whose is its key ---

    def ends_of(self, operation):
        """(source, destination...) of what moves or reserves, where they are known; a reserving one writes its source alone."""
        if operation.kind in ("capture", "void", "hold_extend"):
            try:
                _, hold = self.find_hold(operation)
            except Refused:
                return []
            return [hold.source_id] + ([hold.destination_id] if operation.kind == "capture" else [])
        if operation.kind == "reversal":
            row = self.transfers.get(operation.transfer_id)
            return [row.destination_id, row.source_id] if row else []
        if operation.kind == "group_reversal":
            rows = self.groups.get(self.transfers.get(operation.group_id), [])
            return [end for row in reversed(rows) for end in (row.destination_id, row.source_id)]
        if operation.kind == "group":
            return [end for leg in operation.legs for end in self.ends_of(leg)]
        if operation.kind == "hold":
            return [operation.source_id]
        return [operation.source_id, operation.destination_id, *(share.destination_id for share in operation.split)]

    def moment(self, *operations):
        return self.moment_of(end for operation in operations for end in self.ends_of(operation))

    def owner(self, operation):
        """The user of the wallet that is debited, held on or gives back; of a deposit, that is credited."""
        if operation.kind == "group_reversal":
            rows = self.groups.get(self.transfers.get(operation.group_id), [])
            for row in self.reversible(rows, operation)[1]:
                return self.wallets[row.destination_id].user_id if row.destination_id else self.wallets[row.source_id].user_id
        ends = self.ends_of(operation.legs[0] if operation.kind == "group" else operation)
        wallets = [self.wallets.get(end) for end in ends if end is not None]
        return wallets[0].user_id if wallets and wallets[0] else None
