#!/usr/bin/python3
"""The model that test/t/model.pl compares the server with must be right itself: cases worked out by hand, and random
operations after which money is conserved. No server."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/model"), str(ROOT / "test/torture")]
import tap
from calls import Model
from chance import Chance, direct_operation, seeded
from payload import SECOND, Moment, Payload, Refused

HOUR = 3600 * SECOND
TYPES = {"amount": "amount", "trans_sum": "amount", "max_capture": "amount", "final": "flag", "keep_fees": "flag", "amount_mode": "mode",
         "shortfall": "shortfall", "expires_in": "interval", "expires_at": "end", "legs": "legs", "split": "split", "rest": "flag",
         "parts_per_million": "parts", "kind": "leg_kind"}


def members_of(values):
    """Members with their types, of keyword arguments."""
    return [(name, TYPES.get(name, "id"), [members_of(each) for each in value] if name in ("legs", "split") else value)
            for name, value in values.items()]


class World(Model):
    """A model whose rows get their ids and moments at once."""

    def __init__(self, *balances):
        super().__init__()
        self.clock, self.last_id = Moment(1000 * HOUR), 0
        for user, balance in enumerate(balances, 1):
            self.create(user, balance, "usd")
        self.learn()

    def learn(self):
        for row in self.journal:
            if row.id is None:
                self.last_id += 1
                row.id = self.last_id
                self.transfers[row.id] = row
        for request in self.requests:
            if request.handshake is None:
                request.handshake = f"{id(request):064x}"
                self.handshakes[request.handshake] = request

    def do(self, kind, key=None, **values):
        """The last row's id, or the code of the refusal."""
        try:
            rows = self.call(direct_operation(kind, members_of(values)), key)
        except Refused as refused:
            return refused.code if refused.leg is None else f"{refused.code} of leg {refused.leg}"
        self.learn()
        return rows[0].id

    def shows(self, wallet_id):
        """balance, held, available"""
        wallet, now = self.wallets[wallet_id], self.moment_of([wallet_id])
        return wallet.balance, self.held(wallet_id, now), self.available(wallet, now)


def pay(world, source, destination, amount, **more):
    return world.do("transaction", source_wallet_id=source, dest_wallet_id=destination, trans_sum=amount, **more)


def hold(world, source, destination, amount, **more):
    return world.do("hold", source_wallet_id=source, dest_wallet_id=destination, amount=amount, **more)


def is_(got, expected, name):
    tap.ok(got == expected, name, f"{got} instead of {expected}")


def holds():
    world = World("100", "0")
    first = hold(world, 1, 2, "60")
    is_(world.shows(1), (10000, 6000, 4000), "a hold reserves and moves nothing")
    is_(pay(world, 1, 2, "40.01"), "insufficient_funds", "what is held is not available")
    world.do("capture", hold_id=first, amount="20", final=False)
    is_(world.shows(1), (8000, 4000, 4000), "a capture that is not final keeps the rest")
    is_(world.do("capture", hold_id=first, amount="40.01"), "exceeds_hold", "no more than the rest")
    world.do("void", hold_id=first, amount="10")
    is_(world.holds[world.transfers[first]].total, 5000, "a void lowers the total")
    world.do("capture", hold_id=first, amount="5")
    is_((world.shows(1), world.shows(2)[0]), ((7500, 0, 7500), 2500), "a final capture releases what is left")
    is_(world.do("void", hold_id=first), "hold_captured", "over is over")
    most = hold(world, 1, 2, "10", max_capture="15")
    is_(world.do("capture", hold_id=most, amount="15.01"), "exceeds_hold", "no more than was agreed")
    is_(isinstance(world.do("capture", hold_id=most, amount="15"), int), True, "but so much")
    is_(hold(world, 1, 2, "10", max_capture="9"), "invalid_max_capture", "max_capture below the amount")
    due = hold(world, 1, 2, "60", expires_at=world.clock.at + HOUR)
    world.clock = Moment(world.clock.at + HOUR - 1)
    is_(pay(world, 1, 2, "1"), "insufficient_funds", "a microsecond before its end a hold counts")
    world.clock = Moment(world.clock.at + 1)
    is_(world.do("capture", hold_id=due), "hold_expired", "at its end it has expired")
    is_(isinstance(pay(world, 1, 2, "60"), int) and world.holds[world.transfers[due]].state, "expired", "a payment releases it first")


def moments():
    """A clock that is set back: the wallets' own moments decide."""
    world = World("100", "100", "0")
    early = Moment(world.clock.at - 5 * HOUR)
    last = world.clock.at
    world.clock = Moment(last + HOUR)
    pay(world, 2, 3, "1")
    world.clock = early
    due = hold(world, 1, 3, "100", expires_at=last + HOUR)
    is_(world.transfers[due].posted.at, last, "a hold writes its source alone, and so has the moment of that")
    is_(world.do("withdrawal", wallet_id=1, amount="1"), "insufficient_funds", "the hold counts at that moment")
    is_(isinstance(pay(world, 1, 2, "1"), int), True, "a payment to a wallet that is later finds the hold expired")
    is_(world.shows(1), (9900, 0, 9900), "and so does whatever follows")


def reversals():
    world = World("100", "0", "0")
    sale = pay(world, 1, 2, "50")
    world.do("reversal", transfer_id=sale, amount="20")
    is_(world.do("reversal", transfer_id=sale, amount="30.01"), "exceeds_reversible", "no more than is left")
    pay(world, 2, 3, "25")
    is_(world.do("reversal", transfer_id=sale), "insufficient_funds", "the money has been spent")
    back = world.do("reversal", transfer_id=sale, shortfall="available")
    is_(world.transfers[back].amount, 500, "what there is")
    gone = world.do("reversal", transfer_id=sale, shortfall="overdraw")
    is_((world.shows(2), world.transfers[gone].overdraw), ((-2500, 0, -2500), True), "an operator overdraws")
    is_(world.do("reversal", transfer_id=sale), "already_reversed", "nothing is left")
    is_(world.do("reversal", transfer_id=back), "not_reversible", "a reversal stays")
    is_(world.do("reversal", transfer_id=99), "transaction_not_found", "an unknown transfer")


def groups():
    world = World("100", "0", "0")
    sale = {"kind": "transaction", "source_wallet_id": 1, "trans_sum": "10.01", "split": [
        {"dest_wallet_id": 2, "parts_per_million": 333333}, {"dest_wallet_id": 3, "rest": True}]}
    fee = {"kind": "fee", "source_wallet_id": 2, "dest_wallet_id": 3, "amount": "1"}
    group = world.do("group", legs=[sale, fee])
    is_([row.amount for row in world.groups[world.transfers[group]]], [333, 668, 100], "a split is exact")
    is_(world.transfers[group].group_size, 3, "shares count as rows")
    is_(world.do("group", legs=[sale, {**fee, "amount": "100"}]), "insufficient_funds of leg 1", "the leg that failed")
    is_(world.shows(1)[0], 8999, "none is carried out")
    is_(world.do("group", legs=[]), "invalid_legs", "no legs")
    bad = {"kind": "transaction", "source_wallet_id": 1, "trans_sum": "5", "split": [{"dest_wallet_id": 2, "parts_per_million": 5}]}
    wrong = {"kind": "reversal", "transfer_id": 1, "shortfall": "x"}
    is_(world.do("group", legs=[wrong, bad]), "invalid_split", "the first code, be a value wrong or the whole")
    is_(world.do("group", legs=[{**bad, "trans_sum": "9223372036854775808"}]), "amount_too_large", "an amount that nothing holds before all rules")
    world.do("deposit", wallet_id=2, amount="5")
    world.do("group_reversal", group_id=group, keep_fees=True)
    is_([world.shows(n)[0] for n in (1, 2, 3)], [10000, 400, 100], "a group is reversed without its fee")
    is_(world.do("group_reversal", group_id=group, keep_fees=True), "already_reversed", "once")


def modes_and_limits():
    world = World("100", "0")
    world.set_limits(1, "-50", None)
    is_(world.shows(1), (10000, 0, 15000), "a credit line is available")
    is_(world.transfers[pay(world, 1, 2, "120", amount_mode="up_to")].amount, 12000, "up_to draws the credit line")
    is_(world.do("withdrawal", wallet_id=1, amount_mode="all"), "insufficient_funds", "all takes own money alone")
    is_(world.do("withdrawal", wallet_id=1, amount_mode="all", amount="1"), "invalid_amount_mode", "all takes no amount")
    world.set_limits(2, None, "120")
    is_(pay(world, 1, 2, "1"), "balance_limit", "a ceiling stops credits")
    is_(isinstance(pay(world, 2, 1, "1"), int), True, "and no debits")
    for arguments, code in (((1, None, None), "missing_member"), ((2, "121", None), "floor_above_ceiling"), ((9, "1", None), "wallet_not_found")):
        try:
            found = world.set_limits(*arguments)
        except Refused as refused:
            found = refused.code
        is_(found, code, f"wallet_set_limits{arguments}")


def queue():
    world = World("100", "0")

    def ask(kind, key=None, **more):
        request = world.enqueue(kind, Payload(tuple((name, str(value)) for name, value in more.items())), key)
        world.learn()
        return request

    first = ask("hold", user_id=1, source_wallet_id=1, dest_wallet_id=2, amount=60)
    taken = ask("capture", user_id=2, hold_handshake_id=f'"{first.handshake}"', amount=20)
    others = ask("capture", user_id=1, hold_handshake_id=f'"{first.handshake}"')
    world.process()
    is_([world.outcomes[each].code for each in (first, taken, others)], ["processed", "processed", "not_owner"], "a hold named by its handshake")
    refused = ask("hold", user_id=1, source_wallet_id=1, dest_wallet_id=2, amount=600)
    after = ask("capture", user_id=2, hold_handshake_id=f'"{refused.handshake}"')
    world.process()
    is_(world.outcomes[after].code, "hold_not_found", "the hold was refused")
    is_(ask("deposit", "k", wallet_id=1, amount="1.0") is ask("deposit", "k", wallet_id=1, amount="1"), True, "the same key")


class Random(Chance, World):
    def __init__(self, seed):
        World.__init__(self, "1000", "500", "50", "0", "100000")
        self.random, self.model, self.with_worker = seeded(seed), self, False
        self.known_rows, self.known_groups, self.keyed = [], [], []


def conserved(seed):
    """Random operations: whatever they do, the sum of all is 0, and no state is impossible."""
    world = Random(seed)
    done = 0
    for _ in range(3000):
        kind = world.one_of({"transaction": 20, "deposit": 8, "withdrawal": 6, "hold": 15, "capture": 12, "void": 5, "hold_extend": 5, "reversal": 10, "group": 12, "group_reversal": 4})
        try:
            world.call(direct_operation(kind, world.members(kind)[1]), None)
            done += 1
        except Refused:
            pass
        known = len(world.transfers)
        world.learn()
        new = [row for row in world.journal[known:]]
        world.known_rows += [row.id for row in new]
        world.known_groups += [row for row in new if row.group is row]
        if world.chance(3):
            world.clock = Moment(world.clock.at + world.random.randint(-40, 50) * HOUR)
        if world.chance(2):
            try:
                world.set_limits(world.random.randint(1, 5), world.random.choice(["-100", "0", "10"]), None)
            except Refused:
                pass
    outside = sum(row.amount * ((row.source_id is None) - (row.destination_id is None)) for row in world.journal if row.kind not in ("hold", "void", "hold_extend"))
    total = sum(wallet.balance for wallet in world.wallets.values())
    is_(total, outside, f"seed {seed}: {done} operations, no money made or lost")
    wrong = [hold for hold in world.holds.values() if hold.rest < 0 or hold.captured < 0 or (hold.rest == 0) != (hold.state != "open") or hold.captured > hold.max_capture]
    tap.ok(not wrong, f"seed {seed}: {len(world.holds)} holds in a state that can be", wrong[:3])
    over = [row for row, amount in world.reversed.items() if amount > row.amount]
    tap.ok(not over, f"seed {seed}: {len(world.reversed)} transfers, none reversed beyond its amount", over[:3])


for part in (holds, moments, reversals, groups, modes_and_limits, queue):
    part()
for number in range(3):
    conserved(number)
tap.done()
