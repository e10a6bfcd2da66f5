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
#include "rules/operation.h"
#include "tables/requests.h"

/* requests_max while no batch has failed: the settings alone bound a batch. */
#define NOT_HALVED INT_MAX

/* The requests of a round. */
typedef struct Reading
{
	Request *requests;
	DeferredEntry **entries; /* NULL: the request was not deferred before */
	RequestFate *fates;
	int count;
	int limit;  /* room of the three arrays */
	bool reads; /* rows are read, as far as there is room */
	ReadRoom room;
	int settled; /* requests that have an outcome when the transaction commits */
} Reading;

typedef struct Queue
{
	MemoryContext context;
	MemoryContext round_context; /* holds the reading */
	bool is_worker;
	bool loaded;
	bool is_reading; /* after an error now, the state must be loaded anew */
	int64 highest;   /* the highest id that was read */
	Gaps *gaps;      /* below the highest id */
	Position position;
	Position next_position; /* replaces position at commit, if its table is valid */
	Deferred *deferred;
	Reading reading;
	int64 takeovers;     /* how often a session had posted when the state was loaded */
	int64 settled_until; /* a request up to this id may have its outcome already */
	int requests_max;    /* bounds a batch; halved while a batch fails */
	int failures;        /* failures of the same batch, one after the other */
	int culprits;        /* requests that have failed alone since the last success */
	int64 culprits_since_ms;
	int64 suspect;     /* the request that has failed alone once */
	Culprit culprit;   /* the request that is to be refused */
	int last_sqlstate; /* of the last error, until a batch succeeds */
	char last_message[FAILING_ERROR_SIZE];
} Queue;

#endif /* PG_WALLET_QUEUE_STATE_H */
