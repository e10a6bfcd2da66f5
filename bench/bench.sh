#!/bin/bash
# bench.sh [--quick]: starts a system of its own, measures it and its yardsticks in turn, prints a
# table and lines NAME=VALUE, and keeps the lines in bench/results/latest.txt. docs/performance.md
# says what each figure is. Nothing else is left behind, and no durability setting is touched.
#
#   RUNS=5               runs; each figure is the median of them
#   TRANSFERS=1000000    how many are queued, and then posted, at a time
#   FILL=10000000        how many the journal holds when it is called full
#   HOLD_S=600           how long a snapshot is held
# shellcheck source=bench/http.sh
. "$(dirname "${BASH_SOURCE[0]}")/http.sh"

prepare() {
    note "making $many wallets, and pgbench's tables"
    make_wallets "$many"
    make_tpcb
    start_bare
    worker on
    make_handshake
}

# Each yardstick stands next to what it measures. Where they are only a tenth or two from what must be,
# both are taken twice, in mirrored order, and the mean counts: whatever makes the machine slower or
# faster steadily meanwhile makes no difference then. The first drain finds in the wallets what the
# payments have left, so it is not one of a yardstick. Where next to nothing lies between the two, they
# are taken four times, in an order that favours neither when checkpoints come every few drains. After
# the drains comes what writes nothing, so that the checkpoints and vacuums that they cause fall upon
# nobody.
one_run() {
    local figure
    measure tpcb tpcb
    measure direct direct
    measure tpcb_hot tpcb_hot
    measure direct_hot direct_hot
    measure direct_hot direct_hot
    measure tpcb_hot tpcb_hot
    measure direct direct
    measure tpcb tpcb
    measure drain_many_hot take_drain_many_hot
    measure drain_many take_drain_many
    measure drain_many take_drain_many
    measure drain_many_hot take_drain_many_hot
    queue_figures
    for figure in drain drain_hot drain_hot drain drain_hot drain drain drain_hot; do
        measure "$figure" "take_$figure"
    done
    measure get get "$WALLET_URL"
    measure get_bare get_bare
    measure bulk bulk
    measure post_bare post_bare
    measure post post
    latency "$(tail -n 1 "$notes/post")"
    measure shim_memory shim_memory
    for figure in enqueue bulk; do pair "$figure" tpcb 2; done
    for figure in direct drain_many; do pair "$figure" tpcb 2 2; done
    pair drain tpcb 2 4
    pair direct_hot tpcb_hot 2 2
    pair drain_many_hot drain_many 2 2
    pair drain_hot drain 4 4
    pair post post_bare
    pair get get_bare
    verify
}

steady_yardsticks() {
    steady direct tpcb tpcb direct
    steady drain tpcb tpcb take_drain
    steady drain_many tpcb tpcb take_drain_many
    steady enqueue tpcb tpcb enqueue_and_settle
    steady bulk tpcb tpcb bulk
    steady direct_hot tpcb_hot tpcb_hot direct_hot
    steady drain_many_hot drain_many take_drain_many take_drain_many_hot
    steady drain_hot drain take_drain take_drain_hot
    steady post post_bare post_bare post
    steady get get_bare get_bare get "$WALLET_URL"
}

write_results() {
    local file name
    {
        for name in quick runs seconds scale transfers chunk filled hold_s idle; do
            echo "$name=${!name}"
        done
        echo "cores=$(nproc)"
        echo "postgresql=$(sql -c 'SHOW server_version' | cut -d' ' -f1)"
        for file in "$notes"/*; do
            name=${file##*/}
            echo "$name=$(value_of "$name")"
            echo "${name}_min=$(least_of "$name")"
            echo "${name}_max=$(most_of "$name")"
        done
        for file in "$notes"/.again_*; do
            [[ ! -e $file ]] || printf '%s_again=%s\n' "${file#*.again_}" "$(wc -l <"$file")"
        done
    } >"$results/latest.txt"
}

case ${1:-} in
    '') settings full ;;
    --quick) settings quick ;;
    *) die 'usage: bench.sh [--quick]' ;;
esac
begin
prepare
began=$SECONDS
for ((run = 1; run <= runs; run++)); do
    note "run $run of $runs"
    one_run
done
steady_yardsticks
full_journal
((quick)) || begin_anew
held_snapshot
write_results
note "measured for $((SECONDS - began)) s"
bash "$TOP/bench/report.sh" table
