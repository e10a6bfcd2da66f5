/*
 * main.c
 *		Starts the event loops, waits for a signal, stops them.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "options.h"
#include "tls.h"

#define BACKLOG 1024

/*
 * Opens a socket on an address.  All loops listen on the same port, and the
 * kernel spreads connections over them; shared says that others may join.
 */
static int
open_socket(const struct addrinfo *address, bool shared)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
resolve(const char *host, int port, struct addrinfo **address)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
	                         .ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	char service[8];
	int result;

	snprintf(service, sizeof(service), "%d", port);
	result = getaddrinfo(host, service, &hints, address);
	if (result != 0)
		log_line("cannot resolve the address \"%s\": %s", host, gai_strerror(result));
	return result == 0;
}

static int
bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char service[8];

	if (getsockname(fd, (struct sockaddr *) &address, &size) != 0 ||
	    getnameinfo((struct sockaddr *) &address, size, NULL, 0, service, sizeof(service),
	                NI_NUMERICSERV) != 0)
		return -1;
	return atoi(service);
}

static bool
is_loopback(const struct sockaddr *address)
{
	const struct in6_addr *ipv6 =
	    &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr;
	const struct in_addr *ipv4 = &((const struct sockaddr_in *) (const void *) address)->sin_addr;

	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(ipv6) ||
		       (IN6_IS_ADDR_V4MAPPED(ipv6) && ipv6->s6_addr[12] == 127);
	return address->sa_family == AF_INET && ntohl(ipv4->s_addr) >> 24 == 127;
}

/* Whether requests without a key, or keys without TLS, are safe at this address. */
static bool
may_listen(const Options *options, const struct sockaddr *address)
{
	bool keys_needed = strcmp(options->auth, "off") != 0;

	if (is_loopback(address))
		return true;
	if (!keys_needed && !options->insecure_no_auth)
	{
		log_line(
		    "--auth=off would let anybody who reaches %s move money: listen on a loopback "
		    "address, or give --insecure-no-auth",
		    options->address);
		return false;
	}
	if (!keys_needed)
		log_line("anybody who reaches %s port %d may move money: requests need no API key",
		         options->address, options->port);
	else if (*options->tls_cert == '\0')
		log_line(
		    "API keys travel unencrypted: give --tls-cert and --tls-key, or put a proxy in "
		    "front of it that speaks TLS");
	return true;
}

/*
 * Opens a listening socket for each loop.  A first one that shares with nobody
 * finds out whether the port is free: sharing alone would let a second shim
 * take half of the first one's connections without a word.
 */
static bool
open_sockets(Options *options, int *fds)
{
	struct addrinfo *address;
	bool opened;
	int probe;

	if (!resolve(options->address, options->port, &address))
		return false;
	if (!may_listen(options, address->ai_addr))
	{
		freeaddrinfo(address);
		return false;
	}
	probe = open_socket(address, false);
	opened = probe >= 0;
	if (opened)
	{
		options->port = bound_port(probe);
		close(probe);
		freeaddrinfo(address);
		if (!resolve(options->address, options->port, &address))
			return false;
	}
	for (int i = 0; opened && i < options->threads; i++)
		opened = (fds[i] = open_socket(address, true)) >= 0;
	if (!opened)
		log_line("cannot listen on %s port %d: %s", options->address, options->port,
		         strerror(errno));
	freeaddrinfo(address);
	return opened;
}

/* Lets the process have a descriptor for every connection that it may take. */
static void
raise_descriptor_limit(const Options *options)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t) options->max_connections + 64)
		log_line("only %lu file descriptors are allowed, fewer than --max-connections needs",
		         (unsigned long) limit.rlim_cur);
}

/* What is for the whole process, shared out among its loops. */
static int
share(int total, int threads)
{
	return (total + threads - 1) / threads;
}

static bool
start_loops(const Options *options, const Tls *tls, const int *fds, Loop **loops)
{
	static atomic_int connected_count;
	DbConfig db = {.conninfo = options->conninfo,
	               .schema = options->schema,
	               .connected_count = &connected_count};
	HttpConfig http = {.request_timeout_s = options->request_timeout_s,
	                   .wait_s_max = options->max_wait_s,
	                   .connections_max = share(options->max_connections, options->threads),
	                   .waiting_max = share(options->max_waiting, options->threads),
	                   .bulk_bytes_max = (size_t) options->bulk_memory_mib * 1024 * 1024,
	                   .keys_needed = strcmp(options->auth, "off") != 0,
	                   .tls = tls,
	                   .database_count = options->threads * DB_ROLE_COUNT,
	                   .connected_count = &connected_count};

	for (int i = 0; i < options->threads; i++)
	{
		loops[i] = loop_start(&db, &http, fds[i]);
		if (loops[i] == NULL)
		{
			log_line("cannot start an event loop: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	Options options;
	Loop *loops[64];
	int fds[64];
	static Tls tls;
	bool has_tls;
	int status = options_read(&options, argc, argv);
	bool clean = true;
	bool is_ipv6;
	sigset_t signals;
	int received;

	if (status >= 0)
		return status;
	/* Blocked before any thread exists, so that sigwait alone gets them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit(&options);
	has_tls = *options.tls_cert != '\0';
	if ((has_tls && !tls_load(&tls, options.tls_cert, options.tls_key)) ||
	    !open_sockets(&options, fds) || !start_loops(&options, has_tls ? &tls : NULL, fds, loops))
		return 1;
	is_ipv6 = strchr(options.address, ':') != NULL;
	log_line("listening on http%s://%s%s%s:%d", has_tls ? "s" : "", is_ipv6 ? "[" : "",
	         options.address, is_ipv6 ? "]" : "", options.port);
	sigwait(&signals, &received);
	log_line("stopping on signal %d", received);
	for (int i = 0; i < options.threads; i++)
		loop_stop(loops[i]);
	for (int i = 0; i < options.threads; i++)
		clean = loop_join(loops[i]) && clean;
	log_line("stopped");
	if (!clean)
		_exit(0);
	return 0;
}
