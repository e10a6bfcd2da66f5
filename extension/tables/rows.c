/*
 * rows.c
 *		Rows in and out of a table without a statement.
 *
 * These are the steps that the executor takes for INSERT, UPDATE and an index scan, in its order
 * and through its own functions and the table access method, less the planning and the plan.  A
 * table on which something hangs that is not done here is refused; see plain_facts.
 *
 * Of a partitioned table one partition is opened: partitions.c.
 *
 * Locking: tables, and the indexes that are needed, are opened with the locks of the statement
 * that they replace, and kept locked until the transaction ends.  Who holds a row is read from the
 * row's header with the page's lock held in share mode, as the server does it.  No page is locked,
 * and no page but the reader's and the writer's last one is pinned, while another function is
 * called.
 */
#include "tables/rows.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/relations.h"
#include "base/search_path.h"
#include "tables/entries.h"
#include "tables/facts.h"
#include "tables/form.h"
#include "tables/holder.h"
#include "tables/partitions.h"
#include "tables/versions.h"

static void
release(RowWriter *writer)
{
	for (int i = 0; i < writer->slot_count; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	entries_release(writer);
	if (BufferIsValid(writer->buffer))
		ReleaseBuffer(writer->buffer);
	if (writer->estate != NULL)
	{
		ExecCloseIndices(writer->result);
		FreeExecutorState(writer->estate);
	}
	search_path_unpin(writer->path);
	close_heap(writer->heap, writer->parent);
}

/* What is known of a table that can be written to without a statement; else NULL. */
static const TableFacts *
writable_facts(Relation parent, Relation heap, const RowLayout *layout, CmdType command)
{
	const TableFacts *facts = plain_facts(parent, heap, layout, command);

	return facts != NULL && facts->is_immediate ? facts : NULL;
}

/* Makes what the executor needs for its checks, and for index entries that the writer cannot make.
 */
static void
call_executor(RowWriter *writer)
{
	writer->estate = CreateExecutorState();
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->heap, 0, NULL, 0);
	if (!entries_are_simple(writer))
		ExecOpenIndices(writer->result, false);
}

/* Begins with a table that has been opened.  Closes the table and returns false for a statement. */
static bool
writer_begin(RowWriter *writer, const RowLayout *layout, CmdType command)
{
	writer->facts = writable_facts(writer->parent, writer->heap, layout, command);
	if (writer->facts == NULL)
	{
		close_heap(writer->heap, writer->parent);
		return false;
	}
	CheckCmdReplicaIdentity(writer->heap, command);
	writer->command = GetCurrentCommandId(true);
	writer->is_update = command == CMD_UPDATE;
	writer->makes_versions = writer->is_update && versions_fit(writer, layout);
	writer->hint = layout->hint;
	writer->is_many = false;
	writer->indexes = NULL;
	writer->waiting = NULL;
	writer->estate = NULL;
	writer->buffer = InvalidBuffer;
	writer->slot_count = 0;
	writer->filled = 0;
	/* Where checks and indexes may run functions of somebody's, until release(). */
	writer->path =
	    writer->facts->is_simple && writer->facts->has_usable_checks ? 0 : search_path_pin();
	if (!entries_are_simple(writer))
		call_executor(writer);
	return true;
}

bool
writer_open(RowWriter *writer, const RowLayout *layout, CmdType command)
{
	writer->parent = NULL;
	writer->heap = table_open(wallet_relation(layout->table), RowExclusiveLock);
	return writer_begin(writer, layout, command);
}

bool
writer_open_for_keys(RowWriter *writer, const RowLayout *layout, int64 first_key, int64 last_key)
{
	int64 end;

	Assert(first_key <= last_key);
	writer->heap =
	    open_heap(layout->table, first_key, false, RowExclusiveLock, &writer->parent, &end);
	if (writer->heap == NULL)
		return false;
	if (last_key < end)
		return writer_begin(writer, layout, CMD_INSERT);
	close_heap(writer->heap, writer->parent);
	return false;
}

static void
check_row(RowWriter *writer, TupleTableSlot *slot)
{
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->heap);
	if (checks_pass(writer->facts, writer->heap, slot, writer->is_update))
		return;
	if (writer->estate == NULL)
		call_executor(writer);
	ResetPerTupleExprContext(writer->estate);
	ExecConstraints(writer->result, slot, writer->estate);
}

static void
flush(RowWriter *writer)
{
	Assert(!writer->is_update && writer->filled <= writer->slot_count);
	for (int i = 0; i < writer->filled; i++)
	{
		check_row(writer, writer->slots[i]);
		form_row(&writer->facts->form, writer->slots[i]);
	}
	table_multi_insert(writer->heap, writer->slots, writer->filled, writer->command, 0, NULL);
	entries_make(writer, writer->slots, writer->filled, false);
	for (int i = 0; writer->hint != HINT_NONE && i < writer->filled; i++)
		hint_keep(writer->hint, DatumGetInt64(slot_getattr(writer->slots[i], 1, &(bool){false})),
		          &writer->slots[i]->tts_tid);
	writer->filled = 0;
}

TupleTableSlot *
writer_next(RowWriter *writer)
{
	TupleTableSlot *slot;

	Assert(!writer->is_update || writer->filled == 0);
	if (writer->filled == ROWS_AT_ONCE)
		flush(writer);
	/* Not table_slot_create(): each slot would pin the table's own descriptor, and the resource
	 * owner looks through all pins of one thing whenever one is added. */
	if (writer->filled == writer->slot_count)
		writer->slots[writer->slot_count++] =
		    MakeSingleTupleTableSlot(writer->facts->columns, table_slot_callbacks(writer->heap));
	slot = writer->slots[writer->filled++];
	ExecClearTuple(slot);
	return slot;
}

bool
writer_update(RowWriter *writer, ItemPointer tid, bool is_locked)
{
	TupleTableSlot *slot = writer->slots[--writer->filled];
	HeapTuple version;
	TM_FailureData failure;
	LockTupleMode lock_mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;
#else
	bool indexes;
#endif

	Assert(writer->is_update && writer->filled == 0 && ActiveSnapshotSet());
	Assert(ItemPointerIsValid(tid));
	check_row(writer, slot);
	form_row(&writer->facts->form, slot);
	version = ExecFetchSlotHeapTuple(slot, false, NULL);
	switch (version_make(writer, tid, version))
	{
		case VERSION_MADE:
			slot->tts_tid = version->t_self;
			return true;
		case VERSION_NEEDS_ENTRIES:
			slot->tts_tid = version->t_self;
			entries_make(writer, &slot, 1, false);
			return true;
		case VERSION_HELD:
			if (!is_locked)
				return false;
			break;
		case VERSION_ELSEWHERE:
			break;
	}
	/* An update that is not to wait is not supported: heap_update asserts that none comes across
	 * a row that is being changed. */
	result = table_tuple_update(writer->heap, tid, slot, writer->command, GetActiveSnapshot(),
	                            InvalidSnapshot, true, &failure, &lock_mode, &indexes);
	if (result != TM_Ok)
		return false;
#if PG_VERSION_NUM >= 160000
	if (indexes != TU_None)
		entries_make(writer, &slot, 1, indexes == TU_Summarizing);
#else
	if (indexes)
		entries_make(writer, &slot, 1, false);
#endif
	return true;
}

void
writer_close(RowWriter *writer)
{
	if (writer->filled > 0)
		flush(writer);
	if (writer->waiting != NULL)
		entries_make_waiting(writer);
	release(writer);
	CommandCounterIncrement();
}

bool
reader_open(RowReader *reader, const RowLayout *layout, LOCKMODE lock)
{
	return reader_open_from(reader, layout, PG_INT64_MIN, lock);
}

bool
reader_open_from(RowReader *reader, const RowLayout *layout, int64 key, LOCKMODE lock)
{
	const TableFacts *facts;

	Assert(ActiveSnapshotSet());
	reader->heap = open_heap(layout->table, key, true, lock, &reader->parent, &reader->end);
	if (reader->heap == NULL)
		return false;
	facts = plain_facts(reader->parent, reader->heap, layout, CMD_SELECT);
	if (facts == NULL || !OidIsValid(facts->key_index))
	{
		close_heap(reader->heap, reader->parent);
		return false;
	}
	reader->key_index = facts->key_index;
	reader->key_count = 1;
	reader->index = NULL;
	reader->slot = table_slot_create(reader->heap, NULL);
	reader->is_read_once = layout->is_read_once;
	reader->block_count = InvalidBlockNumber;
	reader->room = BLCKSZ / 10;
	reader->buffer = InvalidBuffer;
	return true;
}

bool
reader_open_second(RowReader *reader, const RowLayout *layout, const SecondKey *key, LOCKMODE lock)
{
	if (!reader_open(reader, layout, lock))
		return false;
	Assert(!layout->is_read_once);
	reader->key_index =
	    second_index(plain_facts(reader->parent, reader->heap, layout, CMD_SELECT), key);
	reader->key_count = key->id_column > 0 ? 2 : 1;
	if (reader->parent == NULL && OidIsValid(reader->key_index))
		return true;
	reader_close(reader);
	return false;
}

bool
reader_may_update(RowReader *reader, const RowLayout *layout)
{
	return reader->parent == NULL && writable_facts(NULL, reader->heap, layout, CMD_UPDATE) != NULL;
}

/*
 * Pins the page of a row, and removes dead versions of rows from a page with little room, so that
 * the next update finds room on the page and is HOT.  An index scan of the executor would
 * clean a page at every reading while the page has a dead row: with a fillfactor of 50 the
 * executor takes every page for full.
 */
static void
pin_page(RowReader *reader, BlockNumber block)
{
	Page page;

	if (BufferIsValid(reader->buffer) && BufferGetBlockNumber(reader->buffer) == block)
		return;
	reader->buffer = ReleaseAndReadBuffer(reader->buffer, reader->heap, block);
	page = BufferGetPage(reader->buffer);
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < reader->room)
		heap_page_prune_opt(reader->heap, reader->buffer);
}

/* Has this version been committed before the snapshot, and neither replaced nor locked since? */
static bool
is_plainly_visible(HeapTupleHeader row, Snapshot snapshot)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(row);

	if (!(row->t_infomask & HEAP_XMAX_INVALID) || HeapTupleHeaderXminInvalid(row))
		return false;
	if (HeapTupleHeaderXminFrozen(row))
		return true;
	return !XidInMVCCSnapshot(xmin, snapshot) &&
	       (HeapTupleHeaderXminCommitted(row) || TransactionIdDidCommit(xmin));
}

/*
 * Finds the row at its place on the locked page without leaving a hint bit in the row; see
 * docs/posting.md, "Rows without statements".  False where the row's header is not simple enough.
 */
static bool
find_plain_row(RowReader *reader, HeapTuple row)
{
	Page page = BufferGetPage(reader->buffer);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&row->t_self);
	ItemId item;

	Assert(page_is_locked(reader->buffer));
	if (!reader->is_read_once || IsolationIsSerializable() || offset > PageGetMaxOffsetNumber(page))
		return false;
	item = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(item))
		return false;
	row->t_data = (HeapTupleHeader) PageGetItem(page, item);
	row->t_len = ItemIdGetLength(item);
	return !HeapTupleHeaderIsHeapOnly(row->t_data) &&
	       is_plainly_visible(row->t_data, reader->scan->xs_snapshot);
}

/* The tuple of the reader's slot, to be filled while the page is locked. */
static HeapTuple
lock_page(RowReader *reader, ItemPointer tid)
{
	HeapTuple row = &((BufferHeapTupleTableSlot *) reader->slot)->base.tupdata;

	pin_page(reader, ItemPointerGetBlockNumber(tid));
	row->t_self = *tid;
	row->t_tableOid = RelationGetRelid(reader->heap);
	LockBuffer(reader->buffer, BUFFER_LOCK_SHARE);
	return row;
}

/* Unlocks the page, and puts the row into the slot, where one has been found. */
static bool
unlock_page(RowReader *reader, HeapTuple row, bool found)
{
	if (found)
		reader->holder = header_holder(reader->buffer, row->t_data);
	LockBuffer(reader->buffer, BUFFER_LOCK_UNLOCK);
	if (found)
		ExecStoreBufferHeapTuple(row, reader->slot, reader->buffer);
	else
		ExecClearTuple(reader->slot);
	return found;
}

/* Take the version that the snapshot shows, of the row that an index entry names. */
static bool
fetch_version(RowReader *reader, ItemPointer root, bool *all_dead)
{
	HeapTuple row = lock_page(reader, root);
	bool found;

	*all_dead = false;
	found = find_plain_row(reader, row) ||
	        heap_hot_search_buffer(&row->t_self, reader->heap, reader->buffer,
	                               reader->scan->xs_snapshot, row, all_dead, true);
	if (!unlock_page(reader, row, found))
		return false;
	pgstat_count_heap_fetch(reader->index);
	return true;
}

/* The steps of heap_fetch(), on a page that stays pinned from one row to the next. */
bool
reader_fetch(RowReader *reader, ItemPointer tid)
{
	Snapshot snapshot = GetActiveSnapshot();
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	HeapTuple row;
	ItemId item;
	bool found;

	Assert(ItemPointerIsValid(tid));
	if (reader->block_count == InvalidBlockNumber)
		reader->block_count = RelationGetNumberOfBlocks(reader->heap);
	if (ItemPointerGetBlockNumber(tid) >= reader->block_count)
		return false;
	row = lock_page(reader, tid);
	if (offset > PageGetMaxOffsetNumber(BufferGetPage(reader->buffer)))
		return unlock_page(reader, row, false);
	item = PageGetItemId(BufferGetPage(reader->buffer), offset);
	if (!ItemIdIsNormal(item))
		return unlock_page(reader, row, false);
	row->t_data = (HeapTupleHeader) PageGetItem(BufferGetPage(reader->buffer), item);
	row->t_len = ItemIdGetLength(item);
	found = HeapTupleSatisfiesVisibility(row, snapshot, reader->buffer);
	if (found)
		PredicateLockTID(reader->heap, &row->t_self, snapshot, HeapTupleHeaderGetXmin(row->t_data));
	HeapCheckForSerializableConflictOut(found, reader->heap, row, reader->buffer, snapshot);
	return unlock_page(reader, row, found);
}

/* Opens the index.  Where hints lead to all rows, the index is never opened. */
static void
open_index(RowReader *reader)
{
	reader->index = index_open(reader->key_index, AccessShareLock);
#if PG_VERSION_NUM >= 180000
	reader->scan = index_beginscan(reader->heap, reader->index, GetActiveSnapshot(), NULL,
	                               reader->key_count, 0);
#else
	reader->scan =
	    index_beginscan(reader->heap, reader->index, GetActiveSnapshot(), reader->key_count, 0);
#endif
	/* reader_step wants the keys. */
	reader->scan->xs_want_itup = reader->is_read_once;
}

static void
seek(RowReader *reader, StrategyNumber strategy, RegProcedure procedure, Datum key)
{
	ScanKeyData scan_key;

	Assert(ActiveSnapshotSet() && reader->key_count == 1);
	if (reader->index == NULL)
		open_index(reader);
	reader->direction =
	    strategy == BTEqualStrategyNumber ? BackwardScanDirection : ForwardScanDirection;
	ScanKeyInit(&scan_key, 1, strategy, procedure, key);
	scan_key.sk_collation = reader->index->rd_indcollation[0];
	index_rescan(reader->scan, &scan_key, 1, NULL, 0);
}

void
reader_seek(RowReader *reader, int64 key)
{
	seek(reader, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key));
}

void
reader_seek_from(RowReader *reader, int64 key)
{
	seek(reader, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(key));
}

void
reader_seek_text(RowReader *reader, const char *key)
{
	seek(reader, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(key));
}

void
reader_seek_second(RowReader *reader, int64 id, TimestampTz until)
{
	ScanKeyData keys[2];

	Assert(ActiveSnapshotSet());
	if (reader->index == NULL)
		open_index(reader);
	reader->direction = ForwardScanDirection;
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	ScanKeyInit(&keys[reader->key_count - 1], reader->key_count, BTLessEqualStrategyNumber,
	            F_TIMESTAMPTZ_LE, TimestampTzGetDatum(until));
	index_rescan(reader->scan, keys, reader->key_count, NULL, 0);
}

bool
reader_next_among(RowReader *reader, int *entries)
{
	Assert(reader->index != NULL);
	while (*entries > 0 &&
	       (reader->entry = index_getnext_tid(reader->scan, reader->direction)) != NULL)
	{
		(*entries)--;
		if (reader_take(reader))
			return true;
	}
	return false;
}

bool
reader_next(RowReader *reader)
{
	int entries = PG_INT32_MAX;

	return reader_next_among(reader, &entries);
}

bool
reader_step(RowReader *reader, int64 *key)
{
	bool is_null;

	Assert(reader->index != NULL && reader->scan->xs_want_itup);
	reader->entry = index_getnext_tid(reader->scan, reader->direction);
	if (reader->entry == NULL)
		return false;
	*key =
	    DatumGetInt64(index_getattr(reader->scan->xs_itup, 1, reader->scan->xs_itupdesc, &is_null));
	return true;
}

bool
reader_take(RowReader *reader)
{
	bool all_dead;

	Assert(reader->entry != NULL);
	if (fetch_version(reader, reader->entry, &all_dead))
		return true;
	/* The index need not lead anybody there again. */
	reader->scan->kill_prior_tuple = all_dead && !reader->scan->xactStartedInRecovery;
	return false;
}

void
reader_close(RowReader *reader)
{
	if (BufferIsValid(reader->buffer))
		ReleaseBuffer(reader->buffer);
	if (reader->index != NULL)
	{
		index_endscan(reader->scan);
		index_close(reader->index, NoLock);
	}
	ExecDropSingleTupleTableSlot(reader->slot);
	close_heap(reader->heap, reader->parent);
}
