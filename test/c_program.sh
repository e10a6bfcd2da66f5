# shellcheck shell=bash
# Builds a test program in C, with the rules and the compiler's sanitizers, and runs it. To be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run_program() { # NAME [WORD...]: of test/unit/NAME.c, which speaks TAP itself, and more words for the compiler
    program=$(mktemp "${TMPDIR:-/tmp}/$1.XXXXXX")
    trap 'rm -f "$program"' EXIT
    "${CC:-cc}" -std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
        -Iextension "test/unit/$1.c" "${@:2}" extension/rules/*.c -o "$program"
    "$program"
}
