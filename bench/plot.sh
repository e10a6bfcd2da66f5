#!/bin/bash
# plot.sh [curves]: draws docs/performance-throughput.svg and docs/performance-snapshot.svg from what the
# last benchmark left in bench/results; or docs/performance-curves.svg from what the last cost curves left,
# of which it prints a table, too.
# shellcheck source=bin/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bin/lib.sh"
cd "$TOP"
results=bench/results

value_of() { sed -n "s/^$1=//p" "$results/latest.txt"; }

title() { echo "$1$([[ $(value_of quick) == 0 ]] || echo ' (a quick run)')"; }

plot() { # FILE: the rest of the script is read from standard input
    {
        echo "set terminal svg size 900,420 font 'sans-serif,13' background '#ffffff'"
        echo "set output '$1'"
        echo "set grid ytics lc rgb '#dddddd'; set border 3; set tics nomirror"
        cat
    } | gnuplot
}

# Lines N COST: the least sample of each point.
curve_points() { # NAME
    sed -nE "s/^$1_([0-9]+)_min=/\1 /p" "$results/curves.txt" | sort -n
}

# panel TITLE XLABEL NAME...: those of the curves that were measured.
panel() {
    local name lines=''
    for name in "${@:3}"; do
        [[ -n $(curve_points "$name") ]] || continue
        printf '$%s << E\n%s\nE\n' "$name" "$(curve_points "$name")"
        lines+="\$$name with linespoints pt 7 ps 0.4 lw 2 title '${name//_/ }', "
    done
    [[ -z $lines ]] || printf "set title '%s'\nset xlabel '%s'\nplot %s\n" "$1" "$2" "${lines%, }"
}

if [[ ${1:-} == curves ]]; then
    plot docs/performance-curves.svg <<END
set terminal svg size 1000,900 font 'sans-serif,13' background '#ffffff'
set multiplot layout 2,2
set logscale xy
set format x '10^{%L}'
set grid xtics ytics lc rgb '#dddddd'
set ylabel 'microseconds of CPU an item'
set key top right
$(panel 'Items a call' 'items a call' enqueue bulk lookup transaction)
$(panel 'Posting' 'requests a batch, in the queue' batch queue)
$(panel 'How much there is' 'wallets, transfers in the journal' wallets_post wallets_pay journal_post journal_pay journal_lookup)
$(panel 'Clients' 'clients that pay, idle connections' clients connections)
unset multiplot
END
    printf '| curve | microseconds of CPU an item, by n |\n|---|---|\n'
    sed -nE 's/^([a-z_]+)_[0-9]+=.*/\1/p' "$results/curves.txt" | sort -u | while read -r name; do
        curve_points "$name" | awk -v name="$name" '{ all = all (NR > 1 ? ", " : "") $1 ": " sprintf("%.3g", $2) }
            END { print "| `" name "` | " all " |" }'
    done
    exit
fi

[[ -z $(value_of figures) ]] || die 'the pictures show all figures, and the last benchmark took only some'

# Bars: how many times better than it must be.
plot docs/performance-throughput.svg <<END
set title '$(title 'Each figure by what it must be')'
set ylabel 'times better than it must be'
set logscale y 2
set yrange [0.25:*]
set xrange [-0.7:*]
set key outside top center horizontal
set rmargin 8
set xtics rotate by -35 left
set style fill solid 0.8 noborder
set boxwidth 0.6
\$data << E
$(bash bench/report.sh plot)
E
plot \$data using 0:2:xtic(1) with boxes lc rgb '#4477aa' title 'measured', \
    1 with lines lw 2 lc rgb '#cc3311' title 'must', \
    \$data using 0:3:(0.35) with xerrorbars lw 2 pt 0 lc rgb '#228833' title 'aim'
END

unheld=$(value_of drain_unheld)
plot docs/performance-snapshot.svg <<END
set title '$(title 'Posting while another session holds a snapshot')'
set xlabel 'seconds since the snapshot was taken'
set ylabel 'transfers posted a second'
set yrange [0:*]
set xrange [0:*]
set key outside top center horizontal
plot '$results/snapshot.txt' using 1:2 with linespoints pt 7 ps 0.4 lc rgb '#4477aa' \
        title 'measured', \
    $unheld with lines dt 2 lc rgb '#888888' title 'without the snapshot', \
    $unheld * 0.9 with lines lc rgb '#228833' title 'aim', \
    $unheld * 0.7 with lines lc rgb '#cc3311' title 'must'
END
