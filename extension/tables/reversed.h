/*
 * reversed.h
 *		The table that says how much of a transfer has been reversed.
 *
 * Locking: a reversal changes both wallets of the transfer, so that their locks protect the sum.
 */
#ifndef PG_WALLET_REVERSED_H
#define PG_WALLET_REVERSED_H

#include "base/version.h"

#include "rules/operation.h"

/*
 * Sets reversed of each of the originals, whose ids rise, by the active snapshot: 0 where nothing
 * was reversed.
 */
extern void reversed_find(Original *originals, int count);

/* Stores the new sums of those that have changed; the originals are in the order of their ids. */
extern void reversed_store(const Original *originals, int count);

#endif /* PG_WALLET_REVERSED_H */
