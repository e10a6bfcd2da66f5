#!/bin/bash
# bench.sh [--quick]: starts a system of its own, measures it and its yardsticks in turn, prints a
# table and lines NAME=VALUE, and keeps the lines in bench/results/latest.txt. docs/performance.md
# says what each figure is. Nothing else is left behind, and no durability setting is touched.
#
#   RUNS=5               runs; each figure is the median of them
#   FIGURES='1 4 whole'  only these, by their numbers or names (all when empty), with their yardsticks
#   TAKE_S=10            how long pgbench and wrk take for a figure
#   TRANSFERS=1000000    how many are queued, and then posted, at a time
#   FILL=10000000        how many the journal holds when it is called full
#   HOLD_S=600           how long a snapshot is held
# shellcheck source=bench/http.sh
. "$(dirname "${BASH_SOURCE[0]}")/http.sh"

prepare() {
    note "making $many wallets, and the tables of the yardsticks"
    make_wallets "$many"
    make_yardsticks
    ! wanted post_bare get_bare || start_bare
    worker on
    ! wanted get || make_handshake
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
    sample tpcb tpcb
    sample bare_insert bare_insert
    sample direct direct
    sample tpcb_hot tpcb_hot
    sample direct_hot direct_hot
    sample direct_hot direct_hot
    sample tpcb_hot tpcb_hot
    sample direct direct
    sample bare_insert bare_insert
    sample tpcb tpcb
    sample drain_many_hot take_drain_many_hot
    sample drain_many take_drain_many
    sample drain_many take_drain_many
    sample drain_many_hot take_drain_many_hot
    ! wanted enqueue disk_bytes wal_bytes worker_memory || queue_figures
    for figure in drain drain_hot drain_hot drain drain_hot drain drain drain_hot; do
        sample "$figure" "take_$figure"
    done
    for figure in drain holds groups drain; do sample "$figure" "take_$figure"; done
    sample many_1000 many_1000
    sample many_8000 many_8000
    sample get get "$WALLET_URL"
    sample get_bare get_bare
    sample whole whole
    sample bulk bulk
    sample post_bare post_bare
    sample post post
    ! wanted latency_p50 || latency "$(tail -n 1 "$notes/post")"
    sample shim_memory shim_memory
    ! wanted expire_s || expire_figures
    for figure in enqueue whole bulk many_1000 many_8000; do pair "$figure" tpcb 2; done
    pair drain_many tpcb 2 2
    pair drain tpcb 2 4
    pair direct bare_insert 2 2
    pair direct tpcb 2 2 direct_by_tpcb
    pair direct_hot tpcb_hot 2 2
    pair drain_many_hot drain_many 2 2
    pair drain_hot drain 4 4
    pair holds drain
    pair groups drain
    pair post post_bare
    pair get get_bare
    verify
}

steady_yardsticks() {
    steady direct bare_insert bare_insert direct
    steady drain tpcb tpcb take_drain
    steady drain_many tpcb tpcb take_drain_many
    steady enqueue tpcb tpcb enqueue_and_settle
    steady whole tpcb tpcb whole
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
        for name in quick figures runs seconds scale transfers chunk filled hold_s idle; do
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
! wanted drain_full || full_journal
if wanted drain_held; then
    ((quick)) || begin_anew
    held_snapshot
fi
write_results
note "measured for $((SECONDS - began)) s"
bash "$TOP/bench/report.sh" table
