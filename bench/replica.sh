#!/bin/bash
# replica.sh PGBIN SHIM: how many GETs a second one shim answers without a replica, with one
# (--db-read), and with one whose readers allow 5 s of staleness; and how much time the processes of
# the two servers take for it. PGBIN is the folder of a server's programs that has pg_wallet, SHIM a
# wallet-shim. Not as root. Both servers, the shim and wrk share the machine: with a second machine
# the primary has left what it does not do here.
set -euo pipefail
PGBIN=${1:?usage: replica.sh PGBIN SHIM} shim=${2:?usage: replica.sh PGBIN SHIM}
seconds=${TAKE_S:-5} rounds=${RUNS:-3} port=${PORT:-17811} home=$(mktemp -d /tmp/replica.XXXXXX)
shims=()

finish() {
    ((${#shims[@]} == 0)) || kill "${shims[@]}" 2>/dev/null || true
    for server in replica primary; do "$PGBIN/pg_ctl" -s -m fast -D "$home/$server" stop || true; done
    rm -rf "$home"
}
trap finish EXIT

serve() { "$PGBIN/pg_ctl" -s -w -D "$home/$1" -l "$home/$1.log" start; }

start_shim() { # PORT FLAG...
    "$shim" --address 127.0.0.1 --port "$1" --auth off \
        --db "host=$home port=17801 dbname=postgres" "${@:2}" 2>"$home/shim.$1.log" &
    shims+=($!)
}

# Milliseconds that a server's processes have run for.
time_of() { # SERVER
    local pids
    pids=$(pgrep -d ' ' -P "$(head -n 1 "$home/$1/postmaster.pid")")
    for pid in $pids; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
        awk '{ sum += $14 + $15 } END { print sum * 10 }'
}

"$PGBIN/initdb" -D "$home/primary" -A trust -E UTF8 --no-locale >/dev/null
cat >>"$home/primary/postgresql.conf" <<END
shared_preload_libraries = 'pg_wallet'
port = 17801
unix_socket_directories = '$home'
listen_addresses = ''
END
serve primary
"$PGBIN/psql" -qXAt -h "$home" -p 17801 -d postgres -o /dev/null -c 'CREATE EXTENSION pg_wallet' \
    -c 'SELECT count(wallet_create(i, 1000)) FROM generate_series(1, 1000) AS i'
"$PGBIN/pg_basebackup" -h "$home" -p 17801 -R -c fast -X stream -D "$home/replica"
sed -i 's/17801/17802/' "$home/replica/postgresql.conf"
serve replica
start_shim "$port"
start_shim "$((port + 1))" --db-read "host=$home port=17802 dbname=postgres"
sleep 2
for ((round = 1; round <= rounds; round++)); do
    for way in none plain stale; do
        flags=() base=http://127.0.0.1:$((port + 1))
        [[ $way != none ]] || base=http://127.0.0.1:$port
        [[ $way != stale ]] || flags=(-H 'Prefer: max-staleness=5')
        primary=$(time_of primary) replica=$(time_of replica)
        rate=$(wrk -t1 -c64 -d "${seconds}s" "${flags[@]}" "$base/api/v1/wallet/async?user_id=1" |
            awk '/^Requests\/sec/ { print int($2) } /Non-2xx/ { print "refused" }')
        echo "$way: $rate a second, primary $(($(time_of primary) - primary)) ms," \
            "replica $(($(time_of replica) - replica)) ms"
    done
done
