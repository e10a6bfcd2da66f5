#!/bin/bash
# ha_serve.sh: what Patroni calls when the first database is made, the containers' entry point, and what
# prints configuration for machines.
#
#   create --scope=S --datadir=DIR        makes the cluster
#   fill SOCKET PORT SECRETS CONNINFO     fills the database, and gives the shim's role its password
#   etcd | database | haproxy             in the foreground; HA_NAME, HA_DATABASES, HA_ETCD and HA_SHIMS
#                                         are the variables of bin/ha_config.sh
#   print etcd NAME | patroni NAME | haproxy | pgpass
#                                         configuration, by the same variables; HA_SECRETS, HA_STATE,
#                                         HA_ETCD_STATE and HA_SOCKET are folders
#   answers PORT PATH                     does this machine answer GET PATH with 200?
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
# shellcheck source=bin/ha_config.sh
. "$TOP/bin/ha_config.sh"

read -ra ha_databases <<<"${HA_DATABASES:-}"
read -ra ha_etcd <<<"${HA_ETCD:-}"
read -ra ha_shims <<<"${HA_SHIMS:-}"
ha_listen=${HA_LISTEN:-0.0.0.0} ha_secrets=${HA_SECRETS:-/run/pg_wallet_secrets}
keep=${HA_STATE:-/var/lib/pg_wallet} socket=${HA_SOCKET:-/run/pg_wallet}

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

# There is no curl in the image.
answers() {
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
    [[ $(cat <&3) =~ ^HTTP/1.[01]\ 200 ]]
}

print() { # WHAT [NAME]
    make_secrets "$ha_secrets"
    case $1 in
        etcd) etcd_variables "$2" "${HA_ETCD_STATE:-$keep/etcd}" ;;
        patroni) find_server && patroni_configuration "$2" "$keep" "$socket" peer ;;
        haproxy) haproxy_configuration 8000 5000 5001 ;;
        pgpass) echo "*:*:*:wallet_shim:$(secret shim)" ;;
    esac
}

serve_database() {
    (umask 077 && print patroni "$HA_NAME" >"$keep/patroni.yml")
    exec patroni "$keep/patroni.yml"
}

serve_etcd() {
    local words
    mapfile -t words < <(etcd_words "$HA_NAME" "$keep/etcd")
    exec "${words[@]}"
}

serve_haproxy() {
    print haproxy >/tmp/haproxy.cfg
    exec /usr/sbin/haproxy -db -f /tmp/haproxy.cfg
}

case ${1:-} in
    create | fill | answers | print) "$@" ;;
    etcd | database | haproxy) "serve_$1" ;;
    *) die 'usage: ha_serve.sh create|fill|answers|print|etcd|database|haproxy' ;;
esac
