#!/bin/bash
# packages.sh: the release that `make dist` makes builds Debian packages, without an error of lintian.
# They are installed, carry out a payment, are upgraded and purged in a root of their own: this machine's
# own root with a layer above it that takes all that is written. With BARE=1 a bare Debian instead, in
# which they are built, too, twice: both times the same.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
# shellcheck source=test/release.sh
. "$TOP/test/release.sh"
cd "$TOP"
if ! command -v dpkg-buildpackage pg_buildext lintian >/dev/null; then
    echo '1..0 # SKIP needs debhelper, lintian and postgresql-server-dev-all'
    exit
fi
find_server
place=$(mktemp -d /tmp/pg_wallet_packages.XXXXXX)
layer='' keeper=''
finish() {
    [[ -z $keeper ]] || kill -KILL "$keeper" || true
    rm -rf "$place"
}
trap finish EXIT

# --- a root of their own ---------------------------------------------------------------------

# The mounts live as long as a process in their namespace, and are seen by nobody else.
enter() { nsenter "--target=$keeper" --mount --pid "$@"; }
inside() {
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
        -type f \( -name '*pg?wallet*' -o -name '*wallet?shim*' -o -path '*/pg-wallet/*' \) -printf '/%P\n'
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
        inside bash -c 'apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold curl /debs/*.deb'
    fi
}

use() {
    local version deb
    ok 'they are installed' install_debs debs
    version=$(installed | awk '{ print $2 }' | uniq)
    is 'in one version' "$version" "$(dpkg-parsechangelog -S Version)"
    is 'only root reads the settings' "$(inside stat -c '%a %U' "$settings")" '600 root'
    like 'the shim has a user of its own' "$(inside getent passwd wallet_shim)" ':/usr/sbin/nologin$'
    is 'the service waits for its administrator' "$(inside bash -c 'ls /etc/systemd/system/*/wallet-shim.service 2>&1' | grep -c cannot)" 1
    enter cp "$PWD/debian/tests/payment" "$place/root/tmp/payment"
    ok 'a payment over HTTP, with the settings of the package' inside bash /tmp/payment

    enter bash -c "echo WALLET_DRAIN_DELAY=5 >>'$place/root$settings'"
    mkdir "$place/later"
    for deb in "$place"/debs/{pg-wallet-shim,postgresql-1[0-9]-pg-wallet}_*.deb; do next_version "$deb" >/dev/null; done
    ok 'they are upgraded' install_debs later
    is 'to one version' "$(installed | awk '{ print $2 }' | uniq)" "$version+next"
    is 'the settings are still those of the administrator' "$(inside tail -n 1 "$settings")" 'WALLET_DRAIN_DELAY=5'
    is 'and only root reads them' "$(inside stat -c '%a %U' "$settings")" '600 root'
    mapfile -t names < <(installed | cut -d ' ' -f 1)
    ok 'they are removed' inside dpkg --force-unsafe-io -r "${names[@]}"
    is 'but for the settings' "$(left_behind | grep -vE '^([a-z]|/var/lib/(dpkg|systemd)/)' | sort | xargs)" "$settings $settings.dpkg-dist"
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
