#!/bin/bash
# fuzz.sh SECONDS [SEED]: fuzzes all targets for that long altogether, on two cores, as TAP.
# fuzz.sh replay TARGET FILE...: gives the files to one target.
#
# Each target starts from test/fuzz/corpus/TARGET. FUZZ_KEEP=DIR goes on from what is there, and
# leaves there what is found, by target. An input that breaks a property is shown in base64.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
# shellcheck source=test/fuzz/build.sh
. "$TOP/test/fuzz/build.sh"

# What each target gets of the time, in the order in which they run on each of the two cores.
lanes=('http:3 question:2' 'payload:2 post:1 extra:1 amount:1')
lane_shares=5

usage() { die 'usage: fuzz.sh SECONDS [SEED] | replay TARGET FILE...'; }

# With assertions each token of a payload is compared with what PostgreSQL's lexer takes.
build_fuzzer() {
    fuzz_build "$1" "$work/$1" clang -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -Wno-ignored-attributes -DUSE_ASSERT_CHECKING=1
}

build_all() {
    local target pids=()
    [[ -e shim/api/openapi.c ]] || make -s -C shim api/openapi.c
    for target in "$@"; do
        build_fuzzer "$target" &
        pids+=("$!")
    done
    for target in "${pids[@]}"; do wait "$target" || die 'a target could not be built'; done
}

# fuzz TARGET SECONDS: leaves its log, and where it has failed its input, in $work.
fuzz() {
    local target=$1 dictionary=() found=$work/found/$1
    case $target in
        payload | question) dictionary=(-dict=test/fuzz/json.dict) ;;
        http) dictionary=(-dict=test/fuzz/http.dict) ;;
    esac
    [[ -z ${FUZZ_KEEP:-} ]] || found=$FUZZ_KEEP/$target
    mkdir -p "$found" "$work/broken/$target"
    # Both limits are generous: on a busy machine a process may stand still for half a minute.
    timeout -k 10 $(($2 * 3 / 2 + 120)) "$work/$target" "-max_total_time=$2" "-seed=$seed" \
        -timeout=100 -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$work/broken/$target/" \
        "${dictionary[@]}" "$found" "test/fuzz/corpus/$target" >"$work/$target.log" 2>&1 ||
        echo "exit status $?" >>"$work/$target.log"
}

run_lane() {
    local each
    for each in "$@"; do fuzz "${each%:*}" $((seconds * ${each#*:} / lane_shares)); done
}

executed() { sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.log" | tail -n 1; }

# Nothing was found, and it ran to its end.
found_nothing() {
    local target=$1 input
    ! grep -q '^exit status' "$work/$target.log" && [[ -n $(executed "$target") ]] && return
    grep -v '^#' "$work/$target.log" | grep -vE '^\s*(NEW_FUNC|"|INFO)' | head -n 40
    for input in "$work/broken/$target"/*; do
        [[ -e $input ]] || continue
        echo 'To try it again:'
        echo "base64 -d <<<$(base64 -w 0 "$input") >/tmp/input; bash test/fuzz/fuzz.sh replay $target /tmp/input"
    done
    return 1
}

cd "$TOP"
need_corpus
bash bin/packages.sh test
find_server
work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

if [[ ${1:-} == replay ]]; then
    (($# >= 3)) || usage
    [[ " $fuzz_targets " == *" $2 "* ]] || die "the targets are $fuzz_targets"
    build_all "$2"
    "$work/$2" "${@:3}"
    exit
fi

seconds=${1:-60} seed=${2:-$((RANDOM * 32768 + RANDOM + 1))}
[[ $seconds =~ ^[0-9]+$ && $seed =~ ^[0-9]+$ ]] || usage
note "fuzzing for $seconds s; the same once more: make fuzz FUZZ_SECONDS=$seconds FUZZ_SEED=$seed"
# shellcheck disable=SC2086 # one word a target
build_all $fuzz_targets
for lane in "${lanes[@]}"; do
    # shellcheck disable=SC2086 # one word a target
    run_lane $lane &
done
wait
for target in $fuzz_targets; do
    executions=$(executed "$target")
    note "$target: ${executions:-no} executions"
    ok "$target: ${executions:-no} executions break no property" found_nothing "$target"
done
done_testing
