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

# copy_sources DIR: the sources in $TOP, without what make has built, run and measured.
copy_sources() {
    tar -C "$TOP" --exclude=./.git --exclude='./.run*' --exclude='./tmp_check*' --exclude='*.o' \
        --exclude='*.so' --exclude=./shim/wallet-shim --exclude=./bench/results --exclude=./deb -cf - . |
        tar -C "$1" --no-same-owner -xf -
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

# mirror WHERE DIR: WHERE$DIR has links to all that DIR has, beside what is there already; where
# nothing is, it is one link.
mirror() {
    local copy=$1$2
    if [[ -d $copy ]]; then
        ln -s -t "$copy" "$2"/* 2>/dev/null || true # not what is there already
    else
        mkdir -p "${copy%/*}"
        ln -s "$2" "$copy"
    fi
}

# private_server WHERE: makes a copy of the server that find_server has found; from here on
# $PG_CONFIG and $PGBIN are the copy's. What is installed into the copy reaches no other server,
# which may have its own library loaded. A server finds its files by where its programs lie: so the
# programs are copied, and all else is links in folders of the same names.
private_server() {
    local where=$1 bin share lib option
    bin=$("$PG_CONFIG" --bindir) share=$("$PG_CONFIG" --sharedir) lib=$("$PG_CONFIG" --pkglibdir)
    rm -rf "$where"
    mkdir -p "$where$bin" "$where$lib" "$where$share/extension"
    cp -L "$bin"/* "$where$bin/"
    mirror "$where" "$share/extension"
    for option in sharedir pkglibdir libdir includedir localedir; do
        mirror "$where" "$("$PG_CONFIG" "--$option")"
    done
    # Ours, which somebody may have installed there, come from here.
    rm -f "$where$lib"/pg_wallet.so "$where$share"/extension/pg_wallet{.control,--*}
    PG_CONFIG=$where$bin/pg_config PGBIN=$where$bin
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

# is_ours PID PROGRAM ARGUMENT...: is process PID alive, and does its command line begin with these
# words? PROGRAM is a path, or a name that may lie anywhere. Process ids are used again, so a pid
# file alone proves nothing; nor does a command line that names our files further on.
is_ours() {
    local words=() program=$2 i
    [[ -n $1 ]] && { mapfile -d '' -t words <"/proc/$1/cmdline"; } 2>/dev/null || return 1
    ((${#words[@]} > 0)) || return 1
    # A script of that name is run by its shell.
    [[ ! ${words[0]} =~ ^(.*/)?(ba|da)?sh$ ]] || words=("${words[@]:1}" '')
    [[ $program == */* ]] || words[0]=${words[0]##*/}
    [[ ${words[0]} == "$program" ]] || return 1
    for ((i = 3; i <= $#; i++)); do
        [[ ${words[i - 2]-} == "${!i}" ]] || return 1
    done
}

# find_ours PROGRAM ARGUMENT...: the id of such a process, where there is one.
find_ours() {
    local file pid
    for file in /proc/[0-9]*/cmdline; do
        pid=${file#/proc/} pid=${pid%/*}
        ! is_ours "$pid" "$@" || { echo "$pid" && return; }
    done
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
