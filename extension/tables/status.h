/*
 * status.h
 *		The values of the enum type wallet.status.
 */
#ifndef PG_WALLET_STATUS_H
#define PG_WALLET_STATUS_H

#include "base/version.h"

#include "rules/operation.h"

/* Look the values up, where that has not been done since an enum type was changed. */
extern void status_values_load(Oid type);

/*
 * The value of a status, and the status of a value; an error where there is none, since somebody
 * has renamed a value.  The values have been loaded.
 */
extern Oid status_value(WalletStatus status);
extern WalletStatus status_of_value(Oid value);

#endif /* PG_WALLET_STATUS_H */
