#!/bin/bash
# deb.sh DIR: builds the Debian packages out of a copy of the sources, and puts them into DIR. The same
# sources make the same packages: dates come from debian/changelog, and nothing is fetched.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bash "$TOP/bin/packages.sh" deb
mkdir -p "${1:?usage: deb.sh DIR}"
into=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/pg_wallet_deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/pg-wallet"
copy_sources "$work/pg-wallet"
cd "$work/pg-wallet"
# One package for each PostgreSQL that this release has.
pg_buildext updatecontrol
dpkg-buildpackage -b -us -uc "-j$(nproc)" >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    die 'the packages could not be built'
}
mv -t "$into" "$work"/*.{deb,buildinfo,changes}
for file in "$into"/*.deb; do say "$file"; done
