#!/bin/bash
# The ways in, as the one who runs this uses them: start, status, a second instance beside the
# first, stop, start again with the money still there, and what goes wrong.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/cluster.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
find_server

places=$(mktemp -d /tmp/pg_wallet_ways.XXXXXX)
chmod 755 "$places"
first=$(free_port) second=$(free_port)

ways() { # WAY PORT RUN_DIR
    make --no-print-directory "$1" "PORT=$2" "RUN_DIR=$3" "PG_CONFIG=$PG_CONFIG"
}
# In the words that RUN_DIR/env promises: sourced, then a bare psql.
ask() { # RUN_DIR SQL
    # shellcheck source=/dev/null
    (. "$1/env" && "$PGBIN/psql" -X -qAt -c "$2")
}
status_of() { # RUN_DIR: the script's own exit status, which make would make 2 of
    local status=0
    RUN_DIR=$1 bash bin/run.sh status >/dev/null 2>&1 || status=$?
    echo "$status"
}
said() { "$@" 2>&1 || true; }
pid_of() { cat "$places/$1.pid"; }
erase() { # RUN_DIR: stops it, with the state that may lie elsewhere
    RUN_DIR=$1 bash bin/run.sh stop >/dev/null 2>&1 || true
    [[ ! -L $1/state ]] || rm -rf "$(readlink "$1/state")"
}
finish() {
    erase "$places/a"
    erase "$places/b"
    erase "$places/long"
    erase "$places/shut/run"
    rmdir --ignore-fail-on-non-empty /var/lib/pg_wallet 2>/dev/null || true
    rm -rf "$places"
}
trap finish EXIT

is 'status where nothing ever ran' "$(status_of "$places/a")" 3

ok 'start' ways start "$first" "$places/a"
is 'status of what runs' "$(status_of "$places/a")" 0
ok 'ready at once' curl -fsS "http://127.0.0.1:$first/readyz"
# /proc/PID/maps names the files that a process has loaded.
libraries_of() { sed -nE 's|.* (/.*/pg_wallet\.so)$|\1|p' "/proc/$1/maps" | sort -u; }
like 'the library that it has loaded is its own' "$(libraries_of "$(pid_of a/postgres)")" \
    "^$places/a/server/"
ok 'psql is the superuser' ask "$places/a" 'CREATE TABLE kept AS SELECT 777.88 AS money'
if ((EUID == 0)); then
    is 'the database is not root' "$(stat -c %U "/proc/$(pid_of a/postgres)")" postgres
    is 'nor is the shim' "$(stat -c %U "/proc/$(pid_of a/shim)")" postgres
    as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
    # shellcheck disable=SC2016 # the inner shell's $1
    asked=$(as_nobody bash -c '. "$1/env" && psql -X -qAtc "SHOW is_superuser"' _ "$places/a")
    is 'any local user is the superuser' "$asked" on
fi

like 'start again says that it runs' "$(said ways start "$first" "$places/a")" 'already running'
like 'a port in use is refused' "$(said ways start "$first" "$places/b")" "port $first .* is in use"
is 'before anything is made' "$(ls -A "$places/b/data" 2>/dev/null)" ''
like 'no port at all' "$(said ways start 70000 "$places/b")" 'is not a port'

WALLET_AUTH=required ok 'a second instance beside the first' ways start "$second" "$places/b"
answers() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/api/v1/wallet/async"; }
is 'which wants a key, as it was told' "$(answers "$second")" 401
is 'while the first one wants none' "$(answers "$first")" 422
is 'with its own data' "$(ask "$places/b" "SELECT to_regclass('kept') IS NULL")" t
ok 'stop' ways stop "$second" "$places/b"
is 'status of what is stopped' "$(status_of "$places/b")" 3
is 'the first one goes on' "$(status_of "$places/a")" 0

ask "$places/a" "ALTER SYSTEM SET pg_wallet.worker = off"
ask "$places/a" "SELECT pg_reload_conf()" >/dev/null
is_idle() { [[ $(status_of "$places/a") == 1 ]]; }
ok 'the worker is switched off' wait_until 5 is_idle
off='Set pg_wallet.worker to on'
like 'status says so, and what to do' "$(RUN_DIR=$places/a bash bin/run.sh status)" "not ready: .*$off"
like 'start again does, too' "$(said ways start "$first" "$places/a")" "already running.*$off"
ok 'stop with the worker off' ways stop "$first" "$places/a"
like 'start with the worker off says so, and succeeds' \
    "$(said ways start "$first" "$places/a")" "nothing is posted: .*$off.*pg_wallet answers on"
is 'requests are stored' "$(curl -s -o /dev/null -w '%{http_code}' -d '{"user_id":1}' "http://127.0.0.1:$first/api/v1/wallet")" 202
ask "$places/a" "ALTER SYSTEM RESET pg_wallet.worker"
ask "$places/a" "SELECT pg_reload_conf()" >/dev/null
is_whole() { [[ $(status_of "$places/a") == 0 ]]; }
ok 'switched on, it is ready' wait_until 5 is_whole

kill -KILL "$(pid_of a/shim)"
is_half() { [[ $(status_of "$places/a") == 1 ]]; }
ok 'the shim is seen to be gone' wait_until 5 is_half
ok 'start makes it whole' ways start "$first" "$places/a"
kill -KILL "$(pid_of a/postgres)" "$(pid_of a/shim)"
ok 'start after both were killed' ways start "$first" "$places/a"
is 'what was committed is there' "$(ask "$places/a" 'TABLE kept')" 777.88
ok 'stop of the first' ways stop "$first" "$places/a"
ok 'stop of what is stopped' ways stop "$first" "$places/a"

# A pid file that names a process of somebody else's: it is left alone.
sleep 60 &
echo $! | tee "$places/a/postgres.pid" >"$places/a/shim.pid"
is 'a stale pid file is seen through' "$(status_of "$places/a")" 3
ok 'and does not mislead stop' ways stop "$first" "$places/a"
ok 'which ends no process that is not ours' kill $!

# In the foreground, until interrupted. (What bash runs in the background ignores Ctrl-C, unless...)
foreground() {
    setsid env --default-signal=INT make --no-print-directory run "PORT=$first" \
        "RUN_DIR=$places/a" "PG_CONFIG=$PG_CONFIG" >"$places/out" 2>&1 &
    foreground=$!
}
foreground
ok 'run becomes ready' wait_until 60 curl -fsS "http://127.0.0.1:$first/readyz"
ok 'and says what to type' wait_until 5 grep -q '/env && psql' "$places/out"
is 'the data of the runs before' "$(ask "$places/a" 'TABLE kept')" 777.88
kill -INT -- "-$foreground"
wait "$foreground" || true
is 'Ctrl-C stops both' "$(status_of "$places/a")" 3

foreground
ok 'run again' wait_until 60 curl -fsS "http://127.0.0.1:$first/readyz"
ok 'and its welcome' wait_until 5 grep -q '/env && psql' "$places/out"
kill -KILL "$(pid_of a/shim)"
ok 'ends when the shim does' wait_until 30 ended "$foreground"
like 'and says so' "$(<"$places/out")" 'the shim has ended'
is 'with nothing left' "$(status_of "$places/a")" 3

long=$places/long/$(printf 'x%.0s' {1..100})
ok 'a path too long for a socket' ways start "$first" "$long"
is 'is answered from elsewhere' "$(ask "$long" 'SELECT 1')" 1
erase "$long"

if ((EUID == 0)); then
    mkdir -p "$places/shut/run"
    chmod 700 "$places/shut"
    ok 'a place that the user postgres cannot reach' ways start "$first" "$places/shut/run"
    ask "$places/shut/run" 'CREATE TABLE kept AS SELECT 0.5 AS money'
    ok 'stops' ways stop "$first" "$places/shut/run"
    ok 'starts' ways start "$first" "$places/shut/run"
    is 'and keeps its data' "$(ask "$places/shut/run" 'TABLE kept')" 0.5
else
    skip 'a place that the user postgres cannot reach' 'only root starts things for others'
fi
done_testing
