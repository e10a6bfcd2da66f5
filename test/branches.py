#!/usr/bin/env python3
"""branches.py FILE [FUNCTION...]: from gcov's JSON on standard input, how many branches of a
source file, or of some functions in it, were taken and how many there are; then one line for each
branch that was not."""
import json
import sys

name, functions = sys.argv[1], set(sys.argv[2:])
taken = total = 0
never = []
for text in sys.stdin:
    for file in json.loads(text)["files"]:
        if not file["file"].endswith(name):
            continue
        for line in file["lines"]:
            if functions and line.get("function_name") not in functions:
                continue
            for branch in line["branches"]:
                total += 1
                if branch["count"]:
                    taken += 1
                else:
                    never.append(f"{name}:{line['line_number']}: a branch was never taken")
print(taken, total)
print("\n".join(never))
