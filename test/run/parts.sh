#!/bin/bash
# make start where one of the two runs already, healthy or not; pid files that are stale, foreign or
# lost; two at once. What is healthy is left alone, and what is somebody else's, too.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/cluster.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
find_server

place=$(mktemp -d /tmp/pg_wallet_parts.XXXXXX)
chmod 755 "$place"
run=$place/run port=$(free_port)
ways() { # WAY [VARIABLE=VALUE...]
    make --no-print-directory "$1" "PORT=$port" "RUN_DIR=$run" "PG_CONFIG=$PG_CONFIG" "${@:2}"
}
finish() {
    ways stop >/dev/null 2>&1 || true
    rm -rf "$place"
}
trap finish EXIT
pid_of() { cat "$run/$1.pid"; }
ready() { curl -fsS -m 2 "http://127.0.0.1:$port/readyz"; }
state_of() {
    local status=0
    RUN_DIR=$run bash bin/run.sh status >/dev/null 2>&1 || status=$?
    echo "$status"
}
is_half() { [[ $(state_of) == 1 ]]; }
kill_server() {
    kill -KILL "$(pid_of postgres)"
    wait_until 10 is_half
}
said() { "$@" 2>&1 || true; }

# Two at once: one of them starts it, the other one finds it running.
ways start >"$place/one" 2>&1 &
ok 'two starts at once: the one' ways start
status=0
wait $! || status=$?
tap_line "$status" 'and the other'
ok 'it is ready' ready
is 'one server' "$(pgrep -cf -- "-D $run/data\$")" 1
is 'one shim' "$(pgrep -cf "^$run/bin/wallet-shim")" 1

# The database alone is gone.
shim=$(pid_of shim) server=$(pid_of postgres)
kill_server
like 'another port needs a stop first' "$(said ways start PORT=1)" 'make stop before changing PORT'
is 'and starts nothing' "$(state_of)" 1
echo 'no_such_setting = on' >>"$run/data/postgresql.conf"
like 'a database that does not start' "$(said ways start)" 'PostgreSQL did not start'
ok 'leaves the shim alone' kill -0 "$shim"
sed -i '$d' "$run/data/postgresql.conf"
ok 'start after a killed postmaster' ways start
is 'leaves the shim alone, too' "$(pid_of shim)" "$shim"
ok 'which is alive' kill -0 "$shim"
ok 'and ready, with a database' ready
ok 'that is a new one' test "$(pid_of postgres)" != "$server"

# The shim alone is gone, or answers nothing.
server=$(pid_of postgres)
kill -KILL "$shim"
ok 'start after a killed shim' ways start
is 'leaves the database alone' "$(pid_of postgres)" "$server"
ok 'and is ready' ready
shim=$(pid_of shim)
kill -STOP "$shim"
ok 'start where the shim hangs' ways start
is 'leaves the database alone' "$(pid_of postgres)" "$server"
ok 'and ends the shim' ended "$shim"
ok 'for one that answers' ready

# The pid files are lost, while both run.
shim=$(pid_of shim)
rm "$run"/*.pid
is 'without pid files: status finds both' "$(state_of)" 0
like 'and start, too' "$(said ways start)" 'already running'
ok 'stop ends both' ways stop
ok 'the shim' ended "$shim"
ok 'the database' ended "$server"

# Process ids that somebody else has by now, whose command lines even name our files.
tail -f "$run/bin/wallet-shim" /dev/null >/dev/null 2>&1 &
foreign=$!
tail -f /dev/null "$run/data" >/dev/null 2>&1 &
other=$!
echo "$foreign" >"$run/shim.pid"
echo "$other" >"$run/postgres.pid"
is 'foreign pids: nothing of ours runs' "$(state_of)" 3
ok 'stop leaves them alone' ways stop
ok 'the one' kill -0 "$foreign"
ok 'and the other' kill -0 "$other"
echo "$foreign" >"$run/shim.pid"
echo "$other" >"$run/postgres.pid"
ok 'start starts both' ways start
ok 'and is ready' ready
ok 'the foreign ones live on' kill "$foreign" "$other"
done_testing
