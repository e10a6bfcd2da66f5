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
#define CONNECTOR_ASIDE_MAX 2

typedef struct Connector
{
	pthread_t thread;
	atomic_bool finished;
	atomic_bool taken;    /* a server has taken the connection and has not answered yet */
	atomic_bool stopping; /* set by the loop: nobody wants the connection any more */
	const char *conninfo;
	int wake_fd;
	PGconn *connection;                 /* the result; NULL when there was no memory */
	PGconn *aside[CONNECTOR_ASIDE_MAX]; /* to servers that say nothing; NULL: free */
} Connector;

/* Starts the thread; false when the system starts no more threads. */
bool connector_start(Connector *connector, const char *conninfo, int wake_fd);

/*
 * Closes our side of a connection that hangs, and keeps it until its server has closed the other
 * side.  False when as many are kept as may be.  Not while the thread runs, but by the thread.
 */
bool connector_set_aside(Connector *connector, PGconn *connection);

/* Joins a thread that has finished, and returns its connection, which is the caller's. */
PGconn *connector_join(Connector *connector);

/*
 * Frees the Connector; is_started says that its thread has not been joined.  False when the thread
 * is still under way: then the thread keeps the memory.
 */
bool connector_free(Connector *connector, bool is_started);

#endif /* WALLET_SHIM_CONNECTOR_H */
