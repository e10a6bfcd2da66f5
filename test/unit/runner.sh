#!/bin/bash
# runner.sh: what test/suites.sh prints, on a tree of its own with a few tests that pass, fail, hang or skip.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
find_server

tree=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_runner.XXXXXX")
trap 'rm -rf "$tree"' EXIT
chmod 777 "$tree" # root runs tests as somebody else
export TMPDIR=$tree/kept
mkdir -p "$tree"/{kept,test/unit,test/http,test/specs,shim,extension,.ci}
cp -r "$TOP/bin" "$tree"
cp "$TOP"/test/{suites,tap}.sh "$tree/test"
# A release archive is without it.
[[ ! -e $TOP/.ci/run ]] || cp "$TOP/.ci/run" "$tree/.ci"
# The build and the isolation suite are this Makefile's; no package is looked for.
printf '#!/bin/bash\n' >"$tree/bin/packages.sh"
cat >"$tree/Makefile" <<'END'
.PHONY: test
all install: ; @echo compiled
test: ; @bash test/suites.sh
installcheck:
	@echo 'test good ... ok'; echo 'test held ... FAILED'; echo '-expected +got' >regression.diffs
	@mkdir -p output_iso; cp regression.diffs output_iso; exit 1
END
touch "$tree/test/specs/held.spec"
plan() { # FILE LINE...: a test that prints these lines
    printf '#!/bin/bash\n' >"$tree/test/$1"
    printf 'echo "%s"\n' "${@:2}" >>"$tree/test/$1"
}
runs() { # NAME=VALUE...: the output, then the exit status in $status
    status=0
    said=$(cd "$tree" && env "PG_CONFIG=$PG_CONFIG" "$@" bash test/suites.sh 2>&1) || status=$?
}
log_of() { sed -nE "s|^ *all of it: (.*/$1\.log)$|\1|p" <<<"$said"; }
forget() { [[ ! -e $1 ]] || rm -rf "$(dirname "$1")"; }

plan unit/good.t 'ok 1 - a secret name' 'ok 2 - another # skip no reason' '1..2'
runs SUITES=unit
is 'a good run is two lines and the sum' "$(sed -E 's/[0-9]+ s$/N s/; s/for .* in/for V in/' <<<"$said" | grep -v '^pg_wallet: seed')" \
    'build      for V in N s
unit           2 passed (1 of them skipped), 0 failed in N s
2 passed, 0 failed'
is 'and succeeds' "$status" 0
is 'and leaves no log' "$(ls "$TMPDIR")" ''

runs SUITES=unit VERBOSE=1
like 'VERBOSE=1 shows everything' "$said" 'ok 1 - a secret name'

plan unit/skipped.t '1..0 # SKIP the moon is not full'
runs SUITES=unit
like 'a file that is skipped says why' "$said" $'\n'' +skipped: the moon is not full'
rm "$tree/test/unit/skipped.t"

# What is said to stderr belongs to its file, too.
plan unit/a.t 'ok 1 - fine' '1..1'
plan unit/bad.t 'ok 1 - fine' 'not ok 2 - the till is right' '#   got: 3' 'ok 3 - fine again' '1..3'
runs SUITES='unit isolation'
is 'a failed run fails' "$status" 1
like 'the last line counts' "$(tail -n 1 <<<"$said")" '^6 passed, 2 failed$'
like 'the failed test is named, with its file and diagnostics' "$said" \
    'test/unit/bad\.t'$'\n'' +not ok 2 - the till is right'$'\n'' +#   got: 3'
like 'what has passed is not' "$(grep -c 'fine again' <<<"$said")" '^0$'
like 'so are the differences' "$said" 'test held \.\.\. FAILED'
like 'line by line' "$said" '-expected \+got'
like 'the end says which' "$said" 'failed: .*(unit, isolation|isolation, unit)'
log=$(log_of unit)
like 'the log has everything' "$(cat "$log")" 'ok 3 - fine again'
ok 'the differences are kept' test -s "$(dirname "$log")/isolation-output_iso-regression.diffs"
forget "$log"
printf 'echo "#   Failed test '"'the drawer'"'" >&2\n' >>"$tree/test/unit/bad.t"
runs SUITES=unit
is 'what a failed test says to stderr stands below its file' "$(grep -B 9 'the drawer' <<<"$said" | grep -o 'test/unit/[a-z]*\.t')" test/unit/bad.t
forget "$(log_of unit)"
rm "$tree/test/unit/a.t"

# prove says nothing about a test that its shell cannot even begin.
plan unit/bad.t 'ok 1 - fine'
echo 'no_such_program_anywhere; exit 9' >>"$tree/test/unit/bad.t"
runs SUITES=unit
like 'a test that breaks off is shown' "$said" 'no_such_program_anywhere: command not found'
like 'and its summary' "$said" 'bad\.t +\(Wstat'
forget "$(log_of unit)"

if [[ -e $tree/.ci/run ]]; then
    said=$(cd "$tree" && env "PG_CONFIG=$PG_CONFIG" SUITES=unit bash .ci/run 2>&1) || true
    like '.ci/run shows it, too' "$said" 'no_such_program_anywhere: command not found'
    like '.ci/run ends with the sum' "$(tail -n 1 <<<"$said")" '^[0-9]+ passed, 1 failed$'
    forget "$(log_of unit)"
fi
rm "$tree/test/unit/bad.t"

# The output of a build that fails.
sed -i 's|^all install: .*|all install: ; @echo "cc -c x.c"; echo "x.c:1: error: no semicolon"; exit 2|' "$tree/Makefile"
runs SUITES=unit
like 'a build that fails is shown' "$said" 'x\.c:1: error: no semicolon'
like 'and is one failure' "$(tail -n 1 <<<"$said")" '^0 passed, 1 failed$'
forget "$(log_of build)"
sed -i 's|^all install: .*|all install: ; @echo compiled|' "$tree/Makefile"

# A suite that keeps a folder named as its log is: the servers' logs of the TAP tests.
mkdir -p "$tree/test/t"
touch "$tree/test/t/001.pl"
sed -i 's|^installcheck:|installcheck:\n\t@mkdir -p tmp_check/log; echo "a word of a server" >tmp_check/log/server.log|' "$tree/Makefile"
runs SUITES='tap unit'
like 'the last line counts again' "$(tail -n 1 <<<"$said")" '^2 passed, 1 failed$'
log=$(log_of tap)
like 'the logs of servers are kept' "$(cat "$(dirname "$log")"/tap-tmp_check-log/server.log)" 'a word of a server'
forget "$log"

# Ctrl-C, while a test waits.
plan unit/hang.t 'ok 1 - begun'
printf 'touch %q\nsleep 100 & echo $! >%q\nwait\n' "$tree/begun" "$tree/pid" >>"$tree/test/unit/hang.t"
(cd "$tree" && exec env --default-signal=INT "PG_CONFIG=$PG_CONFIG" SUITES=unit bash test/suites.sh) >"$tree/said" 2>&1 &
runner=$!
ok 'a test waits' wait_until 30 test -s "$tree/pid"
kill -INT "$runner"
gone() { ! [[ -d /proc/$1 ]] || grep -qs '^State:.*Z' "/proc/$1/status"; }
ok 'Ctrl-C ends it' wait_until 10 gone "$runner"
like 'which is a failure' "$(tail -n 1 "$tree/said")" 'passed, 1 failed$'
ok 'and what the test has started' wait_until 10 gone "$(<"$tree/pid")"
rm -rf "$(sed -nE 's/^logs: ([^;]*);.*/\1/p' "$tree/said")" "$tree/test/unit/hang.t"

# What nobody can run.
runs SUITES='unit nonsense'
like 'a suite that is not there is named' "$said" 'no suite is called nonsense'
like 'and those that are' "$said" 'unit'
runs SUITES=unit TESTS=nonsense
like 'words that fit nothing are said' "$said" 'no test .* nonsense'
is 'and are a failure' "$status" 1
runs SUITES=unit SEED=many
like 'a seed is a number' "$said" 'SEED=many is not a number'
done_testing
