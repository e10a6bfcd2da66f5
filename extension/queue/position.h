/*
 * position.h
 *		How far the queue has been worked off, as wallet.queue_position keeps it.
 *
 * Up to an id, the highest, each request has its outcome, but for those in a short list of ranges.
 * Whoever goes on from there (a worker that starts, wallet_process()) reads these ranges and what
 * is above, however much has been settled above a request that cannot be.
 *
 * Locking: the caller holds queue_lock.  What is stored counts when the transaction commits.
 */
#ifndef PG_WALLET_POSITION_H
#define PG_WALLET_POSITION_H

#include "base/version.h"

#include "utils/uuid.h"

typedef struct IdRange
{
	int64 first;
	int64 last;
} IdRange;

/* Ranges with more room than are stored, so that few additions have to merge some. */
#define RANGES_STORED 64
#define RANGES_ROOM (4 * RANGES_STORED)

/* Ranges in order, of which neighbours are merged when there are too many. */
typedef struct RangeList
{
	int count;
	IdRange items[RANGES_ROOM];
} RangeList;

/* Add a range behind the others. */
extern void ranges_add(RangeList *list, int64 first, int64 last);

/* The position as it was stored the last time, and when. */
typedef struct Position
{
	Oid table;         /* another one after the extension was dropped and created again */
	pg_uuid_t opener;  /* the row's key */
	int64 low_water;   /* every request up to here has its outcome */
	int64 highest;     /* so has every one up to here that is not in the ranges */
	TransactionId by;  /* who stored it */
	int64 stored_ms;   /* of monotonic_ms(); 0: before this process began */
	int64 looked_ms;   /* when was it asked last who needs the version before */
	int64 interval_ms; /* not stored again before that, while somebody needs it */
} Position;

/*
 * Has anybody opened a queue, as the active snapshot shows?  *stays: yes, and that is committed.
 * For those who enqueue, without queue_lock.
 */
extern bool position_exists(bool *stays);

/* Read it, with the active snapshot.  False when the queue is closed, or has never been opened. */
extern bool position_load(Position *position, RangeList *unsettled);

/* Is this still the position of the open queue? */
extern bool position_is_current(const Position *position);

/*
 * Is it worth storing?  A worker does that once a second, and less often as long as some snapshot
 * needs the versions that have been stored before.  For one who takes over and leaves at once, it
 * is unless such versions pile up and there is little new.
 */
extern bool position_is_due(Position *position, int64 low_water, int64 highest, bool taking_over);

/* Store it; what is returned takes the place of the one given when the transaction commits. */
extern Position position_store(const Position *position, int64 low_water, int64 highest,
                               RangeList *unsettled);

#endif /* PG_WALLET_POSITION_H */
