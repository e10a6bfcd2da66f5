#!/bin/bash
# suites.sh: builds, and runs every suite on throwaway servers. Prints one line a suite, and below it what
# has failed; a dot is ten seconds. Ends with `N passed, N failed`, exact over all suites; the exit
# status says the same.
#
# Suites that wait for most of the time run beside others. All that a suite says goes to a log, which
# stays when something has failed. VERBOSE=1 shows it, too, and runs one suite after the other.
#
# All of it happens in a copy of the sources, so that nothing is left behind here (KEEP=1 keeps the
# copy). What starts a server runs as a user who is not root: the caller, or postgres. The
# extension is installed into a private copy of the server of PG_CONFIG: another server that runs
# here keeps the library that it has.
# SUITES="regress pgtap" runs only those; TESTS="bulk model" only the files with one of these words
# in their path, in suites that prove runs. SEED=N gives back what chance decides, in all suites.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/cluster.sh"

suite_seconds_max=600
# One after the other in each lane, both lanes at once; then the others, each by itself, since they
# take all of the machine.
lanes=('unit regress isolation scenarios pgtap tap' 'lint http contract run')
all_suites='lint unit fuzz regress isolation scenarios pgtap tap http contract run torture ha'
lines_max=200
work='' logs='' running='' current='' lane_pids=()
seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}

# --- counting -------------------------------------------------------------------------------
# A counter reads a suite's output and prints how many tests passed and how many failed.

# pg_regress prints `test NAME ... ok` up to PostgreSQL 15, later TAP.
count_regress() {
    awk '/^(test|    ) .*\.\.\. ok/ || /^ok [0-9]/ { good++ }
        /^(test|    ) .*\.\.\. FAILED/ || /^not ok [0-9]/ { bad++ }
        END { print good + 0, bad + 0 }' "$1"
}

# prove ends with `Tests=N`, and names the failed ones file by file.
count_prove() {
    awk '/^Files=[0-9]+, Tests=[0-9]+,/ { split($2, part, /[=,]/); total += part[2] }
        /\(Wstat: .*Tests: [0-9]+ Failed: [0-9]+\)/ { sub(/.*Failed: /, ""); bad += $0 }
        END { print total - bad, bad + 0 }' "$1"
}

# Tests that were not run, where the log has each test's line.
count_skipped() { grep -ciE '^ok .*# skip' "$1" || true; }

# record NAME PASSED FAILED: adds to the totals.
record() { echo "$1 $2 $3" >>"$logs/results"; }
totals() { awk '{ good += $2; bad += $3 } END { print good + 0, bad + 0 }' "$logs/results"; }
failures() { awk '$3 > 0 && !seen[$1]++ { printf "%s%s", between, $1; between = ", " }' "$logs/results" 2>/dev/null; }

# Every test that has failed with its diagnostics, below the name of its file; what prove and
# pg_regress say about files; and what the shell and the compiler complain of.
failures_in() {
    awk '/^[^ ]+\.(t|pl|py|sql|sh|scenario) \.+/ { file = $1 }
        /^not ok/ && !/# TODO/ || /^ *# +Failed (\(TODO\) )?test/ || /^(test|    ) .*\.\.\. FAILED/ { inside = 1 }
        inside && file != "" { print file; file = "" }
        inside { inside = /^not ok|^ *#|FAILED/ }
        /^Test Summary Report/ { report = 1 }
        inside || report || /error:|Error [0-9]|^make.*\*\*\*|^Bail out|Dubious|[Nn]o such file|not found/ { print }' "$1"
}

# show_failures LOG: those, or the end of the log where nothing looks like one.
show_failures() {
    local log=$1 found
    found=$(failures_in "$log")
    [[ -n $found ]] || found=$(tail -n 40 "$log")
    head -n "$lines_max" <<<"$found" | sed 's/^/    /'
    (($(wc -l <<<"$found") <= lines_max)) || say '    ...'
    say "    all of it: $log"
}

# logged LOG CMD...: runs CMD, which says what it says into LOG.
logged() {
    local log=$1 status=0 shows=''
    shift
    touch "$log"
    # What bash runs in the background ignores Ctrl-C, and so would all that a test starts.
    env --default-signal=INT,QUIT "$@" </dev/null >>"$log" 2>&1 &
    running=$!
    [[ -z ${VERBOSE:-} ]] || { tail -q -n +1 -s 0.1 --pid="$running" -f "$log" & shows=$!; }
    wait "$running" || status=$?
    running=''
    [[ -z $shows ]] || wait "$shows" || true
    return "$status"
}

# report NAME PASSED FAILED SINCE [SKIPPED]: a suite's line.
report() {
    local skipped=''
    ((${5:-0} == 0)) || skipped=" ($5 of them skipped)"
    printf '%-10s %5d passed%s, %d failed in %d s\n' "$1" "$2" "$skipped" "$3" $((SECONDS - $4))
    record "$1" "$2" "$3"
}

# suite NAME COUNTER CMD...: runs CMD and counts what it says. A suite that fails without a failed
# test to show for it counts as one. It is ended after suite_seconds_max, of which whoever gives it
# more to do has one of his own. $evidence names files and folders of the copy to show or keep when
# it has failed.
suite() {
    local name=$1 counter=$2 status=0 good bad from=$SECONDS log=$logs/$1.log file
    shift 2
    logged "$log" timeout -k 10 "$suite_seconds_max" "$@" || status=$?
    ((status != 124 && status != 137)) ||
        say "Bail out! $name was ended after $suite_seconds_max s" >>"$log"
    read -r good bad < <("$counter" "$log")
    ((status == 0 || bad > 0)) || bad=1
    report "$name" "$good" "$bad" "$from" "$(count_skipped "$log")"
    sed -nE 's/^.*\.+ skipped: |^skipped: /    skipped: /p' "$log" | sort -u
    ((bad > 0)) || return 0
    show_failures "$log"
    for file in ${evidence:-}; do
        [[ ! -f $work/$file ]] || head -n "$lines_max" "$work/$file" | sed 's/^/    /'
        [[ ! -e $work/$file ]] || cp -r "$work/$file" "$logs/$name-${file//\//-}" || true
    done
}

# verdict NAME GOOD REPORT: one test that is read off what others have left behind.
verdict() {
    report "$1" "$2" $((1 - $2)) "$SECONDS"
    (($2)) || { printf '%s\n' "$3" | tee "$logs/$1.log" | head -n "$lines_max" | sed 's/^/    /'; }
}

# broken NAME LOG WHY: what a suite needs could not be set up.
broken() {
    report "$1" 0 1 "$SECONDS"
    note "$1 could not be set up: $3"
    [[ ! -s $2 ]] || show_failures "$2"
}

# --- before and after -----------------------------------------------------------------------

# The copy lies where the test user reaches it, and where a socket's path stays short.
make_copy() {
    work=$(mktemp -d /tmp/pg_wallet_test.XXXXXX)
    mkdir "$work/tmp"
    chmod 755 "$work"
    copy_sources "$work" || die "cannot copy the sources in $TOP"
    # Lint builds from scratch, while others use what has been built; a release has nothing that tests leave.
    mkdir "$work"/{lint,release}
    copy_sources "$work/lint"
    copy_sources "$work/release"
    private_server "$work/server"
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 || die 'no user postgres to run the tests as'
        act_as postgres
        chown -R "$owner:" "$work"
    fi
    chmod 1777 "$work/tmp"
    # Words that run a command there, with no more of an environment than it needs: as the one
    # who called us, and as the test user.
    here=(env -i -C "$work" "PATH=$PATH" "HOME=$work" "TMPDIR=$work/tmp" LC_ALL=C.UTF-8
        "PG_CONFIG=$PG_CONFIG")
    there=("${here[@]}" "${as[@]}" env -C "$work")
    checked_make=("${there[@]}" make --no-print-directory "PG_CONFIG=$PG_CONFIG")
}

# It is no suite: where it fails, that counts as one failure.
build() {
    local from=$SECONDS
    if ! logged "$logs/build.log" "${checked_make[@]}" -j "$(nproc)" WERROR=1 ||
        ! logged "$logs/build.log" "${checked_make[@]}" -s install
    then
        report build 0 1 "$from"
        show_failures "$logs/build.log"
        exit 1
    fi
    printf '%-10s for %s in %d s\n' build "$("$PG_CONFIG" --version)" $((SECONDS - from))
}

# However it ends. What was cut short, or could not begin, is a failure too.
finish() {
    local status=$? good=0 bad=0
    trap - EXIT
    set +e
    [[ -z $running ]] || { kill "$running" && wait "$running"; } 2>/dev/null
    ((${#lane_pids[@]} == 0)) || { kill "${lane_pids[@]}" && wait "${lane_pids[@]}"; } 2>/dev/null
    [[ ! -e $logs/results ]] || read -r good bad < <(totals)
    ((status == 0 || bad > 0)) || bad=1
    if ((bad > 0)) && [[ -n $logs ]]; then
        printf '\nfailed: %s\n' "$(failures | grep . || echo 'cut short')"
        say "logs: $logs; SEED=$seed gives back what chance decides"
    fi
    [[ -z $work ]] || clean_up
    ((bad > 0)) || rm -rf "$logs"
    printf '%d passed, %d failed\n' "$good" "$bad"
    ((bad == 0 && good > 0)) || exit 1
    exit 0
}

# Ends the servers that still run in the copy: pgTAP's, and those of a suite that was cut short.
stop_servers() {
    local file pid
    find "$work" -name postmaster.pid | while read -r file; do
        pid=$(head -n 1 "$file")
        [[ $(readlink "/proc/$pid/cwd") != "${file%/*}" ]] || cluster_stop "$pid"
    done
}

clean_up() {
    local name
    for name in e2e api; do
        [[ ! -e $work/$name ]] || "${there[@]}" "RUN_DIR=$name" bash bin/run.sh stop >/dev/null
    done
    stop_servers
    ! mountpoint -q "$work/small_disk" || umount "$work/small_disk"
    if [[ -n ${KEEP:-} ]]; then
        note "the copy is kept in $work"
    else
        rm -rf "$work"
    fi
}

# --- the suites -----------------------------------------------------------------------------

# It gets what the others leave of the processors.
run_lint() {
    suite lint count_prove "${there[@]}" env -C "$work/lint" nice -n 10 prove -m -v test/lint.sh
}

run_unit() { suite unit count_prove "${there[@]}" prove -m -v "${files[@]}"; }

# The environment is not passed on: FUZZ_SECONDS and FUZZ_SEED are.
run_fuzz() {
    local seconds=${FUZZ_SECONDS:-60}
    local suite_seconds_max=$((suite_seconds_max + seconds * 3 / 2))
    suite fuzz count_prove "${there[@]}" prove -m -v "${files[@]}" :: "$seconds" "${FUZZ_SEED:-$seed}"
}

# PGXS's own suites run by turns, the others switched off.
run_regress() {
    evidence=regression.diffs suite regress count_regress \
        "${checked_make[@]}" installcheck ISOLATION= TAP_TESTS=
}

run_isolation() {
    evidence=output_iso/regression.diffs suite isolation count_regress \
        "${checked_make[@]}" installcheck REGRESS= TAP_TESTS=
}

# Two at a time, since they wait for most of the time. What the random ones among them can be told is
# passed on.
run_tap() {
    local name settings=("MODEL_SEED=${MODEL_SEED:-$seed}" "SQLSMITH_SEED=${SQLSMITH_SEED:-$seed}" "PG_WALLET_TEST_SEED=$seed")
    for name in MODEL_OPERATIONS SQLSMITH_SECONDS KILLS DURATION; do
        [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
    done
    local more=$((${SQLSMITH_SECONDS:-0} + ${MODEL_OPERATIONS:-0} / 20 + ${KILLS:-0} * 10))
    local suite_seconds_max=$((2 * suite_seconds_max + more))
    evidence=tmp_check/log suite tap count_prove "${checked_make[@]}" installcheck REGRESS= ISOLATION= \
        "PROVE_TESTS=${files[*]}" 'PROVE_FLAGS=-j 2 --timer' "${settings[@]}"
}

# server_for SUITE EXTENSION...: a server of the suite's own, with the worker off and the extensions as
# CREATE EXTENSION leaves them; its socket is in $socket.
server_for() {
    local suite=$1 dir=$work/$1 log=$logs/$1_server.log
    shift
    socket=$dir/socket
    "${there[@]}" mkdir "$suite" "$suite/socket"
    cluster_create "$dir/data"
    echo 'local all all trust' | cluster_access "$dir/data"
    cluster_configure "$dir/data" "$socket" <"$work/test/postgresql.conf"
    if ! cluster_start "$dir/data" "$socket" "$dir/log" "$dir/pid" >"$log" 2>&1 ||
        ! printf 'CREATE EXTENSION %s;' "$@" | psql_in "$socket" wallet >>"$log" 2>&1
    then
        cat "$dir/log" >>"$log"
        broken "$suite" "$log" 'no server with the extension'
        return 1
    fi
}

run_pgtap() {
    server_for pgtap pgtap pg_wallet || return 0
    suite pgtap count_prove "${there[@]}" pg_prove -v --psql-bin "$PGBIN/psql" \
        -h "$socket" -p 5432 -U postgres -d wallet "${files[@]}"
}

# The same operations by the rules alone, by direct calls and through the queue.
run_scenarios() {
    server_for scenarios pg_wallet || return 0
    suite scenarios count_prove "${there[@]}" "PGHOST=$socket" PGPORT=5432 PGUSER=postgres PGDATABASE=wallet \
        "PSQL=$PGBIN/psql" prove -m -v --timer --exec 'perl test/scenarios/play.pl' "${files[@]}"
}

# A shim built with sanitizers, whose reports go to files of their own; the program is a script, so
# that it needs nothing of its environment.
build_sanitized() {
    "${there[@]}" cp -r shim sanitized &&
        "${checked_make[@]}" -s -C sanitized clean &&
        "${checked_make[@]}" -s -C sanitized -j "$(nproc)" WERROR=1 SANITIZE=1 || return
    "${there[@]}" tee sanitized/run >/dev/null <<END
#!/bin/bash
export ASAN_OPTIONS=log_path=$work/tmp/sanitizer
export UBSAN_OPTIONS=log_path=$work/tmp/sanitizer:print_stacktrace=1
exec -a "\$0" $work/sanitized/wallet-shim "\$@"
END
    chmod 755 "$work/sanitized/run"
}

# No leak, and nothing that C does not define: the shims have ended, and have written no report.
count_reports() {
    local good=1
    compgen -G "$work/tmp/sanitizer.*" >/dev/null && good=0
    verdict sanitizers "$good" "$(cat "$work"/tmp/sanitizer.* 2>/dev/null)"
}

# A browser is large, and only one test needs one: without, that test is skipped (with CI=true: fails).
need_browser() {
    [[ " ${files[*]} " == *browser.t* ]] || return 0
    bash "$TOP/bin/packages.sh" browser ||
        note 'chromium could not be installed: test/http/browser.t is skipped'
}

# Against a whole system, started as a user starts it.
run_http() {
    local sanitized=("SHIM_PROGRAM=$work/sanitized/run") name log=$logs/http_system.log
    need_browser >"$log" 2>&1
    build_sanitized >>"$log" 2>&1 || {
        broken http "$log" 'no shim with sanitizers'
        return
    }
    "${there[@]}" "${sanitized[@]}" "PORT=$(free_port)" RUN_DIR=e2e bash bin/run.sh start >"$log" 2>&1 || {
        broken http "$log" 'the system did not start'
        return
    }
    mapfile -t where < <(grep -v '^export' "$work/e2e/env")
    for name in ${!WALLET_MEMORY_*} ${CI:+CI}; do where+=("$name=${!name}"); done
    evidence=e2e/log suite http count_prove "${there[@]}" "${where[@]}" "${sanitized[@]}" prove -m -v --timer "${files[@]}"
    "${there[@]}" RUN_DIR=e2e bash bin/run.sh stop >>"$log" 2>&1
    count_reports
}

# What shim/openapi.json promises, by tools from npm and PyPI, which go with the copy. Where they cannot be
# had the suite is skipped, but not where all suites are counted on.
run_contract() {
    local tools=$work/contract log=$logs/contract_system.log status=0
    bash "$TOP/bin/packages.sh" contract >"$log" 2>&1 || status=3
    ((status)) || bash test/contract/tools.sh "$tools" >>"$log" 2>&1 || status=$?
    if ((status == 3)) && [[ ${CI:-} != true ]]; then
        printf '%-10s skipped: the registries of Debian, npm and PyPI cannot be reached\n' contract
        return
    fi
    if ((status)); then
        broken contract "$log" 'its tools could not be installed'
        return
    fi
    "${there[@]}" "PORT=$(free_port)" RUN_DIR=api bash bin/run.sh start >>"$log" 2>&1 || {
        broken contract "$log" 'the system did not start'
        return
    }
    mapfile -t where < <(grep -v '^export' "$work/api/env")
    # As the one who called us, whose node and Python need not be everybody's.
    evidence=api/log suite contract count_prove "${here[@]}" "${where[@]}" "PATH=$tools/venv/bin:$PGBIN:$PATH" \
        "CONTRACT_TOOLS=$tools" "SEED=$seed" "CONTRACT_SECONDS=${CONTRACT_SECONDS:-60}" \
        prove -v -j 2 --timer "${files[@]}"
    "${there[@]}" RUN_DIR=api bash bin/run.sh stop >>"$log" 2>&1
}

# Under valgrind: takes minutes, so it is not one of all_suites.
run_memcheck() {
    bash "$TOP/bin/packages.sh" memcheck
    suite memcheck count_prove "${there[@]}" prove -m -v "${files[@]}"
}

# A server that does not check its own assertions, of which `make` then compiles ours without.
checks_assertions() {
    grep -q '^#define USE_ASSERT_CHECKING 1' "$("$PG_CONFIG" --includedir-server)/pg_config.h"
}

# An assertion that has failed ends its process. The server starts again, so that a test may pass in
# spite of it: what the servers have logged decides.
count_assertions() {
    local found
    # Not all of them are there after a selection of suites.
    found=$(grep -rhs '^TRAP: ' "$@" || true)
    verdict assertions "$([[ -n $found ]] && echo 0 || echo 1)" "$found"
}

# Every suite that has the extension work for it, on a server built with --enable-cassert; slow, and
# such a server is seldom at hand, so it is not one of all_suites.
run_assertcheck() {
    local part suite_seconds_max=3600
    if ! checks_assertions; then
        broken assertcheck '' 'this server was built without --enable-cassert'
        note 'docs/fuzzing.md says how to build one that PG_CONFIG can name'
        return
    fi
    for part in regress isolation tap; do
        mapfile -t files < <(files_of "$part")
        ((${#files[@]} == 0)) || "run_$part"
    done
    count_assertions log tmp_check output_iso
}

# The ways in themselves, as the one who called us. BARE=1: the packages in a bare Debian.
run_run() {
    local suite_seconds_max=$((${BARE:+3000} + suite_seconds_max))
    suite run count_prove "${here[@]}" ${BARE:+BARE=1} prove -m -v --timer "${files[@]}"
}

# Faults. What test/torture/test_bank.py can be told is passed on.
run_torture() {
    local name disk=$work/small_disk settings=("SEED=$seed")
    for name in KILLS DURATION KEYS LATELY KINDS; do
        [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
    done
    if ((EUID == 0)) && mkdir "$disk" && mount -t tmpfs -o size=192m tmpfs "$disk" 2>/dev/null; then
        chown "$owner:" "$disk"
        settings+=("SMALL_DISK=$disk")
    fi
    local suite_seconds_max=$((suite_seconds_max + ${DURATION:-0}))
    suite torture count_prove "${there[@]}" "${settings[@]}" prove -m --timer -v "${files[@]}"
}

# Databases under Patroni. With FAULTS the caller runs the suite: root has network namespaces.
run_ha() {
    local name settings=("SEED=$seed") words=("${there[@]}")
    for name in FAULTS FROZEN KINDS HA_STRICT; do
        [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
    done
    [[ -z ${FAULTS:-} ]] || words=("${here[@]}")
    local suite_seconds_max=$((suite_seconds_max + ${FAULTS:-0} * 3000))
    suite ha count_prove "${words[@]}" "${settings[@]}" prove -m --timer -v "${files[@]}"
}

# --- which suites, and when -----------------------------------------------------------------

# one NAME: runs a suite, where there is something to run. What it has to say goes to $logs/NAME.said.
one() {
    mapfile -t files < <(files_of "$1")
    ((${#files[@]})) || return 0
    if [[ -n ${VERBOSE:-} ]]; then
        printf '\n=== %s\n' "$1"
        "run_$1"
    else
        "run_$1" >"$logs/$1.saying" 2>&1
        mv "$logs/$1.saying" "$logs/$1.said"
    fi
}

# What has been cut short, or could not go on, is a failure.
lane_over() { # STATUS
    [[ -z $running ]] || kill "$running" 2>/dev/null || true
    (($1 == 0)) || {
        record "$current" 0 1
        say "$current: the test runner itself has failed" >>"$logs/$current.saying"
        mv "$logs/$current.saying" "$logs/$current.said"
    }
}

# lane NAME...: suites one after the other.
lane() {
    local name
    trap 'lane_over $?' EXIT
    trap 'exit 143' TERM
    for name in "$@"; do
        current=$name
        one "$name"
    done
}

lanes_over() {
    local pid
    for pid in "${lane_pids[@]}"; do ended "$pid" || return 1; done
}

# Runs lanes at once, and shows what their suites have to say when they are over; meanwhile, dots.
run_lanes() { # "NAME..."...
    local words shown=$SECONDS over='' dots='' said
    for words in "$@"; do
        # shellcheck disable=SC2086 # one word a suite
        lane $words &
        lane_pids+=("$!")
    done
    until [[ -n $over ]]; do
        ! lanes_over || over=1
        for said in "$logs"/*.said; do
            [[ -e $said ]] || continue
            [[ -z $dots ]] || echo
            cat "$said"
            rm "$said"
            dots='' shown=$SECONDS
        done
        if ((SECONDS - shown >= 10)); then
            printf .
            dots=1 shown=$SECONDS
        fi
        [[ -n $over ]] || sleep 0.2
    done
    lane_pids=()
}

# Of the words given, in the order of $2.
chosen() { # "NAME..." "NAME..."
    local name
    for name in $2; do [[ " $1 " != *" $name "* ]] || printf '%s ' "$name"; done
}

# Those that are in no lane.
alone() { # "NAME..."
    local name
    for name in $1; do [[ " ${lanes[*]} " == *" $name "* ]] || printf '%s ' "$name"; done
}

run_suites() { # "NAME..."
    local words
    if [[ -n ${VERBOSE:-} ]]; then
        for name in $1; do one "$name"; done
    else
        run_lanes "$(chosen "$1" "${lanes[0]}")" "$(chosen "$1" "${lanes[1]}")"
        for name in $(alone "$1"); do run_lanes "$name"; done
    fi
}

found() { # PATTERN...
    local pattern
    for pattern in "$@"; do compgen -G "$pattern" || true; done
}

# What a suite consists of: prints nothing where there is nothing to run.
files_of() {
    case $1 in
        lint) compgen -G 'test/lint.sh' ;;
        unit) found 'test/unit/*.t' 'test/unit/*.sh' 'test/unit/*.py' ;;
        fuzz) compgen -G 'test/fuzz/fuzz.sh' ;;
        regress) compgen -G 'sql/*.sql' ;;
        isolation) compgen -G 'test/specs/*.spec' ;;
        scenarios) compgen -G 'test/scenarios/*.scenario' ;;
        pgtap) compgen -G 'test/pgtap/*.sql' ;;
        tap) compgen -G 'test/t/*.pl' ;;
        http) compgen -G 'test/http/*.t' ;;
        contract) found 'test/contract/*.t' 'test/contract/*.py' ;;
        memcheck) compgen -G 'test/memcheck.sh' ;;
        assertcheck) files_of regress && files_of isolation && files_of tap ;;
        run) found 'test/run/*.t' 'test/run/*.sh' ;;
        torture) compgen -G 'test/torture/test_*.py' ;;
        ha) compgen -G 'test/ha/test_*.py' ;;
    esac | grep -E "${TESTS:+${TESTS// /|}}" | sort
}

# What we were told, before anything is done about it.
check_settings() {
    local name
    for name in ${SUITES:-}; do
        [[ " $all_suites memcheck assertcheck " == *" $name "* ]] ||
            die "no suite is called $name: there are $all_suites, memcheck and assertcheck"
    done
    for name in SEED DURATION KILLS KEYS LATELY FAULTS FROZEN FUZZ_SECONDS FUZZ_SEED CONTRACT_SECONDS SQLSMITH_SECONDS MODEL_OPERATIONS; do
        [[ ${!name:-0} =~ ^[0-9]+$ ]] || die "$name=${!name} is not a number"
    done
    [[ ${TESTS:-} =~ ^[A-Za-z0-9_./\ -]*$ ]] || die "TESTS=$TESTS has to be words of files' names"
}

check_settings
trap finish EXIT
trap 'exit 130' INT TERM HUP
bash "$TOP/bin/packages.sh" test
find_server
logs=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_logs.XXXXXX")
note "seed $seed: SEED=$seed gives back what chance decides"
make_copy
cd "$work"
build
run_suites "${SUITES:-$all_suites}"
[[ -s $logs/results ]] || note "no test of these suites has one of these words in its path: ${TESTS:-}"
