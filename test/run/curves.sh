#!/bin/bash
# make bench-curves: a quick run measures every curve.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
find_server

is 'no such curve' "$(CURVES='enqueue rate' bash bench/curves.sh 2>&1)" 'pg_wallet: CURVES: there is no curve rate'
ok 'a quick run' make --no-print-directory bench-curves QUICK=1 "PG_CONFIG=$PG_CONFIG"
measured() { sed -nE 's/^([a-z_]+)_[0-9]+=[0-9.]+$/\1/p' bench/results/curves.txt | sort | xargs; }
is 'measures each curve' "$(measured)" "$(sed -nE '/^curves\(\)/,/^}/s/^([a-z_]+)\|.*/\1/p' bench/curves.sh | sort | xargs)"
done_testing
