/*
 * client.h
 *		One HTTP connection and the request it is making: what daemon.c (the
 *		connection's life) and routes.c (the request's meaning) share.
 *
 * A Client lives as long as its connection and is used again by each of its
 * requests, so that a request allocates next to nothing.  While its item is
 * with the database the connection is suspended, and libmicrohttpd neither
 * reads nor closes it: the Client's memory stays.
 */
#ifndef WALLET_SHIM_CLIENT_H
#define WALLET_SHIM_CLIENT_H

#include <microhttpd.h>

#include "api/auth.h"
#include "base/buffer.h"
#include "db/db.h"
#include "http/guard.h"
#include "http/daemon.h"
#include "api/json.h"

#define BODY_SIZE_MAX 8192
#define REPLY_SIZE 512
#define BULK_BODY_SIZE_MAX (2 * 1024 * 1024)
#define BULK_ITEMS_MAX 8192
#define BULK_KEY_LENGTH_MAX (IDEMPOTENCY_KEY_LENGTH_MAX - 5) /* leaves room for /8191 */

typedef enum Phase
{
	PHASE_IDLE,      /* no request, or less than its first line, not seen yet */
	PHASE_LINE,      /* bytes of a first line have come in */
	PHASE_HEAD,      /* the first line is there */
	PHASE_RECEIVING, /* the head is there, the body may be coming */
	PHASE_COMPLETE,  /* the whole request is there, to be carried out with the next call */
	PHASE_WAITING,   /* suspended: for the database, or held for the outcome */
	PHASE_RESUMED,   /* resumed at its head; libmicrohttpd may show the head once more */
	PHASE_ANSWERING  /* the reply is there, or on its way */
} Phase;

typedef enum Method
{
	METHOD_READ, /* GET, HEAD and QUERY */
	METHOD_POST,
	METHOD_OPTIONS,
	METHOD_OTHER
} Method;

/* What a path takes by POST. */
typedef enum Posting
{
	POSTING_NONE,
	POSTING_ONE,
	POSTING_MANY
} Posting;

typedef struct Client Client;

/* What makes a response besides its text. */
typedef struct ReplyHead
{
	unsigned status;
	const char *media_type;
	size_t length;
	int wait_s; /* for Preference-Applied; 0: none */
	bool must_close;
	bool is_special; /* it got fields of its own by reply_field */
} ReplyHead;

/* One path. */
typedef struct Route
{
	const char *path;
	const char *kind; /* of request or of what is read */
	Shape shape;
	Posting post;
	Scope post_scope; /* what a key must have for it; 0: no key is needed */
	Scope read_scope;
	unsigned allowed; /* members of a read */
	unsigned required;
	void (*read)(Client *client); /* NULL: it takes POST alone */
} Route;

struct Client
{
	DbItem item; /* first, so that an item's done finds its Client */
	Http *http;
	struct MHD_Connection *connection;
	int fd;
	struct Client *previous; /* of all clients */
	struct Client *next;
	struct Client *timed_previous; /* of those with a Prefer: wait */
	struct Client *timed_next;
	Phase phase;
	int64_t deadline_ms; /* of the phase */
	bool idle_known;
	uint64_t idle_bytes;    /* received when the phase became idle, once idle_known */
	uint64_t quiet_bytes;   /* while draining: received by the last sweep, */
	int64_t quiet_since_ms; /* and since when there have been no more; 0: not looked at yet */

	/* the request */
	const Route *route; /* NULL: there is nothing at its path */
	Method method;
	RequestLine line;
	char authority[HOST_TEXT_SIZE]; /* of a target in absolute form */
	RequestHead head;
	Key key;         /* all zero: none is needed */
	Phase key_phase; /* in which phase the database was asked for it; PHASE_IDLE: it was not */
	Buffer query;    /* ends in a NUL; empty when there is none */
	Buffer body;
	uint64_t body_seen;
	Slice *slices;                               /* of the body of a bulk request */
	size_t charge;                               /* bytes of the loop's budget for bulk requests */
	Members members;                             /* also keeps the handshake of what was enqueued */
	Db *db;                                      /* that has the item, or had it last */
	void (*outcome)(DbItem *, const DbResult *); /* what becomes of the item's result */
	bool timed;            /* it is in the list of those with a Prefer: wait */
	bool held;             /* so it is, and the database does not have its item */
	bool enqueued;         /* the request is durable: never answer with a problem */
	int busy_count;        /* how often its idempotency key was in use */
	int64_t wait_until_ms; /* 0: answer at once */
	int64_t held_since_ms; /* 0: not yet */
	int64_t due_at_ms;     /* of who is timed: when to ask again, or to give up */

	/* the reply */
	struct MHD_Response *response; /* NULL: there is none yet */
	ReplyHead reply_head;
	bool must_close;
	struct MHD_Response *kept; /* the last response, to be used again; not while there is one */
	char reply[REPLY_SIZE];    /* the text of a short one */
};

struct Http
{
	HttpConfig config;
	Db *dbs[DB_ROLE_COUNT];
	KeyCache *keys; /* NULL: no keys are needed */
	struct MHD_Daemon *daemon;
	Client *clients;
	int client_count;
	Client *sweep_next; /* where the next sweep goes on; NULL: at the first client */
	Client *timed;
	int64_t due_at_ms; /* when the first of them is due, or earlier */
	int request_count; /* requests under way, in any phase but idle */
	int waiting_count; /* those suspended */
	int read_count;    /* of them, those that read */
	size_t charged;    /* bytes of config.bulk_bytes_max taken by clients */
	HttpStage stage;
	int listen_fd;
	bool listening; /* the daemon has listen_fd */
	int64_t draining_since_ms;
	bool pending;   /* libmicrohttpd has connections to go on with */
	bool receiving; /* more of a body is to come, of which each piece takes a http_run */
	int64_t now_ms;
	int64_t sweep_at_ms;
	Buffer scratch; /* where a reply is written */
};

/* Finds the route and keeps the query string of a request's first line. */
void route_find(Client *client, const char *uri);

/*
 * Whether a request may come in from where it comes: without API keys none of a foreign web page
 * does.  Otherwise the refusal is in the client.
 */
bool route_admit(Client *client);

/*
 * Looks at the head, before the body: method and media type.  False when the
 * reply is a refusal, which then is in the client.
 */
bool route_begin(Client *client, const char *method);

/* How many bytes the body of a request may have. */
size_t route_body_size_max(const Client *client);

/*
 * Carries out a request that is all there.  Either the reply is in the client
 * afterwards, or its item is with the database and its phase PHASE_WAITING.
 */
void route_start(Client *client);

/*
 * Suspends the client and hands its item to the database, or refuses when there is no room or no
 * database.
 */
void route_submit(Client *client, DbFunction function, void (*outcome)(DbItem *, const DbResult *));

/* The connection that a function is for: API keys are asked for where the request goes itself. */
Db *route_db(const Client *client, DbFunction function);

/* Carries out a POST of many; its body is valid UTF-8. */
void bulk_start(Client *client);

/* Frees the body and its slices. */
void bulk_release(Client *client);

/*
 * Hands a suspended client's item to its database.  The result goes to client->outcome; or the
 * client is answered without it, where the time of its Prefer: wait is over.
 */
void outcome_await(Client *client);

/* What becomes of an item's result. */
void outcome_of_enqueue(DbItem *item, const DbResult *result);
void outcome_of_lookup(DbItem *item, const DbResult *result);
void outcome_of_read(DbItem *item, const DbResult *result);
void outcome_of_history(DbItem *item, const DbResult *result);
void outcome_of_ready(DbItem *item, const DbResult *result);

/*
 * Asks again for the outcomes of held requests that are due, and gives up those whose time is over
 * while the database has them; lets all that are held go while draining.
 */
void outcome_run_timed(Http *http);

/* Lets a held request go with what is known, since its client has gone. */
void outcome_release(Client *client);

/*
 * Both put a reply into the client: the scratch buffer's JSON, or a
 * problem.  A short one that differs from the last one in its text alone is sent
 * with the last one's response.
 */
void reply_scratch(Client *client, unsigned status);
void reply_problem(Client *client, WalletCode code, const char *message);

/* The reply {"status":"…"}. */
void reply_status(Client *client, const char *status);

/* A reply with no body. */
void reply_empty(Client *client, unsigned status);

/* Adds a header field to the reply. */
void reply_field(Client *client, const char *name, const char *value);

/* libmicrohttpd has the reply: keeps the response if it may be used again. */
void reply_sent(Client *client);

/* Drops a reply that was not sent; reply_forget also the response that was kept. */
void reply_drop(Client *client);
void reply_forget(Client *client);

/*
 * Sets what the client takes of the loop's budget for bulk requests, in bytes.
 * False when that much is not left; then nothing changes.  Taking less never fails.
 */
bool client_charge(Client *client, size_t bytes);

/*
 * The key of a suspended request is known: goes on with the request, or sends
 * the refusal that is in the client, after a body that may be coming.
 */
void client_go_on(Client *client);

/* The reply is in the client: lets libmicrohttpd go on with the connection. */
void client_resume(Client *client);

#endif /* WALLET_SHIM_CLIENT_H */
