#!/bin/bash
# curves.sh: when `make bench-curves` calls a point of a cost curve dearer. Samples are made up.
# shellcheck source=bench/rule.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bench/rule.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"

notes=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_curves.XXXXXX")
trap 'rm -rf "$notes"' EXIT
runs=3

# made CURVE N: the next of the samples that $samples_N has.
made() {
    local samples="samples_$2" taken=$notes/.taken_$2 all
    read -ra all <<<"${!samples}"
    echo >>"$taken"
    echo "${all[($(wc -l <"$taken") - 1) % ${#all[@]}]}"
}
take_made() { made made "$1"; }

# faults_of "SAMPLES OF 1" "OF 10" "OF 100": what the rule says of them. A point is measured three times,
# and, when it looks dearer, six times more.
# shellcheck disable=SC2034 # read as ${!samples}
faults_of() {
    local samples_1=$1 samples_10=$2 samples_100=$3
    faults=()
    rm -f "$notes"/* "$notes"/.taken_*
    rounds "$runs" '' made 1 10 100 2>/dev/null
    judge made 1 10 100 2>/dev/null
    echo "${faults[*]}"
}
is 'a cost that falls' "$(faults_of '9 9 9' '3 3 3' '1 1 1')" ''
is 'a cost that rises by less than a fifth' "$(faults_of '10 10 10' '11 11 11' '11.9 11.9 11.9')" ''
is 'a cost that rises by more' "$(faults_of '10 10 10' '10 10 10' '12.1 12.1 12.1')" made_100
is 'it is compared with the cheapest before, not with the one before' "$(faults_of '10 10 10' '11.5 11.5 11.5' '12.5 12.5 12.5')" made_100
is 'a hill' "$(faults_of '10 10 10' '15 15 15' '9 9 9')" made_10
is 'single samples that are dearer' "$(faults_of '10 14 10' '10 30 20' '99 10 20')" ''
is 'samples that are dearer for a while only' "$(faults_of '10 10 10' '10 10 10' '15 15 15 10 10 10 10 10 10')" ''
is 'samples that were cheaper for a while only' "$(faults_of '6 6 6 10 10 10 10 10 10' '10 10 10' '9 9 9')" ''
done_testing
