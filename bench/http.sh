# shellcheck shell=bash
# The figures that are taken over HTTP, and those of the bare daemon beside them. To be sourced. A
# function that is named for a figure prints one number.
# shellcheck source=bench/figures.sh
. "$(dirname "${BASH_SOURCE[0]}")/figures.sh"

start_bare() {
    local flags
    read -ra flags <<<"$(pkg-config --cflags --libs libmicrohttpd)"
    cc -O2 -std=c11 -D_GNU_SOURCE -Wall -Wextra -pthread -o "$RUN_DIR/bare_daemon" \
        "$TOP/bench/bare_daemon.c" "${flags[@]}"
    bare_port=$(free_port)
    "$RUN_DIR/bare_daemon" "$bare_port" "${WALLET_THREADS:-2}" &
    helpers+=($!)
    wait_until 10 port_taken "$bare_port" || die 'the bare daemon did not start'
}

# load BASE CONNECTIONS SECONDS STATUS [RATE [FIELD]]: what post.lua says of it.
load() {
    local out field=()
    [[ -z ${6:-} ]] || field=(-H "$6")
    out=$(wrk -t1 -c"$2" -d "${3}s" "${field[@]}" -s "$TOP/bench/post.lua" "$1" -- \
        "$some" "$4" ${5:+"$5"})
    grep -q '^refused 0$' <<<"$out" || die "not every request was answered with $4: $out"
    printf '%s\n' "$out"
}

load_rate() { load "$@" | awk '/^rate/ { print $2 }'; }

# Durable answers with 64 connections, the worker posting at the same time.
post() {
    load_rate "$WALLET_URL" 64 "$seconds" 202
    settle
}
post_bare() { load_rate "http://127.0.0.1:$bare_port" 64 "$seconds" 202; }

# The outcome of one transaction, asked for with 64 connections.
get() { # BASE
    local path="/api/v1/deposit?user_id=1&handshake_id=$handshake"
    wrk -t1 -c64 -d "${seconds}s" "$1$path" >"$RUN_DIR/get"
    ! grep -q 'Non-2xx' "$RUN_DIR/get" || die "a GET was refused: $(cat "$RUN_DIR/get")"
    awk '/^Requests\/sec/ { print int($2) }' "$RUN_DIR/get"
}
get_bare() { get "http://127.0.0.1:$bare_port"; }

make_handshake() {
    handshake=$(curl -fsS -H 'Prefer: wait=10' "$WALLET_URL/api/v1/deposit" \
        -d '{"user_id":1,"wallet_id":1,"amount":1}' | grep -oE '[0-9a-f]{64}')
}

outcomes() { sql -c 'SELECT posted + refused FROM wallet.worker_state()'; }

# Arrays of 1000 transfers, 4 at a time, until the last has its outcome.
bulk() {
    local from before
    before=$(outcomes) from=$EPOCHREALTIME
    wrk -t1 -c4 -d "${seconds}s" -s "$TOP/bench/bulk.lua" "$WALLET_URL" -- "$some" 1000 \
        >"$RUN_DIR/bulk"
    grep -qx 'refused 0' "$RUN_DIR/bulk" || die "an array was refused: $(cat "$RUN_DIR/bulk")"
    settle
    rate $(($(outcomes) - before)) "$from" "$EPOCHREALTIME"
}

# From POST to its outcome, with Prefer: wait, while others POST at half of the rate RATE. Records
# its figures itself.
latency() { # RATE
    local background line p50 p99
    load "$WALLET_URL" 64 $((seconds + 2)) 202 "$(($1 / 2))" >"$RUN_DIR/background" &
    background=$!
    sleep 1
    line=$(load "$WALLET_URL" 2 "$seconds" 200 '' 'Prefer: wait=10' | grep '^latency_ms')
    wait "$background"
    read -r _ p50 p99 <<<"$line"
    record latency_p50 "$p50"
    record latency_p99 "$p99"
    record latency_load "$(awk '/^rate/ { print $2 }' "$RUN_DIR/background")"
    settle
}

# open_idle PORT COUNT: connections that stay open until the file descriptor $keeper is closed.
open_idle() {
    : >"$RUN_DIR/idle"
    exec {keeper}> >(exec python3 "$TOP/bench/connections.py" "$1" "$2" >>"$RUN_DIR/idle")
    wait_until 60 grep -qx open "$RUN_DIR/idle" || die 'the connections could not be opened'
}

# MB that a shim has to itself while it keeps $idle connections open.
shim_memory() {
    local port pid keeper
    port=$(free_port)
    ulimit -n "$(ulimit -Hn)"
    ((idle + 100 <= $(ulimit -n))) || ulimit -n $((2 * idle)) 2>/dev/null ||
        die "$idle connections need a higher limit of open files than $(ulimit -n)"
    spawn "$RUN_DIR/log/idle_shim.log" "PGHOST=$PGHOST" PGPORT=5432 PGUSER=wallet_shim \
        PGDATABASE=wallet "$RUN_DIR/bin/wallet-shim" --address 127.0.0.1 --port "$port" \
        --auth off --max-connections $((2 * idle))
    pid=$!
    wait_until 20 port_taken "$port" || die 'the shim for idle connections did not start'
    open_idle "$port" "$idle"
    awk '/^RssAnon/ { print int($2 / 1024 + 0.5) }' "/proc/$pid/status"
    exec {keeper}>&-
    kill "$pid"
}
