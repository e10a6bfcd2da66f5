#!/bin/bash
# run.sh run|start|stop|status|report: a private database cluster and the shim before it.
#
#   PORT=8000       where the shim listens on 127.0.0.1
#   WALLET_AUTH=off whether requests need an API key (required); other WALLET_* reach the shim as well
#   RUN_DIR=.run    where everything is kept; two instances differ in both
#                   (also what is built, where the sources cannot be written to)
#   PG_CONFIG       the PostgreSQL to use, if not the usual one
#   SHIM_PROGRAM    the shim to use, if not the one built here
#
# RUN_DIR holds: env (to be sourced by a shell), log/, postgres.pid, shim.pid, lock, and the state:
# data/ (the cluster), socket/, bin/ (the shim as it runs), server/ (a copy of PostgreSQL, for the
# library that belongs to this instance). Started by root, database and shim run
# as the user postgres. Where that user cannot reach RUN_DIR, as under /root, the state is kept
# under /var/lib/pg_wallet instead, and RUN_DIR/state points there. Another folder under /tmp
# takes the socket's place where the path is too long for one.
# shellcheck source=bin/build.sh
. "$(dirname "${BASH_SOURCE[0]}")/build.sh"

port=${PORT:-8000}
run_dir=$(realpath -m "${RUN_DIR:-$TOP/.run}")
log=$run_dir/log state=$run_dir socket=$run_dir/socket
followers=()

# --- what is there already ------------------------------------------------------------------

# Where the state is: $state, and $socket, and whose it is.
find_state() {
    state=$run_dir
    [[ ! -L $run_dir/state ]] || state=$(readlink "$run_dir/state")
    socket=$state/socket
    [[ ! -L $run_dir/socket ]] || socket=$(readlink "$run_dir/socket")
    local whose=$owner
    ((EUID != 0)) || whose=postgres
    [[ ! -d $state/data ]] || whose=$(stat -c %U "$state/data")
    [[ $whose == "$owner" || $EUID == 0 ]] ||
        die "$run_dir belongs to $whose: become that user or root, or give another RUN_DIR"
    id "$whose" >/dev/null 2>&1 || return 0 # not before the packages are there
    act_as "$whose"
}

recorded() { cat "$run_dir/$1.pid" 2>/dev/null || true; }
server_runs() { is_ours "$(recorded postgres)" postgres -D "$state/data"; }
shim_runs() { is_ours "$(recorded shim)" "$state/bin/wallet-shim"; }

# Pid files that are lost, or that name somebody else's process, are written anew.
find_processes() {
    local pid
    server_runs || pid=$(find_ours postgres -D "$state/data")
    [[ -z ${pid:-} ]] || echo "$pid" >"$run_dir/postgres.pid"
    pid=''
    shim_runs || pid=$(find_ours "$state/bin/wallet-shim")
    [[ -z $pid ]] || echo "$pid" >"$run_dir/shim.pid"
}

url() { sed -n 's/^WALLET_URL=//p' "$run_dir/env" 2>/dev/null; }
# With TLS the certificate may be for any name: it is our own shim that is asked.
shim_answers() { shim_runs && curl -fsSk -m 2 -o /dev/null "$(url)/healthz" 2>/dev/null; }
ready() { curl -fsSk -m 2 -o /dev/null "$(url)/readyz" 2>/dev/null; }
ready_or_ended() { ready || ! shim_runs || ! server_runs; }
# Does the shim say that the database is there, and that nothing is posted? Then $trouble says why.
trouble=''
idle() {
    trouble=$(curl -sSk -m 2 "$(url)/readyz" 2>/dev/null |
        sed -nE '/"code":"worker_unavailable"/s/.*"detail":"(([^"\\]|\\.)*)".*/\1/p' | sed -E 's/\\(.)/\1/g')
    [[ -n $trouble ]]
}
settled() { ready_or_ended || idle; }

# --- start ----------------------------------------------------------------------------------

check_port() {
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
        die "PORT=$port is not a port"
    fi
    ! port_taken "$port" ||
        die "port $port on 127.0.0.1 is in use: choose another, as in make start PORT=$((port + 1))"
}

check_same_port() {
    [[ -z ${PORT:-} || $(url) == *:"$port" ]] ||
        die "already running on $(url): make stop before changing PORT"
}

# The extension goes into the instance's own copy of the server, which stays as it is while it runs.
install_extension() {
    local server=$state/server
    if server_runs; then
        PG_CONFIG=$server$PGBIN/pg_config
        PGBIN=$server$PGBIN
    else
        private_server "$server"
    fi
    install_built
}

# Decides where the state is kept, the first time, and where the socket is.
make_places() {
    reachable_state
    own_dir "$state/bin" 755
    socket=$state/socket
    # A socket's path has room for 107 bytes, and some characters mean something in a list of them.
    if ((${#socket} > 90)) || [[ $socket == *[!A-Za-z0-9/._+@~-]* ]]; then
        [[ -d $(readlink "$run_dir/socket") ]] ||
            ln -sfn "$(mktemp -d /tmp/pg_wallet.XXXXXX)" "$run_dir/socket"
        socket=$(readlink "$run_dir/socket")
        note "the path of $run_dir suits no socket: it is in $socket"
    fi
    own_dir "$socket" 755
}

# The cluster must be one made here, by the same major version.
check_data() {
    [[ -e $state/data ]] || return 0
    "${as[@]}" test -e "$state/data/pg_wallet.conf" ||
        die "$state/data was not made by pg_wallet: give another RUN_DIR"
    local theirs ours
    theirs=$("${as[@]}" cat "$state/data/PG_VERSION")
    ours=$("$PG_CONFIG" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [[ $theirs == "$ours" ]] ||
        die "the data in $state/data is from PostgreSQL $theirs, but this is PostgreSQL $ours:" \
            "give PG_CONFIG for $theirs, or move the data with pg_dump or pg_upgrade"
}

make_cluster() {
    [[ ! -e $state/data ]] || return 0
    note "making a database cluster in $state/data"
    # An empty parent that $owner may write to, for as long as the cluster is made.
    local nest=$state/new
    rm -rf "$nest"
    own_dir "$nest" 700
    cluster_create "$nest/data" || die "could not make a database cluster in $nest"
    # Everybody on this machine who reaches the socket is the superuser, as RUN_DIR/env promises.
    echo 'local all all trust' | cluster_access "$nest/data"
    mv -T "$nest/data" "$state/data"
    rmdir "$nest"
}

start_server() {
    if ! server_runs; then
        server_is_new=1
        full_configuration | cluster_configure "$state/data" "$socket"
        cluster_start "$state/data" "$socket" "$log/postgres.log" "$run_dir/postgres.pid" ||
            fail 'PostgreSQL did not start' "$log/postgres.log"
    fi
    cluster_fill "$socket" || fail 'the database could not be set up' "$log/postgres.log"
}

start_shim() {
    rm -f "$state/bin/wallet-shim" # a killed shim's last file may still be busy
    install -m 755 "${SHIM_PROGRAM:-$built/shim/wallet-shim}" "$state/bin/wallet-shim"
    local settings=("PGHOST=$socket" PGPORT=5432 PGUSER=wallet_shim PGDATABASE=wallet) name
    for name in ${!WALLET_*}; do
        [[ $name == WALLET_DB ]] || settings+=("$name=${!name}")
    done
    # Nobody but this machine's own users reaches it, who are the superuser anyway.
    shim_is_new=1
    spawn "$log/shim.log" "${settings[@]}" "$state/bin/wallet-shim" --address 127.0.0.1 \
        --port "$port" --auth "${WALLET_AUTH:-off}"
    echo "$!" >"$run_dir/shim.pid"
    wait_until 10 begun "$!" || true
    await_shim 60 || fail 'the shim did not become ready' "$log/shim.log"
}

# Is it the program by now that it is to be, or has it ended?
begun() { shim_runs || ended "$1"; }

# A worker is there within a second or so. Without one, requests are stored all the same.
await_shim() { # SECONDS
    ! wait_until "$1" settled || wait_until 10 ready_or_ended || true
    ready || idle || return
    [[ -z $trouble ]] || note "nothing is posted: $trouble"
}

write_env() {
    {
        printf 'PGHOST=%q\nPGPORT=5432\nPGUSER=postgres\nPGDATABASE=wallet\n' "$socket"
        printf 'WALLET_URL=http%s://127.0.0.1:%s\n' "${WALLET_TLS_CERT:+s}" "$port"
        echo 'export PGHOST PGPORT PGUSER PGDATABASE WALLET_URL'
    } >"$run_dir/env"
}

# What this call has started, and what it stops again when it comes to nothing.
server_is_new='' shim_is_new=''
take_back() {
    if [[ -n $server_is_new && -n $shim_is_new ]] || { [[ -n $server_is_new ]] && ! shim_runs; }; then
        stop_all
    else
        [[ -z $shim_is_new ]] || stop_shim
        [[ -z $server_is_new ]] || stop_server
    fi
}

# Shows what went wrong, takes back what has been started, and fails.
fail() { # MESSAGE LOG
    note "$1; the end of $2:"
    tail -n 15 "$2" >&2 || true
    take_back
    exit 1
}

# Another call may be under way, which is waited for.
take_lock() { # SECONDS
    { mkdir -p "$log" && touch "$run_dir/lock"; } 2>/dev/null ||
        die "cannot write to $run_dir: give another folder, as in make start RUN_DIR=/tmp/wallet"
    exec 9>"$run_dir/lock"
    flock -n 9 && return
    note "another start or stop of $run_dir is under way: waiting for it"
    flock -w "$1" 9 || die "another start or stop of $run_dir does not come to an end"
}

# Leaves database and shim running and ready. What is healthy already is left alone.
start() {
    trap 'interrupted 130 take_back' INT TERM HUP
    find_state
    take_lock 600
    find_state
    find_processes
    if server_runs && shim_runs && { ready || idle; }; then
        check_same_port
        note "already running on $(url)${trouble:+; nothing is posted: $trouble}"
        exit 0
    fi
    local keeps_shim=''
    if shim_answers; then
        keeps_shim=1
        check_same_port
    fi
    shim_runs || check_port
    build run
    find_state
    id "$owner" >/dev/null
    ((EUID != 0)) || [[ $owner != root ]] || die 'no user postgres to run the database as'
    make_places
    check_data
    install_extension
    make_cluster
    [[ -n $keeps_shim ]] || stop_shim
    start_server
    # A shim that is there finds a new database within two seconds or so.
    if [[ -z $keeps_shim ]] || ! await_shim 20; then
        stop_shim
        write_env
        start_shim
    fi
    exec 9>&-
}

# --- stop -----------------------------------------------------------------------------------

# The shim answers what it has accepted within 10 s, and the delay that it was started with.
stop_shim() {
    local pid delay
    pid=$(recorded shim)
    if shim_runs; then
        delay=$("${as[@]}" sed -nz 's/^WALLET_DRAIN_DELAY=//p' "/proc/$pid/environ" | tr -d '\0')
        kill -TERM "$pid"
        kill -CONT "$pid" # one that was stopped ends as well
        wait_until $((15 + ${delay:-0})) ended "$pid" || kill -KILL "$pid"
    fi
    rm -f "$run_dir/shim.pid"
}

stop_server() {
    ! server_runs || cluster_stop "$(recorded postgres)"
    rm -f "$run_dir/postgres.pid"
}

stop_all() {
    stop_shim
    stop_server
    [[ -L $run_dir/socket ]] || return 0
    rm -f "$socket"/.s.PGSQL.*
    rmdir "$socket" || true
    rm -f "$run_dir/socket"
}

stop() {
    find_state
    if [[ -d $run_dir ]]; then
        take_lock 600
        find_processes
    fi
    if ! server_runs && ! shim_runs; then
        say 'not running'
        return
    fi
    stop_all
    say 'stopped; the data stays'
}

# --- status ---------------------------------------------------------------------------------

# Exit status: 0 all is well, 3 nothing runs, 1 anything between. `report` says the same and exits with 0.
status() {
    find_state
    [[ ! -w $run_dir ]] || find_processes
    local server=stopped shim=stopped answer='not ready' code=1
    ! server_runs || server="running, pid $(recorded postgres)"
    ! shim_runs || shim="running, pid $(recorded shim), $(url)"
    [[ $server != stopped || $shim != stopped ]] || code=3
    if [[ $server == running* && $shim == running* ]]; then
        if ready; then answer=ready code=0; elif idle; then answer+=": $trouble"; fi
    fi
    printf '%-10s%s\n' database "$server" shim "$shim" system "$answer"
    return "$code"
}

# --- run ------------------------------------------------------------------------------------

welcome() {
    local base
    base=$(url)
    cat <<END

pg_wallet answers on $base

Two wallets, for the users 1 and 2, and a payment from one to the other:
  curl -H 'Prefer: wait=10' --json '{"user_id":1,"amount":7100}' $base/api/v1/wallet
  curl -H 'Prefer: wait=10' --json '{"user_id":2,"amount":0.5}' $base/api/v1/wallet
  curl -H 'Prefer: wait=10' --json '{"user_id":1,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":777.88}' \\
       $base/api/v1/transaction
The first wallet as it is now:
  curl "$base/api/v1/wallet/async?user_id=1&wallet_id=1"
SQL, as the superuser:
  . $(printf %q "$run_dir/env") && psql

END
}

# Shows what a log gets from now on. Ctrl-C must not end it: what stops has something to say.
follow() { # NAME
    tail -n 0 -F "$log/$1.log" 2>/dev/null > >(trap '' INT && exec sed -u "s/^/$1 | /") &
    followers+=($!)
}

interrupted() { # STATUS STOP
    trap '' INT TERM HUP
    note 'stopping'
    "$2"
    sleep 0.2
    ((${#followers[@]} == 0)) || kill "${followers[@]}" 2>/dev/null || true
    exit "$1"
}

# Start, then stay until Ctrl-C or until one of the two has ended. Both run in sessions of their
# own, so that Ctrl-C reaches this script alone, which stops them in order.
run() {
    start
    trap 'interrupted 0 stop_all' INT TERM HUP
    welcome
    follow postgres
    follow shim
    while server_runs && shim_runs; do
        sleep 0.5 &
        wait $!
    done
    server_runs || note "PostgreSQL has ended, see $log/postgres.log"
    shim_runs || note "the shim has ended, see $log/shim.log"
    interrupted 1 stop_all
}

case ${1:-} in
    start)
        start
        say "pg_wallet answers on $(url); for psql: . $(printf %q "$run_dir/env")"
        ;;
    run | stop | status) "$1" ;;
    report) status || true ;; # for people: whatever runs is no failure
    *) die 'usage: run.sh run|start|stop|status|report' ;;
esac
