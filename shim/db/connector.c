/*
 * connector.c
 *		Connects without leaving server processes behind.
 *
 * A server that has taken a connection and says nothing may have a process for the connection: one
 * that waits for a lock, or is stopped.  To close the connection and make another one would leave
 * one such process behind each time.  So the thread waits for the answer, or for the connection's
 * end, however long that takes; keepalive and tcp_user_timeout end a connection whose server is
 * away.  Where the connection string names several hosts, the thread may wait for one of them
 * while it tries the others: then there are two processes at the most, on two servers.
 */
#include "db/connector.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/log.h"

#define POLL_MS 100
#define SYN_COUNT 2 /* sent again after 1 s and 3 s; the next address is tried after 7 s */
#define HOSTS_MAX 32

/* One host of those that a connection string names; an empty element means libpq's default. */
typedef struct Host
{
	char name[256];
	char address[64];
	char port[16];
} Host;

/*
 * Copies the element at index of a list with commas, or the only element of a list of one.
 * Returns how many elements the list has.
 */
static int
list_element(const char *list, int index, char *element, size_t size)
{
	int count = 1;
	const char *start = list ? list : "";

	assert(index >= 0 && size > 0);
	element[0] = '\0';
	for (const char *c = start; *c; c++)
		count += *c == ',';
	for (int i = 0; i < index && count > 1; i++)
	{
		start = strchr(start, ',');
		if (start == NULL)
			return count;
		start++;
	}
	snprintf(element, size, "%.*s", (int) strcspn(start, ","), start);
	return count;
}

/* The hosts that a connection was told to try; returns how many. */
static int
read_hosts(PGconn *connection, Host hosts[HOSTS_MAX])
{
	PQconninfoOption *options = PQconninfo(connection);
	const char *names = NULL;
	const char *addresses = NULL;
	const char *ports = NULL;
	int count = 1;

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
	{
		if (strcmp(option->keyword, "host") == 0)
			names = option->val;
		else if (strcmp(option->keyword, "hostaddr") == 0)
			addresses = option->val;
		else if (strcmp(option->keyword, "port") == 0)
			ports = option->val;
	}
	for (int i = 0; i < count; i++)
	{
		int of_names = list_element(names, i, hosts[i].name, sizeof(hosts[i].name));
		int of_addresses = list_element(addresses, i, hosts[i].address, sizeof(hosts[i].address));

		list_element(ports, i, hosts[i].port, sizeof(hosts[i].port));
		count = of_names > of_addresses ? of_names : of_addresses;
		if (count > HOSTS_MAX)
			count = HOSTS_MAX;
	}
	PQconninfoFree(options);
	return count;
}

/* Whether this is the host that a connection speaks to now. */
static bool
is_host_of(const Host *host, PGconn *connection)
{
	const char *name = PQhost(connection);
	const char *port = PQport(connection);

	return name != NULL && port != NULL &&
	       strcmp(*host->name ? host->name : host->address, name) == 0 &&
	       (*host->port == '\0' || strcmp(host->port, port) == 0);
}

/* Begins an attempt with all hosts but the one that hangs. */
static PGconn *
begin(const Connector *connector)
{
	static const char *const keywords[] = {"keepalives_idle",
	                                       "keepalives_interval",
	                                       "keepalives_count",
	                                       "tcp_user_timeout",
	                                       "fallback_application_name",
	                                       "dbname",
	                                       "client_encoding",
	                                       "host",
	                                       "hostaddr",
	                                       "port",
	                                       NULL};
	const char *values[] = {"30",   "10", "3",  "15000", "wallet-shim", connector->conninfo,
	                        "UTF8", NULL, NULL, NULL,    NULL};
	Host hosts[HOSTS_MAX];
	int count = connector->hung ? read_hosts(connector->hung, hosts) : 0;
	Buffer lists[3] = {0};
	PGconn *connection;
	bool is_first = true;

	for (int i = 0; i < count; i++)
	{
		const char *elements[] = {hosts[i].name, hosts[i].address, hosts[i].port};

		if (is_host_of(&hosts[i], connector->hung))
			continue;
		for (int j = 0; j < 3; j++)
			buffer_printf(&lists[j], "%s%s", is_first ? "" : ",", elements[j]);
		is_first = false;
	}
	for (int j = 0; !is_first && j < 3; j++)
	{
		buffer_put(&lists[j], "", 1);
		values[7 + j] = lists[j].failed ? NULL : lists[j].data;
	}
	connection = PQconnectStartParams(keywords, values, 1);
	for (int j = 0; j < 3; j++)
		buffer_free(&lists[j]);
	return connection;
}

/* Whether the server has closed a connection that is left to itself. */
static bool
has_ended(PGconn *connection)
{
	char ignored[1024];
	ssize_t size;

	if (PQsocket(connection) < 0)
		return true;
	while ((size = recv(PQsocket(connection), ignored, sizeof(ignored), MSG_DONTWAIT)) > 0)
		;
	return size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Forgets the host that hung once its server has closed the connection. */
static void
look_at_hung(Connector *connector)
{
	if (connector->hung == NULL || !has_ended(connector->hung))
		return;
	PQfinish(connector->hung);
	connector->hung = NULL;
}

/*
 * Whether a server has taken the attempt, and may have a process for it, but has not answered
 * yet.
 */
static bool
is_taken(PGconn *connection)
{
	ConnStatusType status = PQstatus(connection);

	return status != CONNECTION_NEEDED && status != CONNECTION_STARTED && status != CONNECTION_BAD;
}

/* Waits for a socket for a little, no longer; whether it is ready. */
static bool
wait_ready(PGconn *connection, PostgresPollingStatusType wanted)
{
	struct pollfd fd = {.fd = PQsocket(connection),
	                    .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};
	int syn_count = SYN_COUNT;

	/* Of a Unix socket this fails, and does not matter. */
	if (PQstatus(connection) == CONNECTION_STARTED)
		setsockopt(fd.fd, IPPROTO_TCP, TCP_SYNCNT, &syn_count, sizeof(syn_count));
	return fd.fd < 0 || poll(&fd, 1, POLL_MS) != 0;
}

/*
 * Sets an attempt aside whose server is silent, and begins a new one with the other hosts.  Our
 * side of the connection is closed, so that the server's process ends as soon as it goes on.
 */
static PGconn *
go_round(Connector *connector, PGconn *connection)
{
	shutdown(PQsocket(connection), SHUT_WR);
	connector->hung = connection;
	return begin(connector);
}

static bool
has_other_hosts(PGconn *connection)
{
	Host hosts[HOSTS_MAX];

	return read_hosts(connection, hosts) > 1;
}

static PGconn *
connect_patiently(Connector *connector)
{
	PGconn *connection = begin(connector);
	PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
	int64_t silent_since_ms = clock_ms();

	while (connection != NULL && PQstatus(connection) != CONNECTION_BAD &&
	       !atomic_load(&connector->stopping))
	{
		bool ready = wait_ready(connection, wanted);

		look_at_hung(connector);
		if (ready)
			wanted = PQconnectPoll(connection);
		if (wanted == PGRES_POLLING_OK || wanted == PGRES_POLLING_FAILED)
			break;
		atomic_store(&connector->taken, is_taken(connection));
		if (ready || !atomic_load(&connector->taken))
			silent_since_ms = clock_ms();
		else if (connector->hung == NULL && has_other_hosts(connection) &&
		         clock_ms() - silent_since_ms >= CONNECTOR_PATIENCE_MS)
		{
			connection = go_round(connector, connection);
			wanted = PGRES_POLLING_WRITING;
			silent_since_ms = clock_ms();
		}
	}
	return connection;
}

static void *
connector_main(void *argument)
{
	Connector *connector = argument;

	look_at_hung(connector);
	connector->connection = connect_patiently(connector);
	atomic_store(&connector->finished, true);
	if (eventfd_signal(connector->wake_fd) != 0)
		log_line("cannot wake the event loop after connecting");
	return NULL;
}

bool
connector_start(Connector *connector, const char *conninfo, int wake_fd)
{
	assert(connector->connection == NULL);
	atomic_store(&connector->finished, false);
	atomic_store(&connector->taken, false);
	atomic_store(&connector->stopping, false);
	connector->conninfo = conninfo;
	connector->wake_fd = wake_fd;
	return pthread_create(&connector->thread, NULL, connector_main, connector) == 0;
}

PGconn *
connector_join(Connector *connector)
{
	PGconn *connection;

	assert(atomic_load(&connector->finished));
	pthread_join(connector->thread, NULL);
	connection = connector->connection;
	connector->connection = NULL;
	return connection;
}

bool
connector_free(Connector *connector, bool is_started)
{
	if (is_started && !atomic_load(&connector->finished))
	{
		pthread_detach(connector->thread);
		return false;
	}
	if (is_started)
		PQfinish(connector_join(connector));
	PQfinish(connector->hung);
	free(connector);
	return true;
}
