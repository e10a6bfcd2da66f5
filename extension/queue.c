/*
 * queue.c
 *		Which requests come next, without ever updating or deleting one.
 *
 * Request ids come from a sequence, so transactions commit them out of order.
 * A queue remembers in memory the highest id that it has seen, the gaps below
 * it (ids that are not visible yet) and the requests that are deferred
 * (deferred.c), because another transaction holds a wallet that they need, or
 * because they have failed.
 *
 * A gap is a transaction that is still open, or one that rolled back.  Whoever
 * enqueues has a transaction id before he draws a request id; so whoever drew
 * an id of the gap had a transaction id below the next one at the moment when
 * the gap was noticed: its horizon.  Once every transaction below the horizon
 * has ended, what is still not visible never will be, and the gap is dead.
 *
 * What has been read stays read, whatever becomes of the transaction: when that
 * fails, its requests are deferred ones that may be tried at once.  Whenever
 * somebody else has posted, all is thrown away: the queue starts again from the
 * stored low-water mark and skips what already has an outcome.
 *
 * A batch that fails is halved until the culprit stands alone.  When the error is
 * its own fault it is refused; otherwise it waits by itself, with those behind it,
 * until it no longer fails.  As long as nothing succeeds at all, the culprit is
 * none of the requests, and the queue pauses.
 *
 * Locking: whoever posts holds queue_lock until his transaction ends.
 */
#include "queue_internal.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "rows.h"

/* The low-water mark is stored at most this often. */
#define STORE_INTERVAL_MS 1000

static Statement read_position = {
    "SELECT max(p.low_water), max(p.takeovers), count(*) FROM wallet.queue_position AS p "
    "JOIN wallet.opening AS o ON o.origin = p.origin",
    0,
    {0},
    NULL,
};

/*
 * Columns: the newest id in each table, and the last that its sequence gave; at last, the newest
 * request that has an outcome.
 */
static Statement read_sequences = {
    "SELECT coalesce((SELECT max(r.request_id) FROM wallet.request AS r), 0), "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.request_id_seq AS q), "
    "coalesce((SELECT max(t.transfer_id) FROM wallet.transfer AS t), 0), "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.transfer_id_seq AS q), "
    "coalesce((SELECT max(w.wallet_id) FROM wallet.wallet AS w), 0), "
    "(SELECT q.last_value - (NOT q.is_called)::integer FROM wallet.wallet_id_seq AS q), "
    "greatest((SELECT max(t.request_id) FROM wallet.transfer AS t), "
    "(SELECT max(o.request_id) FROM wallet.outcome AS o))",
    0,
    {0},
    NULL,
};

static Statement store_position = {
    "UPDATE wallet.queue_position SET low_water = greatest(low_water, $1), "
    "takeovers = takeovers + $2",
    2,
    {INT8OID, INT8OID},
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
	queue->requests_max = NOT_HALVED;
	return queue;
}

void
queue_free(Queue *queue)
{
	MemoryContextDelete(queue->context);
}

/* A sequence behind the ids that are in use would give them once more. */
static void
check_sequences(void)
{
	for (int column = 1; column <= 6; column += 2)
	{
		if (result_int64(0, column) > result_int64(0, column + 1))
			ereport(ERROR,
			        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			         errmsg("a sequence in the schema wallet is behind the ids that are in use"),
			         errhint("Logical replication does not carry sequences: use setval().")));
	}
}

/* Start again from the low-water mark. */
static void
load_queue(Queue *queue, int64 low_water)
{
	statement_run(&read_sequences, NULL, NULL, true);
	check_sequences();
	queue->settled_until = result_int64(0, 7);
	queue->stored_low_water = low_water;
	replace_state(queue, &queue->state, make_state(queue, low_water));
	if (queue->deferred != NULL)
		deferred_free(queue->deferred);
	queue->deferred = deferred_make(queue->context, queue->is_worker);
	queue->loaded = true;
}

/* Know where the queue stands; false when it has not been opened yet. */
static bool
find_position(Queue *queue)
{
	Oid position_table = wallet_relation("queue_position");
	int64 low_water;
	int64 takeovers;

	statement_run(&read_position, NULL, NULL, true);
	low_water = result_int64(0, 1);
	takeovers = result_int64(0, 2);
	if (result_int64(0, 3) == 0)
		return false;
	if (queue->loaded && queue->takeovers == takeovers && queue->position_table == position_table)
		return true;
	queue->takeovers = takeovers;
	queue->position_table = position_table;
	queue->loaded = false;
	load_queue(queue, low_water);
	return true;
}

/* Sum up what becomes of the requests when the transaction commits. */
static void
sum_up(Queue *queue, Round *round)
{
	Reading *reading = &queue->reading;
	int deferred = 0;

	for (int i = 0; i < reading->count; i++)
	{
		bool is_deferred = reading->fates[i] == FATE_DEFERRED;

		round->posted += reading->fates[i] == FATE_POSTED ? 1 : 0;
		round->refused += reading->fates[i] == FATE_REFUSED ? 1 : 0;
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

/* Up to here every request has its outcome, once the transaction commits. */
static int64
low_water_mark(const Queue *queue)
{
	const QueueState *state = &queue->state;
	const Reading *reading = &queue->reading;
	int64 mark = Min(state->highest, deferred_lowest(queue->deferred) - 1);

	if (state->gap_count > 0)
		mark = Min(mark, state->gaps[0].first - 1);
	for (int i = 0; i < reading->count; i++)
	{
		if (reading->fates[i] == FATE_DEFERRED)
			return Min(mark, reading->requests[i].request_id - 1);
	}
	return mark;
}

static void
store_low_water(Queue *queue, bool taking_over)
{
	queue->has_stored = true;
	queue->next_low_water = low_water_mark(queue);
	queue->next_takeovers = queue->takeovers + (taking_over ? 1 : 0);
	queue->stored_ms = monotonic_ms();
	statement_run(&store_position,
	              (Datum[]){Int64GetDatum(queue->next_low_water), Int64GetDatum(taking_over)}, NULL,
	              false);
}

static bool
low_water_is_due(const Queue *queue)
{
	return monotonic_ms() - queue->stored_ms >= STORE_INTERVAL_MS &&
	       low_water_mark(queue) > queue->stored_low_water;
}

void
queue_store(Queue *queue)
{
	SPI_connect();
	queue->reading = (Reading){0};
	if (queue->loaded && find_position(queue) && low_water_mark(queue) > queue->stored_low_water)
		store_low_water(queue, false);
	SPI_finish();
}

/* Post what has been read.  When somebody else comes across, a smaller batch is posted. */
static void
post(Queue *queue)
{
	Reading *reading = &queue->reading;

	while (reading->count > 0 &&
	       !batch_post(reading->requests, reading->count, queue->culprit, reading->fates))
		put_back(queue, batch_size());
}

Round
queue_round(Queue *queue, int requests_max, bool taking_over)
{
	Round round = {0};
	Reading *reading = &queue->reading;

	SPI_connect();
	queue->has_stored = false;
	if (!find_position(queue))
	{
		/* Where nobody has ever queued anything there is no position at all. */
		round.closed = table_has_rows("queue_position");
		*reading = (Reading){0};
		SPI_finish();
		return round;
	}
	begin_reading(queue, requests_max);
	post(queue);
	sum_up(queue, &round);
	round.gaps = queue->state.gap_count;
	round.more = reading->rows_max > 0 && reading->rows == reading->rows_max;
	round.drained = reading->rows < reading->rows_max;
	taking_over = taking_over && reading->settled > 0;
	if (taking_over || low_water_is_due(queue))
		store_low_water(queue, taking_over);
	SPI_finish();
	return round;
}

/* A request that has failed alone is done: say so, and let others with the same error try. */
static void
report_success(Queue *queue, const DeferredEntry *entry, int64 now_ms)
{
	if (deferred_attempts(entry) == 0)
		return;
	ereport(LOG, (errmsg("request " INT64_FORMAT " is settled, after %d attempts",
	                     deferred_request_id(entry), deferred_attempts(entry) + 1)));
	deferred_cause_is_gone(queue->deferred, deferred_sqlstate(entry), now_ms);
}

/* What was settled leaves its lines, and what was not has its place there. */
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
			deferred_busy(queue->deferred, entry, now_ms);
		}
		else if (reading->fates[i] == FATE_DEFERRED)
			deferred_busy(queue->deferred, entry, now_ms);
		else if (entry != NULL)
		{
			report_success(queue, entry, now_ms);
			deferred_remove(queue->deferred, entry);
		}
	}
	deferred_tend_claims(queue->deferred, now_ms, false);
}

/* A batch, or a part of one, has succeeded. */
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
	apply_fates(queue);
	RESUME_INTERRUPTS();
	if (queue->has_stored)
	{
		queue->stored_low_water = queue->next_low_water;
		queue->takeovers = queue->next_takeovers;
	}
	/* A round that settled nothing does not say that the batch which failed before is well. */
	if (queue->reading.settled > 0)
		forget_failures(queue);
	end_reading(queue);
	round->more = round->more || deferred_has_ready(queue->deferred);
	round->retry_ms = deferred_pause_ms(queue->deferred, monotonic_ms());
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
