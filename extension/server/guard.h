/*
 * guard.h
 *		Refuses to drop a journal with transfers.
 */
#ifndef PG_WALLET_GUARD_H
#define PG_WALLET_GUARD_H

#include "base/version.h"

/* Installs the hook, once in each process that has loaded the library. */
extern void guard_install(void);

#endif /* PG_WALLET_GUARD_H */
