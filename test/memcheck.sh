#!/bin/bash
# memcheck.sh: a server and its worker under valgrind, which all of memcheck.sql is asked of, as TAP.
# What valgrind says counts where the extension is among the callers. Not as root; the extension has
# to be installed.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/cluster.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"

cd "$TOP"
bash bin/packages.sh memcheck
find_server
work=$(mktemp -d /tmp/pg_wallet_memcheck.XXXXXX)
pid=''
trap '[[ -z $pid ]] || cluster_stop "$pid"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# A folder of the server's programs, of which postgres is run by valgrind.
make_programs() {
    mkdir "$work/bin" "$work/socket" "$work/reports"
    ln -s "$PGBIN"/* "$work/bin/"
    rm "$work/bin/postgres"
    cat >"$work/bin/postgres" <<END
#!/bin/bash
exec valgrind -q --log-file=$work/reports/%p --num-callers=40 --error-limit=no \\
    --suppressions=$TOP/test/memcheck.supp $PGBIN/postgres "\$@"
END
    chmod 755 "$work/bin/postgres"
    PGBIN=$work/bin
}

start() {
    cluster_create "$work/data"
    echo 'local all all trust' | cluster_access "$work/data"
    make_programs
    cluster_configure "$work/data" "$work/socket" <<'END'
shared_preload_libraries = 'pg_wallet'
pg_wallet.databases = 'wallet'
max_worker_processes = 20
autovacuum = off
END
    cluster_start "$work/data" "$work/socket" "$work/log" "$work/pid" || {
        cat "$work/log" "$work"/reports/* >&2
        die 'no server under valgrind'
    }
    pid=$(<"$work/pid")
}

# Each report is a paragraph of lines ==PID==; those that name the extension's library.
of_extension() { cat "$work"/reports/* | sed 's/^==[0-9]*== *$//' | awk -v RS= '/pg_wallet/ { print; print "" }'; }

found_nothing() {
    local found
    found=$(of_extension)
    printf '%s\n' "$found" | head -n 100
    [[ -z $found ]]
}

start
echo 'CREATE EXTENSION pg_wallet' | psql_in "$work/socket" wallet
ok 'a load with every way in is carried out' \
    psql_in "$work/socket" wallet -f "$TOP/test/memcheck.sql"
worker=$(echo "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_wallet worker'" |
    psql_in "$work/socket" wallet -At)
ok 'the worker runs under valgrind' grep -qa valgrind "/proc/$worker/maps"
cluster_stop "$pid"
pid=''
ok 'valgrind finds nothing in the extension' found_nothing
reports=("$work"/reports/*)
note "${#reports[@]} processes; $(cat "${reports[@]}" | grep -c ' at 0x') reports"
done_testing
