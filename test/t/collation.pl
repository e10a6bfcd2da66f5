# Another order of text, as another release of glibc or ICU brings it with a new major version: what
# was stored under the old one is still found, and nothing is paid twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use WalletServer;

my $node = new_server('collation', conf => "pg_wallet.worker = off\n");
my $db   = 'payments';
my $made = ask($node, 'postgres',
    "CREATE DATABASE $db TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'");
plan skip_all => "no ICU: $made" if $made ne '';
$node->safe_psql($db, 'CREATE EXTENSION pg_wallet');
make_wallets($node, $db, 20, 0);

# Keys that differ in nothing but what an order may ignore or turn round: case, accents, punctuation, width, digits.
my $keys = q{SELECT g % 20 + 1 AS wallet, concat((ARRAY['Order', 'order', 'örder', 'ORDER', 'o-rder', 'ｏrder'])[g % 6 + 1], (ARRAY['-', ' ', '_', ''])[g % 4 + 1], g / 12) AS key
    FROM generate_series(0, 1999) AS g};
my $direct = "SELECT count(wallet_deposit(wallet, 1, NULL, 'd ' || key)) FROM ($keys) AS k";
my $queued = <<"SQL";
SELECT count(handshake_id), count(DISTINCT handshake_id) FROM wallet_enqueue_many(array_fill('deposit'::text, ARRAY[2000]),
    (SELECT array_agg(format('{"user_id":%s,"wallet_id":%1\$s,"amount":1}', wallet)) FROM ($keys) AS k), (SELECT array_agg('q ' || key) FROM ($keys) AS k))
SQL
my $distinct = ask($node, $db, "SELECT count(DISTINCT (wallet, key COLLATE \"C\")) FROM ($keys) AS k");
my $total    = 'SELECT sum(balance) FROM wallet.wallet';
$node->safe_psql($db, $_) foreach
    q{INSERT INTO wallet.currency (code, number, minor_digits) SELECT 'x' || chr(97 + i) || 'x', 1000 + i, 2 FROM generate_series(0, 25) AS i},
    q{SELECT wallet_api_key_create(concat((ARRAY['Shop', 'shop', 'šhop', 'SHOP'])[g % 4 + 1], (ARRAY['-', ' ', ''])[g % 3 + 1], g), '{read}') FROM generate_series(1, 200) AS g};
is(ask($node, $db, $direct), '2000', 'deposits with keys');
is(ask($node, $db, $queued), "2000|$distinct", 'and through the queue: another key, another handshake');
is(ask($node, $db, 'SELECT wallet_process()'), $distinct, 'each is carried out');
my $before = ask($node, $db, $total);
is($before, 2 * 100 * $distinct, 'once for each key');

# Digits by their value, capitals first, accents from the end, punctuation not at all.
my $column = $node->pg_version >= 17 ? 'datlocale' : 'daticulocale';
$node->safe_psql('postgres', $_) foreach
    "UPDATE pg_database SET $column = 'fr-CA-u-kn-kf-upper-kb-ka-shifted' WHERE datname = '$db'",
    "ALTER DATABASE $db REFRESH COLLATION VERSION";
is(ask($node, $db, q{SELECT 'a10' > 'a9' AND 'a' > 'A'}), 't', 'the database has another order');
is(ask($node, $db, $direct), '2000', 'all are sent again');
is(ask($node, $db, $queued), "2000|$distinct", 'and queued again');
is(ask($node, $db, 'SELECT wallet_process()'), '0', 'nothing is left to do');
is(ask($node, $db, $total), $before, 'and nothing has been paid again');

# Whatever else is looked up by a text.
is(ask($node, $db, q{SELECT count(*) FROM wallet.currency AS c WHERE NOT EXISTS (SELECT FROM wallet.currency AS s WHERE s.code = c.code)}), '0', 'every currency is found');
is(ask($node, $db, q{SELECT (wallet_create(1000 + i, 1, 'x' || chr(97 + i) || 'x')).wallet_id IS NOT NULL FROM generate_series(0, 25) AS i GROUP BY 1}), 't', 'and used');
is(ask($node, $db, q{SET enable_seqscan = off; SELECT count(wallet_api_key_revoke(k.name)) FROM (SELECT name FROM wallet_api_keys()) AS k}), '200', 'every API key is found by its name');
$node->safe_psql($db, 'CREATE EXTENSION amcheck');
is(ask($node, $db, <<'SQL'), '', 'every index is in order');
SELECT bt_index_check(i.indexrelid, true) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
    WHERE c.relnamespace = 'wallet'::regnamespace GROUP BY i.indexrelid HAVING bt_index_check(i.indexrelid, true) IS NULL
SQL
all_is_well($node, $db, 'another order');

done_testing();
