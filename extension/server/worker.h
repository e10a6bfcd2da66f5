/*
 * worker.h
 *		Posts what is queued in one database.
 */
#ifndef PG_WALLET_WORKER_H
#define PG_WALLET_WORKER_H

#include "base/version.h"

/* Start a worker in this slot and wait until it runs; false when no process was free for it. */
extern bool worker_start(int slot);

extern PGDLLEXPORT void pg_wallet_worker_main(Datum argument);

#endif /* PG_WALLET_WORKER_H */
