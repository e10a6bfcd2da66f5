/*
 * backlog.c
 *		How many requests of a database wait, for pg_wallet.queue_limit.
 *
 * The number is kept in shared memory, so that a session that enqueues does not count rows.  When
 * the library is not in shared_preload_libraries, there is no shared memory, and every request is
 * admitted.
 *
 * Locking: one LWLock protects the shared memory.  No process holds the lock for longer than a few
 * assignments.
 */
#include "queue/backlog.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/relations.h"
#include "base/statement.h"
#include "queue/queue.h"

#define BACKLOGS_MAX 64

/*
 * The number of requests of a database that wait is admitted - done.  After each round that has
 * read the whole queue, done is set anew, so that a wrong number does not last.
 */
typedef struct Backlog
{
	Oid database; /* InvalidOid: free */
	Oid queue;    /* the table of requests; changes when the extension is created again */
	int64 admitted;
	int64 done;
} Backlog;

typedef struct Backlogs
{
	LWLock *lock;
	int next; /* when another database needs one, it gets this one (modulo BACKLOGS_MAX) */
	Backlog backlogs[BACKLOGS_MAX];
} Backlogs;

static Backlogs *shared = NULL;

/*
 * What this transaction has done to its database's backlog on one level of its savepoints.  When
 * the level is rolled back, its part is taken back.  When the level is released, its part is added
 * to the level above.
 */
typedef struct BacklogPart
{
	int nest_level;
	int64 admitted;
	int64 done;
	bool is_drained; /* the whole queue was read: at commit done becomes done_until */
	int64 done_until;
} BacklogPart;

/* The parts, in the order of their levels; outside of a transaction there are none. */
static BacklogPart *parts = NULL;
static int part_count = 0;
static int part_room = 0;

/* Up to this number, waiting requests are counted.  Beyond it, their ids tell about how many wait.
 */
#define COUNTED_MAX 100000

/*
 * Runs once after the server's start, and counts the requests above the highest settled one: all
 * of them wait.  Older requests that wait, because they are deferred or were committed late, are
 * few. The worker counts them when it has read the queue.  This statement does not look for them,
 * because it would read every request since the oldest one, and an open transaction can make that
 * millions.
 */
static Statement count_waiting = {
    "SELECT CASE WHEN n.counted < $1 THEN n.counted "
    "ELSE greatest(n.counted, newest.id - greatest(settled.id, wallet.partition_start(newest.id >> "
    "44))) END "
    "FROM (SELECT greatest((SELECT max(p.low_water) FROM wallet.queue_position AS p), "
    "(SELECT max(t.request_id) FROM wallet.transfer AS t), "
    "(SELECT max(o.request_id) FROM wallet.outcome AS o), 0)::bigint) AS settled (id) "
    "CROSS JOIN (SELECT max(r.request_id)::bigint FROM wallet.request AS r) AS newest (id) "
    "CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT FROM wallet.request AS r "
    "WHERE r.request_id > settled.id LIMIT $1) AS w) AS n (counted)",
    1,
    {INT8OID},
    NULL,
};

Size
backlog_size(void)
{
	return sizeof(Backlogs);
}

void
backlog_start(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	shared->lock = lock;
}

/* Returns this database's backlog; NULL when it is not known. */
static Backlog *
find_backlog(void)
{
	Assert(LWLockHeldByMe(shared->lock));
	for (int i = 0; i < BACKLOGS_MAX; i++)
	{
		if (shared->backlogs[i].database == MyDatabaseId)
			return &shared->backlogs[i];
	}
	return NULL;
}

/* So many requests of this database no longer wait, or were never stored. */
static void
add_done(int64 count)
{
	Backlog *backlog;

	Assert(count > 0);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	backlog = find_backlog();
	if (backlog != NULL)
		backlog->done = Min(backlog->done + count, backlog->admitted);
	LWLockRelease(shared->lock);
}

/* Returns the part of the present level; makes the part when there is none. */
static BacklogPart *
current_part(void)
{
	int nest_level = GetCurrentTransactionNestLevel();

	Assert(part_count == 0 || parts[part_count - 1].nest_level <= nest_level);
	if (part_count > 0 && parts[part_count - 1].nest_level == nest_level)
		return &parts[part_count - 1];
	if (part_count == part_room)
	{
		part_room = part_room * 2 + 8;
		parts = parts == NULL ? MemoryContextAlloc(TopMemoryContext, sizeof(*parts) * part_room)
		                      : repalloc(parts, sizeof(*parts) * part_room);
	}
	parts[part_count++] = (BacklogPart){.nest_level = nest_level};
	return &parts[part_count - 1];
}

/* Counts what a part has posted.  The caller's transaction has committed. */
static void
apply_done(const BacklogPart *part)
{
	Backlog *backlog;

	if (!part->is_drained)
	{
		if (part->done > 0)
			add_done(part->done);
		return;
	}
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	backlog = find_backlog();
	if (backlog != NULL)
		backlog->done = Min(part->done_until, backlog->admitted);
	LWLockRelease(shared->lock);
}

/*
 * When a transaction commits, the requests that it has posted no longer wait.  When it aborts, the
 * requests that it has stored do not wait, and those that it has posted still wait.  When it is
 * prepared, its requests keep waiting until a round has read the whole queue.
 */
static void
transaction_ended(XactEvent event, void *argument)
{
	int count = part_count;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	part_count = 0;
	for (int i = 0; i < count && event != XACT_EVENT_PREPARE; i++)
	{
		if (event == XACT_EVENT_COMMIT)
			apply_done(&parts[i]);
		else if (parts[i].admitted > 0)
			add_done(parts[i].admitted);
	}
}

/* Called while the level that ends is still the present one. */
static void
savepoint_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *argument)
{
	BacklogPart part;

	if ((event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB) ||
	    part_count == 0 || parts[part_count - 1].nest_level < GetCurrentTransactionNestLevel())
		return;
	part = parts[--part_count];
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		if (part.admitted > 0)
			add_done(part.admitted);
		return;
	}
	part.nest_level--;
	if (part_count > 0 && parts[part_count - 1].nest_level == part.nest_level)
	{
		BacklogPart *above = &parts[part_count - 1];

		above->admitted += part.admitted;
		above->done += part.done;
		above->done_until = part.is_drained ? part.done_until : above->done_until + part.done;
		above->is_drained = above->is_drained || part.is_drained;
	}
	else
		parts[part_count++] = part;
}

static void
watch_transaction(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(savepoint_ended, NULL);
	}
	registered = true;
}

/* Whether the number of requests that wait in this table is known. */
static bool
is_known(Oid queue)
{
	Backlog *backlog;
	bool known;

	LWLockAcquire(shared->lock, LW_SHARED);
	backlog = find_backlog();
	known = backlog != NULL && backlog->queue == queue;
	LWLockRelease(shared->lock);
	return known;
}

/* Counts the requests that wait in this table, and notes their number. */
static void
begin_backlog(Oid queue)
{
	Backlog *backlog;
	int64 waiting;

	statement_run(&count_waiting, (Datum[]){Int64GetDatum(COUNTED_MAX)}, NULL, true);
	waiting = result_int64(0, 1);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	backlog = find_backlog();
	if (backlog == NULL)
		backlog = &shared->backlogs[shared->next++ % BACKLOGS_MAX];
	/* Another session may have done this since this one has counted. */
	if (backlog->database != MyDatabaseId || backlog->queue != queue)
		*backlog = (Backlog){.database = MyDatabaseId, .queue = queue, .admitted = waiting};
	LWLockRelease(shared->lock);
}

int
backlog_admit(int count, int64 limit)
{
	Backlog *backlog;
	BacklogPart *part;
	int admitted = count;

	Assert(count >= 0 && limit >= 0);
	if (shared == NULL)
		return count;
	if (limit > 0 && !is_known(wallet_relation("request")))
		begin_backlog(wallet_relation("request"));
	watch_transaction();
	part = current_part();
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	backlog = find_backlog();
	if (backlog != NULL && limit > 0)
		admitted = (int) Max(0, Min(count, limit - (backlog->admitted - backlog->done)));
	if (backlog != NULL)
		backlog->admitted += admitted;
	LWLockRelease(shared->lock);
	if (backlog != NULL)
		part->admitted += admitted;
	return admitted;
}

int64
backlog_waiting(void)
{
	Backlog *backlog;
	int64 waiting;

	if (shared == NULL || RecoveryInProgress())
		return -1;
	if (!is_known(wallet_relation("request")))
		begin_backlog(wallet_relation("request"));
	LWLockAcquire(shared->lock, LW_SHARED);
	backlog = find_backlog();
	waiting = backlog == NULL ? -1 : backlog->admitted - backlog->done;
	LWLockRelease(shared->lock);
	return waiting;
}

int64
backlog_admitted(void)
{
	Backlog *backlog;
	int64 admitted;

	if (shared == NULL)
		return -1;
	LWLockAcquire(shared->lock, LW_SHARED);
	backlog = find_backlog();
	admitted = backlog == NULL ? -1 : backlog->admitted;
	LWLockRelease(shared->lock);
	return admitted;
}

void
backlog_done_at_commit(const Round *round, int64 admitted_before)
{
	BacklogPart *part;

	if (shared == NULL)
		return;
	watch_transaction();
	part = current_part();
	part->done += round->posted + round->refused;
	part->is_drained = round->drained && admitted_before >= 0;
	part->done_until = admitted_before - round->deferred;
}

void
backlog_not_stored(int64 count)
{
	BacklogPart *part;

	Assert(count >= 0);
	if (shared == NULL)
		return;
	watch_transaction();
	part = current_part();
	part->done += count;
	part->done_until += count;
}

void
backlog_round_done(const Round *round, int64 admitted_before)
{
	if (shared == NULL)
		return;
	apply_done(&(BacklogPart){
	    .done = round->posted + round->refused,
	    .is_drained = round->drained && admitted_before >= 0,
	    .done_until = admitted_before - round->deferred,
	});
}
