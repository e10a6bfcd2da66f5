/*
 * gaps.h
 *		Ids below the highest one seen that are not visible yet.
 *
 * Ids come from a sequence, so transactions commit them out of order.  An id that is not visible
 * belongs to a transaction that is still open, or to one that has rolled back.  Whoever reads a
 * table in the order of such ids keeps the gaps here, and looks into them again.
 *
 * The protocol:
 *
 * - Whoever draws an id has a transaction id before he draws it.  So the drawers of all ids of a
 * gap have transaction ids below the next one at the moment when the gap is noticed: its horizon.
 * Once every transaction below the horizon has ended, what is still not visible never will be: the
 * gap is dead, and is forgotten.
 * - A gap is looked into again only when a transaction below its horizon has ended since the last
 *   time.  Horizons do not fall in the order of ids, so what has to be looked into is the end of
 * the list; most often nothing.  No round does anything for each gap.
 * - A round begins with gaps_begin, with the snapshot that it reads by.  The reader looks for rows
 * in the gaps that are named then, in the order of ids, and says with gaps_found which there are.
 * Then it reads on above the highest id, and says with gaps_add which ids it has passed.
 * - What a round has changed counts when gaps_commit is called, which is to be done when the
 * round's transaction has committed.  gaps_begin and gaps_rollback take back what no commit has
 * confirmed.
 *
 * Locking: none.  The list belongs to one process; two that read the same table each have their
 * own.
 */
#ifndef PG_WALLET_GAPS_H
#define PG_WALLET_GAPS_H

#include "base/version.h"

#include "utils/snapshot.h"

#include "tables/gap.h"

typedef struct Gaps Gaps;

/* In a memory context of its own below the one given. */
extern Gaps *gaps_make(MemoryContext parent);

/* Forget everything. */
extern void gaps_reset(Gaps *gaps);

/*
 * Begin a round.  Returns the gaps that have to be looked into, and their number; they are valid
 * until the next call but gaps_found.
 */
extern const Gap *gaps_begin(Gaps *gaps, Snapshot snapshot, int *count);

/*
 * The gaps named by gaps_begin have been looked into, up to the id known_until (PG_INT64_MAX: all
 * of them).  These ids, in order, have been found there; the others are not visible to the
 * snapshot. Called at most once in a round, before gaps_add; else all gaps stay to be looked into.
 */
extern void gaps_found(Gaps *gaps, const int64 *ids, int count, int64 known_until);

/*
 * Ids above all others that the round's snapshot does not show.  The horizon is the next full
 * transaction id at a moment after the last of these ids was known to be drawn.
 */
extern void gaps_add(Gaps *gaps, int64 first, int64 last, uint64 horizon);

/* The same, but nobody has looked yet whether the snapshot shows them. */
extern void gaps_add_unread(Gaps *gaps, int64 first, int64 last, uint64 horizon);

/* The round's transaction has committed, or was rolled back. */
extern void gaps_commit(Gaps *gaps);
extern void gaps_rollback(Gaps *gaps);

/* The gaps as they are, or will be when the present round is committed. */
extern int gaps_count(const Gaps *gaps);
extern const Gap *gaps_get(const Gaps *gaps, int i);

/*
 * To bound the memory, neighbouring gaps may have been merged, with the ids between them.  So ids
 * up to this one may be found more than once.
 */
extern int64 gaps_blurred_until(const Gaps *gaps);

/* The next full transaction id: a horizon. */
extern uint64 gaps_horizon(void);

#endif /* PG_WALLET_GAPS_H */
