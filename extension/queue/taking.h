/*
 * taking.h
 *		Which deferred requests may be tried now.
 */
#ifndef PG_WALLET_TAKING_H
#define PG_WALLET_TAKING_H

#include "base/version.h"

#include "queue/deferred.h"

/*
 * Makes requests ready whose wallets were locked and whose pause is over, and those whose
 * valid_until has passed.
 */
extern void deferred_wake(Deferred *deferred, int64 now_ms, TimestampTz clock);

/*
 * Takes the requests that may be tried, in the order of the ids; returns their number.  A request
 * whose valid_until has passed gets LONG_EXPIRED for it: it is refused, whatever the clock says
 * when it is judged, since requests before it may still wait.
 */
#define LONG_EXPIRED PG_INT64_MIN
extern int deferred_take(Deferred *deferred, int count_max, Request *requests,
                         DeferredEntry **entries);

/* Takes a request that has failed alone before and whose pause is over; NULL: there is none. */
extern DeferredEntry *deferred_take_failing(Deferred *deferred, int64 now_ms, Request *request);

#endif /* PG_WALLET_TAKING_H */
