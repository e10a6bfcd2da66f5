/*
 * guard.h
 *		Refuses to drop a journal with transfers.
 */
#ifndef PG_WALLET_GUARD_H
#define PG_WALLET_GUARD_H

#include "base/version.h"

/* Install the hook that refuses to drop a journal with transfers. */
extern void guard_install(void);

#endif /* PG_WALLET_GUARD_H */
