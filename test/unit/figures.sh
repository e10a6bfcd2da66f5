#!/bin/bash
# figures.sh: which figures `make bench` takes, and what the report says of them. Nothing is measured.
# shellcheck source=bench/http.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bench/http.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
trap - EXIT

work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_figures.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- which are taken ------------------------------------------------------------------------
taken() { # FIGURES: the samples that they need
    FIGURES=$1
    settings full
    printf '%s\n' "${!chosen[@]}" | sort | xargs
}
is 'a figure is taken with its yardsticks' "$(taken 4)" 'bare_insert direct tpcb'
is 'it has a name as well as a number' "$(taken whole)" "$(taken 16)"
is 'some figures' "$(taken '13 whole')" 'disk_bytes tpcb whole'
is 'all figures' "$(taken '')" "$(taken "$(seq 20 | xargs)")"
is 'no such figure' "$(taken '1 21' 2>&1)" 'pg_wallet: FIGURES: there is no figure 21'
is 'a number of seconds' "$(TAKE_S=5 && settings full && echo "$seconds")" 5
is 'no number of seconds' "$(TAKE_S=five && settings full 2>&1)" 'pg_wallet: TAKE_S=five is not a number'

# --- what is said of them -------------------------------------------------------------------
# Figures that have to reach a ratio, with what they must reach and their aim; then those that
# have to stay within a bound.
above='1 drain tpcb 85 130
2 drain_many tpcb 7 20
3 drain_many_hot drain_many 1.0 1.3
4 direct bare_insert 0.78 0.9
5 direct_hot tpcb_hot 1.5 4
6 enqueue tpcb 90 140
7 post post_bare 0.42 0.6
8 bulk tpcb 60 90
9 get get_bare 0.45 0.7
11 drain_full drain_fresh 0.8 0.95
12 drain_held drain_unheld 0.7 0.9
16 whole tpcb 72 108
17 many_8000 tpcb 75 120
17 many_1000 tpcb 50 72
18 holds drain 0.7 0.9
19 groups drain 0.8 1.0'
below='10 latency_p50 10 3
10 latency_p99 50 15
13 disk_bytes 260 200
14 wal_bytes 330 280
15 worker_memory 256 256
15 shim_memory 256 256
20 expire_s 30 15
20 expire_p99 50 15'

# shellcheck disable=SC2034 # must and aim are read as ${!1}
results() { # must|aim: the lines of a run in which each figure is just that
    local number name yardstick must aim
    printf '%s\n' quick=0 figures= runs=1 scale=50 transfers=1000 filled=1 hold_s=1 idle=1 cores=2 postgresql=15
    printf '%s=100\n' {drain_hot,direct_by_tpcb}{,_min,_max,_ratio,_ratio_min,_ratio_max}
    while read -r number name yardstick must aim; do
        printf '%s=100\n' {"$name","$yardstick"}{,_min,_max}
        printf "%s=${!1}\n" "${name}_ratio"{,_min,_max}
    done <<<"$above"
    while read -r number name must aim; do printf "%s=${!1}\n" "$name"{,_min,_max}; done <<<"$below"
}
verdicts() { # FILE: of each figure, as they come
    bash "$TOP/bench/report.sh" markdown "$1" | sed -nE 's/^\|.*\| (aim|must|NO) \|$/\1/p' | sort | uniq -c | xargs
}
results must >"$work/must"
results aim >"$work/aim"
sed 's/^whole_ratio=72/whole_ratio=71.9/' "$work/must" >"$work/missed"
sed 's/^wal_bytes=330/wal_bytes=331/' "$work/must" >"$work/wide"
sed 's/^quick=0/quick=1/' "$work/missed" >"$work/quick"
grep -vE '^(drain|bulk|post[=_]|latency|disk)' "$work/must" >"$work/some"

is 'each figure reaches its aim' "$(verdicts "$work/aim")" '24 aim'
is 'each figure is just what it must be' "$(verdicts "$work/must")" '2 aim 22 must'
is 'a ratio below' "$(verdicts "$work/missed")" '1 NO 2 aim 21 must'
is 'a size above' "$(verdicts "$work/wide")" '1 NO 2 aim 21 must'
is 'figures that were not taken have no row' "$(verdicts "$work/some")" '2 aim 10 must'
ok 'the report of good figures succeeds' bash "$TOP/bench/report.sh" table "$work/must"
is 'that of a missed one fails' "$(bash "$TOP/bench/report.sh" table "$work/missed" >/dev/null || echo failed)" failed
ok 'a quick run judges nothing' bash "$TOP/bench/report.sh" table "$work/quick"
is 'the manual has what they must reach' "$(while read -r number _ yardstick must aim; do
    grep -qxF "| $number | $must x \`$yardstick\` | $aim x |" "$TOP/docs/performance.md" || echo "$number"
done <<<"$above")" ''
is 'the picture has each figure that is judged' "$(bash "$TOP/bench/report.sh" plot "$work/must" | wc -l)" 24
done_testing
