/*
 * item.h
 *		One question to the database, and its answer.
 */
#ifndef WALLET_SHIM_ITEM_H
#define WALLET_SHIM_ITEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <libpq-fe.h>

#include "base/codes.h"
#include "base/text.h"

#define KEY_HASH_SIZE 32 /* SHA-256 */

typedef struct Db Db;

typedef struct DbConfig
{
	const char *conninfo;        /* libpq's; what it leaves out comes from PG* variables */
	const char *schema;          /* of the wallet_* functions, not quoted */
	bool require_standby;        /* nothing is stored that no synchronous standby confirms */
	atomic_int *connected_count; /* raised while this connection can be used */
} DbConfig;

/* Which of a loop's connections. */
typedef enum DbRole
{
	DB_WRITES, /* what is stored, and the API keys that come with it */
	DB_READS,  /* everything else */
	DB_PRIMARY_ROLES,
	DB_REPLICA = DB_PRIMARY_ROLES, /* what may be read from a standby; only with --db-read */
	DB_ROLE_COUNT
} DbRole;

typedef enum DbFunction
{
	DB_ENQUEUE,  /* wallet_enqueue_utf8: kind, payload, idempotency_key, rights, max_amount */
	DB_BULK,     /* the same, for the many payloads of one item */
	DB_LOOKUP,   /* wallet_lookup_many: kind, user_id, handshake_id, include_links */
	DB_OUTCOMES, /* the same, for the many questions of one item, whatever their kinds */
	DB_READ,     /* wallet_read_many: kind, user_id, id, include_links */
	DB_HISTORY,  /* wallet_history_page: user_id, id, before, max_rows, include_holds */
	DB_HOLDS,    /* wallet_holds_page: user_id, hold_id, id, state, before, max_rows */
	DB_DRY_RUN,  /* wallet_dry_run_utf8: as DB_ENQUEUE */
	DB_KEY,      /* wallet_api_key_check_many: key_hash */
	DB_READY,    /* wallet_ready: nothing */
	DB_METRICS,  /* wallet_metrics: nothing */
	DB_POSITION, /* wallet_position: nothing */
	DB_FUNCTION_COUNT
} DbFunction;

/* Columns of the answer, by number. */
enum DbEnqueueColumn /* of DB_BULK too, whose rows have the order of its payloads */
{
	ENQUEUE_ORDINAL,
	ENQUEUE_HANDSHAKE_ID,
	ENQUEUE_CODE,
	ENQUEUE_MESSAGE,
	ENQUEUE_USER_ID, /* this and what follows are not of DB_BULK */
	ENQUEUE_IS_REPEATED
};

enum DbDryRunColumn
{
	DRY_RUN_ORDINAL,
	DRY_RUN_ANSWER
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
	LOOKUP_DESTINATION_WALLET_ID,
	LOOKUP_KIND,
	LOOKUP_LINK_ID,
	LOOKUP_GROUP_ID,
	LOOKUP_LEG,
	LOOKUP_ROWS,
	LOOKUP_HELD,
	LOOKUP_FLOOR,
	LOOKUP_CEILING,
	LOOKUP_AVAILABLE,
	LOOKUP_AMOUNT_MODE,
	LOOKUP_REVERSED,
	LOOKUP_REVERSALS,
	LOOKUP_LINKS
};

enum DbHistoryColumn
{
	HISTORY_TRANSFER_ID,
	HISTORY_KIND,
	HISTORY_SOURCE_WALLET_ID,
	HISTORY_DESTINATION_WALLET_ID,
	HISTORY_AMOUNT,
	HISTORY_BALANCE,
	HISTORY_POSTED_AT,
	HISTORY_LINK_ID,
	HISTORY_GROUP_ID,
	HISTORY_HELD,
	HISTORY_EXPIRES_AT,
	HISTORY_OVERDRAW,
	HISTORY_REVERSED,
	HISTORY_REVERSALS,
	HISTORY_NEXT
};

enum DbHoldsColumn
{
	HOLDS_HOLD_ID,
	HOLDS_SOURCE_WALLET_ID,
	HOLDS_DESTINATION_WALLET_ID,
	HOLDS_AMOUNT,
	HOLDS_CAPTURED,
	HOLDS_REST,
	HOLDS_MAX_CAPTURE,
	HOLDS_STATE,
	HOLDS_EXPIRES_AT,
	HOLDS_CREATED_AT,
	HOLDS_UPDATED_AT,
	HOLDS_NEXT
};

enum DbKeyColumn
{
	KEY_ORDINAL,
	KEY_SCOPES,
	KEY_USER_ID,
	KEY_EXPIRES_IN_MS,
	KEY_MAX_AMOUNT,
	KEY_NAME,
	KEY_REQUESTS_PER_SECOND
};

enum DbReadyColumn
{
	READY_WORKER_ALIVE,
	READY_DETAIL,
	READY_IN_RECOVERY
};

enum DbMetricsColumn
{
	METRICS_TEXT
};

enum DbPositionColumn
{
	POSITION_TEXT,
	POSITION_IS_STANDBY
};

/*
 * How an item ended.  With CODE_OK the item's rows are first_row to first_row + row_count - 1.
 * Otherwise message says what went wrong, and there are no rows.  before and after are the
 * positions of the server before and after the rows were read: before of DB_REPLICA alone, NULL
 * where the server is no standby; after where an item wants it.  The result is valid only during
 * the call of done.
 */
typedef struct DbResult
{
	WalletCode code;
	const char *message;
	const PGresult *rows;
	int first_row;
	int row_count;
	const char *before;
	const char *after;
} DbResult;

/* What the database is told of who asks, beside the user: a sum. */
typedef enum DbRight
{
	RIGHT_ALL_USERS = 1, /* speaks for all users, and need not name one */
	RIGHT_REVERSE = 2    /* may reverse anybody's transfers */
} DbRight;

/* One payload of DB_BULK. */
typedef struct DbPayload
{
	Slice text;
	const char *kind;    /* NULL: refused before it was sent, */
	WalletCode refusal;  /* for this reason, */
	const char *message; /* in these words */
} DbPayload;

/* One question of DB_OUTCOMES. */
typedef struct DbQuestion
{
	Slice text;
	char handshake_id[64 + 1];
	int64_t user_id; /* 0: nobody's */
	bool include_limits;
	bool include_links;
	WalletCode refusal; /* CODE_OK, or why it was not sent */
} DbQuestion;

/*
 * One question.  Its memory, and the texts that it points to, are the caller's
 * and must stay until done has been called, which happens exactly once, or until
 * db_withdraw.
 */
typedef struct DbItem
{
	/* the lanes' and batches' own */
	struct DbItem *next; /* in its lane, until it is sent */
	struct DbItem *previous;
	struct DbBatch *batch; /* NULL: not sent yet */
	int position;          /* in its batch */
	int share_max;         /* how many items its statement may have */
	bool met_conflict;     /* its statement failed once because of another transaction */
	int64_t submitted_at_ms;

	/* the caller's */
	DbFunction function;
	const char *kind;
	const char *payload;
	size_t payload_length;
	const DbPayload *payloads;   /* of DB_BULK */
	const DbQuestion *questions; /* of DB_OUTCOMES */
	int many_count;              /* how many payloads or questions there are, */
	int sent_count;              /* and how many of them are sent */
	const char *idempotency_key; /* or NULL; of DB_BULK each has its own: KEY/0, KEY/1, … */
	unsigned rights;             /* of DbRights */
	const char *max_amount;      /* what one row may move or hold; NULL: there is no bound */
	const char *handshake_id;
	const unsigned char *key_hash;
	int64_t user_id;
	int64_t id;     /* of DB_READ 0: the user's one wallet */
	int64_t before; /* 0: from the newest on */
	int max_rows;
	bool include_holds;
	bool include_links;  /* of DB_OUTCOMES: a question has this */
	int64_t hold_id;     /* of DB_HOLDS 0: those of the wallet */
	const char *state;   /* in which a hold is; NULL: in any */
	bool wants_position; /* of a read: the result has the position after it */
	void (*done)(struct DbItem *item, const DbResult *result);
} DbItem;

/* Whether items of a function share a statement with others of the same function. */
static inline bool
db_is_shared(DbFunction function)
{
	return function != DB_HISTORY && function != DB_HOLDS && function != DB_BULK &&
	       function != DB_OUTCOMES;
}

/* Whether a function has no parameters, so that all items of a statement get the same rows. */
static inline bool
db_asks_nothing(DbFunction function)
{
	return function == DB_READY || function == DB_METRICS || function == DB_POSITION;
}

/* Whether a function may be asked of a standby. */
static inline bool
db_is_read(DbFunction function)
{
	return function == DB_LOOKUP || function == DB_OUTCOMES || function == DB_READ ||
	       function == DB_HISTORY || function == DB_HOLDS;
}

/* Whether a function stores something, rather than reads or checks. */
static inline bool
db_stores(DbFunction function)
{
	return function == DB_ENQUEUE || function == DB_BULK;
}

#endif /* WALLET_SHIM_ITEM_H */
