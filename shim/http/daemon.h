/*
 * daemon.h
 *		The HTTP side of one event loop: a libmicrohttpd daemon in external-poll
 *		mode, the clients connected to it, and their deadlines.
 */
#ifndef WALLET_SHIM_DAEMON_H
#define WALLET_SHIM_DAEMON_H

#include "http/http.h"

/*
 * Starts a daemon on a listening socket, which it owns from then on.  The handler's functions find
 * context in the Http.  NULL when libmicrohttpd will not start.
 */
Http *http_create(const HttpConfig *config, const HttpHandler *handler, void *context,
                  int listen_fd);

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

/* Whether HTTP_DRAINS is complete: all clients are answered, and their connections closed. */
bool http_is_drained(const Http *http);

/* Stops the daemon and frees everything.  No request may wait any more. */
void http_destroy(Http *http);

#endif /* WALLET_SHIM_DAEMON_H */
