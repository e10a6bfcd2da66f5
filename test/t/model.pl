# Random operations, each answer compared with that of a model in Python: see test/model/. Before, all pairs of
# rules that one operation can break. MODEL_SEED and MODEL_OPERATIONS repeat a run, or make it longer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $seed       = $ENV{MODEL_SEED}       // int(rand(2**31));
my $operations = $ENV{MODEL_OPERATIONS} // 5200;
my $node       = new_server('model', conf => "pg_wallet.databases = 'worked'\npg_wallet.batch_max = 131072\n");

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
foreach my $run (['paired', 1, '--pairs'], ['called', $operations], ['worked', $operations, '--worker'])
{
    my ($database, $count, @flags) = @{$run};

    new_database($node, $database);
    worker_pid($node, $database) if $database eq 'worked';
    my $said =
        `python3 -B "$FindBin::RealBin/../model/schedule.py" --database $database --seed $seed --operations $count @flags 2>&1`;
    is($?, 0, "$database, seed $seed: every answer is the model's") or diag($said);
    like($said, qr/^\d+ operations, /m, "$database: $seed ran to its end");
    note($said);
}

done_testing();
