/*
 * daemon.c
 *		The life of HTTP connections: accepted, read, suspended, answered.
 *
 * One thread owns an Http and its Clients; nothing is locked.  libmicrohttpd calls back only from
 * within http_run.
 */
#include "http/daemon.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/client.h"
#include "http/listener.h"
#include "http/reply.h"
#include "http/sweep.h"
#include "http/tls.h"

#define UNUSED_PAUSE_MS 5000
#define LISTEN_PAUSE_MS 10 /* while draining: between two looks at a queue that is not empty */
#define IDLE_TIMEOUT_MS 60000
#define STEPS_MAX 3 /* a request is there; it is carried out; its reply is sent */
#define CONNECTION_MEMORY_SIZE 16384
#define DISCARD_SIZE_MAX (1024 * 1024) /* beyond the limit, read so that the answer arrives */

static void
notify_connection(void *argument, struct MHD_Connection *connection, void **socket_context,
                  enum MHD_ConnectionNotificationCode code)
{
	Client *client = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = client_open(argument, connection);
	else if (client != NULL)
	{
		reply_forget(client);
		client_close(client);
	}
}

/* A request's first line is there.  The uri is as it was sent, with the query string. */
static void *
notify_request(void *argument, const char *uri, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	Client *client = info ? info->socket_context : NULL;
	Http *http = argument;
	int64_t deadline_ms = http->now_ms + http->config.request_timeout_s * INT64_C(1000);
	const char *query;

	if (client == NULL)
		return NULL;
	if (client->phase == PHASE_LINE && client->deadline_ms < deadline_ms)
		deadline_ms = client->deadline_ms;
	http->request_count += client->phase < PHASE_HEAD;
	client_set_phase(client, PHASE_HEAD, deadline_ms);
	client->started_at_ms = http->now_ms;
	client->answered_status = 0;
	client->problem = CODE_OK;
	client->names = (RequestNames){0};
	client->must_close = false;
	client->wait_until_ms = 0;
	client->staleness_s = -1;
	client->body_seen = 0;
	buffer_reset(&client->body);
	query = line_read_target(&client->line, uri);
	buffer_reset(&client->query);
	if (*query != '\0')
		buffer_put(&client->query, query, strlen(query) + 1);
	http->handler->arrive(client);
	return client;
}

static void
notify_completed(void *argument, struct MHD_Connection *connection, void **request_context,
                 enum MHD_RequestTerminationCode code)
{
	Client *client = *request_context;
	Http *http = argument;

	(void) connection;
	(void) code;
	if (client == NULL)
		return;
	http->request_count--;
	http->handler->finish(client);
	reply_drop(client);
	if (client->charge > 0) /* an ordinary request leaves its memory to the next one */
		client_discharge(client);
	client->idle_known = false;
	client_set_phase(client, PHASE_IDLE, http->now_ms + IDLE_TIMEOUT_MS);
	*request_context = NULL;
}

static enum MHD_Result
send_reply(Client *client)
{
	enum MHD_Result result;

	if (client->response == NULL)
		return MHD_NO;
	client_set_phase(client, PHASE_ANSWERING, client->http->now_ms + CLIENT_ANSWER_TIMEOUT_MS);
	client->http->pending = true;
	client->answered_status = client->reply_head.status;
	result = MHD_queue_response(client->connection, client->reply_head.status, client->response);
	reply_sent(client);
	return result;
}

static enum MHD_Result
refuse_and_close(Client *client, WalletCode code, const char *message)
{
	client->must_close = true;
	reply_problem(client, code, message);
	return send_reply(client);
}

/*
 * The head is there.  A refusal is sent at once when the body must not be read, or when the
 * client waits before it sends the body.  Otherwise the body is read and thrown away first: a
 * client that is still sending may never read the answer.
 */
static enum MHD_Result
begin_request(Client *client, const char *method, const char *version)
{
	char message[MESSAGE_SIZE];
	const HttpHandler *handler = client->http->handler;
	size_t size_max = client->body_size_max;
	bool is_endless;
	WalletCode code;

	assert(client->phase == PHASE_HEAD);
	client->line.method = method;
	client->line.version = version;
	code = guard_framing(client->connection, &client->line, &client->head, message);
	names_read(client->http, &client->head, &client->names);
	client->phase = PHASE_RECEIVING;
	if (code != CODE_OK)
		return refuse_and_close(client, code, message);
	is_endless = client->head.content_length > size_max + DISCARD_SIZE_MAX;
	client->must_close =
	    is_endless || (client->head.content_length > size_max && client->head.expects_continue);
	if (handler->admit(client))
	{
		if (client->must_close)
			reply_too_large(client);
		else
			handler->begin(client);
	}
	if (client->response != NULL && (is_endless || client->head.expects_continue))
		return send_reply(client);
	if (client->phase == PHASE_WAITING)
		MHD_suspend_connection(client->connection);
	return MHD_YES;
}

/* Keeps a part of the body; what goes beyond an ordinary body is charged. */
static void
keep_body(Client *client, const char *data, size_t size)
{
	if (client->body_seen > client->body_size_max)
	{
		reply_too_large(client);
		client_discharge(client);
		return;
	}
	buffer_put(&client->body, data, size);
	if (client->body_seen > BODY_SIZE_MAX && !client_charge(client, client->body.capacity))
	{
		reply_problem(client, CODE_OVERLOADED, NULL);
		client_discharge(client);
	}
}

static enum MHD_Result
take_body(Client *client, const char *data, size_t *size)
{
	client->body_seen += *size;
	if (client->body_seen > client->body_size_max + DISCARD_SIZE_MAX)
	{
		sweep_cut(client, CODE_BODY_TOO_LARGE);
		return MHD_NO;
	}
	if (client->head.chunked || client->body_seen < client->head.content_length)
		client->http->receiving = true;
	if (client->response == NULL)
		keep_body(client, data, *size);
	*size = 0;
	return MHD_YES;
}

/*
 * Carries out a complete request in libmicrohttpd's second call with no data left.  In the first
 * call libmicrohttpd has not noted yet that the request is complete: suspended there, the
 * connection would later begin by reading from the socket in vain, and libmicrohttpd would watch
 * the socket anew.
 */
static enum MHD_Result
handle_request(void *argument, struct MHD_Connection *connection, const char *url,
               const char *method, const char *version, const char *upload_data,
               size_t *upload_data_size, void **request_context)
{
	Client *client = *request_context;

	(void) argument;
	(void) url;
	if (client == NULL)
		return MHD_NO;
	if (client->phase == PHASE_HEAD)
		return begin_request(client, method, version);
	if (*upload_data_size > 0)
		return take_body(client, upload_data, upload_data_size);
	if (client->phase == PHASE_RESUMED)
	{
		/* 0.9.75 shows the end of the body, later versions the head once more: asks again. */
		client->phase = PHASE_RECEIVING;
		client->http->pending = true;
		return MHD_YES;
	}
	if (client->phase == PHASE_RECEIVING && client->response == NULL)
	{
		client->phase = PHASE_COMPLETE;
		client->http->pending = true;
		return MHD_YES;
	}
	if (client->phase == PHASE_COMPLETE)
		client->http->handler->start(client);
	if (client->phase != PHASE_WAITING)
		return send_reply(client);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static struct MHD_Daemon *
start_daemon(Http *http, int listen_fd)
{
	const HttpConfig *config = &http->config;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *) tls_retrieve},
	                               {MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES},
	                               {MHD_OPTION_END, 0, NULL}};

	if (config->tls)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, NULL, NULL, handle_request, http, MHD_OPTION_LISTEN_SOCKET,
	                        listen_fd, MHD_OPTION_CONNECTION_LIMIT,
	                        (unsigned) config->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	                        (size_t) CONNECTION_MEMORY_SIZE, MHD_OPTION_NOTIFY_CONNECTION,
	                        notify_connection, http, MHD_OPTION_NOTIFY_COMPLETED, notify_completed,
	                        http, MHD_OPTION_URI_LOG_CALLBACK, notify_request, http,
#if MHD_VERSION >= 0x01000000
	                        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#endif
	                        MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

Http *
http_create(const HttpConfig *config, const HttpHandler *handler, void *context, int listen_fd)
{
	Http *http = calloc(1, sizeof(Http));

	if (http == NULL)
		return NULL;
	http->config = *config;
	http->handler = handler;
	http->context = context;
	http->now_ms = clock_ms();
	http->due_at_ms = INT64_MAX;
	http->listen_fd = listen_fd;
	http->listening = true;
	http->daemon = start_daemon(http, listen_fd);
	if (http->daemon != NULL)
		return http;
	free(http);
	return NULL;
}

int
http_epoll_fd(const Http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/*
 * Lets libmicrohttpd read, call back and send, one step of each connection at a time.  STEPS_MAX
 * bounds the steps, so that the database gets its turn however many requests come.
 */
static void
run_daemon(Http *http)
{
	http->pending = true;
	for (int step = 0; step < STEPS_MAX && http->pending; step++)
	{
		http->pending = false;
		MHD_run(http->daemon);
	}
}

/* Closes the listening socket once all connections that have come are accepted. */
static void
stop_listening(Http *http)
{
	int64_t since_ms = http->now_ms - http->draining_since_ms;

	assert(http->stage == HTTP_DRAINS && http->listening);
	if (since_ms < LISTEN_PAUSE_MS ||
	    (since_ms < SWEEP_QUIET_MS && listener_completes(http->config.port)))
		return;
	run_daemon(http);
	if (!listener_is_empty(http->listen_fd))
		return;
	MHD_quiesce_daemon(http->daemon);
	close(http->listen_fd);
	http->listening = false;
}

void
http_run(Http *http, int64_t now_ms)
{
	owner_take(&http->owner);
	http->now_ms = now_ms;
	if (now_ms >= http->sweep_at_ms)
		sweep_run(http);
	http->handler->run(http);
	http->receiving = false;
	run_daemon(http);
	if (http->stage == HTTP_DRAINS && http->listening)
		stop_listening(http);
}

bool
http_may_rest(const Http *http)
{
	return !http->pending && !http->receiving;
}

int64_t
http_timeout_ms(const Http *http, int64_t now_ms)
{
	MHD_UNSIGNED_LONG_LONG pending_ms;
	int64_t timeout_ms = http->clients ? http->sweep_at_ms - now_ms : UNUSED_PAUSE_MS;

	if (http->pending || timeout_ms <= 0)
		return 0;
	if (MHD_get_timeout(http->daemon, &pending_ms) == MHD_YES &&
	    pending_ms < (MHD_UNSIGNED_LONG_LONG) timeout_ms)
		timeout_ms = (int64_t) pending_ms;
	if (http->due_at_ms - now_ms < timeout_ms)
		timeout_ms = http->due_at_ms - now_ms;
	if (http->stage == HTTP_DRAINS && http->listening && timeout_ms > LISTEN_PAUSE_MS)
		timeout_ms = LISTEN_PAUSE_MS;
	return timeout_ms > 0 ? timeout_ms : 0;
}

void
http_set_stage(Http *http, HttpStage stage)
{
	assert(stage >= http->stage);
	if (stage == HTTP_DRAINS && http->stage != stage)
	{
		http->draining_since_ms = clock_ms();
		http->sweep_at_ms = 0;
	}
	http->stage = stage;
}

bool
http_is_drained(const Http *http)
{
	return !http->listening && http->client_count == 0;
}

void
http_destroy(Http *http)
{
	http->handler->run(http);
	run_daemon(http);
	MHD_stop_daemon(http->daemon);
	assert(http->client_count == 0 && http->charged == 0);
	buffer_free(&http->scratch);
	free(http);
}
