/*
 * hints.h
 *		Where the rows of wallets were seen last.
 */
#ifndef PG_WALLET_HINTS_H
#define PG_WALLET_HINTS_H

#include "base/version.h"

#include "storage/lwlock.h"
#include "storage/itemptr.h"

/* Shared memory: see server/start.c. */
extern Size hints_size(void);
extern void hints_start(void *memory, LWLock *lock, bool is_new);

/*
 * hint_find sets tid to the place where the wallet's row was seen last; the row may have moved.
 * Returns false when no place is known.  hint_keep notes a place.
 */
extern bool hint_find(int64 wallet_id, ItemPointer tid);
extern void hint_keep(int64 wallet_id, const ItemPointerData *tid);

#endif /* PG_WALLET_HINTS_H */
