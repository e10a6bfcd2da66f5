#!/bin/bash
# plot.sh: draws docs/performance-throughput.svg and docs/performance-snapshot.svg from what the
# last benchmark left in bench/results.
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
