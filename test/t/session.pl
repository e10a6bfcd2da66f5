# Settings of the server, the database and the role change nothing that worker and shim rely on: each session of theirs
# has what extension/base/session.h lists, a reload does not undo it, and what HTTP has acknowledged survives a crash.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WalletServer;
use Shim qw(start_shim stop_shim shim_log);

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

# The list: [name, value, sum of SESSION_ words].
my %listed_for = (worker => [], writes => [], reads => []);
my $list = slurp_file("$FindBin::RealBin/../../extension/base/session.h");
while ($list =~ /^\s*X\("(\w+)", "([^"]*)", "[^"]*", ([A-Z_ |]+)\)/mg)
{
    my ($name, $value, $who) = ($1, $2, $3);
    push @{$listed_for{worker}}, [ $name, $value ] if $who =~ /SESSION_(WORKER|ALL)/;
    push @{$listed_for{writes}}, [ $name, $value ] if $who =~ /SESSION_(WRITES|SHIM|ALL)/;
    push @{$listed_for{reads}},  [ $name, $value ] if $who =~ /SESSION_(READS|SHIM|ALL)/;
}
cmp_ok(scalar @{$listed_for{worker}}, '>', 20, 'the list is there');

# What somebody may have set: of each the opposite of what we rely on, and what texts depend on.
my @settings = (
    [ 'synchronous_commit',                  'off' ],
    [ 'default_transaction_read_only',       'on' ],
    [ 'default_transaction_isolation',       'serializable' ],
    [ 'default_transaction_deferrable',      'on' ],
    [ 'lock_timeout',                        '1ms' ],
    [ 'statement_timeout',                   '200ms' ],
    [ 'idle_session_timeout',                '500ms' ],
    [ 'idle_in_transaction_session_timeout', '1ms' ],
    [ 'transaction_timeout',                 '200ms' ],
    [ 'exit_on_error',                       'on' ],
    [ 'search_path',                         'nowhere' ],
    [ 'standard_conforming_strings',         'off' ],
    [ 'transform_null_equals',               'on' ],
    [ 'quote_all_identifiers',               'on' ],
    [ 'array_nulls',                         'off' ],
    [ 'row_security',                        'off' ],
    [ 'restrict_nonsystem_relation_kind',    'view' ],
    [ 'plan_cache_mode',                     'force_custom_plan' ],
    [ 'enable_partition_pruning',            'off' ],
    [ 'enable_indexscan',                    'off' ],
    [ 'enable_nestloop',                     'off' ],
    [ 'jit_above_cost',                      '0' ],
    [ 'DateStyle',                           'SQL, DMY' ],
    [ 'IntervalStyle',                       'sql_standard' ],
    [ 'TimeZone',                            'Asia/Kathmandu' ],
    [ 'bytea_output',                        'escape' ],
    [ 'extra_float_digits',                  '-15' ],
    [ 'client_encoding',                     'SQL_ASCII' ],
    [ 'client_min_messages',                 'debug1' ],
    [ 'default_table_access_method',         'heap' ]);

my $db = 'payments';
# Only a commit that asks for it is flushed.
my $node = new_server('session',
    conf => "pg_wallet.poll_interval = '50ms'\nlisten_addresses = '127.0.0.1'\nwal_writer_delay = '10s'\nwal_writer_flush_after = '1GB'\n");
new_database($node, $db);
make_wallets($node, $db, 2, 1000);

# Two tables tell what the sessions have set: a trigger that worker or shim fire fills them.
$node->safe_psql($db, <<'SQL');
CREATE TABLE public.seen (who text, name text, setting text);
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.seen SELECT DISTINCT TG_ARGV[0], s.name, pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings AS s;
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON wallet.request FOR EACH STATEMENT EXECUTE FUNCTION public.look('writes');
CREATE TRIGGER look AFTER INSERT ON wallet.transfer FOR EACH STATEMENT EXECUTE FUNCTION public.look('worker');
CREATE ROLE shim LOGIN;
SELECT wallet_grant('shim', 'shim');
SQL
my $known = ask($node, $db, 'SELECT name FROM pg_settings');
my @set = grep { $known =~ /^$_->[0]$/m } @settings;

# The server's own processes of before must not keep what they had.
$node->safe_psql('postgres', join ';', map { "ALTER DATABASE $db SET $_->[0] = '$_->[1]'" } @set);
$node->restart;

# Whoever looks does so with settings of his own.
local $ENV{PGOPTIONS} = '-c search_path= -c default_transaction_read_only=off -c statement_timeout=60s'
    . ' -c default_transaction_isolation=read\ committed -c client_min_messages=notice -c exit_on_error=off -c idle_session_timeout=0'
    . ' -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c synchronous_commit=on';
# Settings of TCP have no effect on a Unix socket.
my $as_shim = $node->connstr($db) . ' host=127.0.0.1 user=shim';
my $url = do {
    local $ENV{PGOPTIONS} = '';
    local $ENV{WALLET_URL} = start_shim('--threads', 1, '--db', $as_shim);
};
$ENV{WALLET_URL} = $url;

# Polls until an answer has this status.
sub status_becomes
{
    my ($path, $status, $name) = @_;
    my $deadline = time + 30;
    my $answer;

    do
    {
        usleep(20_000) if $answer;
        $answer = Shim::ask('GET', $path);
    } until $answer->{status} == $status || time > $deadline;
    return is("$answer->{status}", "$status", $name) || diag($answer->{content});
}

# What a kind of session was seen to have, of the list's settings that the server knows.
sub has_what_is_listed
{
    my ($who, $table, $condition, $but) = @_;
    my %seen = map { split /=/, $_, 2 }
        split /\n/, ask($node, $db, "SELECT name || '=' || string_agg(DISTINCT setting, ' ') FROM $table WHERE $condition GROUP BY name");
    my @listed = grep { my $name = $_->[0]; $known =~ /^$name$/m && !grep { $_ eq $name } @{$but} } @{$listed_for{$who}};

    return is_deeply({ map { $_->[0] => $seen{$_->[0]} } @listed }, { map { @{$_} } @listed }, "$who: every setting is as it is listed");
}

my $deposit = '{"user_id":1,"wallet_id":1,"amount":1}';

# Waits for the outcome: the id of the deposit.
sub deposit
{
    my ($name) = @_;
    my $answer = Shim::post('deposit', $deposit, { Prefer => 'wait=20' });

    is("$answer->{status} " . (Shim::json($answer)->{status} // ''), '200 processed', $name) or diag($answer->{content});
    return Shim::json($answer)->{transaction_id};
}

status_becomes('/readyz', 200, 'ready, whatever the database has set');
deposit('a request is stored and carried out');

# Longer than idle_session_timeout: time itself is what is tested.
usleep(1_200_000);
deposit('and so is another one after a while');
unlike(shim_log($url), qr/connection lost/, 'no connection is lost');

# A role that is no superuser cannot set session_replication_role, and a function has a search_path of its own.
has_what_is_listed('worker', 'public.seen', "who = 'worker'", []);
has_what_is_listed('writes', 'public.seen', "who = 'writes'", [ 'session_replication_role', 'search_path' ]);

# Settings that are reloaded, or given to the role, later.
$node->safe_psql('postgres', "ALTER ROLE shim SET $_->[0] = '$_->[1]'") foreach @set;
set_conf($node, map { $_->[0] => $_->[1] } grep { $_->[0] =~ /^(default_transaction|synchronous|idle_session|lock_t|exit_on)/ } @set);
$node->safe_psql($db, 'TRUNCATE public.seen');
deposit('after a reload requests are stored and carried out');
is(ask($node, $db, q{SELECT string_agg(DISTINCT who || ' ' || setting, ', ' ORDER BY who || ' ' || setting) FROM public.seen
        WHERE name IN ('synchronous_commit', 'default_transaction_read_only')}),
    'worker off, worker on, writes off, writes on', 'and both settings are as before');

# What was acknowledged is there after a crash, and so is what was told of it.
my $before = ask($node, $db, 'SELECT count(*) FROM wallet.request');
deposit('the last outcomes before the crash') foreach 1 .. 3;
my $last = deposit('one of them by its id');
is(Shim::post('deposit', $deposit)->{status}, 202, 'the last request before the crash') foreach 1 .. 10;
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
kill 'QUIT', $postmaster;
my $deadline = time + 30;
usleep(20_000) while kill(0, $postmaster) && time < $deadline;
$node->{_pid} = undef;
$node->start;
is(ask($node, $db, 'SELECT count(*) FROM wallet.request'), $before + 14, 'every request that was acknowledged is there');
is(ask($node, $db, "SELECT request_id IS NOT NULL FROM wallet.transfer WHERE transfer_id = $last"), 't', 'and the outcome that was told');
status_becomes('/readyz', 200, 'the shim is back');
deposit('and requests are stored and carried out');

# What reads have: functions of our own in the place of the extension's.
stop_shim($url);
$node->safe_psql($db, <<'SQL');
CREATE SCHEMA fake;
CREATE TABLE fake.seen AS SELECT name, setting FROM pg_settings LIMIT 0;
GRANT USAGE ON SCHEMA fake TO shim;
CREATE FUNCTION fake.wallet_ready(OUT worker_alive boolean, OUT detail text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO fake.seen SELECT name, current_setting(name) FROM pg_settings;
    worker_alive := true;
END $$;
SQL
$node->safe_psql($db, <<'SQL');
DO $do$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace
        AND p.proname ~ '^wallet_(enqueue_[a-z0-9]*|lookup_many|read_many|history_page|holds_page|dry_run_utf8|api_key_check_many|metrics|position)$'
    LOOP
        EXECUTE replace(replace(definition, '"public".', 'fake.'), 'public.', 'fake.');
    END LOOP;
END $do$;
SQL
{
    local $ENV{PGOPTIONS} = '';
    $ENV{WALLET_URL} = start_shim('--threads', 1, '--db', $as_shim, '--schema', 'fake');
}
status_becomes('/readyz', 200, 'another shim');
has_what_is_listed('reads', 'fake.seen', 'true', ['session_replication_role']);

done_testing();
