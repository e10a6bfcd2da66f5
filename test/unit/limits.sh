#!/bin/bash
# limits.sh: how many requests of each API key a shim takes, without a shim.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
# shellcheck disable=SC2046 # one word a flag
run_program limits_test -I. -Ishim $(pkg-config --cflags libpq) shim/api/limits.c
