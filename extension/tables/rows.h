/*
 * rows.h
 *		Rows in and out of a table without a statement: the executor's own steps, called directly.
 *
 * For the few tables and columns that the hot paths touch.  Whatever a user may have hung on a
 * table and only a statement carries out (row triggers, rules, row security, columns of his
 * own) makes writer_open and reader_open say no; then the caller runs a statement.  What they
 * do themselves: constraints, index entries, replica identity, statistics, write-ahead log.
 * Privileges are those of the function that was called: it is SECURITY DEFINER and belongs to
 * the tables' owner.
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

#include "tables/layout.h"

/* Rows that are written together. */
#define ROWS_AT_ONCE 1000

struct TableFacts;

/* A table opened for writing; the caller's transaction keeps its lock. */
typedef struct RowWriter
{
	Relation parent; /* NULL when the table is not partitioned */
	Relation heap;
	const struct TableFacts *facts;
	CommandId command;
	bool is_update;
	Relation *indexes;     /* those that have got entries; for most updates none, and NULL */
	bool may_delete;       /* entries of superfluous versions, when an index's page is full */
	EState *estate;        /* NULL where we can do without the executor */
	ResultRelInfo *result; /* of the executor's */
	Buffer buffer;         /* the page of the row that was looked at last, pinned */
	int slot_count;        /* made so far */
	int filled;            /* of them, not written yet */
	TupleTableSlot *slots[ROWS_AT_ONCE];
} RowWriter;

/*
 * Open a table for this command: CMD_INSERT, or CMD_UPDATE of columns that are no keys.  False when
 * a statement has to do the work.
 */
extern bool writer_open(RowWriter *writer, const RowLayout *layout, CmdType command);

/*
 * Open a table for CMD_INSERT of rows whose first column is from first_key to last_key: where it is
 * partitioned by that, the partition they all belong to.  False also when they belong to several.
 */
extern bool writer_open_for_keys(RowWriter *writer, const RowLayout *layout, int64 first_key,
                                 int64 last_key);

/* A slot for the next row; the caller fills tts_values and tts_isnull of all columns. */
extern TupleTableSlot *writer_next(RowWriter *writer);

/*
 * Put the last slot's row in the place of the one at tid, which our transaction has locked or not.
 * A snapshot of ours that shows the row at tid is in force, so that the row is not pruned.
 *
 * Returns false when another transaction has changed a row that was not locked, or holds that row;
 * then nothing has been written.  Does not wait for a transaction that holds the row when this is
 * called.  The update waits for one that takes the row in the moment between the look and the
 * update: the caller updates rows in the order in which everybody locks them, and bounds the wait
 * with lock_timeout where a wait is not wanted.
 */
extern bool writer_update(RowWriter *writer, ItemPointer tid, bool is_locked);

/* Write what is left.  The rows are visible to later commands. */
extern void writer_close(RowWriter *writer);

/* A scan of a primary key of one column, used again for one key after the other. */
typedef struct RowReader
{
	Relation parent; /* NULL when the table is not partitioned */
	int64 end;       /* keys from here on are in the partitions after this one; else PG_INT64_MAX */
	Relation heap;
	Oid key_index;
	Relation index; /* of it; NULL before the first seek */
	IndexScanDesc scan;
	ScanDirection direction;
	bool is_read_once;
	TupleTableSlot *slot;
	ItemPointer entry;       /* of the index, that reader_step has come to */
	BlockNumber block_count; /* of the table; InvalidBlockNumber until somebody wants to know */
	Buffer buffer;           /* the page that was read last, pinned */
} RowReader;

/* Who has locked a version of a row, or replaced it? */
typedef enum RowHolder
{
	HOLDER_NOBODY,
	HOLDER_OURSELVES,
	HOLDER_OTHERS /* or so it seems */
} RowHolder;

/* Of the version in a slot of the reader's.  The answer may be out of date when it is given. */
extern RowHolder row_holder(TupleTableSlot *slot);

/* With the active snapshot.  False when a statement has to do the work. */
extern bool reader_open(RowReader *reader, const RowLayout *layout, LOCKMODE lock);

/*
 * The same for keys from this one on: of a partitioned table the first partition that may hold such
 * a key.  Whoever has read all of that goes on from reader->end, with a reader opened anew.
 */
extern bool reader_open_from(RowReader *reader, const RowLayout *layout, int64 key, LOCKMODE lock);

/*
 * Will writer_open say yes to updates?  The reader was opened with their lock, so that the answer
 * stays true until the transaction ends.
 */
extern bool reader_may_update(RowReader *reader, const RowLayout *layout);

/*
 * Go to where the key is equal to this bigint, or is at least that; or equal to this text.
 *
 * While some snapshot is held, the index has an entry for every version of a row that is not HOT.
 * Those of one key lie in the order of their places in the table, which grows then: reading equal
 * keys from the end, the newest version comes first, and the old pages are not looked at.
 */
extern void reader_seek(RowReader *reader, int64 key);
extern void reader_seek_from(RowReader *reader, int64 key);
extern void reader_seek_text(RowReader *reader, const char *key);

/* The next row is in the slot, in the order of the key; false when there is none. */
extern bool reader_next(RowReader *reader);

/*
 * The two steps of reader_next, for a primary key of one bigint: go on to the next entry of the
 * index, whose row may be visible or not, and get its key; then take the row into the slot, or say
 * that the snapshot does not show it.  Entries that are not taken cost little.
 */
extern bool reader_step(RowReader *reader, int64 *key);
extern bool reader_take(RowReader *reader);

/* Take the row at this place into the slot; false where no row is visible, or none can be. */
extern bool reader_fetch(RowReader *reader, ItemPointer tid);
extern void reader_close(RowReader *reader);

/* What the statements before have written is visible to what follows, as after a statement. */
extern void push_new_snapshot(void);

#endif /* PG_WALLET_ROWS_H */
