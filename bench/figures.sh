# shellcheck shell=bash
# The figures that are taken in SQL. To be sourced. A function that is named for a figure prints
# one number, mostly how many a second.
# shellcheck source=bench/system.sh
. "$(dirname "${BASH_SOURCE[0]}")/system.sh"

# --- pgbench --------------------------------------------------------------------------------

tps() { # ARGUMENT...
    "$PGBIN/pgbench" -n -c 8 -j 2 -M prepared -T "$seconds" "$@" 2>/dev/null |
        awk '/^tps/ { print int($3) }'
}

# What pgbench pays with, in databases of their own. On scale 1 all clients update the same row.
make_yardsticks() {
    local name
    for name in tpcb:$scale tpcb_hot:1; do
        wanted "${name%:*}" || continue
        sql -c "CREATE DATABASE ${name%:*}"
        "$PGBIN/pgbench" -i -q -s "${name#*:}" "${name%:*}" >/dev/null 2>&1
    done
    wanted bare_insert || return 0
    sql -c 'CREATE DATABASE bare_insert'
    elsewhere bare_insert make_bare_table
}
make_bare_table() {
    sql -c 'CREATE TABLE payment (source bigint, destination bigint, amount bigint,
        paid_at timestamptz DEFAULT now(), payment_id bigserial PRIMARY KEY)'
}

# One durable row, and its entry in one index: what PostgreSQL needs to keep a payment at all.
bare_insert() { elsewhere bare_insert tps -D "wallets=$many" -f "$TOP/bench/insert.pgbench"; }

tpcb() { elsewhere tpcb tps -b tpcb-like; }
tpcb_hot() { elsewhere tpcb_hot tps -b tpcb-like; }

# Between random wallets of many, or all into one.
direct() { tps -D "wallets=$many" -f "$TOP/bench/transfer.pgbench"; }
direct_hot() { tps -D "wallets=$many" -f "$TOP/bench/hot.pgbench"; }

# --- the queue and the worker ---------------------------------------------------------------

rate() { # COUNT FROM TO
    awk -v n="$1" -v from="$2" -v to="$3" 'BEGIN { print int(n / (to - from)) }'
}

# Fills the queue, 1000 a call in one session, with the worker off.
enqueue() { # WALLETS HOT COUNT
    worker off
    local took
    took=$(queue_up "$@")
    rate "$3" 0 "$took"
}

queue_up() { # WALLETS HOT COUNT: prints the seconds that the calls took
    sql -v calls=$(($3 / 1000)) -v "wallets=$1" -v "hot=$2" -f "$TOP/bench/enqueue.sql"
}

enqueue_and_settle() {
    enqueue "$some" 0 "$transfers"
    worker on
    settle >/dev/null
}

# The worker alone, from the moment when it is let loose until nothing is queued.
drain() { # COUNT
    local from=$EPOCHREALTIME
    sql -c 'ALTER SYSTEM SET pg_wallet.worker = on' -c 'SELECT pg_reload_conf()' \
        -f "$TOP/bench/await.sql" >/dev/null
    rate "$1" "$from" "$EPOCHREALTIME"
}

drain_of() { # WALLETS HOT COUNT
    enqueue "$@" >/dev/null
    drain "$3"
}

# The whole way: one session queues while the worker posts, from the start of the session until the
# last outcome. Which wallets the figure before has written makes no difference.
whole() {
    local from
    sql -c 'VACUUM wallet.wallet'
    from=$EPOCHREALTIME
    queue_up "$some" 0 "$transfers" >/dev/null
    settle >/dev/null
    rate "$transfers" "$from" "$EPOCHREALTIME"
}

# The worker alone on a queue of COUNT requests of this kind: the seconds that it takes.
seconds_of() { # KIND COUNT
    local from
    worker off
    sql -v kind="$1" -v count="$2" -v wallets="$some" -f "$TOP/bench/operations.sql"
    from=$EPOCHREALTIME
    drain "$2" >/dev/null
    calc "$EPOCHREALTIME - $from"
}

# Holds, and then their captures: both are counted.
take_holds() {
    local holds captures
    holds=$(seconds_of hold $((transfers / 2)))
    captures=$(seconds_of capture $((transfers / 2)))
    rate "$transfers" 0 "$(calc "$holds + $captures")"
}

percentile_99() { sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }'; }

# Holds that are due at one moment, while payments are made between the same wallets for so many seconds.
# Sets $from and $until: the jump of the clock, and the moment when no hold is open.
expire_run() { # WALLETS HOLDS SECONDS SCRIPT
    local offset payer
    some=$1 seconds_of hold "$2" >/dev/null
    offset=$(sql -c 'SELECT 1 + ceil(extract(epoch FROM max(expires_at) - clock_timestamp())) FROM wallet.hold WHERE state = 0')
    rm -rf "$RUN_DIR/lat" && mkdir "$RUN_DIR/lat" && chmod 777 "$RUN_DIR/lat"
    (cd "$RUN_DIR/lat" && exec "$PGBIN/pgbench" -n -c 4 -j 2 -M prepared -R 200 -T "$3" -l \
        -D "wallets=$1" -f "$TOP/bench/$4" >/dev/null 2>&1) &
    payer=$!
    # What making the holds has written is not written and synchronized while they expire.
    sql -c CHECKPOINT
    from=$EPOCHREALTIME
    sql -c "ALTER SYSTEM SET pg_wallet.clock_offset = '$offset s'" -c 'SELECT pg_reload_conf()' >/dev/null
    # The question takes a core for longer, the more entries of expired holds it meets.
    until [[ $(sql -c 'SELECT EXISTS (SELECT FROM wallet.hold WHERE state = 0)') == f ]]; do
        sleep 1
    done
    until=$EPOCHREALTIME
    wait "$payer"
    settle >/dev/null
    sql -c 'ALTER SYSTEM RESET pg_wallet.clock_offset' -c 'SELECT pg_reload_conf()' >/dev/null
}

# What the direct payments of the last run took while holds were open, in ms. The log's lines end with the
# moment of the end and the lag behind the schedule, which is part of the third column.
expire_direct_p99() {
    cat "$RUN_DIR"/lat/pgbench_log* | awk -v from="$from" -v until="$until" \
        '$5 + $6 / 1e6 >= from && $5 + $6 / 1e6 - $3 / 1e6 <= until { print $3 / 1000 }' | percentile_99
}

# What the queued ones took from the commit of the request to the commit of the transfer, in ms.
expire_queued_p99() {
    sql -c "SELECT extract(epoch FROM pg_xact_commit_timestamp(t.xmin) - pg_xact_commit_timestamp(r.xmin)) * 1000
                FROM wallet.request AS r JOIN wallet.transfer AS t USING (request_id) JOIN wallet.kind AS k ON k.number = r.kind
                WHERE k.name = 'transaction' AND pg_xact_commit_timestamp(t.xmin) >= to_timestamp($from)
                    AND pg_xact_commit_timestamp(r.xmin) <= to_timestamp($until)" | percentile_99
}

keep_commit_times() { # on|off
    sql -c "ALTER SYSTEM SET track_commit_timestamp = $1"
    bash "$TOP/bin/run.sh" stop >&2
    start_system
    wait_until 90 worker_is on || die 'the worker did not turn on'
}

# As many holds as transfers, while 4 clients pay 200 times a second in all; and once more while 4 clients
# queue as many payments. Then the same for a tenth of the holds on 10 wallets.
expire_figures() {
    local from until few=$((transfers / 10))
    keep_commit_times on
    expire_run "$some" "$transfers" 40 transfer.pgbench
    record expire_s "$(calc "$until - $from")"
    record expire_p99 "$(expire_direct_p99)"
    expire_run "$some" "$transfers" 40 queue.pgbench
    record expire_queued_p99 "$(expire_queued_p99)"
    expire_run 10 "$few" 20 transfer.pgbench
    record expire_few_p99 "$(expire_direct_p99)"
    expire_run 10 "$few" 20 queue.pgbench
    record expire_few_queued_p99 "$(expire_queued_p99)"
    keep_commit_times off
}

# Groups of two transfers: the transfers are counted.
take_groups() { rate "$transfers" 0 "$(seconds_of group $((transfers / 2)))"; }

# wallet_transfer_many() in one session, each call its own commit.
many_at_once() { # SIZE
    rate "$transfers" 0 "$(sql -v count="$transfers" -v size="$1" -v wallets="$some" -f "$TOP/bench/many.sql")"
}
many_1000() { many_at_once 1000; }
many_8000() { many_at_once 8000; }

take_drain() { drain_of "$some" 0 "$transfers"; }
take_drain_hot() { drain_of "$some" 90 "$transfers"; }
take_drain_many() { drain_of "$many" 0 "$transfers"; }
take_drain_many_hot() { drain_of "$many" 90 "$transfers"; }

# Bytes: on disk in all tables and indexes, and in the write-ahead log.
disk() {
    sql -c "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
                WHERE relkind IN ('r', 'm') AND relnamespace = 'wallet'::regnamespace"
}
wal() { sql -c "SELECT pg_current_wal_lsn() - '0/0'"; }

watch_worker() { # FILE
    until worker_is on; do sleep 0.1; done
    watch_memory "$(worker_pid)" "$1"
}

# One filling and draining of the queue gives five figures, of which those that are wanted are kept.
queue_figures() {
    local disk_before wal_before watcher name
    disk_before=$(disk) wal_before=$(wal)
    measure enqueue enqueue "$some" 0 "$transfers"
    rm -f "$RUN_DIR/peak"
    watch_worker "$RUN_DIR/peak" &
    watcher=$!
    measure drain drain "$transfers"
    wait_until 10 test -s "$RUN_DIR/peak" || die "the worker's memory could not be read"
    kill "$watcher"
    wait "$watcher" 2>/dev/null || true
    record worker_memory "$(calc "int($(cat "$RUN_DIR/peak") / 1024 + 0.5)")"
    record disk_bytes $((($(disk) - disk_before) / transfers))
    record wal_bytes $((($(wal) - wal_before) / transfers))
    for name in enqueue drain worker_memory disk_bytes wal_bytes; do
        wanted "$name" || rm "$notes/$name"
    done
}

# --- what takes long ------------------------------------------------------------------------

transfer_count() { sql -c 'SELECT count(*) FROM wallet.transfer'; }

# Fills the journal up to $fill transfers, then drains a fresh database and the full one in turn.
full_journal() {
    local run
    filled=$(transfer_count)
    note "the journal holds $filled transfers, and is to hold $fill"
    while ((filled < fill)); do
        take_drain >/dev/null
        filled=$(transfer_count)
    done
    for ((run = 1; run <= runs; run++)); do
        measure drain_fresh fresh_drain
        measure drain_full take_drain
        pair drain_full drain_fresh
    done
    steady drain_full drain_fresh fresh_drain take_drain
    verify
}

fresh_drain() {
    make_fresh
    elsewhere fresh take_drain
    drop_fresh
}

# A session that does nothing but hold a snapshot.
hold_snapshot() {
    PGAPPNAME=holder sql -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' \
        -c 'SELECT count(*) FROM wallet.currency' -c 'SELECT pg_sleep(86400)' >/dev/null 2>&1
}
holders() { sql -c "SELECT $1 FROM pg_stat_activity WHERE application_name = 'holder'"; }
snapshot_is_held() { [[ $(holders 'count(backend_xmin)') == 1 ]]; }
release_snapshot() { holders 'pg_terminate_backend(pid, 20000)' >/dev/null; }

chunk_drain() { drain_of "$some" 0 "$chunk"; }

# Posts for $hold_s seconds while a snapshot is held, in a fresh database; before and after, the
# same without the snapshot is the yardstick. The figure is what the last quarter of the time gave.
held_snapshot() {
    local began value
    make_fresh
    fresh_chunks
    elsewhere fresh hold_snapshot &
    helpers+=($!)
    wait_until 20 snapshot_is_held || die 'no session holds a snapshot'
    note "posting for $hold_s s while a snapshot is held"
    began=$EPOCHREALTIME
    echo '# seconds since the snapshot was taken, transfers a second' >"$results/snapshot.txt"
    while holds "($EPOCHREALTIME - $began < $hold_s)"; do
        value=$(elsewhere fresh chunk_drain)
        echo "$(calc "$EPOCHREALTIME - $began") $value" >>"$results/snapshot.txt"
    done
    snapshot_is_held || die 'the snapshot was lost'
    release_snapshot
    elsewhere fresh sql -c 'VACUUM ANALYZE wallet.wallet' # else it would look at every dead version
    elsewhere fresh verify
    awk -v last="$hold_s" '!/^#/ && $1 > last * 0.75 { print $2 }' \
        "$results/snapshot.txt" >"$notes/drain_held"
    if ((!quick)); then
        make_fresh
        fresh_chunks
    fi
}

fresh_chunks() {
    local run
    for ((run = 1; run <= (runs + 1) / 2; run++)); do
        measure drain_unheld elsewhere fresh chunk_drain
    done
}
