/*
 * request.h
 *		What a request asks of the database, and how it waits for the answer.
 *
 * A Request is a Client with an item for the database.  The item's memory is the Request's, so a
 * request has one question under way at most.
 */
#ifndef WALLET_SHIM_REQUEST_H
#define WALLET_SHIM_REQUEST_H

#include <stdatomic.h>

#include "api/counters.h"
#include "api/kinds.h"
#include "api/members.h"
#include "api/replica.h"
#include "http/client.h"
#include "http/origin.h"

typedef struct Request Request;

/* Where /metrics is served. */
typedef enum MetricsPlace
{
	METRICS_HERE,      /* beside all else */
	METRICS_ELSEWHERE, /* on a port of its own, which is not this one */
	METRICS_ALONE      /* this is that port */
} MetricsPlace;

typedef struct ApiConfig
{
	int wait_s_max;              /* for Prefer: wait=N */
	int waiting_max;             /* requests of this loop that wait for the database */
	bool keys_needed;            /* for anything but the state of the shim */
	const HostList *hosts;       /* that Host may name while no keys are needed */
	int database_count;          /* connections that must be there to be ready */
	atomic_int *connected_count; /* how many are */
	Monitor *monitor;
	MetricsPlace metrics_place;
	bool access_log; /* a line for each request, on stdout */
} ApiConfig;

/* What all requests of an event loop share: the context of their Http. */
typedef struct Api
{
	ApiConfig config;
	Db *dbs[DB_ROLE_COUNT]; /* that of the replica: NULL where there is none */
	Replica replica;
	KeyCache *keys; /* NULL: no keys are needed */
	Request *timed; /* the list of requests with a time of their own: see request_await, _hold */
	int waiting_count;
	int read_count;    /* of those that wait, the ones that read */
	int outcome_count; /* of those that wait, the ones with a Prefer: wait */
	Metrics *metrics;
	Buffer access_lines; /* not written yet */
} Api;

/* What a path takes by POST. */
typedef enum Posting
{
	POSTING_NONE,
	POSTING_ONE,
	POSTING_MANY
} Posting;

/* One path. */
typedef struct Route
{
	const char *path; /* NULL: none */
	const Kind *kind; /* of what is posted or read; NULL: of nothing */
	Posting post;
	Scope read_scope; /* what a key must have for a read; 0: no key is needed */
	unsigned allowed; /* members of a read */
	unsigned required;
	void (*read)(Request *request); /* NULL: the path takes POST alone */
} Route;

/* What the item of a request is for. */
typedef enum Step
{
	STEP_PRIMARY, /* the question itself, to the primary */
	STEP_SAMPLE,  /* the primary's position, before a replica is asked */
	STEP_REPLICA  /* the question itself, to a replica */
} Step;

/* What becomes of the result of a request's item. */
typedef void RequestOutcome(Request *request, const DbResult *result);

struct Request
{
	Client client;      /* first, so that the Client of a connection is its Request */
	const Route *route; /* NULL: there is nothing at its path */
	Method method;
	Key key;         /* all zero: none is needed */
	bool is_limited; /* the request counts towards the limit of its key already */
	Phase key_phase; /* in which phase the database was asked for it; PHASE_IDLE: it was not */
	Members members; /* also keeps the handshake of what was enqueued */
	DbItem item;
	Db *db; /* that has the item, or had it last */
	RequestOutcome *outcome;
	Step step;
	DbFunction function;          /* of the question itself */
	int64_t asked_at_ms;          /* when the question was asked */
	bool tells_position;          /* the client has asked for the position of what it is told */
	Position demanded;            /* what an answer must not be older than */
	Position sampled;             /* the primary's, after the question was asked */
	char position[POSITION_SIZE]; /* to tell; "": not known */
	int64_t lag_ms;               /* how old what is told may be; -1: it is no read */
	bool is_dry_run;              /* it asks what would become of it */
	bool enqueued;                /* the request is durable: never answer with a problem */
	bool is_repeated;             /* its idempotency key has named an earlier one */
	int busy_count;               /* how often its idempotency key was in use */
	int64_t held_since_ms;        /* 0: not yet */
	bool waits_for_outcome;       /* while it waits: it counts in outcome_count */
	bool is_timed;                /* it is in the list of timed requests */
	int64_t due_at_ms;            /* when to ask again, or to give up */
	Request *timed_previous;
	Request *timed_next;
};

/* The Request of a connection. */
static inline Request *
request_of(Client *client)
{
	return (Request *) client;
}

static inline Api *
request_api(const Request *request)
{
	return request->client.http->context;
}

/* The connection that a function is for: API keys are asked for where the request goes itself. */
Db *request_db(const Request *request, DbFunction function);

/*
 * Lets the request wait and hands its item to the database; outcome gets the result.  Or refuses,
 * when there is no room or no database.
 */
void request_submit(Request *request, DbFunction function, RequestOutcome *outcome);

/*
 * Hands the item of a waiting request to its database: a read to the replica, if the replica may
 * be new enough, and to the primary when it is not.  While a database has the item, a request with
 * a Prefer: wait is timed: api_run ends its wait when the time is over.
 */
void request_await(Request *request);

/* Holds a waiting request, whose item the database does not have, until api_run looks at it. */
void request_hold(Request *request, int64_t due_at_ms);

/* Takes a timed request out of the list. */
void request_untime(Request *request);

/* The reply of a waiting request is there. */
void request_finish(Request *request);

/* Replies that the request is queued, or that something is wrong, to a waiting request. */
void request_finish_queued(Request *request);
void request_finish_problem(Request *request, WalletCode code, const char *message);

/* Tells the client, where it is so, that its idempotency key has named an earlier request. */
void request_tell_repeated(Request *request);

/* A waiting request goes on where it was: see client_go_on. */
void request_go_on(Request *request);

#endif /* WALLET_SHIM_REQUEST_H */
