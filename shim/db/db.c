/*
 * db.c
 *		A connection as the event loop sees it: its making, its timers, its end.
 */
#include "db/db.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "db/batches.h"
#include "db/connection.h"
#include "db/leave.h"
#include "db/state.h"

#define TICK_MS 1000
#define STATEMENT_DEADLINE_MS 10000 /* from the statement's own turn on */
#define REPLICA_DEADLINE_MS 2000    /* the same of a replica, whose reads the primary can answer */
#define CONFIRMING_LONG_MS 2000
#define RENEW_PAUSE_MS 1000 /* between two looks whether the primary is elsewhere by now */
#define SOON_MS 5 /* a statement that takes longer waits for something, or the database is busy */

Db *
db_create(const DbConfig *config, DbRole role, int wake_fd)
{
	Db *db = calloc(1, sizeof(Db));

	assert(role < DB_ROLE_COUNT && wake_fd >= 0);
	if (db == NULL)
		return NULL;
	db->connector = calloc(1, sizeof(Connector));
	db->canceller = calloc(1, sizeof(Canceller));
	if (db->connector == NULL || db->canceller == NULL)
	{
		free(db->connector);
		free(db->canceller);
		free(db);
		return NULL;
	}
	db->config = *config;
	db->wake_fd = wake_fd;
	db->role = role;
	db->retry_pause_ms = DB_RETRY_PAUSE_MIN_MS;
	db->random_seed = (unsigned) clock_ms() ^ (unsigned) wake_fd << 16 ^ (unsigned) getpid() ^
	                  (unsigned) role << 8;
	db->state_since_ms = clock_ms();
	db->holding = true;
	db->hold_until_ms = db->state_since_ms + DB_HOLD_MS;
	complaint_add(&db->complaint);
	return db;
}

const char *
db_value(const DbResult *result, int row, int column)
{
	assert(result->code == CODE_OK && row >= 0 && row < result->row_count);
	if (PQgetisnull(result->rows, result->first_row + row, column))
		return NULL;
	return PQgetvalue(result->rows, result->first_row + row, column);
}

bool
db_available(const Db *db)
{
	return db->state == DB_UP || db->holding;
}

bool
db_is_up(const Db *db)
{
	return db->state == DB_UP;
}

WalletCode
db_refusal(const Db *db)
{
	return db->read_only ? CODE_DATABASE_READ_ONLY : CODE_DATABASE_UNAVAILABLE;
}

bool
db_is_primary(const Db *db)
{
	return db->state == DB_UP && !db->read_only;
}

bool
db_is_standby(const Db *db)
{
	return db->state == DB_UP && db->read_only;
}

void
db_submit(Db *db, DbItem *item, int64_t now_ms)
{
	assert(owner_is_here(&db->owner) && db_available(db));
	item->share_max = db_is_shared(item->function) ? DB_BATCH_ITEMS_MAX : 1;
	item->met_conflict = false;
	item->submitted_at_ms = now_ms;
	queue_append(&db->queue, item);
}

void
db_withdraw(Db *db, DbItem *item)
{
	assert(owner_is_here(&db->owner));
	queue_remove(&db->queue, item);
}

int
db_fd(const Db *db)
{
	return db->connection ? PQsocket(db->connection) : -1;
}

short
db_events(const Db *db)
{
	return db->dirty ? POLLIN | POLLOUT : POLLIN;
}

bool
db_answers_soon(const Db *db, int64_t now_ms)
{
	return queue_is_busy(&db->queue) && now_ms - queue_oldest(&db->queue)->turn_at_ms < SOON_MS;
}

void
db_handle_event(Db *db, int64_t now_ms)
{
	if (db_is_usable(db))
		batches_receive(db, now_ms); /* else db_tick reads what is still sent */
}

void
db_dispatch(Db *db, int64_t now_ms)
{
	assert(owner_is_here(&db->owner));
	batches_send(db, now_ms);
}

/* Ends the items that have waited for too long without having been sent. */
static void
end_overdue(Db *db, int64_t now_ms)
{
	for (int i = 0; i < DB_FUNCTION_COUNT; i++)
		while (db->queue.lanes[i].first != NULL &&
		       now_ms - db->queue.lanes[i].first->submitted_at_ms >= DB_ITEM_TIME_MS)
			item_fail(queue_take(&db->queue, (DbFunction) i), CODE_DATABASE_BUSY,
			          wallet_codes[CODE_DATABASE_BUSY].message);
}

/* Says why the connection is not there yet, when that takes long. */
static void
complain_of_wait(Db *db, int64_t now_ms)
{
	int64_t waited_ms = now_ms - db->state_since_ms;

	if (db->state == DB_CONNECTING && waited_ms >= CONNECTOR_PATIENCE_MS &&
	    atomic_load(&db->connector->taken))
		db_complain(db, "cannot connect to the database", "the server does not answer", now_ms);
	else if (db->state == DB_CONFIRMING && waited_ms >= CONFIRMING_LONG_MS)
		db_complain(db, "requests cannot be stored",
		            "a commit is not confirmed; if it waits for a synchronous standby, bring the "
		            "standby back, or change synchronous_standby_names",
		            now_ms);
}

/* Gives up a statement that hangs.  The first commit is waited for: nothing is owed to anybody. */
static void
end_hanging(Db *db, int64_t now_ms)
{
	int64_t turn_at_ms = queue_oldest(&db->queue)->turn_at_ms;
	int64_t deadline_ms = db->role == DB_REPLICA ? REPLICA_DEADLINE_MS : STATEMENT_DEADLINE_MS;

	if (db->state != DB_CONFIRMING && now_ms - turn_at_ms > deadline_ms)
		connection_drop(
		    db, CODE_DATABASE_BUSY,
		    "a statement was not answered in time; it may wait for a synchronous standby", now_ms);
	else
		end_overdue(db, now_ms);
}

void
db_leave_standby(Db *db)
{
	db->to_renew = db->to_renew || (db->state == DB_UP && db->read_only);
}

/*
 * A connection that stores is not left with a standby, nor that to the replica with a primary:
 * behind a proxy, or with several hosts in the connection string, the next one leads elsewhere.
 */
static void
look_elsewhere(Db *db, int64_t now_ms)
{
	bool is_wrong =
	    (db->role == DB_WRITES && db->read_only) || (db->role == DB_REPLICA && !db->read_only);

	if (fence_is_behind(&db->fence) || (is_wrong && now_ms - db->state_since_ms >= RENEW_PAUSE_MS))
		db->to_renew = true;
	if (db->to_renew && !queue_is_busy(&db->queue))
		connection_renew(db, now_ms);
}

void
db_tick(Db *db, int64_t now_ms)
{
	owner_take(&db->owner);
	if (db->holding && now_ms >= db->hold_until_ms)
	{
		db->holding = false;
		queue_fail_waiting(&db->queue, wallet_codes[CODE_DATABASE_UNAVAILABLE].message);
	}
	if (db->state == DB_DOWN && now_ms >= db->retry_at_ms)
		connection_start(db, now_ms);
	else if (db->state == DB_CONNECTING && atomic_load(&db->connector->finished))
		connection_finish(db, now_ms);
	else if (db->state == DB_LEAVING)
		leave_tick(db, now_ms);
	else if (queue_is_busy(&db->queue))
		end_hanging(db, now_ms);
	if (db->state == DB_UP)
		look_elsewhere(db, now_ms);
	complain_of_wait(db, now_ms);
}

int64_t
db_timeout_ms(const Db *db, int64_t now_ms)
{
	int64_t timeout_ms = queue_is_busy(&db->queue) ? TICK_MS / 4 : TICK_MS;

	if (db->state == DB_LEAVING)
		return leave_timeout_ms(db, now_ms);
	if (db->state == DB_DOWN)
		timeout_ms = db->retry_at_ms - now_ms;
	if (db->holding && db->hold_until_ms - now_ms < timeout_ms)
		timeout_ms = db->hold_until_ms - now_ms;
	return timeout_ms > 0 ? timeout_ms : 0;
}

void
db_close(Db *db)
{
	atomic_store(&db->connector->stopping, true);
	db->holding = false;
	if (db_is_usable(db) && queue_is_busy(&db->queue))
		leave_start(db, true, clock_ms());
	if (db_is_usable(db))
	{
		PQfinish(db->connection);
		db->connection = NULL;
		db_enter(db, DB_DOWN, clock_ms());
	}
	queue_fail_sent(&db->queue, CODE_DATABASE_UNAVAILABLE, CONNECTION_LOST);
	queue_fail_waiting(&db->queue, CONNECTION_LOST);
}

bool
db_is_closing(Db *db, int64_t now_ms)
{
	if (db->state == DB_LEAVING)
		leave_tick(db, now_ms);
	return db->state == DB_LEAVING || !canceller_join(db->canceller) ||
	       (db->state == DB_CONNECTING && !atomic_load(&db->connector->finished));
}

bool
db_destroy(Db *db)
{
	bool clean;

	assert(!queue_is_busy(&db->queue));
	clean = connector_free(db->connector, db->state == DB_CONNECTING);
	if (canceller_join(db->canceller))
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
