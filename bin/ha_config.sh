# shellcheck shell=bash
# High availability: the configuration of etcd, Patroni and haproxy, for `make ha-start`, for the
# containers and for machines. To be sourced after cluster.sh. What the functions print depends on the
# versions that are installed here, and on these variables:
#
#   ha_databases   name=host:port:port of Patroni's API, for each database
#   ha_etcd        name=host:port:port for the other members, for each member of etcd
#   ha_shims       name=host:port, for each shim
#   ha_secrets     a folder of passwords, one a file, made by make_secrets
#   ha_scripts     the folder of ha_serve.sh, which Patroni calls
#   ha_listen      the address that this machine's servers listen on
#   HA_STRICT      on: no commit while no standby runs (docs/high-availability.md "Two machines or one")

ha_databases=() ha_etcd=() ha_shims=() ha_secrets='' ha_scripts=$TOP/bin ha_listen=0.0.0.0

# make_secrets DIR: the passwords that are not there yet. Two that make them at once use the same.
make_secrets() {
    local name
    for name in replication rewind api shim; do
        (umask 027 && set -C && openssl rand -hex 24 >"$1/$name") 2>/dev/null || true
    done
}

secret() { cat "$ha_secrets/$1"; }

patroni_major() { patroni --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }
etcd_version() { etcd --version | sed -nE 's/^etcd Version: ([0-9]+\.[0-9]+).*/\1/p'; }

# The words of `name=host:port...` of NAME: $host, and the array $ports.
find_member() { # NAME WORD...
    local name=$1 word parts
    shift
    for word in "$@"; do
        [[ $word == "$name="* ]] || continue
        IFS=: read -ra parts <<<"${word#*=}"
        host=${parts[0]} ports=("${parts[@]:1}")
        return
    done
    die "$name is none of $*"
}

# Patroni 3 overwrites a leader key through etcd's API v3 without a look at who holds the key: a
# leader that was frozen, and goes on after another one was elected, takes the key back. Through the
# API v2, Patroni 3 compares before it sets. Patroni 4 compares through v3, and later releases of etcd
# have no v2.
# The least ttl that Patroni 4 permits is 20 s.
etcd_section() {
    local api=etcd3 name host ports hosts=()
    (($(patroni_major) >= 4)) || api=etcd
    for name in "${ha_etcd[@]%%=*}"; do
        find_member "$name" "${ha_etcd[@]}"
        hosts+=("$host:${ports[0]}")
    done
    printf '%s:\n  hosts: [%s]\n' "$api" "$(IFS=, && echo "${hosts[*]}")"
}

# etcd_words NAME DATA: etcd's command line, one word a line.
etcd_words() {
    local name host ports members=()
    for name in "${ha_etcd[@]%%=*}"; do
        find_member "$name" "${ha_etcd[@]}"
        members+=("$name=http://$host:${ports[1]}")
    done
    find_member "$1" "${ha_etcd[@]}"
    printf '%s\n' etcd "--name=$1" "--data-dir=$2" --log-level=warn \
        "--listen-client-urls=http://$ha_listen:${ports[0]}" "--advertise-client-urls=http://$host:${ports[0]}" \
        "--listen-peer-urls=http://$ha_listen:${ports[1]}" "--initial-advertise-peer-urls=http://$host:${ports[1]}" \
        "--initial-cluster=$(IFS=, && echo "${members[*]}")" --initial-cluster-token=pg_wallet
    [[ ! $(etcd_version) =~ ^3\.[0-5]$ ]] || echo --enable-v2=true
}

# The same as variables, for /etc/default/etcd.
etcd_variables() { # NAME DATA
    local word flag
    etcd_words "$@" | while read -r word; do
        [[ $word == --* ]] || continue
        flag=${word%%=*} flag=${flag#--} flag=${flag//-/_}
        echo "ETCD_${flag^^}=${word#*=}"
    done
}

# patroni_configuration NAME STATE SOCKET LOCAL: patroni.yml of the database NAME, whose files are below
# STATE. LOCAL is how users of this machine are known at the socket: peer or trust.
#
# wal_sender_timeout: a standby that is frozen or cut off holds commits up until then, at most.
# failsafe_mode: the leader stays while etcd is away, as long as every database agrees.
patroni_configuration() {
    local name=$1 state=$2 socket=$3 local=$4 host ports ttl=20
    find_member "$name" "${ha_databases[@]}"
    (($(patroni_major) >= 4)) || ttl=15
    cat <<END
# Written by bin/ha_config.sh. What is below bootstrap: holds the first time; then patronictl edit-config.
scope: pg_wallet
name: $name
restapi:
  listen: $ha_listen:${ports[1]}
  connect_address: $host:${ports[1]}
  authentication: {username: patroni, password: $(secret api)}
$(etcd_section)
bootstrap:
  dcs:
    ttl: $ttl
    loop_wait: 2
    retry_timeout: 5
    primary_start_timeout: 10
    synchronous_mode: true
    synchronous_mode_strict: $([[ ${HA_STRICT:-} == on ]] && echo true || echo false)
    failsafe_mode: true
    postgresql:
      use_pg_rewind: true
      parameters:
        wal_sender_timeout: 5s
        wal_receiver_timeout: 5s
$(full_configuration | sed -E "s/^([a-z_.]+) = '?([^']*)'?$/        \1: '\2'/")
  method: pg_wallet
  pg_wallet:
    command: env PG_CONFIG='$PG_CONFIG' bash '$ha_scripts/ha_serve.sh' create
  post_bootstrap: env PG_CONFIG='$PG_CONFIG' bash '$ha_scripts/ha_serve.sh' fill '$socket' ${ports[0]} '$ha_secrets'
postgresql:
  listen: $ha_listen:${ports[0]}
  connect_address: $host:${ports[0]}
  data_dir: $state/data
  bin_dir: $PGBIN
  pgpass: $state/pgpass
  use_unix_socket: true
  remove_data_directory_on_rewind_failure: true
  basebackup:
    checkpoint: fast
  authentication:
    superuser: {username: postgres}
    replication: {username: replicator, password: $(secret replication)}
    rewind: {username: rewinder, password: $(secret rewind)}
  parameters:
    unix_socket_directories: '$socket'
  pg_hba:
    - local all all $local
    - host replication replicator all scram-sha-256
    - host postgres rewinder all scram-sha-256
    - host wallet wallet_shim all scram-sha-256
END
}

# servers WORD...: haproxy's lines for databases (asked at Patroni's port) or shims.
servers() {
    local word parts
    for word in "$@"; do
        IFS=: read -ra parts <<<"${word#*=}"
        echo "    server ${word%%=*} ${parts[0]}:${parts[1]} check port ${parts[2]:-${parts[1]}}"
    done
}

http_backend() { # NAME PATH
    cat <<END
backend $1
    mode http
    timeout server 60s
    option httpchk
    http-check send meth GET uri $2 ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
$(servers "${ha_shims[@]}")
END
}

# haproxy_configuration HTTP PRIMARY REPLICA: the three ports. A database's connections are cut as soon as
# Patroni does not answer for the database: a frozen one would hold them for as long as it is frozen.
# forwardfor: to a shim at a loopback address everybody would come from there, and might read /metrics.
# A shim that is alive and not ready answers what it has under way; while none is ready they are all asked,
# since they know why, and may read.
haproxy_configuration() {
    local named='' status shim away='{"type":"about:blank","title":"Service Unavailable","status":'
    [[ ${ha_databases[0]} =~ =[0-9.]+: ]] || named=' resolvers names init-addr last,libc,none'
    cat <<END
# Written by bin/ha_config.sh.
global
    log stdout format raw local0 notice
defaults
    log global
    timeout connect 2s
    timeout check 2s
    timeout client 1h
    timeout server 1h
    option clitcpka
    option srvtcpka
    option redispatch 1
    default-server inter 1s fastinter 250ms downinter 500ms fall 3 rise 1 on-marked-down shutdown-sessions$named
${named:+resolvers names
    parse-resolv-conf
    hold valid 2s
}
listen primary
    bind $ha_listen:$2
    option httpchk OPTIONS /primary
    http-check expect status 200
$(servers "${ha_databases[@]}")
listen replica
    bind $ha_listen:$3
    option httpchk OPTIONS /replica
    http-check expect status 200
$(servers "${ha_databases[@]}")
frontend http
    bind $ha_listen:$1
    mode http
    timeout http-request 15s
    timeout client 60s
    option forwardfor
$(for status in 502 503 504; do
        echo "    http-error status $status content-type application/problem+json string '$away$status,\"code\":\"database_unavailable\"}' hdr Retry-After 1"
    done)
    default_backend shims
$(http_backend shims /healthz)
$(for shim in "${ha_shims[@]%%=*}"; do
        echo "    use-server $shim if { nbsrv(ready) lt ${#ha_shims[@]} } { srv_is_up(ready/$shim) }"
    done)
$(http_backend ready /readyz)
END
}
