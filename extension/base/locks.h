/*
 * locks.h
 *		Locks that stand for an activity, and not for a table.
 */
#ifndef PG_WALLET_LOCKS_H
#define PG_WALLET_LOCKS_H

#include "base/version.h"

/*
 * Keeps others from posting until the transaction ends.  When another transaction holds the lock,
 * queue_lock waits for that transaction, or, without wait, returns false.
 */
extern bool queue_lock(bool wait);

/* For assertions: whether this transaction holds queue_lock. */
extern bool queue_lock_is_held(void);

#endif /* PG_WALLET_LOCKS_H */
