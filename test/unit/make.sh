#!/bin/bash
# make.sh: what make's targets say about themselves, and where they cannot do what they are asked to.
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

# What cannot be done is said before it is begun; no file of the server is touched.
fails() { # NAME REGEX MAKE_ARGUMENT...
    local said status=0
    said=$("${as[@]}" make --no-print-directory -C "$TOP" "${@:3}" 2>&1) || status=$?
    like "$1" "$said" "pg_wallet: .*$2"
    is "$1: by make, in two lines" "$(grep -vc '^make' <<<"$said") $status" '1 2'
}
((EUID != 0)) || act_as nobody
given="PG_CONFIG=${pg_config_given:-pg_config}"
mkdir -p "$work/closed"
chmod 555 "$work/closed"
as_is=("$given" -o all) # whatever is built
fails 'make install of somebody who may not' "may not write to $work/closed: become root" "${as_is[@]}" install "DESTDIR=$work/closed"
fails 'make uninstall of somebody who may not' "may not write to $work/closed: become root" "${as_is[@]}" uninstall "DESTDIR=$work/closed"
fails 'make -C shim install of somebody who may not' "may not write to $work/closed: become root" -C shim -o all install "DESTDIR=$work/closed"
fails 'make -C shim uninstall of somebody who may not' "may not write to $work/closed: become root" -C shim uninstall "DESTDIR=$work/closed"
fails 'make installcheck before make install' 'make install comes first' "${as_is[@]}" installcheck "DESTDIR=$work/closed"
fails 'make bench for no number of runs' 'RUNS=many is not a number' bench RUNS=many
fails 'make torture for no time' 'DURATION=long is not a number' torture DURATION=long
[[ ! -d test/fuzz/corpus ]] || fails 'make fuzz for no time' 'usage: fuzz.sh SECONDS' fuzz FUZZ_SECONDS=long
fails 'no compiler' 'no C compiler called nocc' "$given" CC=nocc may-compile
fails 'no libraries' 'the shim needs .*libmicrohttpd' -C shim may-compile PKG_CONFIG=false
if [[ $(id -u) == 0 ]]; then
    act_as root
    fails 'make installcheck of root' 'root may start no server' "${as_is[@]}" installcheck
fi
done_testing
