#!/bin/bash
# kinds.sh: the table of kinds, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program kinds_test
