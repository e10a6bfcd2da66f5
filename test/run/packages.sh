#!/bin/bash
# packages.sh: the release that `make dist` makes builds Debian packages, without an error of lintian.
# They are installed, carry out a payment, are upgraded and purged in a root of their own: this machine's
# own root with a layer above it that takes all that is written. With BARE=1 a bare Debian instead, in
# which they are built, too, twice: both times the same. Where root may have cgroups, a systemd boots in
# that root: it serves the installed packages, and sees them upgraded and removed while their service runs.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
# shellcheck source=test/release.sh
. "$TOP/test/release.sh"
# shellcheck source=test/booted.sh
. "$TOP/test/booted.sh"
cd "$TOP"
if ! command -v dpkg-buildpackage pg_buildext lintian >/dev/null; then
    echo '1..0 # SKIP needs debhelper, lintian and postgresql-server-dev-all'
    exit
fi
find_server
place=$(mktemp -d /tmp/pg_wallet_packages.XXXXXX)
layer='' keeper=''
finish() {
    shut_down >/dev/null 2>&1
    forget_boot || true
    [[ -z $keeper ]] || kill -KILL "$keeper" || true
    rm -rf "$place"
}
trap finish EXIT

# --- a root of their own ---------------------------------------------------------------------

# The mounts live as long as a process in their namespace, and are seen by nobody else.
enter() { nsenter "--target=$keeper" --mount --pid --root --wd "$@"; }
inside() {
    if [[ -n $booted_init ]]; then
        booted "$@"
        return
    fi
    enter chroot "$place/root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

bare_debian() {
    local mirror suite
    # shellcheck disable=SC1091
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format "\$(ORIGIN)|\$(LABEL)|\$(REPO_URI)" 'Created-By: Packages' |
        awk -F '|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
    debootstrap --variant=minbase "$suite" "$place/root" "$mirror"
}

private_root() {
    mkdir "$place"/{root,layer}
    [[ -z ${BARE:-} ]] || bare_debian >"$place/log" 2>&1 || return
    unshare --mount --propagation private --pid --fork --kill-child sleep infinity >/dev/null 2>&1 &
    keeper=$!
    wait_until 10 pgrep -P "$keeper" >/dev/null || return
    keeper=$(pgrep -P "$keeper")
    layer=$place/root
    if [[ -z ${BARE:-} ]]; then
        layer=$place/layer/upper
        enter mount -t tmpfs -o size=2g tmpfs "$place/layer" &&
            enter mkdir "$layer" "$place/layer/work" &&
            enter mount -t overlay -o "lowerdir=/,upperdir=$layer,workdir=$place/layer/work" overlay "$place/root" ||
            return
    fi
    enter mount -t proc proc "$place/root/proc" && enter mount --rbind /dev "$place/root/dev" &&
        enter mount -t tmpfs tmpfs "$place/root/tmp" &&
        enter bash -c "printf '#!/bin/sh\nexit 101\n' | install -m 755 /dev/stdin '$place/root/usr/sbin/policy-rc.d'"
}

# --- the packages ----------------------------------------------------------------------------

# next_version DEB: the same package one version later, whose settings differ too.
next_version() {
    local tree=$place/next
    rm -rf "$tree"
    dpkg-deb -R "$1" "$tree"
    sed -i 's/^Version: .*/&+next/' "$tree/DEBIAN/control"
    [[ ! -e $tree/etc ]] || echo '# A new comment.' >>"$tree/etc/pg-wallet/shim.conf"
    dpkg-deb --root-owner-group -Znone -b "$tree" "$place/later/${1##*/}"
}

# Their names and versions; those that have been removed still have their settings.
installed() { inside dpkg-query -W | grep -P '^(postgresql-1[0-9]-pg-wallet|pg-wallet-shim)\t' | tr '\t' ' '; }

# What there is of the packages below the layer, and what dpkg and systemd know of them.
left_behind() {
    enter env -C "$layer" find . -xdev \( -path './debs*' -o -path ./build -o -path ./tmp \) -prune -o \
        \( -type f -o -type l \) \( -name '*pg?wallet*' -o -name '*wallet?shim*' -o -path '*/pg-wallet/*' \) -printf '/%P\n'
    installed | cut -d ' ' -f 1
}

count() { wc -l | tr -d ' '; }

build() {
    release_into "$place"
    ok 'make dist makes a zip' test -d "$release"
    if [[ -z ${BARE:-} ]]; then
        # Of what the compiler does best nothing is seen here, and it takes half of the time.
        DEB_BUILD_OPTIONS='noopt noautodbgsym' ok 'make deb in the release' \
            make --no-print-directory -C "$release" deb "DEB_DIR=$place/debs"
        return
    fi
    cp -r "$release" "$place/root/build"
    inside apt-get update -qq
    ok 'make, in a bare Debian' inside apt-get install -y --no-install-recommends make
    ok 'make deb there' inside make --no-print-directory -C /build deb DEB_DIR=/debs
    ok 'and again' inside make --no-print-directory -C /build deb DEB_DIR=/debs_again
    is 'the same packages, to the byte' "$(inside sh -c 'cd /debs && sha256sum *.deb')" \
        "$(inside sh -c 'cd /debs_again && sha256sum *.deb')"
    cp -r "$place/root/debs" "$place/debs"
}

look() {
    local tree=$place/tree deb
    ok 'lintian finds no error' lintian --allow-root --fail-on error "$place"/debs/*.changes
    is 'debian/control is what debian/control.in makes' "$(cat debian/control)" \
        "$(sed "s/PGVERSION/$(sed -nE 's/^Package: postgresql-([0-9]+)-.*/\1/p' debian/control)/g" debian/control.in)"
    for deb in "$place"/debs/{pg-wallet-shim,postgresql-1[0-9]-pg-wallet}_*.deb; do dpkg-deb -x "$deb" "$tree"; done
    ok 'each version has library, control file and script' test "$(compgen -G "$tree/usr/lib/postgresql/*/lib/pg_wallet.so" | count)" \
        -eq "$(compgen -G "$tree/usr/share/postgresql/*/extension/pg_wallet--*.sql" | count)"
    "$tree/usr/bin/wallet-shim" --help >"$place/help"
    is 'the settings name every option of the shim' \
        "$(grep -oE '^#?WALLET_[A-Z_]+=' "$tree/etc/pg-wallet/shim.conf" | tr -d '#=' | sort)" \
        "$(grep -oE '[[]variable \w+' "$place/help" | cut -d ' ' -f 2 | sort)"
    is 'and so does its man page' "$(gzip -dc "$tree/usr/share/man/man8/wallet-shim.8.gz" | sed 's/\\-/-/g' |
        grep -oE '^\\fB--[a-z-]+' | cut -c 4- | sort)" "$(grep -oE '^ +--[a-z-]+' "$place/help" | tr -d ' ' | sort)"
    if command -v systemd-analyze >/dev/null; then
        ok 'the service is well shut in' systemd-analyze security --offline=true --threshold=20 \
            "$(find "$tree" -name wallet-shim.service)"
    else
        skip 'the service is well shut in' 'needs systemd-analyze'
    fi
}

settings=/etc/pg-wallet/shim.conf
install_debs() { # DIR
    enter rm -rf "$place/root/debs"
    enter cp -r "$place/$1" "$place/root/debs"
    enter find "$place/root/debs" ! -name '*.deb' -o -name '*dbgsym*' -delete 2>/dev/null
    if [[ -z ${BARE:-} ]]; then
        inside bash -c 'dpkg --force-unsafe-io --force-confold -i /debs/*.deb'
    else
        inside bash -c 'apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold curl systemd /debs/*.deb'
    fi
}

# --- the service -----------------------------------------------------------------------------

password='a-password' url=http://127.0.0.1:8000

# What systemd says about the service: `service MainPID`.
service() { inside systemctl show -P "$1" wallet-shim; }
is_ready() { [[ $(inside curl -s "$url/readyz") == '{"status":"ready"}' ]]; }
sql() { inside runuser -u postgres -- psql -qXAt -d payments "$@"; }
is_stored() { [[ $(sql -c 'SELECT queued FROM wallet.queue') == 1 ]]; }
is_posted() { [[ $(sql -c 'SELECT count(*) FROM wallet.wallet WHERE user_id = 2') == 1 ]]; }

# Nothing shall start but what systemd itself needs, PostgreSQL, and what is enabled later.
bring_to_rest() {
    # shellcheck disable=SC2016 # for the inner bash
    enter bash -euc 'cd "$1"
        find etc/systemd/system -path "*.wants/*" ! -name postgresql.service -delete
        rm -rf etc/rc?.d/S* etc/postgresql/* usr/sbin/policy-rc.d
        : >etc/fstab' _ "$place/root"
}

# What README.md has an administrator do.
start_database() {
    # shellcheck disable=SC2016 # for the inner bash
    inside bash -euc '
        version=$(printf "%s\n" /usr/share/postgresql/*/extension/pg_wallet.control | cut -d / -f 5 | tail -n 1)
        pg_createcluster -p 5432 --pgoption shared_preload_libraries=pg_wallet "$version" payments -- --no-sync
        systemctl start "postgresql@$version-payments"
        printf "PGPASSWORD=%s\nWALLET_ACCESS_LOG=json\n" "$1" >>/etc/pg-wallet/shim.conf' _ "$password"
}

# restarted_by WHAT PID: another process than PID serves.
restarted_by() {
    ok "$1 restarts the service" wait_until 15 is_ready
    ok 'in a new process' test "$(service MainPID)" -ne "$2"
}

# What the kernel says about a process, whatever the unit asks for.
confined() {
    # shellcheck disable=SC2016 # for the inner bash
    inside bash -c 'grep -E "^(Uid|Gid|Cap...|NoNewPrivs|Seccomp):" "/proc/$1/status"
        echo writes:
        nsenter "--target=$1" --mount --root --wd bash -c "for dir in / /etc /home /root /run /usr /var /var/lib; do
            [[ ! -w \$dir ]] || echo \$dir; done"' _ "$1" | xargs
}

# A request that waits for its outcome is answered when the service stops. Meanwhile nothing is posted.
stop_with_request() {
    local client
    sql -c 'ALTER SYSTEM SET pg_wallet.worker = off' -c 'SELECT pg_reload_conf()' >/dev/null
    inside curl -sS -w ' %{http_code}' -H "Authorization: Bearer $key" -H 'Prefer: wait=60' "$url/api/v1/wallet" \
        -d '{"user_id":2,"amount":7100}' >"$place/answer" 2>&1 &
    client=$!
    ok 'a request waits for its outcome' wait_until 10 is_stored
    ok 'the service stops' inside systemctl stop wallet-shim
    wait "$client" || true
    like 'after it has answered the request' "$(cat "$place/answer")" '"handshake_id":"[0-9a-f]{64}".* 202$'
    is 'its end was clean' "$(service Result) $(service ExecMainCode) $(service ExecMainStatus)" 'success 1 0'
    sql -c 'ALTER SYSTEM RESET pg_wallet.worker' -c 'SELECT pg_reload_conf()' >/dev/null
}

serve() {
    local key uid gid log none=0000000000000000
    bring_to_rest
    if ! boot "$place/root" >"$place/log" 2>&1; then
        shut_down >/dev/null 2>&1
        skip 'the service, under systemd' 'no systemd boots on this machine'
        return
    fi
    ok 'a cluster' start_database
    key=$(inside runuser -u postgres -- bash /payment set_up)
    ok 'systemd starts the service' inside systemctl enable --now wallet-shim
    ok 'which is ready' wait_until 10 is_ready
    if ! is_ready; then
        inside journalctl -o cat -u wallet-shim | tail -n 20 | sed 's/^/#   /' >&2
        return
    fi
    ok 'and carries out a payment' inside bash /payment make_wallet "$url" "$key"

    pid=$(service MainPID)
    uid=$(inside id -u wallet_shim) gid=$(inside id -g wallet_shim)
    is 'its process has a user of its own, no right beyond, and writes nowhere' "$(confined "$pid")" \
        "Uid: $uid $uid $uid $uid Gid: $gid $gid $gid $gid CapInh: $none CapPrm: $none CapEff: $none CapBnd: $none \
CapAmb: $none NoNewPrivs: 1 Seccomp: 2 writes:"
    ok 'a reload' inside systemctl reload wallet-shim
    is 'leaves its process alone' "$(service MainPID)" "$pid"
    inside kill -KILL "$pid"
    ok 'systemd starts it again after a crash' wait_until 10 is_ready
    is 'once' "$(service NRestarts)" 1
    stop_with_request
    log=$(inside journalctl -o cat)
    like 'the journal has its log' "$log" 'wallet-shim: listening on .*"route":"/readyz"'
    is 'and no secret' "$(grep -cE "$password|$key" <<<"$log")" 0

    shut_down
    boot "$place/root" >"$place/log" 2>&1 || true
    ok 'it is ready again after the machine has booted' wait_until 15 is_ready
    ok 'and no request was lost' wait_until 10 is_posted
    pid=$(service MainPID)
}

use() {
    local version deb pid=''
    ok 'they are installed' install_debs debs
    version=$(installed | awk '{ print $2 }' | uniq)
    is 'in one version' "$version" "$(dpkg-parsechangelog -S Version)"
    is 'only root reads the settings' "$(inside stat -c '%a %U' "$settings")" '600 root'
    like 'the shim has a user of its own' "$(inside getent passwd wallet_shim)" ':/usr/sbin/nologin$'
    is 'the service waits for its administrator' "$(inside bash -c 'ls /etc/systemd/system/*/wallet-shim.service 2>&1' | grep -c cannot)" 1
    enter cp "$PWD/debian/tests/payment" "$place/root/payment"
    ok 'a payment over HTTP, with the settings of the package' inside bash /payment

    if ! inside test -x /lib/systemd/systemd; then
        skip 'the service, under systemd' 'needs systemd'
    elif can_boot "$place" >"$place/log" 2>&1; then
        serve
    else
        skip 'the service, under systemd' 'this machine lets root mount no cgroups'
    fi

    enter bash -c "echo WALLET_DRAIN_DELAY=1 >>'$place/root$settings'"
    mkdir "$place/later"
    for deb in "$place"/debs/{pg-wallet-shim,postgresql-1[0-9]-pg-wallet}_*.deb; do next_version "$deb" >/dev/null; done
    ok 'they are upgraded' install_debs later
    is 'to one version' "$(installed | awk '{ print $2 }' | uniq)" "$version+next"
    is 'the settings are still those of the administrator' "$(inside tail -n 1 "$settings")" 'WALLET_DRAIN_DELAY=1'
    is 'and only root reads them' "$(inside stat -c '%a %U' "$settings")" '600 root'
    [[ -z $pid ]] || restarted_by 'the upgrade' "$pid"
    mapfile -t names < <(installed | cut -d ' ' -f 1)
    ok 'they are removed' inside dpkg --force-unsafe-io -r "${names[@]}"
    [[ -z $pid ]] || is 'which stops the service' "$(service ActiveState) $(service Result)" 'inactive success'
    is 'but for the settings, and that it is enabled' "$(left_behind | grep -vE '^([a-z]|/var/lib/(dpkg|systemd)/)' | sort | xargs)" \
        "$settings $settings.dpkg-dist${booted_init:+ /etc/systemd/system/multi-user.target.wants/wallet-shim.service}"
    ok 'they are purged' inside dpkg --force-unsafe-io -P "${names[@]}"
    is 'and leave nothing' "$(left_behind)" ''
}

if ((EUID != 0)); then
    [[ -n ${BARE:-} ]] || { build && look; }
    skip 'installing, upgrading and purging them' 'needs root'
elif private_root; then
    build
    look
    use
else
    build
    look
    skip 'installing, upgrading and purging them' 'this machine lets root mount nothing'
fi
done_testing
