/*
 * outcomes.c
 *		The table of outcomes.
 */
#include "tables/outcomes.h"

#include "tables/map.h"

/* Only a queued read has an updated_at, and keeps what it saw. */
#define OUTCOME_COLUMNS(X)                                                                         \
	X(request_id, BIGINT, o->request_id, false, 0)                                                 \
	X(wallet_id, BIGINT, o->wallet_id, o->wallet_id == 0, 0)                                       \
	X(balance, BIGINT, o->balance, o->updated_at == 0, 0)                                          \
	X(updated_at, TIME, o->updated_at, o->updated_at == 0, 0)                                      \
	X(posted_at, TIME, Max(posted_at, o->updated_at), false, 0)                                    \
	X(status, STATUS, o->status, o->updated_at == 0, 0)                                            \
	X(leg, SMALLINT, o->failed_leg - 1, o->failed_leg == 0, 0)                                     \
	X(code, TEXT, wallet_codes[o->code].name, false, 0)

static const RowColumn outcome_columns[] = {OUTCOME_COLUMNS(MAP_COLUMN)};

struct OutcomePlaces
{
	OUTCOME_COLUMNS(MAP_PLACE)
};

static void
outcome_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Outcome *o = from;
	TimestampTz posted_at = *(const TimestampTz *) out->given;

	OUTCOME_COLUMNS(MAP_PUT)
}

static Statement insert_outcomes;

static const RowLayout outcome_layout = {
    .table = "outcome",
    MAP_COLUMNS(outcome_columns),
    .status_column = offsetof(struct OutcomePlaces, status) + 1,
    .struct_size = sizeof(Outcome),
    .to_row = outcome_to_row,
    .insert = &insert_outcomes,
};

void
outcomes_insert(const Outcome *outcomes, int count, TimestampTz posted_at)
{
	map_insert(&outcome_layout, outcomes, count, &posted_at);
}
