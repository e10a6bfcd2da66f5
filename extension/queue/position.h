/*
 * position.h
 *		How far the queue has been posted, as the table wallet.queue_position keeps it.
 *
 * A position is an id, the highest, and a short list of ranges below it.  Each request up to the
 * highest has its outcome, unless its id is in one of the ranges.  A worker that starts, and a
 * session that calls wallet_process(), read the requests in the ranges and those above the
 * highest. So one request that cannot be settled does not make them read everything after it
 * again.
 *
 * Locking: the caller holds queue_lock, except where a function says otherwise.  A position that
 * was stored counts when the transaction commits.
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

/* A list has room for more ranges than are stored, so that few additions have to merge ranges. */
#define RANGES_STORED 64
#define RANGES_ROOM (4 * RANGES_STORED)

/* Ranges in rising order.  When there are too many, neighbours are merged. */
typedef struct RangeList
{
	int count;
	IdRange items[RANGES_ROOM];
} RangeList;

/* Adds a range after the others. */
extern void ranges_add(RangeList *list, int64 first, int64 last);

/* The position as it was stored last. */
typedef struct Position
{
	Oid table;        /* changes when the extension is dropped and created again */
	pg_uuid_t opener; /* the row's key */
	int64 low_water;  /* every request up to this id has its outcome */
	int64 highest;    /* every request up to this id that is in no range has its outcome */
	TransactionId by; /* the transaction that has stored the position */
	int64 stored_ms;  /* time of monotonic_ms(); 0: before this process began */
	int64 looked_ms;  /* time of the last look whether a snapshot needs the version before */
	int64
	    interval_ms; /* while a snapshot does, the position is not stored again before this time */
} Position;

/* Reads the position, with the active snapshot; false: the queue is closed or was never opened. */
extern bool position_load(Position *position, RangeList *unsettled);

/* Whether this is still the position of the open queue. */
extern bool position_is_current(const Position *position);

/*
 * Whether the position is to be stored now.  A worker stores it every STORE_INTERVAL_MS and after
 * STORE_AT_ONCE requests, and less often while a snapshot needs older versions of its row.  Whoever
 * counts the queue looks at each request behind the position.  A session that takes over posts once
 * and leaves, so it stores the position each time, unless a snapshot needs older versions and
 * there are fewer than STORE_REQUESTS new requests.
 */
extern bool position_is_due(Position *position, int64 low_water, int64 highest, bool taking_over);

/* Stores the position.  Returns the new one, which counts when the transaction commits. */
extern Position position_store(const Position *position, int64 low_water, int64 highest,
                               RangeList *unsettled);

#endif /* PG_WALLET_POSITION_H */
