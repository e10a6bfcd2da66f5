/*
 * loop.c
 *		Waits for whatever comes first and lets each side do its part.
 *
 * The order within a round is what makes batches grow by themselves: answers of
 * the database are taken first, and the next batch is sent at once, so that the
 * database works while the answers are being written and new requests are read.
 *
 * While a statement is under way, HTTP rests for up to a millisecond: what it
 * would bring has to wait for the statement anyway.  The clients answered last
 * use the time to send their next requests, so that these are read in one go;
 * libmicrohttpd would else find each connection empty, have it watched, and
 * give up watching it when it suspends it: three system calls for nothing.
 */
#include "loop.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

#define DRAIN_TIMEOUT_MS 9000
#define HTTP_REST_MS 1

struct Loop
{
	pthread_t thread;
	atomic_bool stop;
	int wake_fd;
	Db *db;
	Http *http;
	bool clean; /* nothing of it is left behind */
};

static int64_t
timeout_ms(const Loop *loop, int64_t now_ms)
{
	int64_t http_ms = http_timeout_ms(loop->http, now_ms);
	int64_t db_ms = db_timeout_ms(loop->db, now_ms);

	return http_ms < db_ms ? http_ms : db_ms;
}

/* One round: waits, then serves both sides. */
static void
run_once(Loop *loop)
{
	bool http_rests = db_busy(loop->db) && http_may_rest(loop->http);
	struct pollfd fds[] = {{.fd = loop->wake_fd, .events = POLLIN},
	                       {.fd = db_fd(loop->db), .events = db_events(loop->db)},
	                       {.fd = http_rests ? -1 : http_epoll_fd(loop->http), .events = POLLIN}};
	int count = poll(fds, 3, http_rests ? HTTP_REST_MS : (int) timeout_ms(loop, clock_ms()));
	int64_t now_ms = clock_ms();
	uint64_t ignored;

	if (count > 0 && fds[0].revents != 0 && read(loop->wake_fd, &ignored, sizeof(ignored)) < 0)
		log_line("cannot read the eventfd");
	if (count > 0 && fds[1].revents != 0)
		db_handle_event(loop->db, now_ms);
	db_tick(loop->db, now_ms);
	db_dispatch(loop->db, now_ms);
	http_run(loop->http, now_ms);
	db_dispatch(loop->db, now_ms);
}

/* Ends both sides: first the answers of the database, then those to clients. */
static void
close_sides(Loop *loop)
{
	if (loop->db != NULL)
		db_close(loop->db);
	if (loop->http != NULL)
		http_destroy(loop->http);
	loop->clean = loop->db == NULL || db_destroy(loop->db);
}

static void *
loop_main(void *argument)
{
	Loop *loop = argument;
	int64_t deadline_ms;

	while (!atomic_load(&loop->stop))
		run_once(loop);
	http_drain(loop->http);
	deadline_ms = clock_ms() + DRAIN_TIMEOUT_MS;
	while (!http_idle(loop->http) && clock_ms() < deadline_ms)
		run_once(loop);
	close_sides(loop);
	return NULL;
}

static bool
open_sides(Loop *loop, const DbConfig *db_config, const HttpConfig *http_config, int listen_fd)
{
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0)
		return false;
	loop->db = db_create(db_config, loop->wake_fd);
	if (loop->db == NULL)
		return false;
	loop->http = http_create(http_config, loop->db, listen_fd);
	return loop->http != NULL;
}

/* The eventfd stays open while a thread left behind may still signal it. */
static void
loop_free(Loop *loop)
{
	if (loop->clean && loop->wake_fd >= 0)
		close(loop->wake_fd);
	free(loop);
}

Loop *
loop_start(const DbConfig *db_config, const HttpConfig *http_config, int listen_fd)
{
	Loop *loop = calloc(1, sizeof(Loop));

	if (loop == NULL)
		return NULL;
	if (open_sides(loop, db_config, http_config, listen_fd) &&
	    pthread_create(&loop->thread, NULL, loop_main, loop) == 0)
		return loop;
	close_sides(loop);
	loop_free(loop);
	return NULL;
}

void
loop_stop(Loop *loop)
{
	atomic_store(&loop->stop, true);
	if (eventfd_signal(loop->wake_fd) != 0)
		log_line("cannot wake an event loop");
}

bool
loop_join(Loop *loop)
{
	bool clean;

	pthread_join(loop->thread, NULL);
	clean = loop->clean;
	loop_free(loop);
	return clean;
}
