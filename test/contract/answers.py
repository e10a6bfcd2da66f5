#!/usr/bin/env python3
"""Every status that the document names is provoked on every operation that has it, and every answer is as
the document says: its status, its media type, its header fields, its members, and no others.

What cannot be provoked here stands in NOT_HERE, with the test that does it; an entry that is not needed
fails this test.
"""
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here / "lib"))
from contract import Answer, Document, ask, done, ok  # noqa: E402

NOT_HERE = {
    500: "an error of ours: test/t/faults.pl",
    410: "a request that has expired: test/http/expired.t",
}
# What every answer may have, and what only answers to other methods have.
PLAIN_FIELDS = {"date", "content-type", "content-length", "connection"}
document = Document()
seen = set()


class Shim:
    """A shim of the test's own, on the database of the one under test."""

    def __init__(self, *flags):
        program = here.parents[1] / "shim" / "wallet-shim"
        environment = {**os.environ, "PGUSER": "wallet_shim"}
        self.process = subprocess.Popen(
            [program, "--port", "0", *flags], env=environment, stderr=subprocess.PIPE, text=True
        )
        self.url = None
        for line in self.process.stderr:
            if found := re.search(r"listening on (http://\S+)", line):
                self.url = found[1]
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def sql(text):
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def names_of(schema, value):
    """The members that a schema names, in all of its branches."""
    schema = document.resolved(schema)
    names = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        names.update({name: inner for name, inner in names_of(part, value).items() if name not in names})
    for part in schema.get("oneOf", []) + schema.get("anyOf", []):
        if not document.faults(part, value):
            names.update(names_of(part, value))
    return names


def extra_members(schema, value, at=""):
    """Members of an answer that the document does not name."""
    schema = document.resolved(schema)
    if isinstance(value, list):
        return [fault for item in value for fault in extra_members(schema.get("items", {}), item, at + "[]")]
    if not isinstance(value, dict) or schema.get("properties", {}).get("openapi"):
        return []
    names = names_of(schema, value)
    faults = [f"{at}.{name} is not in the document" for name in value if name not in names]
    for name in value.keys() & names.keys():
        faults += extra_members(names[name], value[name], f"{at}.{name}")
    return faults


def field_faults(declared, answer):
    faults = []
    for name, field in declared.items():
        field = document.resolved(field)
        value = answer.headers.get(name.lower())
        if value is None:
            faults += [f"{name} is missing"] if field.get("required") else []
        else:
            kind = document.resolved(field["schema"]).get("type")
            typed = int(value) if kind == "integer" and value.isdigit() else value
            faults += [f"{name}: {fault}" for fault in document.faults(field["schema"], typed)]
    known = PLAIN_FIELDS | {name.lower() for name in declared}
    return faults + [f"{name} is not in the document" for name in answer.headers if name not in known]


def faults_of(method, path, answer):
    responses = document.operation(method, path)["responses"]
    if str(answer.status) not in responses:
        return [f"{answer.status} is not in the document"]
    response = document.resolved(responses[str(answer.status)])
    if "content" not in response:
        # libmicrohttpd's own, in HTML, of which only later versions say so.
        return [] if answer.media_type in ("", "text/html") else [f"{answer.media_type} is not in the document"]
    if answer.media_type not in response["content"]:
        return [f"{answer.media_type} is not in the document"]
    schema = response["content"][answer.media_type]["schema"]
    value = answer.json() if "json" in answer.media_type else answer.bytes.decode()
    return field_faults(response.get("headers", {}), answer) + document.faults(schema, value) + extra_members(schema, value)


def check(method, path, status, name, answer):
    seen.add((method, path, answer.status))
    faults = faults_of(method, path, answer)
    wrong = answer.status not in (status if isinstance(status, tuple) else (status,))
    ok(not faults and not wrong, f"{method} {path}: {name}", *faults, f"{answer.status} {answer.headers} {answer.bytes[:400]}")
    return answer


def check_too_much(method, path, status, **request):
    """libmicrohttpd answers this itself; later versions may close the connection instead."""
    try:
        answer = ask(method, path, **request)
    except ConnectionError:
        seen.add((method, path, status))
        ok(True, f"{method} {path}: {status}, or no answer")
    else:
        check(method, path, status, f"{status}, or no answer", answer)


# --- something to ask for -------------------------------------------------------------------

WAIT = {"Prefer": "wait=30"}
user = random.randrange(2**40, 2**52)
stranger = user + 1
made = ask("POST", "/api/v1/wallet", body={"user_id": user, "amount": 100}, headers=WAIT).json()
other = ask("POST", "/api/v1/wallet", body={"user_id": stranger, "amount": 100}, headers=WAIT).json()
payment = {"user_id": user, "source_wallet_id": made["wallet_id"], "dest_wallet_id": other["wallet_id"], "trans_sum": 1}
cash = {"user_id": user, "wallet_id": made["wallet_id"], "amount": 1}


def done_id(kind, body, name="transaction_id"):
    """The id of an operation that is carried out."""
    return ask("POST", f"/api/v1/{kind}", body=body, headers=WAIT).json()[name]


# What the other user has reserved for this one, and paid: this one captures, voids and gives back.
back = {"user_id": stranger, "source_wallet_id": other["wallet_id"], "dest_wallet_id": made["wallet_id"]}
holds = [done_id("hold", {**back, "amount": 1}) for _ in range(2)]
leg = {"kind": "fee", "source_wallet_id": made["wallet_id"], "dest_wallet_id": other["wallet_id"], "amount": 1}
paid = [{"kind": "transaction", "amount": 1, **{name: back[name] for name in ("source_wallet_id", "dest_wallet_id")}}]
bodies = {
    "/api/v1/wallet": {"user_id": user, "amount": 1},
    "/api/v1/transaction": payment,
    "/api/v1/transaction/bulk": [payment, {**payment, "trans_sum": 0}],
    "/api/v1/deposit": cash,
    "/api/v1/withdrawal": cash,
    "/api/v1/hold": {"user_id": user, "source_wallet_id": made["wallet_id"], "amount": 1, "expires_in": "1 day"},
    "/api/v1/capture": {"user_id": user, "hold_id": holds[0]},
    "/api/v1/void": {"user_id": user, "hold_id": holds[1]},
    "/api/v1/hold_extend": {"user_id": user, "hold_id": holds[1], "amount": 2},
    "/api/v1/reversal": {"user_id": user, "transfer_id": done_id("transaction", {**back, "trans_sum": 1})},
    "/api/v1/group": {"user_id": user, "legs": [leg, leg]},
    "/api/v1/group_reversal": {"user_id": user, "group_id": done_id("group", {"user_id": stranger, "legs": paid}, "group_id")},
    "/api/v1/bulk": [{**payment, "kind": "transaction"}, {"kind": "group", "user_id": user, "legs": [leg]}, {"kind": "fee"}],
}
questions = {
    "/api/v1/outcome": [{"user_id": user, "handshake_id": made["handshake_id"]}, {"user_id": user, "handshake_id": "0" * 64}],
    "/api/v1/hold/async": {"user_id": user, "hold_id": holds[0]},
    "/api/v1/wallet": {"user_id": user, "handshake_id": made["handshake_id"]},
    "/api/v1/wallet/async": {"user_id": user, "wallet_id": made["wallet_id"]},
    "/api/v1/wallet/history": {"user_id": user, "wallet_id": made["wallet_id"], "limit": 1},
}


def send(method, path, body=None, headers=None, base=None):
    """A valid request, or one with another body."""
    if method == "GET":
        return ask("GET", path, query=body or questions.get(path), headers=headers, base=base)
    default = bodies[path] if method == "POST" else questions[path]
    return ask(method, path, body=default if body is None else body, headers=headers, base=base)


# --- what is accepted -----------------------------------------------------------------------

for path in bodies:
    bulk = path.endswith("/bulk")
    check("POST", path, 202, "queued", send("POST", path))
    if not bulk:
        outcome = check("POST", path, 200, "waited for", send("POST", path, headers=WAIT)).json()
        questions.setdefault(path, {"user_id": user, "handshake_id": outcome["handshake_id"]})
        if outcome.get("transaction_id"):
            questions["/api/v1/transaction/async"] = {"user_id": user, "transaction_id": outcome["transaction_id"]}
        check("POST", path, 200, "what would become of it", ask("POST", path, query={"dry_run": "true"}, body=bodies[path]))
    poor = {"/api/v1/withdrawal": {**cash, "amount": 1000000}, "/api/v1/transaction": {**payment, "trans_sum": 1000000}}
    poor["/api/v1/hold"] = {**bodies["/api/v1/hold"], "amount": 1000000}
    poor["/api/v1/group"] = {"user_id": user, "legs": [leg, {**leg, "amount": 1000000}]}
    if path in poor:
        check("POST", path, 200, "rejected", send("POST", path, poor[path], WAIT))

everything = [(method, path) for method, path, _ in document.operations()]
reads = [(method, path) for method, path in everything if method != "POST"]
api = [(method, path) for method, path in everything if path.startswith("/api/")]
for method, path in reads:
    check(method, path, 200, "read", send(method, path))
    if method == "GET":
        with_body, without = send("GET", path), ask("HEAD", path, query=questions.get(path))
        # The counts of /metrics have grown from one to the other.
        vary = {"date", "content-length"} if path == "/metrics" else {"date"}
        fields = [{name: value for name, value in answer.headers.items() if name not in vary} for answer in (with_body, without)]
        ok(with_body.status == without.status and fields[0] == fields[1] and not without.bytes, f"HEAD {path} is GET without the body", fields)
all_of_them = [{"user_id": user, "handshake_id": questions[path]["handshake_id"]} for path in bodies if path in questions]
check("QUERY", "/api/v1/outcome", 200, "of every kind", ask("QUERY", "/api/v1/outcome", body=all_of_them))
# Links: half of what was paid is given back, and the hold is voided. What is asked for twice is refused the second time.
linked = [path for path in questions if path in bodies and path != "/api/v1/wallet"]
shown = {path: send("GET", path).json() for path in linked}
for path in ("/api/v1/transaction", "/api/v1/deposit", "/api/v1/withdrawal", "/api/v1/group"):
    done_id("reversal", {"transfer_id": shown[path].get("transaction_id") or shown[path]["group_id"], "amount": 0.5})
done_id("void", {"hold_id": shown["/api/v1/hold"]["transaction_id"]})
for method in ("GET", "QUERY"):
    for path in linked:
        answer = check(method, path, 200, "its links", send(method, path, {**questions[path], "include": "links"})).json()
        told = {name for row in [answer, *(answer.get("rows") or [])] for name in row} & {"reversed", "reversals", "links"}
        wanted = {"processed": {"links"} if path == "/api/v1/hold" else {"reversed", "reversals"}, "rejected": set()}
        ok(told == wanted[answer["status"]], f"{method} {path}: what links to it", answer)
    check(method, "/api/v1/transaction/async", 200, "its links",
        send(method, "/api/v1/transaction/async", {"user_id": user, "transaction_id": shown["/api/v1/transaction"]["transaction_id"], "include": "links"}))
including = [{**question, "include": word} for question in all_of_them for word in ("limits", "links")]
check("QUERY", "/api/v1/outcome", 200, "with what it may include", ask("QUERY", "/api/v1/outcome", body=including))
for method in ("GET", "QUERY"):
    check(method, "/api/v1/hold/async", 200, "a page", send(method, "/api/v1/hold/async", {"user_id": user, "wallet_id": made["wallet_id"], "state": "all"}))
    check(method, "/api/v1/wallet/async", 200, "its limits", send(method, "/api/v1/wallet/async", {"user_id": user, "include": "limits"}))
    check(method, "/api/v1/wallet/history", 200, "holds", send(method, "/api/v1/wallet/history", {"user_id": user, "wallet_id": made["wallet_id"], "include": "holds"}))
    check(method, "/api/v1/wallet", 202, "a read is queued", send(method, "/api/v1/wallet", {"user_id": user, "wallet_id": made["wallet_id"]}))

# A request that stays in the queue, since somebody holds its wallet.
holder = subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def hold(*statements):
    """Runs statements in a transaction that stays open."""
    holder.stdin.write("".join(f"{statement};\n" for statement in statements) + "\\echo done\n")
    holder.stdin.flush()
    while holder.stdout.readline().strip() != "done":
        pass


keys = {path: f"held{path}" for path in bodies if not path.endswith("/bulk")}
hold(
    "BEGIN",
    f"SELECT FROM wallet.wallet WHERE wallet_id = {made['wallet_id']} FOR UPDATE",
    *(f"SELECT wallet_enqueue('{path.split('/')[-1]}', '{json.dumps(bodies[path])}', '{key}')" for path, key in keys.items()),
)
for path, key in keys.items():
    check("POST", path, 409, "somebody uses the key", send("POST", path, headers={"Idempotency-Key": key}))
for path in (path for path in keys if path != "/api/v1/wallet"):
    waits = {"user_id": user, "handshake_id": send("POST", path).json()["handshake_id"]}
    for method in ("GET", "QUERY"):
        check(method, path, 202, "waits in the queue", send(method, path, waits))
hold("ROLLBACK")
holder.stdin.close()
holder.wait(30)

# --- what is refused ------------------------------------------------------------------------

UNKNOWN = {"handshake_id": "0" * 64}
for method, path in reads:
    if path.startswith("/api/") and path != "/api/v1/outcome":
        name = next(name for name in questions[path] if name != "user_id" and name != "limit")
        nobody = {**questions[path], name: UNKNOWN.get(name, 9223372036854775807)}
        check(method, path, 404, "there is none", send(method, path, nobody))

for method, path in everything:
    posts = method != "GET"
    many = path.endswith(("/bulk", "/outcome"))
    cut = "[" if many else "{"
    code = check(method, path, 400, "malformed", ask(method, path, body=cut) if posts else ask(method, path, query="%zz=1")).code()
    ok(code == ("invalid_json" if posts else "bad_request"), f"{method} {path}: {code}")
    check(method, path, 413, "too large", ask(method, path, body=b" " * (2097153 if many else 8193)))
    check(method, path, 415, "text", ask(method, path, body="x", headers={"Content-Type": "text/plain"}))
    check(method, path, 422, "a wrong member", ask(method, path, body={"colour": 1}))
    check_too_much(method, path, 414, query="x=" + "y" * 40000)
    check_too_much(method, path, 431, headers={"X-A": "y" * 20000})
    wrong = ask("DELETE", path)
    ok(wrong.status == 405 and not document.faults({"$ref": "#/components/schemas/Problem"}, wrong.json()) and "allow" in wrong.headers,
        f"DELETE {path} is not allowed", wrong.bytes)
    ok(ask("OPTIONS", path).status == 204, f"OPTIONS {path}")
check("POST", "/api/v1/transaction/bulk", 413, "too many", ask("POST", "/api/v1/transaction/bulk", body=json.dumps([1] * 8193)))
lost = ask("GET", "/api/v1/no_such_path")
ok(lost.status == 404 and not document.faults({"$ref": "#/components/schemas/Problem404"}, lost.json()), "another path")

# Without API keys: a foreign web page.
for method, path in api + [("GET", "/metrics")]:
    check(method, path, 403, "a foreign page", send(method, path, headers={"Origin": "http://evil.example"}))

slow = Shim("--auth", "off", "--request-timeout", "1")
late = []
for method, path in everything:
    connection = socket.create_connection(urlsplit(slow.url)[1].split(":"), timeout=30)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n".encode())
    late.append((method, path, connection))
for method, path, connection in late:
    from http.client import HTTPResponse

    response = HTTPResponse(connection, method=method)
    response.begin()
    check(method, path, 408, "too slow", Answer(response))
    connection.close()
slow.stop()

away = Shim("--auth", "off", "--db", "host=/nonexistent")
for method, path in api + [("GET", "/readyz")]:
    check(method, path, 503, "no database", send(method, path, base=away.url))
away.stop()

with tempfile.NamedTemporaryFile("w") as token:
    token.write("0" * 32)
    token.flush()
    locked = Shim("--auth", "required", "--metrics-token-file", token.name)
check("GET", "/metrics", 401, "no token", send("GET", "/metrics", base=locked.url))
reader = sql(f"SELECT wallet_api_key_create('read{user}', '{{read}}')")
payer = sql(f"SELECT wallet_api_key_create('pay{user}', '{{transfer,deposit}}', {stranger})")
bound = sql(f"SELECT wallet_api_key_create('bound{user}', '{{read,transfer,deposit}}', {stranger})")
hasty = sql(f"SELECT wallet_api_key_create('hasty{user}', '{{read}}', requests_per_second => 1)")
for method, path in api:
    check(method, path, 401, "no key", send(method, path, base=locked.url))
    check(method, path, 401, "a wrong key", send(method, path, headers={"Authorization": "Bearer pgw_0"}, base=locked.url))
    poor = reader if method == "POST" else payer
    check(method, path, 403, "no scope", send(method, path, headers={"Authorization": f"Bearer {poor}"}, base=locked.url))
    check(method, path, 403, "another user", send(method, path, headers={"Authorization": f"Bearer {bound}"}, base=locked.url))
    # The first that finds less than a second since one was taken: the second, as a rule.
    for _ in range(10):
        answer = send(method, path, headers={"Authorization": f"Bearer {hasty}"}, base=locked.url)
        if answer.status == 429:
            break
    check(method, path, 429, "too many", answer)
locked.stop()

# --- nothing is promised that nobody has seen -------------------------------------------------

declared = {(method, path, int(status)) for method, path, operation in document.operations() for status in operation["responses"]}
missing = {status for method, path, status in declared - seen}
ok(missing == set(NOT_HERE), "every status of the document was seen", sorted(declared - seen), sorted(NOT_HERE))
ok(not [item for item in declared & seen if item[2] in NOT_HERE], "what is not provoked here is not seen here")
done()
