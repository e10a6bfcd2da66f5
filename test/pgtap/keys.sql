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
