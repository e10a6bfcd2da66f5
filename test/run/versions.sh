#!/bin/bash
# PostgreSQL versions that pg_wallet is not made for are refused in one line: by make, before it
# compiles, and by the compiler.
# shellcheck source=bin/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../bin/cluster.sh"
# shellcheck source=test/tap.sh
. "$TOP/test/tap.sh"
cd "$TOP"
find_server

places=$(mktemp -d /tmp/pg_wallet_versions.XXXXXX)
trap 'rm -rf "$places"' EXIT

# Answers as the real one does, but says that it is of another version.
pretend() { # VERSION
    cat >"$places/pg_config" <<END
#!/bin/bash
[[ \$1 != --version ]] || exec echo 'PostgreSQL $1'
exec $PG_CONFIG "\$@"
END
    chmod 755 "$places/pg_config"
}
dry_make() { make --no-print-directory -n "PG_CONFIG=$places/pg_config" "$@" 2>&1 || true; }

needs='pg_wallet needs PostgreSQL 15, 16, 17 or 18'
for version in 9.6.24 14.19 19devel 19beta1 20.1; do
    pretend "$version"
    for goal in '' build all install installcheck; do
        # shellcheck disable=SC2086 # no goal is no word
        said=$(dry_make $goal)
        like "make $goal for $version" "$said" "$needs, and .*pg_config is of PostgreSQL $version"
        is "make $goal for $version: one line" "$(wc -l <<<"$said")" 1
    done
    like "make help for $version" "$(dry_make help)" '^[^*]*$'
    like "make run for $version comes to its script" "$(dry_make run)" 'bin/run.sh run'
done
for version in 15.0 '15.20 (Debian 15.20-0+deb12u1)' 16.14 17.12 18.6 18beta1; do
    pretend "$version"
    like "make for $version" "$(dry_make)" '^[^*]*$'
done

# What the compiler says: nothing but our error comes first.
compile() { # NUMBER
    printf '#include "postgres.h"\n#undef PG_VERSION_NUM\n#define PG_VERSION_NUM %s\n%s\n' "$1" \
        '#include "extension/base/version.h"' |
        gcc -x c -E -o /dev/null -I. -Iextension -I"$("$PG_CONFIG" --includedir-server)" - 2>&1 || true
}
for number in 90624 149999 190000 200001; do
    like "compiling for $number" "$(compile "$number" | grep -m 1 error)" "#error \"$needs\""
done
here=$(sed -nE 's/^#define PG_VERSION_NUM ([0-9]+)/\1/p' \
    "$("$PG_CONFIG" --includedir-server)/pg_config.h")
is 'compiling for the version that is here' "$(compile "$here")" ''
done_testing
