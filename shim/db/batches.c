/*
 * batches.c
 *		Batches: from items to statements, and from rows back to items.
 *
 * Everything here runs in the one thread that owns the Db; nothing is locked.
 * Statements are answered in the order in which they were sent, so the batches
 * under way are a ring.  Each is followed by a sync of its own, which makes it
 * a transaction of its own: an item is done only when its sync has come back,
 * that is, after the commit.
 */
#include "db/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"

#define TICK_MS 1000
#define CONFIRMING_LONG_MS 2000
#define FAILURE_PAUSE_MS 10000
#define SOON_MS 5 /* what answers at all answers in that time, unless the database is busy */

const char *
db_value(const DbResult *result, int row, int column)
{
	if (PQgetisnull(result->rows, result->first_row + row, column))
		return NULL;
	return PQgetvalue(result->rows, result->first_row + row, column);
}

Db *
db_create(const DbConfig *config, DbRole role, int wake_fd)
{
	Db *db = calloc(1, sizeof(Db));

	if (db == NULL)
		return NULL;
	db->connector = calloc(1, sizeof(DbConnector));
	db->canceller = calloc(1, sizeof(DbCanceller));
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
	db->random_seed = (unsigned) clock_ms() ^ (unsigned) wake_fd << 16 ^ (unsigned) getpid() ^
	                  (unsigned) role << 8;
	db->state_since_ms = clock_ms();
	db->holding = true;
	db->hold_until_ms = db->state_since_ms + DB_HOLD_MS;
	complaint_add(&db->complaint);
	return db;
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

static void
lane_append(DbLane *lane, DbItem *item)
{
	item->batch = NULL;
	item->next = NULL;
	item->previous = lane->last;
	if (lane->last != NULL)
		lane->last->next = item;
	else
		lane->first = item;
	lane->last = item;
}

static void
lane_remove(DbLane *lane, DbItem *item)
{
	if (item->previous != NULL)
		item->previous->next = item->next;
	else
		lane->first = item->next;
	if (item->next != NULL)
		item->next->previous = item->previous;
	else
		lane->last = item->previous;
}

static DbItem *
lane_take(DbLane *lane)
{
	DbItem *item = lane->first;

	lane_remove(lane, item);
	return item;
}

void
db_submit(Db *db, DbItem *item, int64_t now_ms)
{
	bool is_shared = item->function != DB_HISTORY && item->function != DB_BULK;

	item->share_max = is_shared ? DB_BATCH_ITEMS_MAX : 1;
	item->met_conflict = false;
	item->submitted_at_ms = now_ms;
	lane_append(&db->lanes[item->function], item);
}

void
db_withdraw(Db *db, DbItem *item)
{
	if (item->batch == NULL)
		lane_remove(&db->lanes[item->function], item);
	else
	{
		assert(item->batch->items[item->position] == item);
		item->batch->items[item->position] = NULL;
	}
}

static void
item_fail(DbItem *item, WalletCode code, const char *message)
{
	DbResult result = {.code = code, .message = message};

	if (item != NULL)
		item->done(item, &result);
}

DbBatch *
db_batch_push(Db *db, DbFunction function, int64_t now_ms)
{
	DbBatch *batch = &db->batches[db->batch_tail++ % DB_BATCHES_MAX];

	assert(db->batch_tail - db->batch_head <= DB_BATCHES_MAX);
	*batch = (DbBatch){.function = function, .turn_at_ms = now_ms};
	db->lanes[function].in_flight++;
	return batch;
}

static void
batch_clear(DbBatch *batch)
{
	PQclear(batch->rows);
	PQclear(batch->error);
	if (batch->items != &batch->single)
		free(batch->items);
	batch->items = NULL;
}

void
db_fail_sent(Db *db, WalletCode code, const char *message)
{
	while (db_busy(db))
	{
		DbBatch batch = db->batches[db->batch_head++ % DB_BATCHES_MAX];

		if (batch.item_count == 1)
			batch.items = &batch.single;
		db->lanes[batch.function].in_flight--;
		for (int i = 0; i < batch.item_count; i++)
			item_fail(batch.items[i], code, message);
		batch_clear(&batch);
	}
}

void
db_fail_waiting(Db *db, const char *message)
{
	for (int i = 0; i < DB_FUNCTION_COUNT; i++)
		while (db->lanes[i].first != NULL)
			item_fail(lane_take(&db->lanes[i]), CODE_DATABASE_UNAVAILABLE, message);
}

/* Whether one more statement may fail and be sent again in this second. */
static bool
may_fail_again(Db *db, int64_t now_ms)
{
	if (now_ms - db->failures_since_ms >= 1000)
	{
		db->failures_since_ms = now_ms;
		db->failures_left = DB_FAILURES_MAX;
	}
	return db->failures_left > 0 && db->failures_left-- > 0;
}

/*
 * Whether a failed statement's items are worth another try: one of many may be the culprit; one
 * that was alone failed for itself, unless it met somebody else's transaction (class 40).  A read
 * that waited for a lock would wait again, since only a lock on a whole table makes a read wait.
 */
static bool
is_worth_retry(Db *db, const DbBatch *batch, const char *sqlstate, int64_t now_ms)
{
	if (batch->function == DB_READY || batch->function == DB_HISTORY)
		return false;
	if (db->role == DB_READS && strcmp(sqlstate, "55P03") == 0)
		return false;
	return (batch->item_count > 1 || strncmp(sqlstate, "40", 2) == 0) && may_fail_again(db, now_ms);
}

/* The same for one of its items, which has a bounded time. */
static bool
retry(Db *db, const DbBatch *batch, DbItem *item, int64_t now_ms)
{
	bool was_alone = batch->item_count == 1;

	if ((was_alone && item->met_conflict) || now_ms - item->submitted_at_ms >= DB_ITEM_TIME_MS)
		return false;
	item->met_conflict = was_alone;
	item->share_max = was_alone ? 1 : batch->item_count / 2;
	lane_append(&db->lanes[batch->function], item);
	return true;
}

/*
 * Logs that a statement failed: at once, but the same failure again only once in a while, with how
 * often it was met since.
 */
static void
log_failure(Db *db, const DbBatch *batch, const char *sqlstate, int64_t now_ms)
{
	DbFailure *last = &db->failure;
	bool is_same = last->function == batch->function && strcmp(last->sqlstate, sqlstate) == 0;

	if (is_same && now_ms - last->logged_at_ms < FAILURE_PAUSE_MS)
	{
		last->unsaid++;
		return;
	}
	if (last->unsaid > 0)
		log_line("the statement \"%s\" failed %d times more with SQLSTATE %s",
		         db_statement_names[last->function], last->unsaid, last->sqlstate);
	*last = (DbFailure){.function = batch->function, .logged_at_ms = now_ms};
	snprintf(last->sqlstate, sizeof(last->sqlstate), "%s", sqlstate);
	log_line("the statement \"%s\" failed with SQLSTATE %s; requests in it: %d",
	         db_statement_names[batch->function], sqlstate, batch->item_count);
}

/* The statement was rolled back.  A refusal of our own (class PW) is an answer. */
static void
batch_failed(Db *db, DbBatch *batch, int64_t now_ms)
{
	const char *field = PQresultErrorField(batch->error, PG_DIAG_SQLSTATE);
	const char *sqlstate = field ? field : "";
	const char *message = NULL;
	WalletCode code = code_by_sqlstate(sqlstate);
	bool worth_retry = is_worth_retry(db, batch, sqlstate, now_ms);

	if (strncmp(sqlstate, "PW", 2) == 0)
		message = PQresultErrorField(batch->error, PG_DIAG_MESSAGE_PRIMARY);
	else
		log_failure(db, batch, sqlstate, now_ms);
	for (int i = 0; i < batch->item_count; i++)
	{
		DbItem *item = batch->items[i];

		if (item != NULL && !(worth_retry && retry(db, batch, item, now_ms)))
			item_fail(item, code, message ? message : wallet_codes[code].message);
	}
}

/* Gives each item its row, by ordinal; an item without one is our own fault. */
static void
batch_deal_rows(DbBatch *batch)
{
	int row_count = PQntuples(batch->rows);
	DbResult result = {.code = CODE_OK, .rows = batch->rows, .row_count = 1};

	for (int row = 0; row < row_count; row++)
	{
		int ordinal = atoi(PQgetvalue(batch->rows, row, 0));
		DbItem *item;

		if (ordinal < 1 || ordinal > batch->item_count || batch->items[ordinal - 1] == NULL)
			continue;
		item = batch->items[ordinal - 1];
		batch->items[ordinal - 1] = NULL;
		result.first_row = row;
		item->done(item, &result);
	}
	for (int i = 0; i < batch->item_count; i++)
		item_fail(batch->items[i], CODE_INTERNAL_ERROR, wallet_codes[CODE_INTERNAL_ERROR].message);
}

static void
batch_succeeded(DbBatch *batch)
{
	if (batch->function == DB_BULK || batch->function == DB_HISTORY || batch->function == DB_READY)
	{
		DbResult result = {
		    .code = CODE_OK, .rows = batch->rows, .row_count = PQntuples(batch->rows)};

		for (int i = 0; i < batch->item_count; i++)
			if (batch->items[i] != NULL)
				batch->items[i]->done(batch->items[i], &result);
	}
	else
		batch_deal_rows(batch);
}

/*
 * A batch was committed here, and somebody cancelled its wait for a standby: none of its items may
 * be acknowledged.  The connection is given up, so that the next one waits for a commit first.
 */
static void
batch_unconfirmed(Db *db, const DbBatch *batch, int64_t now_ms)
{
	for (int i = 0; i < batch->item_count; i++)
		item_fail(batch->items[i], CODE_DATABASE_BUSY,
		          "the database has stored this, but no standby has confirmed it");
	db_drop(db, CODE_DATABASE_UNAVAILABLE,
	        "a commit was cancelled while it waited for a synchronous standby", now_ms);
}

/* What is stored again after the database was a standby. */
static void
note_stored(Db *db, const DbBatch *batch)
{
	if (!db->read_only || (batch->function != DB_ENQUEUE && batch->function != DB_BULK))
		return;
	db->read_only = false;
	complaint_end(&db->complaint);
}

/* The oldest batch's sync has come: it is committed, or rolled back. */
static void
batch_finish(Db *db, int64_t now_ms)
{
	DbBatch batch = db->batches[db->batch_head++ % DB_BATCHES_MAX];

	if (batch.item_count == 1)
		batch.items = &batch.single;
	db->lanes[batch.function].in_flight--;
	if (db_busy(db))
		db->batches[db->batch_head % DB_BATCHES_MAX].turn_at_ms = now_ms;
	if (batch.setup)
		db_setup_finish(db, &batch, now_ms);
	else if (batch.error != NULL)
		batch_failed(db, &batch, now_ms);
	else if (db->unconfirmed)
		batch_unconfirmed(db, &batch, now_ms);
	else
	{
		note_stored(db, &batch);
		batch_succeeded(&batch);
	}
	batch_clear(&batch);
}

static void
take_result(Db *db, PGresult *result, int64_t now_ms)
{
	DbBatch *batch = &db->batches[db->batch_head % DB_BATCHES_MAX];

	switch (PQresultStatus(result))
	{
		case PGRES_PIPELINE_SYNC:
			PQclear(result);
			batch_finish(db, now_ms);
			break;
		case PGRES_TUPLES_OK:
			PQclear(batch->rows);
			batch->rows = result;
			break;
		case PGRES_FATAL_ERROR:
			if (batch->error == NULL)
				batch->error = result;
			else
				PQclear(result);
			break;
		default:
			PQclear(result);
			break;
	}
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
db_busy(const Db *db)
{
	return db->batch_head != db->batch_tail;
}

bool
db_answers_soon(const Db *db, int64_t now_ms)
{
	return db_busy(db) &&
	       now_ms - db->batches[db->batch_head % DB_BATCHES_MAX].turn_at_ms < SOON_MS;
}

/* Pushes out what libpq holds back. */
static void
flush(Db *db, int64_t now_ms)
{
	int left = PQflush(db->connection);

	db->dirty = left > 0;
	if (left < 0)
		db_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
}

/* Whether the connection is libpq's: there is one, and it has not been given up. */
static bool
is_in_use(const Db *db)
{
	return db->connection != NULL && db->state != DB_LEAVING;
}

/* The connection is lost: reads what came before its end, in which the server may say why. */
static void
read_last_words(Db *db)
{
	PGresult *result = PQisBusy(db->connection) ? NULL : PQgetResult(db->connection);

	if (result != NULL)
		db_keep_last_words(db, result);
	PQclear(result);
}

void
db_handle_event(Db *db, int64_t now_ms)
{
	if (!is_in_use(db))
		return; /* db_tick reads what is still sent */
	if (PQconsumeInput(db->connection) != 1)
	{
		read_last_words(db);
		db_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
		return;
	}
	while (is_in_use(db) && db_busy(db) && !PQisBusy(db->connection))
	{
		PGresult *result = PQgetResult(db->connection);

		if (result != NULL)
			take_result(db, result, now_ms);
		else if (PQstatus(db->connection) == CONNECTION_BAD)
			break;
	}
	if (!is_in_use(db))
		return;
	if (PQstatus(db->connection) == CONNECTION_BAD)
		db_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
	else if (db->dirty)
		flush(db, now_ms);
}

/* Ends the items that have waited for too long without having been sent. */
static void
end_overdue(Db *db, int64_t now_ms)
{
	for (int i = 0; i < DB_FUNCTION_COUNT; i++)
		while (db->lanes[i].first != NULL &&
		       now_ms - db->lanes[i].first->submitted_at_ms >= DB_ITEM_TIME_MS)
			item_fail(lane_take(&db->lanes[i]), CODE_DATABASE_BUSY,
			          wallet_codes[CODE_DATABASE_BUSY].message);
}

/* Says why the connection is not there yet, when that takes long. */
static void
complain_of_wait(Db *db, int64_t now_ms)
{
	int64_t waited_ms = now_ms - db->state_since_ms;

	if (db->state == DB_CONNECTING && waited_ms >= DB_HOST_PATIENCE_MS &&
	    atomic_load(&db->connector->taken))
		complaint_make(&db->complaint, "cannot connect to the database",
		               "the server does not answer", now_ms);
	else if (db->state == DB_CONFIRMING && waited_ms >= CONFIRMING_LONG_MS)
		complaint_make(
		    &db->complaint, "requests cannot be stored",
		    "a commit is not confirmed; if it waits for a synchronous standby, bring the "
		    "standby back, or change synchronous_standby_names",
		    now_ms);
}

/* Gives up a statement that hangs.  The first commit is waited for: nothing is owed to anybody. */
static void
end_hanging(Db *db, int64_t now_ms)
{
	int64_t turn_at_ms = db->batches[db->batch_head % DB_BATCHES_MAX].turn_at_ms;

	if (db->state != DB_CONFIRMING && now_ms - turn_at_ms > DB_STATEMENT_DEADLINE_MS)
		db_drop(db, CODE_DATABASE_BUSY,
		        "a statement was not answered in time; it may wait for a synchronous standby",
		        now_ms);
	else
		end_overdue(db, now_ms);
}

void
db_tick(Db *db, int64_t now_ms)
{
	if (db->holding && now_ms >= db->hold_until_ms)
	{
		db->holding = false;
		db_fail_waiting(db, wallet_codes[CODE_DATABASE_UNAVAILABLE].message);
	}
	if (db->state == DB_DOWN && now_ms >= db->retry_at_ms)
		db_connect_start(db, now_ms);
	else if (db->state == DB_CONNECTING && atomic_load(&db->connector->finished))
		db_connect_finish(db, now_ms);
	else if (db->state == DB_LEAVING)
		db_leave_tick(db, now_ms);
	else if (db_busy(db))
		end_hanging(db, now_ms);
	complain_of_wait(db, now_ms);
}

int64_t
db_timeout_ms(const Db *db, int64_t now_ms)
{
	int64_t timeout_ms = db_busy(db) ? TICK_MS / 4 : TICK_MS;

	if (db->state == DB_LEAVING)
		return db_leave_timeout_ms(db, now_ms);
	if (db->state == DB_DOWN)
		timeout_ms = db->retry_at_ms - now_ms;
	if (db->holding && db->hold_until_ms - now_ms < timeout_ms)
		timeout_ms = db->hold_until_ms - now_ms;
	return timeout_ms > 0 ? timeout_ms : 0;
}

static bool
batch_send(Db *db, const DbBatch *batch)
{
	static const int binary[DB_PARAMETERS_MAX] = {1, 1, 1, 1};
	const char *values[DB_PARAMETERS_MAX];
	int lengths[DB_PARAMETERS_MAX];
	int count = db_put_parameters(db, batch);

	for (int i = 0; i < count; i++)
	{
		if (db->parameters[i].failed)
			return false;
		values[i] = db->parameters[i].length ? db->parameters[i].data : NULL;
		lengths[i] = (int) db->parameters[i].length;
	}
	return PQsendQueryPrepared(db->connection, db_statement_names[batch->function], count, values,
	                           lengths, binary, 0) == 1 &&
	       PQpipelineSync(db->connection) == 1;
}

/* Takes the next items of a lane, as many as may go together. */
static void
batch_fill(DbBatch *batch, DbLane *lane)
{
	int share_max = lane->first->share_max;
	int count = 1;

	for (DbItem *item = lane->first->next;
	     item != NULL && item->share_max == share_max && count < share_max; item = item->next)
		count++;
	if (count > 1)
		batch->items = malloc((size_t) count * sizeof(DbItem *));
	if (batch->items == NULL)
	{
		batch->items = &batch->single;
		count = 1;
	}
	batch->item_count = count;
	for (int i = 0; i < count; i++)
	{
		batch->items[i] = lane_take(lane);
		batch->items[i]->batch = batch;
		batch->items[i]->position = i;
	}
}

/* How many statements of a function may be under way, when the next is for this item. */
static int
in_flight_max(const DbItem *item)
{
	bool was_shared =
	    item->share_max == 1 && item->function != DB_HISTORY && item->function != DB_BULK;

	return was_shared ? DB_SINGLES_IN_FLIGHT_MAX : 1;
}

void
db_dispatch(Db *db, int64_t now_ms)
{
	for (int i = 0; i < DB_FUNCTION_COUNT && db->state == DB_UP; i++)
	{
		DbLane *lane = &db->lanes[i];

		while (db->state == DB_UP && lane->first != NULL &&
		       lane->in_flight < in_flight_max(lane->first))
		{
			DbBatch *batch = db_batch_push(db, (DbFunction) i, now_ms);

			batch_fill(batch, lane);
			if (batch_send(db, batch))
				db->dirty = true;
			else
				db_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
		}
	}
	if (is_in_use(db) && db->dirty)
		flush(db, now_ms);
}
