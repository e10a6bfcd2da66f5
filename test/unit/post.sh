#!/bin/bash
# post.sh: the rules of posting on their own, built with the compiler's sanitizers; the program
# speaks TAP itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=$(mktemp "${TMPDIR:-/tmp}/post_test.XXXXXX")
trap 'rm -f "$program"' EXIT
"${CC:-cc}" -std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Iextension test/unit/post_test.c extension/rules/*.c -o "$program"
"$program"
