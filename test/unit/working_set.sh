#!/bin/bash
# working_set.sh: the working set and the effects of a batch, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program working_set_test
