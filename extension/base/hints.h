/*
 * hints.h
 *		Where the rows of wallets were last seen.
 */
#ifndef PG_WALLET_HINTS_H
#define PG_WALLET_HINTS_H

#include "base/version.h"

#include "storage/itemptr.h"

extern Size hints_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void hints_start(void);

/* Maybe the wallet's row is there; false when nothing is known. */
extern bool hint_find(int64 wallet_id, ItemPointer tid);
extern void hint_keep(int64 wallet_id, const ItemPointerData *tid);

#endif /* PG_WALLET_HINTS_H */
