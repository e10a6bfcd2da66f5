/*
 * db.h
 *		What the shim asks of the database, and how it is asked.
 *
 * Each event loop owns two Dbs, one for what is stored and one for what is
 * read, so that no read stands before a POST: two connections in pipeline mode,
 * used by that loop's thread alone.  A request is put down with db_submit;
 * whatever has been put down for the same function goes out together in one
 * statement with the next db_dispatch, while at most one such batch is under
 * way.  So the busier the shim is, the larger its batches are, and an idle one
 * adds no wait.  Pages of a history are statements of their own, one at a time,
 * and other reads take their turns between them.
 *
 * Each item has a bounded time.  The server ends a statement that waits for a
 * lock or takes too long (the settings of the session, extension/base/session.h).
 * A statement that is not answered although its own turn has come costs the
 * connection after DB_STATEMENT_DEADLINE_MS.  An item that has not been sent
 * after DB_ITEM_TIME_MS ends with CODE_DATABASE_BUSY.
 *
 * A Db never has two server processes.  A connection that is given up is
 * cancelled, and another one is made only when the server has closed it, which
 * its process does with its end.  Until then items are refused at once
 * (docs/operations.md, "Connections of the shim").
 *
 * A connection for what is stored can be used after a first commit of its own.
 * While commits wait for a synchronous standby it therefore stays as it is, and
 * items are refused at once, until the standby is back.
 *
 * In the first second of the process items wait for the first connection.
 *
 * Nothing is ever sent again after a lost connection, since nobody knows
 * whether it was committed: such items end with CODE_DATABASE_UNAVAILABLE, and
 * the client decides, with its Idempotency-Key.  A batch that fails as a whole
 * while the connection lives was rolled back as a whole: its items are sent
 * once more in two halves, and so on, so that a bad one fails nobody else.  How
 * many statements may fail in a second for that is bounded.
 *
 * An item of DB_BULK is a statement by itself: all that it brings is committed
 * together, and with nothing else.
 */
#ifndef WALLET_SHIM_DB_H
#define WALLET_SHIM_DB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <libpq-fe.h>

#include "api/array.h"
#include "extension/rules/codes.h"

#define KEY_HASH_SIZE 32 /* SHA-256 */

/* Which of a loop's connections. */
typedef enum DbRole
{
	DB_WRITES, /* what is stored, and the API keys that come with it */
	DB_READS,  /* everything else */
	DB_ROLE_COUNT
} DbRole;

typedef enum DbFunction
{
	DB_ENQUEUE, /* wallet_enqueue_utf8: kind, payload, idempotency_key */
	DB_BULK,    /* the same, for the many payloads of one item */
	DB_LOOKUP,  /* wallet_lookup_many: kind, user_id, handshake_id */
	DB_READ,    /* wallet_read_many: kind, user_id, id */
	DB_HISTORY, /* wallet_history_page: user_id, id, before, max_rows */
	DB_KEY,     /* wallet_api_key_check_many: key_hash */
	DB_READY,   /* wallet_ready: nothing */
	DB_FUNCTION_COUNT
} DbFunction;

/* Columns of the answer, by number. */
enum DbEnqueueColumn /* of DB_BULK too, whose rows have the order of its payloads */
{
	ENQUEUE_ORDINAL,
	ENQUEUE_HANDSHAKE_ID,
	ENQUEUE_CODE,
	ENQUEUE_MESSAGE
};

enum DbLookupColumn /* of DB_READ too */
{
	LOOKUP_ORDINAL,
	LOOKUP_STATE,
	LOOKUP_CODE,
	LOOKUP_MESSAGE,
	LOOKUP_WALLET_ID,
	LOOKUP_WALLET_STATUS,
	LOOKUP_AMOUNT,
	LOOKUP_CURRENCY,
	LOOKUP_CREATED_AT,
	LOOKUP_UPDATED_AT,
	LOOKUP_TRANSFER_ID,
	LOOKUP_SOURCE_WALLET_ID,
	LOOKUP_DESTINATION_WALLET_ID
};

enum DbHistoryColumn
{
	HISTORY_TRANSFER_ID,
	HISTORY_KIND,
	HISTORY_SOURCE_WALLET_ID,
	HISTORY_DESTINATION_WALLET_ID,
	HISTORY_AMOUNT,
	HISTORY_BALANCE,
	HISTORY_POSTED_AT
};

enum DbKeyColumn
{
	KEY_ORDINAL,
	KEY_SCOPES,
	KEY_USER_ID,
	KEY_EXPIRES_IN_MS
};

enum DbReadyColumn
{
	READY_WORKER_ALIVE,
	READY_DETAIL,
	READY_IN_RECOVERY
};

/*
 * How an item ended.  With CODE_OK the rows first_row … first_row + row_count - 1
 * are the item's own; otherwise message says what went wrong, and there are no
 * rows.  It lives only as long as the call that hands it over.
 */
typedef struct DbResult
{
	WalletCode code;
	const char *message;
	const PGresult *rows;
	int first_row;
	int row_count;
} DbResult;

/*
 * One question.  Its memory, and the texts that it points to, are the caller's
 * and must stay until done has been called, which happens exactly once, or until
 * db_withdraw.
 */
typedef struct DbItem
{
	/* batches.c's own */
	struct DbItem *next; /* in its lane, until it is sent */
	struct DbItem *previous;
	struct DbBatch *batch; /* NULL: not sent yet */
	int position;          /* in its batch */
	int share_max;         /* how many items its statement may have */
	bool met_conflict;     /* it failed once for somebody else's transaction */
	int64_t submitted_at_ms;

	/* the caller's */
	DbFunction function;
	const char *kind;
	const char *payload;
	size_t payload_length;
	const Slice *slices; /* the payloads of DB_BULK */
	int slice_count;
	const char *idempotency_key; /* or NULL; of DB_BULK each has its own: KEY/0, KEY/1, … */
	const char *handshake_id;
	const unsigned char *key_hash;
	int64_t user_id;
	int64_t id;     /* of DB_READ 0: the user's one wallet */
	int64_t before; /* 0: from the newest on */
	int max_rows;
	void (*done)(struct DbItem *item, const DbResult *result);
} DbItem;

typedef struct DbConfig
{
	const char *conninfo;        /* libpq's; what it leaves out comes from PG* variables */
	const char *schema;          /* of the wallet_* functions, not quoted */
	atomic_int *connected_count; /* raised while this connection can be used */
} DbConfig;

typedef struct Db Db;

/*
 * Makes a Db that signals wake_fd (an eventfd) when an attempt to connect has
 * ended.  Connects from the first db_tick on.  NULL: no memory.
 */
Db *db_create(const DbConfig *config, DbRole role, int wake_fd);

/*
 * Closes the connection for good; every item ends with CODE_DATABASE_UNAVAILABLE.  What is under
 * way is cancelled.
 */
void db_close(Db *db);

/* Whether the server process of a closed Db may still be there: call again soon. */
bool db_is_closing(Db *db, int64_t now_ms);

/*
 * Frees a closed Db.  False when an attempt to connect or to cancel still runs
 * in its thread: the process should then leave with _exit.
 */
bool db_destroy(Db *db);

/* Whether an item may be put down now: it would be sent, or waits for the first connection. */
bool db_available(const Db *db);

/* Whether an item put down now would be sent. */
bool db_is_up(const Db *db);

/* Puts an item down for the next db_dispatch.  Only while db_available. */
void db_submit(Db *db, DbItem *item, int64_t now_ms);

/*
 * Takes back an item that has not ended; its done is not called any more.  What
 * has been sent is carried out all the same.  Not from within a done.
 */
void db_withdraw(Db *db, DbItem *item);

/* The connection's descriptor, -1 when there is none, and the events to poll for. */
int db_fd(const Db *db);
short db_events(const Db *db);

/* Whether a statement is under way. */
bool db_busy(const Db *db);

/* Whether a statement is under way that should be answered soon: it has not taken long yet. */
bool db_answers_soon(const Db *db, int64_t now_ms);

/* Reads and writes what the connection is ready for; calls done of finished items. */
void db_handle_event(Db *db, int64_t now_ms);

/* Connects, reconnects, gives up a connection whose statement hangs, ends what waits for too long.
 */
void db_tick(Db *db, int64_t now_ms);

/* Sends what was put down, as far as batches may be under way. */
void db_dispatch(Db *db, int64_t now_ms);

/* Milliseconds until db_tick is due. */
int64_t db_timeout_ms(const Db *db, int64_t now_ms);

/* The value of a column, or NULL for SQL's null; row counts from the item's first. */
const char *db_value(const DbResult *result, int row, int column);

/* The code whose stable name is name; CODE_INTERNAL_ERROR when there is none. */
WalletCode code_by_name(const char *name);

#endif /* WALLET_SHIM_DB_H */
