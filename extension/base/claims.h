/*
 * claims.h
 *		Wallets for which deferred requests wait, and direct payments step back.
 */
#ifndef PG_WALLET_CLAIMS_H
#define PG_WALLET_CLAIMS_H

#include "base/version.h"

#include "storage/lwlock.h"

/* How many wallets may be claimed at the same time, in all databases. */
#define CLAIMS_MAX 64

/* Shared memory: see server/start.c. */
extern Size claims_size(void);
extern void claims_start(void *memory, LWLock *lock, bool is_new);

/*
 * Called by a worker: claims_attach once, before any claim.  claim_take returns false when another
 * session holds the wallet's claim, or CLAIMS_MAX wallets are claimed.  claim_give gives back a
 * claim that this worker has taken.
 */
extern void claims_attach(void);
extern bool claim_take(int64 wallet_id);
extern void claim_give(int64 wallet_id);

/*
 * A direct payment calls claims_obey before it locks its first wallet: claims_obey waits until
 * none of these wallets is claimed.  A transaction that has locked a wallet already does not wait.
 */
extern void claims_obey(const int64 *wallet_ids, int count);

/* Notes that this transaction locks wallets from here on. */
extern void claims_note_lock(void);

/* Has this transaction noted that? */
extern bool claims_have_noted_lock(void);

#endif /* PG_WALLET_CLAIMS_H */
