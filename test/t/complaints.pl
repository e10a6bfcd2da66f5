# What the shim cannot do with its database stands in its log: once for the process, however often it is tried and by how
# many connections, again when the reason changes, and a line when all is well again; and never a secret.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WalletServer;
use Shim qw(start_shim stop_shim shim_log);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db   = 'paid';
my $node = new_server('complaints', init => {allows_streaming => 1});
new_database($node, $db);
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
$node->safe_psql($db, "CREATE ROLE shim LOGIN PASSWORD 'Sesam1'; SELECT wallet_grant('shim', 'shim')");

sub start
{
    my ($conninfo, @flags) = @_;

    local $ENV{PGOPTIONS} = '';
    return start_shim('--db', $conninfo, @flags);
}

# Polls until what a shim has logged since a position has so many lines that match; then waits for three attempts more.
sub says_once
{
    my ($url, $position, $words, $name) = @_;
    my $deadline = time + 15;
    my ($log, $count) = ('', 0);

    do
    {
        usleep(20_000) if $log;
        $log = substr shim_log($url), $position;
    } while $log !~ $words && time < $deadline;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($log, $words, $name);
    return;
}

sub count_of { my ($url, $position, $words) = @_; return scalar(() = substr(shim_log($url), $position) =~ /$words/g) }

my $conninfo = $node->connstr($db) . ' user=shim password=Sesam1 application_name=complaints';
my $url      = start($conninfo);
says_once($url, 0, qr/^wallet-shim: database connected: all 4 connections can be used$/m, 'it connects');

# What stands in the way of a new connection: [name, what to do, what the log says, what to undo].
my @cases = (
    [ 'the role may not log in', sub { sql('ALTER ROLE shim NOLOGIN') }, qr/role "shim" is not permitted to log in/, sub { sql('ALTER ROLE shim LOGIN') } ],
    [ 'its connections are limited', sub { sql('ALTER ROLE shim CONNECTION LIMIT 0') }, qr/too many connections for role "shim"/, sub { sql('ALTER ROLE shim CONNECTION LIMIT -1') } ],
    [ 'pg_hba.conf rejects it', sub { hba("local all shim reject\nhost all shim all reject\n") }, qr/pg_hba\.conf rejects connection/, sub { } ],
    [ 'the password is wrong', sub { hba("local all shim scram-sha-256\nhost all shim all scram-sha-256\n"); sql(q{ALTER ROLE shim PASSWORD 'Sesam2'}) },
        qr/password authentication failed for user "shim"/, sub { hba(''); sql(q{ALTER ROLE shim PASSWORD 'Sesam1'}) } ],
    [ 'the database takes none', sub { sql("ALTER DATABASE $db CONNECTION LIMIT 0") }, qr/too many connections for database "$db"/,
        sub { sql("ALTER DATABASE $db CONNECTION LIMIT -1") } ],
    [ 'the role lost its rights', sub { sql("REVOKE USAGE ON SCHEMA public FROM public, shim") }, qr/permission denied for schema public \(the shim's role gets its rights by wallet_grant\)/,
        sub { sql("GRANT USAGE ON SCHEMA elsewhere TO public") } ],
    [ 'the functions are elsewhere', sub { sql('ALTER SCHEMA public RENAME TO elsewhere') }, qr/schema "public" does not exist \(is pg_wallet installed/,
        sub { sql('ALTER SCHEMA elsewhere RENAME TO public') } ],
);

# One after the other without a pause: each is said, since the reason changes. A case is undone after the next one has begun.
my $before = 0;
my $start  = length shim_log($url);
for my $case (@cases)
{
    my ($name, $do, $words, $undo) = @$case;
    my $position = length shim_log($url);

    $do->();
    $before->() if $before;
    cut() if !$before;
    says_once($url, $position, $words, "$name: the log says so");
    $before = $undo;
}
is(count_of($url, $start, $_->[2]), 1, "$_->[0]: once") foreach @cases;
unlike(substr(shim_log($url), $start), qr/database connected/, 'and all the time not that all is well');
$before->();
says_once($url, $start, qr/database connected: all 4 connections can be used$/m, 'then all is well again');
is(count_of($url, $start, qr/database connected/), 1, 'which is said once');
unlike(shim_log($url), qr/Sesam/, 'the password is not in the log');

# The same again: it is said again.
my $position = length shim_log($url);
sql('ALTER ROLE shim NOLOGIN');
cut();
says_once($url, $position, qr/not permitted to log in.*/, 'the same reason after a time without it: again');
sql('ALTER ROLE shim LOGIN');
says_once($url, $position, qr/database connected/, 'and well again');

# A server that takes a connection and says nothing, since its process waits: one process for each connection, not more.
# A session from before asks, as nobody can begin a new one.
my $watcher_in  = '';
my $watcher_out = '';
my $watcher = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$watcher_in, '>', \$watcher_out);
$watcher_in .= "BEGIN; LOCK TABLE pg_catalog.pg_authid IN ACCESS EXCLUSIVE MODE;\n";
$watcher_in .= "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'complaints';\n";
my $waiting = q{SELECT 'waiting ' || count(*) FROM pg_locks WHERE relation = 1260 AND NOT granted;} . "\n";
$position = length shim_log($url);
my $from = time;
my $most = 0;
while (time < $from + 12)
{
    $watcher_out = '';
    $watcher_in .= $waiting;
    $watcher->pump until $watcher_out =~ /waiting (\d+)/;
    $most = $1 if $watcher_out =~ /waiting (\d+)/ && $1 > $most;
    last if $most > 4;
    usleep(100_000);
}
is($most, 4, 'logins hang: as many server processes wait as there are connections');
says_once($url, $position, qr/cannot connect to the database: the server does not answer/, 'the log says so');
$watcher_in .= "ROLLBACK;\n";
$watcher->finish;
says_once($url, $position, qr/database connected/, 'and all is well when the logins go on');
stop_shim($url);

# Before the first connection: [name, connection string, flags, what the log says].
$node->safe_psql('postgres', 'CREATE DATABASE empty');
my $secret = 'geheim' . int rand 1e9;
my @starts = (
    [ 'no such database', $node->connstr('nowhere'), [], qr/database "nowhere" does not exist/ ],
    [ 'a database without the extension', $node->connstr('empty'), [], qr/the database is not usable: function .* does not exist \(is pg_wallet installed/ ],
    [ 'another schema', $node->connstr($db), [ '--schema', 'nowhere' ], qr/schema "nowhere" does not exist \(is pg_wallet installed/ ],
    [ 'a connection string that is none', "host=localhost password=very $secret", [], qr/the connection string of --db is malformed/ ],
    [ 'a URI that is none', "postgresql://user:$secret\@[::1", [], qr/the connection string of --db is malformed/ ],
    [ 'nobody listens', 'host=/nowhere', [], qr/cannot connect to the database: .*No such file/ ],
);
for my $case (@starts)
{
    my ($name, $string, $flags, $words) = @$case;
    my $other = start($string, @$flags);

    says_once($other, 0, $words, "$name: the log says so");
    stop_shim($other);
    is(count_of($other, 0, $words), 1, "$name: once");
    unlike(shim_log($other), qr/$secret/, "$name: without a secret");
}

done_testing();

sub sql { my ($statement) = @_; $node->safe_psql($db, $statement); return }

# The shim's connections are cut, so that it has to make new ones.
sub cut { sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'complaints'}); return }

# Lines before those of the test's own server.
sub hba
{
    my ($lines) = @_;

    open my $file, '>', $node->data_dir . '/pg_hba.conf' or die "cannot write pg_hba.conf: $!";
    print $file $lines, $hba;
    close $file;
    $node->reload;
    return;
}
