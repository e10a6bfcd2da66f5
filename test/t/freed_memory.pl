# What a batch has freed stays with the process for its next batch: nothing is given back to the kernel and faulted in
# again. A page of memory that is new to the process, be it its own or a shared one, is a minor page fault.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

my $db   = 'payments';
my $node = new_server('freed_memory', conf => "shared_buffers = '32MB'\n");
new_database($node, $db);
make_wallets($node, $db, 1000, 1_000_000);
my $worker = worker_pid($node, $db);

sub faults_of
{
    my ($pid) = @_;
    return (split ' ', slurp_file("/proc/$pid/stat"))[9];
}

# The numbers of pages that are new to the worker while it posts so many transfers, which it finds all at once.
sub pages_of_posting
{
    my ($count) = @_;
    my $posted = 'SELECT posted FROM wallet.worker_state()';
    my $before = ask($node, $db, $posted);
    my $faults = faults_of($worker);

    $node->safe_psql($db, transfers_sql(map { [ 1 + $_ % 1000, 1 + ($_ + 1) % 1000, 0.01 ] } 1 .. $count));
    poll_for($node, $db, $posted, $before + $count, 60);
    return faults_of($worker) - $faults;
}

# Shared pages are new to a process once; what it keeps of its own is as much as the largest batch has taken.
my $count = 40_000;
pages_of_posting($count) for 1 .. 4;
my @posting = sort { $a <=> $b } map { pages_of_posting($count) } 1 .. 3;
cmp_ok($posting[1], '<', $count / 80, 'the worker keeps what a batch has freed');
note("new pages: @posting");

# The same for a session that makes batches itself: pages that are new while it makes three calls, after six.
my $calls = join ";\n", ('SELECT count(*) FROM rows, wallet_transfer_many(sources, destinations, amounts)') x 3;
my $pages = q{SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 10)};
my @faults = split /\n/, $node->safe_psql($db, <<"END");
CREATE TEMPORARY TABLE rows AS SELECT array_agg(1 + i % 1000) AS sources, array_agg(1 + (i + 1) % 1000) AS destinations,
    array_agg(0.01::numeric) AS amounts FROM generate_series(1, 8000) AS i;
$calls;
$calls;
$pages;
$calls;
$pages;
END
cmp_ok($faults[-1] - $faults[-5], '<', 3 * 300, 'and so does a session');
note('new pages: ', $faults[-1] - $faults[-5]);

done_testing();
