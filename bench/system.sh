# shellcheck shell=bash
# What the benchmark is taken with: its settings, a system of its own, SQL, the worker, and the
# notebook. To be sourced; `settings` and then `begin` come first.
#
# $RUN_DIR holds the system under test, $notes a file of samples for each figure, $results what
# stays when the benchmark has ended.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/cluster.sh"
shopt -s inherit_errexit

results=$TOP/bench/results
helpers=() # processes to be ended when the benchmark does

# The names of the samples that a figure consists of, its yardsticks among them.
declare -A samples_of=(
    [1]='drain tpcb' [2]='drain_many tpcb' [3]='drain_many_hot drain_many drain_hot drain'
    [4]='direct bare_insert tpcb' [5]='direct_hot tpcb_hot' [6]='enqueue tpcb' [7]='post post_bare'
    [8]='bulk tpcb' [9]='get get_bare' [10]='latency_p50 post' [11]=drain_full [12]=drain_held
    [13]=disk_bytes [14]=wal_bytes [15]='worker_memory shim_memory' [16]='whole tpcb'
    [17]='many_8000 many_1000 tpcb' [18]='holds drain' [19]='groups drain'
    [20]='expire_s expire_p99 expire_queued_p99 expire_few_p99 expire_few_queued_p99'
)

# choose [FIGURE...]: only these figures are taken, named by their numbers or by their first samples.
# Without an argument all are.
choose() {
    local figure number name
    declare -gA chosen=()
    (($#)) || set -- "${!samples_of[@]}"
    for figure; do
        for number in "${!samples_of[@]}"; do
            [[ $figure != "${samples_of[$number]%% *}" ]] || figure=$number
        done
        [[ -n ${samples_of[$figure]:-} ]] || die "FIGURES: there is no figure $figure"
        for name in ${samples_of[$figure]}; do chosen[$name]=1; done
    done
}

wanted() { # NAME...: is one of them a sample of a figure that is taken?
    local name
    for name; do [[ -z ${chosen[$name]:-} ]] || return 0; done
    return 1
}

# settings full|quick. pgbench and wrk take $seconds for each figure; $chunk is how much is posted
# at a time while a snapshot is held.
# shellcheck disable=SC2034 # for those who source this
settings() {
    local name
    for name in RUNS TRANSFERS FILL HOLD_S TAKE_S; do
        [[ ${!name:-0} =~ ^[0-9]+$ ]] || die "$name=${!name} is not a number"
    done
    some=10000 many=100000 idle=10000 filled=0 # wallets, wallets, connections, transfers
    quick=0 runs=5 seconds=10 scale=50 transfers=1000000 chunk=200000 fill=10000000 hold_s=600
    if [[ $1 == quick ]]; then
        quick=1 runs=1 seconds=1 scale=10 transfers=50000 chunk=50000 fill=0 hold_s=3
        idle=2000
    fi
    runs=${RUNS:-$runs} transfers=${TRANSFERS:-$transfers} fill=${FILL:-$fill}
    hold_s=${HOLD_S:-$hold_s} seconds=${TAKE_S:-$seconds}
    figures=${FIGURES:-}
    # shellcheck disable=SC2086 # words
    choose $figures
}

# --- the system under test ------------------------------------------------------------------

begin() {
    bash "$TOP/bin/packages.sh" bench
    find_server
    RUN_DIR=$(mktemp -d /tmp/pg_wallet_bench.XXXXXX)
    notes=$RUN_DIR/notes
    PORT=$(free_port)
    export RUN_DIR PORT
    chmod 755 "$RUN_DIR"
    mkdir -p "$notes" "$results"
    trap finish EXIT
    start_system
    ((EUID != 0)) || act_as postgres
}

start_system() {
    bash "$TOP/bin/run.sh" start >&2
    set -a
    # shellcheck source=/dev/null
    . "$RUN_DIR/env"
    set +a
    # Housekeeping that comes once an hour would fall upon one figure or another.
    sql -c 'UPDATE cron.job SET active = false'
    # What is drained is queued before, all of it.
    sql -c 'ALTER SYSTEM SET pg_wallet.queue_limit = 0' -c 'SELECT pg_reload_conf()' >/dev/null
}

stop_system() {
    local pid
    for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null || true; done
    helpers=()
    bash "$TOP/bin/run.sh" stop >&2
}

# Another system in the place of this one, whose data take much of the disk by now.
begin_anew() {
    stop_system
    rm -rf "$RUN_DIR/data"
    start_system
}

finish() {
    stop_system
    rm -rf "$RUN_DIR"
}

sql() { "$PGBIN/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }

elsewhere() { # DATABASE CMD...: CMD there
    local -x PGDATABASE=$1
    shift
    "$@"
}

make_wallets() { # COUNT
    sql -c "SELECT count(wallet_create(user_id, 1000000))
                FROM generate_series(1, $1) AS user_id" -c 'VACUUM ANALYZE' >/dev/null
}

# A second wallet database on the same server, whose journal is as good as empty.
make_fresh() {
    worker off
    drop_fresh
    sql -c 'CREATE DATABASE fresh' -c "ALTER SYSTEM SET pg_wallet.databases = 'wallet,fresh'"
    elsewhere fresh sql -c 'CREATE EXTENSION pg_wallet'
    elsewhere fresh make_wallets "$some"
    elsewhere fresh worker on # the launcher has met it now
}

drop_fresh() {
    sql -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS fresh WITH (FORCE)'
}

verify() {
    local faults
    faults=$(sql -c "SET work_mem = '256MB'" -c 'SELECT name, detail FROM wallet_verify() WHERE NOT ok')
    [[ -z $faults ]] || die "wallet_verify() found a fault: $faults"
}

# --- the worker -----------------------------------------------------------------------------

# Workers belong to the whole server; the one of $PGDATABASE is waited for.
worker() { # on|off
    sql -c "ALTER SYSTEM SET pg_wallet.worker = $1" -c 'SELECT pg_reload_conf()' >/dev/null
    wait_until 90 worker_is "$1" || die "the worker did not turn $1"
}

worker_pid() { sql -c 'SELECT worker_pid FROM wallet.worker_state()'; }
worker_is() { [[ $([[ -n $(worker_pid) ]] && echo on || echo off) == "$1" ]]; }

# Returns when every request has its outcome.
settle() { sql -f "$TOP/bench/await.sql"; }

# The most memory, in KiB, that process PID has had to itself (RssAnon: shared memory does not
# count), looked at ten times a second and kept in FILE.
watch_memory() { # PID FILE
    local peak=0 key value
    while [[ -r /proc/$1/status ]]; do
        while read -r key value _; do
            [[ $key != RssAnon: ]] || ((value <= peak)) || peak=$value
        done <"/proc/$1/status"
        echo "$peak" >"$2"
        sleep 0.1
    done
}

# --- the notebook ---------------------------------------------------------------------------

record() { # NAME VALUE
    [[ -n $2 ]] || die "no figure for $1"
    echo "$2" >>"$notes/$1"
    note "  $1 $2"
}

# measure NAME CMD...: CMD prints one number.
measure() {
    local value
    value=$("${@:2}")
    record "$1" "$value"
}

# sample NAME CMD...: measured when a figure that is taken needs it.
sample() { ! wanted "$1" || measure "$@"; }

median() {
    sort -n | awk '{ v[NR] = $1 } END {
        m = (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
        print(m < 100 ? m : int(m + 0.5)) }'
}
value_of() { median <"$notes/$1"; }
least_of() { sort -n "$notes/$1" | head -n 1; }
most_of() { sort -n "$notes/$1" | tail -n 1; }
calc() { awk "BEGIN { print $1 }"; }
holds() { [[ $(calc "$1") == 1 ]]; }

wider() { # NAME OTHER: is its spread, largest by smallest, larger?
    holds "($(most_of "$1") / $(least_of "$1") > $(most_of "$2") / $(least_of "$2"))"
}

again_count() { if [[ -e $notes/.again_$1 ]]; then wc -l <"$notes/.again_$1"; else echo 0; fi; }

# pair FIGURE YARDSTICK [YARDSTICK_SAMPLES [SAMPLES [NAME]]]: notes the ratio of what was measured
# last, so that it is one of minutes, not of hours. Of either the last samples count, their mean:
# mostly one. Notes nothing where one of the two has not been measured.
pair() {
    [[ -e $notes/$1 && -e $notes/$2 ]] || return 0
    record "${5:-$1}_ratio" "$(calc "$(mean_of_last "${4:-1}" "$1") / $(mean_of_last "${3:-1}" "$2")")"
}

mean_of_last() { # SAMPLES NAME
    tail -n "$1" "$notes/$2" | awk '{ sum += $1 } END { print sum / NR }'
}

# steady FIGURE YARDSTICK TAKE_YARDSTICK CMD...: a yardstick that varies more than what it measures is
# little use: both are taken again, twice and in mirrored order, up to two times.
steady() {
    local figure=$1 yardstick=$2
    ((runs > 1)) && [[ -e $notes/$figure && -e $notes/$yardstick ]] || return 0
    while (($(again_count "$figure") < 2)) && wider "$yardstick" "$figure"; do
        note "$yardstick varies more than $figure: measuring both again"
        measure "$yardstick" "$3"
        measure "$figure" "${@:4}"
        measure "$figure" "${@:4}"
        measure "$yardstick" "$3"
        pair "$figure" "$yardstick" 2 2
        echo >>"$notes/.again_$figure"
    done
}
