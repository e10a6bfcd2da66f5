/*
 * holds.c
 *		The table of holds: the present state of each.
 *
 * Locking: see holds.h.
 */
#include "tables/holds.h"

#include "miscadmin.h"

#include "base/arrays.h"
#include "tables/map.h"
#include "tables/rows.h"

#define HOLD_COLUMNS(X)                                                                            \
	X(hold_id, BIGINT, h->hold_id, false, 0)                                                       \
	X(source_wallet_id, BIGINT, h->source_wallet_id, false, 0)                                     \
	X(destination_wallet_id, BIGINT, h->destination_wallet_id, false, 0)                           \
	X(rest, BIGINT, h->rest, false, 1)                                                             \
	X(captured, BIGINT, h->captured, false, 1)                                                     \
	X(max_capture, BIGINT, h->max_capture, false, 1)                                               \
	X(expires_at, TIME, h->expires_at, false, 1)                                                   \
	X(updated_at, TIME, h->updated_at, false, 1)                                                   \
	X(state, SMALLINT, h->state, false, 1)

static const RowColumn hold_columns[] = {HOLD_COLUMNS(MAP_COLUMN)};

struct HoldPlaces
{
	HOLD_COLUMNS(MAP_PLACE)
};

static void
hold_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Hold *h = from;

	HOLD_COLUMNS(MAP_PUT)
}

static void
hold_from_row(const Datum *values, const bool *nulls, void *to)
{
	Hold *h = to;

	*h = (Hold){0};
	HOLD_COLUMNS(MAP_GET)
}

static Statement insert_holds;
static Statement update_holds;

static const SecondKey due_key = {
    .id_column = offsetof(struct HoldPlaces, source_wallet_id) + 1,
    .time_column = offsetof(struct HoldPlaces, expires_at) + 1,
    .state_column = offsetof(struct HoldPlaces, state) + 1,
};

static const SecondKey end_key = {
    .time_column = offsetof(struct HoldPlaces, expires_at) + 1,
    .state_column = offsetof(struct HoldPlaces, state) + 1,
};

static const RowLayout hold_layout = {
    .table = "hold",
    MAP_COLUMNS(hold_columns),
    .struct_size = sizeof(Hold),
    .row_offset = offsetof(Hold, row),
    .hint = HINT_HOLD,
    .to_row = hold_to_row,
    .from_row = hold_from_row,
    .insert = &insert_holds,
};

static MapSelect find_holds = {
    "wallet.hold AS t WHERE t.hold_id = ANY ($1) ORDER BY t.hold_id",
    {NULL, 1, {INT8ARRAYOID}},
};

static MapSelect find_due = {
    "unnest($1) AS w (wallet_id) CROSS JOIN LATERAL (SELECT * FROM wallet.hold AS i "
    "WHERE i.state = 0 AND i.source_wallet_id = w.wallet_id AND i.expires_at <= $2 "
    "ORDER BY i.expires_at LIMIT $3) AS t LIMIT $4",
    {NULL, 4, {INT8ARRAYOID, TIMESTAMPTZOID, INT8OID, INT8OID}},
};

/* For so many wallets it pays to look first whether any hold is due. */
#define LOOK_ONCE_MIN 4

int
holds_find(const int64 *ids, int count, Hold *holds)
{
	return map_find(&hold_layout, &find_holds, ids, count, holds);
}

/*
 * Is no hold due at all, as is usual?  Looks at as many entries as there are wallets: to look for
 * each wallet would take longer.  False also where that does not tell.
 */
static bool
none_is_due(TimestampTz moment, int wallets)
{
	RowReader reader;
	int entries = wallets;
	bool is_none;

	if (wallets < LOOK_ONCE_MIN ||
	    !reader_open_second(&reader, &hold_layout, &end_key, AccessShareLock))
		return false;
	reader_seek_second(&reader, 0, moment);
	is_none = !reader_next_among(&reader, &entries) && entries > 0;
	reader_close(&reader);
	return is_none;
}

/*
 * Leaves out the holds of the wallets of which few_max were read, and marks these wallets.  Returns
 * how many holds are left.
 */
static int
leave_many_out(const int64 *wallet_ids, int few_max, bool *lacks, Hold *holds, int count)
{
	int kept = 0;
	int wallet = 0;

	for (int from = 0, end = 0; from < count; from = end)
	{
		while (wallet_ids[wallet] != holds[from].source_wallet_id)
			wallet++;
		while (end < count && holds[end].source_wallet_id == wallet_ids[wallet])
			end++;
		lacks[wallet] = end - from >= few_max;
		if (lacks[wallet])
			continue;
		memmove(&holds[kept], &holds[from], sizeof(Hold) * (end - from));
		kept += end - from;
	}
	return kept;
}

static int
select_due(const int64 *wallet_ids, int count, TimestampTz moment, int few_max, bool *lacks,
           Hold *holds, int room)
{
	int64 each_max = lacks == NULL ? PG_INT64_MAX : few_max;
	int found = map_select(&hold_layout, &find_due,
	                       (Datum[]){int64_array(wallet_ids, count), TimestampTzGetDatum(moment),
	                                 Int64GetDatum(each_max), Int64GetDatum(room)},
	                       true, holds, room);

	/* When there is no room for all, the caller asks again with more. */
	return lacks == NULL || found == room
	           ? found
	           : leave_many_out(wallet_ids, few_max, lacks, holds, found);
}

int
holds_find_due(const int64 *wallet_ids, int count, TimestampTz moment, int few_max, bool *lacks,
               Hold *holds, int room)
{
	RowReader reader;
	int found = 0;

	if (none_is_due(moment, count))
		return 0;
	if (!reader_open_second(&reader, &hold_layout, &due_key, AccessShareLock))
		return select_due(wallet_ids, count, moment, few_max, lacks, holds, room);
	for (int i = 0; i < count && found < room; i++)
	{
		int first = found;
		int entries = lacks == NULL ? PG_INT32_MAX : few_max;

		reader_seek_second(&reader, wallet_ids[i], moment);
		while (found < room && reader_next_among(&reader, &entries))
		{
			CHECK_FOR_INTERRUPTS();
			map_take(&hold_layout, reader.slot, &holds[found++]);
		}
		if (lacks != NULL && entries == 0)
		{
			lacks[i] = true;
			found = first;
		}
	}
	reader_close(&reader);
	return found;
}

void
holds_insert(const Hold *holds, int count)
{
	map_insert(&hold_layout, holds, count, NULL);
}

void
holds_update(Hold *holds, int count)
{
	map_update(&hold_layout, &update_holds, 1, holds, count);
}
