/*
 * reversed.c
 *		The table that says how much of a transfer has been reversed.
 *
 * Locking: see reversed.h.
 */
#include "tables/reversed.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "tables/map.h"
#include "tables/rows.h"

typedef struct Reversed
{
	int64 transfer_id;
	int64 amount;
	uint64 row;
} Reversed;

#define REVERSED_COLUMNS(X)                                                                        \
	X(transfer_id, BIGINT, r->transfer_id, false, 0)                                               \
	X(amount, BIGINT, r->amount, false, 1)

static const RowColumn reversed_columns[] = {REVERSED_COLUMNS(MAP_COLUMN)};

static void
reversed_to_row(const void *from, RowOut *out, Datum *values, bool *nulls)
{
	const Reversed *r = from;

	REVERSED_COLUMNS(MAP_PUT)
}

static void
reversed_from_row(const Datum *values, const bool *nulls, void *to)
{
	Reversed *r = to;

	*r = (Reversed){0};
	REVERSED_COLUMNS(MAP_GET)
}

static Statement insert_sums;
static Statement update_sums;

static const RowLayout reversed_layout = {
    .table = "reversed",
    MAP_COLUMNS(reversed_columns),
    .struct_size = sizeof(Reversed),
    .row_offset = offsetof(Reversed, row),
    .to_row = reversed_to_row,
    .from_row = reversed_from_row,
    .insert = &insert_sums,
};

static MapSelect find_sums = {
    "wallet.reversed AS t WHERE t.transfer_id = ANY ($1) ORDER BY t.transfer_id",
    {NULL, 1, {INT8ARRAYOID}},
};

/* Reads the rows of these originals into sums, which has room for count.  Returns how many. */
static int
find_rows(const Original *originals, int count, Reversed *sums)
{
	int64 *ids = palloc(sizeof(int64) * count);
	int found;

	for (int i = 0; i < count; i++)
		ids[i] = originals[i].transfer_id;
	found = map_find(&reversed_layout, &find_sums, ids, count, sums);
	pfree(ids);
	return found;
}

void
reversed_find(Original *originals, int count)
{
	Reversed *sums = palloc(sizeof(Reversed) * count);
	int found = find_rows(originals, count, sums);
	int next = 0;

	for (int i = 0; i < count; i++)
	{
		bool has_row = next < found && sums[next].transfer_id == originals[i].transfer_id;

		originals[i].reversed = has_row ? sums[next++].amount : 0;
	}
	Assert(next == found);
	pfree(sums);
}

/* The originals that have changed, one after the other.  Returns how many. */
static int
collect_changed(const Original *originals, int count, Original *changed)
{
	int changed_count = 0;

	for (int i = 0; i < count; i++)
	{
		if (originals[i].is_changed)
			changed[changed_count++] = originals[i];
	}
	return changed_count;
}

void
reversed_store(const Original *originals, int count)
{
	Original *changed = palloc(sizeof(Original) * Max(count, 1));
	int changed_count = collect_changed(originals, count, changed);
	Reversed *old = palloc(sizeof(Reversed) * Max(changed_count, 1));
	Reversed *new = palloc(sizeof(Reversed) * Max(changed_count, 1));
	int old_count = 0;
	int new_count = 0;

	if (changed_count > 0)
	{
		push_new_snapshot();
		old_count = find_rows(changed, changed_count, old);
		PopActiveSnapshot();
	}
	for (int i = 0, next = 0; i < changed_count; i++)
	{
		Reversed sum = {changed[i].transfer_id, changed[i].reversed, 0};

		if (next < old_count && old[next].transfer_id == sum.transfer_id)
			old[next++].amount = sum.amount;
		else
			new[new_count++] = sum;
	}
	if (old_count > 0)
		map_update(&reversed_layout, &update_sums, 1, old, old_count);
	if (new_count > 0)
		map_insert(&reversed_layout, new, new_count, NULL);
	pfree(new);
	pfree(old);
	pfree(changed);
}
