#!/bin/bash
# coverage.sh: how much of the money's path its own tests and the fuzzers' corpus go through, outside
# the server: branches of extension/rules and payload.c.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
# shellcheck source=test/fuzz/build.sh
. "$TOP/test/fuzz/build.sh"

percent_min=95

cd "$TOP"
need_corpus
bash bin/packages.sh coverage
find_server
work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_coverage.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Every program has its own objects, and gcov counts each by itself: each source is compiled once,
# and linked to all.
run_covered() {
    local target source
    mkdir "$work/rules" "$work/queue"
    # Without assertions, whose other branch nobody is to take.
    for source in extension/rules/*.c; do
        "${CC:-cc}" -std=c11 -D_GNU_SOURCE -DNDEBUG -O0 -g --coverage -Iextension -c "$source" \
            -o "$work/rules/$(basename "$source" .c).o"
    done
    for source in payload json values parser; do
        # shellcheck disable=SC2046 # one word a flag
        "${CC:-cc}" $(fuzz_flags payload) -O0 --coverage -c "extension/queue/$source.c" -o "$work/queue/$source.o"
    done
    for target in amount post extra payload; do
        covered_build "$target"
        "$work/$target" test/fuzz/corpus/"$target"/*
    done
    for target in number_test rules_test working_set_test kinds_test extra_test; do
        "${CC:-cc}" -std=c11 -D_GNU_SOURCE -DNDEBUG -Iextension "test/unit/$target.c" "$work"/rules/*.o \
            --coverage -o "$work/$target"
        "$work/$target" >/dev/null
    done
}

covered_build() {
    local objects=("$work"/rules/*.o) sources
    [[ $1 != payload ]] || objects+=("$work"/queue/*.o)
    sources=$(fuzz_sources "$1" | sed 's|extension/[a-z_/]*\.c||g')
    # shellcheck disable=SC2046,SC2086 # one word a flag or file
    "${CC:-cc}" $(fuzz_flags "$1") -O1 "test/fuzz/$1.c" test/fuzz/replay.c $sources \
        "${objects[@]}" $(fuzz_libraries "$1") --coverage -o "$work/$1"
}

# enough NAME SOURCE: are so many branches of the file taken?
enough() {
    local name=$1 source=$2 taken total percent counted
    counted=$("${GCOV:-gcov}" -t -j -b -o "$work/${source%/*}" "extension/$source.c" |
        python3 test/branches.py "extension/$source.c")
    read -r taken total <<<"$counted"
    percent=$((total ? taken * 10000 / total : 10000))
    printf -v name '%s: %d of %d branches are taken, %d.%02d %%' "$name" "$taken" "$total" \
        $((percent / 100)) $((percent % 100))
    note "$name"
    tail -n +2 <<<"$counted" >&2
    ok "$name" test "$percent" -ge $((percent_min * 100))
}

run_covered
for source in extension/rules/*.c extension/queue/{payload,json,values,parser}.c; do
    source=${source#extension/}
    enough "${source##*/}" "${source%.c}"
done
done_testing
