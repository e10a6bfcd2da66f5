#!/bin/bash
# packages.sh run|ha|deb|lint|test|browser|contract|coverage|bench|memcheck: installs the Debian packages that one way in
# needs and that are missing, as root or through sudo. Where it cannot, its last line names them and says what to
# type. Does nothing when all is there. On another system than Debian it names the programs that are missing.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

group=${1:-}
[[ $group =~ ^(run|ha|deb|lint|test|browser|contract|coverage|bench|memcheck)$ ]] ||
    die 'usage: packages.sh run|ha|deb|lint|test|browser|contract|coverage|bench|memcheck'
[[ -z $pg_config_given ]] || "$pg_config_given" --version >/dev/null 2>&1 ||
    die "PG_CONFIG=$pg_config_given is no pg_config that can be run"

# Without packages to ask for, the programs and libraries themselves.
absent() {
    local each
    for each in make cc pkg-config curl "$@"; do command -v "$each" >/dev/null || echo "$each"; done
    for each in libmicrohttpd gnutls jansson libpq nettle; do
        ! command -v pkg-config >/dev/null || pkg-config --exists "$each" || echo "$each"
    done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    programs=()
    case $group in
        ha) programs=(patroni etcd haproxy openssl) ;;
        lint) programs=(shellcheck cppcheck python3) ;;
        test) programs=(shellcheck cppcheck python3 perl prove pg_prove openssl strace sqlsmith clang promtool) ;;
        browser) programs=(chromium) ;;
        contract) programs=(python3 node npm) ;;
        coverage) programs=(python3 gcov) ;;
        bench) programs=(wrk python3 gnuplot) ;;
        memcheck) programs=(valgrind) ;;
    esac
    missing=$(absent "${programs[@]}" | xargs)
    [[ -z $missing ]] || die "this is not a Debian, and these programs or libraries are missing: $missing"
    note 'this is not a Debian: no packages are looked for'
    exit 0
fi

root=()
((EUID == 0)) || root=(sudo)

apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# sudo that asks for a password is of use only where somebody can type it.
may_install() {
    ((EUID == 0)) || sudo -n true 2>/dev/null || { [[ -t 0 ]] && command -v sudo >/dev/null; }
}

# Asks for the password once, if it does.
may_use_root() { ((EUID == 0)) || sudo -n true 2>/dev/null || sudo true; }

# Package lists may be absent altogether, as they are in a container's image.
know() { apt-cache show "$1" >/dev/null 2>&1; }
update_once() {
    [[ -z ${updated:-} ]] || return 0
    updated=1
    apt update >&2 || note 'apt-get update has failed'
}

# The PostgreSQL to use: the one named, else the one installed for development, else the release's.
# One that was not installed from packages is `own`, and so is what belongs to it.
major() {
    local config=${pg_config_given:-pg_config}
    if [[ -n $pg_config_given || -e $(pg_config --pgxs 2>/dev/null) ]]; then
        case $("$config" --bindir) in
            /usr/lib/postgresql/*) "$config" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/' ;;
            *) echo own ;;
        esac
        return
    fi
    apt-cache depends postgresql 2>/dev/null | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p'
}

wanted() {
    local pg=$1 group=$2
    echo 'make gcc libc6-dev pkg-config curl libmicrohttpd-dev libgnutls28-dev libjansson-dev libpq-dev nettle-dev'
    [[ $pg == own ]] || echo "postgresql-$pg postgresql-server-dev-$pg postgresql-$pg-cron"
    case $group in
        ha | test) echo 'patroni python3-etcd etcd-server haproxy iproute2 openssl' ;;&
        deb | test) echo 'build-essential debhelper lintian postgresql-server-dev-all' ;;&
        lint | test) echo "shellcheck cppcheck python3 ${clang_format:-}" ;;&
        test)
            echo 'perl libipc-run-perl libio-socket-ssl-perl openssl strace sqlsmith nginx prometheus'
            echo 'prometheus-postgres-exporter'
            echo 'libtap-parser-sourcehandler-pgtap-perl git unzip systemd pgbackrest'
            echo 'clang libclang-rt-dev'
            [[ $pg == own ]] || echo "postgresql-$pg-pgtap"
            ;;
        browser) echo 'chromium' ;;
        # Somebody who works with node has one already, whose packages may not go with Debian's.
        contract)
            echo 'python3 python3-venv ca-certificates'
            { command -v node && command -v npm; } >/dev/null || echo 'nodejs npm'
            ;;
        coverage) echo 'python3' ;;
        bench) echo 'wrk python3 gnuplot-nox' ;;
        memcheck) echo 'valgrind' ;;
    esac
}

missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done
}

# Debian's server package makes and starts a cluster named main unless told otherwise. Nobody asked
# for that one here; the file that says so is taken away again.
# Nor for servers that the packages start by themselves: scripts here start those of their own.
install_packages() {
    local dir=/etc/postgresql-common/createcluster.d policy=/usr/sbin/policy-rc.d
    local conf=$dir/pg_wallet_installs.conf status=0 service
    [[ ! -e $policy ]] || policy=''
    "${root[@]}" mkdir -p "$dir" || return
    echo 'create_main_cluster = false' | "${root[@]}" tee "$conf" >/dev/null
    [[ -z $policy ]] ||
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin "$policy"
    apt install -y --no-install-recommends "$@" >&2 || status=$?
    "${root[@]}" rm -f "$conf" ${policy:+"$policy"}
    for service in nginx etcd haproxy patroni prometheus prometheus-postgres-exporter; do
        [[ " $* " != *" $service"[\ -]* ]] || "${root[@]}" update-rc.d "$service" disable >/dev/null || true
    done
    "${root[@]}" rmdir -p --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
    return "$status"
}

# by_hand WHY PACKAGE...: the last line, by which somebody can help themselves.
by_hand() { die "$1; as root: apt-get install -y --no-install-recommends ${*:2}"; }

pg=$(major)
if [[ -z $pg ]] && may_install && may_use_root; then
    update_once
    pg=$(major)
fi
[[ -n $pg ]] ||
    die 'cannot tell which PostgreSQL this system has: run apt-get update as root, or give PG_CONFIG'
[[ $pg == own || $pg =~ ^1[5-8]$ ]] || die "pg_wallet needs PostgreSQL 15, 16, 17 or 18, and this is $pg"
# The layout check speaks for one major of clang-format only: the others lay out differently.
! know clang-format-14 || clang_format=clang-format-14

# shellcheck disable=SC2046 # one word a package
mapfile -t need < <(missing $(wanted "$pg" "$group"))
((${#need[@]})) || exit 0
if ! may_install || ! may_use_root; then by_hand 'Debian packages are missing' "${need[@]}"; fi
note "installing ${need[*]}"
for package in "${need[@]}"; do know "$package" || update_once; done
install_packages "${need[@]}" || {
    # Lists that are too old name files that the mirror no longer has.
    update_once
    install_packages "${need[@]}"
} || by_hand 'apt-get could not install what is missing' "${need[@]}"
