-- Kinds: the table wallet.kind, the numbers that tables store and handshakes seal, and rows of a kind that nobody knows.
CREATE EXTENSION pg_wallet;
\i test/helpers.sql

-- A number that changes its meaning would turn the journal into another one: these lines only ever grow.
SELECT number, name FROM wallet.kind ORDER BY number;
SELECT count(*) AS others FROM wallet.kind AS k
    WHERE (wallet.kind_name(k.number), wallet.kind_number(k.name)) IS DISTINCT FROM (k.name, k.number);
SELECT wallet.kind_name(0::smallint) IS NULL AND wallet.kind_name(-1::smallint) IS NULL AND wallet.kind_name(32767::smallint) IS NULL
       AND wallet.kind_number('') IS NULL AND wallet.kind_number('Wallet') IS NULL AS unknown;
SELECT pg_temp.attempt('UPDATE wallet.kind SET name = name');
SELECT pg_temp.attempt('DELETE FROM wallet.kind');
SELECT pg_temp.attempt('TRUNCATE wallet.kind');

/*
 * Handshakes written down, one of each kind, as anybody computes them who knows the key (Python):
 *	tag = hmac.new(bytes(range(32)), struct.pack('>QQQ', request_id, 7, number), 'sha256').digest()[:24]
 *	mask = hmac.new(bytes(range(32)), tag, 'sha256').digest()[:8]
 *	(tag + bytes(a ^ b for a, b in zip(struct.pack('>Q', request_id), mask))).hex()
 */
SELECT wallet_id FROM wallet_create(7, 100);
UPDATE wallet.secret SET handshake_key = decode('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
SELECT setval('wallet.request_id_seq', 1000);
CREATE TEMPORARY TABLE written (ordinal integer, kind text, payload text, handshake text);
INSERT INTO written VALUES
    (1, 'wallet', '{"user_id":7}', '10de3250ffd17f175ed1360c142f364d2e0bcc2202303f836d4e41c8582f096e'),
    (2, 'transaction', '{"user_id":7,"source_wallet_id":1,"dest_wallet_id":2,"trans_sum":1}', '5bc83172460ebc5aff15ffd5c399cb6089cde039f0c1fa2dc5f9e564d1c30847'),
    (3, 'deposit', '{"user_id":7,"wallet_id":1,"amount":1}', '346f9a416cb0f32d826ca2b7f9027b1ab2ca339a7a93193316890f96039d932f'),
    (4, 'withdrawal', '{"user_id":7,"wallet_id":1,"amount":1}', 'c2013ae09d613db418776a86a145dbf447cdcb756d2e40ce616b2eabd4f4ad1f'),
    (5, 'wallet_read', '{"user_id":7,"wallet_id":1}', '753765966969f72c39552f25b0df01b30cd5c61ac2073b00ecadec021294d8d5');
SELECT w.kind, q.handshake_id, q.handshake_id = w.handshake AS as_written
    FROM (SELECT array_agg(kind ORDER BY ordinal), array_agg(payload ORDER BY ordinal) FROM written) AS a (kinds, payloads)
        CROSS JOIN wallet_enqueue_many(a.kinds, a.payloads) AS q JOIN written AS w USING (ordinal) ORDER BY ordinal;
CREATE TEMPORARY VIEW states AS SELECT array_agg(l.state ORDER BY l.ordinal) AS states
    FROM (SELECT array_agg(kind ORDER BY ordinal), array_agg(7::bigint), array_agg(handshake ORDER BY ordinal) FROM written) AS a (kinds, users, handshakes)
        CROSS JOIN wallet_lookup_many(a.kinds, a.users, a.handshakes) AS l;
TABLE states;
-- With another key, bytes(range(32, 64)), in the same session.
BEGIN;
UPDATE wallet.secret SET handshake_key = decode('202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f', 'hex');
TABLE states;
SELECT handshake_id, handshake_id = '84540949d501e5fcaff543b07f4adecfaf0bdebe1bcab077ae0f2cacd206c995' AS as_written
    FROM wallet_enqueue_many(ARRAY['deposit'], ARRAY['{"user_id":7,"wallet_id":1,"amount":1}']);
ROLLBACK;
TABLE states;
DROP VIEW states;
SELECT request_id, kind FROM wallet.request ORDER BY 1;

-- A request of a kind that this version does not know is refused in its turn, and holds up no other.
INSERT INTO wallet.request (request_id, user_id, source_wallet_id, destination_wallet_id, amount, amount_scale, enqueued_at, kind)
    SELECT nextval('wallet.request_id_seq'), 7, 1, w.outside_wallet_id, 100, 2, now(), kind
        FROM wallet.currency AS w, unnest(ARRAY[0, 99, -1, 32767]) AS kind WHERE w.code = 'usd';
SELECT count(handshake_id) AS queued FROM wallet_enqueue_many(ARRAY['deposit'], ARRAY['{"user_id":7,"wallet_id":1,"amount":2}']);
SELECT wallet_process() AS settled;
SELECT r.kind, coalesce(o.code, 'processed') AS code, t.amount FROM wallet.request AS r LEFT JOIN wallet.outcome AS o USING (request_id) LEFT JOIN wallet.transfer AS t USING (request_id) ORDER BY r.request_id;

-- Names are shown, numbers are stored.
SELECT DISTINCT t.kind, o.kind AS shown, h.kind AS in_history
    FROM wallet.transfer AS t JOIN wallet.operation AS o USING (transfer_id) JOIN wallet_history(1) AS h USING (transfer_id) ORDER BY 1;
SELECT name, detail FROM wallet_verify() WHERE NOT ok;

SET pg_wallet.allow_drop = on;
DROP EXTENSION pg_wallet;
