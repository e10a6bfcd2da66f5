/*
 * outcomes.c
 *		The table of outcomes.
 */
#include "tables/outcomes.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/arrays.h"
#include "base/statement.h"
#include "rules/codes.h"
#include "rules/post.h"
#include "tables/enums.h"
#include "tables/rows.h"

enum OutcomeColumn
{
	OUTCOME_REQUEST_ID,
	OUTCOME_WALLET_ID,
	OUTCOME_BALANCE,
	OUTCOME_UPDATED_AT,
	OUTCOME_POSTED_AT,
	OUTCOME_STATUS,
	OUTCOME_CODE,
	OUTCOME_COLUMNS
};

static const RowColumn outcome_columns[OUTCOME_COLUMNS] = {
    [OUTCOME_REQUEST_ID] = {"request_id", INT8OID},
    [OUTCOME_WALLET_ID] = {"wallet_id", INT8OID},
    [OUTCOME_BALANCE] = {"balance", INT8OID},
    [OUTCOME_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
    [OUTCOME_POSTED_AT] = {"posted_at", TIMESTAMPTZOID},
    [OUTCOME_STATUS] = {"status", InvalidOid},
    [OUTCOME_CODE] = {"code", TEXTOID},
};

static const RowLayout outcome_layout = {"outcome", outcome_columns, OUTCOME_COLUMNS};

static EnumValues status_values;

static Statement insert_outcomes = {
    "INSERT INTO wallet.outcome (request_id, wallet_id, balance, updated_at, posted_at, status, "
    "code) "
    "SELECT n.request_id, nullif(n.wallet_id, 0), "
    "CASE WHEN n.status <> '' THEN n.balance END, CASE WHEN n.status <> '' THEN n.updated_at END, "
    "CASE WHEN n.status <> '' THEN greatest($7, n.updated_at) ELSE $7 END, "
    "nullif(n.status, '')::wallet.status, n.code "
    "FROM unnest($1, $2, $3, $4, $5, $6) AS n (request_id, wallet_id, balance, updated_at, status, "
    "code)",
    7,
    {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
     TIMESTAMPTZOID},
    NULL,
};

static void
insert_by_statement(const Outcome *outcomes, int count, TimestampTz posted_at)
{
	const char **statuses = palloc(sizeof(char *) * count);
	const char **codes = palloc(sizeof(char *) * count);

	for (int i = 0; i < count; i++)
	{
		/* Only a queued read keeps what it saw. */
		statuses[i] = outcomes[i].updated_at == 0 ? "" : status_names[outcomes[i].status];
		codes[i] = wallet_codes[outcomes[i].code].name;
	}
	statement_run(&insert_outcomes,
	              (Datum[]){
	                  INT64_MEMBER(outcomes, count, Outcome, request_id),
	                  INT64_MEMBER(outcomes, count, Outcome, wallet_id),
	                  INT64_MEMBER(outcomes, count, Outcome, balance),
	                  TIME_MEMBER(outcomes, count, Outcome, updated_at),
	                  text_array(statuses, count),
	                  text_array(codes, count),
	                  TimestampTzGetDatum(posted_at),
	              },
	              NULL, false);
	result_expect(count, "wallet.outcome");
}

static void
outcome_to_slot(const Outcome *outcome, TimestampTz posted_at, TupleTableSlot *slot)
{
	bool is_read = outcome->updated_at != 0; /* only a queued read keeps what it saw */

	slot_put_int64(slot, OUTCOME_REQUEST_ID, outcome->request_id);
	slot_put_int64(slot, OUTCOME_WALLET_ID, outcome->wallet_id);
	slot_put_int64(slot, OUTCOME_UPDATED_AT, outcome->updated_at);
	slot->tts_values[OUTCOME_BALANCE] = Int64GetDatum(outcome->balance);
	slot->tts_isnull[OUTCOME_BALANCE] = !is_read;
	slot->tts_values[OUTCOME_POSTED_AT] = TimestampTzGetDatum(Max(posted_at, outcome->updated_at));
	slot->tts_values[OUTCOME_STATUS] =
	    ObjectIdGetDatum(enum_values_get(&status_values, outcome->status));
	slot->tts_isnull[OUTCOME_STATUS] = !is_read;
	slot->tts_values[OUTCOME_CODE] = CStringGetTextDatum(wallet_codes[outcome->code].name);
}

void
outcomes_insert(const Outcome *outcomes, int count, TimestampTz posted_at)
{
	RowWriter writer;

	Assert(count > 0 && MEMBER_RISES(outcomes, count, Outcome, request_id));
	if (!writer_open_for_keys(&writer, &outcome_layout, outcomes[0].request_id,
	                          outcomes[count - 1].request_id))
	{
		insert_by_statement(outcomes, count, posted_at);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		TupleTableSlot *slot = writer_next(&writer);

		CHECK_FOR_INTERRUPTS();
		if (i == 0)
			enum_values_load(&status_values, column_type(slot, OUTCOME_STATUS), status_names);
		outcome_to_slot(&outcomes[i], posted_at, slot);
	}
	writer_close(&writer);
}
