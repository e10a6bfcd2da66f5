# shellcheck shell=bash
# Test Anything Protocol for tests written in bash: ok, is, like, skip, and done_testing at the end.

tap_count=0 tap_failed=0

tap_line() { # STATUS NAME
    tap_count=$((tap_count + 1))
    if (($1 == 0)); then
        printf 'ok %d - %s\n' "$tap_count" "$2"
    else
        tap_failed=$((tap_failed + 1))
        printf 'not ok %d - %s\n' "$tap_count" "$2"
        printf "#   Failed test '%s'\n" "$2" >&2
    fi
}

# ok NAME CMD...: does CMD succeed? What it says is shown only when it does not.
ok() {
    local name=$1 said status=0
    shift
    said=$("$@" 2>&1) || status=$?
    tap_line "$status" "$name"
    ((status == 0)) || printf '%s\n' "$said" | sed 's/^/#   /' >&2
}

is() { # NAME GOT EXPECTED
    local status=0
    [[ $2 == "$3" ]] || status=1
    tap_line "$status" "$1"
    ((status == 0)) || printf '#   got:      %s\n#   expected: %s\n' "$2" "$3" >&2
}

like() { # NAME GOT REGEX
    local status=0
    [[ $2 =~ $3 ]] || status=1
    tap_line "$status" "$1"
    ((status == 0)) || printf '#   got:      %s\n#   expected: %s\n' "$2" "$3" >&2
}

skip() { # NAME REASON
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

done_testing() {
    printf '1..%d\n' "$tap_count"
    ((tap_failed == 0))
}
