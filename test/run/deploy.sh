#!/bin/bash
# What `make -C shim install` puts where, that the unit is one, that nginx takes deploy/nginx.conf,
# and that uninstall leaves nothing.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/lib.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"

place=$(mktemp -d /tmp/pg_wallet_deploy.XXXXXX)
trap 'rm -rf "$place"' EXIT
shim() { make -s --no-print-directory -C shim "$@" >/dev/null; }
files() { (cd "$place" && find . -type f -printf '%m %P\n' | sort -k2); }

ok 'install for a package' shim install "DESTDIR=$place" PREFIX=/usr
is 'the program, the unit and the man page' "$(files)" '755 usr/bin/wallet-shim
644 usr/lib/systemd/system/wallet-shim.service
644 usr/share/man/man8/wallet-shim.8'
unit=$place/usr/lib/systemd/system/wallet-shim.service
is 'the unit starts that program' "$(grep ^ExecStart= "$unit")" 'ExecStart=/usr/bin/wallet-shim'
ok 'uninstall' shim uninstall "DESTDIR=$place" PREFIX=/usr
is 'nothing is left' "$(files)" ''

ok 'install for this machine' shim install "PREFIX=$place"
ok 'the program runs' "$place/bin/wallet-shim" --version
unit=$place/lib/systemd/system/wallet-shim.service
if command -v systemd-analyze >/dev/null; then
    is 'systemd takes the unit' "$(systemd-analyze verify --man=no "$unit" 2>&1)" ''
    if [[ $(systemd-analyze security --help) == *--offline* ]]; then
        ok 'and calls it well shut in' systemd-analyze security --offline=true --threshold=20 "$unit"
    else
        skip 'and calls it well shut in' 'this systemd-analyze reads no files'
    fi
else
    skip 'systemd takes the unit' 'needs systemd-analyze'
    skip 'and calls it well shut in' 'needs systemd-analyze'
fi
# Each WALLET_ variable that the example names is one of the shim's, at its default where there is one.
for variable in $(grep -oE '^#?WALLET_[A-Z_]+' deploy/wallet-shim.env | tr -d '#'); do
    ok "the shim knows $variable" grep -q "variable $variable," <("$place/bin/wallet-shim" --help)
done
ok 'uninstall' shim uninstall "PREFIX=$place"
is 'nothing is left' "$(files)" ''

if nginx=$(PATH=$PATH:/usr/sbin command -v nginx); then
    {
        printf 'pid %s/pid;\nevents {}\nhttp {\naccess_log off;\n' "$place"
        for kind in client_body proxy fastcgi uwsgi scgi; do
            printf '%s_temp_path %s/%s;\n' "$kind" "$place" "$kind"
        done
        printf 'include %s/deploy/nginx.conf;\n}\n' "$TOP"
    } >"$place/nginx.conf"
    ok 'nginx takes deploy/nginx.conf' "$nginx" -t -q -p "$place" -e stderr -c "$place/nginx.conf"
else
    skip 'nginx takes deploy/nginx.conf' 'needs nginx'
fi
done_testing
