/*
 * entries.h
 *		Index entries of the rows that a RowWriter writes.
 *
 * Where a writer writes many rows (is_many), the entries of an index that is not unique wait until
 * the writer is closed.  Then they are made in the order of their keys, page by page; see
 * docs/posting.md, "Index entries in runs".  So are the entries of all indexes for many updates,
 * which break no unique index.
 */
#ifndef PG_WALLET_ENTRIES_H
#define PG_WALLET_ENTRIES_H

#include "base/version.h"

#include "tables/writer.h"

/* Can the functions here make all entries?  If not, entries_make() lets the executor make them. */
extern bool entries_are_simple(const RowWriter *writer);

/* Makes the index entries of rows that have been inserted, or of one that has been updated. */
extern void entries_make(RowWriter *writer, TupleTableSlot **slots, int count,
                         bool only_summarizing);

/* Makes the entries that wait. */
extern void entries_make_waiting(RowWriter *writer);

/* Closes the indexes. */
extern void entries_release(RowWriter *writer);

#endif /* PG_WALLET_ENTRIES_H */
