/*
 * holds.h
 *		The table of holds: the present state of each.
 *
 * Locking: every change of a hold changes its source wallet first, so the lock of that wallet
 * protects the hold.  What is read before the wallet is locked holds for what never changes: the
 * id and the two wallets.
 */
#ifndef PG_WALLET_HOLDS_H
#define PG_WALLET_HOLDS_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "rules/operation.h"

/*
 * Reads the holds with these ids, which rise, by the active snapshot.  Fills holds, which has room
 * for count, in the order of their ids, and returns how many there are.
 */
extern int holds_find(const int64 *ids, int count, Hold *holds);

/*
 * Reads the open holds of these wallets whose end has come at this moment, by the active snapshot.
 * Fills holds wallet by wallet, those that ended first before the others, and returns how many
 * there are.  Ends when there is no room for more.
 *
 * lacks: NULL, or zeros for all wallets.  Then the holds of wallet i are left out, and lacks[i] is
 * set, where the index has few_max entries or more for them: so many are due, or some were due a
 * short while ago.  To look at all of these entries would take long.
 */
extern int holds_find_due(const int64 *wallet_ids, int count, TimestampTz moment, int few_max,
                          bool *lacks, Hold *holds, int room);

extern void holds_insert(const Hold *holds, int count);

/* Stores the new state of holds that were read by one of the functions above. */
extern void holds_update(Hold *holds, int count);

#endif /* PG_WALLET_HOLDS_H */
