/*
 * answers.c
 *		From an item's result to the reply, and the requests held by
 *		Prefer: wait until there is one.
 *
 * A request that has been enqueued is durable, and its handshake is the answer
 * to it whatever happens next: from then on it never ends in a problem.
 *
 * Who has a Prefer: wait is in the list Http.timed while the database has the
 * request's item, and while the request is held.  So it is answered in time
 * whatever the database does: an item that the database still has is withdrawn.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/client.h"
#include "base/log.h"

#define POLL_PAUSE_MAX_MS 50
#define GRACE_MS 100   /* for the last question, which is asked when the time is over */
#define BUSY_KEY_MAX 3 /* how often a key is tried again that another transaction has */
#define BUSY_KEY_MS 10 /* which is longer than most transactions of ours take to commit */

static void
answer_queued(Client *client)
{
	Buffer *out = &client->http->scratch;

	buffer_reset(out);
	json_write_queued(out, client->route->shape, client->members.handshake_id);
	reply_scratch(client, MHD_HTTP_ACCEPTED);
	client_resume(client);
}

static void
answer_problem(Client *client, WalletCode code, const char *message)
{
	reply_problem(client, code, message);
	client_resume(client);
}

static void
timed_add(Client *client, int64_t due_at_ms)
{
	Http *http = client->http;

	assert(!client->timed);
	client->timed = true;
	client->due_at_ms = due_at_ms;
	if (due_at_ms < http->due_at_ms)
		http->due_at_ms = due_at_ms;
	client->timed_previous = NULL;
	client->timed_next = http->timed;
	if (http->timed != NULL)
		http->timed->timed_previous = client;
	http->timed = client;
}

static void
timed_remove(Client *client)
{
	assert(client->timed);
	client->timed = false;
	client->held = false;
	if (client->timed_previous != NULL)
		client->timed_previous->timed_next = client->timed_next;
	else
		client->http->timed = client->timed_next;
	if (client->timed_next != NULL)
		client->timed_next->timed_previous = client->timed_previous;
}

/* The item's result has come in time. */
static void
outcome_arrived(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;

	if (client->timed)
		timed_remove(client);
	client->outcome(item, result);
}

void
outcome_await(Client *client)
{
	int64_t now_ms = client->http->now_ms;

	client->db = route_db(client, client->item.function);
	client->item.done = outcome_arrived;
	if (client->wait_until_ms != 0)
		timed_add(client,
		          (client->wait_until_ms > now_ms ? client->wait_until_ms : now_ms) + GRACE_MS);
	db_submit(client->db, &client->item, now_ms);
}

/* Answers without the item, which the database still has although the time is over. */
static void
give_up(Client *client)
{
	timed_remove(client);
	db_withdraw(client->db, &client->item);
	if (client->enqueued)
		answer_queued(client);
	else
	{
		reply_problem(client, CODE_DATABASE_BUSY, NULL);
		if (client->item.function == DB_KEY)
			client_go_on(client);
		else
			client_resume(client);
	}
}

/*
 * Puts a request aside until its outcome is worth asking for again; false when
 * time is up.  That is after a millisecond and half the time it has been held, so
 * that an outcome is seen soon, and by few questions, whenever it comes.
 */
static bool
hold(Client *client)
{
	int64_t now_ms = client->wait_until_ms ? clock_ms() : 0;
	int64_t pause_ms;
	int64_t due_at_ms;

	if (now_ms >= client->wait_until_ms || client->http->stage == HTTP_DRAINS)
		return false;
	if (client->held_since_ms == 0)
		client->held_since_ms = now_ms;
	pause_ms = 1 + (now_ms - client->held_since_ms) / 2;
	due_at_ms = now_ms + (pause_ms < POLL_PAUSE_MAX_MS ? pause_ms : POLL_PAUSE_MAX_MS);
	timed_add(client, due_at_ms < client->wait_until_ms ? due_at_ms : client->wait_until_ms);
	client->held = true;
	return true;
}

/*
 * Puts a POST aside whose idempotency key another open transaction uses, so that
 * the same request sent twice at once gets its handshake twice.  A key that is
 * in use for longer is the answer.
 */
static bool
hold_for_key(Client *client)
{
	if (client->busy_count++ >= BUSY_KEY_MAX || client->http->stage == HTTP_DRAINS)
		return false;
	timed_add(client, clock_ms() + BUSY_KEY_MS);
	client->held = true;
	return true;
}

void
outcome_of_lookup(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	const char *state = result->code == CODE_OK ? db_value(result, 0, LOOKUP_STATE) : NULL;

	if (state == NULL || strcmp(state, "unknown") == 0)
	{
		const char *code = state ? db_value(result, 0, LOOKUP_CODE) : NULL;

		if (client->enqueued)
			answer_queued(client);
		else if (code != NULL)
			answer_problem(client, code_by_name(code), db_value(result, 0, LOOKUP_MESSAGE));
		else
			answer_problem(client, state ? CODE_INTERNAL_ERROR : result->code, result->message);
		return;
	}
	if (strcmp(state, "queued") == 0)
	{
		if (!hold(client))
			answer_queued(client);
		return;
	}
	buffer_reset(&client->http->scratch);
	json_write_outcome(&client->http->scratch, client->route->shape, client->members.handshake_id,
	                   result);
	reply_scratch(client, MHD_HTTP_OK);
	client_resume(client);
}

void
outcome_of_enqueue(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	const char *handshake_id;
	const char *code;

	if (result->code != CODE_OK)
	{
		answer_problem(client, result->code, result->message);
		return;
	}
	handshake_id = db_value(result, 0, ENQUEUE_HANDSHAKE_ID);
	code = db_value(result, 0, ENQUEUE_CODE);
	if (code != NULL && code_by_name(code) == CODE_IDEMPOTENCY_IN_PROGRESS && hold_for_key(client))
		return;
	if (handshake_id == NULL || code != NULL)
	{
		answer_problem(client, code ? code_by_name(code) : CODE_INTERNAL_ERROR,
		               db_value(result, 0, ENQUEUE_MESSAGE));
		return;
	}
	snprintf(client->members.handshake_id, sizeof(client->members.handshake_id), "%s",
	         handshake_id);
	client->enqueued = true;
	if (!hold(client))
		answer_queued(client);
}

void
outcome_of_read(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	const char *state = result->code == CODE_OK ? db_value(result, 0, LOOKUP_STATE) : NULL;
	const char *code = state ? db_value(result, 0, LOOKUP_CODE) : NULL;

	if (state == NULL)
		answer_problem(client, result->code == CODE_OK ? CODE_INTERNAL_ERROR : result->code,
		               result->message);
	else if (strcmp(state, "processed") != 0)
		answer_problem(client, code ? code_by_name(code) : CODE_INTERNAL_ERROR,
		               db_value(result, 0, LOOKUP_MESSAGE));
	else
	{
		buffer_reset(&client->http->scratch);
		json_write_outcome(&client->http->scratch, client->route->shape, NULL, result);
		reply_scratch(client, MHD_HTTP_OK);
		client_resume(client);
	}
}

void
outcome_of_history(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;

	if (result->code != CODE_OK)
	{
		answer_problem(client, result->code, result->message);
		return;
	}
	buffer_reset(&client->http->scratch);
	json_write_history(&client->http->scratch, item->id, item->max_rows, result);
	reply_scratch(client, MHD_HTTP_OK);
	client_resume(client);
}

void
outcome_of_ready(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	const HttpConfig *config = &client->http->config;
	const char *alive;
	const char *in_recovery;

	if (result->code != CODE_OK || result->row_count != 1)
	{
		answer_problem(client, result->code != CODE_OK ? result->code : CODE_INTERNAL_ERROR,
		               result->message);
		return;
	}
	in_recovery = db_value(result, 0, READY_IN_RECOVERY);
	if (in_recovery != NULL && *in_recovery == 't')
	{
		answer_problem(client, CODE_DATABASE_READ_ONLY, db_value(result, 0, READY_DETAIL));
		return;
	}
	alive = db_value(result, 0, READY_WORKER_ALIVE);
	if (alive == NULL || *alive != 't')
		answer_problem(client, CODE_WORKER_UNAVAILABLE, db_value(result, 0, READY_DETAIL));
	else if (atomic_load(config->connected_count) < config->database_count)
		answer_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
	else
	{
		reply_status(client, "ready");
		client_resume(client);
	}
}

/* Asks for the outcome once more, or sends a POST once more whose key was in use. */
static void
ask_again(Client *client)
{
	DbFunction function = client->busy_count > 0 && !client->enqueued ? DB_ENQUEUE : DB_LOOKUP;

	if (!db_available(route_db(client, function)) && client->enqueued)
	{
		answer_queued(client);
		return;
	}
	if (!db_available(route_db(client, function)))
	{
		answer_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
		return;
	}
	client->item.function = function;
	if (function == DB_LOOKUP)
	{
		client->item.kind = client->route->kind;
		client->item.user_id = client->members.number[MEMBER_USER_ID];
		client->item.handshake_id = client->members.handshake_id;
		client->outcome = outcome_of_lookup;
	}
	outcome_await(client);
}

/* One that is due, or any that is held while draining. */
static void
run_due(Client *client)
{
	if (!client->held)
		give_up(client);
	else if (client->http->stage == HTTP_DRAINS)
		outcome_release(client);
	else
	{
		timed_remove(client);
		ask_again(client);
	}
}

void
outcome_run_timed(Http *http)
{
	Client *next;

	if (http->now_ms < http->due_at_ms && http->stage != HTTP_DRAINS)
		return;
	http->due_at_ms = INT64_MAX;
	for (Client *client = http->timed; client != NULL; client = next)
	{
		next = client->timed_next;
		if (http->now_ms >= client->due_at_ms || (http->stage == HTTP_DRAINS && client->held))
			run_due(client);
		else if (client->due_at_ms < http->due_at_ms)
			http->due_at_ms = client->due_at_ms;
	}
}

/* Nothing was stored for a POST that is held for its key. */
void
outcome_release(Client *client)
{
	bool for_key = client->busy_count > 0 && !client->enqueued;

	timed_remove(client);
	if (for_key)
		answer_problem(client, CODE_IDEMPOTENCY_IN_PROGRESS, NULL);
	else
		answer_queued(client);
}
