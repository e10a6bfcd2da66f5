#!/bin/bash
# serve.sh: the database in the foreground; a container's entry point. Makes the cluster the first
# time and brings the extension up to the installed version every time.
#
#   /var/lib/pg_wallet   keeps the cluster (data/)
#   /run/pg_wallet       its socket, the only way in: there is no TCP and there are no passwords.
#                        Who may be whom is told by user ids (peer).
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

keep=/var/lib/pg_wallet
socket=/run/pg_wallet
data=$keep/data
find_server

make_cluster() {
    rm -rf "$data.new"
    cluster_create "$data.new"
    printf 'local all    postgres    peer\nlocal wallet wallet_shim peer\n' | cluster_access "$data.new"
    mv -T "$data.new" "$data"
}

# Fills the database behind a socket that nobody else knows, so that whoever finds the real one
# finds everything in place. A recovery that takes long is waited for.
fill() {
    local private server
    private=$(mktemp -d)
    "$PGBIN/postgres" -D "$data" -c unix_socket_directories="$private" &
    server=$!
    trap 'cluster_stop "$server"; exit 130' INT TERM
    wait_until 3600 accepts_or_ended "$private" "$server"
    cluster_fill "$private"
    cluster_stop "$server"
    trap - INT TERM
}

[[ -e $data ]] || make_cluster
full_configuration | cluster_configure "$data" "$socket"
fill
exec "$PGBIN/postgres" -D "$data"
