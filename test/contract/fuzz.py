#!/usr/bin/env python3
"""schemathesis reads the document of a running server, and sends what it makes of it: valid requests
must be accepted, invalid ones refused, and every answer must be as the document says.

The document is that of OpenAPI 3.2, made from what the server sends: 3.1 has no word for QUERY. What
must differ stands in baseline.json with a reason. Each entry has a request that shows the difference:
an entry that the server or the document has overtaken fails this test.

CONTRACT_SECONDS is how long it sends random requests, SEED gives them back.
"""
import base64
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here / "lib"))
from contract import Document, ask, done, ok  # noqa: E402

seconds = int(os.environ.get("CONTRACT_SECONDS") or 60)
seed = os.environ.get("SEED") or "1"
document = Document()
baseline = json.loads((here / "baseline.json").read_text())


def create(user, amount):
    """A user's new wallet; another user's, where the user has one from a run before."""
    answer = ask("POST", "/api/v1/wallet", body={"user_id": user, "amount": amount}, headers={"Prefer": "wait=30"}).json()
    if answer["status"] == "rejected":
        return create(random.randrange(2**40, 2**52), amount)
    return user, answer["wallet_id"], answer["handshake_id"]


# The ids that random requests try first have something behind them.
user, wallet, handshake = create(1, 7100)
_, other, _ = create(2, 0.5)
for kind in ("deposit", "withdrawal"):
    ask("POST", f"/api/v1/{kind}", body={"user_id": user, "wallet_id": wallet, "amount": 1}, headers={"Prefer": "wait=30"})
names = {"$user": str(user), "$wallet": str(wallet), "$handshake": handshake}


def named(value):
    for name, real in names.items():
        value = value.replace(name, real)
    return value


def send(request):
    """The request of a baseline's entry: (what the document finds wrong with it, the answer)."""
    method, path, headers = request["method"], request["path"], request.get("headers")
    query = {name: named(value) for name, value in request.get("query", {}).items()}
    text = request.get("body")
    if text == "too many":
        payment = {"user_id": user, "source_wallet_id": wallet, "dest_wallet_id": other, "trans_sum": 1}
        text = json.dumps([payment] * 8193)
    if text == "too large":
        text = json.dumps({"user_id": user, "wallet_id": wallet, "amount": "1" * 8192})
    text = named(text) if text else None
    body = json.loads(text) if text else None
    return document.request_faults(method, path, query, body, headers), ask(method, path, query, text, headers)


def is_meant(entry, operation, check, status, code, detail):
    return (
        entry["check"] == check
        and operation in entry["operations"]
        and entry.get("code", code) == code
        and entry.get("status", status) == status
        and (entry.get("detail") or "") in (detail or "")
    )


def text_of(answer):
    """(code, detail) of a problem."""
    try:
        problem = json.loads(answer)
        return problem.get("code"), problem.get("detail")
    except (ValueError, AttributeError):
        return None, None


for entry in baseline:
    label = f"{entry['check']} {entry.get('code') or entry['status']}"
    if "before" in entry:
        send(entry["before"])
    faults, answer = send(entry["sample"])
    sample = f"{entry['sample']['method']} {entry['sample']['path']}"
    code, detail = text_of(answer.bytes)
    meant = is_meant(entry, sample, entry["check"], answer.status, code, detail)
    valid = entry["check"] == "positive_data_acceptance"
    ok(
        meant and valid == (not faults) and len(entry["reason"]) > 20,
        f"the baseline is not stale: {label}",
        f"the document finds {faults or 'nothing'} wrong with {sample}",
        f"the server answers {answer.status} {answer.bytes[:300]}",
    )


def for_schemathesis():
    """The document with the example of X-Wallet-Position as a value of its own, which allows nothing more.

    schemathesis makes up header fields of letters and digits alone. Where a pattern wants others it has no
    valid value, and sends a wrong one with everything, as if that were valid.
    """
    text = document.as_3_2()
    position = text["components"]["parameters"]["WalletPosition"]
    position["schema"] = {"anyOf": [{"const": position["example"]}, position["schema"]]}
    return text


def run(phases, *more):
    """schemathesis's own exit status, and the events that it reports."""
    program = Path(sys.executable).parent / "schemathesis"
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "openapi.json").write_text(json.dumps(for_schemathesis()))
        command = [program, "run", "openapi.json", "--url", os.environ["WALLET_URL"] + "/", "--checks", "all"]
        command += ["--phases", phases, "--continue-on-failure", "--seed", seed, "--no-color"]
        command += ["--request-timeout", "30", "--report", "ndjson", "--report-ndjson-path", "events", *more]
        result = subprocess.run(command, cwd=work, text=True, capture_output=True)
        lines = (Path(work) / "events").read_text().splitlines() if (Path(work) / "events").exists() else []
    return result, [json.loads(line) for line in lines]


def mismatches(events):
    """How many requests were sent; for each kind of failed check that the baseline does not know one example."""
    count, found = 0, {}
    paths = document.text["paths"]
    for event in events:
        recorder = event.get("ScenarioFinished", {}).get("recorder", {})
        count += len(recorder.get("cases", {}))
        for case, checks in recorder.get("checks", {}).items():
            method = recorder["cases"][case]["value"]["method"]
            operation = f"{method} {recorder['label'].split(' ', 1)[1]}"
            interaction = recorder.get("interactions", {}).get(case, {})
            response = interaction.get("response") or {}
            content = base64.b64decode((response.get("content") or {}).get("$base64", ""))
            code, detail = text_of(content)
            for check in checks:
                status = response.get("status_code")
                if check["status"] == "success":
                    continue
                # GET with a body is QUERY, also where the document shows QUERY alone.
                shows_query = "x-query" in paths.get(operation.split(" ", 1)[1], {})
                if check["name"] == "unsupported_method" and method == "GET" and shows_query:
                    continue
                if check["name"] == "allow_header_conformance" and method == "OPTIONS" and shows_query:
                    continue
                if any(is_meant(entry, operation, check["name"], status, code, detail) for entry in baseline):
                    continue
                request = interaction.get("request", {})
                sent = base64.b64decode((request.get("body") or {}).get("$base64", ""))
                message = re.sub(r"\s+", " ", json.dumps(check.get("failure_info") or check))[:600]
                found.setdefault(
                    (operation, check["name"], status, code),
                    f"{request.get('method')} {request.get('uri')} {request.get('headers')} {sent[:600]}\n"
                    f"-> {status} {content[:600]}\n{message}",
                )
    return count, found


for phases, more, count_min in (
    ("examples,coverage", (), 400),
    # Its time begins when it starts, which takes some seconds.
    ("fuzzing", ("--max-time", str(seconds + 8)), seconds // 2),
):
    result, events = run(phases, *more)
    count, found = mismatches(events)
    finished = any("EngineFinished" in event for event in events)
    errors = [event for event in events if "NonFatalError" in event or "FatalError" in event]
    ok(
        finished and not errors and result.returncode in (0, 1) and count >= count_min,
        f"{phases}: schemathesis sent {count} requests",
        result.stdout[-2000:],
        result.stderr[-2000:],
        *errors[:3],
    )
    ok(not found, f"{phases}: document and server agree", f"seed {seed}", *(
        f"{' '.join(map(str, key))}\n{text}" for key, text in found.items()))
done()
