/*
 * connector.c
 *		Connects without leaving server processes behind.
 *
 * A server that has taken a connection and says nothing may have a process for the connection: one
 * that waits for a lock, or is stopped.  To close the connection and make another one would leave
 * one such process behind each time.  So the thread waits for the answer, or for the connection's
 * end, however long that takes; keepalive and tcp_user_timeout end a connection whose server is
 * away.  But a server that is frozen never answers, while a proxy, or another host of the
 * connection string, may lead to another server by now.  So a connection whose process does not
 * end, and after it a login that is silent, is set aside, and another attempt is made, with other
 * hosts first.  At most CONNECTOR_ASIDE_MAX connections are aside, until each of them has ended:
 * so many processes more a server may have.
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

/* Whether a connection that is set aside hangs at this host. */
static bool
hangs(const Connector *connector, const Host *host)
{
	for (int i = 0; i < CONNECTOR_ASIDE_MAX; i++)
		if (connector->aside[i] != NULL && is_host_of(host, connector->aside[i]))
			return true;
	return false;
}

/* Of a connection that is set aside: it knows the hosts of the connection string. */
static PGconn *
any_aside(const Connector *connector)
{
	for (int i = 0; i < CONNECTOR_ASIDE_MAX; i++)
		if (connector->aside[i] != NULL)
			return connector->aside[i];
	return NULL;
}

/* Begins an attempt with all hosts but those that hang, or with all if all hang. */
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
	PGconn *aside = any_aside(connector);
	int count = aside ? read_hosts(aside, hosts) : 0;
	Buffer lists[3] = {0};
	PGconn *connection;
	bool is_first = true;

	for (int i = 0; i < count; i++)
	{
		const char *elements[] = {hosts[i].name, hosts[i].address, hosts[i].port};

		if (hangs(connector, &hosts[i]))
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

/* Forgets the connections that their servers have closed. */
static void
look_aside(Connector *connector)
{
	for (int i = 0; i < CONNECTOR_ASIDE_MAX; i++)
	{
		if (connector->aside[i] == NULL || !has_ended(connector->aside[i]))
			continue;
		PQfinish(connector->aside[i]);
		connector->aside[i] = NULL;
	}
}

/* Our side is closed, so that the server's process ends as soon as it goes on. */
bool
connector_set_aside(Connector *connector, PGconn *connection)
{
	look_aside(connector);
	for (int i = 0; i < CONNECTOR_ASIDE_MAX; i++)
	{
		if (connector->aside[i] != NULL)
			continue;
		shutdown(PQsocket(connection), SHUT_WR);
		connector->aside[i] = connection;
		return true;
	}
	return false;
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
 * Whether a silent server may be left for another one: there are other hosts, or the last
 * connection has hung as well, so that the server is frozen rather than one of its processes.
 */
static bool
may_go_round(const Connector *connector, PGconn *connection)
{
	Host hosts[HOSTS_MAX];

	return any_aside(connector) != NULL || read_hosts(connection, hosts) > 1;
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

		look_aside(connector);
		if (ready)
			wanted = PQconnectPoll(connection);
		if (wanted == PGRES_POLLING_OK || wanted == PGRES_POLLING_FAILED)
			break;
		atomic_store(&connector->taken, is_taken(connection));
		if (ready || !atomic_load(&connector->taken))
			silent_since_ms = clock_ms();
		else if (clock_ms() - silent_since_ms >= CONNECTOR_PATIENCE_MS &&
		         may_go_round(connector, connection) && connector_set_aside(connector, connection))
		{
			connection = begin(connector);
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

	look_aside(connector);
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
	for (int i = 0; i < CONNECTOR_ASIDE_MAX; i++)
		PQfinish(connector->aside[i]);
	free(connector);
	return true;
}
