/*
 * wake.h
 *		Wakes this database's worker when a transaction commits.
 */
#ifndef PG_WALLET_WAKE_H
#define PG_WALLET_WAKE_H

#include "base/version.h"

/* Wakes the worker, or has one started.  NULL: there is no shared memory, and nobody is woken. */
extern void (*wake_hook)(void);

/* Calls wake_hook when this transaction commits. */
extern void wake_at_commit(void);

#endif /* PG_WALLET_WAKE_H */
