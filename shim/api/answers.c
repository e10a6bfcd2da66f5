/*
 * answers.c
 *		From an item's result to the reply.
 *
 * A request that has been enqueued is durable, and its handshake is the answer to it whatever
 * happens next: from then on the request never ends in a problem.
 *
 * A request with a Prefer: wait is timed while the database has its item, and while it is held.  So
 * it is answered in time whatever the database does: an item that the database still has is
 * withdrawn.
 */
#include "api/answers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/reply.h"

#define POLL_PAUSE_MAX_MS 50
#define BUSY_KEY_MAX 3 /* how often a key is tried again that another transaction has */
#define BUSY_KEY_MS 10 /* which is longer than most transactions of ours take to commit */

/*
 * Holds a request until its outcome is worth asking for again: for a millisecond and half the time
 * for which it has been held, so that an outcome is seen soon, and by few questions, whenever it
 * comes.  False when the time of its Prefer: wait is over.
 */
static bool
hold(Request *request)
{
	int64_t until_ms = request->client.wait_until_ms;
	int64_t now_ms = until_ms ? clock_ms() : 0;
	int64_t pause_ms;

	if (now_ms >= until_ms || request->client.http->stage == HTTP_DRAINS)
		return false;
	if (request->held_since_ms == 0)
		request->held_since_ms = now_ms;
	pause_ms = 1 + (now_ms - request->held_since_ms) / 2;
	if (pause_ms > POLL_PAUSE_MAX_MS)
		pause_ms = POLL_PAUSE_MAX_MS;
	request_hold(request, now_ms + pause_ms < until_ms ? now_ms + pause_ms : until_ms);
	return true;
}

/*
 * Holds a POST whose idempotency key another open transaction uses.  So a request that is sent
 * twice at once gets the same handshake twice.  False when the key was in use BUSY_KEY_MAX
 * times: then the client is told so.
 */
static bool
hold_for_key(Request *request)
{
	if (request->busy_count++ >= BUSY_KEY_MAX || request->client.http->stage == HTTP_DRAINS)
		return false;
	request_hold(request, clock_ms() + BUSY_KEY_MS);
	return true;
}

/* Replies with the scratch buffer's text. */
static void
finish_scratch(Request *request)
{
	reply_scratch(&request->client, MHD_HTTP_OK);
	request_tell_repeated(request);
	request_finish(request);
}

static void
finish_outcome(Request *request, Shape shape, const char *handshake_id, const DbResult *result)
{
	Buffer *out = &request->client.http->scratch;

	buffer_reset(out);
	shape_write_outcome(out, shape, members_include(&request->members, WORD_LIMITS), handshake_id,
	                    result, 0);
	finish_scratch(request);
}

/* A problem has a code: what should have told one and has not is an internal error. */
static WalletCode
code_of_problem(WalletCode code)
{
	return code == CODE_OK ? CODE_INTERNAL_ERROR : code;
}

/* Replies with the problem that a row of the database tells. */
static void
finish_told_problem(Request *request, const char *code, const char *message)
{
	request_finish_problem(request, code_of_problem(code ? code_by_name(code) : CODE_OK), message);
}

void
answer_looked_up(Request *request, const DbResult *result)
{
	const char *state = result->code == CODE_OK ? db_value(result, 0, LOOKUP_STATE) : NULL;
	const char *code;

	if (state != NULL && strcmp(state, "queued") == 0)
	{
		if (!hold(request))
			request_finish_queued(request);
		return;
	}
	if (state != NULL && strcmp(state, "unknown") != 0)
	{
		finish_outcome(request, request->route->kind->shape, request->members.handshake_id, result);
		return;
	}
	code = state ? db_value(result, 0, LOOKUP_CODE) : NULL;
	if (request->enqueued)
		request_finish_queued(request);
	else if (code != NULL)
		finish_told_problem(request, code, db_value(result, 0, LOOKUP_MESSAGE));
	else
		request_finish_problem(request, code_of_problem(result->code), result->message);
}

static bool
is_true(const char *value)
{
	return value != NULL && *value == 't';
}

void
answer_enqueued(Request *request, const DbResult *result)
{
	const char *handshake_id;
	const char *user_id;
	const char *code;

	if (result->code != CODE_OK)
	{
		request_finish_problem(request, result->code, result->message);
		return;
	}
	handshake_id = db_value(result, 0, ENQUEUE_HANDSHAKE_ID);
	code = db_value(result, 0, ENQUEUE_CODE);
	if (code != NULL && code_by_name(code) == CODE_IDEMPOTENCY_IN_PROGRESS && hold_for_key(request))
		return;
	if (handshake_id == NULL || code != NULL)
	{
		finish_told_problem(request, code, db_value(result, 0, ENQUEUE_MESSAGE));
		return;
	}
	snprintf(request->members.handshake_id, sizeof(request->members.handshake_id), "%s",
	         handshake_id);
	user_id = db_value(result, 0, ENQUEUE_USER_ID);
	request->members.number[MEMBER_USER_ID] = user_id == NULL ? 0 : strtoll(user_id, NULL, 10);
	request->is_repeated = is_true(db_value(result, 0, ENQUEUE_IS_REPEATED));
	request->enqueued = true;
	if (!hold(request))
		request_finish_queued(request);
}

/* An operation that is no plain payment shows more of itself. */
static Shape
shape_of_row(const Request *request, const DbResult *result)
{
	const char *name = db_value(result, 0, LOOKUP_KIND);
	const Kind *kind = name ? kind_find(name, strlen(name)) : NULL;
	bool is_plain = db_value(result, 0, LOOKUP_LINK_ID) == NULL &&
	                db_value(result, 0, LOOKUP_GROUP_ID) == NULL &&
	                (kind == NULL || kind->shape == SHAPE_TRANSACTION);

	if (request->route->kind->shape == SHAPE_TRANSACTION && !is_plain)
		return SHAPE_OPERATION;
	return request->route->kind->shape;
}

void
answer_read(Request *request, const DbResult *result)
{
	const char *state = result->code == CODE_OK ? db_value(result, 0, LOOKUP_STATE) : NULL;

	if (state == NULL)
		request_finish_problem(
		    request, result->code == CODE_OK ? CODE_INTERNAL_ERROR : result->code, result->message);
	else if (strcmp(state, "processed") != 0)
		finish_told_problem(request, db_value(result, 0, LOOKUP_CODE),
		                    db_value(result, 0, LOOKUP_MESSAGE));
	else
		finish_outcome(request, shape_of_row(request, result), NULL, result);
}

void
answer_history(Request *request, const DbResult *result)
{
	Buffer *out = &request->client.http->scratch;

	if (result->code != CODE_OK)
	{
		request_finish_problem(request, result->code, result->message);
		return;
	}
	buffer_reset(out);
	shape_write_history(out, request->item.id, request->item.include_holds, result);
	finish_scratch(request);
}

void
answer_holds(Request *request, const DbResult *result)
{
	Buffer *out = &request->client.http->scratch;

	if (result->code != CODE_OK || (request->item.hold_id != 0 && result->row_count != 1))
	{
		request_finish_problem(request, code_of_problem(result->code), result->message);
		return;
	}
	buffer_reset(out);
	if (request->item.hold_id != 0)
		shape_write_hold(out, result, 0);
	else
		shape_write_holds(out, request->item.id, result);
	finish_scratch(request);
}

void
answer_dry_run(Request *request, const DbResult *result)
{
	const char *text = result->code == CODE_OK ? db_value(result, 0, DRY_RUN_ANSWER) : NULL;

	if (text == NULL)
	{
		request_finish_problem(request, code_of_problem(result->code), result->message);
		return;
	}
	buffer_reset(&request->client.http->scratch);
	buffer_puts(&request->client.http->scratch, text);
	finish_scratch(request);
}

void
answer_ready(Request *request, const DbResult *result)
{
	const ApiConfig *config = &request_api(request)->config;

	if (result->code != CODE_OK || result->row_count != 1)
		request_finish_problem(
		    request, result->code != CODE_OK ? result->code : CODE_INTERNAL_ERROR, result->message);
	else if (is_true(db_value(result, 0, READY_IN_RECOVERY)))
		request_finish_problem(request, CODE_DATABASE_READ_ONLY, db_value(result, 0, READY_DETAIL));
	else if (!is_true(db_value(result, 0, READY_WORKER_ALIVE)))
		request_finish_problem(request, CODE_WORKER_UNAVAILABLE, db_value(result, 0, READY_DETAIL));
	else if (atomic_load(config->connected_count) < config->database_count)
		request_finish_problem(request, CODE_DATABASE_UNAVAILABLE, NULL);
	else
	{
		reply_status(&request->client, "ready");
		request_finish(request);
	}
}

/* Whether a held request waits for its idempotency key; nothing is stored for it yet. */
static bool
waits_for_key(const Request *request)
{
	return request->busy_count > 0 && !request->enqueued;
}

/* Asks for the outcome once more, or sends a POST once more whose key was in use. */
static void
ask_again(Request *request)
{
	DbFunction function = waits_for_key(request) ? DB_ENQUEUE : DB_LOOKUP;
	bool is_available = db_available(request_db(request, function));

	assert(waits_for_key(request) || request->members.handshake_id[0] != '\0');
	if (!is_available && request->enqueued)
		request_finish_queued(request);
	else if (!is_available)
		request_finish_problem(request, CODE_DATABASE_UNAVAILABLE, NULL);
	else
	{
		request->item.function = function;
		if (function == DB_LOOKUP)
		{
			request->item.kind = request->route->kind->name;
			request->item.user_id = request->members.number[MEMBER_USER_ID];
			request->item.handshake_id = request->members.handshake_id;
			request->outcome = answer_looked_up;
		}
		request_await(request);
	}
}

/* Answers without the item, which the database still has although the time is over. */
static void
give_up(Request *request)
{
	assert(request->is_timed && !request->client.is_held);
	request_untime(request);
	db_withdraw(request->db, &request->item);
	if (request->enqueued)
		request_finish_queued(request);
	else if (request->item.function != DB_KEY)
		request_finish_problem(request, CODE_DATABASE_BUSY, NULL);
	else
	{
		reply_problem(&request->client, CODE_DATABASE_BUSY, NULL);
		request_go_on(request);
	}
}

void
answers_release(Request *request)
{
	assert(request->client.is_held);
	request_untime(request);
	if (waits_for_key(request))
		request_finish_problem(request, CODE_IDEMPOTENCY_IN_PROGRESS, NULL);
	else
		request_finish_queued(request);
}

static void
run_due(Request *request)
{
	if (!request->client.is_held)
		give_up(request);
	else if (request->client.http->stage == HTTP_DRAINS)
		answers_release(request);
	else
	{
		request_untime(request);
		ask_again(request);
	}
}

void
answers_run_timed(Http *http)
{
	bool drains = http->stage == HTTP_DRAINS;
	const Api *api = http->context;
	Request *next;

	if (http->now_ms < http->due_at_ms && !drains)
		return;
	http->due_at_ms = INT64_MAX;
	for (Request *request = api->timed; request != NULL; request = next)
	{
		next = request->timed_next;
		if (http->now_ms >= request->due_at_ms || (drains && request->client.is_held))
			run_due(request);
		else if (request->due_at_ms < http->due_at_ms)
			http->due_at_ms = request->due_at_ms;
	}
}
