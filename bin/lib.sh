# shellcheck shell=bash
# What every script here shares: messages, whose name a command runs in, ports, processes. To be
# sourced; it starts nothing.
#
# A script runs as the one who called it. The database and the shim run as $owner: the caller, or,
# when the caller is root, a user who is not. The array $as holds the words that switch to $owner.

set -euo pipefail
umask 022
# shellcheck disable=SC2034 # for those who source this
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What the caller has set for other servers, or for the make that called us, must not reach ours.
pg_config_given=${PG_CONFIG:-}
for name in ${!PG*} MAKEFLAGS MFLAGS MAKELEVEL CDPATH; do unset "$name"; done
export LC_ALL=C.UTF-8
as=()
owner=$(id -un)

say() { printf '%s\n' "$*"; }
note() { printf 'pg_wallet: %s\n' "$*" >&2; }
die() {
    note "$@"
    exit 1
}

# Fills $as so that "${as[@]}" CMD runs as USER; only root can be somebody else. That user may not
# reach the folder we are in, so CMD runs in the topmost: its paths are absolute.
act_as() {
    owner=$1 as=()
    [[ $owner != "$(id -un)" ]] || return 0
    as=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --init-groups env -C /)
}

# Finds the server's programs: $PG_CONFIG, and $PGBIN, their folder.
find_server() {
    PG_CONFIG=${pg_config_given:-$(command -v pg_config || true)}
    PGBIN=$([[ -z $PG_CONFIG ]] || "$PG_CONFIG" --bindir 2>/dev/null || true)
    [[ -x $PGBIN/postgres ]] ||
        die "no PostgreSQL server found${pg_config_given:+ by $pg_config_given}"
    export PG_CONFIG
}

port_taken() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 10000))
        port_taken "$port" || { echo "$port" && return; }
    done
    die 'no free port found'
}

# Is process PID alive, and is WORD among the words of its command line? Process ids are used
# again, so a pid file alone proves nothing.
is_ours() {
    local pid=$1 word=$2
    [[ -n $pid ]] && { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF -- "$word"
}

# wait_until SECONDS CMD...: true as soon as CMD is.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# spawn LOG CMD...: runs CMD for good as $owner, in its own session, without a terminal, its
# output appended to LOG. $! is its process id. The environment is not passed on: others may
# read what a server was started with.
spawn() {
    local log=$1
    shift
    { cd / && exec "${as[@]}" setsid env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"; } \
        >>"$log" 2>&1 </dev/null 9>&- &
}
