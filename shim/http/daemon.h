/*
 * daemon.h
 *		The HTTP side of one event loop: a libmicrohttpd daemon in external-poll
 *		mode, the clients connected to it, and their deadlines.
 */
#ifndef WALLET_SHIM_HTTP_H
#define WALLET_SHIM_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "http/origin.h"

typedef struct HttpConfig
{
	int request_timeout_s;       /* from a request's first byte to its last */
	int wait_s_max;              /* for Prefer: wait=N */
	int connections_max;         /* of this loop */
	int waiting_max;             /* of this loop: requests waiting for the database */
	size_t bulk_bytes_max;       /* of this loop: memory that bulk requests may take */
	bool keys_needed;            /* of who asks for anything but the state of the shim */
	const HostList *hosts;       /* that Host may name while no keys are needed */
	bool tls;                    /* with the pair of tls.h */
	int port;                    /* of the listening socket */
	int database_count;          /* connections that must be there to be ready */
	atomic_int *connected_count; /* how many are */
} HttpConfig;

/* How far the process is on its way to its end: the stages follow each other. */
typedef enum HttpStage
{
	HTTP_SERVES,
	HTTP_LEAVES, /* /readyz says so; all else is as ever */
	HTTP_CLOSES, /* besides, each answer ends its connection */
	HTTP_DRAINS  /* besides, the listening socket is closed, and no request waits for its outcome */
} HttpStage;

typedef struct Http Http;

/*
 * Starts a daemon before a loop's databases, on a listening socket, which it owns from then on.
 * NULL when libmicrohttpd will not start.
 */
Http *http_create(const HttpConfig *config, Db *const dbs[DB_ROLE_COUNT], int listen_fd);

/* The descriptor that is readable when http_run has something to do. */
int http_epoll_fd(const Http *http);

/* Whether nothing is lost when http_run comes a millisecond later than it could. */
bool http_may_rest(const Http *http);

/* Reads requests, sends answers, keeps deadlines. */
void http_run(Http *http, int64_t now_ms);

/* Milliseconds until http_run is due even if its descriptor stays quiet. */
int64_t http_timeout_ms(const Http *http, int64_t now_ms);

/* Enters a stage; never an earlier one than before. */
void http_set_stage(Http *http, HttpStage stage);

/* Whether HTTP_DRAINS has come to its end: all who had come are answered and gone. */
bool http_is_drained(const Http *http);

/*
 * Stops the daemon and frees everything.  Every item put down at the Db must
 * have ended, as db_close sees to.
 */
void http_destroy(Http *http);

#endif /* WALLET_SHIM_HTTP_H */
