/*
 * last_leaf.c
 *		The last leaf page of an index.
 *
 * When a page is full, index_insert() looks at each place where it could be split, 400 of them on
 * an index of ids, and sorts them.  For entries that are appended that is known beforehand: the
 * page keeps what the fillfactor says, and the rest goes to a new page behind it.  What is written
 * to the pages and to the write-ahead log is what index_insert() writes for such a split, and its
 * own functions put the new page into the page above.
 *
 * Locking: the page is locked exclusively until the page above knows the new page, as in
 * index_insert().  Searches reach the new page through it alone; whoever comes another way, as
 * VACUUM does, finds a complete page.
 */
#include "tables/last_leaf.h"

#include "access/nbtree.h"
#include "access/nbtxlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"

#include "tables/holder.h"

/* The way from the root to the leaf page that the key belongs to, which is pinned and locked. */
static BTStack
search(Relation index, Relation heap, BTScanInsert key, Buffer *leaf)
{
#if PG_VERSION_NUM >= 170000
	return _bt_search(index, heap, key, leaf, BT_WRITE);
#elif PG_VERSION_NUM >= 160000
	return _bt_search(index, heap, key, leaf, BT_WRITE, NULL);
#else
	(void) heap;
	return _bt_search(index, key, leaf, BT_WRITE, NULL);
#endif
}

Buffer
leaf_lock(Relation index, Relation heap, IndexTuple entry)
{
	BTScanInsert key = _bt_mkscankey(index, entry);
	Buffer leaf = InvalidBuffer;

	if (key->heapkeyspace)
		_bt_freestack(search(index, heap, key, &leaf));
	pfree(key);
	return leaf;
}

Buffer
last_leaf_lock(Relation index)
{
#if PG_VERSION_NUM >= 170000
	Buffer leaf = _bt_get_endpoint(index, 0, true);
#else
	Buffer leaf = _bt_get_endpoint(index, 0, true, NULL);
#endif

	if (BufferIsValid(leaf))
	{
		_bt_unlockbuf(index, leaf);
		_bt_lockbuf(index, leaf, BT_WRITE);
	}
	return leaf;
}

int
leaf_room(Page page, Size size)
{
	return (int) (PageGetExactFreeSpace(page) / (size + sizeof(ItemIdData)));
}

void
leaf_put(Relation index, Page page, IndexTuple entry, OffsetNumber place)
{
	if (PageAddItem(page, (Item) entry, IndexTupleSize(entry), place, false, false) ==
	    InvalidOffsetNumber)
		elog(ERROR, "no room on a page of index \"%s\"", RelationGetRelationName(index));
}

/* The first entry that goes to the new page: two at least do, so that a high key finds room. */
static OffsetNumber
first_to_go(Relation index, Page page)
{
	int entries = PageGetMaxOffsetNumber(page);
	int kept = entries * BTGetFillFactor(index) / 100;

	return OffsetNumberNext(Max(1, Min(kept, entries - 2)));
}

static IndexTuple
entry_at(Page page, OffsetNumber place)
{
	return (IndexTuple) PageGetItem(page, PageGetItemId(page, place));
}

/* Adds an entry behind those that are on the page. */
static void
add_entry(Relation index, Page page, IndexTuple entry)
{
	leaf_put(index, page, entry, OffsetNumberNext(PageGetMaxOffsetNumber(page)));
}

/* Adds the page's entries from one place on, up to another, to the image of a page. */
static void
add_entries(Relation index, Page image, Page page, OffsetNumber from, OffsetNumber to)
{
	for (OffsetNumber place = from; place < to; place = OffsetNumberNext(place))
		add_entry(index, image, entry_at(page, place));
}

/* Logs the split as index_insert() does. */
static void
log_split(Buffer left, Buffer right, IndexTuple high_key, OffsetNumber first_right)
{
	Page page = BufferGetPage(right);
	int entries = ((PageHeader) page)->pd_special - ((PageHeader) page)->pd_upper;
	xl_btree_split record = {
	    .level = 0,
	    .firstrightoff = first_right,
	    .newitemoff = OffsetNumberNext(first_right),
	    .postingoff = 0,
	};
	XLogRecPtr end;

	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfBtreeSplit);
	XLogRegisterBuffer(0, left, REGBUF_STANDARD);
	XLogRegisterBuffer(1, right, REGBUF_WILL_INIT);
	XLogRegisterBufData(0, (char *) high_key, MAXALIGN(IndexTupleSize(high_key)));
	XLogRegisterBufData(1, (char *) page + ((PageHeader) page)->pd_upper, entries);
	end = XLogInsert(RM_BTREE_ID, XLOG_BTREE_SPLIT_R);
	PageSetLSN(BufferGetPage(left), end);
	PageSetLSN(page, end);
}

static Buffer
allocate(Relation index, Relation heap)
{
#if PG_VERSION_NUM >= 160000
	return _bt_allocbuf(index, heap);
#else
	(void) heap;
	return _bt_getbuf(index, P_NEW, BT_WRITE);
#endif
}

/* Moves the entries from a place on to a new page.  Both pages are made as images first. */
static void
move_entries(Relation index, Relation heap, Buffer left, OffsetNumber first_right, BTScanInsert key)
{
	Page page = BufferGetPage(left);
	Page left_image = PageGetTempPageCopySpecial(page);
	Page right_image = PageGetTempPageCopySpecial(page);
	IndexTuple high_key = _bt_truncate(index, entry_at(page, OffsetNumberPrev(first_right)),
	                                   entry_at(page, first_right), key);
	BTPageOpaque left_opaque = BTPageGetOpaque(left_image);
	BTPageOpaque right_opaque = BTPageGetOpaque(right_image);
	Buffer right;

	Assert(page_is_locked(left));
	Assert(first_right > P_HIKEY && first_right < PageGetMaxOffsetNumber(page));

	add_entry(index, left_image, high_key);
	add_entries(index, left_image, page, P_HIKEY, first_right);
	add_entries(index, right_image, page, first_right,
	            OffsetNumberNext(PageGetMaxOffsetNumber(page)));

	right = allocate(index, heap);
	left_opaque->btpo_flags = BTP_LEAF | BTP_INCOMPLETE_SPLIT;
	left_opaque->btpo_next = BufferGetBlockNumber(right);
	right_opaque->btpo_flags = BTP_LEAF;
	right_opaque->btpo_prev = BufferGetBlockNumber(left);
	/* For a VACUUM that is under way; to be read when both pages are locked. */
	left_opaque->btpo_cycleid = right_opaque->btpo_cycleid = _bt_vacuum_cycleid(index);

	/* By its LSN XLogInsert() decides whether the log needs an image of the page. */
	PageSetLSN(left_image, PageGetLSN(page));

	START_CRIT_SECTION();
	PageRestoreTempPage(left_image, page);
	PageRestoreTempPage(right_image, BufferGetPage(right));
	MarkBufferDirty(left);
	MarkBufferDirty(right);
	if (RelationNeedsWAL(index))
		log_split(left, right, high_key, first_right);
	END_CRIT_SECTION();

	PredicateLockPageSplit(index, BufferGetBlockNumber(left), BufferGetBlockNumber(right));
	_bt_relbuf(index, right);
	pfree(high_key);
}

/* Puts the new page into the page above, and unlocks the old one. */
static void
finish(Relation index, Relation heap, Buffer left, BTStack stack)
{
	/* It wants that nobody remembers a last page. */
	RelationSetTargetBlock(index, InvalidBlockNumber);
#if PG_VERSION_NUM >= 160000
	_bt_finish_split(index, heap, left, stack);
#else
	(void) heap;
	_bt_finish_split(index, left, stack);
#endif
}

/*
 * Is it the last leaf, and would index_insert() do nothing but split it?  Where entries are known
 * to be dead, it would delete them first, and with deduplication it would look for equal keys.
 */
static bool
is_usual(Relation index, Page page, BTScanInsert key)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);

	if (!index->rd_index->indisunique && BTGetDeduplicateItems(index) && key->allequalimage)
		return false;
	return P_ISLEAF(opaque) && P_RIGHTMOST(opaque) && !P_IGNORE(opaque) &&
	       !P_INCOMPLETE_SPLIT(opaque) && !P_HAS_GARBAGE(opaque) &&
	       PageGetMaxOffsetNumber(page) > 2;
}

bool
last_leaf_extend(Relation index, Relation heap, IndexTuple entry)
{
	BTScanInsert key = _bt_mkscankey(index, entry);
	Buffer leaf = InvalidBuffer;
	BTStack stack = key->heapkeyspace ? search(index, heap, key, &leaf) : NULL;
	bool has_room = false;

	if (BufferIsValid(leaf))
	{
		Page page = BufferGetPage(leaf);

		has_room = is_usual(index, page, key);
		if (has_room && leaf_room(page, IndexTupleSize(entry)) == 0)
		{
			move_entries(index, heap, leaf, first_to_go(index, page), key);
			finish(index, heap, leaf, stack);
		}
		else
			_bt_relbuf(index, leaf);
	}
	if (stack != NULL)
		_bt_freestack(stack);
	pfree(key);
	return has_room;
}
