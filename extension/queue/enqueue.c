/*
 * enqueue.c
 *		Stores requests durably and names them with their handshakes.
 *
 * All requests of a call are read first; those in order are stored with one
 * statement, in the caller's transaction.  When that commits, the worker is
 * woken once.
 *
 * The transaction takes its transaction id before it draws a request id: the
 * queue's rule about dead gaps rests on this (see queue.c).  Before that it locks
 * the table, so that the partition that an id belongs to stays until its row is in.
 */
#include "base/version.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/apart.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/ids.h"
#include "base/refusal.h"
#include "base/relations.h"
#include "base/settings.h"
#include "base/wake.h"
#include "queue/backlog.h"
#include "queue/handshake.h"
#include "queue/payload.h"
#include "queue/position.h"
#include "rules/codes.h"
#include "rules/number.h"
#include "rules/operation.h"
#include "tables/idempotency.h"
#include "tables/currencies.h"
#include "tables/requests.h"
#include "tables/wallets.h"

PG_FUNCTION_INFO_V1(wallet_enqueue);
PG_FUNCTION_INFO_V1(wallet_enqueue_many);
PG_FUNCTION_INFO_V1(wallet_enqueue_utf8);

/* Most currencies have so many decimals; an amount with more is checked against its wallet. */
#define USUAL_MINOR_DIGITS 2

/* Items of one call. */
#define ITEMS_MAX 65536

typedef struct EnqueueItem
{
	Request request;
	WalletCode code;        /* CODE_OK, or why it is refused */
	StringInfoData message; /* of a refusal; without data where there is none */
	const char *key;        /* NULL without one */
	WalletCode key_code;    /* CODE_OK, or what is wrong with it */
	int64 drawn_id;         /* of a new request; 0 before */
	IdempotentCall call;
	text *handshake;
} EnqueueItem;

/* Refuse the item in the code's own words, with the name of the member where it is an amount. */
static void
refuse_item(EnqueueItem *item, WalletCode code)
{
	item->code = code;
	initStringInfo(&item->message);
	switch (code)
	{
		case CODE_AMOUNT_NOT_POSITIVE:
		case CODE_AMOUNT_NEGATIVE:
		case CODE_AMOUNT_PRECISION:
		case CODE_AMOUNT_TOO_LARGE:
			appendStringInfo(&item->message,
			                 "member \"%s\": ", payload_amount_member(item->request.kind));
			break;
		case CODE_UNKNOWN_CURRENCY:
			appendStringInfoString(&item->message, "member \"currency\": ");
			break;
		default:
			break;
	}
	appendStringInfoString(&item->message, wallet_codes[code].message);
}

/* Does the request say itself in which currency its amount is, as that of a new wallet does? */
static bool
names_currency(const Request *request)
{
	return request->currency[0] != '\0';
}

/* Is the amount compared with what its wallet's currency has? */
static bool
is_about_wallet(const Request *request)
{
	return !names_currency(request) && request->amount.scale > USUAL_MINOR_DIGITS;
}

/*
 * Can the tables with the request's currency be read at once?  A lock that another transaction
 * holds on one of them is not waited for, since all requests of the call would wait.
 */
static bool
may_find_currency(const Request *request)
{
	if (!is_about_wallet(request))
		return relation_lock_at_once("currency");
	return relation_lock_at_once("wallet") && relation_lock_at_once("currency");
}

/* The currency that a request's amount is in, as far as it is known already. */
static bool
find_request_currency(const Request *request, Currency *currency)
{
	Wallet wallet;
	int64 wallet_id =
	    request->source_wallet_id > 0 ? request->source_wallet_id : request->destination_wallet_id;

	if (names_currency(request))
		return currency_find(request->currency, currency);
	if (!wallets_find(wallet_id, &wallet))
		return false;
	*currency = wallet.currency;
	return true;
}

/* Does the amount fit its currency?  Where that is not known yet, posting will tell. */
static void
check_amount(EnqueueItem *item)
{
	const Request *request = &item->request;
	Currency currency;
	int64 amount;
	WalletCode code;

	if ((!names_currency(request) && !is_about_wallet(request)) || !may_find_currency(request))
		return;
	if (!find_request_currency(request, &currency))
	{
		if (names_currency(request))
			refuse_item(item, CODE_UNKNOWN_CURRENCY);
		return;
	}
	code = amount_to_minor(request->amount, currency.minor_digits, &amount);
	if (code == CODE_OK)
		return;
	refuse_item(item, code);
	if (code == CODE_AMOUNT_PRECISION)
		appendStringInfo(&item->message, ": %s has %d, not %d", currency.code,
		                 currency.minor_digits, request->amount.scale);
}

/*
 * What can be known about a request before its turn comes.  Inside SPI_connect.  Posting checks
 * all of this again: here it only makes for an earlier answer.
 */
static void
check_item(EnqueueItem *item)
{
	WalletCode code = operation_check(&item->request, ledger_now());

	if (item->key_code != CODE_OK)
		refuse_item(item, item->key_code);
	else if (item->key != NULL && !idempotency_key_is_valid(item->key))
		refuse_item(item, CODE_INVALID_IDEMPOTENCY_KEY);
	else if (code != CODE_OK)
		refuse_item(item, code);
	else if (kind_infos[item->request.kind].has_amount)
		check_amount(item);
}

/* Payload and message are in the encoding; a message ends up in that of the database. */
static void
read_item(EnqueueItem *item, const char *kind_name, int encoding, const char *payload, int length)
{
	RequestKind kind;
	StringInfoData message;

	if (!kind_from_name(kind_name, &kind))
	{
		refuse_item(item, CODE_UNKNOWN_KIND);
		return;
	}
	initStringInfo(&message);
	item->code = payload_parse(kind, encoding, payload, length, &item->request, &message);
	if (item->code == CODE_OK)
	{
		pfree(message.data);
		check_item(item);
	}
	else
	{
		item->message = message;
		if (encoding != GetDatabaseEncoding())
			item->message.data = utf8_to_database_lossy(message.data, message.len);
	}
}

static void
read_utf8_key(EnqueueItem *item, const bytea *bytes)
{
	const char *key = VARDATA_ANY(bytes);
	int length = VARSIZE_ANY_EXHDR(bytes);

	if (!utf8_is_valid(key, length))
	{
		item->key_code = CODE_INVALID_IDEMPOTENCY_KEY;
		return;
	}
	item->key = utf8_to_database(key, length);
	if (item->key == NULL)
		item->key_code = CODE_UNTRANSLATABLE_CHARACTER;
}

static void
read_utf8_item(EnqueueItem *item, const char *kind_name, const bytea *payload)
{
	const char *text = VARDATA_ANY(payload);
	int length = VARSIZE_ANY_EXHDR(payload);

	if (utf8_is_valid(text, length))
		read_item(item, kind_name, PG_UTF8, text, length);
	else
		refuse_item(item, CODE_INVALID_JSON);
}

static bool
is_new(const EnqueueItem *item)
{
	return item->code == CODE_OK && !item->call.repeated;
}

/* The calls of those items that have a key and are in order so far; returns how many. */
static int
collect_calls(EnqueueItem *items, int count, IdempotentCall **calls)
{
	int call_count = 0;

	for (int i = 0; i < count; i++)
	{
		if (items[i].code == CODE_OK && items[i].key != NULL && !items[i].call.repeated)
			calls[call_count++] = &items[i].call;
	}
	return call_count;
}

/* Those whose key was used before name the earlier request, or are refused. */
static void
apply_keys(EnqueueItem *items, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (items[i].call.mismatched)
			refuse_item(&items[i], CODE_IDEMPOTENCY_MISMATCH);
		else if (items[i].call.repeated)
			items[i].request.request_id = items[i].call.request_id;
	}
}

/*
 * Find those that were sent before, before they draw an id: each id that nobody uses is a gap for
 * the queue to look after.
 */
static void
find_repeated(EnqueueItem *items, int count)
{
	IdempotentCall **calls = palloc(sizeof(IdempotentCall *) * count);
	int call_count;

	for (int i = 0; i < count; i++)
	{
		EnqueueItem *item = &items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->code != CODE_OK || item->key == NULL)
			continue;
		item->call = (IdempotentCall){.user_id = item->request.user_id, .key = item->key};
		idempotency_fingerprint(&item->request, NULL, item->call.fingerprint);
	}
	call_count = collect_calls(items, count, calls);
	if (call_count > 0)
		idempotency_find(calls, call_count);
	apply_keys(items, count);
}

/*
 * Another transaction that is still open may have used a key.  Its end is not awaited, since all
 * other requests of the call would wait for it, too.
 */
static void
refuse_busy_keys(EnqueueItem *items, int count)
{
	for (int i = 0; i < count; i++)
	{
		EnqueueItem *item = &items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->code == CODE_OK && item->key != NULL && !item->call.repeated &&
		    idempotency_key_is_busy(&item->call))
			refuse_item(item, CODE_IDEMPOTENCY_IN_PROGRESS);
	}
}

static int
count_new(const EnqueueItem *items, int count)
{
	int new_count = 0;

	for (int i = 0; i < count; i++)
		new_count += is_new(&items[i]) ? 1 : 0;
	return new_count;
}

/* Refuse the new items for which the queue has no room, the last ones first. */
static void
refuse_beyond_limit(EnqueueItem *items, int count)
{
	int new_count = count_new(items, count);
	int room;

	if (new_count == 0)
		return;
	room = backlog_admit(new_count, setting_queue_limit);
	for (int i = 0; i < count; i++)
	{
		if (is_new(&items[i]) && room-- <= 0)
			refuse_item(&items[i], CODE_QUEUE_FULL);
	}
}

/* Store the keys of the new items; some may turn out to have been used in the meantime. */
static void
claim_keys(EnqueueItem *items, int count)
{
	IdempotentCall **calls = palloc(sizeof(IdempotentCall *) * count);
	int call_count = collect_calls(items, count, calls);

	for (int i = 0; i < count; i++)
		items[i].call.request_id = items[i].request.request_id;
	if (call_count > 0)
		idempotency_claim(calls, call_count);
	apply_keys(items, count);
}

static void
insert_items(EnqueueItem *items, int count)
{
	Request *requests = palloc(sizeof(Request) * count);
	int new_count = 0;

	for (int i = 0; i < count; i++)
	{
		if (is_new(&items[i]))
			requests[new_count++] = items[i].request;
	}
	if (new_count > 0)
	{
		requests_insert(requests, new_count, GetCurrentTimestamp());
		position_open_once();
		wake_at_commit();
	}
	pfree(requests);
}

static void
seal_items(EnqueueItem *items, int count, MemoryContext result_context)
{
	HandshakeSealer *sealer = handshake_sealer_make();
	MemoryContext previous = MemoryContextSwitchTo(result_context);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (items[i].code == CODE_OK)
			items[i].handshake = handshake_seal(sealer, &items[i].request);
	}
	MemoryContextSwitchTo(previous);
	handshake_keep_key(sealer);
}

/* A step of run_apart: store new items and their keys. */
static void
store_range(void *items, int first, int count)
{
	claim_keys((EnqueueItem *) items + first, count);
	insert_items((EnqueueItem *) items + first, count);
}

/* Take back what it has noted of them: a key may have been found that is not stored after all. */
static void
unstore_range(void *items, int first, int count)
{
	for (int i = first; i < first + count; i++)
	{
		EnqueueItem *item = (EnqueueItem *) items + i;

		if (item->drawn_id == 0)
			continue;
		item->code = CODE_OK;
		item->call.repeated = item->call.mismatched = false;
		item->request.request_id = item->drawn_id;
	}
}

/* A constraint or a trigger of somebody's does not want this one, or the server cannot store it.
 * Who raises one of our codes speaks to the client: the words of the error go with the code. */
static void
refuse_unstored(void *items, int i, const ErrorData *error)
{
	EnqueueItem *item = (EnqueueItem *) items + i;
	const char *sqlstate = unpack_sql_state(error->sqlerrcode);

	if (item->drawn_id == 0)
		return;
	refuse_item(item, code_by_sqlstate(sqlstate));
	if (code_of_sqlstate(sqlstate) != CODE_OK)
	{
		resetStringInfo(&item->message);
		appendStringInfoString(&item->message, error->message);
	}
	backlog_not_stored(1);
	ereport(LOG,
	        (errcode(error->sqlerrcode),
	         errmsg("pg_wallet refuses a request that could not be stored: %s", error->message),
	         errhidestmt(true)));
}

/* Tables as we made them refuse nothing that has been judged to be in order. */
static bool
may_be_refused(const EnqueueItem *items, int count)
{
	bool has_key = false;

	for (int i = 0; i < count && !has_key; i++)
		has_key = items[i].key != NULL;
	return table_may_refuse("request", 9, 0, 0) ||
	       (has_key && table_may_refuse("idempotency_key", 6, 1, 1));
}

/*
 * Store the items that are in order.  Inside SPI_connect; the handshakes outlive it.  is_single: an
 * error is the caller's, who waits for another transaction with the same key; else errors and busy
 * keys are refusals of their items.
 */
static void
store_items(EnqueueItem *items, int count, bool is_single, MemoryContext result_context)
{
	IdBlock ids = {0};
	int new_count;

	find_repeated(items, count);
	if (!is_single)
		refuse_busy_keys(items, count);
	refuse_beyond_limit(items, count);
	LockRelationOid(wallet_relation("request"), RowExclusiveLock);
	new_count = count_new(items, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_new(&items[i]))
			items[i].drawn_id = items[i].request.request_id = id_take(ID_REQUEST, &ids, new_count);
	}
	if (!is_single && may_be_refused(items, count))
		run_apart(items, count, store_range, unstore_range, refuse_unstored);
	else
		store_range(items, 0, count);
	seal_items(items, count, result_context);
}

/*
 * wallet_enqueue(kind text, payload json, idempotency_key text) → text: the handshake.
 * Raises the error of the code when the request cannot be taken.
 */
Datum
wallet_enqueue(PG_FUNCTION_ARGS)
{
	MemoryContext result_context = CurrentMemoryContext;
	EnqueueItem item = {0};
	text *payload;

	if (PG_ARGISNULL(0))
		refuse(CODE_UNKNOWN_KIND, NULL);
	if (PG_ARGISNULL(1))
		refuse(CODE_NOT_AN_OBJECT, NULL);
	PreventCommandIfReadOnly("wallet_enqueue()");
	payload = PG_GETARG_TEXT_PP(1);
	item.key = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	SPI_connect();
	read_item(&item, text_to_cstring(PG_GETARG_TEXT_PP(0)), GetDatabaseEncoding(),
	          VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload));
	if (item.code == CODE_OK)
		store_items(&item, 1, true, result_context);
	if (item.code != CODE_OK)
		refuse_with_message(item.code, item.message.data);
	SPI_finish();
	PG_RETURN_TEXT_P(item.handshake);
}

/* The elements of a text[] or bytea[] argument, which must have this many (or any number when it is
 * -1). */
static Datum *
array_elements(ArrayType *array, const char *argument, int expected, bool **nulls, int *count)
{
	Datum *elements;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, nulls, count);
	if (expected >= 0 && *count != expected)
		ereport(ERROR,
		        (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
		         errmsg("array \"%s\" has %d elements instead of %d", argument, *count, expected)));
	return elements;
}

static void
read_items(FunctionCallInfo fcinfo, bool is_utf8, EnqueueItem **items, int *count)
{
	bool *kind_nulls;
	bool *payload_nulls;
	bool *key_nulls = NULL;
	Datum *kinds = array_elements(PG_GETARG_ARRAYTYPE_P(0), "kinds", -1, &kind_nulls, count);
	Datum *payloads =
	    array_elements(PG_GETARG_ARRAYTYPE_P(1), "payloads", *count, &payload_nulls, count);
	Datum *keys = PG_ARGISNULL(2) ? NULL
	                              : array_elements(PG_GETARG_ARRAYTYPE_P(2), "idempotency_keys",
	                                               *count, &key_nulls, count);

	if (*count > ITEMS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("%d items in one call, more than %d", *count, ITEMS_MAX)));
	*items = palloc0(sizeof(EnqueueItem) * *count);
	for (int i = 0; i < *count; i++)
	{
		EnqueueItem *item = &(*items)[i];
		bool has_key = keys != NULL && !key_nulls[i];

		CHECK_FOR_INTERRUPTS();
		if (has_key && is_utf8)
			read_utf8_key(item, DatumGetByteaPP(keys[i]));
		else if (has_key)
			item->key = TextDatumGetCString(keys[i]);
		if (kind_nulls[i])
			refuse_item(item, CODE_UNKNOWN_KIND);
		else if (payload_nulls[i])
			refuse_item(item, CODE_NOT_AN_OBJECT);
		else if (is_utf8)
			read_utf8_item(item, TextDatumGetCString(kinds[i]), DatumGetByteaPP(payloads[i]));
		else
		{
			text *payload = DatumGetTextPP(payloads[i]);

			read_item(item, TextDatumGetCString(kinds[i]), GetDatabaseEncoding(),
			          VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload));
		}
	}
}

static void
put_item(ReturnSetInfo *result, int ordinal, const EnqueueItem *item)
{
	bool accepted = item->code == CODE_OK;
	bool nulls[4] = {false, !accepted, accepted, accepted};
	Datum values[4] = {Int32GetDatum(ordinal)};

	if (accepted)
		values[1] = PointerGetDatum(item->handshake);
	else
	{
		values[2] = CStringGetTextDatum(wallet_codes[item->code].name);
		values[3] = CStringGetTextDatum(item->message.data);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static Datum
enqueue_many(FunctionCallInfo fcinfo, bool is_utf8)
{
	EnqueueItem *items;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("kinds and payloads must not be null")));
	PreventCommandIfReadOnly("wallet_enqueue_many()");
	SPI_connect();
	read_items(fcinfo, is_utf8, &items, &count);
	store_items(items, count, false, CurrentMemoryContext);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_item((ReturnSetInfo *) fcinfo->resultinfo, i + 1, &items[i]);
	}
	SPI_finish();
	return (Datum) 0;
}

/*
 * wallet_enqueue_many(kinds text[], payloads text[], idempotency_keys text[])
 *		→ (ordinal, handshake_id, code, message)
 * One row for each item: a handshake, or the code and message of its refusal.
 */
Datum
wallet_enqueue_many(PG_FUNCTION_ARGS)
{
	return enqueue_many(fcinfo, false);
}

/*
 * wallet_enqueue_utf8(kinds text[], payloads bytea[], idempotency_keys bytea[])
 *		→ (ordinal, handshake_id, code, message)
 * The same with payloads and keys in UTF-8.  A text that is no UTF-8, or that the database's
 * encoding cannot hold, is the refusal of its own item.
 */
Datum
wallet_enqueue_utf8(PG_FUNCTION_ARGS)
{
	return enqueue_many(fcinfo, true);
}
