/*
 * state.h
 *		One database connection: what the modules of this folder know of it.
 *
 * Everything in a Db belongs to one event loop's thread, but what the threads of the Connector
 * and the Canceller have until they set finished.
 */
#ifndef WALLET_SHIM_STATE_H
#define WALLET_SHIM_STATE_H

#include "base/buffer.h"
#include "base/thread.h"
#include "db/canceller.h"
#include "db/complaint.h"
#include "db/connector.h"
#include "db/fence.h"
#include "db/queue.h"

#define DB_PARAMETERS_MAX 6
#define DB_RETRY_PAUSE_MIN_MS 100
#define DB_HOLD_MS 1000 /* how long items may wait for a connection that is being made */
#define CONNECTION_LOST "the connection to the database was lost"

typedef enum DbState
{
	DB_DOWN,       /* no connection; waits until retry_at_ms */
	DB_CONNECTING, /* the Connector's thread connects */
	DB_MEETING,    /* connected; the server is asked which of its processes answers */
	DB_PREPARING,  /* the statements are being prepared */
	DB_CONFIRMING, /* a first commit waits for the disk, and for the synchronous standby if any */
	DB_UP,         /* items are sent */
	DB_LEAVING     /* not used any more; its server process has not ended yet */
} DbState;

/* The failure of a statement that was logged last. */
typedef struct DbFailure
{
	DbFunction function;
	char sqlstate[6];
	int unsaid; /* how often it was met since, without being logged */
	int64_t logged_at_ms;
} DbFailure;

struct Db
{
	DbConfig config;
	DbRole role;
	Owner owner;
	int wake_fd;
	DbState state;
	int64_t state_since_ms;
	PGconn *connection; /* NULL while DB_DOWN or DB_CONNECTING */
	bool dirty;         /* something was sent and not flushed yet */
	bool unconfirmed;   /* no standby has confirmed the oldest batch's commit */
	bool read_only;     /* the database is a standby, or was when it was asked last */
	Fence fence;        /* of the server, when it was met */
	bool to_renew;      /* the connection is made anew when nothing is under way */
	bool holding;       /* items may wait for the connection, until hold_until_ms */
	int64_t hold_until_ms;
	Complaint complaint;
	char last_words[128]; /* of the server, when it ends the connection; "" before */
	int64_t retry_at_ms;
	int64_t retry_pause_ms;
	unsigned random_seed;
	Connector *connector;
	Canceller *canceller;
	PGcancel *cancel; /* of the connection, for when it is lost with a statement under way */
	bool owes;        /* leaving: statements were under way */
	bool shut;        /* leaving: our side of the socket is closed */
	int64_t cancel_at_ms;
	int64_t cancel_pause_ms;
	DbQueue queue;
	int failures_left; /* of FAILURES_MAX, in the second from failures_since_ms on */
	int64_t failures_since_ms;
	DbFailure failure;
	Buffer parameters[DB_PARAMETERS_MAX];
};

/* Whether libpq may be called for the connection: there is one, and it has not been given up. */
bool db_is_usable(const Db *db);

/* Changes the state; connected_count follows.  Asserts what each state says of the connection. */
void db_enter(Db *db, DbState state, int64_t now_ms);

/* Complains, as complaint_make does, and says of which database. */
void db_complain(Db *db, const char *what, const char *reason, int64_t now_ms);

/* Enters DB_DOWN, and plans the next attempt to connect. */
void db_plan_retry(Db *db, int64_t now_ms);

#endif /* WALLET_SHIM_STATE_H */
