"""deeds.py: who reserves, captures, voids, gives back, pays in groups and closes wallets while others do harm; and what
must hold of it.

A deed has a number, a key that nobody else has, and one answer: a handshake, or the id of the first row that a direct call
has made. Merchants share the holds and captures that they know of, so that two of them capture, void or reverse the same
one. Some holds end within seconds, so that they expire while processes are killed. Some captures name the handshake of
a request that is to make the hold. A till is closed with wallet_close(), which takes no key: a row of the client's own,
written in the same transaction, says whether it was done.

    deed     AT NUMBER KIND WAY USER ABOUT          about to ask; ABOUT is what the answer is compared with
    did      AT NUMBER ANSWER                       a handshake, or a transfer
    denied   AT NUMBER CODE                         a direct call was refused: it has done nothing so far"""

import collections
import json
import time

from clients import PAUSE_S, SINGLY, Doubt, Refused, SqlClient

Deed = collections.namedtuple("Deed", "number kind way user key members")
Row = collections.namedtuple("Row", "transfer_id request_id kind source destination amount held link_id group_id group_size")
Facts = collections.namedtuple("Facts", "rows holds reversed held lookups swept", defaults=((), {}, {}, {}, {}, {}))

CALLS = {
    "hold": "wallet_hold($1::bigint, $2::bigint, $3::numeric / 100, $4::interval, idempotency_key => $5)",
    "capture": "wallet_capture($1::bigint, $2::numeric / 100, $3::boolean, idempotency_key => $4)",
    "void": "wallet_void($1::bigint, $2::numeric / 100, idempotency_key => $3)",
    "hold_extend": "wallet_hold_extend($1::bigint, $2::numeric / 100, idempotency_key => $3)",
    "reversal": "wallet_reverse($1::bigint, $2::numeric / 100, $3, idempotency_key => $4)",
    "group": "wallet_group($1::jsonb, idempotency_key => $2)",
    "group_reversal": "wallet_reverse_group($1::bigint, $2::boolean, idempotency_key => $3)",
}
# Deeds that are requests of another kind, and deeds that there is one way for.
REQUESTS = {"split": "group", "promised": "capture"}
WAYS = {"promised": "queue", "sweep": "direct"}
# What a deed has to know before: without it, it is a hold.
NEEDS = {"capture": "holds", "void": "holds", "hold_extend": "holds", "promised": "promises", "reversal": "captures", "group_reversal": "groups"}
# So many of the things that are known may be the next one's.
KNOWN = 60
RESERVING = ("hold", "void", "hold_extend", "expiry")
OVER = {"capture": "captured", "void": "voided", "expiry": "expired"}


def money(cents):
    return None if cents is None else f"{cents // 100}.{cents % 100:02}"


class Merchant(SqlClient):
    """Twice in one world: they contend for what the world knows."""

    def __init__(self, world, number, of):
        super().__init__(world, number, of)
        self.done = {}  # {deed: its answer}

    def run(self):
        while not self.world.stop.is_set():
            self.do(self.new_deed())
            if self.faults != self.world.faults.value:
                self.faults = self.world.faults.value
                self.repeat()
            time.sleep(self.random.uniform(0, self.world.pause_s))
        self.repeat(len(self.done))

    def repeat(self, count=SINGLY):
        """The last ones that were answered have to get the same answer."""
        for deed in list(self.done)[-count:]:
            self.do(deed)

    def new_deed(self):
        self.count += 1
        number = self.count * self.of + self.number
        often = {"hold": 5, "capture": 4, "promised": 2, "void": 1, "hold_extend": 1, "reversal": 2, "group": 2, "split": 2, "group_reversal": 2, "sweep": 1}
        (kind,) = self.random.choices(list(often), often.values())
        if kind in NEEDS and not getattr(self.world, NEEDS[kind]):
            kind = "hold"
        user, members, *about = getattr(self, "new_" + kind)()
        way = WAYS.get(kind) or self.random.choice(["queue", "direct"])
        deed = Deed(number, kind, way, user, f"deed-{self.world.seed}-{number}", tuple(members.items()))
        self.journal.write("deed", deed.number, deed.kind, deed.way, deed.user, *about)
        return deed

    def new_hold(self):
        payer, payee = self.random.sample(self.world.wallets, 2)
        ends = self.random.choice([None, None, 1, 2, 3])
        return self.world.users[payer], {"source_wallet_id": payer, "dest_wallet_id": payee, "amount": self.random.randint(1, 500), "expires_in": ends}

    def about(self, things):
        """One of the last things that are known: (its id, payer, payee)."""
        return self.random.choice(things[-KNOWN:])

    def part(self):
        return self.random.choice([None, None, self.random.randint(1, 300)])

    def new_capture(self):
        hold, _, payee = self.about(self.world.holds)
        return self.world.users[payee], {"hold_id": hold, "amount": self.part(), "final": self.random.random() < 0.6}

    def new_promised(self):
        """Often before the hold is made: the capture waits for its turn behind it."""
        handshake, _, payee = self.about(self.world.promises)
        return self.world.users[payee], {"hold_handshake_id": handshake, "amount": self.part(), "final": self.random.random() < 0.6}, handshake

    def new_void(self):
        hold, _, payee = self.about(self.world.holds)
        return self.world.users[payee], {"hold_id": hold, "amount": self.part()}

    def new_hold_extend(self):
        hold, payer, _ = self.about(self.world.holds)
        return self.world.users[payer], {"hold_id": hold, "amount": self.random.randint(300, 900)}

    def new_reversal(self):
        transfer, _, payee = self.about(self.world.captures)
        return self.world.users[payee], {"transfer_id": transfer, "amount": self.part(), "shortfall": self.random.choice(["refuse", "available"])}

    def new_group(self):
        payer, payee, third = self.random.sample(self.world.wallets, 3)
        cents = self.random.randint(1, 300)
        leg = {"source_wallet_id": payer, "dest_wallet_id": payee}
        legs = [{"kind": "transaction", **leg, "trans_sum": money(cents)}, {"kind": "fee", **leg, "dest_wallet_id": third, "amount": money(cents)},
                {"kind": "hold", **leg, "amount": money(cents)}]  # fmt: skip
        return self.world.users[payer], {"legs": json.dumps(legs)}

    def new_group_reversal(self):
        group, _, payee = self.about(self.world.groups)
        keep_fees = self.random.random() < 0.5
        return self.world.users[payee], {"group_id": group, "keep_fees": keep_fees}, [group, keep_fees]

    def new_split(self):
        """Of one wallet's money to three others, the rest of it to a till."""
        payer, payee, third = self.random.sample(self.world.wallets, 3)
        till = self.random.choice(self.world.tills)
        cents, parts = self.random.randint(1, 900), self.random.randint(1, 600_000)
        fixed = self.random.randint(1, cents // 3 + 1)
        part = cents * parts // 1_000_000
        # One cent has nothing left beside the fixed share, which then is all.
        shares = [(third, fixed), (payee, part), (till, cents - fixed - part)]
        split = [{"dest_wallet_id": third, "amount": money(fixed)}, {"dest_wallet_id": payee, "parts_per_million": parts},
                 {"dest_wallet_id": till, "rest": True}]  # fmt: skip
        legs = [{"kind": "transaction", "source_wallet_id": payer, "trans_sum": money(cents), "split": split}]
        return self.world.users[payer], {"legs": json.dumps(legs)}, [share for share in shares if share[1]]

    def new_sweep(self):
        till, payee = self.random.choice(self.world.tills), self.random.choice(self.world.wallets)
        return self.world.users[till], {"wallet_id": till, "sweep_to": payee}

    def do(self, deed):
        """Until there is an answer, or a refusal."""
        while True:
            try:
                answer = self.attempt(self.transact, deed)
                break
            except Refused as why:
                self.journal.write("denied", deed.number, str(why))
                return
            except Doubt:
                time.sleep(PAUSE_S)
        self.journal.write("did", deed.number, answer)
        if self.done.setdefault(deed, answer) == answer:
            self.learn(deed, answer)

    def learn(self, deed, answer):
        """What others may do with what was made: by its id after a direct call, by the handshake of a hold in the queue."""
        members = dict(deed.members)
        if deed.way == "queue":
            if deed.kind == "hold":
                self.world.promises.append((answer, members["source_wallet_id"], members["dest_wallet_id"]))
        elif deed.kind == "hold":
            self.world.holds.append((answer, members["source_wallet_id"], members["dest_wallet_id"]))
        elif deed.kind == "capture":
            self.world.captures += [(answer, payer, payee) for hold, payer, payee in self.world.holds if hold == members["hold_id"]][:1]
        elif deed.kind in ("group", "split"):
            (leg, *_) = json.loads(members["legs"])
            to = leg["split"][1] if "split" in leg else leg
            self.world.groups.append((answer, leg["source_wallet_id"], to["dest_wallet_id"]))
        elif deed.kind == "sweep" and answer:
            self.world.captures.append((answer, members["wallet_id"], members["sweep_to"]))

    def sweep(self, deed, till, sweep_to):
        """The sweep's row, or 0 where the till had no money, or was closed. The till's last row is this sweep's, unless a
        row of swept names it already: whoever closes the till next waits until that row is committed."""
        rows = self.connection.query("SELECT transfer_id FROM swept WHERE number = $1::bigint", deed.number)
        if not rows:
            self.connection.query("BEGIN")
            self.connection.query("SELECT wallet_close($1::bigint, $2::bigint)", till, sweep_to)
            rows = self.connection.query(
                "INSERT INTO swept SELECT $1::bigint, coalesce((SELECT t.transfer_id FROM wallet.wallet AS w JOIN wallet.transfer AS t"
                " ON t.transfer_id = w.last_transfer_id WHERE w.wallet_id = $2::bigint AND t.kind = wallet.kind_number('sweep')"
                " AND t.source_wallet_id = w.wallet_id AND NOT EXISTS (SELECT FROM swept AS s WHERE s.transfer_id = t.transfer_id)), 0)"
                " RETURNING transfer_id", deed.number, till,
            )  # fmt: skip
            self.connection.query("COMMIT")
        self.connection.query("SELECT wallet_set_status($1::bigint, 'active')", till)
        return int(rows[0][0])

    def transact(self, deed):
        members = dict(deed.members)
        if deed.way == "queue":
            request = REQUESTS.get(deed.kind, deed.kind)
            ((handshake,),) = self.connection.query("SELECT wallet_enqueue($1, $2::json, $3)", request, self.payload(members, deed.user), deed.key)
            return handshake
        if deed.kind == "sweep":
            return self.sweep(deed, *members.values())
        values = [str(value).lower() if isinstance(value, bool) else value for value in members.values()]
        if deed.kind == "hold" and values[3]:
            values[3] = f"{values[3]} s"
        rows = self.connection.query(f"SELECT transfer_id FROM {CALLS[REQUESTS.get(deed.kind, deed.kind)]}", *values, deed.key)
        return int(rows[0][0])

    @staticmethod
    def payload(members, user):
        given = {name: money(value) if name == "amount" else value for name, value in members.items() if value is not None}
        if "legs" in given:
            given["legs"] = json.loads(given["legs"])
        return json.dumps({"user_id": user, **given})


# --- What must hold ---


def read_facts(connection, lines):
    """What the tables say of rows that are no payments: holds and what comes of them, reversals, groups."""

    def rows(sql):
        return [[int(v) if v is not None and v.lstrip("-").isdigit() else v for v in row] for row in connection.query(sql, seconds=300)]

    owners = {line[2]: (REQUESTS.get(line[3], line[3]), line[5]) for line in lines if line[0] == "deed"}
    asked = sorted({(*owners[line[2]], line[3]) for line in lines if line[0] == "did" and isinstance(line[3], str)})
    lookups = {}
    for at in range(0, len(asked), 5000):
        kinds, users, digits = ("{%s}" % ",".join(map(str, column)) for column in zip(*asked[at : at + 5000]))
        for handshake, state, transfer in connection.query(
            "SELECT h.digits, a.state, a.transfer_id FROM wallet_lookup_many($1::text[], $2::bigint[], $3::text[]) AS a"
            " JOIN unnest($3::text[]) WITH ORDINALITY AS h (digits, ordinal) USING (ordinal)", kinds, users, digits, seconds=300,
        ):  # fmt: skip
            lookups[handshake] = (state, transfer and int(transfer))
    return Facts(
        [Row(*row) for row in rows(
            "SELECT transfer_id, request_id, wallet.kind_name(kind), source_wallet_id, destination_wallet_id, amount, coalesce(held, 0),"
            " link_id, group_id, group_size FROM wallet.transfer WHERE kind <> wallet.kind_number('deposit') ORDER BY 1")],
        {hold: (source, rest, captured, state) for hold, source, rest, captured, state in rows(
            "SELECT hold_id, source_wallet_id, rest, captured, (ARRAY['open', 'captured', 'voided', 'expired'])[state + 1] FROM wallet.hold")},
        dict(rows("SELECT transfer_id, amount FROM wallet.reversed")),
        dict(rows("SELECT wallet_id, held FROM wallet.wallet")),
        lookups,
        dict(rows("SELECT number, transfer_id FROM swept")),
    )  # fmt: skip


def check_holds(facts):
    """The rows of each hold, one after the other, lead to what the table says; after the last nothing more comes."""
    rests, captured, states, held = {}, collections.Counter(), {}, collections.Counter()
    for row in facts.rows:
        hold = row.transfer_id if row.kind == "hold" else row.link_id
        if row.kind == "hold":
            rests[hold], states[hold] = row.amount, "open"
            held[row.source] += row.amount
        elif row.kind in ("capture", "void", "hold_extend", "expiry"):
            if states.get(hold) != "open":
                yield f"transfer {row.transfer_id}: {row.kind} of hold {hold}, which is {states.get(hold)}"
                continue
            # What a row releases is told by the sum that the source holds afterwards.
            released = held[row.source] - row.held
            held[row.source] = row.held
            rests[hold] -= released
            captured[hold] += row.amount if row.kind == "capture" else 0
            if row.kind in ("void", "expiry") and released != row.amount:
                yield f"transfer {row.transfer_id}: {row.kind} of {row.amount} releases {released}"
            if rests[hold] < 0:
                yield f"hold {hold}: {rests[hold]} are left after transfer {row.transfer_id}"
            if rests[hold] == 0:
                states[hold] = OVER.get(row.kind)
        elif row.source in held and row.held != held[row.source]:
            yield f"transfer {row.transfer_id}: wallet {row.source} holds {row.held}, its holds say {held[row.source]}"
    for hold in rests.keys() | facts.holds.keys():
        told = facts.holds.get(hold, (None,))[1:]
        walked = (rests.get(hold), captured[hold], states.get(hold))
        if told != walked:
            yield f"hold {hold}: the table says {told}, its rows {walked}"
    for wallet, amount in facts.held.items():
        if amount != held[wallet]:
            yield f"wallet {wallet}: holds {amount}, its holds say {held[wallet]}"


def check_reversals(facts):
    amounts = {row.transfer_id: row.amount for row in facts.rows}
    sums = collections.Counter()
    for row in facts.rows:
        if row.kind == "reversal":
            sums[row.link_id] += row.amount
    for transfer in sums.keys() | facts.reversed.keys():
        if sums[transfer] > amounts.get(transfer, 0):
            yield f"transfer {transfer} over {amounts.get(transfer)}: {sums[transfer]} were refunded"
        if sums[transfer] != facts.reversed.get(transfer):
            yield f"transfer {transfer}: reversals of {sums[transfer]}, the table says {facts.reversed.get(transfer)}"


def check_groups(facts):
    """All rows of a group are there, and one request at the most."""
    groups = collections.defaultdict(list)
    for row in facts.rows:
        if row.group_id:
            groups[row.group_id].append(row)
    for group, rows in groups.items():
        if rows[0].transfer_id != group or rows[0].group_size != len(rows) or any(row.group_size or row.request_id for row in rows[1:]):
            yield f"group {group}: {len(rows)} rows, the first says {rows[0].group_size}"


def check_sweeps(facts):
    """A sweep takes all that the till had, which had nothing at first; and each has the client's own row."""
    balances = collections.Counter()
    for row in facts.rows:
        if row.kind not in RESERVING:
            balances[row.source] -= row.amount
            balances[row.destination] += row.amount
        if row.kind == "sweep" and balances[row.source]:
            yield f"transfer {row.transfer_id}: the sweep of wallet {row.source} leaves {balances[row.source]}"
    own = collections.Counter(transfer for transfer in facts.swept.values() if transfer)
    swept = collections.Counter(row.transfer_id for row in facts.rows if row.kind == "sweep")
    if own != swept:
        yield f"sweeps {sorted((own - swept) + (swept - own))}: the client's own rows and the journal differ"


def is_answer(kind, row):
    """Can a deed of this kind have made the row, as the first of its rows?"""
    if row is None:
        return False
    if kind in ("group", "split", "group_reversal"):
        return row.group_id == row.transfer_id and (row.kind == "reversal") == (kind == "group_reversal")
    return row.kind == REQUESTS.get(kind, kind) and row.group_id != row.transfer_id


class Told:
    """What answers are compared with: the rows by their ids and groups, and how much of each is reversed."""

    def __init__(self, facts):
        self.facts = facts
        self.rows = {row.transfer_id: row for row in facts.rows}
        self.groups, self.reversed = collections.defaultdict(list), collections.Counter()
        for row in facts.rows:
            if row.group_id:
                self.groups[row.group_id].append(row)
            if row.kind == "reversal":
                self.reversed[row.link_id] += row.amount

    def split(self, transfer, shares):
        found = [(row.destination, row.amount) for row in self.groups[transfer]]
        if sorted(found) != sorted(map(tuple, shares)):
            yield f"the split {transfer} has moved {found}, was to move {shares}"

    def promised(self, transfer, handshake):
        hold, link = self.facts.lookups.get(handshake, (None, None)), self.rows[transfer].link_id
        if hold != ("processed", link):
            yield f"transfer {transfer} captures hold {link}, of which the handshake says {hold}"

    def group_reversal(self, transfer, about):
        """Nothing may be left, and nothing of others be reversed."""
        group, keep_fees = about
        members = {row.transfer_id for row in self.groups[group]}
        others = [row.link_id for row in self.groups[transfer] if row.kind != "reversal" or row.link_id not in members]
        if others:
            yield f"the reversal {transfer} of group {group} reverses {others}"
        for row in self.groups[group]:
            left = row.amount - self.reversed[row.transfer_id]
            if left and row.kind not in RESERVING and not (keep_fees and row.kind == "fee"):
                yield f"the reversal {transfer} of group {group} leaves {left} of transfer {row.transfer_id}"


def check_deeds(lines, facts):
    """Each deed has one answer, and is done once at the most; nothing is done that nobody asked for."""
    deeds, answers, told = {}, collections.defaultdict(set), Told(facts)
    for line in lines:
        if line[0] == "deed":
            deeds[line[2]] = (line[3], *line[6:])
        elif line[0] == "did":
            answers[line[2]].add(line[3])
    asked = set()
    for number, found in answers.items():
        kind, *about = deeds[number]
        if len(found) > 1:
            yield f"deed {number}: {len(found)} different answers"
        for answer in found:
            state, transfer = facts.lookups.get(answer, (None, None)) if isinstance(answer, str) else ("processed", answer)
            if kind == "sweep" and answer != facts.swept.get(number):
                yield f"deed {number}: told sweep {answer}, the client's own row says {facts.swept.get(number)}"
            if state not in ("processed", "rejected"):
                yield f"deed {number}: its handshake says {state}"
            elif state == "processed" and (kind, transfer) != ("sweep", 0):
                row = told.rows.get(transfer)
                if not is_answer(kind, row):
                    yield f"deed {number}: {kind} as transfer {transfer}, which is {row and row.kind}"
                elif transfer in asked:
                    yield f"transfer {transfer}: two deeds"
                elif about:
                    yield from (f"deed {number}: {fault}" for fault in getattr(told, kind)(transfer, *about))
                asked.add(transfer)
    for row in facts.rows:
        if row.kind not in ("transaction", "expiry") and (row.group_id or row.transfer_id) not in asked:
            yield f"transfer {row.transfer_id}: {row.kind} that nobody asked for"


def check(lines, facts):
    for part in (check_holds(facts), check_reversals(facts), check_groups(facts), check_sweeps(facts), check_deeds(lines, facts)):
        yield from part


def summary(lines, facts):
    kinds = collections.Counter(row.kind for row in facts.rows)
    states = collections.Counter(state for *_, state in facts.holds.values())
    words = collections.Counter(line[0] for line in lines)
    done = collections.Counter(line[3] for line in lines if line[0] == "deed")
    return (f"{words['deed']} deeds {dict(sorted(done.items()))}, {words['did']} answers, {words['denied']} denied;"
            f" rows: {dict(sorted(kinds.items()))}; holds: {dict(sorted(states.items()))}")  # fmt: skip
