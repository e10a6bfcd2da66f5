/*
 * bare_daemon.c
 *		The yardstick of the HTTP figures: what libmicrohttpd alone can do.
 *
 * The same event loops as the shim's (as many threads, each with a socket of its
 * own on the shared port, an external epoll loop and the same flags), but every
 * request is answered with a constant as soon as its body is read: nothing is
 * parsed, nothing is stored.  The answers are as long as the shim's.
 *
 * Usage: bare_daemon PORT THREADS.  Runs until it is killed.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPS_MAX 64
#define BACKLOG 1024
#define CONNECTIONS_MAX 2048
#define CONNECTION_MEMORY_SIZE 16384
#define PAUSE_MS 250

#define HANDSHAKE "3f2ce7dab5f2b6dbd3a0c6e5c4d9b8b7a4f5e6d7c8b9aa9b8c7d6e5f4a3b2c3d"

static const char queued[] =
    "{\"user_id\":null,\"handshake_id\":\"" HANDSHAKE
    "\",\"transaction_id\":null,\"status\":null,"
    "\"source_wallet_id\":null,\"destination_wallet_id\":null,\"info\":null}";
static const char processed[] =
    "{\"user_id\":null,\"handshake_id\":\"" HANDSHAKE
    "\",\"transaction_id\":100001,"
    "\"status\":\"processed\",\"source_wallet_id\":null,\"destination_wallet_id\":1,"
    "\"info\":{\"msg\":\"transaction was successful\"}}";

static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned status, const char *text, size_t length)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, (void *) text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (status == MHD_HTTP_ACCEPTED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Called once for the head, then for each part of the body, then at its end. */
static enum MHD_Result
handle_request(void *argument, struct MHD_Connection *connection, const char *url,
               const char *method, const char *version, const char *upload_data,
               size_t *upload_data_size, void **request_context)
{
	static int begun;

	(void) argument;
	(void) url;
	(void) version;
	(void) upload_data;
	if (*request_context == NULL)
	{
		*request_context = &begun;
		return MHD_YES;
	}
	if (*upload_data_size > 0)
	{
		*upload_data_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
		return reply(connection, MHD_HTTP_ACCEPTED, queued, sizeof(queued) - 1);
	return reply(connection, MHD_HTTP_OK, processed, sizeof(processed) - 1);
}

static int
open_socket(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((in_port_t) port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	perror("bare_daemon: cannot listen");
	exit(1);
}

static int
timeout_ms(struct MHD_Daemon *daemon)
{
	MHD_UNSIGNED_LONG_LONG pending_ms;

	if (MHD_get_timeout(daemon, &pending_ms) == MHD_YES && pending_ms < PAUSE_MS)
		return (int) pending_ms;
	return PAUSE_MS;
}

static void *
loop_main(void *argument)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle_request, NULL,
	    MHD_OPTION_LISTEN_SOCKET, *(int *) argument, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned) CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t) CONNECTION_MEMORY_SIZE, MHD_OPTION_END);
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};

	if (daemon == NULL || epoll_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD,
	              MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &event) != 0)
	{
		fputs("bare_daemon: cannot start an event loop\n", stderr);
		exit(1);
	}
	for (;;)
	{
		epoll_wait(epoll_fd, &event, 1, timeout_ms(daemon));
		MHD_run(daemon);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[LOOPS_MAX];
	int fds[LOOPS_MAX];
	int port = argc == 3 ? atoi(argv[1]) : 0;
	int loops = argc == 3 ? atoi(argv[2]) : 0;

	if (port < 1 || port > 65535 || loops < 1 || loops > LOOPS_MAX)
	{
		fputs("usage: bare_daemon PORT THREADS\n", stderr);
		return 2;
	}
	for (int i = 0; i < loops; i++)
		fds[i] = open_socket(port);
	for (int i = 0; i < loops; i++)
	{
		if (pthread_create(&threads[i], NULL, loop_main, &fds[i]) != 0)
			return 1;
	}
	for (int i = 0; i < loops; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
