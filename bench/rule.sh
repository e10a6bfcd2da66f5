# shellcheck shell=bash
# When a point of a cost curve is dearer than one of a smaller n. To be sourced.
# shellcheck source=bench/http.sh
. "$(dirname "${BASH_SOURCE[0]}")/http.sh"

dearer=1.2 # times as much is a fault
faults=()  # CURVE_N: what costs more than at a smaller n

# rounds RUNS SUFFIX CURVE N...: samples of each point in turns, up and down.
rounds() {
    local count=$1 suffix=$2 curve=$3 points=("${@:4}") run i n
    for ((run = 1; run <= count; run++)); do
        for ((i = 0; i < ${#points[@]}; i++)); do
            n=${points[run % 2 ? i : ${#points[@]} - 1 - i]}
            measure "${curve}_$n$suffix" "take_$curve" "$n"
        done
    done
}

# is_dearer least_of|value_of NAME OTHER: does NAME cost too many times what OTHER costs?
is_dearer() { holds "($("$1" "$2") > $dearer * $("$1" "$3"))"; }

# The point that costs least so far. Whatever else runs only adds to what a sample takes, so the least
# sample is nearest to what the point itself costs.
cheaper() { # NAME|'' OTHER
    if [[ -n $1 ]] && holds "($(least_of "$1") <= $(least_of "$2"))"; then echo "$1"; else echo "$2"; fi
}

# judge CURVE N...: each point beside the cheapest smaller one. Where a point looks dearer, both are
# measured again, by turns. The point is dearer when their least samples and their medians say so then.
# The report has the samples of both times.
judge() {
    local curve=$1 n cheapest='' name
    for n in "${@:2}"; do
        n=${curve}_$n
        if [[ -n $cheapest ]] && is_dearer least_of "$n" "$cheapest"; then
            note "$n looks dearer than $cheapest: measuring both again"
            rounds $((2 * runs)) .again "$curve" "${cheapest##*_}" "${n##*_}"
            if is_dearer least_of "$n.again" "$cheapest.again" && is_dearer value_of "$n.again" "$cheapest.again"; then
                faults+=("$n")
            fi
            for name in "$n" "$cheapest"; do
                cat "$notes/$name.again" >>"$notes/$name"
                rm "$notes/$name.again"
            done
        fi
        cheapest=$(cheaper "$cheapest" "$n")
    done
}
