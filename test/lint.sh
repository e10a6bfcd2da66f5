#!/bin/bash
# lint.sh: everything that can be said about the sources without running them, as TAP. Builds from
# scratch, since a compiler warns only while it compiles.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"

lines_max=650

warning_free() {
    make -s clean && make -s -j "$(nproc)" WERROR=1 "PG_CONFIG=$PG_CONFIG"
}

# The packages' servers check no assertion, so nobody else compiles ours.
assertions_compile() {
    local flags file
    read -ra flags < <("$PG_CONFIG" --cppflags)
    for file in extension/*/*.c; do
        gcc -std=c11 -fsyntax-only -Werror=implicit-function-declaration -DUSE_ASSERT_CHECKING=1 -DPG_WALLET_VERSION='""' \
            -Iextension "-I$("$PG_CONFIG" --includedir-server)" "${flags[@]}" "$file" || return
    done
}

# Majors of clang-format disagree with each other: only this one is asked.
layout_tool() {
    local tool
    for tool in clang-format-14 clang-format; do
        ! "$tool" --version 2>/dev/null | grep -q 'version 14\.' || { echo "$tool" && return; }
    done
}

# openapi.c is but one large array, and takes cppcheck minutes.
analysed() {
    cppcheck -q -i shim/api/openapi.c --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=test/cppcheck.suppressions --error-exitcode=1 "$@"
}

short_enough() {
    local file lines status=0
    for file in "$@"; do
        lines=$(wc -l <"$file")
        ((lines <= lines_max)) || {
            echo "$file has $lines lines, more than $lines_max"
            status=1
        }
    done
    return "$status"
}

valid_json() {
    local file status=0
    for file in "$@"; do
        python3 -m json.tool "$file" /dev/null || { echo "in $file" && status=1; }
    done
    return "$status"
}

# No spaces at the end of a line, and a line's end at the end of a file.
tidy() {
    local file status=0
    for file in "$@"; do
        [[ -s $file ]] || continue
        ! grep -nHE '[[:blank:]]+$' "$file" || status=1
        [[ -z $(tail -c 1 "$file") ]] || { echo "$file: no newline at the end" && status=1; }
    done
    return "$status"
}

# The ending of a script says its language: .t is Perl.
well_named() {
    local file first ending status=0
    for file in "$@"; do
        first=$(head -n 1 "$file")
        case $first in
            '#!'*bash | '#!'*/sh) ending='sh' ;;
            '#!'*python*) ending='py' ;;
            '#!'*perl*) ending='t|pl' ;;
            *) continue ;;
        esac
        [[ $file =~ \.($ending)$ ]] || { echo "$file begins with $first" && status=1; }
    done
    return "$status"
}

# No two scripts that everybody calls "run" or "lib", and no number that orders nothing.
told_apart() {
    local file name status=0
    for name in run.sh lib.sh; do
        (($(printf '%s\n' "$@" | grep -c "/$name$") <= 1)) || { echo "there are several $name" && status=1; }
    done
    for file in "$@"; do
        [[ ! ${file##*/} =~ ^[0-9] ]] || { echo "$file begins with a number" && status=1; }
    done
    return "$status"
}

bash "$TOP/bin/packages.sh" lint
find_server

# files FIND_ARGUMENT...: our own files, not what a build, a run or a test leaves here.
files() {
    find . \( -name .git -o -name '.run*' -o -name 'tmp_check*' -o -path ./bench/results \) -prune \
        -o -type f \( "$@" \) -print | sort
}

# openapi.c is made by the build, out of openapi.json.
mapfile -t sources < <(files -name '*.[ch]' ! -name openapi.c)
mapfile -t scripts < <(
    files -name '*.sh'
    files -path './.ci/run' -o -name '*.t' | xargs -r grep -lE '^#!/bin/(ba)?sh'
)
mapfile -t json < <(files -name '*.json')
# The install script is made by the build, out of extension/install.
mapfile -t texts < <(
    files -name '*.[ch]' -o -name '*.sql' ! -name 'pg_wallet--*.sql' -o -name '*.sh' -o -name '*.md' -o -name '*.p[lm]' \
        -o -name '*.t' -o -name '*.yml' -o -name Makefile -o -name Dockerfile -o -path './.ci/run'
)

mapfile -t named < <(files -name '*.sh' -o -name '*.py' -o -name '*.t' -o -name '*.pl' -o -name '*.sql' ! -name 'pg_wallet--*.sql')

ok 'builds from scratch without a warning' warning_free
ok 'assertions compile' assertions_compile
tool=$(layout_tool)
if [[ -n $tool ]]; then
    ok 'laid out as .clang-format says' "$tool" --dry-run -Werror "${sources[@]}"
else
    skip 'laid out as .clang-format says' 'no clang-format 14 here'
fi
ok 'cppcheck finds nothing' analysed extension shim
# SC2317: functions that only a trap or another function's argument names pass for unreachable.
ok 'shellcheck finds nothing' shellcheck -x -P SCRIPTDIR -e SC2317 "${scripts[@]}"
ok 'includes and calls between files run one way' python3 test/directions.py
ok 'JSON files are JSON' valid_json "${json[@]}"
ok "no source file is longer than $lines_max lines" short_enough "${sources[@]}" extension/install/*.sql
ok 'the ending of a script says its language' well_named "${named[@]}"
ok 'names tell files apart' told_apart "${named[@]}"
ok 'no trailing blanks' tidy "${texts[@]}"
ok 'the manual has short lines, and pages, headings and files that are named exist' perl test/manual.pl "${texts[@]}"
done_testing
