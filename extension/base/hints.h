/*
 * hints.h
 *		Where the rows of wallets and holds were seen last.
 */
#ifndef PG_WALLET_HINTS_H
#define PG_WALLET_HINTS_H

#include "base/version.h"

#include "storage/lwlock.h"
#include "storage/itemptr.h"

/* Shared memory: see server/start.c. */
extern Size hints_size(void);
extern void hints_start(void *memory, LWLock *lock, bool is_new);

/* What a hint is of. */
typedef enum HintOf
{
	HINT_NONE, /* rows of a table that has no hints */
	HINT_WALLET,
	HINT_HOLD
} HintOf;

/*
 * hint_find sets tid to the place where the row with this id was seen last; the row may have moved.
 * Returns false when no place is known.  hint_keep notes a place.  Of HINT_NONE there are none.
 */
extern bool hint_find(HintOf of, int64 id, ItemPointer tid);
extern void hint_keep(HintOf of, int64 id, const ItemPointerData *tid);

#endif /* PG_WALLET_HINTS_H */
