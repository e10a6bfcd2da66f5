/*
 * state.h
 *		The state of a queue, which queue.c, reading.c and recovery.c share, and nobody else sees.
 */
#ifndef PG_WALLET_QUEUE_STATE_H
#define PG_WALLET_QUEUE_STATE_H

#include "base/version.h"

#include <limits.h>

#include "posting/batch.h"
#include "queue/deferred.h"
#include "queue/failing.h"
#include "queue/gaps.h"
#include "queue/position.h"
#include "rules/post.h"

/* No batch has failed: as many requests as the settings allow. */
#define NOT_HALVED INT_MAX

/* The requests of a round. */
typedef struct Reading
{
	Request *requests;
	DeferredEntry **entries; /* NULL for those that were not deferred before */
	RequestFate *fates;
	int count;
	int limit;    /* there is room for so many */
	int rows_max; /* that may be read */
	int rows;
	int settled; /* when the transaction commits */
} Reading;

typedef struct Queue
{
	MemoryContext context;
	MemoryContext round_context; /* of the reading */
	bool is_worker;
	bool loaded;
	bool is_reading; /* an error now leaves things half done */
	int64 highest;   /* that has been read */
	Gaps *gaps;      /* below it */
	Position position;
	Position next_position; /* what it becomes at commit; without a table where it stays */
	Deferred *deferred;
	Reading reading;
	int64 takeovers;     /* so often has somebody else than the worker posted */
	int64 settled_until; /* up to here a request may have its outcome already */
	int requests_max;    /* halved while a batch fails */
	int failures;        /* one after the other, since the last whole batch */
	int culprits;        /* that have failed alone since the last success */
	int64 culprits_since_ms;
	int64 suspect;     /* failed alone once */
	Culprit culprit;   /* is to be refused */
	int last_sqlstate; /* of the last error, until a batch succeeds */
	char last_message[FAILING_ERROR_SIZE];
} Queue;

#endif /* PG_WALLET_QUEUE_STATE_H */
