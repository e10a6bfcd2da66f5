/*
 * db_internal.h
 *		What db.c (batches), db_parameters.c (what is sent with them) and
 *		db_connect.c (the connection's life) share.
 */
#ifndef WALLET_SHIM_DB_INTERNAL_H
#define WALLET_SHIM_DB_INTERNAL_H

#include <pthread.h>

#include "buffer.h"
#include "db.h"

#define DB_BATCH_ITEMS_MAX 8192
#define DB_SINGLES_IN_FLIGHT_MAX 32
#define DB_BATCHES_MAX 256             /* a power of two, above what all lanes may have in flight */
#define DB_STATEMENT_DEADLINE_MS 10000 /* from the statement's own turn on */
#define DB_ITEM_TIME_MS 5000           /* how long an item may wait to be sent */
#define DB_FAILURES_MAX 128            /* statements that may fail in a second and be sent again */
#define DB_PARAMETERS_MAX 4

typedef enum DbState
{
	DB_DOWN,       /* waits until retry_at_ms */
	DB_CONNECTING, /* a thread connects, since name resolution blocks */
	DB_PREPARING,  /* connected; the statements are being prepared */
	DB_UP
} DbState;

/* One statement under way; setup has no items. */
typedef struct DbBatch
{
	DbFunction function;
	bool setup;
	int item_count;
	DbItem **items; /* in the order of their ordinals; NULL: withdrawn */
	DbItem *single; /* items points here when there is one */
	PGresult *rows;
	PGresult *error;
	int64_t turn_at_ms; /* when it was sent, or all before it were answered */
} DbBatch;

/* What waits for its statement, and how much of it is under way. */
typedef struct DbLane
{
	DbItem *first;
	DbItem *last;
	int in_flight;
} DbLane;

typedef struct DbConnector
{
	pthread_t thread;
	atomic_bool finished;
	const char *conninfo;
	int wake_fd;
	PGconn *connection;
} DbConnector;

struct Db
{
	DbConfig config;
	DbRole role;
	int wake_fd;
	DbState state;
	PGconn *connection;
	bool dirty; /* something was sent and not flushed yet */
	bool complained;
	int64_t retry_at_ms;
	int64_t retry_pause_ms;
	unsigned random_seed;
	DbConnector *connector;
	DbLane lanes[DB_FUNCTION_COUNT];
	DbBatch batches[DB_BATCHES_MAX]; /* a ring, oldest first */
	unsigned batch_head;
	unsigned batch_tail;
	int failures_left; /* of DB_FAILURES_MAX, in the second from failures_since_ms on */
	int64_t failures_since_ms;
	Buffer parameters[DB_PARAMETERS_MAX];
};

/* Names of the prepared statements, by DbFunction. */
extern const char *const db_statement_names[DB_FUNCTION_COUNT];

/* Starts a thread that connects. */
void db_connect_start(Db *db, int64_t now_ms);

/* Takes over what that thread brought; sends the setup. */
void db_connect_finish(Db *db, int64_t now_ms);

/* The setup has been answered: the connection can be used, or is dropped. */
void db_setup_finish(Db *db, const PGresult *error, int64_t now_ms);

/* Drops the connection, ends every item, plans the next attempt; reason goes to the log. */
void db_drop(Db *db, const char *reason, int64_t now_ms);

/* Ends all items, under way or waiting, with CODE_DATABASE_UNAVAILABLE. */
void db_fail_all(Db *db);

/* A new batch at the end of the ring. */
DbBatch *db_batch_push(Db *db, DbFunction function, int64_t now_ms);

/* Fills the parameters' buffers for a batch, and returns how many there are. */
int db_put_parameters(Db *db, const DbBatch *batch);

#endif /* WALLET_SHIM_DB_INTERNAL_H */
