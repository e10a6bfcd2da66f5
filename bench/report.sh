#!/bin/bash
# report.sh table|markdown|plot [FILE]: what FILE (bench/results/latest.txt) says, beside what must
# and should be. `table` adds the lines NAME=VALUE, and fails when a full run misses what must be;
# `plot` has only names and how many times better than it must be each is, and is to be.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/lib.sh"

form=${1:?usage: report.sh table|markdown|plot [FILE]}
file=${2:-$TOP/bench/results/latest.txt}
declare -A value ratio
while IFS='=' read -r name text; do value[$name]=$text; done <"$file"

thousands() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

# shown NAME: as people read it.
shown() { thousands "${value[$1]:--}"; }

# spread NAME: from the smallest to the largest sample, when they differ.
spread() {
    local min=$1_min max=$1_max
    [[ ${value[$min]} == "${value[$max]}" ]] || echo "$(shown "$min")-$(shown "$max")"
}

# verdict FIGURE MUST AIM SIGN: aim, must or NO. SIGN is 1 when more is better, else -1.
verdict() {
    awk -v f="$1" -v must="$2" -v aim="$3" -v sign="$4" 'BEGIN {
        print(sign * f >= sign * aim ? "aim" : (sign * f >= sign * must ? "must" : "NO")) }'
}

print_row() { # NUMBER WHAT FIGURE SPREAD YARDSTICK ITS_SPREAD RATIO MUST AIM MET
    case $form in
        markdown) printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$@" ;;
        table) printf '%-3s%-53s%15s %17s %21s %15s %19s %7s %7s %5s\n' "$@" ;;
    esac
}

# plot_row NAME FIGURE AIM: by how many times the figure is, and is to be, better than it must be.
plot_row() { [[ $form != plot ]] || awk "BEGIN { print \"${1//_/-}\", $2, $3 }"; }

missed=0
# against NUMBER NAME YARDSTICK MUST AIM WHAT [RATIO]: a figure that is judged by its ratio, the median
# of the runs' ratios (RATIO, NAME where it has one alone) where there are any; by MUST '' it is only
# shown. A figure that was not taken has no row.
against() {
    local number=$1 name=$2 yardstick=$3 must=$4 aim=$5 what=$6 of=${7:-$2} met='' quotient between=''
    [[ -n ${value[$name]:-} && -n ${value[$yardstick]:-} ]] || return 0
    quotient=${value[${of}_ratio]:-}
    if [[ -n $quotient ]]; then
        [[ ${value[${of}_ratio_min]} == "${value[${of}_ratio_max]}" ]] ||
            between=$(printf ' (%.2f-%.2f)' "${value[${of}_ratio_min]}" "${value[${of}_ratio_max]}")
    else
        quotient=$(awk "BEGIN { print ${value[$name]} / ${value[$yardstick]} }")
        ratio[$of]=$quotient
    fi
    [[ -z $must ]] || met=$(verdict "$quotient" "$must" "$aim" 1)
    [[ $met != NO ]] || missed=1
    print_row "$number" "$what" "$(shown "$name") /s" "$(spread "$name")" \
        "$yardstick $(shown "$yardstick")" "$(spread "$yardstick")" \
        "$(printf '%.2f%s' "$quotient" "$between")" "${must:+>=$must}" "${aim:+>=$aim}" "$met"
    [[ -z $must ]] || plot_row "$name" "$quotient / $must" "$aim / $must"
}

# within NUMBER NAME UNIT MUST AIM WHAT: a figure that is judged as it is.
within() {
    local number=$1 name=$2 unit=$3 must=$4 aim=$5 what=$6 met
    [[ -n ${value[$name]:-} ]] || return 0
    met=$(verdict "${value[$name]}" "$must" "$aim" -1)
    [[ $met != NO ]] || missed=1
    print_row "$number" "$what" "$(shown "$name") $unit" "$(spread "$name")" '' '' '' \
        "<=$must" "<=$aim" "$met"
    plot_row "$name" "$must / ${value[$name]}" "$must / $aim"
}

rows() {
    local count
    count=$(shown transfers)
    against 1 drain tpcb 85 130 "posting $count queued transfers, 10,000 wallets"
    against 2 drain_many tpcb 7 20 "posting $count queued transfers, 100,000 wallets"
    against 3 drain_many_hot drain_many 1.0 1.3 'figure 2, where 90 of 100 go into one wallet'
    against '' drain_hot drain '' '' 'figure 1, where 90 of 100 go into one wallet'
    against 4 direct bare_insert 0.78 0.9 'wallet_transfer(), 8 clients, 100,000 wallets'
    against '' direct tpcb '' '' 'figure 4, beside TPC-B' direct_by_tpcb
    against 5 direct_hot tpcb_hot 1.5 4 'wallet_transfer(), 8 clients, all into one wallet'
    against 6 enqueue tpcb 90 140 'wallet_enqueue_many(), 1,000 a call, one session'
    against 7 post post_bare 0.42 0.6 'POST transaction, durable, 64 connections'
    against 8 bulk tpcb 60 90 'POST bulk, 1,000 an array, until the last outcome'
    against 9 get get_bare 0.45 0.7 'GET outcome, 64 connections'
    within 10 latency_p50 ms 10 3 'POST to outcome at half of the load, median'
    within '' latency_p99 ms 50 15 'POST to outcome at half of the load, 99th percentile'
    against 11 drain_full drain_fresh 0.8 0.95 \
        "posting with $(shown filled) transfers in the journal"
    against 12 drain_held drain_unheld 0.7 0.9 \
        "posting, a snapshot held for $(shown hold_s) s, last quarter"
    within 13 disk_bytes bytes 260 200 'on disk for each transfer, queue and indexes included'
    within 14 wal_bytes bytes 330 280 'write-ahead log for each transfer, queue included'
    within 15 worker_memory MB 256 256 "memory of the worker, $count queued"
    within '' shim_memory MB 256 256 "memory of the shim, $(shown idle) idle connections"
    against 16 whole tpcb 72 108 "$count requests, from the call to the last outcome"
    against 17 many_8000 tpcb 75 120 'wallet_transfer_many(), 8,000 a call, one session'
    against '' many_1000 tpcb 50 72 'wallet_transfer_many(), 1,000 a call, one session'
    against 18 holds drain 0.7 0.9 'posting holds and their captures, beside transfers'
    against 19 groups drain 0.8 1.0 'posting groups of two transfers, beside transfers'
    within 20 expire_s s 30 15 "$count holds due at once, until all have expired"
    within '' expire_p99 ms 50 15 '99th percentile of payments meanwhile'
    within '' expire_queued_p99 ms 100 50 '99th percentile of queued payments meanwhile'
    within '' expire_few_p99 ms 50 15 'payments, a tenth of the holds on 10 wallets'
    within '' expire_few_queued_p99 ms 100 50 'queued payments, a tenth of the holds on 10 wallets'
}

heading() {
    print_row '' what figure spread yardstick 'its spread' ratio must aim met
    [[ $form != markdown ]] || echo '|---|---|---|---|---|---|---|---|---|---|'
}

remarks() {
    local name
    if [[ -n ${value[figures]:-} ]]; then
        echo
        echo "Of all figures only these were taken: ${value[figures]}"
    fi
    if ((value[quick])); then
        echo
        echo 'A quick run: short, few transfers, a small yardstick, the long figures (11 and 12)'
        echo 'shrunk to a token. It shows that everything works; its figures judge nothing.'
    fi
    for name in "${!value[@]}"; do
        [[ $name == *_again ]] || continue
        echo
        echo "The yardstick of ${name%_again} varied more than its figure: both were measured again, ${value[$name]} times"
    done
}

if [[ $form == plot ]]; then
    rows
    exit
fi
printf '\nPostgreSQL %s, %s cores; the median of %s, TPC-B (tpcb) of scale %s\n\n' \
    "${value[postgresql]}" "${value[cores]}" "${value[runs]}" "${value[scale]}"
heading
rows
remarks
[[ $form == table ]] || exit 0
printf '\n'
cat "$file"
for name in "${!ratio[@]}"; do echo "${name}_ratio=${ratio[$name]}"; done | sort
((value[quick] || !missed))
