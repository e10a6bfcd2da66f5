/*
 * wallets.h
 *		The table of wallets.
 */
#ifndef PG_WALLET_WALLETS_H
#define PG_WALLET_WALLETS_H

#include "base/version.h"

#include "rules/operation.h"

/* What wallets_lock() does with wallets that another transaction holds; see docs/posting.md. */
typedef enum LockMode
{
	LOCK_WAIT,         /* waits for held wallets, and locks all */
	LOCK_IN_TURN,      /* the same, and takes its turn also at wallets that nobody holds */
	LOCK_WHAT_IS_HELD, /* waits for held wallets, and locks all up to the last of these */
	LOCK_SOME,         /* the same for many wallets; also locks the first few */
	LOCK_NONE,         /* reads wallets as they were last committed, also on a standby */
	LOCK_SKIP_LOCKED,  /* leaves held wallets out, and locks the others */
	LOCK_SKIP_AWAITED, /* the same, and leaves wallets out for which somebody waits */
	LOCK_LATER         /* leaves held wallets out, and locks none that nobody holds */
} LockMode;

/* Does the mode leave no wallet out that there is?  It waits for held ones, or needs no lock. */
static inline bool
lock_waits(LockMode mode)
{
	return mode <= LOCK_NONE;
}

/*
 * Sorts the ids, each of which is given once, and reads wallets and locks them as the mode says, in
 * that order, so that two callers never wait for each other in a circle.  Fills wallets, which has
 * room for count, in the order of the ids, and returns how many.  The other wallets do not exist,
 * or are left out by the mode.
 */
extern int wallets_lock(int64 *ids, int count, LockMode mode, Wallet *wallets);

/*
 * Are the wallets that wallets_lock() has left unlocked, and that have no changes, still as they
 * were read?
 */
extern bool wallets_are_current(const Wallet *wallets, int count);

/* Which of these wallets exist?  No lock.  Returns how many, and their ids in found. */
extern int wallets_existing(const int64 *wallet_ids, int count, int64 *found);

/* Which of these users have a wallet?  Returns how many, and their ids in found. */
extern int wallets_of_users(const int64 *user_ids, int count, int64 *found);

/* Has another open transaction inserted a wallet for this user? */
extern bool wallets_user_is_busy(int64 user_id);

/* Reads a wallet without a lock; false when there is none. */
extern bool wallets_find(int64 wallet_id, Wallet *wallet);

/* Inserts wallets, but none for a user who has got one in the meantime.  Returns how many. */
extern int wallets_insert(const Wallet *wallets, int count);

/*
 * Stores the new state of those wallets that have changed, in the order of their ids.  All have
 * been read by wallets_lock.  Ends before a wallet that was not locked there and that somebody else
 * has locked or changed since.  Returns where it ended; if that is less than count, the caller
 * takes back what has been stored.  row says where the wallets are now.
 */
extern int wallets_update(Wallet *wallets, int count);

#endif /* PG_WALLET_WALLETS_H */
