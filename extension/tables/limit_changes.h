/*
 * limit_changes.h
 *		The table of who has changed the limits of a wallet.
 */
#ifndef PG_WALLET_LIMIT_CHANGES_H
#define PG_WALLET_LIMIT_CHANGES_H

#include "base/version.h"

#include "rules/operation.h"

/*
 * Keeps that the calling role has changed floor and ceiling of a wallet, which is locked and
 * stored as it is after that.
 */
extern void limit_changes_insert(const Wallet *before, const Wallet *after);

#endif /* PG_WALLET_LIMIT_CHANGES_H */
