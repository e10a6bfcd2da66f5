#!/bin/bash
# archive.sh: a release archive, which is the sources without what .gitattributes leaves out, builds and
# tests itself, and says what it cannot test.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
if [[ ! -e .gitattributes ]]; then
    echo '1..0 # SKIP this is a release archive'
    exit
fi
find_server
work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_archive.XXXXXX")
trap 'rm -rf "$work"' EXIT

mapfile -t left_out < <(sed -nE 's|^/(.*) export-ignore$|\1|p' .gitattributes)
like 'the corpus is left out' " ${left_out[*]} " ' test/fuzz/corpus '
tar -cf - "${left_out[@]/#/--exclude=./}" --exclude=./.git --exclude='./.run*' --exclude='./tmp_check*' \
    --exclude=./server --exclude=./tmp --exclude=./lint --exclude=./e2e . | tar -C "$work" -xf -
is 'as .gitattributes says' "$(find "$work/test/fuzz/corpus" "$work/.ci" 2>/dev/null)" ''
ok 'it has all that a build needs' make --no-print-directory -n -B -C "$work" "PG_CONFIG=$PG_CONFIG"
ok 'and what the containers are built from' grep -q . "$work"/{extension,shim}/Dockerfile "$work/.dockerignore"
ok 'its version is tested' prove -q "$work/test/unit/version.t"

# Without a harness around it, as `make fuzz` calls it.
alone() { env -u HARNESS_ACTIVE "PG_CONFIG=$PG_CONFIG" "$@" 2>&1 || echo "exit status $?"; }
absent='test/fuzz/corpus is not here: a release archive leaves it out, the git repository has it'
is 'make fuzz says that the corpus is not there' "$(alone bash "$work/test/fuzz/fuzz.sh" 1)" \
    "pg_wallet: $absent"$'\n''exit status 1'
is 'make coverage, too' "$(alone bash "$work/test/unit/coverage.sh")" "pg_wallet: $absent"$'\n''exit status 1'
for file in fuzz/fuzz.sh unit/coverage.sh; do
    like "$file is skipped by a run of all" "$(HARNESS_ACTIVE=1 PG_CONFIG=$PG_CONFIG bash "$work/test/$file" 2>&1)" \
        "^1\.\.0 # SKIP $absent\$"
done
done_testing
