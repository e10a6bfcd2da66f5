/*
 * runs.h
 *		Many entries of an index at once.
 *
 * See docs/posting.md, "Index entries in runs".
 */
#ifndef PG_WALLET_RUNS_H
#define PG_WALLET_RUNS_H

#include "base/version.h"

#include "access/itup.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#include "tables/facts.h"

/* An entry of a B-tree on one bigint, as it lies on a leaf page. */
typedef struct RunEntry
{
	IndexTupleData head;
	int64 key;
} RunEntry;

/* Fewer entries take less time one by one. */
#define RUN_MIN 16

/* The entries of the first rows, as far as each has one and the keys rise.  Returns how many. */
extern int runs_collect(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot **slots,
                        int count, RunEntry *entries);

/*
 * Appends the first entries, whose keys rise, to the end of the index.  Returns how many: as many
 * as find room on the last leaf page.  Returns 0 where that page is full, or where a key in the
 * index is not below the first one: then index_insert() makes the entry.  An entry that is appended
 * breaks no unique constraint, because its key is above all keys in the index.
 */
extern int runs_append(Relation index, RunEntry *entries, int count);

#endif /* PG_WALLET_RUNS_H */
