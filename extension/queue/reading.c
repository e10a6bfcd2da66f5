/*
 * reading.c
 *		Collects the requests of a round: deferred ones, those in gaps, and new ones.
 */
#include "queue/reading.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/clock.h"
#include "posting/batch.h"
#include "posting/resolve.h"
#include "queue/gaps.h"
#include "queue/named.h"
#include "queue/state.h"
#include "queue/taking.h"
#include "rules/operation.h"
#include "tables/requests.h"

/*
 * The number of requests in a round while requests are deferred.  When a great many requests come
 * for a locked wallet, a round of this size takes about 20 ms (5 us for each request), so a
 * request for another wallet does not wait for long.
 */
#define ROUND_OF_DEFERRED 4096

/* The number of deferred requests in a round. */
#define DEFERRED_AT_ONCE 4096

/* The number of deferred requests in a round while a wallet is claimed. */
#define CLAIMED_AT_ONCE 2048

/* The number of requests that a round reads again because only their ids were kept. */
#define REREAD_AT_ONCE 8192

/* Returns the place for the next requests that are read. */
static Request *
reading_end(const Reading *reading)
{
	return reading->requests + reading->count;
}

/*
 * When gaps were merged, rows between them are read again, and some of these requests are deferred
 * already.  Removes those, and returns how many requests are left.
 */
static int
drop_deferred(const Queue *queue, Request *requests, int count)
{
	DeferredCursor cursor = {0};
	int64 deferred;
	int left = 0;

	if (gaps_blurred_until(queue->gaps) == 0)
		return count;
	deferred = deferred_next_id(queue->deferred, &cursor);
	for (int i = 0; i < count; i++)
	{
		while (deferred < requests[i].request_id)
			deferred = deferred_next_id(queue->deferred, &cursor);
		if (deferred != requests[i].request_id)
			requests[left++] = requests[i];
	}
	return left;
}

/* Adds the rows that were just read to the round, without those that were read in earlier rounds.
 */
static void
add_rows(Queue *queue, Reading *reading, int count)
{
	Request *found = reading_end(reading);
	int64 known_until = Max(queue->settled_until, gaps_blurred_until(queue->gaps));
	int known = 0;
	int left;
	int count_read;

	while (known < count && found[known].request_id <= known_until)
		known++;
	left = drop_deferred(queue, found, requests_drop_settled(found, known));
	memmove(found + left, found + known, sizeof(Request) * (count - known));
	count_read = left + count - known;
	named_open(found, count_read);
	named_find(found, count_read, queue->gaps);
	resolve_links(found, count_read);
	reading->count += count_read;
}

/* Reads the rows that have become visible in gaps. */
static void
read_gap_rows(Queue *queue, Reading *reading)
{
	int gap_count;
	const Gap *gaps = gaps_begin(queue->gaps, GetActiveSnapshot(), &gap_count);
	Request *found = reading_end(reading);
	int64 *ids;
	int count;

	if (gap_count == 0)
		return;
	count = requests_read_gaps(gaps, gap_count, &reading->room, found);
	ids = palloc(sizeof(int64) * count);
	for (int i = 0; i < count; i++)
		ids[i] = found[i].request_id;
	/* When the reading is full, rows after its last one may be visible too. */
	gaps_found(queue->gaps, ids, count,
	           read_room_is_left(&reading->room) ? PG_INT64_MAX : ids[count - 1]);
	pfree(ids);
	add_rows(queue, reading, count);
}

/* Reads the rows above the highest id.  Ids between them that are not visible become gaps. */
static void
read_new_rows(Queue *queue, Reading *reading)
{
	uint64 horizon = gaps_horizon();
	const Request *found = reading_end(reading);
	int64 seen = queue->highest;
	int count = requests_read_after(queue->highest, &reading->room, reading_end(reading), &seen);

	for (int i = 0; i < count; i++)
	{
		gaps_add(queue->gaps, queue->highest + 1, found[i].request_id - 1, horizon);
		queue->highest = found[i].request_id;
	}
	if (seen > queue->highest)
	{
		gaps_add(queue->gaps, queue->highest + 1, seen, gaps_horizon());
		queue->highest = seen;
	}
	add_rows(queue, reading, count);
}

static int
compare_requests(const void *a, const void *b)
{
	int64 left = ((const Request *) a)->request_id;
	int64 right = ((const Request *) b)->request_id;

	return left < right ? -1 : left > right;
}

/* Reads deferred requests of which only the ids were kept, and puts them into their lines. */
static void
reread_deferred(Queue *queue, int64 now_ms)
{
	int64 *ids;
	Gap *gaps;
	Request *requests;
	ReadRoom room = {INT_MAX, INT_MAX};
	int count;
	int found;

	if (!deferred_wants_reading(queue->deferred))
		return;
	ids = palloc(sizeof(int64) * REREAD_AT_ONCE);
	count = deferred_ids_to_read(queue->deferred, REREAD_AT_ONCE, ids);
	requests = palloc(sizeof(Request) * count);
	gaps = palloc(sizeof(Gap) * count);
	for (int i = 0; i < count; i++)
		gaps[i] = (Gap){.first = ids[i], .last = ids[i]};
	found = requests_read_gaps(gaps, count, &room, requests);
	pfree(gaps);
	if (found != count)
		ereport(
		    ERROR,
		    (errcode(ERRCODE_INTERNAL_ERROR),
		     errmsg("%d deferred requests are missing in wallet.request", count - found),
		     errdetail("They are among the requests from " INT64_FORMAT " to " INT64_FORMAT ".",
		               ids[0], ids[count - 1]),
		     errhint(
		         "A trigger may have deleted their rows, or somebody has detached a partition.")));
	named_open(requests, found);
	resolve_links(requests, found);
	for (int i = 0; i < found; i++)
	{
		deferred_reread(queue->deferred, &requests[i]);
		(void) deferred_add(queue->deferred, &requests[i], now_ms);
	}
	pfree(requests);
	pfree(ids);
}

/* Of a hold that was found, the wallets may have requests before this one that are not in memory.
 */
static void
forget_hold(Request *request, int64 named_id)
{
	request->link_id = named_id;
	request->is_unresolved = true;
	request->source_wallet_id = request->destination_wallet_id = 0;
}

/*
 * Looks for the holds that taken requests name, from this place of the reading on.  A request whose
 * hold is found moves into the lines of its wallets, and leaves the reading when others stand there
 * before it.
 */
static void
find_holds_of_taken(Queue *queue, Reading *reading, int from)
{
	Request *requests = reading->requests + from;
	int count = reading->count - from;
	int64 *named_ids;
	int kept = from;

	if (!named_are_unresolved(requests, count))
		return;
	named_ids = palloc(sizeof(int64) * count);
	for (int i = 0; i < count; i++)
		named_ids[i] = requests[i].is_unresolved ? requests[i].link_id : 0;
	named_find(requests, count, queue->gaps);
	resolve_links(requests, count);
	for (int i = from; i < reading->count; i++)
	{
		Request *request = &reading->requests[i];
		int64 named_id = named_ids[i - from];
		bool is_found = named_id != 0 && !request->is_unresolved;

		if (is_found && deferred_has_unread(queue->deferred, request))
		{
			forget_hold(request, named_id);
			is_found = false;
		}
		if (is_found && !deferred_rename(queue->deferred, reading->entries[i], request))
			continue;
		reading->entries[kept] = reading->entries[i];
		reading->requests[kept++] = *request;
	}
	reading->count = kept;
	pfree(named_ids);
}

/*
 * Defers the requests of the reading that a deferred request blocks, and keeps the others.  One
 * whose time has passed is kept: it is refused before its wallets are looked at.
 */
static void
defer_blocked(Queue *queue, Reading *reading, int64 now_ms)
{
	TimestampTz clock = ledger_now();
	int kept = 0;

	qsort(reading->requests, reading->count, sizeof(Request), compare_requests);
	for (int i = 0; i < reading->count; i++)
	{
		Request *request = &reading->requests[i];

		CHECK_FOR_INTERRUPTS();
		if (request->valid_until != 0 && request->valid_until < clock)
			request->valid_until = LONG_EXPIRED;
		if (request->valid_until != LONG_EXPIRED && deferred_blocks(queue->deferred, request))
			deferred_put(queue->deferred, request, now_ms);
		else
		{
			reading->entries[kept] = NULL;
			reading->requests[kept++] = *request;
		}
	}
	reading->count = kept;
}

/*
 * The first new_count requests of the reading are new, the others were deferred.  Both parts are
 * in the order of their ids.  Merges them into one order.
 */
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

/* Takes a request that has failed alone before, to be tried alone; false: there is none. */
static bool
read_failing(Queue *queue, Reading *reading, int64 now_ms)
{
	reading->entries[0] = deferred_take_failing(queue->deferred, now_ms, &reading->requests[0]);
	reading->count = reading->entries[0] == NULL ? 0 : 1;
	return reading->count > 0;
}

/* Reads the rows in gaps, and then new rows. */
static void
read_rows(Queue *queue, Reading *reading)
{
	read_gap_rows(queue, reading);
	if (read_room_is_left(&reading->room))
		read_new_rows(queue, reading);
	gaps_commit(queue->gaps);
}

/* Returns how many requests may be read; deferred ones get at most half of the room. */
static int
requests_to_read(const Queue *queue, const Reading *reading, bool halving, int deferred_max)
{
	if (!deferred_has_ready(queue->deferred))
		return reading->limit;
	if (halving || reading->limit == 1)
		return 0;
	return reading->limit - Min(deferred_max, reading->limit / 2);
}

/*
 * Collects the round's requests in the order of their ids: deferred requests that may be tried,
 * requests in gaps, and new ones.  While a failing batch is halved, no new requests are added.
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
	if (deferred_count(deferred) > 0)
		reading->limit = Min(reading->limit, ROUND_OF_DEFERRED);
	reading->requests =
	    MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Request) * reading->limit);
	reading->entries = palloc(sizeof(DeferredEntry *) * reading->limit);
	reading->fates = palloc(sizeof(RequestFate) * reading->limit);
	deferred_wake(deferred, now_ms, ledger_now());
	if ((!halving || !deferred_has_ready(deferred)) && read_failing(queue, reading, now_ms))
	{
		find_holds_of_taken(queue, reading, 0);
		return;
	}
	reread_deferred(queue, now_ms);
	reading->room =
	    (ReadRoom){requests_to_read(queue, reading, halving, deferred_max), batch_size()};
	reading->reads = read_room_is_left(&reading->room);
	if (reading->reads)
	{
		read_rows(queue, reading);
		defer_blocked(queue, reading, now_ms);
	}
	new_count = reading->count;
	reading->count += deferred_take(deferred, Min(reading->limit - new_count, deferred_max),
	                                reading->requests + new_count, reading->entries + new_count);
	find_holds_of_taken(queue, reading, new_count);
	merge_parts(reading, new_count);
}

void
begin_reading(Queue *queue, int requests_max)
{
	MemoryContext context;

	Assert(queue->loaded && queue->deferred != NULL && requests_max > 0);
	MemoryContextReset(queue->round_context);
	queue->reading = (Reading){0};
	queue->is_reading = true;
	context = MemoryContextSwitchTo(queue->round_context);
	read_requests(queue, requests_max);
	Assert(CurrentMemoryContext == queue->round_context);
	MemoryContextSwitchTo(context);
	queue->is_reading = false;
	Assert(queue->reading.count <= queue->reading.limit);
	Assert(MEMBER_RISES(queue->reading.requests, queue->reading.count, Request, request_id));
}

void
end_reading(Queue *queue)
{
	queue->reading = (Reading){0};
	MemoryContextReset(queue->round_context);
}

void
put_back(Queue *queue, int from)
{
	Reading *reading = &queue->reading;
	int64 now_ms = monotonic_ms();

	Assert(from >= 0);
	for (int i = from; i < reading->count; i++)
	{
		if (reading->entries[i] == NULL)
			(void) deferred_add(queue->deferred, &reading->requests[i], now_ms);
		else
			deferred_return(queue->deferred, reading->entries[i]);
	}
	reading->count = Min(reading->count, from);
}
