/*
 * locks.h
 *		Locks that stand for an activity, and not for a table.
 */
#ifndef PG_WALLET_LOCKS_H
#define PG_WALLET_LOCKS_H

#include "base/version.h"

/*
 * Keep others from posting until the transaction ends.  Without wait: false when somebody else
 * posts now.
 */
extern bool queue_lock(bool wait);

#endif /* PG_WALLET_LOCKS_H */
