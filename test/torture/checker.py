"""checker.py: compares what clients were told with what the tables hold.

It believes neither: check() takes the journals' lines and the tables, both as plain data, and
returns every way in which they contradict each other. It uses nothing of the system's own
reckoning but reports what wallet_verify() found, too."""

import collections

Tables = collections.namedtuple("Tables", "requests transfers outcomes wallets initial application lookups verify")


def read_tables(connection, initial, handshakes):
    """initial: {wallet: cents} before the first payment."""

    def rows(sql, *values):
        return [[None if v is None else int(v) for v in row] for row in connection.query(sql, *values, seconds=300)]

    lookups = {}
    for at in range(0, len(handshakes), 5000):
        some = handshakes[at : at + 5000]
        users, digits = zip(*some)
        for handshake, state, code, transfer in connection.query(
            "SELECT h.digits, a.state, a.code, a.transfer_id FROM wallet_lookup_many("
            "array_fill('transaction'::text, ARRAY[cardinality($2::text[])]), $1::bigint[], $2::text[]) AS a "
            "JOIN unnest($2::text[]) WITH ORDINALITY AS h (digits, ordinal) USING (ordinal)",
            "{%s}" % ",".join(map(str, users)),
            "{%s}" % ",".join(digits),
            seconds=300,
        ):
            lookups[handshake] = (state, code, transfer and int(transfer))
    return Tables(
        rows(
            "SELECT request_id, source_wallet_id, destination_wallet_id, (amount * 10::numeric ^ (2 - amount_scale))::bigint"
            " FROM wallet.request WHERE kind = wallet.kind_number('transaction')"
        ),
        rows(
            "SELECT transfer_id, request_id, source_wallet_id, destination_wallet_id, amount FROM wallet.transfer"
            " WHERE kind = wallet.kind_number('transaction') AND group_id IS NULL"
        ),
        [(int(request), code) for request, code in connection.query(
            "SELECT o.request_id, o.code FROM wallet.outcome AS o JOIN wallet.request AS r USING (request_id)"
            " WHERE r.kind = wallet.kind_number('transaction')", seconds=300)],
        dict(rows("SELECT wallet_id, balance FROM wallet.wallet")),
        initial,
        rows("SELECT cents, transfer_id FROM application"),
        lookups,
        connection.query("SELECT name, detail FROM wallet_verify() WHERE NOT ok", seconds=300),
    )


class Payment:
    def __init__(self, way, source, destination):
        self.way, self.ends = way, (source, destination)
        self.handshakes, self.paid, self.told = set(), set(), set()
        self.refused = self.doubt = False
        self.requests, self.transfers = [], []


def read_payments(lines):
    """{cents: Payment}, and what is wrong with the journals alone."""
    payments, faults = {}, []
    lines = list(lines)
    for word, _, cents, *rest in lines:
        if word == "op":
            way, _, source, destination = rest
            payments[cents] = Payment(way, source, destination)
    for word, _, cents, *rest in lines:
        if word == "ack":
            payments[cents].handshakes.add(rest[0])
        elif word == "told":
            payments[cents].told.add(tuple(rest))
        elif word == "paid":
            payments[cents].paid.add(rest[0])
        elif word == "refused":
            payments[cents].refused = True
        elif word == "doubt":
            payments[cents].doubt = True
        elif word == "unclean":
            faults.append(f"payment {cents}: an unclean answer: {rest[0]}")
    return payments, faults


def check_snapshots(lines, total):
    seen = [(row[2], row[3], row[4]) for row in lines if row[0] == "seen"]
    faults = [f"a snapshot shows {inside} in all wallets, {outside} outside, instead of {total}"
              for inside, _, outside in seen if (inside, outside) != (total, -total)]
    return faults + [f"a snapshot shows a balance of {least}" for _, least, _ in seen if least < 0]


def check_queued(cents, payment, endings, lookups):
    """What became of a payment through the queue."""
    if len(payment.handshakes) > 1:
        yield f"payment {cents}: {len(payment.handshakes)} different handshakes"
    if payment.handshakes and not payment.requests:
        yield f"payment {cents}: acknowledged, and lost"
    if payment.requests and not payment.handshakes and not payment.doubt:
        yield f"payment {cents}: stored, though nobody was told so"
    if len(payment.requests) > 1:
        yield f"payment {cents}: stored {len(payment.requests)} times"
    for request in payment.requests:
        if len(endings[request]) != 1:
            yield f"payment {cents}: its request has {len(endings[request])} outcomes"
    ending = [end for request in payment.requests for end in endings[request]]
    if any(told not in ending for told in payment.told):
        yield f"payment {cents}: a client was told {payment.told}, the tables say {ending}"
    for handshake in payment.handshakes:
        state, code, transfer = lookups.get(handshake, (None, None, None))
        if state not in ("processed", "rejected") or (code, transfer) not in ending:
            yield f"payment {cents}: its handshake says {state} {code} {transfer}, the tables say {ending}"


def check_direct(cents, payment, application):
    """What became of a payment in a client's own transaction, together with the client's own row."""
    transfers = [transfer for transfer, _ in payment.transfers]
    if len(payment.paid) > 1:
        yield f"payment {cents}: paid as {payment.paid}"
    if payment.paid and set(transfers) != payment.paid:
        yield f"payment {cents}: committed as {payment.paid}, the journal has {transfers}"
    if transfers and not payment.paid and not payment.doubt:
        yield f"payment {cents}: money moved, though nobody was told so"
    if application.get(cents, []) != transfers:
        yield f"payment {cents}: the client's own rows say {application.get(cents, [])}, the journal {transfers}"
    if payment.requests:
        yield f"payment {cents}: a direct one, stored in the queue"


def check(lines, tables, others=()):
    """Every contradiction, in words; an empty list when all is well. Others are rows of the journal that moved money and
    are no payments: (source, destination, cents)."""
    lines = list(lines)
    payments, faults = read_payments(lines)
    faults += check_snapshots(lines, sum(tables.initial.values()))
    faults += [f"wallet_verify(): {name}: {detail}" for name, detail in tables.verify]
    endings, application = collections.defaultdict(list), collections.defaultdict(list)
    balances = dict(tables.initial)

    for source, destination, cents in others:
        balances[source] -= cents
        balances[destination] += cents
    for request, source, destination, cents in tables.requests:
        if cents not in payments or payments[cents].ends != (source, destination):
            faults.append(f"request {request} over {cents}: nobody asked for it")
        else:
            payments[cents].requests.append(request)
    for transfer, request, source, destination, cents in tables.transfers:
        balances[source] -= cents
        balances[destination] += cents
        if request is not None:
            endings[request].append(("processed", transfer))
        if cents not in payments or payments[cents].ends != (source, destination):
            faults.append(f"transfer {transfer} over {cents}: nobody asked for it")
        else:
            payments[cents].transfers.append((transfer, request))
    for request, code in tables.outcomes:
        endings[request].append((code, None))
    for cents, transfer in tables.application:
        application[cents].append(transfer)

    for cents, payment in payments.items():
        if len(payment.transfers) > 1:
            faults.append(f"payment {cents}: moved {len(payment.transfers)} times")
        if payment.refused and (payment.handshakes or payment.paid):
            faults.append(f"payment {cents}: acknowledged, and refused when it was sent again")
        if payment.way == "direct":
            faults += check_direct(cents, payment, application)
        else:
            faults += check_queued(cents, payment, endings, tables.lookups)
            if any(request not in payment.requests for _, request in payment.transfers):
                faults.append(f"payment {cents}: moved past its request")
    known = {request for request, *_ in tables.requests}
    faults += [f"an outcome of request {request}, which is not there" for request in endings.keys() - known]
    if balances != tables.wallets:
        wrong = {w for w in balances.keys() | tables.wallets.keys() if balances.get(w) != tables.wallets.get(w)}
        faults.append(f"the balances of the wallets {sorted(wrong)} are not what the journal says")
    return faults
