/*
 * hints.h
 *		Where the rows of wallets were seen last.
 */
#ifndef PG_WALLET_HINTS_H
#define PG_WALLET_HINTS_H

#include "base/version.h"

#include "storage/itemptr.h"

extern Size hints_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void hints_start(void);

/*
 * hint_find sets tid to the place where the wallet's row was seen last; the row may have moved.
 * Returns false when no place is known.  hint_keep notes a place.
 */
extern bool hint_find(int64 wallet_id, ItemPointer tid);
extern void hint_keep(int64 wallet_id, const ItemPointerData *tid);

#endif /* PG_WALLET_HINTS_H */
