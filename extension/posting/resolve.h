/*
 * resolve.h
 *		Finds the wallets of operations that name a hold, a transfer or a group.
 */
#ifndef PG_WALLET_RESOLVE_H
#define PG_WALLET_RESOLVE_H

#include "base/version.h"

#include "rules/operation.h"

/*
 * Sets source_wallet_id and destination_wallet_id of the captures, voids, extensions and reversals
 * among the operations and their legs, from the rows that they name.  Makes the rows of a group
 * that is to be reversed into legs of the operation, the last row first, in memory of the current
 * context.  Both stay 0, and a group has no legs, where there is no such row.
 *
 * Takes no lock, since what is read here never changes.  So the wallets are known before the first
 * of them is locked, and before a request waits for one.  What has been resolved is left as it is.
 */
extern void resolve_links(Operation *operations, int count);

#endif /* PG_WALLET_RESOLVE_H */
