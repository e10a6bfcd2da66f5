/*
 * idempotency.c
 *		Keys that make a retry harmless: the same key and payload is the same call.
 *
 * A key belongs to the user whose money the call moves.  It is stored in the
 * transaction that carries out the call, together with a fingerprint of what
 * was asked, so that a key used for something else is noticed.
 */
#include "tables/idempotency.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/chosen.h"
#include "base/relations.h"
#include "base/settings.h"
#include "base/standbys.h"
#include "base/statement.h"
#include "rules/fingerprint.h"

PG_FUNCTION_INFO_V1(wallet_idempotency_retention);

#define KEY_CHARACTERS_MAX 255

static Statement insert_keys = {
    "INSERT INTO wallet.idempotency_key (user_id, key, fingerprint, request_id, transfer_id, "
    "created_at) "
    "SELECT n.user_id, n.key, n.fingerprint, nullif(n.request_id, 0), nullif(n.transfer_id, 0), $6 "
    "FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY "
    "AS n (user_id, key, fingerprint, request_id, transfer_id, position) "
    "ORDER BY n.position ON CONFLICT DO NOTHING",
    6,
    {INT8ARRAYOID, TEXTARRAYOID, BYTEAARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID},
    NULL,
};

static Statement find_keys = {
    "SELECT a.position, k.fingerprint::bytea, k.request_id::bigint, k.transfer_id::bigint "
    "FROM unnest($1, $2) WITH ORDINALITY AS a (user_id, key, position) "
    "JOIN wallet.idempotency_key AS k ON k.user_id = a.user_id AND k.key = a.key",
    2,
    {INT8ARRAYOID, TEXTARRAYOID},
    NULL,
};

bool
idempotency_key_is_valid(const char *key)
{
	int characters = pg_mbstrlen(key);

	return characters >= 1 && characters <= KEY_CHARACTERS_MAX;
}

void
idempotency_fingerprint(const Request *request, const char *extra, uint8 *fingerprint)
{
	StringInfoData asked;
	bytea *digest;

	initStringInfo(&asked);
	appendStringInfoSpaces(&asked, VARHDRSZ);
	enlargeStringInfo(&asked, (int) operation_bytes_max(request));
	asked.len += (int) operation_to_bytes(request, (unsigned char *) asked.data + asked.len);
	/* No member has an empty name: the two parts have one boundary. */
	appendStringInfoChar(&asked, '\0');
	if (extra != NULL)
		appendStringInfoString(&asked, extra);
	SET_VARSIZE(asked.data, asked.len);
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(asked.data)));
	memcpy(fingerprint, VARDATA_ANY(digest), FINGERPRINT_SIZE);
	pfree(asked.data);
}

/* Where calls have the same key, the first one asked for gets it. */
static int
compare_calls(const void *a, const void *b)
{
	const IdempotentCall *left = *(IdempotentCall *const *) a;
	const IdempotentCall *right = *(IdempotentCall *const *) b;
	int order;

	if (left->user_id != right->user_id)
		return left->user_id < right->user_id ? -1 : 1;
	order = strcmp(left->key, right->key);
	if (order != 0)
		return order;
	return left->request_id < right->request_id ? -1 : left->request_id > right->request_id;
}

static Datum
fingerprint_array(IdempotentCall **calls, int count)
{
	Datum *items = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i] = PointerGetDatum(
		    cstring_to_text_with_len((char *) calls[i]->fingerprint, FINGERPRINT_SIZE));
	}
	return PointerGetDatum(construct_array(items, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* Compare a call with what is stored for its key, in this row of find_keys. */
static void
compare_with_stored(IdempotentCall *call, uint64 row)
{
	bool is_null;
	bytea *stored =
	    DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &is_null));
	int64 request_id = result_int64(row, 3);
	int64 transfer_id = result_int64(row, 4);
	bool is_own = request_id == call->request_id && transfer_id == call->transfer_id;

	if (is_own)
		return;
	if (VARSIZE_ANY_EXHDR(stored) == FINGERPRINT_SIZE &&
	    memcmp(VARDATA_ANY(stored), call->fingerprint, FINGERPRINT_SIZE) == 0 &&
	    call->is_direct == (request_id == 0))
	{
		call->repeated = true;
		confirm_at_commit();
		call->request_id = request_id;
		call->transfer_id = transfer_id;
	}
	else
		call->mismatched = true;
}

/* Returns how many of the keys are stored. */
static int
find_stored(IdempotentCall **calls, int count, const int64 *user_ids, const char *const *keys)
{
	int found;

	statement_run(&find_keys, (Datum[]){int64_array(user_ids, count), text_array(keys, count)},
	              NULL, false);
	found = (int) SPI_processed;
	for (int row = 0; row < found; row++)
	{
		CHECK_FOR_INTERRUPTS();
		compare_with_stored(calls[result_int64(row, 1) - 1], row);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

void
idempotency_find(IdempotentCall **calls, int count)
{
	int64 *user_ids = palloc(sizeof(int64) * count);
	const char **keys = palloc(sizeof(char *) * count);

	for (int i = 0; i < count; i++)
	{
		user_ids[i] = calls[i]->user_id;
		keys[i] = calls[i]->key;
	}
	(void) find_stored(calls, count, user_ids, keys);
}

bool
idempotency_key_is_busy(const IdempotentCall *call)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(call->user_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(call->key));
	return index_entry_is_busy("idempotency_key", (const char *[]){"user_id", "key"}, keys, 2);
}

bool
idempotency_same_key(const IdempotentCall *a, const IdempotentCall *b)
{
	return a->user_id == b->user_id && strcmp(a->key, b->key) == 0;
}

void
idempotency_sort(IdempotentCall **calls, int count)
{
	chosen_shuffle((void **) calls, count);
	qsort(calls, count, sizeof(IdempotentCall *), compare_calls);
}

void
idempotency_claim(IdempotentCall **calls, int count)
{
	int64 *user_ids = palloc(sizeof(int64) * count);
	int64 *request_ids = palloc(sizeof(int64) * count);
	int64 *transfer_ids = palloc(sizeof(int64) * count);
	const char **keys = palloc(sizeof(char *) * count);

	idempotency_sort(calls, count);
	for (int i = 0; i < count; i++)
	{
		user_ids[i] = calls[i]->user_id;
		request_ids[i] = calls[i]->request_id;
		transfer_ids[i] = calls[i]->transfer_id;
		keys[i] = calls[i]->key;
	}
	statement_run(&insert_keys,
	              (Datum[]){
	                  int64_array(user_ids, count),
	                  text_array(keys, count),
	                  fingerprint_array(calls, count),
	                  int64_array(request_ids, count),
	                  int64_array(transfer_ids, count),
	                  TimestampTzGetDatum(GetCurrentTimestamp()),
	              },
	              NULL, false);
	if (find_stored(calls, count, user_ids, keys) != count)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("an idempotency key has expired in the meantime")));
}

/* wallet.idempotency_retention() → interval: how long a key is kept. */
Datum
wallet_idempotency_retention(PG_FUNCTION_ARGS)
{
	Interval *retention = palloc0(sizeof(Interval));

	retention->time = setting_retention_s * USECS_PER_SEC;
	PG_RETURN_INTERVAL_P(retention);
}
