/*
 * queue.h
 *		Which requests come next.
 */
#ifndef PG_WALLET_QUEUE_H
#define PG_WALLET_QUEUE_H

#include "base/version.h"

#include "queue/failing.h"

typedef struct Queue Queue;

/* What one round did. */
typedef struct Round
{
	int posted;     /* requests that moved money, made a wallet or read one */
	int refused;    /* requests with a refusal as their outcome */
	int64 deferred; /* requests that have been read and wait for a locked wallet, or have failed */
	int gaps;       /* runs of ids below the highest that are not visible yet */
	bool more;      /* there may be more to do at once */
	bool drained;   /* all that was visible has been read: what waits now is deferred, or newer */
	bool closed;    /* nothing may be posted: see wallet.opening */
	int retry_ms;   /* until the deferred ones are worth another try; -1: none is waited for */
} Round;

/*
 * A queue's state, in a memory context of its own below the one given.  is_worker: it may claim
 * wallets (claims.c), and somebody reads the server's log alone.
 */
extern Queue *queue_make(MemoryContext parent, bool is_worker);
extern void queue_free(Queue *queue);

/*
 * Post one batch of at most requests_max requests, inside the caller's (sub)transaction, with a
 * snapshot set by the caller after queue_lock.  Then either queue_advance, when that transaction
 * has committed, or queue_failed, when it did not.  takeovers: how often the worker that
 * calls has been told that somebody else posts; 0 in a session.
 */
extern Round queue_round(Queue *queue, int requests_max, int64 takeovers);
extern void queue_advance(Queue *queue, Round *round);

/*
 * Store how far the queue has been posted, under the same conditions, before the process ends: who
 * goes on need not look whether what was posted last has its outcome.
 */
extern void queue_store(Queue *queue, int64 takeovers);

/* What is to be said about requests that fail. */
extern void queue_failing(const Queue *queue, FailingRequests *failing);

/* While it does not post: nobody has to step back for it. */
extern void queue_give_claims_back(Queue *queue);

#endif /* PG_WALLET_QUEUE_H */
