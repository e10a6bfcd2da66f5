/*
 * upgrade.h
 *		What pg_upgrade needs.
 */
#ifndef PG_WALLET_UPGRADE_H
#define PG_WALLET_UPGRADE_H

#include "base/version.h"

/* Does nothing in any other server than one of pg_upgrade's. */
extern void upgrade_register(void);

#endif /* PG_WALLET_UPGRADE_H */
