# shellcheck shell=bash
# What `make run` and `make ha-start` do before anything runs: build, a folder for the state, a copy
# of the server. To be sourced. The caller sets $run_dir, and $state to where the state is so far.
# shellcheck disable=SC2154 # $run_dir

# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# Builds where the sources are, or where nobody may write there in a copy: $built.
build() { # GROUP
    bash "$TOP/bin/packages.sh" "$1"
    find_server
    built=$TOP
    if ! [[ -w $TOP && -w $TOP/extension && -w $TOP/shim ]]; then
        built=$run_dir/build
        mkdir -p "$built"
        cp -ru --no-preserve=mode,ownership --preserve=timestamps -t "$built" \
            "$TOP/Makefile" "$TOP/extension" "$TOP/shim"
    fi
    exec 8<"$built/Makefile" # two instances may share the sources
    flock 8
    note "building for $("$PG_CONFIG" --version)"
    make -s -C "$built" -j "$(nproc)" "PG_CONFIG=$PG_CONFIG" || die 'the build failed'
    exec 8<&-
}

# Installs what is built into the server of $PG_CONFIG, a private copy.
install_built() {
    install -m 755 "$built/pg_wallet.so" "$("$PG_CONFIG" --pkglibdir)"
    install -m 644 "$built"/extension/pg_wallet{.control,--*.sql} \
        "$("$PG_CONFIG" --sharedir)/extension"
}

own_dir() { # DIR MODE
    mkdir -p "$1"
    ((EUID != 0)) || chown "$owner:" "$1"
    chmod "$2" "$1"
}

# Where $owner cannot reach $run_dir, as under /root, the state goes elsewhere: sets $state.
reachable_state() {
    [[ $state == "$run_dir" ]] && ! "${as[@]}" test -x "$run_dir" || return 0
    mkdir -p /var/lib/pg_wallet
    state=$(mktemp -d /var/lib/pg_wallet/run.XXXXXX)
    chmod 755 "$state"
    ln -sfn "$state" "$run_dir/state"
    note "the user $owner cannot reach $run_dir: the data is kept in $state"
}
