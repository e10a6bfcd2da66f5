/*
 * handshake.c
 *		The names of requests: nobody can guess one, and nothing is stored.
 *
 * A handshake is 32 bytes as lower-case hex digits: a tag of 24, which is
 * HMAC-SHA-256(key, request_id || user_id || kind) cut short, and the request
 * id, XORed with HMAC-SHA-256(key, tag).  So the id, and with it the row, can
 * be found again from the handshake alone, while to anybody without the key it
 * is noise.
 *
 * The key is in wallet.secret, beside the oid of the database that it was made
 * for or restored into.  CREATE DATABASE ... TEMPLATE copies both; the oid tells
 * a copy that the key is another database's.  The copy's own key is
 * HMAC-SHA-256(stored key, oid of the copy): each session can compute this key
 * without a write, and no handshake of one database opens a request of another.
 * The first enqueue in the copy, or the copy's worker, stores that key, so that
 * a dump of the copy keeps the copy's handshakes valid.  Who stores the key
 * holds SHARE ROW EXCLUSIVE on wallet.secret until its transaction ends; nobody
 * waits for that lock, since the others compute the same key.
 */
#include "queue/handshake.h"

#include <nettle/hmac.h>
#include <nettle/version.h>

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/relations.h"
#include "base/statement.h"
#include "rules/operation.h"

#define TAG_SIZE 24
#define KEY_SIZE 32

/*
 * Nettle digests the padded key once a sealer: each HMAC goes on from the states behind it, which
 * are plain memory (docs/queue.md, "Handshakes").
 */
struct HandshakeSealer
{
	struct hmac_sha256_ctx hmac;
	uint8 key[KEY_SIZE];
	Oid key_database; /* whose key it is */
	MemoryContextCallback wipe;
};

typedef struct Handshake
{
	uint8 tag[TAG_SIZE];
	uint8 masked_id[sizeof(uint64)];
} Handshake;

StaticAssertDecl(sizeof(Handshake) == HANDSHAKE_SIZE, "the rules know how long a handshake is");
StaticAssertDecl(sizeof(Handshake) * 2 == HANDSHAKE_TEXT_LENGTH, "a handshake has 64 digits");

/* The trigger of wallet.secret adds this database's oid. */
static Statement store_key = {
    .sql = "UPDATE wallet.secret SET handshake_key = $1",
    .argument_count = 1,
    .argument_types = {BYTEAOID},
};

/* Read the only row of wallet.secret, whatever the active snapshot says. */
static void
read_key(HandshakeSealer *sealer)
{
	Relation secret = table_open(wallet_relation("secret"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(secret, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(secret, NULL);
	Datum value;
	bytea *stored;
	bool is_null;

	if (!table_scan_getnextslot(scan, ForwardScanDirection, slot))
		elog(ERROR, "wallet.secret has no row");
	value = slot_getattr(slot, 2, &is_null);
	stored = is_null ? NULL : DatumGetByteaPP(value);
	if (stored == NULL || VARSIZE_ANY_EXHDR(stored) != KEY_SIZE)
		elog(ERROR, "the key in wallet.secret is damaged");
	memcpy(sealer->key, VARDATA_ANY(stored), KEY_SIZE);
	sealer->key_database = DatumGetObjectId(slot_getattr(slot, 3, &is_null));
	if (is_null)
		elog(ERROR, "the row of wallet.secret names no database");

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(secret, AccessShareLock);
}

static void
use_key(HandshakeSealer *sealer)
{
	hmac_sha256_set_key(&sealer->hmac, KEY_SIZE, sealer->key);
}

static void
compute_hmac(HandshakeSealer *sealer, const uint8 *data, size_t length,
             uint8 result[SHA256_DIGEST_SIZE])
{
	hmac_sha256_update(&sealer->hmac, length, data);
#if NETTLE_VERSION_MAJOR >= 4
	hmac_sha256_digest(&sealer->hmac, result);
#else
	hmac_sha256_digest(&sealer->hmac, SHA256_DIGEST_SIZE, result);
#endif
}

/*
 * From the key of the database that this one is a copy of to the key of this one.  The oid has 4
 * bytes and all that is sealed with a key has 24: no handshake contains a byte of the new key.
 */
static void
derive_key(HandshakeSealer *sealer)
{
	uint32 database = pg_hton32(MyDatabaseId);
	uint8 derived[SHA256_DIGEST_SIZE];

	StaticAssertStmt(SHA256_DIGEST_SIZE == KEY_SIZE, "a digest serves as a key");
	compute_hmac(sealer, (const uint8 *) &database, sizeof(database), derived);
	memcpy(sealer->key, derived, KEY_SIZE);
	explicit_bzero(derived, KEY_SIZE);
	use_key(sealer);
}

static void
wipe_sealer(void *argument)
{
	HandshakeSealer *sealer = argument;

	explicit_bzero(sealer, sizeof(*sealer));
}

HandshakeSealer *
handshake_sealer_make(void)
{
	HandshakeSealer *sealer = palloc0(sizeof(HandshakeSealer));

	sealer->wipe = (MemoryContextCallback){.func = wipe_sealer, .arg = sealer};
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &sealer->wipe);
	read_key(sealer);
	use_key(sealer);
	if (sealer->key_database != MyDatabaseId)
		derive_key(sealer);
	return sealer;
}

void
handshake_keep_key(const HandshakeSealer *sealer)
{
	HandshakeSealer stored;
	bytea *key;
	Datum argument;

	if (sealer->key_database == MyDatabaseId ||
	    !ConditionalLockRelationOid(wallet_relation("secret"), ShareRowExclusiveLock))
		return;
	/* Somebody may have stored it a moment ago: an older snapshot could not change that row. */
	read_key(&stored);
	explicit_bzero(stored.key, KEY_SIZE);
	if (stored.key_database == MyDatabaseId)
		return;
	SPI_connect();
	key = palloc(VARHDRSZ + KEY_SIZE);
	SET_VARSIZE(key, VARHDRSZ + KEY_SIZE);
	memcpy(VARDATA(key), sealer->key, KEY_SIZE);
	argument = PointerGetDatum(key);
	statement_run(&store_key, &argument, NULL, false);
	result_expect(1, "wallet.secret");
	explicit_bzero(key, VARHDRSZ + KEY_SIZE);
	SPI_finish();
}

static void
compute_tag(HandshakeSealer *sealer, int64 request_id, int64 user_id, RequestKind kind, uint8 *tag)
{
	uint8 digest[SHA256_DIGEST_SIZE];
	struct
	{
		uint64 request_id;
		uint64 user_id;
		uint64 kind;
	} sealed = {pg_hton64(request_id), pg_hton64(user_id), pg_hton64((uint64) kind)};

	compute_hmac(sealer, (const uint8 *) &sealed, sizeof(sealed), digest);
	memcpy(tag, digest, TAG_SIZE);
}

/* What the request id is XORed with. */
static uint64
compute_mask(HandshakeSealer *sealer, const uint8 *tag)
{
	uint8 digest[SHA256_DIGEST_SIZE];
	uint64 mask;

	compute_hmac(sealer, tag, TAG_SIZE, digest);
	memcpy(&mask, digest, sizeof(mask));
	return mask;
}

text *
handshake_seal(HandshakeSealer *sealer, const Request *request)
{
	text *result = palloc(VARHDRSZ + HANDSHAKE_TEXT_LENGTH);
	Handshake handshake;
	uint64 masked_id;

	compute_tag(sealer, request->request_id, request->user_id, request->kind, handshake.tag);
	masked_id = pg_hton64(request->request_id) ^ compute_mask(sealer, handshake.tag);
	memcpy(handshake.masked_id, &masked_id, sizeof(masked_id));

	SET_VARSIZE(result, VARHDRSZ + HANDSHAKE_TEXT_LENGTH);
	hex_encode((const char *) &handshake, sizeof(handshake), VARDATA(result));
	return result;
}

/* Lower-case hex digits only: each handshake has one spelling. */
static bool
decode_handshake(const char *digits, int length, Handshake *handshake)
{
	uint8 *bytes = (uint8 *) handshake;

	if (length != HANDSHAKE_TEXT_LENGTH)
		return false;
	for (int i = 0; i < length; i++)
	{
		char c = digits[i];
		int value;

		if (c >= '0' && c <= '9')
			value = c - '0';
		else if (c >= 'a' && c <= 'f')
			value = c - 'a' + 10;
		else
			return false;
		bytes[i / 2] = (uint8) (bytes[i / 2] << 4 | value);
	}
	return true;
}

/* Takes the same time wherever the tags differ. */
static bool
tags_are_equal(const uint8 *a, const uint8 *b)
{
	uint8 difference = 0;

	for (int i = 0; i < TAG_SIZE; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static bool
tag_fits(HandshakeSealer *sealer, const Handshake *handshake, int64 request_id, int64 user_id,
         RequestKind kind)
{
	uint8 tag[TAG_SIZE];

	compute_tag(sealer, request_id, user_id, kind, tag);
	return tags_are_equal(tag, handshake->tag);
}

int64
handshake_request_id(HandshakeSealer *sealer, const unsigned char bytes[HANDSHAKE_SIZE])
{
	Handshake handshake;
	uint64 masked_id;

	memcpy(&handshake, bytes, sizeof(handshake));
	memcpy(&masked_id, handshake.masked_id, sizeof(masked_id));
	return (int64) pg_ntoh64(masked_id ^ compute_mask(sealer, handshake.tag));
}

bool
handshake_names(HandshakeSealer *sealer, const unsigned char bytes[HANDSHAKE_SIZE],
                int64 request_id, int64 user_id, RequestKind kind)
{
	Handshake handshake;

	memcpy(&handshake, bytes, sizeof(handshake));
	return tag_fits(sealer, &handshake, request_id, user_id, kind);
}

int64
handshake_open_any(HandshakeSealer *sealer, RequestKind *kind, int64 user_id, const char *digits,
                   int length)
{
	Handshake handshake = {0};
	int64 request_id;

	if (!decode_handshake(digits, length, &handshake))
		return 0;
	request_id = handshake_request_id(sealer, (const unsigned char *) &handshake);
	if (tag_fits(sealer, &handshake, request_id, user_id, *kind))
		return request_id;
	for (int i = 0; i < KIND_COUNT; i++)
	{
		RequestKind tried = all_kinds[i];

		if (tried != *kind && tag_fits(sealer, &handshake, request_id, user_id, tried))
		{
			*kind = tried;
			return request_id;
		}
	}
	return 0;
}

int64
handshake_open(HandshakeSealer *sealer, RequestKind kind, int64 user_id, const char *digits,
               int length)
{
	Handshake handshake = {0};
	int64 request_id;

	if (!decode_handshake(digits, length, &handshake))
		return 0;
	request_id = handshake_request_id(sealer, (const unsigned char *) &handshake);
	if (tag_fits(sealer, &handshake, request_id, user_id, kind) ||
	    (kind == KIND_WALLET &&
	     tag_fits(sealer, &handshake, request_id, user_id, KIND_WALLET_READ)))
		return request_id;
	return 0;
}
