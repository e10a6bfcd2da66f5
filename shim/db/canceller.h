/*
 * canceller.h
 *		A thread that asks the server to cancel what a connection has under way.
 *
 * PQcancel blocks, and an event loop must not.  The thread uses nothing but its Canceller, and
 * hands it back by setting finished and signalling the loop's eventfd.
 */
#ifndef WALLET_SHIM_CANCELLER_H
#define WALLET_SHIM_CANCELLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <libpq-fe.h>

typedef struct Canceller
{
	/* the thread's, from its start until finished is set */
	pthread_t thread;
	atomic_bool finished;
	PGcancel *cancel;
	int wake_fd;
	/* the loop's */
	bool is_started; /* the thread has been started and not been joined */
} Canceller;

/* Starts the thread, which frees cancel; while one is under way, cancel is freed here. */
void canceller_start(Canceller *canceller, PGcancel *cancel, int wake_fd);

/* Joins a thread that has finished; false when one is still under way. */
bool canceller_join(Canceller *canceller);

#endif /* WALLET_SHIM_CANCELLER_H */
