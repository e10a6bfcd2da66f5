/*
 * held.h
 *		How many holds are open, and what they hold, for whoever watches: wallet.metric.
 */
#ifndef PG_WALLET_HELD_H
#define PG_WALLET_HELD_H

#include "base/version.h"

#include "storage/lwlock.h"

/* Shared memory: see server/start.c. */
extern Size held_size(void);
extern void held_start(void *memory, LWLock *lock, bool is_new);

#endif /* PG_WALLET_HELD_H */
