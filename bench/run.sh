#!/bin/bash
# run.sh [--quick]: starts a system of its own, measures it beside pgbench's built-in script on the
# same server, and prints a table and lines NAME=VALUE. Each figure is the median of RUNS runs.
# Nothing is left behind, and no durability setting is touched.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/cluster.sh"

runs=${RUNS:-5} seconds=10 transfers=1000000 wallets=10000 scale=50
if [[ ${1:-} == --quick ]]; then
    runs=${RUNS:-1} seconds=5 transfers=200000 scale=10
fi

# --- the system under test ------------------------------------------------------------------

begin() {
    bash "$TOP/bin/packages.sh" bench
    find_server
    RUN_DIR=$(mktemp -d /tmp/pg_wallet_bench.XXXXXX)
    PORT=$(free_port)
    export RUN_DIR PORT
    chmod 755 "$RUN_DIR"
    trap finish EXIT
    bash "$TOP/bin/run.sh" start >&2
    set -a
    # shellcheck source=/dev/null
    . "$RUN_DIR/env"
    set +a
}

finish() {
    bash "$TOP/bin/run.sh" stop >&2
    rm -rf "$RUN_DIR"
}

sql() { "$PGBIN/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }

worker() { # on|off: and wait until it is so
    sql -c "ALTER SYSTEM SET pg_wallet.worker = $1" -c 'SELECT pg_reload_conf()' >/dev/null
    wait_until 20 worker_is "$1" || die "the worker did not turn $1"
}

worker_is() { [[ $(sql -c "SELECT CASE WHEN worker_pid IS NULL THEN 'off' ELSE 'on' END FROM wallet.queue") == "$1" ]]; }

queue_is_empty() { [[ $(sql -c 'SELECT queued FROM wallet.queue') == 0 ]]; }

make_wallets() {
    note "making $wallets wallets"
    sql -c "SELECT count(wallet_create(user_id, 1000000)) FROM generate_series(1, $wallets) AS user_id" >/dev/null
    sql -c 'VACUUM ANALYZE'
    "$PGBIN/pgbench" -i -q -s "$scale" >/dev/null 2>&1
}

# --- the figures ----------------------------------------------------------------------------
# Each function prints one number: how many a second.

tps() { "$PGBIN/pgbench" -n -c 8 -j 2 -M prepared -T "$seconds" "$@" 2>/dev/null | awk '/^tps/ { print int($3) }'; }

tpcb() { tps -b tpcb-like; }

direct() { tps -D "wallets=$wallets" -f "$TOP/bench/transfer.pgbench"; }

rate() { awk -v n="$1" -v from="$2" -v to="$3" 'BEGIN { print int(n / (to - from)) }'; }

# Fills the queue, 1000 a call in one session, with the worker off.
enqueue() {
    local from=$EPOCHREALTIME
    sql -v calls=$((transfers / 1000)) -v "wallets=$wallets" -f "$TOP/bench/enqueue.sql" >/dev/null
    rate "$transfers" "$from" "$EPOCHREALTIME"
}

# The worker alone, from the moment when it is let loose until nothing is queued.
drain() {
    local from=$EPOCHREALTIME
    worker on
    wait_until 600 queue_is_empty || die 'the queue did not drain'
    rate "$transfers" "$from" "$EPOCHREALTIME"
}

# Durable answers over HTTP with 64 connections, the worker posting at the same time.
post() {
    local out
    out=$(wrk -t1 -c64 -d "${seconds}s" -s "$TOP/bench/post.lua" "$WALLET_URL" -- "$wallets")
    wait_until 600 queue_is_empty || die 'the queue did not drain'
    grep -q 'refused 0$' <<<"$out" || die "not every request was taken: $out"
    awk '/^Requests\/sec/ { print int($2) }' <<<"$out"
}

verify() {
    [[ $(sql -c 'SELECT bool_and(ok) FROM wallet_verify()') == t ]] || die 'wallet_verify() found a fault'
}

# --- the report -----------------------------------------------------------------------------

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

measure() {
    local run
    for ((run = 1; run <= runs; run++)); do
        note "run $run of $runs"
        tpcb >>"$RUN_DIR/tpcb"
        direct >>"$RUN_DIR/direct"
        worker off
        enqueue >>"$RUN_DIR/enqueue"
        drain >>"$RUN_DIR/drain"
        post >>"$RUN_DIR/post"
        verify
    done
}

report() { # NAME FLOOR WHAT
    local value base spread
    value=$(median <"$RUN_DIR/$1") base=$(median <"$RUN_DIR/tpcb")
    spread=$(sort -n "$RUN_DIR/$1" | sed -n '1p;$p' | paste -sd-)
    printf '%-52s %9d/s %7.1fx  (%s)%s\n' "$3" "$value" "$(awk "BEGIN { print $value / $base }")" "$spread" \
        "$( ((value >= $2)) || echo "  BELOW THE FLOOR OF $2")"
    echo "$1=$value" >>"$RUN_DIR/values"
    ((value >= $2)) || status=1
}

begin
make_wallets
measure
status=0
printf '\nmedian of %d runs, beside pgbench on the same server; %s, %s cores\n\n' \
    "$runs" "$("$PG_CONFIG" --version)" "$(nproc)"
report tpcb 0 "pgbench's TPC-B, scale $scale, 8 clients"
report direct 0 'wallet_transfer() directly, 8 clients'
report enqueue 0 'wallet_enqueue_many(), 1,000 a call, one session'
report drain 15000 "posting $transfers queued transfers, worker alone"
report post 5000 'POST transaction over HTTP, durable, 64 connections'
printf '\n'
cat "$RUN_DIR/values"
exit "$status"
