/*
 * internal.h
 *		What batches.c (batches), parameters.c (what is sent with them), connection.c
 *		(the connection's life), connector.c (the thread that connects) and
 *		leave.c (the connection's end) share.
 */
#ifndef WALLET_SHIM_DB_INTERNAL_H
#define WALLET_SHIM_DB_INTERNAL_H

#include <pthread.h>

#include "base/buffer.h"
#include "db/complaint.h"
#include "db/db.h"

#define DB_BATCH_ITEMS_MAX 8192
#define DB_SINGLES_IN_FLIGHT_MAX 32
#define DB_BATCHES_MAX 256             /* a power of two, above what all lanes may have in flight */
#define DB_STATEMENT_DEADLINE_MS 10000 /* from the statement's own turn on */
#define DB_ITEM_TIME_MS 5000           /* how long an item may wait to be sent */
#define DB_FAILURES_MAX 128            /* statements that may fail in a second and be sent again */
#define DB_HOLD_MS 1000                /* how long a starting shim holds requests */
#define DB_HOST_PATIENCE_MS 5000       /* how long a server may be silent while we connect */
#define DB_PARAMETERS_MAX 4

typedef enum DbState
{
	DB_DOWN,       /* waits until retry_at_ms */
	DB_CONNECTING, /* a thread connects, since name resolution blocks */
	DB_MEETING,    /* connected; who answers? */
	DB_PREPARING,  /* the statements are being prepared */
	DB_CONFIRMING, /* prepared; a first commit waits for the disk, and for a standby that is named
	                */
	DB_UP,
	DB_LEAVING /* not used any more; its server process has not ended yet */
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

/* The failure of a statement that was logged last. */
typedef struct DbFailure
{
	DbFunction function;
	char sqlstate[6];
	int unsaid; /* how often it was met since, without being logged */
	int64_t logged_at_ms;
} DbFailure;

/* What the thread that connects has to itself until finished is set. */
typedef struct DbConnector
{
	pthread_t thread;
	atomic_bool finished;
	atomic_bool taken;    /* a server has taken the connection and has not answered yet */
	atomic_bool stopping; /* set by the loop: nobody wants the connection any more */
	const char *conninfo;
	int wake_fd;
	PGconn *connection;
	PGconn *hung; /* to one host of several, which has taken the connection and says nothing */
} DbConnector;

/* What a thread that asks the server to cancel has to itself until finished is set. */
typedef struct DbCanceller
{
	pthread_t thread;
	atomic_bool finished;
	PGcancel *cancel;
	int wake_fd;
} DbCanceller;

struct Db
{
	DbConfig config;
	DbRole role;
	int wake_fd;
	DbState state;
	int64_t state_since_ms;
	PGconn *connection;
	bool dirty;       /* something was sent and not flushed yet */
	bool unconfirmed; /* the commit of the oldest batch was cancelled while it waited for a standby
	                   */
	bool read_only;   /* the database is a standby, or was when it was asked last */
	bool holding;     /* items may wait for the first connection of all, until hold_until_ms */
	int64_t hold_until_ms;
	Complaint complaint;
	char last_words[128]; /* of the server, when it ends the connection; "" before */
	int64_t retry_at_ms;
	int64_t retry_pause_ms;
	unsigned random_seed;
	DbConnector *connector;
	DbCanceller *canceller;
	bool cancelling;  /* the canceller's thread has been started and not been joined */
	PGcancel *cancel; /* of the connection, for when it is lost with a statement under way */
	bool owes;        /* leaving: statements were under way */
	bool shut;        /* leaving: our side of the socket is closed */
	int64_t cancel_at_ms;
	int64_t cancel_pause_ms;
	DbLane lanes[DB_FUNCTION_COUNT];
	DbBatch batches[DB_BATCHES_MAX]; /* a ring, oldest first */
	unsigned batch_head;
	unsigned batch_tail;
	int failures_left; /* of DB_FAILURES_MAX, in the second from failures_since_ms on */
	int64_t failures_since_ms;
	DbFailure failure;
	Buffer parameters[DB_PARAMETERS_MAX];
};

/* Names of the prepared statements, by DbFunction. */
extern const char *const db_statement_names[DB_FUNCTION_COUNT];

/* The state from now on. */
void db_enter(Db *db, DbState state, int64_t now_ms);

/* Starts a thread that connects. */
void db_connect_start(Db *db, int64_t now_ms);

/* What that thread runs; argument is a DbConnector. */
void *db_connector_main(void *argument);

/* Takes over what that thread brought; sends the setup. */
void db_connect_finish(Db *db, int64_t now_ms);

/* A batch of the setup has been answered: goes on with the next, or the connection can be used, or
 * is dropped. */
void db_setup_finish(Db *db, const DbBatch *batch, int64_t now_ms);

/* Keeps the message of a notice or result with which the server ends the connection. */
void db_keep_last_words(Db *db, const PGresult *result);

/* Plans the next attempt to connect; the connection is gone. */
void db_plan_retry(Db *db, int64_t now_ms);

/*
 * Gives the connection up: every item under way ends with code and that code's message, those that
 * wait with CODE_DATABASE_UNAVAILABLE.  The reason goes to the log.  The next attempt to connect is
 * made when the server process has ended.
 */
void db_drop(Db *db, WalletCode code, const char *reason, int64_t now_ms);

/* Leaves the connection: cancels what is under way, if owes, and waits for the server's end. */
void db_leave(Db *db, bool owes, int64_t now_ms);

/* While leaving: cancels again, closes our side, sees whether the server's end has come. */
void db_leave_tick(Db *db, int64_t now_ms);

/* Milliseconds until db_leave_tick is due. */
int64_t db_leave_timeout_ms(const Db *db, int64_t now_ms);

/* Joins a canceller's thread that has finished; false when one is still under way. */
bool db_cancel_finish(Db *db);

/* Asks the server in a thread to cancel; cancel is freed there. */
void db_cancel_start(Db *db, PGcancel *cancel);

/* Ends the items that are under way, or those that wait to be sent. */
void db_fail_sent(Db *db, WalletCode code, const char *message);
void db_fail_waiting(Db *db, const char *message);

/* A new batch at the end of the ring. */
DbBatch *db_batch_push(Db *db, DbFunction function, int64_t now_ms);

/* Fills the parameters' buffers for a batch, and returns how many there are. */
int db_put_parameters(Db *db, const DbBatch *batch);

#endif /* WALLET_SHIM_DB_INTERNAL_H */
