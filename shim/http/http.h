/*
 * http.h
 *		The HTTP side of one event loop, and what it asks of those who answer requests.
 *
 * This folder knows of connections, requests and replies.  What a request means is the handler's
 * affair: the functions of an HttpHandler get a request when it has come so far, and put the reply
 * into the client (reply.h), or let the client wait (client.h).
 */
#ifndef WALLET_SHIM_HTTP_H
#define WALLET_SHIM_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/thread.h"

typedef struct Client Client;
typedef struct Http Http;

typedef struct HttpConfig
{
	int request_timeout_s; /* from a request's first byte to its last */
	int connections_max;
	size_t large_bytes_max; /* memory that large requests may take altogether */
	bool tls;               /* with the pair of tls.h */
	int port;               /* of the listening socket */
	bool names_requests;    /* each request has an id, and not those alone that came with one */
} HttpConfig;

/* How far the process is on its way to its end: the stages follow each other. */
typedef enum HttpStage
{
	HTTP_SERVES,
	HTTP_LEAVES, /* /readyz says so; all else is as before */
	HTTP_CLOSES, /* besides, each answer ends its connection */
	HTTP_DRAINS  /* besides, the listening socket is closed, and no request waits for its outcome */
} HttpStage;

/* All functions are called on the loop's thread, and none from within another. */
typedef struct HttpHandler
{
	size_t client_size; /* of the handler's struct of a connection, which begins with a Client */

	/* The first line is there.  Says in client->body_size_max how large a body may be. */
	void (*arrive)(Client *client);

	/* The head is there.  Whether the request may come in from where it comes; or a refusal is the
	 * reply. */
	bool (*admit)(Client *client);

	/* The head is there, of a request that may come in.  The reply, or a wait, or neither: then the
	 * body is read. */
	void (*begin)(Client *client);

	/* The whole request is there.  The reply, or a wait. */
	void (*start)(Client *client);

	/* The request has ended: its answer was sent, or its connection is lost. */
	void (*finish)(Client *client);

	/* The client of a request with is_held has gone: ends its wait. */
	void (*abandon)(Client *client);

	/* In each http_run: what is due.  Says in http->due_at_ms when to come again at the latest. */
	void (*run)(Http *http);
} HttpHandler;

struct Http
{
	HttpConfig config;
	const HttpHandler *handler;
	void *context; /* the handler's */
	Owner owner;
	struct MHD_Daemon *daemon;
	Client *clients;
	int client_count;
	Client *sweep_next; /* where the next sweep goes on; NULL: at the first client */
	int request_count;  /* clients whose phase is PHASE_HEAD or later */
	size_t charged;     /* bytes of config.large_bytes_max taken by clients */
	HttpStage stage;
	int listen_fd;
	bool listening; /* the daemon has listen_fd */
	int64_t draining_since_ms;
	bool pending;   /* libmicrohttpd has connections to go on with */
	bool receiving; /* more of a body is to come, of which each piece takes a http_run */
	int64_t now_ms;
	int64_t sweep_at_ms;
	int64_t due_at_ms; /* when the handler has something to do, or earlier */
	Buffer scratch;    /* where a reply is written */
	uint64_t id_start; /* of the ids that are made: random, */
	uint64_t id_count; /* and how many were made */
};

#endif /* WALLET_SHIM_HTTP_H */
