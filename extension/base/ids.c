/*
 * ids.c
 *		Draws the ids of requests, transfers and wallets, and refuses one that is not new.
 *
 * Each id must be larger than every id that was drawn before it.  The queue never again reads a
 * request whose id is at or below the low-water mark, and in the journal the order of ids is the
 * order of posting.  A sequence gives smaller ids after somebody has set the sequence back, or has
 * let sessions draw ids in advance (CACHE), or has copied the tables without their sequences, as
 * logical replication does.  So each id that is drawn is compared with the highest id before it.
 *
 * The highest id of each sequence of each database is kept in shared memory.  After the server's
 * start, and when the library is not in shared_preload_libraries, the highest id comes from the
 * tables.
 *
 * Locking: none.  A sequence takes a place in shared memory once, and keeps the place.  A session
 * reads the highest id before it draws its own: every id up to the highest was drawn earlier, so
 * an id that is not above the highest is not new.  Then the session stores its id as the highest,
 * unless another session has stored a larger id in between.  The larger id does not make the
 * session's own id wrong, because both were drawn after the highest id was read.
 *
 * Many ids are drawn at once: docs/posting.md, "Ids in blocks".
 */
#include "base/ids.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/relations.h"
#include "base/statement.h"

/* Room for sequences that were drawn from since the server's start; each extension has three. */
#define DRAWN_MAX 1024

typedef struct Drawn
{
	pg_atomic_uint64 sequence; /* oid of the database << 32 | oid of the sequence; 0: free */
	pg_atomic_uint64 highest;  /* the highest id that was drawn; 0: not known */
} Drawn;

static Drawn *all_drawn = NULL;

/* What this session knows of a sequence. */
typedef struct IdSource
{
	const char *name;
	Statement highest_stored; /* no id above it can be in the way */
	Oid sequence;
	Drawn *drawn;    /* NULL: there is no memory for it */
	bool is_as_made; /* it has been looked at, and nobody has altered it since */
	int64 last;      /* the last id that it gives */
} IdSource;

static IdSource sources[ID_KINDS] = {
    [ID_REQUEST] =
        {
            .name = "request_id_seq",
            .highest_stored.sql =
                "SELECT greatest((SELECT max(r.request_id) FROM wallet.request AS r), "
                "(SELECT max(p.highest) FROM wallet.queue_position AS p), "
                "(SELECT max(o.request_id) FROM wallet.outcome AS o), "
                "(SELECT max(t.request_id) FROM wallet.transfer AS t), "
                "(SELECT max(e.expired_below) - 1 FROM wallet.expiry AS e), 0)",
        },
    [ID_TRANSFER] =
        {
            .name = "transfer_id_seq",
            .highest_stored.sql =
                "SELECT coalesce((SELECT max(t.transfer_id) FROM wallet.transfer AS t), 0)",
        },
    [ID_WALLET] =
        {
            .name = "wallet_id_seq",
            .highest_stored.sql =
                "SELECT coalesce((SELECT max(w.wallet_id) FROM wallet.wallet AS w), 0)",
        },
};

Size
ids_size(void)
{
	return sizeof(Drawn) * DRAWN_MAX;
}

void
ids_start(void *memory, LWLock *lock, bool is_new)
{
	all_drawn = memory;
	for (int i = 0; is_new && i < DRAWN_MAX; i++)
	{
		pg_atomic_init_u64(&all_drawn[i].sequence, 0);
		pg_atomic_init_u64(&all_drawn[i].highest, 0);
	}
}

/* Returns the sequence's place in shared memory; NULL when other sequences have all places. */
static Drawn *
find_drawn(Oid sequence)
{
	const uint64 key = (uint64) MyDatabaseId << 32 | sequence;
	uint32 start = murmurhash32(MyDatabaseId ^ sequence);

	for (uint32 i = 0; all_drawn != NULL && i < DRAWN_MAX; i++)
	{
		Drawn *drawn = &all_drawn[(start + i) % DRAWN_MAX];
		uint64 holder = pg_atomic_read_u64(&drawn->sequence);

		if (holder == 0 && pg_atomic_compare_exchange_u64(&drawn->sequence, &holder, key))
			return drawn;
		if (holder == key)
			return drawn;
	}
	return NULL;
}

static void
forget_sequences(Datum argument, int cache, uint32 hash)
{
	for (int i = 0; i < ID_KINDS; i++)
		sources[i].is_as_made = false;
}

static IdSource *
find_source(IdKind kind)
{
	static bool is_told = false;
	IdSource *source = &sources[kind];
	Oid sequence = wallet_relation(source->name);

	if (!is_told)
	{
		CacheRegisterSyscacheCallback(SEQRELID, forget_sequences, (Datum) 0);
		is_told = true;
	}
	if (source->sequence != sequence)
	{
		source->sequence = sequence;
		source->drawn = find_drawn(sequence);
		source->is_as_made = false;
	}
	return source;
}

/*
 * Raises an error unless the sequence has the options that CREATE EXTENSION gave it.  The caller
 * has just drawn an id, so the transaction holds a lock that keeps others from altering the
 * sequence.
 */
static void
check_source(IdSource *source)
{
	HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(source->sequence));
	Form_pg_sequence form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "wallet.%s is not a sequence", source->name);
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	source->is_as_made = form->seqincrement == 1 && form->seqcache == 1 && !form->seqcycle;
	source->last = form->seqmax;
	if (source->is_as_made)
	{
		ReleaseSysCache(tuple);
		return;
	}
	ereport(ERROR,
	        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	         errmsg("sequence wallet.%s has options that pg_wallet cannot work with", source->name),
	         errdetail("Its increment is " INT64_FORMAT ", its cache is " INT64_FORMAT
	                   ", and it %s.  Each id must be larger than every earlier one.",
	                   form->seqincrement, form->seqcache,
	                   form->seqcycle ? "starts again after its last value"
	                                  : "does not start again after its last value"),
	         errhint("ALTER SEQUENCE wallet.%s INCREMENT 1 CACHE 1 NO CYCLE, and SET LOGGED "
	                 "if it is unlogged.",
	                 source->name)));
}

/*
 * Returns the highest id that is stored in the tables now, also by transactions that have
 * committed after the caller's snapshot was taken.
 */
static int64
highest_stored(IdSource *source)
{
	int64 highest;

	PushActiveSnapshot(GetLatestSnapshot());
	statement_run(&source->highest_stored, NULL, NULL, true);
	highest = result_int64(0, 1);
	PopActiveSnapshot();
	return highest;
}

static void
keep_highest(Drawn *drawn, uint64 id)
{
	uint64 highest = pg_atomic_read_u64(&drawn->highest);

	while (highest < id && !pg_atomic_compare_exchange_u64(&drawn->highest, &highest, id))
		;
}

/*
 * Draws count ids at once, as so many calls of nextval() would if nobody else called it meanwhile:
 * under the same lock, and with a record of the write-ahead log that says how far the sequence is.
 * Draws a single id where the sequence has no more than count left.  Returns the first id.
 */
static int64
draw_many(IdSource *source, int *count)
{
	Relation sequence = relation_open(source->sequence, NoLock);
	Buffer buffer = ReadBuffer(sequence, 0);
	GenericXLogState *change = GenericXLogStart(sequence);
	HeapTupleHeader row;
	Form_pg_sequence_data state;
	int64 first = 0;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	/* The whole page: nextval() logs ids in advance, so that a standby has another page. */
	page = GenericXLogRegisterBuffer(change, buffer, GENERIC_XLOG_FULL_IMAGE);
	row = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	state = (Form_pg_sequence_data) ((char *) row + row->t_hoff);
	if (state->last_value < source->last - *count)
	{
		first = state->last_value + (state->is_called ? 1 : 0);
		state->last_value = first + *count - 1;
		state->is_called = true;
		state->log_cnt = 0;
		(void) GenericXLogFinish(change);
	}
	else
		GenericXLogAbort(change);
	UnlockReleaseBuffer(buffer);
	relation_close(sequence, NoLock);
	if (first != 0)
		return first;
	*count = 1;
	return nextval_internal(source->sequence, false);
}

/* Draws count ids, or fewer, from the sequence.  Returns the first. */
static int64
draw(IdSource *source, int *count)
{
	int64 first = 0;

	if (*count > 1)
		LockRelationOid(source->sequence, RowExclusiveLock);
	else
		first = nextval_internal(source->sequence, false);
	if (!source->is_as_made)
		check_source(source);
	return *count > 1 ? draw_many(source, count) : first;
}

static void
fill(IdKind kind, IdBlock *block, int count)
{
	IdSource *source = find_source(kind);
	int64 highest;
	int64 first;

	Assert(kind < ID_KINDS && count > 0);
	/* gaps.h relies on this order: first a transaction id, then the id. */
	(void) GetTopTransactionId();
	highest = source->drawn == NULL ? 0 : (int64) pg_atomic_read_u64(&source->drawn->highest);
	pg_read_barrier();
	first = draw(source, &count);
	if (highest == 0)
		highest = highest_stored(source);
	if (first <= highest)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("sequence wallet.%s is behind the ids that have been drawn", source->name),
		         errdetail("It gave " INT64_FORMAT ", after " INT64_FORMAT " had been drawn.",
		                   first, highest),
		         errhint("SELECT setval('wallet.%s', " INT64_FORMAT
		                 "), or a larger id; logical replication does not carry sequences.",
		                 source->name, highest)));
	if (source->drawn != NULL)
		keep_highest(source->drawn, (uint64) (first + count - 1));
	*block = (IdBlock){.next = first, .left = count};
}

int64
id_take(IdKind kind, IdBlock *block, int count)
{
	if (block->left == 0)
		fill(kind, block, count);
	block->left--;
	return block->next++;
}

int64
id_draw(IdKind kind)
{
	return id_take(kind, &(IdBlock){0}, 1);
}
