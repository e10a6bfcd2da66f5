/*
 * rows.h
 *		Rows in and out of a table without a statement: the executor's own steps, called directly.
 *
 * See docs/posting.md, "Rows without statements".  writer_open() and reader_open() return false
 * for a table with something that only a statement carries out: row triggers, rules, row security,
 * columns of a user's.  Then the caller runs a statement.  The functions here do the rest of what
 * a statement does: constraints, index entries, replica identity, statistics, write-ahead log.
 * Privileges are those of the SQL function that was called: the function is SECURITY DEFINER and
 * belongs to the owner of the tables.
 */
#ifndef PG_WALLET_ROWS_H
#define PG_WALLET_ROWS_H

#include "base/version.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/nodes.h"
#include "storage/buf.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

#include "tables/holder.h"
#include "tables/layout.h"
#include "tables/writer.h"

/*
 * Open a table for this command: CMD_INSERT, or CMD_UPDATE of columns that are no keys.  False
 * when a statement has to do the work.
 */
extern bool writer_open(RowWriter *writer, const RowLayout *layout, CmdType command);

/*
 * Open a table for CMD_INSERT of rows whose first column is from first_key to last_key: where it
 * is partitioned by that, the partition they all belong to.  False also when they belong to
 * several.
 */
extern bool writer_open_for_keys(RowWriter *writer, const RowLayout *layout, int64 first_key,
                                 int64 last_key);

/* A slot for the next row; the caller fills tts_values and tts_isnull of all columns. */
extern TupleTableSlot *writer_next(RowWriter *writer);

/*
 * Replaces the row at tid with the row in the last slot.  is_locked says whether this transaction
 * has locked the row at tid.  The active snapshot shows the row at tid, so that the row is not
 * pruned.
 *
 * Returns false when another transaction has changed a row that was not locked, or holds that row;
 * then nothing has been written.  Does not wait for a transaction that holds the row when this is
 * called.  The update waits for one that takes the row in the moment between the look and the
 * update: the caller updates rows in the order in which everybody locks them, and bounds the wait
 * with lock_timeout where a wait is not wanted.
 */
extern bool writer_update(RowWriter *writer, ItemPointer tid, bool is_locked);

/* Writes the rows that are left.  Later commands see the rows. */
extern void writer_close(RowWriter *writer);

/*
 * A scan of a primary key of one column, or of a second key, used again for one key after the
 * other.
 */
typedef struct RowReader
{
	Relation parent; /* NULL when the table is not partitioned */
	int64 end;       /* keys from here on are in the partitions after this one; else PG_INT64_MAX */
	Relation heap;
	Oid key_index;
	int key_count;  /* columns of the key: 1 or 2 */
	Relation index; /* of it; NULL before the first seek */
	IndexScanDesc scan;
	ScanDirection direction;
	bool is_read_once;
	TupleTableSlot *slot;
	ItemPointer entry;       /* of the index, that reader_step has come to */
	RowHolder holder;        /* of the row in the slot */
	BlockNumber block_count; /* of the table; InvalidBlockNumber until somebody wants to know */
	Size room;               /* a page with fewer free bytes is cleaned before it is read */
	Buffer buffer;           /* the page that was read last, pinned */
} RowReader;

/* Reads with the active snapshot.  False when a statement has to do the work. */
extern bool reader_open(RowReader *reader, const RowLayout *layout, LOCKMODE lock);

/* Opens a table, which has no partitions, to read it by a second key. */
extern bool reader_open_second(RowReader *reader, const RowLayout *layout, const SecondKey *key,
                               LOCKMODE lock);

/*
 * Opens a table for keys that are at least this key.  Of a partitioned table, opens the first
 * partition that may hold such a key.  The caller reads the whole partition, closes the reader,
 * and opens it again with reader->end as the key.
 */
extern bool reader_open_from(RowReader *reader, const RowLayout *layout, int64 key, LOCKMODE lock);

/*
 * Will writer_open return true for CMD_UPDATE?  The reader was opened with the lock of an update,
 * so that the answer stays true until the transaction ends.
 */
extern bool reader_may_update(RowReader *reader, const RowLayout *layout);

/*
 * Go to the rows whose key is equal to a bigint, is at least a bigint, or is equal to a text.
 *
 * While a transaction holds a snapshot, the index has an entry for every version of a row that is
 * not HOT.  The entries of one key lie in the order of their places in the table, and the table
 * grows meanwhile.  So reader_seek() reads from the end: the newest version comes first, and the
 * pages of old versions are not read.
 */
extern void reader_seek(RowReader *reader, int64 key);
extern void reader_seek_from(RowReader *reader, int64 key);
extern void reader_seek_text(RowReader *reader, const char *key);

/* Go to the rows whose second key has this bigint, where it has one, and a time up to this one. */
extern void reader_seek_second(RowReader *reader, int64 id, TimestampTz until);

/* The next row is in the slot, in the order of the key; false when there is none. */
extern bool reader_next(RowReader *reader);

/* The same among this many entries of the index at the most, which are counted down. */
extern bool reader_next_among(RowReader *reader, int *entries);

/*
 * The two steps of reader_next, for a table with is_read_once whose key is a bigint.
 * reader_step() goes on to the next entry of the index and gets its key; false at the end.
 * reader_take() then puts the row of the entry into the slot; false where the snapshot does not
 * show the row.  An entry that is not taken costs no look at the table.
 */
extern bool reader_step(RowReader *reader, int64 *key);
extern bool reader_take(RowReader *reader);

/* Puts the row at this place into the slot.  False where the snapshot shows no row there. */
extern bool reader_fetch(RowReader *reader, ItemPointer tid);
extern void reader_close(RowReader *reader);

#endif /* PG_WALLET_ROWS_H */
