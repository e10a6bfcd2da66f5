/*
 * leave.c
 *		The end of a connection.
 *
 * The server closes its side of a connection when the process behind the connection ends, and not
 * before.  So the end of the stream says that the process is gone, and that another connection
 * does not add to those that the server has.  A process that does not end within
 * CONNECTOR_PATIENCE_MS, as of a server that is frozen, is left alone (connector.c).
 *
 * A process that waits for a lock or for a standby does not see that its client has gone.  The
 * process is cancelled, and again after each pause, because several statements may be under way.
 * Our side is closed only after the first cancel, since a connection pool forgets whom to cancel
 * when its client has gone.
 */
#include "db/leave.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define CANCEL_PAUSE_MIN_MS 50
#define CANCEL_PAUSE_MAX_MS 10000 /* each one costs the server a process for a moment */
#define LEAVING_LONG_MS 3000      /* worth a line in the log */
#define LEAVING_TICK_MS 250

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

bool
leave_at_once(Db *db, int64_t now_ms)
{
	if (!connector_set_aside(db->connector, db->connection))
		return false;
	db->connection = NULL;
	db_plan_retry(db, now_ms);
	return true;
}

/* The connection has ended.  clean: the server process has ended too, as its stream's end says. */
static void
gone(Db *db, bool clean, int64_t now_ms)
{
	PQfinish(db->connection);
	db->connection = NULL;
	/* A process that may still be there is cancelled when the server can be reached again. */
	if (clean || !db->owes)
	{
		PQfreeCancel(db->cancel);
		db->cancel = NULL;
	}
	db_plan_retry(db, now_ms);
}

/* Closes our side: the server process ends when it has read what was sent before, and this end. */
static void
shut(Db *db)
{
	if (!db->shut)
		shutdown(PQsocket(db->connection), SHUT_WR);
	db->shut = true;
}

void
leave_start(Db *db, bool owes, int64_t now_ms)
{
	assert(db_is_usable(db));
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
		leave_tick(db, now_ms);
}

/*
 * Reads and throws away what the server still sends.  Returns 1 when there was something, 0 when
 * there is nothing yet, and -1 at the end of the stream, of which clean says how it came.
 */
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
leave_tick(Db *db, int64_t now_ms)
{
	bool was_cancelling = db->canceller->is_started;
	bool clean;
	int arrived;
	char reason[128];

	assert(db->state == DB_LEAVING && db->connection != NULL);
	arrived = read_away(db, &clean);
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
	if ((canceller_join(db->canceller) && was_cancelling) || !db->owes)
		shut(db);
	if (db->owes && !db->canceller->is_started && now_ms >= db->cancel_at_ms)
	{
		canceller_start(db->canceller, PQgetCancel(db->connection), db->wake_fd);
		db->cancel_at_ms = now_ms + db->cancel_pause_ms;
		db->cancel_pause_ms *= 2;
		if (db->cancel_pause_ms > CANCEL_PAUSE_MAX_MS)
			db->cancel_pause_ms = CANCEL_PAUSE_MAX_MS;
	}
	if (now_ms - db->state_since_ms < LEAVING_LONG_MS)
		return;
	snprintf(reason, sizeof(reason), "server process %d was cancelled and does not end",
	         PQbackendPID(db->connection));
	db_complain(db, "no new connection is made for now", reason, now_ms);
	if (now_ms - db->state_since_ms >= CONNECTOR_PATIENCE_MS)
		leave_at_once(db, now_ms);
}

int64_t
leave_timeout_ms(const Db *db, int64_t now_ms)
{
	bool waits_to_cancel = db->owes && !db->canceller->is_started;
	int64_t left_ms = waits_to_cancel ? db->cancel_at_ms - now_ms : LEAVING_TICK_MS;

	assert(db->state == DB_LEAVING);
	if (left_ms > LEAVING_TICK_MS)
		return LEAVING_TICK_MS;
	return left_ms > 0 ? left_ms : 0;
}
