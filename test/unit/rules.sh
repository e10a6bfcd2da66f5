#!/bin/bash
# rules.sh: the rules on their own, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program rules_test
