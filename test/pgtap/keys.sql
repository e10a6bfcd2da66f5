-- API keys: made, listed, checked, revoked; and nothing of them to be seen.
BEGIN;
SELECT no_plan();

CREATE TEMPORARY TABLE made (name text, key text);
INSERT INTO made VALUES ('app', wallet_api_key_create('app', '{transfer,read,read}')), ('user', wallet_api_key_create('user', ARRAY['read'], 7)),
    ('back office', wallet_api_key_create('back office', '{operator}'));
SELECT matches(key, '^pgw_[0-9a-f]{64}$', name || ': a key with 256 bits') FROM made;
SELECT is(count(DISTINCT key)::integer, 3, 'no two alike') FROM made;
SELECT results_eq('SELECT name, scopes, user_id, revoked_at FROM wallet_api_keys() ORDER BY name',
    $$VALUES ('app', '{read,transfer}'::text[], NULL::bigint, NULL::timestamptz), ('back office', '{operator}', NULL, NULL), ('user', '{read}', 7, NULL)$$,
    'the list has each scope once');

-- The table has hashes and no key, and neither has the list.
SELECT is(k.key_hash, sha256(convert_to(m.key, 'UTF8')), m.name || ': its SHA-256 is kept') FROM made AS m JOIN wallet.api_key AS k USING (name);
SELECT is_empty($$SELECT FROM wallet.api_key AS k, made AS m WHERE k::text LIKE '%' || substr(m.key, 5) || '%' OR encode(k.key_hash, 'escape') LIKE '%' || m.key || '%'$$,
    'not the key');
SELECT is_empty($$SELECT FROM wallet_api_keys() AS l, wallet.api_key AS k, made AS m
    WHERE l::text LIKE '%' || substr(m.key, 5) || '%' OR l::text LIKE '%' || encode(k.key_hash, 'hex') || '%'$$, 'the list has neither');

-- The hint is the beginning and the end of the key.
SELECT is(l.hint, 'pgw_…' || right(m.key, 4), m.name || ': its hint') FROM made AS m JOIN wallet_api_keys() AS l USING (name);
SELECT results_eq('SELECT DISTINCT expires_at, last_used_at FROM wallet_api_keys()', 'VALUES (NULL::timestamptz, NULL::timestamptz)', 'no end, and not used yet');

-- A key that expires is good until then, and unknown from then on.
SELECT lives_ok($$INSERT INTO made VALUES ('soon', wallet_api_key_create('soon', '{read}', expires_at => clock_timestamp() + interval '2 seconds')),
    ('late', wallet_api_key_create('late', '{read}', NULL, '294276-12-31 00:00+00')), ('never', wallet_api_key_create('never', '{read}', NULL, 'infinity'))$$, 'with an end');
SELECT results_eq($$SELECT name, expires_at > now() FROM wallet_api_keys() WHERE name IN ('soon', 'late', 'never') ORDER BY name$$, $$VALUES ('late', true), ('never', NULL), ('soon', true)$$, 'which the list shows');
PREPARE expiring AS SELECT m.name, c.scopes, c.expires_in_ms BETWEEN 0 AND 2000 FROM made AS m, wallet_api_key_check_many(ARRAY[sha256(convert_to(m.key, 'UTF8'))]) AS c WHERE m.name IN ('soon', 'late', 'never') ORDER BY m.name;
SELECT results_eq('expiring', $$VALUES ('late', '{read}'::text[], NULL::boolean), ('never', '{read}', NULL), ('soon', '{read}', true)$$, 'is good until then');
SELECT pg_sleep(greatest(0.01, extract(epoch FROM expires_at - clock_timestamp()))) FROM wallet.api_key WHERE name = 'soon';
SELECT results_eq('expiring', $$VALUES ('late', '{read}'::text[], NULL::boolean), ('never', '{read}', NULL), ('soon', NULL, NULL)$$, 'and unknown from then on');
SELECT throws_ok($$SELECT wallet_api_key_create('soon', '{read}')$$, '42710', NULL, 'it keeps its name');
SELECT lives_ok($$SELECT wallet_api_key_revoke('soon')$$, 'and can be revoked');
SELECT lives_ok($$SELECT wallet_api_key_create('soon', '{read}')$$, 'which frees its name');
SELECT throws_ok(format('SELECT wallet_api_key_create(%L, %L, NULL, %L)', 'k', '{read}', t), '22023', 'expires_at must be in the future', t || ' is past')
    FROM (VALUES ('-infinity'), ('2020-01-01'), ((clock_timestamp() - interval '1 second')::text)) AS v (t);
DELETE FROM made WHERE name IN ('soon', 'late', 'never');

-- The scopes of captures and reversals, and the most that one row may move for a key.
SELECT lives_ok($$INSERT INTO made VALUES ('till', wallet_api_key_create('till', '{reverse,capture}', 7, max_amount => 250.500)),
    ('most', wallet_api_key_create('most', '{operator}', max_amount => 9223372036854775807))$$, 'with a bound');
SELECT results_eq($$SELECT name, scopes, max_amount::text FROM wallet_api_keys() WHERE name IN ('till', 'most', 'app') ORDER BY name$$,
    $$VALUES ('app', '{read,transfer}'::text[], NULL::text), ('most', '{operator}', '9223372036854775807'), ('till', '{capture,reverse}', '250.5')$$, 'which the list shows');
SELECT results_eq($$SELECT m.name, c.scopes, c.user_id, c.max_amount::text FROM made AS m, wallet_api_key_check_many(ARRAY[sha256(convert_to(m.key, 'UTF8'))]) AS c
    WHERE m.name IN ('till', 'most') ORDER BY m.name$$, $$VALUES ('most', '{operator}'::text[], NULL::bigint, '9223372036854775807'), ('till', '{capture,reverse}', 7, '250.5')$$,
    'and which the HTTP server is told');
SELECT throws_ok(format('SELECT wallet_api_key_create(%L, %L, max_amount => %L)', 'k', '{read}', bound), sqlstate, NULL, bound || ' is no bound')
    FROM (VALUES ('0', 'PW201'), ('-1', 'PW201'), ('NaN', 'PW109'), ('Infinity', 'PW109'), ('-Infinity', 'PW109'), ('9223372036854775807.1', 'PW214'), ('0.000000001', 'PW213'))
        AS v (bound, sqlstate);
SELECT throws_ok($$UPDATE wallet.api_key SET max_amount = NULL$$, 'PW903', NULL, 'a bound stays');
DELETE FROM made WHERE name IN ('till', 'most');

-- What is looked up is in use: that is noted once an hour.
SELECT ok(last_used_at IS NULL, 'a key that was made and not used') FROM wallet_api_keys() WHERE name = 'app';
SELECT count(*) FROM wallet_api_key_check_many((SELECT array_agg(sha256(convert_to(key, 'UTF8'))) FROM made WHERE name <> 'back office'));
SELECT results_eq('SELECT name, last_used_at > created_at FROM wallet_api_keys() WHERE name IN (SELECT name FROM made) ORDER BY name',
    $$VALUES ('app', true), ('back office', NULL), ('user', true)$$, 'those that were looked up are in use');
UPDATE wallet.api_key SET last_used_at = created_at - interval '59 minutes' WHERE name = 'app';
UPDATE wallet.api_key SET last_used_at = created_at - interval '61 minutes' WHERE name = 'user';
SELECT count(*) FROM wallet_api_key_check_many((SELECT array_agg(sha256(convert_to(key, 'UTF8'))) FROM made));
SELECT results_eq('SELECT name, last_used_at > created_at FROM wallet_api_keys() WHERE name IN (SELECT name FROM made) ORDER BY name',
    $$VALUES ('app', false), ('back office', true), ('user', true)$$, 'a note of less than an hour ago stays');

-- What the HTTP server asks, many at once and in their order.
PREPARE hashes AS SELECT c.ordinal, c.scopes, c.user_id FROM wallet_api_key_check_many(ARRAY[sha256('x'),
    (SELECT sha256(convert_to(key, 'UTF8')) FROM made WHERE name = 'user'), NULL, ''::bytea, (SELECT sha256(convert_to(key, 'UTF8')) FROM made WHERE name = 'app')]) AS c;
SELECT results_eq('hashes', $$VALUES (1, NULL::text[], NULL::bigint), (2, '{read}', 7), (3, NULL, NULL), (4, NULL, NULL), (5, '{read,transfer}', NULL)$$, 'known ones and others');

-- Revoked: for good, and its name is free.
SELECT wallet_api_key_revoke('user');
SELECT results_eq('hashes', $$VALUES (1, NULL::text[], NULL::bigint), (2, NULL, NULL), (3, NULL, NULL), (4, NULL, NULL), (5, '{read,transfer}', NULL)$$, 'a revoked key is unknown');
SELECT throws_ok($$SELECT wallet_api_key_revoke('user')$$, '42704', 'there is no API key named "user"', 'not twice');
SELECT throws_ok($$SELECT wallet_api_key_revoke(NULL)$$, '42704', NULL, 'nor nothing');
SELECT lives_ok($$INSERT INTO made VALUES ('user 2', wallet_api_key_create('user', '{read}', 7))$$, 'a new key of that name');
SELECT is(count(*) FILTER (WHERE revoked_at IS NULL)::integer, 1, 'beside the revoked one') FROM wallet_api_keys() WHERE name = 'user' HAVING count(*) = 2;

-- What is refused, without a word of a key or its hash.
SELECT throws_ok($$SELECT wallet_api_key_create('app', '{read}')$$, '42710', 'there is an API key named "app" already', 'a name in use');
SELECT throws_ok(format('SELECT wallet_api_key_create(%L, %L, %L)', name, scopes, user_id), sqlstate, NULL, what)
    FROM (VALUES ('k', '{}', NULL, '22023', 'no scope'), ('k', NULL, NULL, '22023', 'null for scopes'), ('k', '{admin}', NULL, '22023', 'no such scope'),
                 ('k', '{read,NULL}', NULL, '22023', 'a null scope'), ('k', '{READ}', NULL, '22023', 'a scope in capitals'), ('', '{read}', NULL, '22023', 'no name'),
                 (NULL, '{read}', NULL, '22023', 'null for a name'), ('k', '{read}', 0, 'PW108', 'no user'), ('k', '{read}', -1, 'PW108', 'a user below zero'))
        AS v (name, scopes, user_id, sqlstate, what);

SELECT * FROM finish();
ROLLBACK;
