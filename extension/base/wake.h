/*
 * wake.h
 *		Wakes this database's worker when a transaction commits.
 */
#ifndef PG_WALLET_WAKE_H
#define PG_WALLET_WAKE_H

#include "base/version.h"

/* Wakes the worker, or has one started.  NULL without shared memory: then nobody can be woken. */
extern void (*wake_hook)(void);

/* When this transaction commits: wake this database's worker, or have one started. */
extern void wake_at_commit(void);

#endif /* PG_WALLET_WAKE_H */
