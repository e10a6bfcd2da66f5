/*
 * main.c
 *		Starts the event loops, heeds signals, stops the loops.
 *
 * All signals are for the main thread, which waits for them and does nothing else: SIGHUP has the
 * certificate read again, SIGTERM and SIGINT stop the process, SIGQUIT ends it at once.  What
 * else may come by mistake is ignored: docs/operations.md, "The shim's signals".
 */
#include <assert.h>
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
#include <time.h>
#include <unistd.h>

#include "api/metrics.h"
#include "http/listener.h"
#include "base/log.h"
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "http/tls.h"

#define BACKLOG 1024
#define READY_WAIT_MS 2000 /* for the database, before the service manager is told all the same */
#define READY_LOOK_MS 10
#define LONG_WAIT_MS (3600 * INT64_C(1000))

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

/*
 * Says where others reach the shim: where the container's port is published, or
 * where the shim listens.
 */
static const char *
reached_address(const Options *options)
{
	return *options->published_address != '\0' ? options->published_address : options->address;
}

/* Whether this machine alone reaches the shim; false as well for an address that is none. */
static bool
is_local(const Options *options)
{
	struct addrinfo *address;
	bool local;

	if (!resolve(reached_address(options), options->port, &address))
		return false;
	local = listener_is_loopback(address->ai_addr);
	freeaddrinfo(address);
	return local;
}

/* Whether requests without a key, or keys without TLS, are safe where the shim is reached. */
static bool
may_listen(const Options *options)
{
	const char *reached = reached_address(options);
	bool keys_needed = strcmp(options->auth, "off") != 0;

	if (is_local(options))
	{
		if (!keys_needed && reached != options->address)
			log_line(
			    "requests need no API key: the port is published on %s, for this machine alone",
			    reached);
		return true;
	}
	if (!keys_needed && !options->insecure_no_auth)
	{
		log_line(
		    "--auth=off would let anybody who reaches %s move money: use a loopback address or "
		    "--auth=required, or give --insecure-no-auth",
		    reached);
		return false;
	}
	if (!keys_needed)
		log_line("anybody who reaches %s port %d may move money: requests need no API key", reached,
		         options->port);
	else if (*options->tls_cert == '\0')
		log_line(
		    "API keys travel unencrypted: give --tls-cert and --tls-key, or put a proxy in "
		    "front of it that speaks TLS");
	return true;
}

/*
 * Opens a listening socket for each loop.  A first socket, which shares its port with nobody,
 * finds out whether the port is free.  Without it a second shim on the same port would silently
 * take half of the connections.
 */
static bool
open_sockets(Options *options, int *fds)
{
	struct addrinfo *address;
	bool opened;
	int probe;

	if (!resolve(options->address, options->port, &address))
		return false;
	if (!may_listen(options))
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

/* Opens the socket of --metrics-listen, if there is one, behind those of the other loops. */
static bool
open_metrics_socket(Options *options, int *fds)
{
	struct addrinfo *address;
	int *fd = &fds[options->threads];

	if (*options->metrics_listen == '\0')
		return true;
	if (!resolve(options->metrics_address, options->metrics_port, &address))
		return false;
	*fd = open_socket(address, false);
	if (*fd < 0)
		log_line("cannot listen on %s: %s", options->metrics_listen, strerror(errno));
	else
		options->metrics_port = bound_port(*fd);
	freeaddrinfo(address);
	return *fd >= 0;
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

/* How many loops there are: one more than threads where /metrics has a port of its own. */
static int
loop_count(const Options *options)
{
	return options->threads + (*options->metrics_listen != '\0');
}

/* The share of one loop in what is meant for the whole process, rounded up. */
static int
share(int total, int threads)
{
	assert(total > 0 && threads > 0);
	return (total + threads - 1) / threads;
}

/*
 * Starts the loop of --metrics-listen on its socket, NULL when that fails.  Its connections to the
 * database are its own, and nobody else waits for them.
 */
static Loop *
start_metrics_loop(const Options *options, LoopConfig config, int fd)
{
	static atomic_int connected_count;

	config.db.connected_count = &connected_count;
	config.db_read.conninfo = NULL;
	config.api.metrics_place = METRICS_ALONE;
	config.http.port = options->metrics_port;
	return loop_start(&config, fd);
}

/* Starts all loops, the last of which is that of --metrics-listen, if there is one. */
static bool
start_loops(const Options *options, const int *fds, Loop **loops, Monitor *monitor)
{
	atomic_int *connected_count = monitor->connected;
	bool logs_access = strcmp(options->access_log, "json") == 0;
	static atomic_int replicas_connected;
	LoopConfig config = {
	    .db = {.conninfo = options->conninfo,
	           .schema = options->schema,
	           .require_standby = options->require_standby,
	           .connected_count = connected_count},
	    .api = {.wait_s_max = options->max_wait_s,
	            .waiting_max = share(options->max_waiting, options->threads),
	            .keys_needed = strcmp(options->auth, "off") != 0,
	            .hosts = &options->hosts,
	            .database_count = options->threads * DB_PRIMARY_ROLES,
	            .connected_count = connected_count,
	            .monitor = monitor,
	            .access_log = logs_access,
	            .metrics_place =
	                *options->metrics_listen != '\0' ? METRICS_ELSEWHERE : METRICS_HERE},
	    .http = {.request_timeout_s = options->request_timeout_s,
	             .connections_max = share(options->max_connections, options->threads),
	             .large_bytes_max = (size_t) options->bulk_memory_mib * 1024 * 1024,
	             .names_requests = logs_access,
	             .tls = *options->tls_cert != '\0',
	             .port = options->port}};

	assert(options->threads <= OPTIONS_THREADS_MAX);
	config.db_read = config.db;
	config.db_read.conninfo = *options->conninfo_read != '\0' ? options->conninfo_read : NULL;
	config.db_read.connected_count = &replicas_connected;
	for (int i = 0; i < loop_count(options); i++)
	{
		loops[i] = i < options->threads ? loop_start(&config, fds[i])
		                                : start_metrics_loop(options, config, fds[i]);
		if (loops[i] == NULL)
		{
			log_line("cannot start an event loop: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

/*
 * SIGQUIT: ends the process without finishing anything.  Calls only what is safe in a signal
 * handler.
 */
static void
quit(int signal_number)
{
	static const char line[] = "wallet-shim: ends at once on SIGQUIT\n";

	(void) signal_number;
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(2);
	_exit(1);
}

/*
 * Decides about every signal that does not tell of a fault of our own: some are waited for, all
 * others are ignored, which this machine may send without a reason (a timer, a terminal, a limit).
 * Before any thread exists, since threads inherit what is blocked.
 */
static void
prepare_signals(sigset_t *awaited)
{
	static const int left_alone[] = {SIGKILL, SIGSTOP, SIGCONT, SIGCHLD, SIGILL, SIGTRAP,
	                                 SIGABRT, SIGBUS,  SIGFPE,  SIGSEGV, SIGSYS};
	static const int waited_for[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = SIG_IGN};

	for (int number = 1; number <= SIGRTMAX; number++)
	{
		bool ours = false;

		for (size_t i = 0; i < sizeof(left_alone) / sizeof(left_alone[0]); i++)
			ours = ours || left_alone[i] == number;
		if (!ours) /* fails for the two that the C library keeps */
			sigaction(number, &action, NULL);
	}
	action.sa_handler = quit;
	sigaction(SIGQUIT, &action, NULL);
	/* Whoever started us may have had them ignored, or blocked. */
	action.sa_handler = SIG_DFL;
	sigemptyset(awaited);
	for (size_t i = 0; i < sizeof(waited_for) / sizeof(waited_for[0]); i++)
	{
		sigaction(waited_for[i], &action, NULL);
		sigaddset(awaited, waited_for[i]);
	}
	pthread_sigmask(SIG_SETMASK, awaited, NULL);
}

/* The next of the signals that are waited for; 0 when none has come until then. */
static int
next_signal(const sigset_t *awaited, int64_t until_ms)
{
	int64_t left_ms = until_ms - clock_ms();
	struct timespec left = {0};
	int number;

	if (left_ms > 0)
		left = (struct timespec){.tv_sec = left_ms / 1000,
		                         .tv_nsec = left_ms % 1000 * INT64_C(1000000)};
	number = sigtimedwait(awaited, NULL, &left);
	return number > 0 ? number : 0;
}

/* SIGHUP: reads certificate and key again, which are all that the process reads from files. */
static bool
read_again(const Options *options)
{
	if (*options->tls_cert == '\0')
	{
		log_line("SIGHUP: without --tls-cert there is nothing to read again");
		return true;
	}
	if (!tls_load(options->tls_cert, options->tls_key))
	{
		log_line("SIGHUP: the certificate and the key in use stay in use");
		return false;
	}
	log_line("SIGHUP: new connections get the certificate that \"%s\" has now", options->tls_cert);
	return true;
}

static void
reload(const Options *options)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%lld",
	            (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_send("READY=1\nSTATUS=%s", read_again(options)
	                                      ? "Listening"
	                                      : "Listening; the new certificate cannot be used");
}

/*
 * Serves until SIGTERM or SIGINT comes, which it returns.  The service manager is told that we are
 * ready when requests find a database, or when that has been waited for: the shim serves without a
 * database, too.
 */
static int
serve(const Options *options, const sigset_t *awaited, const atomic_int *connected_count)
{
	int64_t ready_at_ms = clock_ms() + READY_WAIT_MS;
	bool told = !notify_wanted();

	for (;;)
	{
		int64_t now_ms = clock_ms();
		int number = next_signal(awaited, now_ms + (told ? LONG_WAIT_MS : READY_LOOK_MS));

		if (number == SIGTERM || number == SIGINT)
			return number;
		if (number == SIGHUP)
			reload(options);
		else if (!told && (now_ms >= ready_at_ms ||
		                   atomic_load(connected_count) == options->threads * DB_PRIMARY_ROLES))
			notify_send("READY=1\nSTATUS=Listening");
		else
			continue;
		told = true;
	}
}

static void
set_stage(const Options *options, Loop **loops, HttpStage stage)
{
	for (int i = 0; i < loop_count(options); i++)
		loop_set_stage(loops[i], stage);
}

/* Waits for a while in which SIGHUP counts as ever; false when another signal to stop comes. */
static bool
linger(const Options *options, const sigset_t *awaited, int64_t until_ms)
{
	int number;

	while ((number = next_signal(awaited, until_ms)) == SIGHUP)
		read_again(options);
	return number == 0;
}

/*
 * The delay of --drain-delay: a load balancer sees /readyz, and sends its requests elsewhere.
 * In the second half each answer ends its connection, so that clients who keep theirs come back
 * by another way, and hardly any connection is left to be closed from our side.
 */
static void
delay_drain(const Options *options, const sigset_t *awaited, Loop **loops)
{
	int64_t now_ms = clock_ms();
	int64_t delay_ms = options->drain_delay_s * INT64_C(1000);

	log_line("/readyz is 503, all else is answered for %d s", options->drain_delay_s);
	set_stage(options, loops, HTTP_LEAVES);
	if (!linger(options, awaited, now_ms + delay_ms / 2))
		return;
	set_stage(options, loops, HTTP_CLOSES);
	linger(options, awaited, now_ms + delay_ms);
}

/*
 * Ends the loops, whose sockets refuse new connections from then on; false when a thread is left
 * behind.
 */
static bool
stop(const Options *options, const int *fds, Loop **loops)
{
	bool clean = true;

	for (int i = 0; i < loop_count(options); i++)
		listener_refuse_new(fds[i]);
	set_stage(options, loops, HTTP_DRAINS);
	for (int i = 0; i < loop_count(options); i++)
		clean = loop_join(loops[i]) && clean;
	return clean;
}

/* What /metrics shows and asks for; false: its token cannot be read. */
static bool
prepare_monitor(const Options *options, Monitor *monitor)
{
	monitor->connections_max = share(options->max_connections, options->threads) * options->threads;
	monitor->waiting_max = share(options->max_waiting, options->threads) * options->threads;
	monitor->database_count = options->threads * DB_PRIMARY_ROLES;
	return *options->metrics_token_file == '\0' ||
	       monitor_load_token(monitor, options->metrics_token_file);
}

static void
say_address(const char *what, bool has_tls, const char *address, int port)
{
	bool is_ipv6 = strchr(address, ':') != NULL;

	log_line("%s http%s://%s%s%s:%d", what, has_tls ? "s" : "", is_ipv6 ? "[" : "", address,
	         is_ipv6 ? "]" : "", port);
}

int
main(int argc, char **argv)
{
	static atomic_int connected_count;
	static Monitor monitor = {.connected = &connected_count};
	Options options;
	Loop *loops[OPTIONS_THREADS_MAX + 1];
	int fds[OPTIONS_THREADS_MAX + 1];
	bool has_tls;
	int status;
	sigset_t awaited;
	bool clean;

	prepare_signals(&awaited);
	status = options_read(&options, argc, argv);
	if (status >= 0)
		return status;
	raise_descriptor_limit(&options);
	has_tls = *options.tls_cert != '\0';
	if ((has_tls && !tls_load(options.tls_cert, options.tls_key)) ||
	    !prepare_monitor(&options, &monitor) || !open_sockets(&options, fds) ||
	    !open_metrics_socket(&options, fds) || !start_loops(&options, fds, loops, &monitor))
		return 1;
	if (*options.metrics_listen != '\0')
		say_address("metrics on", has_tls, options.metrics_address, options.metrics_port);
	say_address("listening on", has_tls, options.address, options.port);
	log_line("stopping on signal %d", serve(&options, &awaited, &connected_count));
	notify_send("STOPPING=1");
	if (options.drain_delay_s > 0)
		delay_drain(&options, &awaited, loops);
	clean = stop(&options, fds, loops);
	log_line("stopped");
	if (!clean)
		_exit(0);
	return 0;
}
