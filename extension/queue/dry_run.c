/*
 * dry_run.c
 *		What requests would do if they were carried out now.
 *
 * The same rules judge the same operation on what is committed now, in memory.  Nothing is locked,
 * written or drawn, so a dry run also works in a read-only transaction and on a standby.
 */
#include "base/version.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/refusal.h"
#include "base/statement.h"
#include "posting/calls.h"
#include "posting/resolve.h"
#include "queue/items.h"
#include "queue/named.h"

PG_FUNCTION_INFO_V1(wallet_dry_run);
PG_FUNCTION_INFO_V1(wallet_dry_run_utf8);

/* The id of a wallet that is not made: no wallet has the largest id there is. */
static int64
draw_no_id(void)
{
	return PG_INT64_MAX;
}

/* How many requests wait: they may be carried out before. */
static int64
count_queued(void)
{
	static Statement find = {
	    "SELECT q.queued::bigint FROM wallet.queue AS q",
	    0,
	    {0},
	    NULL,
	};

	statement_run(&find, NULL, NULL, false);
	return SPI_processed == 0 ? 0 : result_int64(0, 1);
}

/* Finds the hold that a handshake names.  A hold that is still queued is not there yet. */
static void
find_named_hold(Request *request)
{
	if (!request->is_unresolved)
		return;
	/* Every request there is comes before this one. */
	request->request_id = PG_INT64_MAX;
	named_open(request, 1);
	named_find(request, 1, NULL);
	request->request_id = 0;
	if (request->is_unresolved)
		request->link_id = -1;
}

/* Judges an item that is in order by itself.  Returns the leg that fails, from 1 on; 0 for none. */
static int
judge(EnqueueItem *item)
{
	Ledger ledger;
	WalletCode code;

	find_named_hold(&item->request);
	resolve_links(&item->request, 1);
	ledger_open(&ledger, &item->request, 1);
	ledger_load(&ledger, LOCK_NONE);
	ledger.effects.draw_wallet_id = draw_no_id;
	code = ledger_judge(&ledger, &item->request);
	if (code == CODE_OK)
		return 0;
	item_refuse(item, code);
	return ledger.effects.failed_leg;
}

/* {"would": ..., "code": ..., "message": ..., "leg": ..., "queued_before": ...} */
static char *
answer(EnqueueItem *item, int64 queued)
{
	int leg = item->code == CODE_OK ? judge(item) : 0;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"would\":\"%s\",\"code\":\"%s\"",
	                 item->code == CODE_OK ? "processed" : "rejected",
	                 wallet_codes[item->code].name);
	if (item->code != CODE_OK)
	{
		appendStringInfoString(&json, ",\"message\":");
		escape_json(&json, item->message.data);
	}
	if (leg > 0)
		appendStringInfo(&json, ",\"leg\":%d", leg - 1);
	appendStringInfo(&json, ",\"queued_before\":" INT64_FORMAT "}", queued);
	return json.data;
}

/* wallet_dry_run(kind text, payload json) → jsonb */
Datum
wallet_dry_run(PG_FUNCTION_ARGS)
{
	MemoryContext result_context = CurrentMemoryContext;
	EnqueueItem item = {0};
	char *json;

	if (PG_ARGISNULL(0))
		refuse(CODE_UNKNOWN_KIND, NULL);
	if (PG_ARGISNULL(1))
		refuse(CODE_NOT_AN_OBJECT, NULL);
	SPI_connect();
	item_read(&item, text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_TEXT_PP(1));
	json = MemoryContextStrdup(result_context, answer(&item, count_queued()));
	SPI_finish();
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/*
 * wallet_dry_run_utf8(kinds text[], payloads bytea[], idempotency_keys bytea[], rights integer[],
 *		max_amounts text[]) → (ordinal, answer)
 * The arguments are those of wallet_enqueue_utf8(); of the keys only the form is looked at.
 */
Datum
wallet_dry_run_utf8(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EnqueueItem *items;
	int64 queued;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	require_argument(fcinfo, 0, "kinds");
	require_argument(fcinfo, 1, "payloads");
	SPI_connect();
	items = items_read(fcinfo, true, &count);
	queued = count_queued();
	for (int i = 0; i < count; i++)
	{
		Datum values[2] = {Int32GetDatum(i + 1)};

		CHECK_FOR_INTERRUPTS();
		values[1] = CStringGetTextDatum(answer(&items[i], queued));
		tuplestore_putvalues(result->setResult, result->setDesc, values, (bool[2]){false, false});
	}
	SPI_finish();
	return (Datum) 0;
}
