/*
 * queue.c
 *		Posts the queued requests of a database, batch by batch.  Rows of requests are never updated
 *		or deleted.
 *
 * A queue keeps in memory the highest id that it has read, the gaps below that id (gaps.h), and
 * the deferred requests (deferred.h): those that need a wallet which another transaction holds,
 * and those that have failed.
 *
 * A request is read once.  When the round's transaction fails, the requests of the round become
 * deferred requests that may be tried at once.  When a session has posted in between, the queue
 * forgets its state, starts again from the stored position (position.h), and skips the requests
 * that have an outcome.
 *
 * recovery.c says what happens after a batch has failed.
 *
 * Locking: the caller holds queue_lock until its transaction ends.
 */
#include "queue/queue.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/locks.h"
#include "base/settings.h"
#include "base/statement.h"
#include "posting/batch.h"
#include "queue/counts.h"
#include "queue/deferred.h"
#include "queue/gaps.h"
#include "queue/position.h"
#include "queue/reading.h"
#include "queue/state.h"
#include "tables/opening.h"

/*
 * The name of a sequence whose table has ids above the sequence's last value, and the highest
 * request that has an outcome.  An open transaction does not disturb the check, because its ids
 * come from the sequence.  Each sequence is read by a subquery, so that an index finds the ids
 * above it; with a join, PostgreSQL 18 reads the whole table.
 */
static Statement read_sequences = {
    "SELECT CASE WHEN EXISTS (SELECT FROM wallet.request AS r WHERE r.request_id > "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.request_id_seq AS q)) "
    "THEN 'request_id_seq' "
    "WHEN EXISTS (SELECT FROM wallet.transfer AS t WHERE t.transfer_id > "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.transfer_id_seq AS q)) "
    "THEN 'transfer_id_seq' "
    "WHEN EXISTS (SELECT FROM wallet.wallet AS w WHERE w.wallet_id > "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.wallet_id_seq AS q)) "
    "THEN 'wallet_id_seq' END::text, "
    "greatest((SELECT max(t.request_id) FROM wallet.transfer AS t), "
    "(SELECT max(o.request_id) FROM wallet.outcome AS o))",
    0,
    {0},
    NULL,
};

Queue *
queue_make(MemoryContext parent, bool is_worker)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_wallet queue", ALLOCSET_SMALL_SIZES);
	Queue *queue = MemoryContextAllocZero(context, sizeof(Queue));

	queue->context = context;
	queue->is_worker = is_worker;
	queue->round_context =
	    AllocSetContextCreate(context, "pg_wallet round", ALLOCSET_DEFAULT_SIZES);
	queue->gaps = gaps_make(context);
	queue->requests_max = NOT_HALVED;
	return queue;
}

void
queue_free(Queue *queue)
{
	MemoryContextDelete(queue->context);
}

/*
 * Starts from the stored position.  Raises an error when a sequence is behind the ids in its
 * table, because the sequence would give those ids again.
 */
static void
load_queue(Queue *queue, const RangeList *unsettled)
{
	uint64 horizon = gaps_horizon();
	const char *behind;

	statement_run(&read_sequences, NULL, NULL, true);
	behind = result_text(0, 1);
	if (behind[0] != '\0')
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("sequence wallet.%s is behind the ids that are in use", behind),
		                errdetail("Logical replication does not carry sequences."),
		                errhint("Set the sequence to the highest id of its table with setval().")));
	queue->settled_until = result_int64(0, 2);
	queue->highest = queue->position.highest;
	gaps_reset(queue->gaps);
	for (int i = 0; i < unsettled->count; i++)
		gaps_add_unread(queue->gaps, unsettled->items[i].first, unsettled->items[i].last, horizon);
	if (queue->deferred != NULL)
		deferred_free(queue->deferred);
	queue->deferred = deferred_make(queue->context, queue->is_worker);
	queue->loaded = true;
}

/* Loads the queue's state unless it is loaded and current; false: the queue is not open. */
static bool
find_position(Queue *queue, int64 takeovers)
{
	RangeList unsettled;

	if (queue->loaded && queue->takeovers == takeovers && position_is_current(&queue->position))
		return true;
	queue->loaded = false;
	if (!position_load(&queue->position, &unsettled))
		return false;
	load_queue(queue, &unsettled);
	queue->takeovers = takeovers;
	return true;
}

/* Counts the fates of the round's requests, as they will be when the transaction commits. */
static void
sum_up(Queue *queue, Round *round)
{
	Reading *reading = &queue->reading;
	int deferred = 0;

	for (int i = 0; i < reading->count; i++)
	{
		bool is_deferred = reading->fates[i] == FATE_DEFERRED;

		round->posted += reading->fates[i] == CODE_OK ? 1 : 0;
		round->refused += reading->fates[i] > CODE_OK ? 1 : 0;
		if (reading->entries[i] == NULL)
			deferred += is_deferred ? 1 : 0;
		else if (!is_deferred)
		{
			deferred_mark_settled(reading->entries[i]);
			deferred--;
		}
	}
	reading->settled = round->posted + round->refused;
	round->deferred = deferred_count(queue->deferred) + deferred;
}

/* Returns the next id of a request that the round defers anew; PG_INT64_MAX at the end. */
static int64
next_new_id(const Reading *reading, int *next)
{
	for (; *next < reading->count; (*next)++)
	{
		if (reading->fates[*next] == FATE_DEFERRED && reading->entries[*next] == NULL)
			return reading->requests[(*next)++].request_id;
	}
	return PG_INT64_MAX;
}

/* Walks over the ids of all requests that are deferred when the transaction commits, in order. */
typedef struct WaitingIds
{
	const Queue *queue;
	DeferredCursor cursor;
	int next_new;
	int64 old_id;
	int64 new_id;
} WaitingIds;

static WaitingIds
begin_waiting_ids(const Queue *queue)
{
	WaitingIds ids = {.queue = queue};

	ids.old_id = deferred_next_id(queue->deferred, &ids.cursor);
	ids.new_id = next_new_id(&queue->reading, &ids.next_new);
	return ids;
}

static int64
waiting_id(const WaitingIds *ids)
{
	return Min(ids->old_id, ids->new_id);
}

static void
next_waiting_id(WaitingIds *ids)
{
	if (ids->old_id < ids->new_id)
		ids->old_id = deferred_next_id(ids->queue->deferred, &ids->cursor);
	else
		ids->new_id = next_new_id(&ids->queue->reading, &ids->next_new);
}

/* Returns the first id that is deferred when the transaction commits; 0: none is. */
static int64
first_deferred(const Queue *queue)
{
	WaitingIds ids = begin_waiting_ids(queue);

	return waiting_id(&ids) == PG_INT64_MAX ? 0 : waiting_id(&ids);
}

/* Returns the id up to which every request has its outcome when the transaction commits. */
static int64
low_water_mark(const Queue *queue)
{
	WaitingIds ids = begin_waiting_ids(queue);
	int64 mark = Min(queue->highest, waiting_id(&ids) - 1);

	if (gaps_count(queue->gaps) > 0)
		mark = Min(mark, gaps_get(queue->gaps, 0)->first - 1);
	return mark;
}

/* Collects the ids up to the highest that may have no outcome: those in gaps, and the deferred. */
static void
collect_unsettled(const Queue *queue, RangeList *unsettled)
{
	int gap_count = gaps_count(queue->gaps);
	WaitingIds ids = begin_waiting_ids(queue);

	unsettled->count = 0;
	for (int i = 0; i < gap_count; i++)
	{
		const Gap *gap = gaps_get(queue->gaps, i);

		for (; waiting_id(&ids) < gap->first; next_waiting_id(&ids))
			ranges_add(unsettled, waiting_id(&ids), waiting_id(&ids));
		while (waiting_id(&ids) <= gap->last)
			next_waiting_id(&ids);
		ranges_add(unsettled, gap->first, gap->last);
	}
	for (; waiting_id(&ids) < PG_INT64_MAX; next_waiting_id(&ids))
		ranges_add(unsettled, waiting_id(&ids), waiting_id(&ids));
}

static void
store_position(Queue *queue)
{
	RangeList unsettled;

	collect_unsettled(queue, &unsettled);
	queue->next_position =
	    position_store(&queue->position, low_water_mark(queue), queue->highest, &unsettled);
}

void
queue_store(Queue *queue, int64 takeovers)
{
	Assert(queue_lock_is_held() && ActiveSnapshotSet());
	SPI_connect();
	queue->reading = (Reading){0};
	if (queue->loaded && find_position(queue, takeovers) &&
	    (low_water_mark(queue) > queue->position.low_water ||
	     queue->highest > queue->position.highest))
		store_position(queue);
	SPI_finish();
}

bool
queue_is_open(Queue *queue, int64 takeovers)
{
	bool is_open;

	Assert(queue_lock_is_held() && ActiveSnapshotSet());
	SPI_connect();
	is_open = find_position(queue, takeovers);
	SPI_finish();
	return is_open;
}

/* Posts what was read.  After a conflict with a direct payment, posts a smaller batch. */
static void
post(Queue *queue)
{
	Reading *reading = &queue->reading;

	while (reading->count > 0 &&
	       !batch_post(reading->requests, reading->count, &queue->culprit, reading->fates))
		put_back(queue, batch_size());
}

Round
queue_round(Queue *queue, int requests_max, int64 takeovers)
{
	Round round = {0};
	Reading *reading = &queue->reading;
	bool stays;

	Assert(queue_lock_is_held() && ActiveSnapshotSet() && requests_max > 0);
	SPI_connect();
	queue->next_position.table = InvalidOid;
	if (!find_position(queue, takeovers))
	{
		round.opening = opening_exists(&stays) ? QUEUE_CLOSED : QUEUE_UNOPENED;
		*reading = (Reading){0};
		SPI_finish();
		return round;
	}
	begin_reading(queue, requests_max);
	post(queue);
	sum_up(queue, &round);
	round.gaps = gaps_count(queue->gaps);
	round.more = reading->reads && !read_room_is_left(&reading->room);
	round.drained = reading->reads && read_room_is_left(&reading->room);
	round.highest = queue->highest;
	round.first_deferred = first_deferred(queue);
	if (position_is_due(&queue->position, low_water_mark(queue), queue->highest, !queue->is_worker))
		store_position(queue);
	SPI_finish();
	return round;
}

/*
 * A request is settled.  If it had failed alone before, reports the success, and ends the pauses
 * of the requests that have failed with the same error.
 */
static void
report_success(Queue *queue, const DeferredEntry *entry, int64 now_ms)
{
	if (deferred_attempts(entry) == 0)
		return;
	ereport(LOG, (errmsg("request " INT64_FORMAT " is settled, after %d attempts",
	                     deferred_request_id(entry), deferred_attempts(entry) + 1)));
	deferred_cause_is_gone(queue->deferred, deferred_sqlstate(entry), now_ms);
}

static int
compare_ids(const void *key, const void *request)
{
	int64 left = *(const int64 *) key;
	int64 right = ((const Request *) request)->request_id;

	return left < right ? -1 : left > right;
}

/*
 * A request was deferred.  When it names a hold that this round makes, the next round finds the
 * hold; else it has a pause, also while a transaction that is still open may bring the hold.
 */
static void
defer(Queue *queue, const Request *request, DeferredEntry *entry, int64 now_ms)
{
	const Reading *reading = &queue->reading;

	if (request->is_unresolved && bsearch(&request->link_id, reading->requests, reading->count,
	                                      sizeof(Request), compare_ids) != NULL)
		deferred_return(queue->deferred, entry);
	else
		deferred_busy(queue->deferred, entry, now_ms);
}

/* Takes settled requests out of their lines, and puts the requests of the round that are not in. */
static void
apply_fates(Queue *queue)
{
	Reading *reading = &queue->reading;
	int64 now_ms = monotonic_ms();

	for (int i = 0; i < reading->count; i++)
	{
		DeferredEntry *entry = reading->entries[i];

		if (reading->fates[i] == FATE_DEFERRED && entry == NULL)
		{
			entry = deferred_take_new(queue->deferred, &reading->requests[i], now_ms);
			defer(queue, &reading->requests[i], entry, now_ms);
		}
		else if (reading->fates[i] == FATE_DEFERRED)
			defer(queue, &reading->requests[i], entry, now_ms);
		else if (entry != NULL)
		{
			report_success(queue, entry, now_ms);
			deferred_remove(queue->deferred, entry);
		}
	}
	deferred_tend_claims(queue->deferred, now_ms, false);
}

/* A batch, or a part of a batch, has succeeded. */
static void
forget_failures(Queue *queue)
{
	queue->culprits = 0;
	if (queue->requests_max >= setting_batch_max / 2)
		queue->requests_max = NOT_HALVED;
	else
		queue->requests_max *= 2;
	if (queue->requests_max != NOT_HALVED)
		return;
	queue->failures = 0;
	queue->last_sqlstate = 0;
}

void
queue_advance(Queue *queue, Round *round)
{
	round->retry_ms = -1;
	if (!queue->loaded || queue->deferred == NULL)
		return;
	HOLD_INTERRUPTS();
	counts_settle(queue->reading.requests, queue->reading.fates, queue->reading.count,
	              !queue->is_worker);
	apply_fates(queue);
	RESUME_INTERRUPTS();
	if (OidIsValid(queue->next_position.table))
		queue->position = queue->next_position;
	queue->next_position.table = InvalidOid;
	/* When a round has settled nothing, the batch that failed before may fail again. */
	if (queue->reading.settled > 0)
		forget_failures(queue);
	end_reading(queue);
	round->more = round->more || deferred_has_ready(queue->deferred);
	round->retry_ms = deferred_pause_ms(queue->deferred, monotonic_ms(), ledger_now());
}

void
queue_failing(const Queue *queue, FailingRequests *failing)
{
	if (queue->deferred == NULL)
		*failing = (FailingRequests){0};
	else
		deferred_failing(queue->deferred, failing);
}

void
queue_give_claims_back(Queue *queue)
{
	if (queue->deferred != NULL)
		deferred_tend_claims(queue->deferred, monotonic_ms(), true);
}
