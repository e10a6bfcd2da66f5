#!/bin/bash
# make.t: what make's targets say about themselves, and where they cannot do what they are asked to.
# Nothing is built, installed or started.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"

work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_make.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# Every target, those that PGXS brings too.
targets() { sed -n 's/^\.PHONY: *//p' Makefile | tr ' ' '\n' | grep -vxE 'build|may-.*'; }
unnamed() { # HELP
    for target in $(targets) install installcheck uninstall clean; do
        grep -qE "^  make $target " <<<"$1" || echo "$target"
    done
}
help=$(make --no-print-directory help)
is 'make help names every target' "$(unnamed "$help")" ''
is 'make help needs no server' "$(make --no-print-directory help PG_CONFIG=/nowhere/pg_config 2>&1)" "$help"

ok 'make status where nothing runs succeeds' \
    make --no-print-directory status "RUN_DIR=$work/none" "PG_CONFIG=${pg_config_given:-pg_config}"
like 'make status says so' "$(make --no-print-directory status "RUN_DIR=$work/none" 2>&1)" '^database +stopped'
status=0
RUN_DIR=$work/none bash bin/run.sh status >/dev/null || status=$?
is 'scripts can tell from the exit status' "$status" 3
done_testing
