/*
 * gaps.c
 *		Ids below the highest one seen that are not visible yet; see gaps.h for the protocol.
 *
 * The list is in the order of ids, and so in the order of horizons.  A round keeps the first gaps
 * of the list unchanged, and writes the gaps after them into a second list.  At the commit, the
 * second list replaces those gaps.
 *
 * Two snapshots tell which transactions have ended since the last round.  A transaction has ended
 * in between when the older snapshot shows it as in progress, or does not know it, and the newer
 * snapshot shows it as ended.  Subtransactions do not matter: their rows become visible when the
 * top transaction ends, and its transaction id is lower than theirs.
 */
#include "queue/gaps.h"

#include "access/transam.h"
#include "utils/memutils.h"

#include "base/arrays.h"

/* When there are more gaps (24 MB), neighbouring ones are merged. */
#define GAPS_MAX 1000000

typedef struct GapList
{
	Gap *items;
	int count;
	int room;
} GapList;

/* Which transactions are in progress, by a snapshot; as full transaction ids. */
typedef struct Progress
{
	uint64 xmin; /* all transactions below this id have ended */
	uint64 xmax; /* the snapshot knows no transaction from this id on */
	uint64 *running;
	int running_count;
	int room;
} Progress;

struct Gaps
{
	MemoryContext context;
	GapList list;
	Progress seen;     /* by the snapshot of the last round that was committed */
	int64 unread_from; /* that round has not looked into gaps from this id on */
	int64 blurred_until;
	/* of the present round */
	int kept;       /* number of the list's first gaps that stay unchanged */
	GapList next;   /* the gaps that follow them */
	Progress round; /* by the round's snapshot */
	int64 next_unread_from;
	bool is_begun;
};

Gaps *
gaps_make(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_wallet gaps", ALLOCSET_SMALL_SIZES);
	Gaps *gaps = MemoryContextAllocZero(context, sizeof(Gaps));

	gaps->context = context;
	gaps->unread_from = gaps->next_unread_from = PG_INT64_MAX;
	return gaps;
}

void
gaps_reset(Gaps *gaps)
{
	gaps->list.count = gaps->next.count = gaps->kept = 0;
	gaps->seen.xmax = 0;
	gaps->seen.running_count = 0;
	gaps->unread_from = gaps->next_unread_from = PG_INT64_MAX;
	gaps->blurred_until = 0;
	gaps->is_begun = false;
}

uint64
gaps_horizon(void)
{
	return U64FromFullTransactionId(ReadNextFullTransactionId());
}

/* Returns the full id of a transaction id of at most 2^32 transactions before next. */
static uint64
full_transaction_id(TransactionId xid, uint64 next)
{
	return next - (uint32) ((uint32) next - xid);
}

static int
compare_ids(const void *a, const void *b)
{
	uint64 left = *(const uint64 *) a;
	uint64 right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

static void
remember_progress(Gaps *gaps, Progress *progress, Snapshot snapshot)
{
	uint64 next = gaps_horizon();

	Assert(TransactionIdIsValid(snapshot->xmin) && TransactionIdIsValid(snapshot->xmax));
	if (progress->room < (int) snapshot->xcnt)
	{
		progress->room = (int) snapshot->xcnt * 2;
		if (progress->running != NULL)
			pfree(progress->running);
		progress->running = MemoryContextAlloc(gaps->context, sizeof(uint64) * progress->room);
	}
	progress->running_count = (int) snapshot->xcnt;
	for (int i = 0; i < progress->running_count; i++)
		progress->running[i] = full_transaction_id(snapshot->xip[i], next);
	qsort(progress->running, progress->running_count, sizeof(uint64), compare_ids);
	progress->xmin = full_transaction_id(snapshot->xmin, next);
	progress->xmax = full_transaction_id(snapshot->xmax, next);
}

static bool
is_running(const Progress *progress, uint64 xid)
{
	return xid >= progress->xmax || bsearch(&xid, progress->running, progress->running_count,
	                                        sizeof(uint64), compare_ids) != NULL;
}

/*
 * Returns the oldest transaction that was in progress then, or began later, and has ended by now;
 * PG_UINT64_MAX when there is none.
 */
static uint64
oldest_ended(const Progress *then, const Progress *now)
{
	uint64 oldest = then->xmax;

	for (int i = 0; i < then->running_count; i++)
	{
		if (!is_running(now, then->running[i]))
			return then->running[i];
	}
	while (oldest < now->xmax && is_running(now, oldest))
		oldest++;
	return oldest < now->xmax ? oldest : PG_UINT64_MAX;
}

/* Returns how many of the list's first gaps the reader need not look into. */
static int
count_unchanged(const Gaps *gaps, uint64 ended)
{
	int low = 0;
	int high = gaps->list.count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;
		const Gap *gap = &gaps->list.items[middle];

		if (gap->horizon > ended || gap->last >= gaps->unread_from)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const Gap *
gaps_begin(Gaps *gaps, Snapshot snapshot, int *count)
{
	gaps_rollback(gaps);
	gaps->is_begun = true;
	remember_progress(gaps, &gaps->round, snapshot);
	gaps->kept = count_unchanged(gaps, oldest_ended(&gaps->seen, &gaps->round));
	*count = gaps->list.count - gaps->kept;
	/* Stays so unless gaps_found is called. */
	if (*count > 0)
		gaps->next_unread_from = gaps->list.items[gaps->kept].first;
	gaps->kept = gaps->list.count;
	return gaps->list.items + gaps->list.count - *count;
}

static void
append(Gaps *gaps, GapList *list, int64 first, int64 last, uint64 horizon)
{
	if (first > last)
		return;
	if (list->count == list->room)
	{
		list->room = Max(16, list->room * 2);
		list->items = list->items == NULL
		                  ? MemoryContextAlloc(gaps->context, sizeof(Gap) * list->room)
		                  : repalloc_huge(list->items, sizeof(Gap) * list->room);
	}
	list->items[list->count++] = (Gap){first, last, horizon};
}

/*
 * The round's snapshot shows the rows of every transaction below its xmin that has committed.  So
 * a gap whose horizon is at or below xmin is dead: its ids are not visible, and never become
 * visible.
 */
static void
append_unless_dead(Gaps *gaps, int64 first, int64 last, uint64 horizon)
{
	if (gaps->round.xmin < horizon)
		append(gaps, &gaps->next, first, last, horizon);
}

void
gaps_found(Gaps *gaps, const int64 *ids, int count, int64 known_until)
{
	int from = gaps->list.count;
	int next = 0;

	Assert(gaps->is_begun && gaps->next.count == 0);
	Assert(member_rises(ids, count, sizeof(int64), 0));
	Assert(count == 0 || ids[count - 1] <= known_until);
	while (from > 0 && gaps->list.items[from - 1].last >= gaps->next_unread_from)
		from--;
	gaps->kept = from;
	gaps->next_unread_from = known_until == PG_INT64_MAX ? PG_INT64_MAX : known_until + 1;
	for (int i = from; i < gaps->list.count; i++)
	{
		const Gap *gap = &gaps->list.items[i];
		int64 first = gap->first;

		for (; next < count && ids[next] <= gap->last; next++)
		{
			Assert(ids[next] >= first);
			append_unless_dead(gaps, first, ids[next] - 1, gap->horizon);
			first = ids[next] + 1;
		}
		append_unless_dead(gaps, first, Min(gap->last, known_until), gap->horizon);
		if (gap->last > known_until)
			append(gaps, &gaps->next, Max(first, known_until + 1), gap->last, gap->horizon);
	}
	Assert(next == count);
}

/* For assertions: whether ids from first on, with this horizon, belong at the end of the list. */
static inline bool
comes_last(const Gaps *gaps, int64 first, uint64 horizon)
{
	int count = gaps_count(gaps);

	return count == 0 || (gaps_get(gaps, count - 1)->last < first &&
	                      gaps_get(gaps, count - 1)->horizon <= horizon);
}

void
gaps_add(Gaps *gaps, int64 first, int64 last, uint64 horizon)
{
	Assert(gaps->is_begun);
	Assert(comes_last(gaps, first, horizon));
	append_unless_dead(gaps, first, last, horizon);
}

void
gaps_add_unread(Gaps *gaps, int64 first, int64 last, uint64 horizon)
{
	Assert(!gaps->is_begun && gaps->next.count == 0);
	Assert(comes_last(gaps, first, horizon));
	append(gaps, &gaps->list, first, last, horizon);
	gaps->kept = gaps->list.count;
	gaps->unread_from = Min(gaps->unread_from, first);
}

/* Merges each second gap with the gap before it. */
static void
halve(Gaps *gaps)
{
	GapList *list = &gaps->list;
	int count = 0;

	for (int i = 0; i < list->count; i += 2)
	{
		const Gap *last = &list->items[Min(i + 1, list->count - 1)];

		list->items[count++] = (Gap){list->items[i].first, last->last, last->horizon};
	}
	list->count = count;
	gaps->blurred_until = list->items[count - 1].last;
}

void
gaps_commit(Gaps *gaps)
{
	Progress seen = gaps->seen;

	if (!gaps->is_begun)
		return;
	gaps->list.count = gaps->kept;
	for (int i = 0; i < gaps->next.count; i++)
	{
		const Gap *gap = &gaps->next.items[i];

		append(gaps, &gaps->list, gap->first, gap->last, gap->horizon);
	}
	gaps->next.count = 0;
	if (gaps->list.count > GAPS_MAX)
		halve(gaps);
	gaps->kept = gaps->list.count;
	gaps->unread_from = gaps->next_unread_from;
	gaps->seen = gaps->round;
	gaps->round = seen;
	gaps->is_begun = false;
}

void
gaps_rollback(Gaps *gaps)
{
	gaps->next.count = 0;
	gaps->next_unread_from = PG_INT64_MAX;
	gaps->kept = gaps->list.count;
	gaps->is_begun = false;
}

int
gaps_count(const Gaps *gaps)
{
	return gaps->kept + gaps->next.count;
}

const Gap *
gaps_get(const Gaps *gaps, int i)
{
	Assert(i >= 0 && i < gaps_count(gaps));
	return i < gaps->kept ? &gaps->list.items[i] : &gaps->next.items[i - gaps->kept];
}

int64
gaps_blurred_until(const Gaps *gaps)
{
	return gaps->blurred_until;
}
