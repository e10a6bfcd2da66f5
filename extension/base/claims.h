/*
 * claims.h
 *		Wallets for which deferred requests wait, and direct payments step back.
 */
#ifndef PG_WALLET_CLAIMS_H
#define PG_WALLET_CLAIMS_H

#include "base/version.h"

/* Wallets that are claimed at once, in all databases. */
#define CLAIMS_MAX 64

extern Size claims_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void claims_start(void);

/* The worker's side.  False when the wallet cannot be claimed now. */
extern void claims_attach(void);
extern bool claim_take(int64 wallet_id);
extern void claim_give(int64 wallet_id);

/*
 * Before a direct payment locks its first wallet: wait until none of these is claimed.  A
 * transaction that has locked a wallet already does not wait.
 */
extern void claims_obey(const int64 *wallet_ids, int count);

/* This transaction locks wallets from here on. */
extern void claims_note_lock(void);

#endif /* PG_WALLET_CLAIMS_H */
