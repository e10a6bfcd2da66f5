#!/bin/bash
# archive.sh: what `make dist` makes, which is the sources without what .gitattributes leaves out, builds and
# tests itself, and says what it cannot test.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
# shellcheck source=test/release.sh
. "$TOP/test/release.sh"
cd "$TOP"
if [[ ! -e .gitattributes ]]; then
    echo '1..0 # SKIP this is a release archive'
    exit
fi
find_server
work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_archive.XXXXXX")
trap 'rm -rf "$work"' EXIT

release_into "$work"
is 'the corpus is left out, as .gitattributes says' "$(find "$release/test/fuzz/corpus" "$release"/.{ci,git*} 2>/dev/null)" ''
ok 'it has all that a build needs' make --no-print-directory -n -B -C "$release" "PG_CONFIG=$PG_CONFIG"
ok 'and what the containers are built from' grep -q . "$release"/{extension,shim}/Dockerfile "$release/.dockerignore"
# With what has been built here, as make would build it there: test/run/packages.sh has that done.
cp -t "$release" pg_wallet.so
cp -t "$release/shim" shim/wallet-shim
cp -t "$release/extension" extension/pg_wallet--*.sql
ok 'its version is tested' prove -q "$release/test/unit/version.t"

# Without a harness around it, as `make fuzz` calls it.
alone() { env -u HARNESS_ACTIVE "PG_CONFIG=$PG_CONFIG" "$@" 2>&1 || echo "exit status $?"; }
absent='test/fuzz/corpus is not here: a release archive leaves it out, the git repository has it'
is 'make fuzz says that the corpus is not there' "$(alone bash "$release/test/fuzz/fuzz.sh" 1)" \
    "pg_wallet: $absent"$'\n''exit status 1'
is 'make coverage, too' "$(alone bash "$release/test/unit/coverage.sh")" "pg_wallet: $absent"$'\n''exit status 1'
for file in fuzz/fuzz.sh unit/coverage.sh; do
    like "$file is skipped by a run of all" "$(HARNESS_ACTIVE=1 PG_CONFIG=$PG_CONFIG bash "$release/test/$file" 2>&1)" \
        "^1\.\.0 # SKIP $absent\$"
done
done_testing
