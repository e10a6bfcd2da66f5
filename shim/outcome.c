/*
 * outcome.c
 *		From an item's result to the reply, and the requests held by
 *		Prefer: wait until there is one.
 *
 * A request that has been enqueued is durable, and its handshake is the answer
 * to it whatever happens next: from then on it never ends in a problem.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "log.h"

#define POLL_PAUSE_MAX_MS 50

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

/*
 * Puts a request aside until its outcome is worth asking for again; false when
 * time is up.  That is after a millisecond and half the time it has been held, so
 * that an outcome is seen soon, and by few questions, whenever it comes.
 */
static bool
hold(Client *client)
{
	Http *http = client->http;
	int64_t now_ms = client->wait_until_ms ? clock_ms() : 0;
	int64_t pause_ms;

	if (now_ms >= client->wait_until_ms || http->draining)
		return false;
	if (client->held_since_ms == 0)
		client->held_since_ms = now_ms;
	pause_ms = 1 + (now_ms - client->held_since_ms) / 2;
	client->poll_at_ms = now_ms + (pause_ms < POLL_PAUSE_MAX_MS ? pause_ms : POLL_PAUSE_MAX_MS);
	if (client->poll_at_ms > client->wait_until_ms)
		client->poll_at_ms = client->wait_until_ms;
	if (client->poll_at_ms < http->poll_at_ms)
		http->poll_at_ms = client->poll_at_ms;
	client->held = true;
	client->held_previous = NULL;
	client->held_next = http->held;
	if (http->held != NULL)
		http->held->held_previous = client;
	http->held = client;
	return true;
}

static void
unhold(Client *client)
{
	client->held = false;
	if (client->held_previous != NULL)
		client->held_previous->held_next = client->held_next;
	else
		client->http->held = client->held_next;
	if (client->held_next != NULL)
		client->held_next->held_previous = client->held_previous;
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
	const char *alive;

	if (result->code != CODE_OK || result->row_count != 1)
	{
		answer_problem(client, CODE_DATABASE_UNAVAILABLE, result->message);
		return;
	}
	alive = db_value(result, 0, READY_WORKER_ALIVE);
	if (alive != NULL && *alive == 't')
	{
		reply_status(client, "ready");
		client_resume(client);
		return;
	}
	answer_problem(client, CODE_WORKER_UNAVAILABLE, db_value(result, 0, READY_DETAIL));
}

/* Asks for the outcome once more; a request that is durable never ends in a problem. */
static void
poll_outcome(Client *client)
{
	if (!db_available(client->http->db) && client->enqueued)
	{
		answer_queued(client);
		return;
	}
	if (!db_available(client->http->db))
	{
		answer_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
		return;
	}
	client->item.kind = client->route->kind;
	client->item.user_id = client->members.number[MEMBER_USER_ID];
	client->item.handshake_id = client->members.handshake_id;
	client->item.function = DB_LOOKUP;
	client->item.done = outcome_of_lookup;
	db_submit(client->http->db, &client->item);
}

void
outcome_poll_held(Http *http)
{
	Client *next;

	if (http->now_ms < http->poll_at_ms && !http->draining)
		return;
	http->poll_at_ms = INT64_MAX;
	for (Client *client = http->held; client != NULL; client = next)
	{
		next = client->held_next;
		if (http->draining)
			outcome_release(client);
		else if (http->now_ms >= client->poll_at_ms)
		{
			unhold(client);
			poll_outcome(client);
		}
		else if (client->poll_at_ms < http->poll_at_ms)
			http->poll_at_ms = client->poll_at_ms;
	}
}

void
outcome_release(Client *client)
{
	unhold(client);
	answer_queued(client);
}
