/*
 * connector.h
 *		The thread that connects to the database.
 *
 * libpq resolves names with a call that blocks, and an event loop must not.  The thread uses
 * nothing but its Connector, and hands it back, with the connection, by setting finished and
 * signalling the loop's eventfd.
 */
#ifndef WALLET_SHIM_CONNECTOR_H
#define WALLET_SHIM_CONNECTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <libpq-fe.h>

#define CONNECTOR_PATIENCE_MS 5000 /* how long a server may be silent before others are tried */

typedef struct Connector
{
	pthread_t thread;
	atomic_bool finished;
	atomic_bool taken;    /* a server has taken the connection and has not answered yet */
	atomic_bool stopping; /* set by the loop: nobody wants the connection any more */
	const char *conninfo;
	int wake_fd;
	PGconn *connection; /* the result; NULL when there was no memory */
	PGconn *hung; /* to one host of several, which has taken the connection and says nothing */
} Connector;

/* Starts the thread; false when the system starts no more threads. */
bool connector_start(Connector *connector, const char *conninfo, int wake_fd);

/* Joins a thread that has finished, and returns its connection, which is the caller's. */
PGconn *connector_join(Connector *connector);

/*
 * Frees the Connector; is_started says that its thread has not been joined.  False when the thread
 * is still under way: then the thread keeps the memory.
 */
bool connector_free(Connector *connector, bool is_started);

#endif /* WALLET_SHIM_CONNECTOR_H */
