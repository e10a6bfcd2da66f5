/*
 * launcher.h
 *		Starts a worker for each database that holds the extension.
 */
#ifndef PG_WALLET_LAUNCHER_H
#define PG_WALLET_LAUNCHER_H

#include "base/version.h"

extern void launcher_register(void);

extern PGDLLEXPORT void pg_wallet_launcher_main(Datum argument);

#endif /* PG_WALLET_LAUNCHER_H */
