/*
 * loop.h
 *		One event loop: its thread, its HTTP side and its databases.
 */
#ifndef WALLET_SHIM_LOOP_H
#define WALLET_SHIM_LOOP_H

#include <stdbool.h>

#include "api/api.h"

typedef struct Loop Loop;

typedef struct LoopConfig
{
	DbConfig db;
	DbConfig db_read; /* of a replica; conninfo NULL: there is none */
	ApiConfig api;
	HttpConfig http;
} LoopConfig;

/*
 * Makes a loop on a listening socket, which it owns from then on, and starts
 * its thread.  NULL when the system refuses.
 */
Loop *loop_start(const LoopConfig *config, int listen_fd);

/* Tells the loop how far the process is on its way to its end.  From any thread. */
void loop_set_stage(Loop *loop, HttpStage stage);

/*
 * Waits until the loop has ended, which it does after HTTP_DRAINS, and frees it.  False when a
 * thread of it is left behind in libpq: the process should leave with _exit.
 */
bool loop_join(Loop *loop);

#endif /* WALLET_SHIM_LOOP_H */
