#!/bin/bash
# extra.sh: what a request has no column for, and moments, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program extra_test
