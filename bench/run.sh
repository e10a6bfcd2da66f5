#!/bin/bash
# run.sh [--quick]: starts a system of its own, measures it beside pgbench's built-in script on the
# same server, and prints a table and lines NAME=VALUE. Each figure is the median of RUNS runs.
# Nothing is left behind, and no durability setting is touched.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/cluster.sh"

runs=${RUNS:-5} seconds=10 transfers=1000000 scale=50
if [[ ${1:-} == --quick ]]; then
    runs=${RUNS:-1} seconds=3 transfers=200000 scale=10
fi
some=10000 many=100000 # wallets

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
    note "making $many wallets"
    sql -c "SELECT count(wallet_create(user_id, 1000000)) FROM generate_series(1, $many) AS user_id" >/dev/null
    sql -c 'VACUUM ANALYZE'
    "$PGBIN/pgbench" -i -q -s "$scale" >/dev/null 2>&1
}

# --- the figures ----------------------------------------------------------------------------
# Each function prints one number: how many a second.

tps() { "$PGBIN/pgbench" -n -c 8 -j 2 -M prepared -T "$seconds" "$@" 2>/dev/null | awk '/^tps/ { print int($3) }'; }

tpcb() { tps -b tpcb-like; }

# Between random wallets of many, or all into one.
direct() { tps -D "wallets=$many" -f "$TOP/bench/transfer.pgbench"; }
direct_hot() { tps -D "wallets=$many" -f "$TOP/bench/hot.pgbench"; }

rate() { awk -v n="$1" -v from="$2" -v to="$3" 'BEGIN { print int(n / (to - from)) }'; }

# enqueue WALLETS HOT: fills the queue, 1000 a call in one session, with the worker off.
enqueue() {
    worker off
    local from=$EPOCHREALTIME
    sql -v calls=$((transfers / 1000)) -v "wallets=$1" -v "hot=$2" -f "$TOP/bench/enqueue.sql" >/dev/null
    rate "$transfers" "$from" "$EPOCHREALTIME"
}

# The worker alone, from the moment when it is let loose until nothing is queued.
drain() {
    local from=$EPOCHREALTIME
    worker on
    wait_until 600 queue_is_empty || die 'the queue did not drain'
    rate "$transfers" "$from" "$EPOCHREALTIME"
}

drain_of() { # WALLETS HOT
    enqueue "$1" "$2" >/dev/null
    drain
}

# Durable answers over HTTP with 64 connections, the worker posting at the same time.
post() {
    local out
    out=$(wrk -t1 -c64 -d "${seconds}s" -s "$TOP/bench/post.lua" "$WALLET_URL" -- "$some")
    wait_until 600 queue_is_empty || die 'the queue did not drain'
    grep -q 'refused 0$' <<<"$out" || die "not every request was taken: $out"
    awk '/^Requests\/sec/ { print int($2) }' <<<"$out"
}

# Arrays of 1000 transfers over HTTP, 4 at a time, until the last has its outcome.
bulk() {
    local from=$EPOCHREALTIME taken
    taken=$(wrk -t1 -c4 -d "${seconds}s" -s "$TOP/bench/bulk.lua" "$WALLET_URL" -- "$some" 1000 | awk '/^taken/ { print $2 }')
    wait_until 600 queue_is_empty || die 'the queue did not drain'
    rate "$taken" "$from" "$EPOCHREALTIME"
}

# The outcome of one transaction, asked for with 64 connections.
get() {
    local handshake
    handshake=$(curl -fsS "$WALLET_URL/api/v1/deposit" -d '{"user_id":1,"wallet_id":1,"amount":1}' | grep -oE '[0-9a-f]{64}')
    wrk -t1 -c64 -d "${seconds}s" "$WALLET_URL/api/v1/deposit?user_id=1&handshake_id=$handshake" |
        awk '/^Requests\/sec/ { print int($2) }'
}

# Bytes for each transfer, from the request to the journal: on disk, and in the write-ahead log.
disk() { sql -c "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'wallet'::regnamespace"; }
wal() { sql -c "SELECT pg_current_wal_lsn() - '0/0'"; }

verify() {
    [[ $(sql -c 'SELECT bool_and(ok) FROM wallet_verify()') == t ]] || die 'wallet_verify() found a fault'
}

# --- the report -----------------------------------------------------------------------------

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

measure() {
    local run disk_before wal_before
    for ((run = 1; run <= runs; run++)); do
        note "run $run of $runs"
        tpcb >>"$RUN_DIR/tpcb"
        direct >>"$RUN_DIR/direct"
        direct_hot >>"$RUN_DIR/direct_hot"
        disk_before=$(disk) wal_before=$(wal)
        enqueue "$some" 0 >>"$RUN_DIR/enqueue"
        drain >>"$RUN_DIR/drain"
        echo $((($(disk) - disk_before) / transfers)) >>"$RUN_DIR/disk_bytes"
        echo $((($(wal) - wal_before) / transfers)) >>"$RUN_DIR/wal_bytes"
        drain_of "$some" 90 >>"$RUN_DIR/drain_hot"
        drain_of "$many" 0 >>"$RUN_DIR/drain_many"
        post >>"$RUN_DIR/post"
        bulk >>"$RUN_DIR/bulk"
        get >>"$RUN_DIR/get"
        verify
    done
}

value_of() { median <"$RUN_DIR/$1"; }
spread_of() { sort -n "$RUN_DIR/$1" | sed -n '1p;$p' | paste -sd-; }

report() { # NAME FLOOR WHAT
    local value
    value=$(value_of "$1")
    printf '%-56s %8d/s %6.1fx  (%s)%s\n' "$3" "$value" "$(awk "BEGIN { print $value / $(value_of tpcb) }")" \
        "$(spread_of "$1")" "$( ((value >= $2)) || echo "  BELOW THE FLOOR OF $2")"
    echo "$1=$value" >>"$RUN_DIR/values"
    ((value >= $2)) || status=1
}

report_bytes() { # NAME WHAT
    printf '%-56s %8d bytes  (%s)\n' "$2" "$(value_of "$1")" "$(spread_of "$1")"
    echo "$1=$(value_of "$1")" >>"$RUN_DIR/values"
}

begin
make_wallets
measure
status=0
printf '\nmedian of %d runs, beside pgbench on the same server; %s, %s cores\n\n' \
    "$runs" "$("$PG_CONFIG" --version)" "$(nproc)"
report tpcb 0 "pgbench's TPC-B, scale $scale, 8 clients"
report direct 0 "wallet_transfer() directly, 8 clients, $many wallets"
report direct_hot 0 'the same, every client paying into one wallet'
report enqueue 0 'wallet_enqueue_many(), 1,000 a call, one session'
report drain 15000 "posting $transfers queued transfers, $some wallets"
report drain_hot 0 'the same, 90 of 100 into one wallet'
report drain_many 0 "the same, $many wallets"
report post 5000 'POST transaction over HTTP, durable, 64 connections'
report bulk 0 'POST bulk, 1,000 an array, until the last outcome'
report get 0 'GET outcome, 64 connections'
report_bytes disk_bytes 'on disk for each transfer, all tables and indexes'
report_bytes wal_bytes 'in the write-ahead log for each transfer, queue included'
printf '\n'
cat "$RUN_DIR/values"
exit "$status"
