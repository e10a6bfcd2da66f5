# API keys in use: the last use is noted without a request's waiting for that, whatever is in the way; a key that expires is
# refused at that time, although the shim keeps what it knows of keys.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib", "$FindBin::RealBin/../http/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WalletServer;
use Shim qw(start_shim stop_shim);

# WalletServer asks a server by this name.
BEGIN { *http = \&Shim::ask; }

plan skip_all => 'needs the shim, which is not built' if !-x "$FindBin::RealBin/../../shim/wallet-shim";

my $db   = 'keys';
my $node = new_server('keys', init => {allows_streaming => 1});
new_database($node, $db);
make_wallets($node, $db, 1, 100);
$node->safe_psql($db, q{CREATE ROLE door LOGIN; SELECT wallet_grant('door', 'shim')});
my $key = $node->safe_psql($db, q{SELECT wallet_api_key_create('shop', '{operator}')});

sub sql { my ($statement) = @_; return $node->safe_psql($db, $statement); }

sub shim_before
{
    my ($server) = @_;
    my $url = start_shim('--auth', 'required', '--threads', 1, '--db', $server->connstr($db) . ' user=door');
    local $ENV{WALLET_URL} = $url;
    my $deadline = time + 30;
    sleep 0.05 while http('GET', '/api/v1/wallet/async?user_id=1&wallet_id=1', undef, { Authorization => "Bearer $key" })->{status} != 200
        && time < $deadline;
    return $url;
}

my $url = $ENV{WALLET_URL} = shim_before($node);

# The status of a read by a key that the shim asks the database for, and whether that took less than two seconds. What the
# shim knows of a key is old after 750 ms.
sub status_of
{
    my ($bearer) = @_;
    sleep 0.8;
    my $start  = time;
    my $status = http('GET', '/api/v1/wallet/async?user_id=1&wallet_id=1', undef, { Authorization => "Bearer $bearer" })->{status};
    return $status . (time - $start < 2 ? '' : ' late');
}
my $noted = q{SELECT last_used_at > clock_timestamp() - interval '1 minute' FROM wallet_api_keys() WHERE name = 'shop'};

# As if the last note were old, without waiting for a standby.
sub make_old { sql(q{SET synchronous_commit = off; UPDATE wallet.api_key SET last_used_at = clock_timestamp() - interval '2 hours' WHERE name = 'shop'}); }

# By a role that has but the functions.
is(sql($noted), 't', 'the use of a key is noted');
my $version = q{SELECT xmin, ctid FROM wallet.api_key WHERE name = 'shop'};
my $first = sql($version);
is(status_of($key), '200', 'used again') foreach 1 .. 2;
is(sql($version), $first, 'which is not written down again');
make_old();
is(sql($noted), 'f', 'two hours later');
is(status_of($key), '200', 'used again');
is(sql($noted), 't', 'noted again');

# A commit that waits for a standby.
set_conf($node, 'synchronous_standby_names' => 'nosuch');
poll_for($node, $db, 'SHOW synchronous_standby_names', 'nosuch');
make_old();
is(status_of($key), '200', 'while commits wait for a standby a read is answered');
is(sql($noted), 't', 'and the use is noted');
set_conf($node, 'synchronous_standby_names' => '');
poll_for($node, $db, 'SHOW synchronous_standby_names', '');

# The hint is told in any encoding.
$node->safe_psql('postgres', q{CREATE DATABASE west TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$node->safe_psql('west', 'CREATE EXTENSION pg_wallet');
$node->safe_psql('west', q{SELECT wallet_api_key_create('a', '{read}')});
like(ask($node, 'west', 'SELECT hint FROM wallet_api_keys()'), qr/^pgw_\.\.\.[0-9a-f]{4}$/, 'a hint in LATIN1');
like(sql('SELECT hint FROM wallet_api_keys()'), qr/^pgw_\xe2\x80\xa6[0-9a-f]{4}$|^pgw_\x{2026}[0-9a-f]{4}$/, 'a hint in UTF-8');

# In a transaction of somebody else's, whose commit is as safe as it was told to be.
is(sql('BEGIN; SELECT FROM wallet_api_key_check_many(ARRAY[(SELECT key_hash FROM wallet.api_key)]); SHOW synchronous_commit; COMMIT') =~ s/^\s+//r, 'on',
    'a transaction around the question keeps its synchronous_commit');
make_old();
is(sql('BEGIN; SELECT FROM wallet_api_key_check_many(ARRAY[(SELECT key_hash FROM wallet.api_key)]); SHOW synchronous_commit; COMMIT') =~ s/^\s+//r, 'on',
    'also where it notes a use');
is(sql($noted), 't', 'which it does');
make_old();
is(sql('BEGIN READ ONLY; SELECT scopes FROM wallet_api_key_check_many(ARRAY[(SELECT key_hash FROM wallet.api_key)]); COMMIT'), '{operator}',
    'a transaction that is read-only learns of the key');
is(sql($noted), 'f', 'and notes nothing');

# Locks that somebody else holds: of the table, of the row. (Each in a session that ends with the handle.)
for my $lock ('LOCK TABLE wallet.api_key IN SHARE MODE', 'SELECT FROM wallet.api_key FOR UPDATE', q{SELECT wallet_api_key_revoke('shop')})
{
    my $holder = $node->background_psql($db);
    $holder->query_safe("BEGIN; $lock");
    is(status_of($key), '200', "$lock: a read is answered");
    $holder->query_safe('ROLLBACK');
    $holder->quit;
    is(sql($noted), 'f', 'the use is not noted');
}
is(status_of($key), '200', 'without a lock');
is(sql($noted), 't', 'it is');

# Errors of the note are nobody's.
make_old();
sql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END';
      CREATE TRIGGER refuse BEFORE UPDATE ON wallet.api_key FOR EACH ROW EXECUTE FUNCTION refuse()});
is(status_of($key), '200', 'a trigger that refuses the note: a read is answered');
sql('DROP TRIGGER refuse ON wallet.api_key; DROP FUNCTION refuse()');

# A standby.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
{
    local $ENV{WALLET_URL} = shim_before($standby);
    is(status_of($key), '200', 'a read before a standby');
    stop_shim($ENV{WALLET_URL});
}
is(sql($noted), 'f', 'notes nothing');
$standby->stop;

# A key that expires while it is in use all the time: never refused before, never accepted after.
my ($brief, $expires_in) = split /\|/, sql(q{
    WITH t AS MATERIALIZED (SELECT clock_timestamp() + interval '2.3 seconds' AS t)
    SELECT wallet_api_key_create('brief', '{read}', expires_at => t), extract(epoch FROM t) FROM t});
my (%last, %first_sent);
while (time < $expires_in + 1.5)
{
    my $sent   = time;
    my $status = http('GET', '/api/v1/wallet/async?user_id=1&wallet_id=1', undef, { Authorization => "Bearer $brief" })->{status};
    $first_sent{$status} //= time;
    $last{$status} = $sent;
}
is(join(' ', sort keys %last), '200 401', 'accepted and refused, and nothing else');
cmp_ok($last{200}, '<', $expires_in + 0.05, 'it is not accepted after it has expired');
cmp_ok($first_sent{401}, '>=', $expires_in, 'it is not refused before');
is(sql(q{SELECT last_used_at < expires_at FROM wallet_api_keys() WHERE name = 'brief'}), 't', 'its use was noted');
stop_shim($url);

done_testing();
