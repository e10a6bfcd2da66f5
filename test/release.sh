# shellcheck shell=bash
# To be sourced after bin/lib.sh, in $TOP.

# release_into DIR: what `make dist` makes of the sources, unpacked below DIR; $release is its folder. The
# sources may be a copy without .git, which test/suites.sh has made: so they are committed once more.
release_into() {
    local git=(git -c user.name=test -c user.email=test@localhost -C "$1/sources")
    mkdir "$1/sources"
    [[ ! -d $TOP/release ]] || local TOP=$TOP/release
    copy_sources "$1/sources"
    "${git[@]}" init -q
    "${git[@]}" add -A
    "${git[@]}" commit -q -m release
    make -s --no-print-directory -C "$1/sources" dist "PG_CONFIG=$PG_CONFIG"
    unzip -q "$1"/sources/pg_wallet-*.zip -d "$1"
    # shellcheck disable=SC2034 # for those who source this
    release=$(compgen -G "$1/pg_wallet-*")
}
