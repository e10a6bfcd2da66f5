/*
 * sweep.c
 *		Keeps the deadlines of requests, and sees clients that have gone.
 *
 * libmicrohttpd's own timeout is not used, since a client that sends a byte a second escapes it:
 * each phase of a request has a deadline, and a sweep cuts the connections that miss it.
 */
#include "http/sweep.h"

#include <assert.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "http/reply.h"

#define PAUSE_MS 250
#define PAUSE_DRAINING_MS 50
#define CLIENTS_MAX 256
#define ROUND_MS 1000 /* in which all clients are swept, however many there are */

void
sweep_cut(Client *client, WalletCode code)
{
	static const char answer[] =
	    "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n"
	    "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n\r\n";
	Buffer *text = &client->http->scratch;
	int status = wallet_codes[code].http_status;
	char head[sizeof(answer) + 64];
	int length;

	/* TLS would have to write it. */
	if (!client->http->config.tls &&
	    (client->phase == PHASE_LINE || client->phase == PHASE_HEAD ||
	     client->phase == PHASE_RESUMED || client->phase == PHASE_RECEIVING))
	{
		buffer_reset(text);
		client->answered_status = (unsigned) status;
		client->problem = code;
		reply_write_problem(text, code, NULL);
		length = snprintf(head, sizeof(head), answer, status,
		                  MHD_get_reason_phrase_for((unsigned) status), text->length);
		if (send(client->fd, head, (size_t) length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) > 0)
			send(client->fd, text->data, text->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	shutdown(client->fd, SHUT_RDWR);
}

/* How many bytes have ever come in on a connection, 0 when the system does not tell. */
static uint64_t
received_bytes(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return 0;
	return info.tcpi_bytes_received;
}

/*
 * Whether the client has closed its end, and everything that it sent is read.  libmicrohttpd
 * does not see an end that comes together with the last bytes.
 */
static bool
is_gone(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * Between requests libmicrohttpd does not say when bytes of a first line come
 * in.  The kernel does: once they do, the request's time runs.
 */
static void
watch_idle(Client *client)
{
	Http *http = client->http;
	uint64_t bytes = received_bytes(client->fd);
	int64_t deadline_ms = http->now_ms + http->config.request_timeout_s * INT64_C(1000);

	assert(client->phase == PHASE_IDLE);
	if (!client->idle_known)
		client->idle_bytes = bytes;
	client->idle_known = true;
	if (bytes > client->idle_bytes)
		client_set_phase(client, PHASE_LINE,
		                 client->deadline_ms < deadline_ms ? client->deadline_ms : deadline_ms);
}

/*
 * Whether a connection has been silent for SWEEP_QUIET_MS while no request is under way on it.
 * Closing a kept connection always races with a request that the client is sending.  Here only a
 * client loses that race who sends nothing for SWEEP_QUIET_MS and sends just as the connection
 * is closed.
 */
static bool
is_quiet(Client *client)
{
	uint64_t bytes = received_bytes(client->fd);

	assert(client->http->stage == HTTP_DRAINS);
	if (client->phase != PHASE_IDLE && client->phase != PHASE_LINE)
		return false;
	if (client->quiet_since_ms == 0 || bytes != client->quiet_bytes)
		client->quiet_since_ms = client->http->now_ms;
	client->quiet_bytes = bytes;
	return client->http->now_ms - client->quiet_since_ms >= SWEEP_QUIET_MS;
}

static void
sweep_client(Client *client)
{
	Http *http = client->http;

	if (client->phase == PHASE_WAITING)
	{
		if (client->is_held && is_gone(client->fd))
			http->handler->abandon(client);
		return;
	}
	if (client->phase == PHASE_COMPLETE)
		return;
	if (client->phase == PHASE_IDLE)
		watch_idle(client);
	if ((client->phase != PHASE_ANSWERING && is_gone(client->fd)) ||
	    (http->stage == HTTP_DRAINS && is_quiet(client)))
		shutdown(client->fd, SHUT_RDWR);
	else if (http->now_ms >= client->deadline_ms)
		sweep_cut(client, CODE_REQUEST_TIMEOUT);
}

void
sweep_run(Http *http)
{
	Client *client = http->sweep_next ? http->sweep_next : http->clients;
	int pause_ms = ROUND_MS / (1 + http->client_count / CLIENTS_MAX);
	int pause_ms_max = http->stage == HTTP_DRAINS ? PAUSE_DRAINING_MS : PAUSE_MS;

	for (int i = 0; i < CLIENTS_MAX && client != NULL; i++, client = client->next)
		sweep_client(client);
	http->sweep_next = client;
	http->sweep_at_ms = http->now_ms + (pause_ms < pause_ms_max ? pause_ms : pause_ms_max);
}
