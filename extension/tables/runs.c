/*
 * runs.c
 *		Many entries of an index at once.
 *
 * For each entry index_insert() goes through the tree, locks a page and writes a record of the
 * write-ahead log.  The ids of requests and transfers rise, so that nearly all entries of a batch
 * belong at the end of the index.  As many as the last leaf page has room for are appended in one
 * step, with one record.  The page is as index_insert() would have left it.  When the page is full,
 * index_insert() splits it and makes the next entry.
 *
 * Locking: the last leaf page is locked exclusively while it is looked at and changed, as in
 * index_insert().  Whoever adds a key above all others needs this lock.  So a key that is above the
 * page's last key is nowhere in the index, and no other transaction is about to add it.
 */
#include "tables/runs.h"

#include "access/generic_xlog.h"
#include "access/nbtree.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"

StaticAssertDecl(sizeof(RunEntry) == MAXALIGN(sizeof(IndexTupleData)) + sizeof(int64),
                 "an entry in memory is an entry of a page");

int
runs_collect(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot **slots, int count,
             RunEntry *entries)
{
	AttrNumber column = index->info->ii_IndexAttrNumbers[0];
	int length = 0;

	Assert(index->takes_runs);
	for (; length < count && index_covers(facts, index, slots[length]); length++)
	{
		RunEntry *entry = &entries[length];
		bool is_null;

		entry->head.t_tid = slots[length]->tts_tid;
		entry->key = DatumGetInt64(slot_getattr(slots[length], column, &is_null));
		if (is_null || (length > 0 && entry->key <= entries[length - 1].key))
			break;
	}
	return length;
}

/* The last leaf page, pinned and locked exclusively; InvalidBuffer where the index has none yet. */
static Buffer
lock_last_leaf(Relation index)
{
#if PG_VERSION_NUM >= 170000
	Buffer buffer = _bt_get_endpoint(index, 0, true);
#else
	Buffer buffer = _bt_get_endpoint(index, 0, true, NULL);
#endif

	if (BufferIsValid(buffer))
	{
		_bt_unlockbuf(index, buffer);
		_bt_lockbuf(index, buffer, BT_WRITE);
	}
	return buffer;
}

/*
 * Is the page still the last leaf, and is the key above the page's last one?  A page with entries
 * that are known to be dead is index_insert()'s, which removes them when there is no room.
 */
static bool
may_append(Relation index, Page page, int64 key)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	IndexTuple entry;
	Datum value;
	bool is_null;

	if (!P_ISLEAF(opaque) || !P_RIGHTMOST(opaque) || P_IGNORE(opaque) || P_HAS_GARBAGE(opaque) ||
	    last < P_FIRSTDATAKEY(opaque))
		return false;
	entry = (IndexTuple) PageGetItem(page, PageGetItemId(page, last));
	value = index_getattr(entry, 1, RelationGetDescr(index), &is_null);
	return !is_null && DatumGetInt64(value) < key;
}

int
runs_append(Relation index, RunEntry *entries, int count)
{
	Buffer buffer = lock_last_leaf(index);
	int appended = 0;

	if (!BufferIsValid(buffer))
		return 0;
	if (may_append(index, BufferGetPage(buffer), entries[0].key))
		appended = Min(count, (int) (PageGetExactFreeSpace(BufferGetPage(buffer)) /
		                             (sizeof(RunEntry) + sizeof(ItemIdData))));
	if (appended > 0)
	{
		GenericXLogState *change = GenericXLogStart(index);
		Page page = GenericXLogRegisterBuffer(change, buffer, 0);

		CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buffer));
		for (int i = 0; i < appended; i++)
		{
			Assert(i == 0 || entries[i - 1].key < entries[i].key);
			entries[i].head.t_info = sizeof(RunEntry);
			if (PageAddItem(page, (Item) &entries[i], sizeof(RunEntry),
			                OffsetNumberNext(PageGetMaxOffsetNumber(page)), false,
			                false) == InvalidOffsetNumber)
				elog(ERROR, "no room on the last page of index \"%s\"",
				     RelationGetRelationName(index));
		}
		(void) GenericXLogFinish(change);
	}
	_bt_relbuf(index, buffer);
	return appended;
}
