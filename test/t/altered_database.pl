# Commands on a whole database, or on whole tables, under a worker: by the statements of
# docs/operations.md, each of which leaves every wallet and every request as it was.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use WalletServer;

# The statements, by the comment over each block.
my %documented;
{
    my $manual = slurp_file('docs/operations.md');
    my ($section) = $manual =~ /^## Commands on a whole database\n(.*?)(?=^## |\z)/ms;
    while ($section =~ /```sql\n-- ([^\n]*)\n(.*?)```/gs)
    {
        $documented{$1} = $2;
    }
}
is(join(', ', sort keys %documented), 'close, copy, drop, move, open, rename', 'the manual has every step');

my $node = new_server('database');
my $position = log_position($node);
my $db = 'payments';

# By psql's -c for each statement: some cannot run in a transaction.
sub step
{
    my ($name, $database) = @_;
    my $sql = $documented{$name} // '';
    my @said;

    $sql =~ s/\bpayments\b/$database/g;
    $sql =~ s/--[^\n]*//g;
    push @said, ask($node, 'postgres', $_) foreach grep { /\S/ } split /;\n/, $sql;
    return join "\n", grep { /ERROR/ } @said;
}

sub pays
{
    my ($database, $name) = @_;

    $node->safe_psql($database, deposits_sql([1, 1]) . ';' . transfers_sql([1, 2, 1]));
    becomes($node, $database, queued(), '0', "$name: what is queued is posted");
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    all_is_well($node, $database, $name);
    return;
}

new_database($node, $db);
make_wallets($node, $db, 2, 100);
worker_pid($node, $db);

# Each of them is refused while the worker is connected. Each waits for 5 s for the others to go, so all at once.
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE fast LOCATION '$folder'");
my %running = map { $_ => $node->background_psql('postgres', on_error_stop => 0) } qw(rename move copy drop);
$running{$_}->{stdin} .= "$documented{$_}\n\\echo done\n" foreach sort keys %running;
foreach my $name (sort keys %running)
{
    $running{$name}->{run}->pump until $running{$name}->{stdout} =~ /done/;
    like($running{$name}->{stderr}, qr/is being accessed by other users/, "$name: refused under a worker");
    $running{$name}->quit;
}

# Closed, all of them work.
$node->safe_psql($db, deposits_sql([1, 1]));
is(step('close', $db), '', 'close');
is(ask($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'"), '0', 'nobody is connected');
log_stays($node, $position, qr/FATAL:  database/, 1, 'no worker knocks at the door');
is(step('move', $db), '', 'move');
is(step('copy', $db), '', 'copy');
is(step('rename', $db), '', 'rename');
is(step('open', 'ledger'), '', 'open');
worker_pid($node, 'ledger', 0, 20);
pays('ledger', 'renamed and moved');
is(ask($node, 'postgres', q{SELECT s.spcname FROM pg_database AS d JOIN pg_tablespace AS s ON s.oid = d.dattablespace WHERE d.datname = 'ledger'}),
    'fast', 'it is in the other tablespace');
worker_pid($node, 'copied', 0, 20);
pays('copied', 'the copy');
is(step('close', 'copied'), '', 'close the copy');
is(step('drop', 'copied'), '', 'drop it');

# Under the worker.
my $pid = worker_pid($node, 'ledger');
foreach my $sql (
    'REINDEX DATABASE ledger',
    'REINDEX DATABASE CONCURRENTLY ledger',
    'VACUUM (FULL, ANALYZE)',
    'CLUSTER wallet.wallet USING wallet_pkey',
    'CLUSTER wallet.transfer USING transfer_pkey',
    'ALTER DATABASE ledger CONNECTION LIMIT 5',
    'ALTER DATABASE ledger SET default_transaction_read_only = off',
    'ANALYZE')
{
    unlike(ask($node, 'ledger', $sql), qr/ERROR/, $sql);
    $node->safe_psql('ledger', 'SELECT wallet_transfer(2, 1, 1)');
    pays('ledger', $sql);
}
like(ask($node, 'ledger', 'ALTER EXTENSION pg_wallet SET SCHEMA pg_temp'), qr/ERROR/, 'the functions stay in their schema');
is(worker_pid($node, 'ledger'), $pid, 'all of that under one worker');
# pg_wallet alone, in a dump.
my $dump = "$folder.sql";
$node->safe_psql('ledger', 'SELECT wallet_rotate_requests()') foreach 1 .. 2;
pays('ledger', 'in a later partition');
$node->safe_psql('ledger', 'CREATE TABLE kept (n integer)');
$node->safe_psql('postgres', 'CREATE DATABASE alone');
$node->command_ok(['pg_dump', '-e', 'pg_wallet', '-n', 'wallet', '-f', $dump, 'ledger'], 'dump pg_wallet alone');
$node->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'alone', '-f', $dump], 'restore it');
all_is_well($node, 'alone', 'pg_wallet alone');
my $content = q{SELECT (SELECT count(*) FROM wallet.request), (SELECT sum(balance) FROM wallet.wallet), to_regclass('kept') IS NULL};
is(ask($node, 'alone', $content), ask($node, 'ledger', $content) =~ s/f$/t/r, 'it has all of pg_wallet, and nothing else');
$node->command_ok(['pg_dump', '-n', 'wallet', '-f', $dump, 'ledger'], 'pg_dump -n wallet');
unlike(slurp_file($dump), qr/COPY wallet\.(wallet|transfer) |CREATE EXTENSION/, 'is no backup, as the manual says');

unlike(log_since($node, $position), qr/FATAL:(?!.*administrator command)/, 'nothing of it was fatal to anybody');
done_testing();
