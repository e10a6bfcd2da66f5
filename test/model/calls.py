"""The ways in, a second time: direct calls, calls of operators, the queue."""
from dataclasses import replace

from payload import (CURRENCIES, UNITS_MAX, Moment, Operation, Refused, check_currency, check_id, check_key, check_operation, is_broken, reached,
                     read_numeric_amount, read_payload, stands_behind)
from rules import Outcome, Rules, Wallet, all_units, check_gain, check_max_amount, check_precision, check_status, may

STATUSES = ("active", "frozen", "closed")


class Model(Rules):
    # --- direct calls ---

    def create(self, user_id, amount, currency):
        check_id(user_id)
        operation = Operation("wallet", user_id, amount=read_numeric_amount(amount), currency=currency.lower())
        return self.make_wallet(operation, self.clock)

    def make_wallet(self, operation, now, request=None):
        check_operation(operation)
        check_currency(operation.currency)
        if operation.user_id in self.users:
            raise Refused("wallet_exists")
        (units,) = all_units(operation.currency, operation.amount)
        check_max_amount(operation, units, operation.currency)
        wallet_id, self.next_wallet_id = self.next_wallet_id, self.next_wallet_id + 1
        self.put(self.wallets, wallet_id, Wallet(wallet_id, operation.user_id, operation.currency, now))
        self.put(self.users, operation.user_id, wallet_id)
        if units > 0:
            self.write("deposit", None, wallet_id, units, now, request=request)
        return self.wallets[wallet_id]

    def call(self, operation, key=None):
        """A direct call; the operation's arguments have been read."""
        check_key(key)
        if is_broken(operation):
            check_operation(operation, self.clock if key or operation.legs else self.moment(operation))
        asked, owner = ("direct", operation.asked), self.owner(operation)
        if key is not None and owner is not None:
            stored, rows = self.keys.get((owner, key), (asked, None))
            if stored != asked:
                raise Refused("idempotency_mismatch")
            if rows is not None:
                return rows
        now = self.moment(operation)
        check_operation(operation, now)
        rows = self.judge(operation, operation, now)
        for row in rows:
            row.metadata = operation.metadata
        if key is not None:
            self.put(self.keys, (owner, key), (asked, rows))
        return rows

    def transfer_many(self, ends, operations, all_or_nothing):
        """[(row or None, code)] of operations that are still to be read; all of them have one moment."""
        answers, mark, read = [], self.mark(), []
        for make in operations:
            try:
                read.append(make())
            except Refused as refused:
                read.append(refused)
        now = self.moment_of(ends)
        for operation in read:
            try:
                if isinstance(operation, Refused):
                    raise operation
                check_operation(operation, now)
                answers.append((self.judge(operation, operation, now)[0], "processed"))
            except Refused as refused:
                if all_or_nothing:
                    self.undo(mark)
                    raise
                answers.append((None, refused.code))
        return answers

    def dry_run(self, kind, payload):
        """The code that it would end with."""
        mark = self.mark()
        try:
            operation = read_payload(kind, payload)
            operation.may_reverse = True
            if is_broken(operation):
                check_operation(operation, self.clock)
            now = self.moment(operation)
            check_operation(operation, now)
            self.check_at_once(operation)
            if self.is_late(operation):
                raise Refused("request_expired")
            if kind == "wallet":
                self.make_wallet(operation, self.clock)
                self.next_wallet_id -= 1
            elif kind == "wallet_read":
                may(operation, self.get(operation.source_id).user_id)
            else:
                self.judge(operation, operation, now)
            return "processed"
        except Refused as refused:
            return refused.code
        finally:
            self.undo(mark)

    def set_status(self, wallet_id, status):
        check_id(wallet_id)
        if status not in STATUSES:
            raise Refused("unknown_status")
        wallet = self.get(wallet_id)
        if status == "closed" and wallet.status != status:
            return self.close(wallet_id)
        if wallet.status == "closed" and status == "frozen":
            raise Refused("wallet_closed")
        return self.put_wallet(wallet_id, self.moment_of([wallet_id]), status=status)

    def close(self, wallet_id, sweep_to=None):
        check_id(wallet_id)
        check_id(sweep_to)
        if wallet_id == sweep_to:
            raise Refused("same_wallet")
        wallet = self.get(wallet_id)
        end = None if sweep_to is None else self.get(sweep_to, "destination_wallet_not_found")
        if wallet.status == "closed":
            return wallet
        now = self.moment_of([wallet_id] if end is None else [wallet_id, sweep_to])
        sweeps = end is not None and wallet.balance > 0
        if sweeps:
            check_status(wallet, end)
            if wallet.currency != end.currency:
                raise Refused("currency_mismatch")
            check_gain(end, wallet.balance)
        if self.held(wallet_id, now) > 0:
            raise Refused("wallet_has_holds")
        if wallet.balance != 0 and not sweeps:
            raise Refused("wallet_not_empty")
        self.expire(wallet_id, now)
        if sweeps:
            self.write("sweep", wallet_id, sweep_to, wallet.balance, now)
        return self.put_wallet(wallet_id, now, status="closed")

    def set_limits(self, wallet_id, floor, ceiling):
        check_id(wallet_id)
        if floor is None and ceiling is None:
            raise Refused("missing_member")
        amounts = [None if text in (None, "Infinity") else read_numeric_amount(text) for text in (floor, ceiling)]
        wallet = self.get(wallet_id)
        if wallet.status == "closed":
            raise Refused("wallet_closed")
        new_floor, new_ceiling = all_units(wallet.currency, *amounts)
        new_floor = wallet.floor if floor is None else new_floor
        new_ceiling = wallet.ceiling if ceiling is None else new_ceiling
        new_ceiling = None if new_ceiling == UNITS_MAX else new_ceiling  # no wallet can hold more
        if new_ceiling is not None and new_floor > new_ceiling:
            raise Refused("floor_above_ceiling")
        self.limit_changes.append((wallet_id, wallet.floor, new_floor, wallet.ceiling, new_ceiling))
        return self.put_wallet(wallet_id, self.moment_of([wallet_id]), floor=new_floor, ceiling=new_ceiling)

    def holds_of(self, wallet_id, state):
        """As source or destination."""
        self.get(wallet_id)
        rows = [row for row in self.hold_rows.get(wallet_id, ()) if row in self.holds]
        return [row for row in rows if state in (None, self.holds[row].shown(self.moment_of([row.source_id])))]

    # --- the queue ---

    def enqueue(self, kind, payload, key, speaks_for_all=True, may_reverse=True, max_amount=None):
        """Store the request, or find the one that was stored with the same key."""
        try:
            request = read_payload(kind, payload, needs_user=not speaks_for_all)
        except Refused as refused:
            if stands_behind(refused.code, "invalid_idempotency_key"):
                check_key(key)
            raise
        check_key(key)
        if key is None or is_broken(request):
            check_operation(request, self.clock)
        request.may_reverse, request.max_amount = may_reverse, max_amount
        self.check_at_once(request)
        if key is not None:
            asked = ("queue", request.asked)
            stored, earlier = self.keys.get((request.user_id, key), (asked, None))
            if stored != asked:
                raise Refused("idempotency_mismatch")
            if earlier is not None:
                return earlier
        check_operation(request, self.clock)
        if self.is_late(request):
            raise Refused("request_expired")
        if request.kind == "wallet":
            check_currency(request.currency)
        if key is not None:
            self.put(self.keys, (request.user_id, key), (asked, request))
        self.requests.append(request)
        self.queue.append(request)
        return request

    def is_late(self, request):
        """At valid_until a request is still carried out."""
        return request.valid_until is not None and reached(self.clock, Moment(request.valid_until))

    def check_at_once(self, request):
        """An amount with more decimals than its currency, which is known, is not even stored."""
        if request.kind == "wallet" and request.currency in CURRENCIES:
            check_precision(request.currency, request.amount)
        elif request.amount is not None and request.amount.decimals > 2:
            wallet = self.wallets.get(request.source_id or request.destination_id)
            if wallet is not None:
                check_precision(wallet.currency, request.amount)

    def carry_out(self, request, now):
        check_operation(request, now)
        if self.is_late(request):
            raise Refused("request_expired")
        if request.kind == "wallet":
            return Outcome("processed", wallet=self.make_wallet(request, now, request))
        if request.kind == "wallet_read":
            wallet = self.get(request.source_id)
            may(request, wallet.user_id)
            return Outcome("processed", wallet=wallet)
        rows = self.judge(request, request, now)
        rows[0].request = request
        return Outcome("processed", rows=tuple(rows))

    def process(self, requests_max=None):
        """Give the first requests of the queue their outcomes; how many."""
        turn = self.queue[:requests_max]
        self.queue = self.queue[len(turn):]
        late = [request for request in turn if self.waits_for_hold(request)]
        self.post([request for request in turn if request not in late])
        last = self.behind_others(late)
        self.post([request for request in late if request not in last])
        self.post(last)
        return len(turn)

    def behind_others(self, late):
        """Those of which a wallet shows to be that of an earlier one, now that the holds are known: they come a round later."""
        busy, last = set(), []
        for request in late:
            ends = set(self.ends_of(request)) - {None}
            if ends & busy:
                last.append(request)
            busy |= ends
        return last

    def waits_for_hold(self, request):
        """Whoever names a hold by the handshake of a request that is still in the queue comes after all that wait with it."""
        named = self.handshakes.get(request.hold_handshake) if request.hold_handshake else None
        return named is not None and named not in self.outcomes

    def post(self, batch):
        """It has one moment."""
        now = self.moment(*(request for request in batch if request.kind != "wallet_read"))
        for request in batch:
            try:
                outcome = self.carry_out(request, now)
            except Refused as refused:
                outcome = Outcome(refused.code, leg=refused.leg)
            self.put(self.outcomes, request, outcome)
