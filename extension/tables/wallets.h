/*
 * wallets.h
 *		The table of wallets.
 */
#ifndef PG_WALLET_WALLETS_H
#define PG_WALLET_WALLETS_H

#include "base/version.h"

#include "rules/operation.h"

typedef enum LockMode
{
	LOCK_WAIT,         /* a direct call waits for a wallet that another transaction holds */
	LOCK_WHAT_IS_HELD, /* the same, but those after the last such one are locked by their update */
	LOCK_SKIP_LOCKED,  /* the queue goes on without it */
	LOCK_LATER         /* the same, but all that nobody holds are locked by their update */
} LockMode;

static inline bool
lock_waits(LockMode mode)
{
	return mode == LOCK_WAIT || mode == LOCK_WHAT_IS_HELD;
}

/*
 * Sorts the ids, and reads and locks the wallets in that order, so that two callers never wait for
 * each other in a circle.  Fills wallets (room for count) and returns how many; the others do not
 * exist, or with LOCK_SKIP_LOCKED are locked by somebody else.
 */
extern int wallets_lock(int64 *ids, int count, LockMode mode, Wallet *wallets);

/* Which of these wallets exist?  No lock.  Returns how many, and their ids in found. */
extern int wallets_existing(const int64 *wallet_ids, int count, int64 *found);

/* Which of these users have a wallet?  Returns how many, and their ids in found. */
extern int wallets_of_users(const int64 *user_ids, int count, int64 *found);

/* Is another open transaction making a wallet for this user just now? */
extern bool wallets_user_is_busy(int64 user_id);

/* A wallet without a lock; false when there is none. */
extern bool wallets_find(int64 wallet_id, Wallet *wallet);

/* Returns how many: a user who has got a wallet in the meantime gets no second one. */
extern int wallets_insert(const Wallet *wallets, int count);

/*
 * Stores the new state of those wallets that have changed, in the order of their ids.  All have
 * been read by wallets_lock.  Ends before a wallet that was not locked there and that somebody else
 * has locked or changed since.  Returns where it ended; if that is less than count, the caller
 * takes back what has been stored.  row says where the wallets are now.
 */
extern int wallets_update(Wallet *wallets, int count);

#endif /* PG_WALLET_WALLETS_H */
