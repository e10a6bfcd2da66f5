#!/bin/bash
# run.sh: builds, and runs every suite on throwaway servers. Ends with `N passed, N failed`, exact
# over all suites; the exit status says the same.
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
all_suites='lint unit fuzz regress isolation pgtap tap http run torture'
passed=0 failed=0 work='' summary=()
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

# suite NAME COUNTER CMD...: runs CMD, shows and counts what it says. A suite that fails without
# a failed test to show for it counts as one. It is ended after suite_seconds_max, of which whoever
# gives it more to do has one of his own.
suite() {
    local name=$1 counter=$2 status=0 good bad from=$SECONDS
    shift 2
    printf '\n=== %s\n' "$name"
    timeout -k 10 "$suite_seconds_max" "$@" </dev/null 2>&1 | tee "$work.log" || status=$?
    read -r good bad < <("$counter" "$work.log")
    ((status == 0 || bad > 0)) || bad=1
    passed=$((passed + good)) failed=$((failed + bad))
    local line='%-10s %5d passed %3d failed %4d s'
    # shellcheck disable=SC2059 # the format is ours
    summary+=("$(printf "$line" "$name" "$good" "$bad" $((SECONDS - from)))")
}

# What a suite needs could not be set up.
broken() {
    note "$1: ${*:2}"
    failed=$((failed + 1))
    summary+=("$(printf '%-10s could not be set up' "$1")")
}

# --- before and after -----------------------------------------------------------------------

# The copy lies where the test user reaches it, and where a socket's path stays short.
copy_sources() {
    work=$(mktemp -d /tmp/pg_wallet_test.XXXXXX)
    mkdir "$work/tmp"
    chmod 755 "$work"
    tar -C "$TOP" --exclude=./.git --exclude='./.run*' --exclude='./tmp_check*' --exclude='*.o' \
        --exclude='*.so' --exclude=./shim/wallet-shim --exclude=./bench/results -cf - . |
        tar -C "$work" --no-same-owner -xf -
    private_server "$work/server"
    if ((EUID == 0)); then
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

build() {
    printf '\n=== build for %s\n' "$("$PG_CONFIG" --version)"
    "${checked_make[@]}" -j "$(nproc)" WERROR=1
    "${checked_make[@]}" -s install
}

finish() {
    local status=$?
    trap - EXIT
    set +e
    ((status == 0)) || failed=$((failed + 1))
    [[ -z $work ]] || clean_up
    printf '\nSEED=%s\n' "$seed"
    ((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0 && passed > 0)) || exit 1
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
    [[ ! -e $work/e2e ]] || "${there[@]}" RUN_DIR=e2e bash bin/run.sh stop >/dev/null
    stop_servers
    ! mountpoint -q "$work/small_disk" || umount "$work/small_disk"
    rm -f "$work.log"
    if [[ -n ${KEEP:-} ]]; then
        note "the copy is kept in $work"
    else
        rm -rf "$work"
    fi
}

# --- the suites -----------------------------------------------------------------------------

run_lint() { suite lint count_prove "${there[@]}" prove test/lint.sh; }

run_unit() { suite unit count_prove "${there[@]}" prove "${files[@]}"; }

# The environment is not passed on: FUZZ_SECONDS and FUZZ_SEED are.
run_fuzz() {
    local seconds=${FUZZ_SECONDS:-60}
    local suite_seconds_max=$((suite_seconds_max + seconds * 3 / 2))
    suite fuzz count_prove "${there[@]}" prove "${files[@]}" :: "$seconds" "${FUZZ_SEED:-$seed}"
}

# PGXS's own suites run by turns, the others switched off.
run_regress() {
    suite regress count_regress "${checked_make[@]}" installcheck ISOLATION= TAP_TESTS=
    show_differences "$work/regression.diffs"
}

run_isolation() {
    suite isolation count_regress "${checked_make[@]}" installcheck REGRESS= TAP_TESTS=
    show_differences "$work/output_iso/regression.diffs"
}

# Two at a time, since they wait for most of the time. What the random ones among them can be told is
# passed on.
run_tap() {
    local name settings=("MODEL_SEED=${MODEL_SEED:-$seed}" "SQLSMITH_SEED=${SQLSMITH_SEED:-$seed}")
    for name in MODEL_OPERATIONS SQLSMITH_SECONDS; do
        [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
    done
    local more=$((${SQLSMITH_SECONDS:-0} + ${MODEL_OPERATIONS:-0} / 20))
    local suite_seconds_max=$((2 * suite_seconds_max + more))
    suite tap count_prove "${checked_make[@]}" installcheck REGRESS= ISOLATION= \
        "PROVE_TESTS=${files[*]}" 'PROVE_FLAGS=-j 2 --timer' "${settings[@]}"
}

show_differences() { [[ ! -s $1 ]] || cat "$1"; }

# A server with the worker off and the extension as CREATE EXTENSION leaves it.
run_pgtap() {
    local dir=$work/pgtap
    "${there[@]}" mkdir pgtap pgtap/socket
    cluster_create "$dir/data"
    echo 'local all all trust' | cluster_access "$dir/data"
    cluster_configure "$dir/data" "$dir/socket" <"$work/test/postgresql.conf"
    if ! cluster_start "$dir/data" "$dir/socket" "$dir/log" "$dir/pid" ||
        ! echo 'CREATE EXTENSION pgtap; CREATE EXTENSION pg_wallet' | psql_in "$dir/socket" wallet
    then
        cat "$dir/log"
        broken pgtap 'no server with the extension'
        return
    fi
    suite pgtap count_prove "${there[@]}" pg_prove --psql-bin "$PGBIN/psql" \
        -h "$dir/socket" -p 5432 -U postgres -d wallet "${files[@]}"
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
    local report good=1
    for report in "$work"/tmp/sanitizer.*; do
        [[ -e $report ]] || continue
        cat "$report"
        good=0
    done
    passed=$((passed + good)) failed=$((failed + 1 - good))
    summary+=("$(printf '%-10s %5d passed %3d failed' sanitizers "$good" $((1 - good)))")
}

# A browser is large, and only one test needs one: without, that test is skipped (with CI=true: fails).
need_browser() {
    [[ " ${files[*]} " == *browser.t* ]] || return 0
    bash "$TOP/bin/packages.sh" browser ||
        note 'chromium could not be installed: test/http/browser.t is skipped'
}

# Against a whole system, started as a user starts it.
run_http() {
    local sanitized=("SHIM_PROGRAM=$work/sanitized/run") name
    need_browser
    build_sanitized || {
        broken http 'no shim with sanitizers'
        return
    }
    "${there[@]}" "${sanitized[@]}" "PORT=$(free_port)" RUN_DIR=e2e bash bin/run.sh start || {
        broken http 'the system did not start'
        return
    }
    mapfile -t where < <(grep -v '^export' "$work/e2e/env")
    for name in ${!WALLET_MEMORY_*} ${CI:+CI}; do where+=("$name=${!name}"); done
    suite http count_prove "${there[@]}" "${where[@]}" "${sanitized[@]}" prove --timer "${files[@]}"
    "${there[@]}" RUN_DIR=e2e bash bin/run.sh stop
    count_reports
}

# Under valgrind: takes minutes, so it is not one of all_suites.
run_memcheck() {
    bash "$TOP/bin/packages.sh" memcheck
    suite memcheck count_prove "${there[@]}" prove "${files[@]}"
}

# A server that does not check its own assertions, of which `make` then compiles ours without.
checks_assertions() {
    grep -q '^#define USE_ASSERT_CHECKING 1' "$("$PG_CONFIG" --includedir-server)/pg_config.h"
}

# An assertion that has failed ends its process. The server starts again, so that a test may pass in
# spite of it: what the servers have logged decides.
count_assertions() {
    local good=1 found
    # Not all of them are there after a selection of suites.
    found=$(grep -rhs '^TRAP: ' "$@" || true)
    [[ -z $found ]] || good=0
    printf '%s\n' "$found"
    passed=$((passed + good)) failed=$((failed + 1 - good))
    summary+=("$(printf '%-10s %5d passed %3d failed' assertions "$good" $((1 - good)))")
}

# Every suite that has the extension work for it, on a server built with --enable-cassert; slow, and
# such a server is seldom at hand, so it is not one of all_suites.
run_assertcheck() {
    local part suite_seconds_max=3600
    if ! checks_assertions; then
        broken assertcheck "this $("$PG_CONFIG" --version) was built without --enable-cassert;" \
            'docs/fuzzing.md says how to build one that PG_CONFIG can name'
        return
    fi
    for part in regress isolation tap; do
        mapfile -t files < <(files_of "$part")
        ((${#files[@]} == 0)) || "run_$part"
    done
    count_assertions log tmp_check output_iso
}

# The ways in themselves, as the one who called us.
run_run() { suite run count_prove "${here[@]}" prove --timer "${files[@]}"; }

# Faults. What test/torture/bank.t can be told is passed on.
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
    suite torture count_prove "${there[@]}" "${settings[@]}" prove --timer -v "${files[@]}"
}

# What a suite consists of: prints nothing where there is nothing to run.
files_of() {
    case $1 in
        lint) compgen -G 'test/lint.sh' ;;
        unit) compgen -G 'test/unit/*.t' ;;
        fuzz) compgen -G 'test/fuzz/run.sh' ;;
        regress) compgen -G 'sql/*.sql' ;;
        isolation) compgen -G 'test/specs/*.spec' ;;
        pgtap) compgen -G 'test/pgtap/*.sql' ;;
        tap) compgen -G 'test/t/*.pl' ;;
        http) compgen -G 'test/http/*.t' ;;
        memcheck) compgen -G 'test/memcheck.sh' ;;
        assertcheck) files_of regress && files_of isolation && files_of tap ;;
        run) compgen -G 'test/run/*.t' ;;
        torture) compgen -G 'test/torture/*.t' ;;
        *) die "no suite is called $1: $all_suites" ;;
    esac | grep -E "${TESTS:+${TESTS// /|}}" | sort
}

trap finish EXIT
trap 'exit 130' INT TERM HUP
bash "$TOP/bin/packages.sh" test
find_server
note "seed $seed: SEED=$seed gives back what chance decides"
copy_sources
cd "$work"
build
for name in ${SUITES:-$all_suites}; do
    mapfile -t files < <(files_of "$name")
    if ((${#files[@]})); then
        "run_$name"
    else
        summary+=("$(printf '%-10s nothing to run' "$name")")
    fi
done
