/*
 * loop.c
 *		Waits for the database and for HTTP, and lets each do its part.
 *
 * The order within a round makes batches grow by themselves.  Answers of the database are taken
 * first, and the next batch is sent at once, so that the database works while the answers are
 * being written and new requests are read.
 *
 * While a statement is under way, HTTP rests for up to a millisecond: new requests have to wait
 * for the statement anyway.  The clients that were answered last use the time to send their next
 * requests, so that these are read in one go.  Otherwise libmicrohttpd finds each connection
 * empty, has it watched by epoll, and gives up watching it when it suspends it: three system
 * calls for nothing.
 */
#include "loop.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "http/daemon.h"

#define DRAIN_TIMEOUT_MS 9000
#define CLOSE_TIMEOUT_MS 600 /* with DRAIN_TIMEOUT_MS less than ten seconds */
#define CLOSE_TICK_MS 10
#define HTTP_REST_MS 1

struct Loop
{
	pthread_t thread;
	atomic_int stage; /* an HttpStage, set by another thread */
	int wake_fd;
	Db *dbs[DB_ROLE_COUNT];
	int db_count; /* that of the replica may be missing */
	Api *api;
	Http *http;
	bool clean; /* nothing of it is left behind */
};

static int64_t
timeout_ms(const Loop *loop, int64_t now_ms)
{
	int64_t least_ms = http_timeout_ms(loop->http, now_ms);

	for (int i = 0; i < loop->db_count; i++)
	{
		int64_t db_ms = db_timeout_ms(loop->dbs[i], now_ms);

		if (db_ms < least_ms)
			least_ms = db_ms;
	}
	return least_ms;
}

/* Whether a statement that should be answered soon is under way; others are not waited for. */
static bool
answers_soon(const Loop *loop, int64_t now_ms)
{
	for (int i = 0; i < loop->db_count; i++)
		if (db_answers_soon(loop->dbs[i], now_ms))
			return true;
	return false;
}

static void
dispatch(Loop *loop, int64_t now_ms)
{
	for (int i = 0; i < loop->db_count; i++)
		db_dispatch(loop->dbs[i], now_ms);
}

/* One round: waits, then serves both sides. */
static void
run_once(Loop *loop)
{
	int64_t now_ms = clock_ms();
	bool http_rests = http_may_rest(loop->http) && answers_soon(loop, now_ms);
	struct pollfd fds[DB_ROLE_COUNT + 2] = {
	    {.fd = loop->wake_fd, .events = POLLIN},
	    {.fd = http_rests ? -1 : http_epoll_fd(loop->http), .events = POLLIN}};
	int count;
	uint64_t ignored;

	for (int i = 0; i < loop->db_count; i++)
		fds[2 + i] = (struct pollfd){.fd = db_fd(loop->dbs[i]), .events = db_events(loop->dbs[i])};
	count = poll(fds, (nfds_t) loop->db_count + 2,
	             http_rests ? HTTP_REST_MS : (int) timeout_ms(loop, now_ms));
	now_ms = clock_ms();
	if (count > 0 && fds[0].revents != 0 && read(loop->wake_fd, &ignored, sizeof(ignored)) < 0)
		log_line("cannot read the eventfd");
	for (int i = 0; i < loop->db_count; i++)
	{
		if (count > 0 && fds[2 + i].revents != 0)
			db_handle_event(loop->dbs[i], now_ms);
		db_tick(loop->dbs[i], now_ms);
	}
	if (db_is_primary(loop->dbs[DB_WRITES]))
		db_leave_standby(loop->dbs[DB_READS]);
	dispatch(loop, now_ms);
	http_run(loop->http, now_ms);
	dispatch(loop, now_ms);
	api_end_round(loop->api);
}

/* Waits for a moment until the server processes have ended whose statements were cancelled. */
static void
wait_for_servers(Loop *loop)
{
	int64_t deadline_ms = clock_ms() + CLOSE_TIMEOUT_MS;
	bool waits = true;

	while (waits && clock_ms() < deadline_ms)
	{
		waits = false;
		for (int i = 0; i < loop->db_count; i++)
			waits = (loop->dbs[i] != NULL && db_is_closing(loop->dbs[i], clock_ms())) || waits;
		if (waits)
			poll(NULL, 0, CLOSE_TICK_MS);
	}
}

/* Ends both sides: first the answers of the database, then those to clients. */
static void
close_sides(Loop *loop)
{
	for (int i = 0; i < loop->db_count; i++)
		if (loop->dbs[i] != NULL)
			db_close(loop->dbs[i]);
	if (loop->http != NULL)
		http_destroy(loop->http);
	api_destroy(loop->api);
	wait_for_servers(loop);
	loop->clean = true;
	for (int i = 0; i < loop->db_count; i++)
		if (loop->dbs[i] != NULL && !db_destroy(loop->dbs[i]))
			loop->clean = false;
}

static void *
loop_main(void *argument)
{
	Loop *loop = argument;
	int64_t deadline_ms;

	for (;;)
	{
		HttpStage stage = (HttpStage) atomic_load(&loop->stage);

		http_set_stage(loop->http, stage);
		if (stage == HTTP_DRAINS)
			break;
		run_once(loop);
	}
	deadline_ms = clock_ms() + DRAIN_TIMEOUT_MS;
	while (!http_is_drained(loop->http) && clock_ms() < deadline_ms)
		run_once(loop);
	close_sides(loop);
	return NULL;
}

static bool
open_sides(Loop *loop, const LoopConfig *config, int listen_fd)
{
	loop->db_count = config->db_read.conninfo ? DB_ROLE_COUNT : DB_PRIMARY_ROLES;
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0)
		return false;
	for (int i = 0; i < loop->db_count; i++)
	{
		loop->dbs[i] =
		    db_create(i == DB_REPLICA ? &config->db_read : &config->db, (DbRole) i, loop->wake_fd);
		if (loop->dbs[i] == NULL)
			return false;
	}
	loop->api = api_create(&config->api, loop->dbs);
	if (loop->api == NULL)
		return false;
	loop->http = http_create(&config->http, &api_handler, loop->api, listen_fd);
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
loop_start(const LoopConfig *config, int listen_fd)
{
	Loop *loop = calloc(1, sizeof(Loop));

	if (loop == NULL)
		return NULL;
	if (open_sides(loop, config, listen_fd) &&
	    pthread_create(&loop->thread, NULL, loop_main, loop) == 0)
		return loop;
	close_sides(loop);
	loop_free(loop);
	return NULL;
}

void
loop_set_stage(Loop *loop, HttpStage stage)
{
	atomic_store(&loop->stage, (int) stage);
	if (eventfd_signal(loop->wake_fd) != 0)
		log_line("cannot wake an event loop");
}

bool
loop_join(Loop *loop)
{
	bool clean;

	assert(atomic_load(&loop->stage) == HTTP_DRAINS);
	pthread_join(loop->thread, NULL);
	clean = loop->clean;
	loop_free(loop);
	return clean;
}
