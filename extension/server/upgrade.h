/*
 * upgrade.h
 *		What pg_upgrade needs.
 */
#ifndef PG_WALLET_UPGRADE_H
#define PG_WALLET_UPGRADE_H

#include "base/version.h"

/* Does nothing unless pg_upgrade has started the server. */
extern void upgrade_register(void);

#endif /* PG_WALLET_UPGRADE_H */
