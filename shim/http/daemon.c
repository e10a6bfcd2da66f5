/*
 * daemon.c
 *		The life of HTTP connections: accepted, read, suspended, answered, cut.
 *
 * One thread owns an Http and its Clients; nothing is locked.  libmicrohttpd
 * calls back only from within http_run.  Its own timeout is not used, since a
 * client that sends a byte a second escapes it: each phase of a request has a
 * deadline here, and a sweep cuts those that miss it.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client.h"
#include "http/listener.h"
#include "base/log.h"
#include "http/tls.h"

#define SWEEP_PAUSE_MS 250
#define SWEEP_PAUSE_DRAINING_MS 50
#define SWEEP_CLIENTS_MAX 256
#define SWEEP_ROUND_MS 1000 /* in which all clients are swept, however many there are */
#define UNUSED_PAUSE_MS 5000
#define LISTEN_PAUSE_MS 10 /* while draining: between two looks at a queue that is not empty */
/*
 * While draining: how long nothing may come before it is taken that nothing comes.  It is longer
 * than most round trips: of handshakes under way, and of requests sent on connections that are
 * kept.
 */
#define QUIET_MS 250
#define IDLE_TIMEOUT_MS 60000
#define ANSWER_TIMEOUT_MS 60000
#define STEPS_MAX 3 /* a request is there; it is carried out; its reply is sent */
#define CONNECTION_MEMORY_SIZE 16384
#define DISCARD_SIZE_MAX (1024 * 1024) /* beyond the limit, read so that the answer arrives */

static void
set_phase(Client *client, Phase phase, int64_t deadline_ms)
{
	client->phase = phase;
	client->deadline_ms = deadline_ms;
}

bool
client_charge(Client *client, size_t bytes)
{
	Http *http = client->http;
	size_t others = http->charged - client->charge;

	if (bytes > client->charge && bytes > http->config.bulk_bytes_max - others)
		return false;
	client->charge = bytes;
	http->charged = others + bytes;
	return true;
}

/* Gives back all that a bulk request takes. */
static void
discharge(Client *client)
{
	bulk_release(client);
	client_charge(client, 0);
}

static void
client_free(Client *client)
{
	discharge(client);
	reply_forget(client);
	buffer_free(&client->query);
	buffer_free(&client->body);
	free(client);
}

static void
connection_opened(Http *http, struct MHD_Connection *connection, void **socket_context)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	Client *client = calloc(1, sizeof(Client));

	*socket_context = client;
	if (client == NULL)
		return;
	client->http = http;
	client->connection = connection;
	client->fd = info->connect_fd;
	client->idle_known = true;
	client->next = http->clients;
	if (http->clients != NULL)
		http->clients->previous = client;
	http->clients = client;
	http->client_count++;
	set_phase(client, PHASE_IDLE, http->now_ms + http->config.request_timeout_s * INT64_C(1000));
}

static void
connection_closed(Http *http, Client *client)
{
	if (client == NULL)
		return;
	http->client_count--;
	if (http->sweep_next == client)
		http->sweep_next = client->next;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		http->clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	client_free(client);
}

static void
notify_connection(void *argument, struct MHD_Connection *connection, void **socket_context,
                  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_opened(argument, connection, socket_context);
	else
		connection_closed(argument, *socket_context);
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

	if (client == NULL)
		return NULL;
	if (client->phase == PHASE_LINE && client->deadline_ms < deadline_ms)
		deadline_ms = client->deadline_ms;
	set_phase(client, PHASE_HEAD, deadline_ms);
	http->request_count++;
	client->must_close = false;
	client->wait_until_ms = 0;
	client->body_seen = 0;
	buffer_reset(&client->body);
	client->line = (RequestLine){.target = uri,
	                             .target_length = strlen(uri),
	                             .target_valid = guard_target(uri),
	                             .authority = ""};
	route_find(client, uri);
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
	reply_drop(client);
	if (client->charge > 0) /* other requests leave their memory to the next one */
		discharge(client);
	client->idle_known = false;
	set_phase(client, PHASE_IDLE, http->now_ms + IDLE_TIMEOUT_MS);
	*request_context = NULL;
}

static enum MHD_Result
send_reply(Client *client)
{
	enum MHD_Result result;

	if (client->response == NULL)
		return MHD_NO;
	set_phase(client, PHASE_ANSWERING, client->http->now_ms + ANSWER_TIMEOUT_MS);
	client->http->pending = true;
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

static void
refuse_body(Client *client)
{
	char message[MESSAGE_SIZE];

	snprintf(message, sizeof(message), "the body is larger than %zu bytes",
	         route_body_size_max(client));
	reply_problem(client, CODE_BODY_TOO_LARGE, message);
}

/*
 * The head is there.  What is refused here is answered at once when the body
 * must not or need not be read; otherwise the body is read and thrown away
 * first, since an answer to a client that is still sending may never arrive.
 */
static enum MHD_Result
begin_request(Client *client, const char *method, const char *version)
{
	char message[MESSAGE_SIZE];
	size_t size_max = route_body_size_max(client);
	bool is_endless;
	WalletCode code;

	client->line.method = method;
	client->line.version = version;
	code = guard_framing(client->connection, &client->line, &client->head, message);
	client->phase = PHASE_RECEIVING;
	if (code != CODE_OK)
		return refuse_and_close(client, code, message);
	is_endless = client->head.content_length > size_max + DISCARD_SIZE_MAX;
	client->must_close =
	    is_endless || (client->head.content_length > size_max && client->head.expects_continue);
	if (route_admit(client) && client->must_close)
		refuse_body(client);
	else if (client->response == NULL)
		route_begin(client, method);
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
	if (client->body_seen > route_body_size_max(client))
	{
		refuse_body(client);
		discharge(client);
		return;
	}
	buffer_put(&client->body, data, size);
	if (client->body_seen > BODY_SIZE_MAX && !client_charge(client, client->body.capacity))
	{
		reply_problem(client, CODE_OVERLOADED, NULL);
		discharge(client);
	}
}

/*
 * Cuts a connection, and says why while nothing else is being written: as long
 * as the request is not complete.  libmicrohttpd notices and cleans up.
 */
static void
cut(Client *client, WalletCode code)
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
		json_write_problem(text, code, NULL);
		length = snprintf(head, sizeof(head), answer, status,
		                  MHD_get_reason_phrase_for((unsigned) status), text->length);
		if (send(client->fd, head, (size_t) length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) > 0)
			send(client->fd, text->data, text->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	shutdown(client->fd, SHUT_RDWR);
}

static enum MHD_Result
take_body(Client *client, const char *data, size_t *size)
{
	client->body_seen += *size;
	if (client->body_seen > route_body_size_max(client) + DISCARD_SIZE_MAX)
	{
		cut(client, CODE_BODY_TOO_LARGE);
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
 * What is carried out may suspend the connection.  libmicrohttpd calls again
 * when it was given no answer, and only to the second call has it written down
 * that the request is all there: suspended in the first, it would later begin
 * by reading from the socket in vain, which makes it watch the socket anew.
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
		route_start(client);
	if (client->phase != PHASE_WAITING)
		return send_reply(client);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void
resume(Client *client, Phase phase, int64_t deadline_ms)
{
	client->http->waiting_count--;
	if (client->method != METHOD_POST)
		client->http->read_count--;
	client->http->pending = true;
	set_phase(client, phase, deadline_ms);
	MHD_resume_connection(client->connection);
}

void
client_resume(Client *client)
{
	resume(client, PHASE_ANSWERING, client->http->now_ms + ANSWER_TIMEOUT_MS);
}

/* The client is not charged for the time that the database took. */
void
client_go_on(Client *client)
{
	bool at_head = client->key_phase == PHASE_RECEIVING;

	if (!at_head && client->response != NULL)
		client_resume(client);
	else
		resume(client, at_head ? PHASE_RESUMED : PHASE_COMPLETE,
		       client->deadline_ms + clock_ms() - client->key.checked_at_ms);
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
http_create(const HttpConfig *config, Db *const dbs[DB_ROLE_COUNT], int listen_fd)
{
	Http *http = calloc(1, sizeof(Http));

	if (http == NULL)
		return NULL;
	http->config = *config;
	memcpy(http->dbs, dbs, sizeof(http->dbs));
	http->now_ms = clock_ms();
	http->due_at_ms = INT64_MAX;
	http->listen_fd = listen_fd;
	http->listening = true;
	if (config->keys_needed)
		http->keys = auth_create_cache();
	if (!config->keys_needed || http->keys != NULL)
		http->daemon = start_daemon(http, listen_fd);
	if (http->daemon != NULL)
		return http;
	free(http->keys);
	free(http);
	return NULL;
}

int
http_epoll_fd(const Http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
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
 * Whether the client has closed its end, and all that it sent before is read.
 * libmicrohttpd misses an end that comes together with the last bytes.
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

	if (!client->idle_known)
		client->idle_bytes = bytes;
	client->idle_known = true;
	if (bytes > client->idle_bytes)
		set_phase(client, PHASE_LINE,
		          client->deadline_ms < deadline_ms ? client->deadline_ms : deadline_ms);
}

/*
 * Whether nothing has come in for a while on a connection whose request, if one is to come, has not
 * begun.  To close a connection that is kept is always a race with a request on its way: this one
 * is lost only to clients who send nothing for QUIET_MS, and then just as they are left.
 */
static bool
is_quiet(Client *client)
{
	uint64_t bytes = received_bytes(client->fd);

	if (client->phase != PHASE_IDLE && client->phase != PHASE_LINE)
		return false;
	if (client->quiet_since_ms == 0 || bytes != client->quiet_bytes)
		client->quiet_since_ms = client->http->now_ms;
	client->quiet_bytes = bytes;
	return client->http->now_ms - client->quiet_since_ms >= QUIET_MS;
}

static void
sweep_client(Client *client)
{
	Http *http = client->http;

	if (client->phase == PHASE_WAITING)
	{
		if (client->held && is_gone(client->fd))
			outcome_release(client);
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
		cut(client, CODE_REQUEST_TIMEOUT);
}

/* Sweeps a part of the clients, so that nobody waits long where there are many. */
static void
sweep(Http *http)
{
	Client *client = http->sweep_next ? http->sweep_next : http->clients;
	int pause_ms = SWEEP_ROUND_MS / (1 + http->client_count / SWEEP_CLIENTS_MAX);
	int pause_ms_max = http->stage == HTTP_DRAINS ? SWEEP_PAUSE_DRAINING_MS : SWEEP_PAUSE_MS;

	for (int i = 0; i < SWEEP_CLIENTS_MAX && client != NULL; i++, client = client->next)
		sweep_client(client);
	http->sweep_next = client;
	http->sweep_at_ms = http->now_ms + (pause_ms < pause_ms_max ? pause_ms : pause_ms_max);
}

/*
 * Lets libmicrohttpd read, call back and send: one step of each connection at a
 * time.  Bounded, so that clients who ask without end leave the database its turn.
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

/* Closes the listening socket, which refuses new connections, once all who had come are accepted.
 */
static void
stop_listening(Http *http)
{
	int64_t since_ms = http->now_ms - http->draining_since_ms;

	if (since_ms < LISTEN_PAUSE_MS ||
	    (since_ms < QUIET_MS && listener_completes(http->config.port)))
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
	http->now_ms = now_ms;
	if (now_ms >= http->sweep_at_ms)
		sweep(http);
	outcome_run_timed(http);
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
	outcome_run_timed(http);
	run_daemon(http);
	MHD_stop_daemon(http->daemon);
	buffer_free(&http->scratch);
	free(http->keys);
	free(http);
}
