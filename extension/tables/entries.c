/*
 * entries.c
 *		Index entries of the rows that a RowWriter writes.
 *
 * Locking: see rows.c and runs.c.  No page is locked between two calls.
 */
#include "tables/entries.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/procarray.h"

#include "base/byte_sort.h"
#include "tables/facts.h"
#include "tables/runs.h"

/* Entries of one index that wait until the writer is closed. */
typedef struct EntryList
{
	RunEntry *entries;
	int count;
	int room;
} EntryList;

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE RunEntry
#define ST_COMPARE(a, b) runs_compare(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The entries of an update have the keys of the old version. */
bool
entries_are_simple(const RowWriter *writer)
{
	return writer->is_update ? writer->facts->is_fixed : writer->facts->is_simple;
}

/*
 * May versions of rows have become superfluous since the last call?  None do while a transaction
 * holds a snapshot: then no entry of an index can be deleted, and the search for one is in vain.
 */
static bool
is_horizon_moving(Relation heap)
{
	static TransactionId last = InvalidTransactionId;
	TransactionId horizon = GetOldestNonRemovableTransactionId(heap);
	bool is_moving = horizon != last;

	last = horizon;
	return is_moving;
}

/* One of the table's indexes, opened when the first entry is made. */
static Relation
writer_index(RowWriter *writer, int i)
{
	if (writer->indexes[i] == NULL)
		writer->indexes[i] = index_open(writer->facts->indexes[i].oid, RowExclusiveLock);
	return writer->indexes[i];
}

/* Must a new entry of the index be looked for first?  That of a new version was there before. */
static bool
is_unique(const RowWriter *writer, int i)
{
	return writer->facts->indexes[i].info->ii_Unique && !writer->is_update;
}

/*
 * Makes the entry of a new row, or of a new version of a row with the keys of the old one, in one
 * index.  A new version cannot break a unique index, so nothing is looked up.  The executor would
 * look at every version that some snapshot still needs.
 */
static void
make_entry(RowWriter *writer, int i, TupleTableSlot *slot)
{
	const SimpleIndex *index = &writer->facts->indexes[i];
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];

	if (!index_covers(writer->facts, index, slot))
		return;
	FormIndexDatum(index->info, slot, NULL, values, nulls);
	index_insert(writer_index(writer, i), values, nulls, &slot->tts_tid, writer->heap,
	             is_unique(writer, i) ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, writer->may_delete,
	             index->info);
}

/*
 * Makes the entries of the first slots in runs, as long as that is faster.  Returns how many.
 * What does not fit the last page twice, one entry after the other, does not belong there.
 */
static int
make_runs(RowWriter *writer, int i, TupleTableSlot **slots, int count)
{
	RunEntry entries[ROWS_AT_ONCE];
	int length = runs_collect(writer->facts, &writer->facts->indexes[i], slots, count, entries);
	int failed = 0;
	int done = 0;

	while (length - done >= RUN_MIN && failed < 2)
	{
		int appended =
		    runs_append(writer_index(writer, i), writer->heap, &entries[done], length - done);

		failed = appended > 0 ? 0 : failed + 1;
		if (appended == 0)
			make_entry(writer, i, slots[done++]);
		done += appended;
	}
	return done;
}

/* Lets the entry of a row wait.  False for a row whose key is null. */
static bool
let_wait(RowWriter *writer, int i, TupleTableSlot *slot)
{
	EntryList *list = &writer->waiting[i];

	if (list->count == list->room)
	{
		list->room = Max(ROWS_AT_ONCE, list->room * 2);
		list->entries = list->entries == NULL
		                    ? palloc(sizeof(RunEntry) * list->room)
		                    : repalloc_huge(list->entries, sizeof(RunEntry) * (Size) list->room);
	}
	if (!runs_form(&writer->facts->indexes[i], slot, &list->entries[list->count]))
		return false;
	list->count++;
	return true;
}

static void
make_or_let_wait(RowWriter *writer, int i, TupleTableSlot **slots, int count)
{
	const SimpleIndex *index = &writer->facts->indexes[i];

	if (writer->waiting == NULL)
		writer->waiting = palloc0(sizeof(EntryList) * writer->facts->index_count);
	for (int row = 0; row < count; row++)
	{
		if (index_covers(writer->facts, index, slots[row]) && !let_wait(writer, i, slots[row]))
			make_entry(writer, i, slots[row]);
	}
}

static void
make_simple(RowWriter *writer, TupleTableSlot **slots, int count)
{
	if (writer->indexes == NULL)
	{
		writer->indexes = palloc0(sizeof(Relation) * writer->facts->index_count);
		writer->may_delete = writer->is_update && is_horizon_moving(writer->heap);
	}
	for (int i = 0; i < writer->facts->index_count; i++)
	{
		const SimpleIndex *index = &writer->facts->indexes[i];
		int done = 0;

		if (!index->info->ii_ReadyForInserts)
			continue;
		if (writer->is_many && index->run_keys > 0 && !is_unique(writer, i))
		{
			make_or_let_wait(writer, i, slots, count);
			continue;
		}
		if (index->run_keys == 1 && count >= RUN_MIN)
			done = make_runs(writer, i, slots, count);
		for (; done < count; done++)
			make_entry(writer, i, slots[done]);
	}
}

void
entries_make(RowWriter *writer, TupleTableSlot **slots, int count, bool only_summarizing)
{
	if (entries_are_simple(writer))
	{
		make_simple(writer, slots, count);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		ResetPerTupleExprContext(writer->estate);
#if PG_VERSION_NUM >= 160000
		ExecInsertIndexTuples(writer->result, slots[i], writer->estate, writer->is_update, false,
		                      NULL, NIL, only_summarizing);
#else
		ExecInsertIndexTuples(writer->result, slots[i], writer->estate, writer->is_update, false,
		                      NULL, NIL);
#endif
	}
}

/* Are the entries in the order of their keys and places, were there not the first key? */
static bool
rise_but_for_first_key(const RunEntry *entries, int count)
{
	for (int i = 1; i < count; i++)
	{
		RunEntry before = entries[i - 1];

		before.keys[0] = entries[i].keys[0];
		if (runs_compare(&before, &entries[i]) > 0)
			return false;
	}
	return true;
}

/* New rows come in the order of their places, and most holds in that of their ends. */
static void
sort_list(EntryList *list)
{
	if (list->count >= SORT_BY_BYTES_MIN && rise_but_for_first_key(list->entries, list->count))
		sort_by_bytes(list->entries, list->count, sizeof(RunEntry), offsetof(RunEntry, keys));
	else
		sort_entries(list->entries, list->count);
}

/* Makes the entries of one index, in the order of their keys and places. */
static void
make_list(RowWriter *writer, int i, EntryList *list)
{
	const SimpleIndex *simple = &writer->facts->indexes[i];
	Relation index = writer_index(writer, i);
	int done = 0;

	sort_list(list);
	while (done < list->count)
	{
		RunEntry *next = &list->entries[done];
		int made = runs_insert(index, writer->heap, simple->run_keys, next, list->count - done);

		CHECK_FOR_INTERRUPTS();
		if (made == 0)
		{
			Datum values[RUN_KEYS_MAX] = {Int64GetDatum(next->keys[0]),
			                              Int64GetDatum(next->keys[1])};

			index_insert(index, values, (bool[RUN_KEYS_MAX]){false}, &next->head.t_tid,
			             writer->heap, UNIQUE_CHECK_NO, false, simple->info);
			made = 1;
		}
		done += made;
	}
	pfree(list->entries);
	*list = (EntryList){0};
}

void
entries_make_waiting(RowWriter *writer)
{
	for (int i = 0; i < writer->facts->index_count; i++)
	{
		if (writer->waiting[i].count > 0)
			make_list(writer, i, &writer->waiting[i]);
	}
	pfree(writer->waiting);
	writer->waiting = NULL;
}

void
entries_release(RowWriter *writer)
{
	for (int i = 0; writer->indexes != NULL && i < writer->facts->index_count; i++)
	{
		if (writer->indexes[i] != NULL)
			index_close(writer->indexes[i], NoLock);
	}
}
