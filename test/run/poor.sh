#!/bin/bash
# poor.sh: the ways in where something is missing: packages, sudo, a network, a folder to write to. Each ends
# with a line that says what to do, and no command is called that is not there.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
find_server
work=$(mktemp -d /tmp/pg_wallet_poor.XXXXXX)
chmod 755 "$work"
instances=()
finish() {
    for dir in "${instances[@]}"; do as_user env "RUN_DIR=$dir" bash bin/run.sh stop >/dev/null 2>&1; done
    chmod -R u+w "$work"
    rm -rf "$work"
}
trap finish EXIT

# As somebody who is not root.
as_user() {
    if ((EUID == 0)); then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi
}
# A folder of programs like the usual ones, but for those named.
programs_without() { # DIR NAME...
    local name dir=$work/$1
    mkdir "$dir"
    ln -s -t "$dir" /usr/bin/* /bin/* 2>/dev/null || true
    for name in "${@:2}"; do rm -f "$dir/$name"; done
}
program() { # DIR NAME LINE...: one of ours
    rm -f "$work/$1/$2"
    printf '#!/bin/bash\n' >"$work/$1/$2"
    printf '%s\n' "${@:3}" >>"$work/$1/$2"
    chmod 755 "$work/$1/$2"
}
# says DIR CMD...: what CMD says with the programs of DIR.
says() {
    local dir=$1 status=0
    shift
    as_user env "PATH=$work/$dir" "$@" </dev/null 2>&1 || status=$?
    echo "exit status $status"
}
raw='command not found|No such file|Permission denied|unbound variable|line [0-9]+:|mkdir:|Traceback'
clear_line() { # NAME SAID EXPECTED: the last line but the exit status is ours, and none is the shell's
    like "$1" "$(grep -v '^exit status' <<<"$2" | tail -n 1)" "$3"
    is "$1: nothing raw" "$(grep -E "$raw" <<<"$2" | grep -v '^pg_wallet: ')" ''
    like "$1: a failure" "$2" 'exit status [1-9]'
}

# Nothing is installed, whoever asks.
programs_without bare sudo
program bare dpkg-query 'exit 1'
names='as root: apt-get install .* libmicrohttpd-dev'
for group in run lint test coverage bench memcheck; do
    clear_line "no sudo, $group" "$(says bare bash bin/packages.sh "$group")" "missing; $names"
done
clear_line 'no sudo, make start' "$(says bare bash bin/run.sh start "RUN_DIR=$work/none")" "$names|cannot write"
clear_line 'no sudo, make test' "$(says bare env SUITES=unit bash test/suites.sh | sed '/^0 passed, 1 failed$/d')" "$names"
cp -r "$work/bare" "$work/password"
# shellcheck disable=SC2016 # the programs' own arguments
program password sudo '[[ $1 != -n ]] || exit 1' 'echo "sudo: a password is required" >&2; exit 1'
clear_line 'a sudo that wants a password nobody can type' "$(says password bash bin/packages.sh run)" "missing; $names"
typed() { script -qec "env PATH=$work/password bash bin/packages.sh run" /dev/null; }
# Where no terminal can be had (a container without /dev/pts), nobody types a password.
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    clear_line 'a sudo that refuses the password' "$(as_user bash -c "$(declare -f typed); work=$work; typed" </dev/null | tr -d '\r')$(
        echo)exit status 1" "missing; $names"
else
    skip 'a sudo that refuses the password' 'no terminal here'
fi
cp -r "$work/bare" "$work/offline"
# shellcheck disable=SC2016 # the programs' own arguments
program offline sudo '[[ $1 != -n ]] || exit 0' '[[ $1 == env ]] || { cat >/dev/null; exit 0; }' 'exec "$@"'
program offline apt-cache 'exit 1'
program offline apt-get 'echo "E: Temporary failure resolving deb.debian.org" >&2; exit 100'
clear_line 'no network' "$(says offline bash bin/packages.sh run)" "could not install what is missing; $names"
programs_without foreign apt-get dpkg-query curl wrk
clear_line 'no Debian' "$(says foreign bash bin/packages.sh run)" 'not a Debian.* missing: curl$'
clear_line 'no Debian, bench' "$(says foreign bash bin/packages.sh bench)" 'missing: curl wrk'
clear_line 'a PG_CONFIG that is not there' "$(says foreign env PG_CONFIG=/nowhere/pg_config bash bin/packages.sh run)" \
    'PG_CONFIG=/nowhere/pg_config is no pg_config'

# Places. (Under /proc not even root makes a folder.)
programs_without usual
for way in start run; do
    clear_line "make $way where nobody may write" "$(says usual env RUN_DIR=/proc/wallet bash bin/run.sh "$way")" \
        'cannot write to /proc/wallet: give another folder'
done
is 'make stop there' "$(says usual env RUN_DIR=/proc/wallet bash bin/run.sh stop)" $'not running\nexit status 0'
touch "$work/file"
clear_line 'a file in the place of RUN_DIR' "$(says usual env "RUN_DIR=$work/file" bash bin/run.sh start)" 'cannot write to'
clear_line 'a name that no folder can have' "$(says usual env "RUN_DIR=/tmp/$(printf 'x%.0s' {1..300})" bash bin/run.sh start)" 'cannot write to'

# Sources that can only be read, in a folder with a space, made by somebody with a strict umask.
sources="$work/read only"
mkdir "$sources" "$work/free"
cp -r --preserve=timestamps -t "$sources" Makefile bin extension shim ./*.so
touch "$sources/extension/base/money.c"
chmod -R a-w,a+rX "$sources"
chmod 777 "$work/free"
run_dir="$work/free/of this"
instances+=("$run_dir")
port=$(free_port)
started=$(as_user bash -c "umask 077; cd '$sources' && make --no-print-directory start PORT=$port RUN_DIR='$run_dir' PG_CONFIG='$PG_CONFIG' 2>&1") || true
like 'starts from sources that can only be read' "$started" "pg_wallet answers on http://127.0.0.1:$port"
is 'without a complaint' "$(grep -E "$raw" <<<"$started")" ''
is 'answers' "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/readyz")" 200
is 'nothing has been written there' "$(find "$sources" -newer "$work/free" -type f | head -n 3)" ''
like 'a second start says so' "$(as_user make --no-print-directory -C "$sources" start "PORT=$port" "RUN_DIR=$run_dir" 2>&1)" 'already running'
like 'its status' "$(as_user make --no-print-directory -C "$sources" status "RUN_DIR=$run_dir" 2>&1)" 'system +ready'
is 'stops' "$(as_user make --no-print-directory -C "$sources" stop "RUN_DIR=$run_dir" 2>&1)" 'stopped; the data stays'
done_testing
