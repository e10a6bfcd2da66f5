/*
 * wake.h
 *		Wakes this database's worker when a transaction commits, or when somebody waits.
 */
#ifndef PG_WALLET_WAKE_H
#define PG_WALLET_WAKE_H

#include "base/version.h"

/* Why the worker is woken. */
typedef enum WakeReason
{
	WAKE_QUEUED, /* a request was queued; a worker is started when there is none */
	WAKE_AWAITED /* somebody has looked for an outcome that is not there yet */
} WakeReason;

/* Wakes the worker.  NULL: there is no shared memory, and nobody is woken. */
extern void (*wake_hook)(WakeReason reason);

/* Calls wake_hook with WAKE_QUEUED when this transaction commits. */
extern void wake_at_commit(void);

#endif /* PG_WALLET_WAKE_H */
