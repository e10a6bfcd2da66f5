/*
 * loop.h
 *		One event loop: its thread, its HTTP side and its databases.
 */
#ifndef WALLET_SHIM_LOOP_H
#define WALLET_SHIM_LOOP_H

#include <stdbool.h>

#include "db.h"
#include "http.h"

typedef struct Loop Loop;

/*
 * Makes a loop on a listening socket, which it owns from then on, and starts
 * its thread.  NULL when the system refuses.
 */
Loop *loop_start(const DbConfig *db_config, const HttpConfig *http_config, int listen_fd);

/* Asks the loop to finish what is under way and to end.  From any thread. */
void loop_stop(Loop *loop);

/*
 * Waits until the loop has ended, and frees it.  False when a thread of it is
 * left behind in libpq: the process should leave with _exit.
 */
bool loop_join(Loop *loop);

#endif /* WALLET_SHIM_LOOP_H */
