/*
 * queue.c
 *		Which requests come next, without ever updating or deleting one.
 *
 * Request ids come from a sequence, so transactions commit them out of order.
 * A queue remembers in memory the highest id that it has seen, the gaps below
 * it (ids that are not visible yet) and the requests that are deferred because
 * another transaction holds a wallet that they need.
 *
 * A gap is a transaction that is still open, or one that rolled back.  Whoever
 * enqueues has a transaction id before he draws a request id; so whoever drew
 * an id of the gap had a transaction id below the next one at the moment when
 * the gap was noticed: its horizon.  Once every transaction below the horizon
 * has ended, what is still not visible never will be, and the gap is dead.
 *
 * What is remembered advances only when the transaction that posted has
 * committed.  After any error, and whenever somebody else has posted, it is
 * thrown away: the queue starts again from the stored low-water mark and skips
 * what already has an outcome.
 *
 * Locking: whoever posts holds queue_lock until his transaction ends.
 */
#include "pg_wallet.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "rows.h"

/* The low-water mark is stored at most this often. */
#define STORE_INTERVAL_MS 1000

/* No batch has failed: as many requests as the settings allow. */
#define NOT_HALVED INT_MAX

/* Deferred requests are tried again after a pause, which doubles while none of them gets through.
 */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 400

typedef struct Gap
{
	int64 first;
	int64 last;
	uint64 horizon; /* full transaction id */
} Gap;

/* What is remembered, in a memory context of its own. */
typedef struct QueueState
{
	MemoryContext context;
	int64 highest;
	Gap *gaps; /* in the order of ids, as are the deferred requests */
	int gap_count;
	int gap_room;
	Request *deferred;
	int deferred_count;
} QueueState;

struct Queue
{
	MemoryContext context;
	bool loaded;
	Oid position_table; /* another one after the extension was dropped and created again */
	QueueState state;
	QueueState next; /* what state becomes when the transaction has committed */
	int64 takeovers;
	int64 settled_until; /* up to here a request may have its outcome already */
	int64 stored_low_water;
	int64 stored_ms;   /* of monotonic_ms(), as is the next one */
	int64 retry_at_ms; /* when the deferred requests are tried again */
	int retry_ms;      /* the pause before that */
	int requests_max;  /* halved while a batch fails */
	int failures;      /* of the same batch, one after the other */
	int64 suspect;     /* failed alone once */
	bool tried;        /* the last round tried a request at all */
	int attempted;
	int64 last_attempted;
	int64 culprit;
};

/* The requests of a round, in the making. */
typedef struct Reading
{
	Request *requests;
	bool *waiting; /* it has been deferred, and it is not yet time to try it again */
	int count;
	int rows_max;
	int rows;
} Reading;

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
queue_make(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_wallet queue", ALLOCSET_SMALL_SIZES);
	Queue *queue = MemoryContextAllocZero(context, sizeof(Queue));

	queue->context = context;
	queue->requests_max = NOT_HALVED;
	return queue;
}

void
queue_free(Queue *queue)
{
	MemoryContextDelete(queue->context);
}

/* Self-exclusive, and no hindrance to those who enqueue. */
bool
queue_lock(bool wait)
{
	Oid position = wallet_relation("queue_position");

	if (!wait)
		return ConditionalLockRelationOid(position, ShareUpdateExclusiveLock);
	LockRelationOid(position, ShareUpdateExclusiveLock);
	return true;
}

static QueueState
make_state(Queue *queue, int64 highest)
{
	return (QueueState){
	    .context =
	        AllocSetContextCreate(queue->context, "pg_wallet queue state", ALLOCSET_DEFAULT_SIZES),
	    .highest = highest,
	};
}

static void
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

/* Nobody looks into the gaps this time. */
static void
keep_gaps(Queue *queue)
{
	for (int i = 0; i < queue->state.gap_count; i++)
	{
		const Gap *gap = &queue->state.gaps[i];

		add_gap(&queue->next, gap->first, gap->last, gap->horizon);
	}
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

/* Mark the deferred requests among the sorted ones, when it is not time to try them again. */
static void
mark_waiting(Queue *queue, Reading *reading, bool halving)
{
	const QueueState *state = &queue->state;
	int deferred = 0;

	if (halving || monotonic_ms() >= queue->retry_at_ms)
		return;
	for (int i = 0; i < reading->count && deferred < state->deferred_count; i++)
	{
		reading->waiting[i] =
		    reading->requests[i].request_id == state->deferred[deferred].request_id;
		deferred += reading->waiting[i] ? 1 : 0;
	}
}

/* Say when the deferred requests are tried again, after a round in which they were. */
static void
plan_retry(Queue *queue, const Reading *reading, const RequestFate *fates, Round *round)
{
	int64 now_ms = monotonic_ms();
	bool tried = false;
	bool passed = false;

	for (int i = 0, deferred = 0; i < reading->count && deferred < queue->state.deferred_count; i++)
	{
		if (reading->requests[i].request_id != queue->state.deferred[deferred].request_id)
			continue;
		deferred++;
		tried = tried || !reading->waiting[i];
		passed = passed || fates[i] != FATE_DEFERRED;
	}
	if (queue->state.deferred_count == 0 || passed)
		queue->retry_ms = RETRY_MIN_MS;
	else if (tried)
		queue->retry_ms = Min(queue->retry_ms * 2, RETRY_MAX_MS);
	if (queue->state.deferred_count == 0 || tried)
		queue->retry_at_ms = now_ms + queue->retry_ms;
	round->retry_ms = (int) Max(1, queue->retry_at_ms - now_ms);
}

/*
 * Collect the round's requests in the order of their ids: those deferred before, those that have
 * turned up in gaps, and new ones.  While a failing batch is halved, no more are added to it.
 */
static Reading
read_requests(Queue *queue)
{
	const QueueState *state = &queue->state;
	bool halving = queue->requests_max != NOT_HALVED;
	bool full = (halving && queue->tried && state->deferred_count > 0) ||
	            state->deferred_count >= DEFERRED_MAX;
	int rows_max = full ? 0 : batch_size();
	Reading reading = {
	    .requests = palloc(sizeof(Request) * (state->deferred_count + rows_max)),
	    .waiting = palloc0(sizeof(bool) * (state->deferred_count + rows_max)),
	    .count = state->deferred_count,
	    .rows_max = rows_max,
	};

	if (state->deferred_count > 0)
		memcpy(reading.requests, state->deferred, sizeof(Request) * state->deferred_count);
	if (full)
		keep_gaps(queue);
	else if (state->gap_count > 0)
		read_gap_rows(queue, &reading);
	if (reading.rows < reading.rows_max)
		read_new_rows(queue, &reading);
	qsort(reading.requests, reading.count, sizeof(Request), compare_requests);
	mark_waiting(queue, &reading, halving);
	return reading;
}

/* Sum up what became of the requests, and remember the deferred ones. */
static void
sort_by_fate(Queue *queue, const Reading *reading, const RequestFate *fates, Round *round)
{
	QueueState *next = &queue->next;

	for (int i = 0; i < reading->count; i++)
	{
		round->posted += fates[i] == FATE_POSTED ? 1 : 0;
		round->refused += fates[i] == FATE_REFUSED ? 1 : 0;
		round->deferred += fates[i] == FATE_DEFERRED ? 1 : 0;
	}
	if (round->deferred == 0)
		return;
	next->deferred = MemoryContextAlloc(next->context, sizeof(Request) * round->deferred);
	for (int i = 0; i < reading->count; i++)
	{
		if (fates[i] == FATE_DEFERRED)
			next->deferred[next->deferred_count++] = reading->requests[i];
	}
}

/* Up to here every request has its outcome, once the transaction commits. */
static int64
low_water_mark(const QueueState *state)
{
	int64 mark = state->highest;

	if (state->gap_count > 0)
		mark = Min(mark, state->gaps[0].first - 1);
	if (state->deferred_count > 0)
		mark = Min(mark, state->deferred[0].request_id - 1);
	return mark;
}

static void
store_low_water(Queue *queue, const QueueState *state, bool taking_over)
{
	queue->stored_low_water = low_water_mark(state);
	queue->stored_ms = monotonic_ms();
	queue->takeovers += taking_over ? 1 : 0;
	statement_run(&store_position,
	              (Datum[]){Int64GetDatum(queue->stored_low_water), Int64GetDatum(taking_over)},
	              NULL, false);
}

static bool
low_water_is_due(const Queue *queue)
{
	return low_water_mark(&queue->next) > queue->stored_low_water &&
	       monotonic_ms() - queue->stored_ms >= STORE_INTERVAL_MS;
}

void
queue_store(Queue *queue)
{
	SPI_connect();
	if (queue->loaded && find_position(queue) &&
	    low_water_mark(&queue->state) > queue->stored_low_water)
		store_low_water(queue, &queue->state, false);
	SPI_finish();
}

/* False: nothing is posted, and another reading is wanted. */
static bool
post(Queue *queue, const Reading *reading, int requests_max, RequestFate *fates)
{
	return reading->count == 0 || batch_post(reading->requests, reading->waiting, reading->count,
	                                         Min(requests_max, queue->requests_max), queue->culprit,
	                                         fates, &queue->last_attempted, &queue->attempted);
}

Round
queue_round(Queue *queue, int requests_max, bool taking_over)
{
	Round round = {0};
	Reading reading;
	RequestFate *fates;

	queue->attempted = 0;
	SPI_connect();
	if (!find_position(queue))
	{
		/* Where nobody has ever queued anything there is no position at all. */
		round.closed = table_has_rows("queue_position");
		SPI_finish();
		return round;
	}
	do
	{
		replace_state(queue, &queue->next, make_state(queue, queue->state.highest));
		reading = read_requests(queue);
		fates = palloc(sizeof(RequestFate) * reading.count);
	} while (!post(queue, &reading, requests_max, fates));
	sort_by_fate(queue, &reading, fates, &round);
	plan_retry(queue, &reading, fates, &round);
	round.gaps = queue->next.gap_count;
	round.more = (reading.rows_max > 0 && reading.rows == reading.rows_max) ||
	             (queue->requests_max != NOT_HALVED && queue->attempted > 0);
	round.drained = reading.rows < reading.rows_max;
	taking_over = taking_over && queue->attempted > 0;
	if (taking_over || low_water_is_due(queue))
		store_low_water(queue, &queue->next, taking_over);
	SPI_finish();
	return round;
}

void
queue_advance(Queue *queue)
{
	if (queue->next.context == NULL)
		return;
	replace_state(queue, &queue->state, queue->next);
	queue->next = (QueueState){0};
	queue->tried = queue->attempted > 0;
	/* A round that tried nothing does not say that the batch which failed before is well. */
	if (!queue->tried)
		return;
	if (queue->requests_max >= setting_batch_max / 2)
		queue->requests_max = NOT_HALVED;
	else
		queue->requests_max *= 2;
	queue->failures = 0;
}

/*
 * The first failure may have been a race with somebody else: the same batch is tried again.  After
 * that it is halved, until the culprit stands alone; when it fails so twice, it is refused.
 */
Recovery
queue_failed(Queue *queue, const ErrorData *error)
{
	bool alone = queue->attempted == 1;

	queue->loaded = false;
	replace_state(queue, &queue->next, (QueueState){0});
	if (!is_fault_of_request(error) || queue->attempted == 0 ||
	    (alone && queue->last_attempted == queue->culprit))
		return RECOVERY_LATER;
	if (alone && queue->last_attempted == queue->suspect)
		queue->culprit = queue->suspect;
	else if (alone)
		queue->suspect = queue->last_attempted;
	else if (queue->failures++ > 0)
		queue->requests_max = Max(1, queue->attempted / 2);
	return RECOVERY_AT_ONCE;
}
