#!/bin/bash
# curves.sh: what one item costs by how many there are, on a system of its own. Prints a table, keeps
# lines NAME_N=VALUE in bench/results/curves.txt, and fails where an item costs more than 1.2 times
# what it costs at a smaller n. docs/performance.md says what an item of each curve is, and when a
# difference is more than noise.
#
#   CURVES="enqueue lookup"  only these curves
#   RUNS=5                   samples of each point
#   FULL=1                   also the largest n: hours, and some 60 GB
#   QUICK=1                  a point of each and little work: shows that everything works, judges nothing
#   POINTS="500 1000"        only these n, of the curves that have them
# shellcheck source=bench/rule.sh
. "$(dirname "${BASH_SOURCE[0]}")/rule.sh"

share=1 # by what the usual work of a sample is divided
wallets=10000
many_n='1 2 5 10 20 50 100 200 500 1000 2000 4000 8000'

# NAME|what N counts|the CPU time of what, for which item|N...|more N of FULL=1
curves() {
    cat <<END
enqueue|requests a call of wallet_enqueue_many()|backend, a request|$many_n|
bulk|transfers an array of POST bulk|shim and its backends, a transfer|$many_n|
lookup|handshakes a call of wallet_lookup_many()|backend, a handshake|$many_n|
batch|pg_wallet.batch_max|worker, a transfer|1 10 100 1000 10000 131072|
queue|transfers in the queue|worker, a transfer|1000 10000 100000 1000000|
clients|clients that pay directly|backends, a payment in bare INSERTs|1 2 4 8 16 32|
transaction|direct payments a transaction|backend, a payment|1 2 5 10 20 50 100 200 500 1000|
wallets_post|wallets, each in one transfer of the queue|worker, a transfer|100 1000 10000 100000|1000000 10000000
wallets_pay|wallets|backend, a payment|100 1000 10000 100000|1000000 10000000
journal_post|transfers in the journal|worker, a transfer|100000 300000 1000000|10000000 100000000
journal_pay|transfers in the journal|backend, a payment|100000 300000 1000000|10000000 100000000
journal_lookup|transfers in the journal|backend, a handshake|100000 300000 1000000|10000000 100000000
connections|idle connections of the shim|shim, a POST|1 10 100 1000|10000
END
}

# --- samples: each function prints what an item costs at N, in microseconds -----------------

curve_sql() { sql -f "$TOP/bench/curves.sql" "$@"; }

# For so many items a call: calls that take some 0.1 s.
calls() { echo $((20000 / share / ($1 + 30) + 1)); }

take_enqueue() { curve_sql -c "CALL pg_temp.enqueue($1, $(calls "$1"))"; }
take_lookup() { curve_sql -c "CALL pg_temp.lookup($1, $(calls "$1"))"; }

# post COUNT [WALLETS HAS_ONE ROUNDS]
post_queue() { curve_sql -c "CALL pg_temp.post($1, ${2:-$wallets}, ${3:-false}, ${4:-1})"; }
take_queue() { post_queue "$1"; }
take_batch() {
    sql -c "ALTER SYSTEM SET pg_wallet.batch_max = $1" -c 'SELECT pg_reload_conf()' >/dev/null
    post_queue $((131072 * $1 / (share * ($1 + 60)) + 1))
    sql -c 'ALTER SYSTEM RESET pg_wallet.batch_max' -c 'SELECT pg_reload_conf()' >/dev/null
}

# session FEW ALL COUNT: one client; the calls of functions of curves.sql that make its statements:
# first a few, which fill its caches, and then all that count, for COUNT items.
session() {
    sql -v "few=$1" -v "all=$2" -v "count=$3" -f "$TOP/bench/curves.sql" -f - <<'END'
\o /dev/null
SELECT pg_temp.:few \gexec
SELECT pg_temp.cpu_us(pg_backend_pid()) AS before \gset
SELECT pg_temp.:all \gexec
\o
SELECT (pg_temp.cpu_us(pg_backend_pid()) - :before) / :count;
END
}
# pay N TRANSACTIONS WALLETS: N payments a transaction.
pay() { session "payments(1, 10, $3)" "payments($1, $2, $3)" $(($1 * $2)); }
insert() { session 'inserts(10)' "inserts($1)" "$1"; } # each a transaction
take_transaction() { pay "$1" $((2000 / share / $1 + 1)) "$wallets"; }

# at_once CLIENTS CMD...: what CMD prints on the average, when so many run at the same time.
at_once() {
    local i clients=()
    rm -f "$RUN_DIR"/client.*
    for ((i = 1; i <= $1; i++)); do
        "${@:2}" >"$RUN_DIR/client.$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    cat "$RUN_DIR"/client.* | awk '{ sum += $1 } END { print sum / NR }'
}
take_clients() {
    local count=$((3200 / share / $1)) insert
    insert=$(at_once "$1" insert $count)
    calc "$(at_once "$1" pay 1 $count "$wallets") / $insert"
}

# In the databases of prepare_wallets and prepare_journal. A transfer of the queue writes two wallets,
# however many there are.
take_wallets_post() {
    local rounds=$((40000 / share / $1))
    elsewhere "wallets_$1" post_queue $(($1 / 2)) "$1" true $((rounds < 1 ? 1 : rounds > 50 ? 50 : rounds))
}
take_wallets_pay() { elsewhere "wallets_$1" pay 1 $((2000 / share)) "$1"; }
take_journal_post() { elsewhere "journal_$1" post_queue $((20000 / share)); }
take_journal_pay() { elsewhere "journal_$1" pay 1 $((2000 / share)) "$wallets"; }
take_journal_lookup() { elsewhere "journal_$1" curve_sql -c "CALL pg_temp.lookup(100, $(calls 100))"; }

cpu_us() { curve_sql -c "SELECT pg_temp.cpu_us(VARIADIC '{$1}')"; }
shim_pid() { cat "$RUN_DIR/shim.pid"; }
shim_and_backends() {
    shim_pid
    sql -c "SELECT pid FROM pg_stat_activity WHERE usename = 'wallet_shim'"
}

# of_load PIDS FACTOR CMD...: CMD is a load of wrk, of so many items a request.
of_load() {
    local before out
    before=$(cpu_us "$1")
    out=$("${@:3}")
    grep -qx 'refused 0' <<<"$out" || die "a request was refused: $out"
    calc "($(cpu_us "$1") - $before) / ($2 * $(awk '/^requests/ { print $2 }' <<<"$out"))"
}
take_bulk() {
    of_load "$(shim_and_backends | paste -sd,)" "$1" \
        wrk -t1 -c1 -d1s -s "$TOP/bench/bulk.lua" "$WALLET_URL" -- "$wallets" "$1"
}
take_connections() {
    local keeper
    open_idle "$PORT" "$1"
    of_load "$(shim_pid)" 1 load "$WALLET_URL" 16 $((share > 1 ? 1 : 2)) 202 2000
    exec {keeper}>&-
}

# --- what they are taken in -----------------------------------------------------------------

databases() { # NAME...: which have a worker
    local IFS=,
    sql -c "ALTER SYSTEM SET pg_wallet.databases = '$*'" -c 'SELECT pg_reload_conf()' >/dev/null
}

make_database() { # NAME WALLETS TRANSFERS
    local left=$3 count
    note "making a database with $2 wallets, $3 transfers"
    sql -c "CREATE DATABASE $1"
    elsewhere "$1" sql -c 'CREATE EXTENSION pg_wallet'
    elsewhere "$1" make_wallets "$2"
    elsewhere "$1" wait_until 90 worker_is on || die "no worker for $1"
    elsewhere "$1" curve_sql -c 'CALL pg_temp.remember()'
    while ((left > 0)); do
        count=$((left < 1000000 ? left : 1000000)) left=$((left - count))
        elsewhere "$1" post_queue "$count" >/dev/null
    done
    elsewhere "$1" settle >/dev/null
    elsewhere "$1" sql -c 'VACUUM ANALYZE'
}

# prepare_NAME N...: before the first curve of that family; the databases of the family before go.
family=''
prepare() { # CURVE N...
    local kind=${1%%_*} n names=()
    case $1 in
        enqueue | bulk | connections) worker off ;;
        *) worker on ;;
    esac
    [[ $1 == *_* && $kind != "$family" ]] || return 0
    drop_family
    family=$kind
    for n in "${@:2}"; do names+=("${kind}_$n"); done
    databases wallet "${names[@]}"
    for n in "${@:2}"; do
        case $kind in
            wallets) make_database "wallets_$n" "$n" 0 ;;
            journal) make_database "journal_$n" "$wallets" "$n" ;;
        esac
    done
}
drop_family() {
    local name
    for name in $(sql -c "SELECT datname FROM pg_database WHERE datname ~ '^(wallets|journal)_'"); do
        elsewhere "$name" verify
        databases wallet
        sql -c "DROP DATABASE $name WITH (FORCE)"
    done
}

# --- the report -----------------------------------------------------------------------------

table() {
    local name what item points more n cheapest
    printf '\n%s, %s cores; microseconds of CPU, the median of %s\n' \
        "$(sql -c "SELECT 'PostgreSQL ' || current_setting('server_version')" | cut -d' ' -f1,2)" "$(nproc)" "$runs"
    while IFS='|' read -r name what item points more; do
        [[ -n $(compgen -G "$notes/${name}_[0-9]*") ]] || continue
        printf '\n%s: %s, by %s\n%14s %10s %10s %10s %10s\n' "$name" "$item" "$what" n median least most 'times'
        cheapest=''
        for n in $(points_of "$points" "$more"); do
            n=${name}_$n
            printf '%14s %10.3f %10.3f %10.3f %10s%s\n' "${n##*_}" "$(value_of "$n")" "$(least_of "$n")" "$(most_of "$n")" \
                "$([[ -z $cheapest ]] || printf '%.2f' "$(calc "$(least_of "$n") / $(least_of "$cheapest")")")" \
                "$([[ " ${faults[*]} " != *" $n "* ]] || echo ' NO')"
            cheapest=$(cheaper "$cheapest" "$n")
        done
    done < <(curves)
}

write_results() {
    local file name
    echo "quick=${QUICK:-0}"
    echo "runs=$runs"
    for file in "$notes"/*; do
        name=${file##*/}
        printf '%s=%s\n%s_min=%s\n%s_max=%s\n' "$name" "$(value_of "$name")" \
            "$name" "$(least_of "$name")" "$name" "$(most_of "$name")"
    done
    for name in "${faults[@]}"; do echo "${name}_fault=1"; done
}

# points_of "N..." "MORE N...": those of them that are measured. A quick run takes the second, and few
# instead of many.
points_of() {
    local n points=()
    for n in $1 ${FULL:+$2}; do
        [[ " ${POINTS:-$n} " != *" $n "* ]] || points+=("$((share > 1 && n > 10000 ? n / share : n))")
    done
    [[ -z ${QUICK:-} ]] || points=("${points[@]:1:1}")
    echo "${points[*]}"
}

settings full
if [[ -n ${QUICK:-} ]]; then share=20 runs=${RUNS:-1}; fi
for name in ${CURVES:-}; do curves | grep -q "^$name|" || die "CURVES: there is no curve $name"; done
[[ -z ${FULL:-} ]] || export WALLET_MAX_CONNECTIONS=20000
ulimit -n "$(ulimit -Hn)"
begin
make_wallets "$wallets"
worker on
curve_sql -c 'CALL pg_temp.remember()'
make_bare_table
settle >/dev/null
began=$SECONDS
while IFS='|' read -r name what item points more <&3; do
    read -ra points < <(points_of "$points" "$more")
    [[ " ${CURVES:-$name} " == *" $name "* && ${#points[@]} != 0 ]] || continue
    note "$name: $what"
    prepare "$name" "${points[@]}"
    rounds "$runs" '' "$name" "${points[@]}"
    [[ -n ${QUICK:-} ]] || judge "$name" "${points[@]}"
done 3< <(curves)
worker on
settle >/dev/null
drop_family
verify
write_results >"$results/curves.txt"
note "measured for $((SECONDS - began)) s"
table
printf '\n'
cat "$results/curves.txt"
[[ ${#faults[@]} == 0 ]] || die "an item costs more than $dearer times what it costs at a smaller n: ${faults[*]}"
