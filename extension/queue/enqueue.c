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
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/apart.h"
#include "base/clock.h"
#include "base/freed_memory.h"
#include "base/ids.h"
#include "base/refusal.h"
#include "base/relations.h"
#include "base/settings.h"
#include "base/standbys.h"
#include "base/wake.h"
#include "queue/backlog.h"
#include "queue/handshake.h"
#include "queue/items.h"
#include "rules/codes.h"
#include "rules/operation.h"
#include "tables/idempotency.h"
#include "tables/opening.h"
#include "tables/requests.h"

PG_FUNCTION_INFO_V1(wallet_enqueue);
PG_FUNCTION_INFO_V1(wallet_enqueue_many);
PG_FUNCTION_INFO_V1(wallet_enqueue_utf8);

static bool
is_new(const EnqueueItem *item)
{
	return item->code == CODE_OK && !item->call.repeated;
}

/* Is refused, unless its key is known already? */
static bool
is_doomed(const EnqueueItem *item)
{
	return item->is_late || item->lacks_currency;
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
			item_refuse(&items[i], CODE_IDEMPOTENCY_MISMATCH);
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
 * other requests of the call would wait for it, too.  A single request waits when it stores its
 * key; one that is refused stores none.
 */
static void
refuse_busy_keys(EnqueueItem *items, int count, bool is_single)
{
	for (int i = 0; i < count; i++)
	{
		EnqueueItem *item = &items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->code == CODE_OK && item->key != NULL && !item->call.repeated &&
		    (!is_single || is_doomed(item)) && idempotency_key_is_busy(&item->call))
			item_refuse(item, CODE_IDEMPOTENCY_IN_PROGRESS);
	}
}

/*
 * A doomed item is a repeated request where an earlier item of the call has the same key and will
 * be stored.  Then it is not refused for itself.
 */
static void
spare_repeated(EnqueueItem *items, int count)
{
	IdempotentCall **calls = palloc(sizeof(IdempotentCall *) * count);
	int call_count = collect_calls(items, count, calls);
	bool is_stored = false;

	for (int i = 0; i < call_count; i++)
		calls[i]->request_id = i;
	idempotency_sort(calls, call_count);
	for (int i = 0; i < call_count; i++)
	{
		EnqueueItem *item = (EnqueueItem *) ((char *) calls[i] - offsetof(EnqueueItem, call));

		CHECK_FOR_INTERRUPTS();
		is_stored = is_stored && idempotency_same_key(calls[i - 1], calls[i]);
		if (is_stored)
			item->is_late = item->lacks_currency = false;
		is_stored = !is_doomed(item);
		calls[i]->request_id = 0;
	}
	pfree(calls);
}

/* Nothing is stored of a new request that is refused at once: its key stays free. */
static void
judge_new(EnqueueItem *items, int count)
{
	TimestampTz now = ledger_now();
	bool has_doomed_key = false;

	for (int i = 0; i < count; i++)
		has_doomed_key = has_doomed_key || (items[i].key != NULL && is_doomed(&items[i]));
	if (has_doomed_key && count > 1)
		spare_repeated(items, count);

	for (int i = 0; i < count; i++)
	{
		if (is_new(&items[i]))
			item_judge_new(&items[i], now);
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
			item_refuse(&items[i], CODE_QUEUE_FULL);
	}
}

/* Refuse all items where a standby is required and none is named: a repeated one, too, is told to
 * be on two machines. */
static void
refuse_without_standby(EnqueueItem *items, int count)
{
	if (standby_is_lacking())
	{
		for (int i = 0; i < count; i++)
		{
			if (items[i].code == CODE_OK)
				item_refuse(&items[i], CODE_STANDBY_UNAVAILABLE);
		}
	}
	watch_commit();
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
		opening_make_once();
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
	item_refuse(item, code_by_sqlstate(sqlstate));
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

	refuse_without_standby(items, count);
	find_repeated(items, count);
	refuse_busy_keys(items, count, is_single);
	judge_new(items, count);
	refuse_beyond_limit(items, count);
	LockRelationOid(wallet_relation("request"), RowExclusiveLock);
	new_count = count_new(items, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_new(&items[i]))
			items[i].drawn_id = items[i].request.request_id = id_take(ID_REQUEST, &ids, new_count);
	}
	if (!is_single && count > 0 && may_be_refused(items, count))
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
	item_read(&item, text_to_cstring(PG_GETARG_TEXT_PP(0)), payload);
	if (item.code == CODE_OK)
		store_items(&item, 1, true, result_context);
	if (item.code != CODE_OK)
		refuse_with_message(item.code, item.message.data);
	SPI_finish();
	PG_RETURN_TEXT_P(item.handshake);
}

static void
put_item(ReturnSetInfo *result, int ordinal, const EnqueueItem *item)
{
	bool accepted = item->code == CODE_OK;
	int64 user_id = item->request.user_id;
	/* wallet_enqueue_many() has the first four alone. */
	bool nulls[6] = {false, !accepted, accepted, accepted, !accepted || user_id == 0, !accepted};
	Datum values[6] = {Int32GetDatum(ordinal)};

	if (accepted)
	{
		values[1] = PointerGetDatum(item->handshake);
		values[4] = Int64GetDatum(user_id);
		values[5] = BoolGetDatum(item->call.repeated);
	}
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
	freed_memory_keep(SESSION_KEEPS_MB);
	SPI_connect();
	items = items_read(fcinfo, is_utf8, &count);
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
 * wallet_enqueue_utf8(kinds text[], payloads bytea[], idempotency_keys bytea[], rights integer[],
 *		max_amounts text[]) → (ordinal, handshake_id, code, message, user_id, is_repeated)
 * The same with payloads and keys in UTF-8.  A text that is no UTF-8, or that the database's
 * encoding cannot hold, is the refusal of its own item.  What the asker of an item may is told by
 * rights (AskerRight) and max_amounts, whatever the session's role may.
 */
Datum
wallet_enqueue_utf8(PG_FUNCTION_ARGS)
{
	return enqueue_many(fcinfo, true);
}
