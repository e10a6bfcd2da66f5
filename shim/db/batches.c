/*
 * batches.c
 *		From items to statements, and from rows back to items.
 *
 * Each statement is followed by a sync of its own, which makes it a transaction of its own: an
 * item is done only when its sync has come back, that is, after the commit.
 */
#include "db/batches.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/connection.h"
#include "db/statements.h"

#define FAILURES_MAX 128 /* statements that may fail in a second and be sent again */
#define FAILURE_PAUSE_MS 10000

/* Whether one more statement may fail and be sent again in this second. */
static bool
may_fail_again(Db *db, int64_t now_ms)
{
	if (now_ms - db->failures_since_ms >= 1000)
	{
		db->failures_since_ms = now_ms;
		db->failures_left = FAILURES_MAX;
	}
	return db->failures_left > 0 && db->failures_left-- > 0;
}

/*
 * Whether the items of a failed statement are sent once more.  Of many items one may be the
 * culprit, so each half is tried by itself.  An item that was alone is sent again only after a
 * conflict with another transaction (SQLSTATE class 40).  A read that waited for a lock is not
 * sent again: only a lock on a whole table makes a read wait, and the next try would wait as
 * well.  What a replica has failed to read is read from the primary.
 */
static bool
is_worth_retry(Db *db, const DbBatch *batch, const char *sqlstate, int64_t now_ms)
{
	if (db_asks_nothing(batch->function) || db->role == DB_REPLICA ||
	    (!db_is_shared(batch->function) && !db_stores(batch->function)))
		return false;
	if (db->role == DB_READS && strcmp(sqlstate, "55P03") == 0)
		return false;
	return (batch->item_count > 1 || strncmp(sqlstate, "40", 2) == 0) && may_fail_again(db, now_ms);
}

/*
 * Sends one item of a failed statement once more: false when its time is over, or when it was
 * alone and met a conflict already.
 */
static bool
retry(Db *db, const DbBatch *batch, DbItem *item, int64_t now_ms)
{
	bool was_alone = batch->item_count == 1;

	assert(item->function == batch->function);
	if ((was_alone && item->met_conflict) || now_ms - item->submitted_at_ms >= DB_ITEM_TIME_MS)
		return false;
	item->met_conflict = was_alone;
	item->share_max = was_alone ? 1 : batch->item_count / 2;
	queue_append(&db->queue, item);
	return true;
}

/*
 * Logs that a statement failed.  The same failure is logged again after FAILURE_PAUSE_MS, with
 * how often it was met in between.
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
		         statement_name(last->function), last->unsaid, last->sqlstate);
	*last = (DbFailure){.function = batch->function, .logged_at_ms = now_ms};
	snprintf(last->sqlstate, sizeof(last->sqlstate), "%s", sqlstate);
	log_line("the statement \"%s\" failed with SQLSTATE %s; requests in it: %d",
	         statement_name(batch->function), sqlstate, batch->item_count);
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

	assert(batch->error != NULL && !batch->setup);
	if (strncmp(sqlstate, "PW", 2) == 0)
		message = PQresultErrorField(batch->error, PG_DIAG_MESSAGE_PRIMARY);
	else
		log_failure(db, batch, sqlstate, now_ms);
	if (code == CODE_DATABASE_READ_ONLY && db_stores(batch->function))
		db->read_only = db->to_renew =
		    true; /* no primary any more: the next one may be elsewhere */
	for (int i = 0; i < batch->item_count; i++)
	{
		DbItem *item = batch->items[i];

		if (item != NULL && !(worth_retry && retry(db, batch, item, now_ms)))
			item_fail(item, code, message ? message : wallet_codes[code].message);
	}
}

/* Gives each item its row, by ordinal; an item without one is our own fault. */
static void
batch_deal_rows(DbBatch *batch, DbResult result)
{
	int row_count = result.row_count;

	for (int row = 0; row < row_count; row++)
	{
		int ordinal = atoi(PQgetvalue(batch->rows, row, 0));
		DbItem *item;

		if (ordinal < 1 || ordinal > batch->item_count || batch->items[ordinal - 1] == NULL)
			continue;
		item = batch->items[ordinal - 1];
		batch->items[ordinal - 1] = NULL;
		result.first_row = row;
		result.row_count = 1;
		item->done(item, &result);
	}
	for (int i = 0; i < batch->item_count; i++)
		item_fail(batch->items[i], CODE_INTERNAL_ERROR, wallet_codes[CODE_INTERNAL_ERROR].message);
}

/* The text of a position; NULL: it was not asked for, or (of a standby) the server is none. */
static const char *
position_text(const PGresult *rows, bool of_standby)
{
	if (rows == NULL || PQntuples(rows) != 1 ||
	    (of_standby && *PQgetvalue(rows, 0, POSITION_IS_STANDBY) != 't'))
		return NULL;
	return PQgetvalue(rows, 0, POSITION_TEXT);
}

static void
batch_succeeded(Db *db, DbBatch *batch)
{
	DbResult result = {.code = CODE_OK,
	                   .rows = batch->rows,
	                   .row_count = PQntuples(batch->rows),
	                   .before = position_text(batch->before, true),
	                   .after = position_text(batch->after, false)};

	if (batch->asks_before)
		db->read_only = result.before != NULL;
	if (!db_is_shared(batch->function) || db_asks_nothing(batch->function))
	{
		for (int i = 0; i < batch->item_count; i++)
			if (batch->items[i] != NULL)
				batch->items[i]->done(batch->items[i], &result);
	}
	else
		batch_deal_rows(batch, result);
}

/*
 * A batch was committed by the primary, and its wait for a synchronous standby was cancelled, or
 * ended because none is named any more: none of its items may be acknowledged.  The connection is
 * given up, and the next one waits for a commit before it takes items.
 */
static void
batch_unconfirmed(Db *db, const DbBatch *batch, int64_t now_ms)
{
	for (int i = 0; i < batch->item_count; i++)
		item_fail(batch->items[i], CODE_DATABASE_BUSY,
		          "the database has stored this, but no standby has confirmed it");
	connection_drop(db, CODE_DATABASE_UNAVAILABLE,
	                "a commit was not confirmed by a synchronous standby", now_ms);
}

/* A batch that stores has succeeded: the database is no standby any more. */
static void
note_stored(Db *db, const DbBatch *batch)
{
	if (!db->read_only || !db_stores(batch->function))
		return;
	db->read_only = false;
	complaint_end(&db->complaint);
}

/* The oldest batch's sync has come: it is committed, or rolled back. */
static void
batch_finish(Db *db, int64_t now_ms)
{
	DbBatch batch;

	queue_pop(&db->queue, &batch);
	if (queue_is_busy(&db->queue))
		queue_oldest(&db->queue)->turn_at_ms = now_ms;
	if (batch.setup)
		connection_go_on(db, &batch, now_ms);
	else if (batch.error != NULL)
		batch_failed(db, &batch, now_ms);
	else if (db->unconfirmed)
		batch_unconfirmed(db, &batch, now_ms);
	else
	{
		note_stored(db, &batch);
		batch_succeeded(db, &batch);
	}
	batch_free(&batch);
}

/* Keeps the rows of one of a batch's statements; of several in the setup the last one's. */
static void
keep_rows(DbBatch *batch, PGresult *rows)
{
	PGresult **place = &batch->rows;

	if (batch->asks_before && batch->before == NULL)
		place = &batch->before;
	else if (batch->asks_after && batch->rows != NULL)
		place = &batch->after;
	PQclear(*place);
	*place = rows;
}

static void
take_result(Db *db, PGresult *result, int64_t now_ms)
{
	DbBatch *batch = queue_oldest(&db->queue);

	switch (PQresultStatus(result))
	{
		case PGRES_PIPELINE_SYNC:
			PQclear(result);
			batch_finish(db, now_ms);
			break;
		case PGRES_TUPLES_OK:
			keep_rows(batch, result);
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

/* Sends what libpq has buffered. */
static void
flush(Db *db, int64_t now_ms)
{
	int left = PQflush(db->connection);

	db->dirty = left > 0;
	if (left < 0)
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
}

/* The connection is lost: reads what came before its end, in which the server may say why. */
static void
read_last_words(Db *db)
{
	PGresult *result = PQisBusy(db->connection) ? NULL : PQgetResult(db->connection);

	if (result != NULL)
		connection_keep_last_words(db, result);
	PQclear(result);
}

void
batches_receive(Db *db, int64_t now_ms)
{
	assert(db_is_usable(db));
	if (!db_is_usable(db))
		return; /* db_tick reads what is still sent */
	if (PQconsumeInput(db->connection) != 1)
	{
		read_last_words(db);
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
		return;
	}
	while (db_is_usable(db) && queue_is_busy(&db->queue) && !PQisBusy(db->connection))
	{
		PGresult *result = PQgetResult(db->connection);

		if (result != NULL)
			take_result(db, result, now_ms);
		else if (PQstatus(db->connection) == CONNECTION_BAD)
			break;
	}
	if (!db_is_usable(db))
		return;
	if (PQstatus(db->connection) == CONNECTION_BAD)
		connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection), now_ms);
	else if (db->dirty)
		flush(db, now_ms);
}

/* How many statements of a function may be under way, when the next is for this item. */
static int
in_flight_max(const DbItem *item)
{
	bool was_shared = item->share_max == 1 && db_is_shared(item->function);

	return was_shared ? DB_SINGLES_IN_FLIGHT_MAX : 1;
}

void
batches_send(Db *db, int64_t now_ms)
{
	for (int i = 0; i < DB_FUNCTION_COUNT && db->state == DB_UP && !db->to_renew; i++)
	{
		const DbLane *lane = &db->queue.lanes[i];

		while (db->state == DB_UP && lane->first != NULL &&
		       lane->in_flight < in_flight_max(lane->first))
		{
			DbBatch *batch = queue_push(&db->queue, (DbFunction) i, now_ms);

			queue_fill(&db->queue, batch);
			batch->asks_before = db->role == DB_REPLICA;
			if (statements_send(db, batch))
				db->dirty = true;
			else
				connection_drop(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection),
				                now_ms);
		}
	}
	if (db_is_usable(db) && db->dirty)
		flush(db, now_ms);
}
