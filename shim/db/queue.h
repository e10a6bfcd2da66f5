/*
 * queue.h
 *		The items of one connection: those that wait, and those whose statement is under way.
 *
 * Each function has a lane, in which items wait for their statement.  A batch is one statement
 * with its items.  The server answers statements in the order in which they were sent, so the
 * batches under way are a ring.  An item is in one lane or in one batch, or in neither when it
 * has ended.  Only the thread that owns the connection calls these functions.
 */
#ifndef WALLET_SHIM_QUEUE_H
#define WALLET_SHIM_QUEUE_H

#include "db/item.h"

#define DB_BATCH_ITEMS_MAX 8192
#define DB_SINGLES_IN_FLIGHT_MAX 32
#define DB_BATCHES_MAX 512 /* a power of two */

/* Each lane may have so many statements under way, and the setup one more. */
_Static_assert(DB_BATCHES_MAX / DB_SINGLES_IN_FLIGHT_MAX > DB_FUNCTION_COUNT,
               "the ring has room for the statements of all lanes");
_Static_assert((DB_BATCHES_MAX & (DB_BATCHES_MAX - 1)) == 0, "the ring's numbers may wrap around");

/* One statement under way; a batch of the setup has no items. */
typedef struct DbBatch
{
	DbFunction function;
	bool setup;
	int item_count;
	DbItem **items; /* in the order of their ordinals; NULL: the item was withdrawn, or has ended */
	DbItem *single; /* items points here when there is one */
	bool asks_before; /* the position is asked for before the statement */
	bool asks_after;  /* and after it */
	PGresult *before;
	PGresult *rows;
	PGresult *after;
	PGresult *error;
	int64_t turn_at_ms; /* when it was sent, or when all before it were answered, if later */
} DbBatch;

/* The items of a function that wait, and how many of its statements are under way. */
typedef struct DbLane
{
	DbItem *first;
	DbItem *last;
	int in_flight;
} DbLane;

typedef struct DbQueue
{
	DbLane lanes[DB_FUNCTION_COUNT];
	DbBatch batches[DB_BATCHES_MAX]; /* a ring, oldest first */
	unsigned batch_head;
	unsigned batch_tail;
} DbQueue;

/* Puts an item at the end of its function's lane. */
void queue_append(DbQueue *queue, DbItem *item);

/* Takes an item that has not ended out of its lane or its batch. */
void queue_remove(DbQueue *queue, DbItem *item);

/* Takes the first item of a lane, which must have one. */
DbItem *queue_take(DbQueue *queue, DbFunction function);

/* Adds a batch without items at the end of the ring. */
DbBatch *queue_push(DbQueue *queue, DbFunction function, int64_t now_ms);

/* Moves the next items of the batch's lane into it, as many as may share a statement. */
void queue_fill(DbQueue *queue, DbBatch *batch);

/* Whether a statement is under way. */
bool queue_is_busy(const DbQueue *queue);

/* The oldest batch, of a busy queue. */
DbBatch *queue_oldest(const DbQueue *queue);

/* Takes the oldest batch out of the ring of a busy queue, as a copy to be freed by batch_free. */
void queue_pop(DbQueue *queue, DbBatch *batch);
void batch_free(DbBatch *batch);

/* Ends an item without rows; NULL is passed over. */
void item_fail(DbItem *item, WalletCode code, const char *message);

/* Ends the items whose statement is under way, or those that wait. */
void queue_fail_sent(DbQueue *queue, WalletCode code, const char *message);
void queue_fail_waiting(DbQueue *queue, const char *message);

#endif /* WALLET_SHIM_QUEUE_H */
