/*
 * runs.c
 *		Many entries of an index at once.
 *
 * index_insert() goes through the tree, locks a page and writes a record of the write-ahead log for
 * each entry.  But the ids of requests and transfers rise, so that nearly all entries of a batch
 * belong at the end of the index.  As many as the last leaf page has room for are appended in one
 * step, with one record.  Entries that belong elsewhere are sorted, so that those of one leaf page
 * come one after the other, and share the way through the tree and the lock.  The page is as
 * index_insert() would have left it.  When the last page is full, another one comes behind it:
 * last_leaf.c.  When another page is full, index_insert() splits it and makes the next entry.
 *
 * Locking: the leaf page is locked exclusively while it is looked at and changed, as in
 * index_insert().  Whoever adds a key above all others needs the lock of the last leaf.  So a key
 * that is above the last page's last key is nowhere in the index, and no other transaction is about
 * to add it.
 */
#include "tables/runs.h"

#include "access/generic_xlog.h"
#include "access/nbtree.h"
#include "access/nbtxlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"

#include "tables/last_leaf.h"

StaticAssertDecl(offsetof(RunEntry, keys) == MAXALIGN(sizeof(IndexTupleData)),
                 "an entry in memory is an entry of a page");

/* What an entry with so many keys takes on a page. */
static Size
entry_size(int keys)
{
	Assert(keys > 0 && keys <= RUN_KEYS_MAX);
	return offsetof(RunEntry, keys) + keys * sizeof(int64);
}

bool
runs_form(const SimpleIndex *index, TupleTableSlot *slot, RunEntry *entry)
{
	bool is_null = false;

	*entry = (RunEntry){{slot->tts_tid, (unsigned short) entry_size(index->run_keys)}};
	for (int i = 0; i < index->run_keys && !is_null; i++)
		entry->keys[i] =
		    DatumGetInt64(slot_getattr(slot, index->info->ii_IndexAttrNumbers[i], &is_null));
	return !is_null;
}

int
runs_collect(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot **slots, int count,
             RunEntry *entries)
{
	int length = 0;

	Assert(index->run_keys == 1);
	for (; length < count && index_covers(facts, index, slots[length]); length++)
	{
		RunEntry *entry = &entries[length];

		if (!runs_form(index, slots[length], entry) ||
		    (length > 0 && entry->keys[0] <= entries[length - 1].keys[0]))
			break;
	}
	return length;
}

/*
 * Is the page what the write-ahead log has made of it?  Searches mark entries as dead, and page
 * splits are marked for VACUUM, without a record.  A generic record would take such marks for
 * logged ones, so whoever compares a replayed page with the original would find them different.
 */
static bool
is_as_logged(Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	if ((opaque->btpo_flags & (BTP_HAS_GARBAGE | BTP_SPLIT_END)) != 0 || opaque->btpo_cycleid != 0)
		return false;
	for (OffsetNumber i = P_FIRSTDATAKEY(opaque); i <= last; i = OffsetNumberNext(i))
	{
		if (ItemIdIsDead(PageGetItemId(page, i)))
			return false;
	}
	return true;
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

	if (!P_ISLEAF(opaque) || !P_RIGHTMOST(opaque) || P_IGNORE(opaque) || !is_as_logged(page) ||
	    last < P_FIRSTDATAKEY(opaque))
		return false;
	entry = (IndexTuple) PageGetItem(page, PageGetItemId(page, last));
	value = index_getattr(entry, 1, RelationGetDescr(index), &is_null);
	return !is_null && DatumGetInt64(value) < key;
}

/*
 * Appends to the last leaf page as many of the first entries as it has room for.  is_full: it has
 * room for none of them, which belong there.
 */
static int
append_to_leaf(Relation index, RunEntry *entries, int count, bool *is_full)
{
	Buffer buffer = last_leaf_lock(index);
	int appended = 0;

	*is_full = false;
	if (!BufferIsValid(buffer))
		return 0;
	if (may_append(index, BufferGetPage(buffer), entries[0].keys[0]))
	{
		appended = Min(count, leaf_room(BufferGetPage(buffer), entry_size(1)));
		*is_full = appended == 0;
	}
	if (appended > 0)
	{
		GenericXLogState *change = GenericXLogStart(index);
		Page page = GenericXLogRegisterBuffer(change, buffer, 0);

		CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buffer));
		for (int i = 0; i < appended; i++)
		{
			Assert(i == 0 || entries[i - 1].keys[0] < entries[i].keys[0]);
			leaf_put(index, page, &entries[i].head, OffsetNumberNext(PageGetMaxOffsetNumber(page)));
		}
		(void) GenericXLogFinish(change);
	}
	_bt_relbuf(index, buffer);
	return appended;
}

int
runs_append(Relation index, Relation heap, RunEntry *entries, int count)
{
	bool is_full;
	int appended = append_to_leaf(index, entries, count, &is_full);

	if (is_full && last_leaf_extend(index, heap, &entries[0].head))
		appended = append_to_leaf(index, entries, count, &is_full);
	return appended;
}

/* ---- Entries that belong in the middle ---- */

/*
 * Compares an entry with what lies on a page: less than 0 where the entry comes first.  Returns 0
 * where the entry is there, or belongs inside of a list of places.  A null comes last.
 */
static int
compare_with_item(const RunEntry *entry, IndexTuple item, int keys)
{
	const int64 *there = (const int64 *) ((const char *) item + offsetof(RunEntry, keys));
	ItemPointer tid = (ItemPointer) &entry->head.t_tid;

	if (IndexTupleHasNulls(item))
		return -1;
	for (int i = 0; i < keys; i++)
	{
		if (entry->keys[i] != there[i])
			return entry->keys[i] < there[i] ? -1 : 1;
	}
	if (ItemPointerCompare(tid, BTreeTupleGetHeapTID(item)) < 0)
		return -1;
	return ItemPointerCompare(tid, BTreeTupleGetMaxHeapTID(item)) > 0;
}

/* Does the entry belong to a page further right?  What the page's bound lacks is minus infinity. */
static bool
is_beyond(Relation index, Page page, const RunEntry *entry, int keys)
{
	IndexTuple bound;
	const int64 *there;
	int count;

	if (P_RIGHTMOST(BTPageGetOpaque(page)))
		return false;
	bound = (IndexTuple) PageGetItem(page, PageGetItemId(page, P_HIKEY));
	count = BTreeTupleGetNAtts(bound, index);
	there = (const int64 *) ((const char *) bound + offsetof(RunEntry, keys));
	if (IndexTupleHasNulls(bound))
		return false;
	for (int i = 0; i < count; i++)
	{
		if (entry->keys[i] != there[i])
			return entry->keys[i] > there[i];
	}
	return count < keys || BTreeTupleGetHeapTID(bound) == NULL ||
	       ItemPointerCompare((ItemPointer) &entry->head.t_tid, BTreeTupleGetHeapTID(bound)) > 0;
}

/* The place of an entry among the items from low on; InvalidOffsetNumber where it has none. */
static OffsetNumber
find_place(Page page, OffsetNumber low, const RunEntry *entry, int keys)
{
	OffsetNumber high = OffsetNumberNext(PageGetMaxOffsetNumber(page));

	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;
		int order = compare_with_item(
		    entry, (IndexTuple) PageGetItem(page, PageGetItemId(page, middle)), keys);

		if (order == 0)
			return InvalidOffsetNumber;
		if (order > 0)
			low = OffsetNumberNext(middle);
		else
			high = middle;
	}
	return low;
}

/* Puts one entry on the locked page, and writes the record that index_insert() writes. */
static void
log_entry(Relation index, Buffer buffer, RunEntry *entry, OffsetNumber place)
{
	START_CRIT_SECTION();
	leaf_put(index, BufferGetPage(buffer), &entry->head, place);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(index))
	{
		xl_btree_insert record = {.offnum = place};
		XLogRecPtr written;

		XLogBeginInsert();
		XLogRegisterData((char *) &record, SizeOfBtreeInsert);
		XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
		XLogRegisterBufData(0, (char *) entry, IndexTupleSize(&entry->head));
		written = XLogInsert(RM_BTREE_ID, XLOG_BTREE_INSERT_LEAF);
		PageSetLSN(BufferGetPage(buffer), written);
	}
	END_CRIT_SECTION();
}

/* Puts the first count entries on the locked page, which has room.  Returns how many have a place.
 */
static int
insert_on(Relation index, Buffer buffer, int keys, RunEntry *entries, int count)
{
	Page page = BufferGetPage(buffer);
	GenericXLogState *change =
	    count >= RUN_MIN && is_as_logged(page) ? GenericXLogStart(index) : NULL;
	OffsetNumber place = P_FIRSTDATAKEY(BTPageGetOpaque(page));
	int done = 0;

	if (change != NULL)
		page = GenericXLogRegisterBuffer(change, buffer, 0);
	for (; done < count; done++)
	{
		place = find_place(page, place, &entries[done], keys);
		if (place == InvalidOffsetNumber)
			break;
		if (change == NULL)
			log_entry(index, buffer, &entries[done], place);
		else
			leaf_put(index, page, &entries[done].head, place);
	}
	if (change != NULL)
		(void) GenericXLogFinish(change);
	return done;
}

/* Does the entry belong behind all others of the index, and has the last page no room for it? */
static bool
is_beyond_full_end(Page page, const RunEntry *entry, int keys)
{
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	return P_RIGHTMOST(BTPageGetOpaque(page)) && last >= P_HIKEY &&
	       leaf_room(page, entry_size(keys)) == 0 &&
	       compare_with_item(entry, (IndexTuple) PageGetItem(page, PageGetItemId(page, last)),
	                         keys) > 0;
}

/* As runs_insert().  is_full: the first entry belongs to the last leaf page, which is full. */
static int
insert_on_leaf(Relation index, Relation heap, int keys, RunEntry *entries, int count, bool *is_full)
{
	Buffer buffer = leaf_lock(index, heap, &entries[0].head);
	int done = 0;
	Page page;

	*is_full = false;
	if (!BufferIsValid(buffer))
		return 0;
	page = BufferGetPage(buffer);
	if (!P_INCOMPLETE_SPLIT(BTPageGetOpaque(page)))
	{
		int most = Min(count, leaf_room(page, entry_size(keys)));
		int fitting = 0;

		while (fitting < most && !is_beyond(index, page, &entries[fitting], keys))
			fitting++;
		CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buffer));
		if (fitting > 0)
			done = insert_on(index, buffer, keys, entries, fitting);
		*is_full = done == 0 && is_beyond_full_end(page, &entries[0], keys);
	}
	_bt_relbuf(index, buffer);
	return done;
}

int
runs_insert(Relation index, Relation heap, int keys, RunEntry *entries, int count)
{
	bool is_full;
	int done = insert_on_leaf(index, heap, keys, entries, count, &is_full);

	if (is_full && last_leaf_extend(index, heap, &entries[0].head))
		done = insert_on_leaf(index, heap, keys, entries, count, &is_full);
	return done;
}
