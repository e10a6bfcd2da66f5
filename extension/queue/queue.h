/*
 * queue.h
 *		Posts the queued requests of a database, batch by batch.
 */
#ifndef PG_WALLET_QUEUE_H
#define PG_WALLET_QUEUE_H

#include "base/version.h"

#include "queue/failing.h"

typedef struct Queue Queue;

typedef enum QueueOpening
{
	QUEUE_OPEN,
	QUEUE_CLOSED,  /* as during a restore: see wallet.opening */
	QUEUE_UNOPENED /* there was no request and no hold yet */
} QueueOpening;

/* What one round did. */
typedef struct Round
{
	int posted;     /* requests that moved money, made a wallet or read one */
	int refused;    /* requests that were refused */
	int64 deferred; /* requests that were read and are deferred: see deferred.h */
	int gaps;       /* ranges of ids below the highest that are not visible yet */
	bool more;      /* the next round may have work at once */
	bool drained;   /* every visible request was read: those that wait are deferred, or newer */
	QueueOpening opening; /* nothing may be posted, unless open */
	int64 highest;        /* the highest id that was read */
	int64 first_deferred; /* the lowest id of a deferred request; 0: none is deferred */
	int retry_ms; /* until a deferred request may be tried again; -1: no request has a pause */
} Round;

/*
 * Makes the state of a queue in a new memory context below parent.  is_worker: the caller is the
 * worker, which may claim wallets (claims.c) and writes what it has to say to the server's log; a
 * session is told of it as well.
 */
extern Queue *queue_make(MemoryContext parent, bool is_worker);
extern void queue_free(Queue *queue);

/*
 * Posts one batch of at most requests_max requests in the caller's (sub)transaction.  The caller
 * holds queue_lock, and has set a snapshot after it took the lock.  When the transaction has
 * committed, the caller calls queue_advance; when it has failed, queue_failed (recovery.h).
 * takeovers: in the worker, how often a session has posted (workers_takeovers); 0 in a session.
 */
extern Round queue_round(Queue *queue, int requests_max, int64 takeovers);
extern void queue_advance(Queue *queue, Round *round);

/*
 * Stores how far the queue has been posted, under the same conditions, before the process ends.
 * Then the next worker need not check whether the requests that were posted last have outcomes.
 */
extern void queue_store(Queue *queue, int64 takeovers);

/* Is the queue open, so that holds may expire?  Under the same conditions. */
extern bool queue_is_open(Queue *queue, int64 takeovers);

/* What is shown about requests that fail. */
extern void queue_failing(const Queue *queue, FailingRequests *failing);

/* Gives all claims back, because the queue does not post now. */
extern void queue_give_claims_back(Queue *queue);

#endif /* PG_WALLET_QUEUE_H */
