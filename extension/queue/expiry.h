/*
 * expiry.h
 *		Old requests: which of them are gone.
 */
#ifndef PG_WALLET_EXPIRY_H
#define PG_WALLET_EXPIRY_H

#include "base/version.h"

/* Requests with smaller ids are gone, whatever the active snapshot says. */
extern int64 expired_below(void);

#endif /* PG_WALLET_EXPIRY_H */
