# shellcheck shell=bash
# How the fuzz targets are built: by clang with libFuzzer and sanitizers, or by any compiler with
# replay.c, to run over files. To be sourced, after find_server.

# shellcheck disable=SC2034 # for those who source this
fuzz_targets='amount post extra payload question http'

# Ends here where there is no corpus; a run of all tests goes on to the next.
need_corpus() {
    [[ ! -d $TOP/test/fuzz/corpus ]] || return 0
    local why='test/fuzz/corpus is not here: a release archive leaves it out, the git repository has it'
    [[ -n ${HARNESS_ACTIVE:-} ]] || die "$why"
    echo "1..0 # SKIP $why"
    exit 0
}

# fuzz_sources TARGET: what it is made of besides its own file.
fuzz_sources() {
    local name sources
    case $1 in
        amount | post | extra) sources=$(echo extension/rules/*.c) ;;
        payload)
            sources="extension/queue/payload.c extension/queue/json.c extension/queue/values.c extension/queue/parser.c"
            sources+=" $(echo extension/rules/*.c)"
            sources+=' shim/api/question.c shim/api/object.c shim/api/members.c shim/api/kinds.c shim/base/text.c'
            ;;
        question)
            sources='extension/rules/number.c shim/api/question.c shim/api/object.c'
            sources+=' shim/api/members.c shim/api/kinds.c shim/api/array.c shim/base/text.c shim/base/buffer.c shim/base/codes.c'
            ;;
        http)
            # all of the shim but what starts it and what speaks to a database
            sources=extension/rules/number.c
            for name in shim/*/*.c; do
                case $name in
                    shim/base/log.c | shim/db/*) ;;
                    *) sources+=" $name" ;;
                esac
            done
            ;;
    esac
    echo "$sources"
}

# fuzz_flags TARGET: how its sources are compiled.
fuzz_flags() {
    echo '-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror -I. -Ishim -Iextension'
    case $1 in
        # The server's headers, for a program; see lint for the tests that are off.
        payload)
            echo "-DFRONTEND -I$("$PG_CONFIG" --includedir-server) -Wno-sign-compare"
            echo '-Wno-unused-parameter -Wno-missing-field-initializers -Wno-attributes'
            ;;
    esac
    case $1 in
        # What shim/Makefile takes for the version.
        http) sed -n "s/^default_version = '\(.*\)'/-DPG_WALLET_VERSION=\"\1\"/p" extension/pg_wallet.control ;;
    esac
    case $1 in
        payload | question | http) pkg-config --cflags jansson libpq libmicrohttpd gnutls ;;
    esac
}

fuzz_libraries() {
    local dir
    case $1 in
        payload)
            for dir in "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --libdir)"; do
                [[ ! -e $dir/libpgcommon.a ]] || break
            done
            echo "$dir/libpgcommon.a $dir/libpgport.a -ljansson -lm"
            ;;
        question) echo '-ljansson -lm' ;;
        http) echo '-lmicrohttpd -lgnutls -ljansson -lm' ;;
    esac
}

# fuzz_build TARGET PROGRAM COMPILER FLAG_OR_SOURCE...: in the folder of the sources.
fuzz_build() {
    local target=$1 program=$2 compiler=$3
    shift 3
    # shellcheck disable=SC2046 # one word a flag
    "$compiler" $(fuzz_flags "$target") "$@" "test/fuzz/$target.c" $(fuzz_sources "$target") \
        $(fuzz_libraries "$target") -o "$program"
}
