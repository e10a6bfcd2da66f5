#!/bin/bash
# number.sh: how amounts and ids are read and written, without a server.
# shellcheck source=test/c_program.sh
. "$(dirname "${BASH_SOURCE[0]}")/../c_program.sh"
run_program number_test
