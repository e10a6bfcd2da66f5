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

/* An entry of a B-tree on bigints and times, as it lies on a leaf page but for keys that lack. */
typedef struct RunEntry
{
	IndexTupleData head;
	int64 keys[RUN_KEYS_MAX];
} RunEntry;

/* Fewer entries take less time one by one. */
#define RUN_MIN 16

/* Makes the entry of a row.  False where a key is null. */
extern bool runs_form(const SimpleIndex *index, TupleTableSlot *slot, RunEntry *entry);

/* The order in which entries lie in an index. */
static inline int
runs_compare(const RunEntry *a, const RunEntry *b)
{
	for (int i = 0; i < RUN_KEYS_MAX; i++)
	{
		if (a->keys[i] != b->keys[i])
			return a->keys[i] < b->keys[i] ? -1 : 1;
	}
	return ItemPointerCompare((ItemPointer) &a->head.t_tid, (ItemPointer) &b->head.t_tid);
}

/* The entries of the first rows, as far as each has one and the keys rise.  Returns how many. */
extern int runs_collect(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot **slots,
                        int count, RunEntry *entries);

/*
 * Appends the first entries, whose one key rises, to the end of the index.  Returns how many: as
 * many as find room on the last leaf page, or on a new one where it is full.  Returns 0 where a key
 * in the index is not below the first one, or where the page is not a simple one: then
 * index_insert() makes the entry.  An entry that is appended breaks no unique constraint, because
 * its key is above all keys in the index.
 */
extern int runs_append(Relation index, Relation heap, RunEntry *entries, int count);

/*
 * Puts the first entries, which are sorted, where they belong: as many as belong to one leaf page
 * and find room there.  Returns how many.  Returns 0 where a page that is not the last one has no
 * room, or where the page is not a simple one: then index_insert() makes the entry.  Nobody looks
 * whether a key is there.
 */
extern int runs_insert(Relation index, Relation heap, int keys, RunEntry *entries, int count);

#endif /* PG_WALLET_RUNS_H */
