/*
 * queue_reading.c
 *		Collects the requests of a round: deferred ones, those in gaps, and new ones.
 */
#include "queue_internal.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Deferred requests in a batch: so many that new ones need not wait for long. */
#define DEFERRED_AT_ONCE 4096

/* The same while direct payments step back for the worker. */
#define CLAIMED_AT_ONCE 2048

/* Requests that are read again at once, because only their ids were kept. */
#define REREAD_AT_ONCE 8192

QueueState
make_state(Queue *queue, int64 highest)
{
	return (QueueState){
	    .context =
	        AllocSetContextCreate(queue->context, "pg_wallet queue state", ALLOCSET_DEFAULT_SIZES),
	    .highest = highest,
	};
}

void
replace_state(Queue *queue, QueueState *state, QueueState with)
{
	if (state->context != NULL)
		MemoryContextDelete(state->context);
	*state = with;
}

static void
add_gap(QueueState *state, int64 first, int64 last, uint64 horizon)
{
	if (first > last)
		return;
	if (state->gap_count == state->gap_room)
	{
		state->gap_room = Max(16, state->gap_room * 2);
		if (state->gaps == NULL)
			state->gaps = MemoryContextAlloc(state->context, sizeof(Gap) * state->gap_room);
		else
			state->gaps = repalloc_huge(state->gaps, sizeof(Gap) * state->gap_room);
	}
	state->gaps[state->gap_count++] = (Gap){first, last, horizon};
}

/* The full transaction id of a recent 32-bit one. */
static uint64
full_transaction_id(TransactionId xid)
{
	uint64 next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return next - (uint32) ((uint32) next - xid);
}

/* Where the next requests are read to. */
static Request *
reading_end(const Reading *reading)
{
	return reading->requests + reading->count;
}

/*
 * Look into the gaps again.  The snapshot shows every row of a transaction that has ended; what it
 * does not show of a gap whose horizon has passed is dead.  Beyond the last row of a full reading
 * nothing is known, so there the gaps stay.
 */
static void
read_gap_rows(Queue *queue, Reading *reading)
{
	const QueueState *state = &queue->state;
	uint64 xmin = full_transaction_id(GetActiveSnapshot()->xmin);
	int64 *firsts = palloc(sizeof(int64) * state->gap_count);
	int64 *lasts = palloc(sizeof(int64) * state->gap_count);
	int64 known_until;
	const Request *found = reading_end(reading);
	int found_count;
	int next_found = 0;

	for (int i = 0; i < state->gap_count; i++)
	{
		firsts[i] = state->gaps[i].first;
		lasts[i] = state->gaps[i].last;
	}
	found_count = request_read_ranges(firsts, lasts, state->gap_count, reading->rows_max,
	                                  reading_end(reading));
	known_until =
	    found_count < reading->rows_max ? PG_INT64_MAX : found[found_count - 1].request_id;
	for (int i = 0; i < state->gap_count; i++)
	{
		const Gap *gap = &state->gaps[i];
		int64 next = gap->first;
		bool dead = xmin >= gap->horizon;

		for (; next_found < found_count && found[next_found].request_id <= gap->last; next_found++)
		{
			if (!dead)
				add_gap(&queue->next, next, found[next_found].request_id - 1, gap->horizon);
			next = found[next_found].request_id + 1;
		}
		if (!dead)
			add_gap(&queue->next, next, gap->last, gap->horizon);
		else
			add_gap(&queue->next, Max(next, known_until), gap->last, gap->horizon);
	}
	reading->rows += found_count;
	reading->count += found_count;
}

/* Take out of the newly read requests those that are settled already. */
static int
drop_settled(Request *requests, const bool *settled, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (!settled[i])
			requests[kept++] = requests[i];
	}
	return kept;
}

/* Read on above the highest id; ids that are skipped on the way are new gaps. */
static void
read_new_rows(Queue *queue, Reading *reading)
{
	bool may_be_settled = queue->state.highest < queue->settled_until;
	uint64 horizon = U64FromFullTransactionId(ReadNextFullTransactionId());
	bool dead = full_transaction_id(GetActiveSnapshot()->xmin) >= horizon;
	int count_max = reading->rows_max - reading->rows;
	bool *settled = may_be_settled ? palloc(sizeof(bool) * count_max) : NULL;
	Request *found = reading_end(reading);
	int count = may_be_settled
	                ? request_read_after_or_settled(queue->state.highest, count_max, found, settled)
	                : request_read_after(queue->state.highest, count_max, found);

	for (int i = 0; i < count; i++)
	{
		if (!dead)
			add_gap(&queue->next, queue->next.highest + 1, found[i].request_id - 1, horizon);
		queue->next.highest = found[i].request_id;
	}
	reading->rows += count;
	reading->count += may_be_settled ? drop_settled(found, settled, count) : count;
}

static int
compare_requests(const void *a, const void *b)
{
	int64 left = ((const Request *) a)->request_id;
	int64 right = ((const Request *) b)->request_id;

	return left < right ? -1 : left > right;
}

/* Deferred requests of which only the ids were kept go into their lines, when there is room. */
static void
reread_deferred(Queue *queue, int64 now_ms)
{
	int64 *ids;
	Request *requests;
	int count;
	int found;

	if (!deferred_wants_reading(queue->deferred))
		return;
	ids = palloc(sizeof(int64) * REREAD_AT_ONCE);
	count = deferred_ids_to_read(queue->deferred, REREAD_AT_ONCE, ids);
	requests = palloc(sizeof(Request) * count);
	found = request_read_ranges(ids, ids, count, count, requests);
	if (found != count)
		elog(ERROR, "%d deferred requests are gone", count - found);
	for (int i = 0; i < found; i++)
	{
		deferred_reread(queue->deferred, &requests[i]);
		(void) deferred_add(queue->deferred, &requests[i], now_ms);
	}
	pfree(requests);
	pfree(ids);
}

/* Of the rows that were read, keep those that no deferred request comes before. */
static void
defer_blocked(Queue *queue, Reading *reading, int64 now_ms)
{
	int kept = 0;

	qsort(reading->requests, reading->count, sizeof(Request), compare_requests);
	for (int i = 0; i < reading->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (deferred_blocks(queue->deferred, &reading->requests[i]))
			deferred_put(queue->deferred, &reading->requests[i], now_ms);
		else
		{
			reading->entries[kept] = NULL;
			reading->requests[kept++] = reading->requests[i];
		}
	}
	reading->count = kept;
}

/* The first new_count are new, the others were deferred: put all into the order of their ids. */
static void
merge_parts(Reading *reading, int new_count)
{
	Request *requests;
	DeferredEntry **entries;
	int new = 0;
	int old = new_count;

	if (new_count == 0 || new_count == reading->count)
		return;
	requests = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Request) * reading->count);
	entries = palloc(sizeof(DeferredEntry *) * reading->count);
	for (int i = 0; i < reading->count; i++)
	{
		bool is_new = old == reading->count ||
		              (new < new_count &&
		               reading->requests[new].request_id < reading->requests[old].request_id);
		int from = is_new ? new ++ : old++;

		requests[i] = reading->requests[from];
		entries[i] = reading->entries[from];
	}
	reading->requests = requests;
	reading->entries = entries;
}

/* One that has failed alone is tried alone. */
static bool
read_failing(Queue *queue, Reading *reading, int64 now_ms)
{
	reading->entries[0] = deferred_take_failing(queue->deferred, now_ms, &reading->requests[0]);
	reading->count = reading->entries[0] == NULL ? 0 : 1;
	return reading->count > 0;
}

/* Read on: what has turned up in gaps, and what is new. */
static void
read_rows(Queue *queue, Reading *reading)
{
	replace_state(queue, &queue->next, make_state(queue, queue->state.highest));
	if (queue->state.gap_count > 0)
		read_gap_rows(queue, reading);
	if (reading->rows < reading->rows_max)
		read_new_rows(queue, reading);
	replace_state(queue, &queue->state, queue->next);
	queue->next = (QueueState){0};
}

/* How many rows may be read?  Deferred requests that may be tried have at most half of the room. */
static int
rows_to_read(const Queue *queue, const Reading *reading, bool halving, int deferred_max)
{
	if (!deferred_has_ready(queue->deferred))
		return reading->limit;
	if (halving || reading->limit == 1)
		return 0;
	return reading->limit - Min(deferred_max, reading->limit / 2);
}

/*
 * Collect the round's requests in the order of their ids: those deferred before that may be tried,
 * those that have turned up in gaps, and new ones.  While a failing batch is halved, no more are
 * added to it.
 */
static void
read_requests(Queue *queue, int requests_max)
{
	Reading *reading = &queue->reading;
	Deferred *deferred = queue->deferred;
	bool halving = queue->requests_max != NOT_HALVED;
	int64 now_ms = monotonic_ms();
	int deferred_max = deferred_has_claims(deferred) ? CLAIMED_AT_ONCE : DEFERRED_AT_ONCE;
	int new_count;

	reading->limit = Min(requests_max, halving ? queue->requests_max : batch_size());
	reading->requests =
	    MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Request) * reading->limit);
	reading->entries = palloc(sizeof(DeferredEntry *) * reading->limit);
	reading->fates = palloc(sizeof(RequestFate) * reading->limit);
	deferred_wake(deferred, now_ms);
	if ((!halving || !deferred_has_ready(deferred)) && read_failing(queue, reading, now_ms))
		return;
	reread_deferred(queue, now_ms);
	reading->rows_max = rows_to_read(queue, reading, halving, deferred_max);
	if (reading->rows_max > 0)
	{
		read_rows(queue, reading);
		defer_blocked(queue, reading, now_ms);
	}
	new_count = reading->count;
	reading->count += deferred_take(deferred, Min(reading->limit - new_count, deferred_max),
	                                reading->requests + new_count, reading->entries + new_count);
	merge_parts(reading, new_count);
}

/* The same, in memory of the round's own. */
void
begin_reading(Queue *queue, int requests_max)
{
	MemoryContext context;

	MemoryContextReset(queue->round_context);
	queue->reading = (Reading){0};
	queue->is_reading = true;
	context = MemoryContextSwitchTo(queue->round_context);
	read_requests(queue, requests_max);
	MemoryContextSwitchTo(context);
	queue->is_reading = false;
}

void
end_reading(Queue *queue)
{
	queue->reading = (Reading){0};
	MemoryContextReset(queue->round_context);
}

/* Put what is not tried in this round back, or into its lines. */
void
put_back(Queue *queue, int from)
{
	Reading *reading = &queue->reading;
	int64 now_ms = monotonic_ms();

	for (int i = from; i < reading->count; i++)
	{
		if (reading->entries[i] == NULL)
			(void) deferred_add(queue->deferred, &reading->requests[i], now_ms);
		else
			deferred_return(queue->deferred, reading->entries[i]);
	}
	reading->count = Min(reading->count, from);
}
