"""What the tests of this folder share: the document, its schemas as validators, requests, and TAP."""
import json
import os
import sys
import urllib.request
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import jsonschema_rs

SECONDS_MAX = 30
tests = failures = 0


def ok(good, name, *why):
    """One line of the Test Anything Protocol."""
    global tests, failures
    tests += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}", flush=True)
    for line in () if good else "\n".join(map(str, why)).splitlines():
        print(f"#   {line}", file=sys.stderr, flush=True)


def done():
    print(f"1..{tests}", flush=True)
    sys.exit(1 if failures else 0)


def url():
    return os.environ["WALLET_URL"]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.bytes = response.read()
        self.media_type = self.headers.get("content-type", "").split(";")[0]

    def json(self):
        return json.loads(self.bytes)

    def code(self):
        try:
            return self.json().get("code")
        except (ValueError, AttributeError):
            return None


def ask(method, path, query=None, body=None, headers=None, base=None):
    """One request on a connection of its own; a body that is no text is sent as JSON."""
    connection = HTTPConnection(urlsplit(base or url()).netloc, timeout=SECONDS_MAX)
    fields = dict(headers or {})
    if body is not None:
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        fields.setdefault("Content-Type", "application/json")
    target = path + ("?" + (query if isinstance(query, str) else urlencode(query)) if query else "")
    connection.putrequest(method, target, skip_accept_encoding=True)
    data = body.encode() if isinstance(body, str) else body
    if data is not None:
        connection.putheader("Content-Length", str(len(data)))
    for name, value in fields.items():
        connection.putheader(name, value)
    connection.endheaders(data)
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Document:
    def __init__(self):
        with urllib.request.urlopen(url() + "/openapi.json", timeout=SECONDS_MAX) as response:
            self.text = json.load(response)

    def as_3_2(self):
        """The same document with a word for the method QUERY."""
        text = json.loads(json.dumps(self.text))
        text["openapi"] = "3.2.0"
        for item in text["paths"].values():
            if "x-query" in item:
                item["query"] = item.pop("x-query")
        return text

    def resolved(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.text
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/")]
            node = target
        return node

    def operations(self):
        """(method, path, operation) of each."""
        for path, item in self.text["paths"].items():
            for method, operation in item.items():
                yield method.removeprefix("x-").upper(), path, operation

    def operation(self, method, path):
        item = self.text["paths"][path]
        return item.get(method.lower()) or item["x-" + method.lower()]

    def faults(self, schema, value):
        """What the schema finds wrong with a value."""
        validator = jsonschema_rs.Draft202012Validator(
            {"allOf": [schema], "components": self.text["components"]}
        )
        return [error.message for error in validator.iter_errors(value)]

    def parameters(self, operation, where):
        found = [self.resolved(parameter) for parameter in operation.get("parameters", [])]
        return {parameter["name"]: parameter for parameter in found if parameter["in"] == where}

    def request_faults(self, method, path, query=None, body=None, headers=None):
        """Where a request is not as the document wants it."""
        operation = self.operation(method, path)
        faults = []
        for where, given in (("query", query or {}), ("header", headers or {})):
            known = self.parameters(operation, where)
            faults += [f"{name} is unknown" for name in given if name not in known]
            for name, parameter in known.items():
                if name in given:
                    faults += self.faults(parameter["schema"], given[name])
                elif parameter["required"]:
                    faults.append(f"{name} is missing")
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if (content is None) != (body is None):
            faults.append("a body, or none")
        elif content is not None:
            faults += self.faults(content["schema"], body)
        return faults
