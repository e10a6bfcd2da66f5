/*
 * counts.h
 *		How many requests the queue has settled, for whoever watches it: wallet.metric.
 */
#ifndef PG_WALLET_COUNTS_H
#define PG_WALLET_COUNTS_H

#include "base/version.h"

#include "storage/lwlock.h"

#include "posting/batch.h"

/* Shared memory: see server/start.c. */
extern Size counts_size(void);
extern void counts_start(void *memory, LWLock *lock, bool is_new);

/*
 * Requests were settled, each with the outcome that its fate says; what is deferred is passed over.
 * They count at once; or, with at_commit, when the present transaction commits.
 */
extern void counts_settle(const Request *requests, const RequestFate *fates, int count,
                          bool at_commit);

/* The worker has settled so many requests in one batch, which took so long. */
extern void counts_batch(int requests, int64 us);

#endif /* PG_WALLET_COUNTS_H */
