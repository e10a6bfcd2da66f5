/*
 * expiry.h
 *		Old requests: which of them are gone.
 */
#ifndef PG_WALLET_EXPIRY_H
#define PG_WALLET_EXPIRY_H

#include "base/version.h"

/* Returns the id below which requests have been dropped, also if the active snapshot is older. */
extern int64 expired_below(void);

#endif /* PG_WALLET_EXPIRY_H */
