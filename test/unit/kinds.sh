#!/bin/bash
# kinds.sh: the table of kinds and the bytes that fingerprints are made from, built with the compiler's
# sanitizers; the program speaks TAP itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=$(mktemp "${TMPDIR:-/tmp}/kinds_test.XXXXXX")
trap 'rm -f "$program"' EXIT
"${CC:-cc}" -std=c11 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Iextension test/unit/kinds_test.c extension/rules/*.c -o "$program"
"$program"
