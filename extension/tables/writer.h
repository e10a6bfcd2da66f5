/*
 * writer.h
 *		A table that is being written to without a statement: what rows.c and entries.c share.
 */
#ifndef PG_WALLET_WRITER_H
#define PG_WALLET_WRITER_H

#include "base/version.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/buf.h"
#include "utils/rel.h"

#include "base/hints.h"

/* Rows that are written together. */
#define ROWS_AT_ONCE 1000

/* From so many rows on it pays to sort their index entries; see entries.h. */
#define WRITER_MANY 16

/* Where updates may change more columns of indexes, heap_update() makes the versions. */
#define WATCHED_MAX 8

struct TableFacts;
struct EntryList;

/* A table opened for writing; the caller's transaction keeps its lock. */
typedef struct RowWriter
{
	Relation parent; /* NULL when the table is not partitioned */
	Relation heap;
	const struct TableFacts *facts;
	CommandId command;
	bool is_update;
	bool makes_versions; /* by version_make() */
	int watched_count;   /* columns of indexes that updates may change, by number */
	AttrNumber watched[WATCHED_MAX];
	HintOf hint;       /* of the rows */
	bool is_many;      /* the caller has WRITER_MANY rows or more, and says so before the first */
	Relation *indexes; /* those that have got entries; for most updates none, and NULL */
	struct EntryList *waiting; /* entries that writer_close() makes, by index; NULL: none */
	bool may_delete;           /* entries of superfluous versions, when an index's page is full */
	EState *estate;            /* NULL where we can do without the executor */
	ResultRelInfo *result;     /* of the executor's */
	Buffer buffer;             /* the page of the row that was looked at last, pinned */
	int path;                  /* of search_path_pin() */
	int slot_count;            /* made so far */
	int filled;                /* of them, not written yet */
	TupleTableSlot *slots[ROWS_AT_ONCE];
} RowWriter;

#endif /* PG_WALLET_WRITER_H */
