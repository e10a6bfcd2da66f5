/*
 * position.c
 *		How far the queue has been posted, as the table wallet.queue_position keeps it.
 *
 * While another session holds a snapshot, each UPDATE of the position leaves a version of the row
 * that cannot be pruned.  So the position is stored less and less often then.  Statements read the
 * row by its key in descending order, because the index entry of the newest version comes first
 * that way.
 */
#include "queue/position.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/clock.h"
#include "base/locks.h"
#include "base/relations.h"
#include "base/statement.h"

/* The time between two stores; doubles up to the maximum while a snapshot needs old versions. */
#define STORE_INTERVAL_MS 1000
#define STORE_INTERVAL_MAX_MS 64000

/* For this many new requests a worker stores the position without waiting for the interval. */
#define STORE_AT_ONCE 10000

/* For this many new requests the position is stored even when old versions cannot be pruned. */
#define STORE_REQUESTS 1000

/*
 * Sessions that open the queue at the same time add a row each.  Only one of the rows is used: the
 * one whose highest id is the largest.
 */
static Statement read_position = {
    "SELECT p.low_water::bigint, p.highest::bigint, (p.xmin::text)::bigint, p.opener::uuid FROM "
    "wallet.queue_position AS "
    "p "
    "JOIN wallet.opening AS o ON o.origin = p.origin "
    "ORDER BY p.highest DESC, p.low_water DESC, p.opener LIMIT 1",
    0,
    {0},
    NULL,
};

static Statement read_unsettled = {
    "SELECT lower(u.ids)::bigint, upper(u.ids)::bigint - 1 FROM wallet.queue_position AS p "
    "CROSS JOIN LATERAL unnest(p.unsettled) AS u (ids) WHERE p.opener = $1 ORDER BY 1",
    1,
    {UUIDOID},
    NULL,
};

static Statement find_position = {
    "SELECT (p.opener = $1 AND p.origin = (SELECT o.origin FROM wallet.opening AS "
    "o))::integer::bigint "
    "FROM wallet.queue_position AS p WHERE p.opener <= $1 ORDER BY p.opener DESC LIMIT 1",
    1,
    {UUIDOID},
    NULL,
};

/* Writes nothing when the stored position is farther already. */
static Statement store_position = {
    "UPDATE wallet.queue_position AS p SET low_water = $2, highest = $3, unsettled = "
    "(SELECT coalesce(range_agg(int8range(u.first, u.last, '[]')), '{}') "
    "FROM unnest($4, $5) AS u (first, last)) "
    "WHERE p.opener = $1 AND p.low_water <= $2 AND p.highest <= $3",
    5,
    {UUIDOID, INT8OID, INT8OID, INT8ARRAYOID, INT8ARRAYOID},
    NULL,
};

static int
compare_holes(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left > right ? -1 : left < right;
}

/* Merges the neighbours that have the fewest ids between them, until count_max ranges are left. */
static void
ranges_reduce(RangeList *list, int count_max)
{
	int64 holes[RANGES_ROOM];
	int64 smallest;
	int closable;
	int count = 1;

	Assert(count_max > 0 && list->count <= RANGES_ROOM);
	if (list->count <= count_max)
		return;
	for (int i = 1; i < list->count; i++)
		holes[i - 1] = list->items[i].first - list->items[i - 1].last;
	qsort(holes, list->count - 1, sizeof(int64), compare_holes);
	/* Holes that are larger stay.  Of the holes of this size, closable are closed. */
	smallest = holes[count_max - 1];
	closable = list->count - count_max;
	for (int i = 1; i < list->count; i++)
	{
		if (closable > 0 && list->items[i].first - list->items[count - 1].last <= smallest)
		{
			list->items[count - 1].last = list->items[i].last;
			closable--;
		}
		else
			list->items[count++] = list->items[i];
	}
	list->count = count;
}

void
ranges_add(RangeList *list, int64 first, int64 last)
{
	Assert(first <= last);
	Assert(list->count == 0 || list->items[list->count - 1].last < first);
	if (list->count > 0 && list->items[list->count - 1].last + 1 == first)
	{
		list->items[list->count - 1].last = last;
		return;
	}
	if (list->count == RANGES_ROOM)
		ranges_reduce(list, RANGES_STORED);
	list->items[list->count++] = (IdRange){first, last};
}

static void
read_ranges(const Position *position, RangeList *unsettled)
{
	statement_run(&read_unsettled, (Datum[]){UUIDPGetDatum(&position->opener)}, NULL, true);
	unsettled->count = 0;
	for (uint64 row = 0; row < SPI_processed; row++)
		ranges_add(unsettled, result_int64(row, 1), result_int64(row, 2));
}

bool
position_load(Position *position, RangeList *unsettled)
{
	bool is_null;
	Datum opener;

	Assert(queue_lock_is_held());
	statement_run(&read_position, NULL, NULL, true);
	if (SPI_processed == 0)
		return false;
	opener = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &is_null);
	*position = (Position){
	    .table = wallet_relation("queue_position"),
	    .opener = *DatumGetUUIDP(opener),
	    .low_water = result_int64(0, 1),
	    .highest = result_int64(0, 2),
	    .by = (TransactionId) result_int64(0, 3),
	    .interval_ms = STORE_INTERVAL_MS,
	};
	read_ranges(position, unsettled);
	return true;
}

bool
position_is_current(const Position *position)
{
	if (position->table != wallet_relation("queue_position"))
		return false;
	statement_run(&find_position, (Datum[]){UUIDPGetDatum(&position->opener)}, NULL, true);
	return SPI_processed == 1 && result_int64(0, 1) == 1;
}

/* Whether a snapshot still needs the version of the row before the last one. */
static bool
old_versions_are_needed(const Position *position)
{
	Relation table = table_open(position->table, AccessShareLock);
	TransactionId horizon = GetOldestNonRemovableTransactionId(table);

	table_close(table, NoLock);
	return TransactionIdIsValid(position->by) && !TransactionIdPrecedes(position->by, horizon);
}

bool
position_is_due(Position *position, int64 low_water, int64 highest, bool taking_over)
{
	int64 now_ms = monotonic_ms();

	Assert(low_water <= highest);
	if (low_water <= position->low_water && highest <= position->highest)
		return false;
	if (taking_over)
		return position->highest == 0 || highest - position->highest >= STORE_REQUESTS ||
		       !old_versions_are_needed(position);
	if (now_ms - position->stored_ms >= position->interval_ms)
		return true;
	if (highest - position->highest < STORE_AT_ONCE &&
	    now_ms - Max(position->stored_ms, position->looked_ms) < STORE_INTERVAL_MS)
		return false;
	position->looked_ms = now_ms;
	return !old_versions_are_needed(position);
}

Position
position_store(const Position *position, int64 low_water, int64 highest, RangeList *unsettled)
{
	Position stored = *position;
	int64 firsts[RANGES_STORED];
	int64 lasts[RANGES_STORED];

	Assert(queue_lock_is_held() && low_water <= highest);
	ranges_reduce(unsettled, RANGES_STORED);
	for (int i = 0; i < unsettled->count; i++)
	{
		firsts[i] = unsettled->items[i].first;
		lasts[i] = unsettled->items[i].last;
	}
	statement_run(&store_position,
	              (Datum[]){UUIDPGetDatum(&position->opener), Int64GetDatum(low_water),
	                        Int64GetDatum(highest), int64_array(firsts, unsettled->count),
	                        int64_array(lasts, unsettled->count)},
	              NULL, false);
	stored.low_water = low_water;
	stored.highest = highest;
	stored.by = GetCurrentTransactionId();
	stored.stored_ms = monotonic_ms();
	stored.interval_ms = old_versions_are_needed(position)
	                         ? Min(position->interval_ms * 2, STORE_INTERVAL_MAX_MS)
	                         : STORE_INTERVAL_MS;
	return stored;
}
