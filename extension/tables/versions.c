/*
 * versions.c
 *		New versions of rows on the page of the old version.
 *
 * heap_update() is made for all rows and tables.  For each row it looks the page up in the buffer
 * pool, copies three sets of columns to find out whether an index has one that changes, and
 * compares these columns.  Here nearly all that is known beforehand.  What is written to the page
 * and to the write-ahead log is what heap_update() writes where the page has room; see
 * docs/posting.md, "Rows without statements".  A row or a page with anything unusual is left to
 * heap_update().
 *
 * Locking: the page is locked exclusively while the row is looked at and written.  A row that has
 * an xmax which counts is not written, so that nobody has to be waited for.
 */
#include "tables/versions.h"

#include "access/heapam.h"
#include "access/heapam_xlog.h"
#include "access/heaptoast.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/catalog.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "tables/holder.h"

/* The columns of indexes of which a change keeps a new version from being HOT. */
static Bitmapset *
indexed_columns(Relation heap)
{
#if PG_VERSION_NUM >= 160000
	return RelationGetIndexAttrBitmap(heap, INDEX_ATTR_BITMAP_HOT_BLOCKING);
#else
	return RelationGetIndexAttrBitmap(heap, INDEX_ATTR_BITMAP_ALL);
#endif
}

/*
 * The columns whose changes are heap_update()'s: those that other tables may refer to, and those of
 * indexes that only summarize rows, which get an entry of a HOT version too.
 */
static Bitmapset *
foreign_columns(Relation heap)
{
	Bitmapset *columns = RelationGetIndexAttrBitmap(heap, INDEX_ATTR_BITMAP_KEY);

#if PG_VERSION_NUM >= 160000
	columns = bms_join(columns, RelationGetIndexAttrBitmap(heap, INDEX_ATTR_BITMAP_SUMMARIZED));
#endif
	return columns;
}

static bool
has_column(const Bitmapset *columns, AttrNumber column)
{
	return bms_is_member(column - FirstLowInvalidHeapAttributeNumber, columns);
}

/* Is the column one whose values can be compared as they are? */
static bool
is_by_value(Relation heap, AttrNumber column)
{
	return TupleDescAttr(RelationGetDescr(heap), column - 1)->attbyval;
}

bool
versions_fit(RowWriter *writer, const RowLayout *layout)
{
	Relation heap = writer->heap;
	Bitmapset *indexed;
	Bitmapset *foreign;
	bool fit =
	    RelationNeedsWAL(heap) && !RelationIsLogicallyLogged(heap) && !IsolationUsesXactSnapshot();

	writer->watched_count = 0;
	if (!fit)
		return false;
	indexed = indexed_columns(heap);
	foreign = foreign_columns(heap);
	/* An index on whole rows depends on all columns. */
	fit = !has_column(indexed, InvalidAttrNumber) && !has_column(foreign, InvalidAttrNumber);
	for (AttrNumber column = 1; fit && column <= layout->column_count; column++)
	{
		if (layout->columns[column - 1].changes == 0)
			continue;
		fit = !has_column(foreign, column);
		if (!fit || !has_column(indexed, column))
			continue;
		fit = is_by_value(heap, column) && writer->watched_count < WATCHED_MAX;
		if (fit)
			writer->watched[writer->watched_count++] = column;
	}
	bms_free(indexed);
	bms_free(foreign);
	return fit;
}

/* Has the new version another value in a column of an index? */
static bool
changes_index(const RowWriter *writer, HeapTuple old, HeapTuple version)
{
	TupleDesc columns = RelationGetDescr(writer->heap);

	for (int i = 0; i < writer->watched_count; i++)
	{
		bool was_null;
		bool is_null;
		Datum before = heap_getattr(old, writer->watched[i], columns, &was_null);
		Datum after = heap_getattr(version, writer->watched[i], columns, &is_null);

		if (was_null != is_null || (!is_null && before != after))
			return true;
	}
	return false;
}

/* Is there nothing unusual about the row, the new version and their page? */
static bool
is_usual(Page page, HeapTupleHeader row, HeapTuple version)
{
	return (row->t_infomask & HEAP_XMAX_INVALID) && HeapTupleHeaderXminCommitted(row) &&
	       !(row->t_infomask & HEAP_HASEXTERNAL) && !HeapTupleHasExternal(version) &&
	       version->t_len <= TOAST_TUPLE_THRESHOLD && !PageIsAllVisible(page) &&
	       PageGetHeapFreeSpace(page) >= MAXALIGN(version->t_len);
}

/* What the data of both versions have in common at the beginning and at the end, in bytes. */
static void
find_common(HeapTuple old, HeapTuple version, uint16 *prefix, uint16 *suffix)
{
	const char *from = (const char *) old->t_data + old->t_data->t_hoff;
	const char *to = (const char *) version->t_data + version->t_data->t_hoff;
	uint32 from_size = old->t_len - old->t_data->t_hoff;
	uint32 to_size = version->t_len - version->t_data->t_hoff;
	uint32 most = Min(from_size, to_size);

	*prefix = *suffix = 0;
	while (*prefix + sizeof(uint64) <= most &&
	       memcmp(from + *prefix, to + *prefix, sizeof(uint64)) == 0)
		*prefix += sizeof(uint64);
	while (*prefix < most && from[*prefix] == to[*prefix])
		(*prefix)++;
	most -= *prefix;
	while (*suffix < most && from[from_size - 1 - *suffix] == to[to_size - 1 - *suffix])
		(*suffix)++;
	/* The length takes two bytes of the record. */
	*prefix = *prefix < 3 ? 0 : *prefix;
	*suffix = *suffix < 3 ? 0 : *suffix;
}

/* Registers the new version for the record: its header, and what it has not in common. */
static void
register_version(HeapTuple version, const uint16 common[2])
{
	const HeapTupleHeader row = version->t_data;
	uint32 bitmap = row->t_hoff - SizeofHeapTupleHeader;
	/* XLogInsert() reads it after this function. */
	static xl_heap_header header;

	header = (xl_heap_header){row->t_infomask2, row->t_infomask, row->t_hoff};
	if (common[0] > 0)
		XLogRegisterBufData(0, (char *) &common[0], sizeof(uint16));
	if (common[1] > 0)
		XLogRegisterBufData(0, (char *) &common[1], sizeof(uint16));
	XLogRegisterBufData(0, (char *) &header, SizeOfHeapHeader);
	if (bitmap > 0)
		XLogRegisterBufData(0, (char *) row + SizeofHeapTupleHeader, bitmap);
	XLogRegisterBufData(0, (char *) row + row->t_hoff + common[0],
	                    version->t_len - row->t_hoff - common[0] - common[1]);
}

/* Writes the record that heap_update() writes.  Returns its end. */
static XLogRecPtr
log_version(Buffer buffer, HeapTuple old, HeapTuple version, TransactionId ours)
{
	uint16 common[2] = {0, 0};
	xl_heap_update update = {
	    .old_xmax = ours,
	    .old_offnum = ItemPointerGetOffsetNumber(&old->t_self),
	    .new_xmax = InvalidTransactionId,
	    .new_offnum = ItemPointerGetOffsetNumber(&version->t_self),
	};

	/* A record with an image of the page must not depend on the old version. */
	if (!XLogCheckBufferNeedsBackup(buffer))
		find_common(old, version, &common[0], &common[1]);
	update.flags = (common[0] > 0 ? XLH_UPDATE_PREFIX_FROM_OLD : 0) |
	               (common[1] > 0 ? XLH_UPDATE_SUFFIX_FROM_OLD : 0);
	XLogBeginInsert();
	XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
	XLogRegisterData((char *) &update, SizeOfHeapUpdate);
	register_version(version, common);
	XLogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
	return XLogInsert(RM_HEAP_ID,
	                  HeapTupleIsHeapOnly(version) ? XLOG_HEAP_HOT_UPDATE : XLOG_HEAP_UPDATE);
}

/* The headers of a version that this transaction makes, and nobody has replaced. */
static void
set_header(HeapTupleHeader row, TransactionId ours, CommandId command)
{
	row->t_infomask &= ~HEAP_XACT_MASK;
	row->t_infomask2 &= ~HEAP2_XACT_MASK;
	row->t_infomask |= HEAP_UPDATED | HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(row, ours);
	HeapTupleHeaderSetCmin(row, command);
	HeapTupleHeaderSetXmax(row, InvalidTransactionId);
}

/* Puts the version on the page, which is locked, and leads from the old version to it. */
static void
put_version(RowWriter *writer, HeapTuple old, HeapTuple version, bool is_hot, TransactionId ours)
{
	Page page = BufferGetPage(writer->buffer);
	XLogRecPtr end;

	set_header(version->t_data, ours, writer->command);
	START_CRIT_SECTION();
	PageSetPrunable(page, ours);
	if (is_hot)
	{
		HeapTupleSetHotUpdated(old);
		HeapTupleSetHeapOnly(version);
	}
	else
	{
		HeapTupleClearHotUpdated(old);
		HeapTupleClearHeapOnly(version);
	}
	RelationPutHeapTuple(writer->heap, writer->buffer, version, false);
	old->t_data->t_infomask &= ~(HEAP_XMAX_BITS | HEAP_MOVED);
	old->t_data->t_infomask2 &= ~HEAP_KEYS_UPDATED;
	HeapTupleHeaderSetXmax(old->t_data, ours);
	HeapTupleHeaderSetCmax(old->t_data, writer->command, false);
	old->t_data->t_ctid = version->t_self;
	MarkBufferDirty(writer->buffer);
	end = log_version(writer->buffer, old, version, ours);
	PageSetLSN(page, end);
	END_CRIT_SECTION();
}

VersionResult
version_make(RowWriter *writer, ItemPointer tid, HeapTuple version)
{
	TransactionId ours = GetCurrentTransactionId();
	VersionResult result = VERSION_HELD;
	HeapTupleData old = {.t_self = *tid, .t_tableOid = RelationGetRelid(writer->heap)};
	ItemId item;
	Page page;
	bool is_made;

	MultiXactIdSetOldestMember();
	writer->buffer =
	    ReleaseAndReadBuffer(writer->buffer, writer->heap, ItemPointerGetBlockNumber(tid));
	page = BufferGetPage(writer->buffer);
	LockBuffer(writer->buffer, BUFFER_LOCK_EXCLUSIVE);
	item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
	Assert(ItemIdIsNormal(item));
	if (ItemIdIsNormal(item))
	{
		old.t_data = (HeapTupleHeader) PageGetItem(page, item);
		old.t_len = ItemIdGetLength(item);
		if (header_holder(writer->buffer, old.t_data) != HOLDER_OTHERS)
			result = !writer->makes_versions || !is_usual(page, old.t_data, version)
			             ? VERSION_ELSEWHERE
			         : changes_index(writer, &old, version) ? VERSION_NEEDS_ENTRIES
			                                                : VERSION_MADE;
	}
	is_made = result == VERSION_MADE || result == VERSION_NEEDS_ENTRIES;
	if (is_made)
		put_version(writer, &old, version, result == VERSION_MADE, ours);
	LockBuffer(writer->buffer, BUFFER_LOCK_UNLOCK);
	if (!is_made)
		return result;
#if PG_VERSION_NUM >= 160000
	pgstat_count_heap_update(writer->heap, result == VERSION_MADE, false);
#else
	pgstat_count_heap_update(writer->heap, result == VERSION_MADE);
#endif
	return result;
}
