# shellcheck shell=bash
# A database cluster that belongs to nobody else: made, configured, started, filled, stopped.
# To be sourced; find_server or act_as may have to come first. `make run`, the test runner and the
# container's entry point all go through here. Everything runs as $owner; paths are absolute.

# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

psql_in() { # SOCKET DATABASE ARGUMENT...
    "${as[@]}" "$PGBIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$1" -U postgres -d "$2" "${@:3}"
}

# cluster_create DATA: superuser postgres, an empty database wallet. The database is made in
# single-user mode, before pg_cron first runs: it gives up where its database is missing. If this
# is cut short, DATA is of no use: make it under another name and rename it when it is whole.
cluster_create() {
    local data=$1
    "${as[@]}" "$PGBIN/initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth=trust \
        --data-checksums --no-instructions >/dev/null
    echo "include 'pg_wallet.conf'" | "${as[@]}" tee -a "$data/postgresql.conf" >/dev/null
    "${as[@]}" touch "$data/pg_wallet.conf"
    echo 'CREATE DATABASE wallet' |
        "${as[@]}" "$PGBIN/postgres" --single -c log_checkpoints=off -D "$data" postgres >/dev/null
}

# cluster_access DATA: who may connect is read from standard input (pg_hba.conf).
cluster_access() { "${as[@]}" tee "$1/pg_hba.conf" >/dev/null; }

# cluster_configure DATA SOCKET: no TCP at all; further settings are read from standard input. They
# stand in a file of their own, after which ALTER SYSTEM has the last word.
cluster_configure() {
    local socket=${2//\'/\'\'}
    {
        echo '# Written at every start; ALTER SYSTEM is where changes last.'
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$socket'"
        echo 'port = 5432'
        cat
    } | "${as[@]}" tee "$1/pg_wallet.conf" >/dev/null
}

# What a server that runs the whole system needs, for cluster_configure. pg_cron starts its jobs
# as background workers, so that it has to log in nowhere.
full_configuration() {
    cat <<'END'
shared_preload_libraries = 'pg_cron,pg_wallet'
max_worker_processes = 20
cron.database_name = 'wallet'
cron.use_background_workers = on
pg_wallet.databases = 'wallet'
END
}

accepts() { "${as[@]}" "$PGBIN/pg_isready" -q -h "$1" -d postgres; }

accepts_or_ended() { accepts "$1" || ! [[ -d /proc/$2 ]]; }

# cluster_start DATA SOCKET LOG PIDFILE: a server just killed, and what it has left running, may
# hold its process id and shared memory for a moment longer.
cluster_start() {
    local data=$1 socket=$2 log=$3 pidfile=$4
    for _ in {1..10}; do
        spawn "$log" "$PGBIN/postgres" -D "$data"
        echo "$!" >"$pidfile"
        wait_until 60 accepts_or_ended "$socket" "$!" || break
        ! accepts "$socket" || return 0
        tail -n 2 "$log" |
            grep -qE 'pre-existing shared memory block|"postmaster.pid" already exists' || break
        sleep 1
    done
    return 1
}

ended() { ! [[ -d /proc/$1 ]] || grep -qs '^State:.*Z' "/proc/$1/status"; }

# cluster_stop PID: fast shutdown, then at once if that takes longer than a minute.
cluster_stop() {
    kill -INT "$1" 2>/dev/null || return 0
    wait_until 60 ended "$1" || {
        kill -QUIT "$1"
        wait_until 10 ended "$1"
    }
}

# cluster_fill SOCKET: the extensions, and the role that the shim logs in as. Also brings an older
# extension up to the installed one.
cluster_fill() {
    psql_in "$1" wallet -o /dev/null <<'END'
SET client_min_messages = warning;
SELECT count(*) = 0 AS first FROM pg_extension WHERE extname = 'pg_wallet' \gset
BEGIN;
\if :first
    CREATE EXTENSION IF NOT EXISTS pg_cron;
    CREATE EXTENSION pg_wallet;
    SELECT wallet_schedule_maintenance();
\else
    ALTER EXTENSION pg_wallet UPDATE;
\endif
SELECT 'CREATE ROLE wallet_shim LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wallet_shim') \gexec
SELECT wallet_grant('wallet_shim', 'shim');
COMMIT;
END
}
