#!/bin/bash
# ha_serve.sh: what Patroni calls when the first database is made, and the containers' entry point.
#
#   create --scope=S --datadir=DIR        makes the cluster
#   fill SOCKET PORT SECRETS CONNINFO     fills the database, and gives the shim's role its password
#   etcd | database | haproxy             in the foreground, by the variables of bin/ha_config.sh
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
# shellcheck source=bin/ha_config.sh
. "$TOP/bin/ha_config.sh"

read -ra ha_databases <<<"${HA_DATABASES:-}"
read -ra ha_etcd <<<"${HA_ETCD:-}"
read -ra ha_shims <<<"${HA_SHIMS:-}"
ha_listen=${HA_LISTEN:-0.0.0.0} ha_secrets=${HA_SECRETS:-/run/pg_wallet_secrets} keep=/var/lib/pg_wallet

create() {
    local each data=''
    for each in "$@"; do [[ $each != --datadir=* ]] || data=${each#*=}; done
    find_server
    cluster_create "$data"
}

# Nobody else is there whom a commit could wait for.
fill() {
    find_server
    export PGPORT=$2 PGOPTIONS='-c synchronous_commit=local'
    ha_secrets=$3
    cluster_fill "$1"
    printf "ALTER ROLE wallet_shim PASSWORD '%s';" "$(secret shim)" | psql_in "$1" wallet
}

serve_database() {
    find_server
    make_secrets "$ha_secrets"
    (umask 077 && patroni_configuration "$HA_NAME" "$keep" /run/pg_wallet peer >"$keep/patroni.yml")
    exec env "PG_CONFIG=$PG_CONFIG" patroni "$keep/patroni.yml"
}

serve_etcd() {
    local words
    mapfile -t words < <(etcd_words "$HA_NAME" "$keep/etcd" 2380)
    exec "${words[@]}"
}

serve_haproxy() {
    haproxy_configuration 8000 5000 5001 >/tmp/haproxy.cfg
    exec haproxy -db -f /tmp/haproxy.cfg
}

case ${1:-} in
    create | fill) "$@" ;;
    etcd | database | haproxy) "serve_$1" ;;
    *) die 'usage: ha_serve.sh create|fill|etcd|database|haproxy' ;;
esac
