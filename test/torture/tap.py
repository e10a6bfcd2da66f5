"""tap.py: Test Anything Protocol: ok, skip, done."""

import sys

_count = _failed = 0


def note(*words):
    print("#", *words, flush=True)


def ok(good, name, *details):
    global _count, _failed
    _count += 1
    _failed += not good
    print(f"{'ok' if good else 'not ok'} {_count} - {name}", flush=True)
    for detail in () if good else details[:20]:
        print(f"#   {detail}", file=sys.stderr, flush=True)


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(_failed > 0)
