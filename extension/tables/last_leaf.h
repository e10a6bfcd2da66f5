/*
 * last_leaf.h
 *		The last leaf page of an index.
 *
 * See docs/posting.md, "Index entries in runs".
 */
#ifndef PG_WALLET_LAST_LEAF_H
#define PG_WALLET_LAST_LEAF_H

#include "base/version.h"

#include "access/itup.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

/*
 * Pins and locks the leaf page that an entry belongs to, exclusively.  InvalidBuffer where the
 * index has no page yet, or is of a version before 4.
 */
extern Buffer leaf_lock(Relation index, Relation heap, IndexTuple entry);

/* Pins and locks the last leaf page, exclusively.  InvalidBuffer where the index has none yet. */
extern Buffer last_leaf_lock(Relation index);

/* How many entries of this size find room on the page. */
extern int leaf_room(Page page, Size size);

/* Puts an entry at its place on a page that has room for it, without a record of the log. */
extern void leaf_put(Relation index, Page page, IndexTuple entry, OffsetNumber place);

/*
 * Puts a new page behind the last leaf page, when that has no room for the entry, which belongs
 * behind all others.  The entries beyond the fillfactor go to the new page.  False where the page
 * is not the last one any more, or not a simple one: then index_insert() makes the entry.
 */
extern bool last_leaf_extend(Relation index, Relation heap, IndexTuple entry);

#endif /* PG_WALLET_LAST_LEAF_H */
