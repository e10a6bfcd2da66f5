/*
 * leave.c
 *		The end of a connection: cancel what is under way, wait for the server's end.
 *
 * The server closes its side of a connection when the process behind it ends,
 * and not before.  So the end of the stream says that the process is gone, and
 * that another connection does not add to those that the server has.
 *
 * A process that waits, for a lock or a standby, does not see that its client
 * has gone.  It is cancelled, again after each pause, because several statements
 * may be under way.  Our side is closed only after the first cancel, since a
 * connection pool forgets whom to cancel when its client has gone.  PQcancel
 * blocks: a thread of its own does it, which touches nothing but its
 * DbCanceller.  Everything else runs in the loop's thread.
 */
#include "db/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define CANCEL_PAUSE_MIN_MS 50
#define CANCEL_PAUSE_MAX_MS 10000 /* each one costs the server a process for a moment */
#define LEAVING_LONG_MS 3000      /* worth a line in the log */
#define LEAVING_TICK_MS 250

static void *
canceller_main(void *argument)
{
	DbCanceller *canceller = argument;
	char ignored[256];

	PQcancel(canceller->cancel, ignored, sizeof(ignored));
	PQfreeCancel(canceller->cancel);
	canceller->cancel = NULL;
	atomic_store(&canceller->finished, true);
	if (eventfd_signal(canceller->wake_fd) != 0)
		log_line("cannot wake the event loop after cancelling");
	return NULL;
}

bool
db_cancel_finish(Db *db)
{
	if (db->cancelling && atomic_load(&db->canceller->finished))
	{
		pthread_join(db->canceller->thread, NULL);
		db->cancelling = false;
	}
	return !db->cancelling;
}

void
db_cancel_start(Db *db, PGcancel *cancel)
{
	DbCanceller *canceller = db->canceller;

	if (cancel == NULL || !db_cancel_finish(db))
	{
		PQfreeCancel(cancel);
		return;
	}
	atomic_store(&canceller->finished, false);
	canceller->cancel = cancel;
	canceller->wake_fd = db->wake_fd;
	db->cancelling = pthread_create(&canceller->thread, NULL, canceller_main, canceller) == 0;
	if (!db->cancelling)
		PQfreeCancel(cancel);
}

/*
 * Whether an error is the network's, so that nobody knows what became of the server process.  A
 * connection that is reset has no process any more.
 */
static bool
is_of_network(const char *message)
{
	static const int errors[] = {ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strstr(message, strerror(errors[i])) != NULL)
			return true;
	return false;
}

/* The connection has ended.  clean: so has the server process, as its end of the stream says. */
static void
gone(Db *db, bool clean, int64_t now_ms)
{
	PQfinish(db->connection);
	db->connection = NULL;
	/* Another one is cancelled when the server can be reached again. */
	if (clean || !db->owes)
	{
		PQfreeCancel(db->cancel);
		db->cancel = NULL;
	}
	db_plan_retry(db, now_ms);
}

/* Closes our side: the server process ends when it reads that, after what was sent before. */
static void
shut(Db *db)
{
	if (!db->shut)
		shutdown(PQsocket(db->connection), SHUT_WR);
	db->shut = true;
}

void
db_leave(Db *db, bool owes, int64_t now_ms)
{
	db->owes = owes;
	db->shut = false;
	db->dirty = false;
	db->unconfirmed = false;
	db->cancel_at_ms = now_ms;
	db->cancel_pause_ms = CANCEL_PAUSE_MIN_MS;
	db_enter(db, DB_LEAVING, now_ms);
	if (PQsocket(db->connection) < 0) /* libpq has seen the end */
		gone(db, !is_of_network(PQerrorMessage(db->connection)), now_ms);
	else
		db_leave_tick(db, now_ms);
}

/* Reads and throws away what the server still sends: 1 there was something, 0 nothing yet, -1 the
 * end. */
static int
read_away(Db *db, bool *clean)
{
	char ignored[8192];
	bool any = false;
	ssize_t size;

	do
	{
		size = recv(PQsocket(db->connection), ignored, sizeof(ignored), MSG_DONTWAIT);
		any = any || size > 0;
	} while (size > 0 || (size < 0 && errno == EINTR));
	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return any ? 1 : 0;
	*clean = size == 0 || !is_of_network(strerror(errno));
	return -1;
}

void
db_leave_tick(Db *db, int64_t now_ms)
{
	bool was_cancelling = db->cancelling;
	bool clean;
	int arrived = read_away(db, &clean);
	char reason[128];

	if (arrived < 0)
	{
		gone(db, clean, now_ms);
		return;
	}
	if (arrived > 0) /* a statement has ended, and the next one may wait as well */
	{
		db->cancel_pause_ms = CANCEL_PAUSE_MIN_MS;
		if (db->cancel_at_ms > now_ms + CANCEL_PAUSE_MIN_MS)
			db->cancel_at_ms = now_ms + CANCEL_PAUSE_MIN_MS;
	}
	if (db_cancel_finish(db) && was_cancelling)
		shut(db);
	if (!db->owes)
		shut(db);
	else if (!db->cancelling && now_ms >= db->cancel_at_ms)
	{
		db_cancel_start(db, PQgetCancel(db->connection));
		db->cancel_at_ms = now_ms + db->cancel_pause_ms;
		db->cancel_pause_ms *= 2;
		if (db->cancel_pause_ms > CANCEL_PAUSE_MAX_MS)
			db->cancel_pause_ms = CANCEL_PAUSE_MAX_MS;
	}
	if (now_ms - db->state_since_ms < LEAVING_LONG_MS)
		return;
	snprintf(reason, sizeof(reason), "server process %d was cancelled and does not end",
	         PQbackendPID(db->connection));
	complaint_make(&db->complaint, "no new connection is made for now", reason, now_ms);
}

int64_t
db_leave_timeout_ms(const Db *db, int64_t now_ms)
{
	int64_t left_ms = db->owes && !db->cancelling ? db->cancel_at_ms - now_ms : LEAVING_TICK_MS;

	if (left_ms > LEAVING_TICK_MS)
		return LEAVING_TICK_MS;
	return left_ms > 0 ? left_ms : 0;
}

void
db_close(Db *db)
{
	if (db->state == DB_UP)
		atomic_fetch_sub(db->config.connected_count, 1);
	atomic_store(&db->connector->stopping, true);
	db->holding = false;
	if (db->connection != NULL && db_busy(db) && db->state != DB_LEAVING)
		db_leave(db, true, clock_ms());
	if (db->connection != NULL && db->state != DB_LEAVING)
	{
		PQfinish(db->connection);
		db->connection = NULL;
	}
	if (db->state != DB_CONNECTING && db->state != DB_LEAVING)
		db->state = DB_DOWN;
	db_fail_sent(db, CODE_DATABASE_UNAVAILABLE, "the connection to the database was lost");
	db_fail_waiting(db, "the connection to the database was lost");
}

bool
db_is_closing(Db *db, int64_t now_ms)
{
	if (db->state == DB_LEAVING)
		db_leave_tick(db, now_ms);
	return db->state == DB_LEAVING || !db_cancel_finish(db) ||
	       (db->state == DB_CONNECTING && !atomic_load(&db->connector->finished));
}

/* Frees what the thread that connects has, or leaves it to the thread; false when that still runs.
 */
static bool
free_connector(DbConnector *connector, bool started)
{
	if (started && !atomic_load(&connector->finished))
	{
		pthread_detach(connector->thread);
		return false;
	}
	if (started)
		pthread_join(connector->thread, NULL);
	PQfinish(connector->connection);
	PQfinish(connector->hung);
	free(connector);
	return true;
}

bool
db_destroy(Db *db)
{
	bool clean = free_connector(db->connector, db->state == DB_CONNECTING);

	if (db_cancel_finish(db))
		free(db->canceller);
	else
	{
		pthread_detach(db->canceller->thread);
		clean = false;
	}
	PQfinish(db->connection);
	PQfreeCancel(db->cancel);
	complaint_remove(&db->complaint);
	for (int i = 0; i < DB_PARAMETERS_MAX; i++)
		buffer_free(&db->parameters[i]);
	free(db);
	return clean;
}
