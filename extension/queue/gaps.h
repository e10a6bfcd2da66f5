/*
 * gaps.h
 *		Ids below the highest one seen that are not visible yet.
 *
 * Ids come from a sequence, and transactions commit them in any order.  An id below the highest
 * one that is not visible belongs to an open transaction, or to a transaction that has rolled
 * back.  A reader of a table in the order of its ids keeps ranges of such ids as gaps, and looks
 * into the gaps again later.
 *
 * The protocol:
 *
 * - A transaction has its transaction id before it draws an id.  So all transactions that have
 *   drawn an id of a gap have transaction ids below the gap's horizon: the next transaction id at
 *   the moment when the gap is noticed.  When every transaction below the horizon has ended, the
 *   ids of the gap that are still not visible never become visible.  The gap is dead, and is
 *   forgotten.
 * - The reader looks into a gap again only when a transaction below the gap's horizon has ended
 *   since the last look.  Horizons rise with the ids.  So the gaps to look into are the last ones
 *   of the list, and usually there are none.  No round does work for each gap.
 * - A round begins with gaps_begin, which takes the round's snapshot and returns the gaps to look
 *   into.  The reader looks for rows in these gaps, in the order of the ids, and calls gaps_found
 *   with the ids of the rows.  Then the reader reads on above the highest id, and calls gaps_add
 *   for each range of ids that it has passed.
 * - When the round's transaction has committed, the caller calls gaps_commit, and the changes
 *   count.  gaps_begin and gaps_rollback take back the changes of a round that has not committed.
 *
 * Locking: none.  The list belongs to one process.  Two processes that read the same table have a
 * list each.
 */
#ifndef PG_WALLET_GAPS_H
#define PG_WALLET_GAPS_H

#include "base/version.h"

#include "utils/snapshot.h"

#include "tables/gap.h"

typedef struct Gaps Gaps;

/* Makes an empty list in a new memory context below parent. */
extern Gaps *gaps_make(MemoryContext parent);

/* Empties the list. */
extern void gaps_reset(Gaps *gaps);

/*
 * Begins a round.  Returns the gaps to look into, and sets *count to their number.  The array
 * stays valid until the next call of a function other than gaps_found.
 */
extern const Gap *gaps_begin(Gaps *gaps, Snapshot snapshot, int *count);

/*
 * Notes that the reader has looked into the gaps up to the id known_until (PG_INT64_MAX: into all
 * of them), and has found rows of these ids, in rising order.  The other ids are not visible to
 * the round's snapshot.  Called at most once in a round, before gaps_add.  In a round without this
 * call the gaps stay the ones to look into.
 */
extern void gaps_found(Gaps *gaps, const int64 *ids, int count, int64 known_until);

/*
 * Adds the ids from first to last, which are above all others in the list and not visible to the
 * round's snapshot; nothing when first > last.  horizon: gaps_horizon() at a moment when all of
 * these ids had been drawn.
 */
extern void gaps_add(Gaps *gaps, int64 first, int64 last, uint64 horizon);

/* Adds ids, outside of a round, that nobody has looked for yet: the next round looks for them. */
extern void gaps_add_unread(Gaps *gaps, int64 first, int64 last, uint64 horizon);

/* The round's transaction has committed, or has rolled back. */
extern void gaps_commit(Gaps *gaps);
extern void gaps_rollback(Gaps *gaps);

/* The gaps, in the order of ids, as they will be when the present round is committed. */
extern int gaps_count(const Gaps *gaps);
extern const Gap *gaps_get(const Gaps *gaps, int i);

/*
 * To bound the memory, neighbouring gaps are merged, together with the ids between them.  Returns
 * the highest id of a merged gap: rows up to this id may be found more than once.  0: none is
 * merged.
 */
extern int64 gaps_blurred_until(const Gaps *gaps);

/* Returns the next full transaction id. */
extern uint64 gaps_horizon(void);

#endif /* PG_WALLET_GAPS_H */
