/*
 * worker.h
 *		Posts what is queued in one database.
 */
#ifndef PG_WALLET_WORKER_H
#define PG_WALLET_WORKER_H

#include "base/version.h"

/* Starts a worker in this slot and waits until the worker runs; false: no process was free. */
extern bool worker_start(int slot);

extern PGDLLEXPORT void pg_wallet_worker_main(Datum argument);

#endif /* PG_WALLET_WORKER_H */
