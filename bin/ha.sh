#!/bin/bash
# ha.sh start|stop|status|report|ctl ARGUMENT...: two databases under Patroni, etcd, haproxy and two
# shims, all on this machine: for trying, and for tests. docs/high-availability.md has the rest.
#
#   PORT=8000       where haproxy answers HTTP on 127.0.0.1; the next ten ports are the others'
#   RUN_DIR=.run-ha where everything is kept
#   HA_STRICT=on    no commit while no standby runs
#   HA_NETNS=1      as root: each server in a network namespace of its own, wallet-PORT-NAME; the namespace
#                   wallet-PORT is the network between them, and reaches all of them
#   PG_CONFIG, SHIM_PROGRAM, WALLET_*   as in bin/run.sh
#
# RUN_DIR holds: env (to be sourced by a shell), log/, and the state: db1/ db2/ etcd/ (data and
# configuration), secrets/, bin/, server/, pids/ (NAME: a server; NAME.keeper: what starts it again).
# Started by root, everything runs as the user postgres.
# shellcheck source=bin/build.sh
. "$(dirname "${BASH_SOURCE[0]}")/build.sh"
# shellcheck source=bin/ha_config.sh
. "$TOP/bin/ha_config.sh"

port=${PORT:-8000}
run_dir=$(realpath -m "${RUN_DIR:-$TOP/.run-ha}")
log=$run_dir/log state=$run_dir netns=''
nodes=(etcd db1 db2 haproxy shim1 shim2)

# --- the network ----------------------------------------------------------------------------

address() { # NODE
    local i
    [[ -n $netns ]] || { echo 127.0.0.1 && return; }
    for i in "${!nodes[@]}"; do [[ ${nodes[i]} != "$1" ]] || echo "10.213.7.$((i + 1))"; done
}

# Words that run a command at NODE, or where clients are. A server listens there on every address.
at() { # [NODE]
    [[ -z $netns ]] || printf '%s\n' ip netns exec "$netns${1:+-$1}"
}

net_up() {
    local node
    [[ -n $netns ]] || return 0
    ! ip netns list | grep -q "^$netns\b" || return 0
    ip netns add "$netns"
    ip -n "$netns" link add hub type bridge
    ip -n "$netns" addr add 10.213.7.100/24 dev hub
    ip -n "$netns" link set hub up
    ip -n "$netns" link set lo up
    for node in "${nodes[@]}"; do
        ip netns add "$netns-$node"
        ip -n "$netns" link add "$node" type veth peer name eth0 netns "$netns-$node"
        ip -n "$netns" link set "$node" master hub up
        ip -n "$netns-$node" addr add "$(address "$node")/24" dev eth0
        ip -n "$netns-$node" link set eth0 up
        ip -n "$netns-$node" link set lo up
    done
}

net_down() {
    local node
    [[ -n $netns ]] || return 0
    for node in "${nodes[@]/#/-}" ''; do ip netns del "$netns$node" 2>/dev/null || true; done
}

# Where everybody is: the variables of ha_config.sh.
places() {
    ha_databases=("db1=$(address db1):$((port + 3)):$((port + 5))" "db2=$(address db2):$((port + 4)):$((port + 6))")
    ha_etcd=("etcd=$(address etcd):$((port + 1)):$((port + 2))")
    ha_shims=("shim1=$(address shim1):$((port + 7))" "shim2=$(address shim2):$((port + 8))")
    ha_secrets=$state/secrets ha_scripts=$state/bin url=http://$(address haproxy):$port
}

# --- what is there already ------------------------------------------------------------------

find_state() {
    state=$run_dir
    [[ ! -L $run_dir/state ]] || state=$(readlink "$run_dir/state")
    [[ ! -e $run_dir/settings ]] || eval "$(cat "$run_dir/settings")"
    places
    ((EUID != 0)) || ! id postgres >/dev/null 2>&1 || act_as postgres
}

kept() { is_ours "$(cat "$state/pids/$1.keeper" 2>/dev/null || true)" "$state/bin/ha_keep.sh" "$state/pids/$1"; }
runs() { local pid; pid=$(cat "$state/pids/$1" 2>/dev/null) && [[ -d /proc/$pid ]]; }
any_kept() { local node; for node in "${nodes[@]}"; do ! kept "$node" || return 0; done; return 1; }
# shellcheck disable=SC2046 # one word a line
ask() { $(at) curl -fsS -m 3 -o /dev/null "$1" 2>/dev/null; }
# Are both databases there, one of them as the synchronous standby of the other?
whole() {
    ask "$url/readyz" &&
        { ask "http://$(address db1):$((port + 5))/sync" || ask "http://$(address db2):$((port + 6))/sync"; }
}

# --- start ----------------------------------------------------------------------------------

take_lock() {
    { mkdir -p "$log" && touch "$run_dir/lock"; } 2>/dev/null ||
        die "cannot write to $run_dir: give another folder, as in make ha-start RUN_DIR=/tmp/wallet-ha"
    exec 9>"$run_dir/lock"
    flock -w 600 9 || die "another start or stop of $run_dir does not come to an end"
}

check_ports() {
    local each
    [[ -z $netns ]] || return 0
    for ((each = port; each <= port + 10; each++)); do
        ! port_taken "$each" ||
            die "port $each on 127.0.0.1 is in use: choose eleven others, as in make ha-start PORT=$((port + 100))"
    done
}

# keep NODE CMD...: runs CMD for good.
keep() {
    local node=$1 as=("${as[@]}") inside
    shift
    ! kept "$node" || return 0
    mapfile -t inside < <(at "$node")
    as=("${inside[@]}" "${as[@]}")
    spawn "$log/$node.log" bash "$state/bin/ha_keep.sh" "$state/pids/$node" "$@"
    echo "$!" >"$state/pids/$node.keeper"
}

make_places() {
    local each
    reachable_state
    places
    for each in bin pids secrets socket etcd db1 db2; do own_dir "$state/$each" 755; done
    chmod 700 "$state/secrets"
    socket=$state/socket
    ((${#socket} <= 90)) || die "the path of $run_dir is too long for a socket: give another, as in RUN_DIR=/tmp/wallet-ha"
    make_secrets "$ha_secrets"
    install -m 755 "$TOP"/bin/*.sh "$state/bin"
    rm -f "$state/bin/wallet-shim"
    install -m 755 "${SHIM_PROGRAM:-$built/shim/wallet-shim}" "$state/bin/wallet-shim"
    printf '*:*:*:wallet_shim:%s\n' "$(secret shim)" >"$ha_secrets/pgpass"
    ha_listen=$([[ -n $netns ]] && echo 0.0.0.0 || echo 127.0.0.1)
    find_server_copy
    for each in db1 db2; do patroni_configuration "$each" "$state/$each" "$socket" trust >"$state/$each/patroni.yml"; done
    haproxy_configuration "$port" $((port + 9)) $((port + 10)) >"$state/haproxy.cfg"
    chmod 600 "$state"/db?/patroni.yml "$ha_secrets"/*
    ((EUID != 0)) || chown "$owner:" "$state"/db?/patroni.yml "$ha_secrets"/*
}

# The instance's own copy of the server stays as it is while it runs.
find_server_copy() {
    if any_kept; then
        PG_CONFIG=$state/server$PGBIN/pg_config PGBIN=$state/server$PGBIN
    else
        private_server "$state/server"
        install_built
    fi
}

write_env() {
    {
        printf 'PGHOST=%q,%q\nPGPORT=%s\nPGUSER=postgres\nPGDATABASE=wallet\n' "$socket" "$socket" "$((port + 3)),$((port + 4))"
        printf 'PGTARGETSESSIONATTRS=read-write\nWALLET_URL=%s\n' "$url"
        echo 'export PGHOST PGPORT PGUSER PGDATABASE PGTARGETSESSIONATTRS WALLET_URL'
    } >"$run_dir/env"
    printf 'port=%s netns=%s\n' "$port" "$netns" >"$run_dir/settings"
}

# A new standby may wait for what comes after the switch of the log that ended its base backup, and an
# idle leader writes nothing.
nudge() {
    (PGPORT=$((port + 3)),$((port + 4)) PGTARGETSESSIONATTRS=read-write PGOPTIONS='-c synchronous_commit=local' PGCONNECT_TIMEOUT=2
    export PGPORT PGTARGETSESSIONATTRS PGOPTIONS PGCONNECT_TIMEOUT
    psql_in "$socket,$socket" wallet -o /dev/null -c "SELECT pg_logical_emit_message(true, 'pg_wallet', '')") 2>/dev/null || true
}

whole_or_nudge() { whole || { nudge && sleep 1 && return 1; }; }

start_all() {
    local words each i=7 given=() settings
    mapfile -t words < <(etcd_words etcd "$state/etcd/data")
    keep etcd "${words[@]}"
    for each in db1 db2; do keep "$each" patroni "$state/$each/patroni.yml"; done
    keep haproxy "$(command -v haproxy)" -db -f "$state/haproxy.cfg"
    for each in ${!WALLET_*}; do [[ $each == WALLET_DB ]] || given+=("$each=${!each}"); done
    [[ ${HA_STRICT:-} != on ]] || given+=(WALLET_REQUIRE_STANDBY=on)
    [[ -z $netns ]] || given+=("WALLET_HOST=$(address haproxy)")
    for each in shim1 shim2; do
        settings=("PGPASSFILE=$ha_secrets/pgpass" "PGHOST=$(address haproxy)" "PGPORT=$((port + 9))" PGUSER=wallet_shim PGDATABASE=wallet "WALLET_DB_READ=port=$((port + 10))" "${given[@]}")
        keep "$each" env "${settings[@]}" "$state/bin/wallet-shim" --address "$ha_listen" --port $((port + i)) \
            --auth "${WALLET_AUTH:-off}" --published-address 127.0.0.1
        ((i++))
    done
}

start() {
    find_state
    take_lock
    find_state
    if any_kept && whole; then
        note "already running on $url"
        exit 0
    fi
    if ! any_kept; then
        netns=${HA_NETNS:+wallet-$port}
        [[ -z $netns || $EUID == 0 ]] || die 'network namespaces need root'
        check_ports
    fi
    build ha
    PATH=$PATH:/usr/sbin
    find_state
    ((EUID != 0)) || [[ $owner != root ]] || die 'no user postgres to run the databases as'
    make_places
    write_env
    net_up
    start_all
    exec 9>&-
    wait_until 180 whole_or_nudge || {
        note 'not ready after 180 s; the ends of the logs:'
        tail -n 5 "$log"/*.log >&2
        exit 1
    }
    say "pg_wallet answers on $url; for psql on the leader: . $(printf %q "$run_dir/env")"
}

# --- stop -----------------------------------------------------------------------------------

# What is frozen ends as well.
end() { # NODE...
    local node pid
    for node in "$@"; do
        ! kept "$node" || kill -TERM "$(cat "$state/pids/$node.keeper")"
        for pid in "$(cat "$state/pids/$node" 2>/dev/null)" "$(cat "$state/pids/$node.keeper" 2>/dev/null)"; do
            [[ -z $pid ]] || kill -CONT "$pid" 2>/dev/null || true
        done
    done
    for node in "$@"; do
        wait_until 60 eval "! kept $node" || kill -KILL "$(cat "$state/pids/$node.keeper")" "$(cat "$state/pids/$node")" || true
        rm -f "$state/pids/$node"{,.keeper}
    done
}

stop() {
    local node pid
    find_state
    [[ ! -d $run_dir ]] || take_lock
    any_kept || { say 'not running' && return; }
    for node in db1 db2; do
        pid=$(head -n 1 "$state/$node/data/postmaster.pid" 2>/dev/null) || continue
        ! is_ours "$pid" postgres || kill -CONT "$pid"
    done
    end shim1 shim2 haproxy
    end db2 db1
    end etcd
    for node in db1 db2; do
        pid=$(find_ours postgres -D "$state/$node/data")
        [[ -z $pid ]] || cluster_stop "$pid"
    done
    net_down
    say 'stopped; the data stays'
}

# --- status ---------------------------------------------------------------------------------

# Patroni's own tool: ha.sh ctl switchover, ha.sh ctl edit-config.
# shellcheck disable=SC2046 # one word a line
ctl() {
    find_state
    exec $(at) "${as[@]}" patronictl -c "$state/db1/patroni.yml" "$@"
}

# Exit status: 0 all is well, 3 nothing runs, 1 anything between.
status() {
    local node code=1 answer='not ready'
    find_state
    any_kept || { say 'not running' && return 3; }
    for node in "${nodes[@]}"; do
        printf '%-10s%s\n' "$node" "$(runs "$node" && echo "running, pid $(cat "$state/pids/$node")" || echo stopped)"
    done
    ! ask "$url/readyz" || answer="ready, but no standby has all that is acknowledged"
    ! whole || answer=ready code=0
    printf '%-10s%s, %s\n' system "$answer" "$url"
    (ctl list) || true
    return "$code"
}

case ${1:-} in
    start | stop | status) "$1" ;;
    report) status || true ;;
    ctl) "$@" ;;
    *) die 'usage: ha.sh start|stop|status|report|ctl ARGUMENT...' ;;
esac
