/*
 * launcher.h
 *		Starts a worker for each database that holds the extension.
 */
#ifndef PG_WALLET_LAUNCHER_H
#define PG_WALLET_LAUNCHER_H

#include "base/version.h"

/* Is this database one of those that pg_wallet.databases names? */
extern bool database_is_allowed(const char *database);

extern void launcher_register(void);

extern PGDLLEXPORT void pg_wallet_launcher_main(Datum argument);

#endif /* PG_WALLET_LAUNCHER_H */
