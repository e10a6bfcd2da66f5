#!/bin/bash
# ledger.sh: random operations by the rules alone, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program ledger_test
