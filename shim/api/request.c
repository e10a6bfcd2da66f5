/*
 * request.c
 *		Requests that wait: for the database, or held until it is worth asking again.
 */
#include "api/request.h"

#include <assert.h>

#include "base/log.h"
#include "http/reply.h"

#define GRACE_MS 100 /* for the last question, which is asked when the time is over */

Db *
request_db(const Request *request, DbFunction function)
{
	bool writes = db_stores(function) || (function == DB_KEY && request->method == METHOD_POST);

	return request_api(request)->dbs[writes ? DB_WRITES : DB_READS];
}

/* Reads alone never take all the places, so that a POST finds one while they are slow. */
static bool
has_place(const Request *request)
{
	const Api *api = request_api(request);
	int places = api->config.waiting_max;

	return api->waiting_count < places &&
	       (request->method == METHOD_POST || api->read_count < places - places / 4);
}

void
request_submit(Request *request, DbFunction function, RequestOutcome *outcome)
{
	Api *api = request_api(request);
	Client *client = &request->client;

	if (!db_available(request_db(request, function)))
	{
		reply_problem(client, CODE_DATABASE_UNAVAILABLE, NULL);
		return;
	}
	if (!has_place(request) && function != DB_METRICS)
	{
		reply_problem(client, CODE_OVERLOADED, NULL);
		return;
	}
	request->item.function = function;
	request->outcome = outcome;
	client_wait(client);
	api->waiting_count++;
	api->read_count += request->method != METHOD_POST;
	request->waits_for_outcome = client->wait_until_ms != 0;
	api->outcome_count += request->waits_for_outcome;
	request_await(request);
}

static void
timed_add(Request *request, int64_t due_at_ms)
{
	Http *http = request->client.http;
	Api *api = request_api(request);

	assert(!request->is_timed && request->client.phase == PHASE_WAITING);
	request->is_timed = true;
	request->due_at_ms = due_at_ms;
	if (due_at_ms < http->due_at_ms)
		http->due_at_ms = due_at_ms;
	request->timed_previous = NULL;
	request->timed_next = api->timed;
	if (api->timed != NULL)
		api->timed->timed_previous = request;
	api->timed = request;
}

void
request_untime(Request *request)
{
	assert(request->is_timed);
	request->is_timed = false;
	request->client.is_held = false;
	if (request->timed_previous != NULL)
		request->timed_previous->timed_next = request->timed_next;
	else
		request_api(request)->timed = request->timed_next;
	if (request->timed_next != NULL)
		request->timed_next->timed_previous = request->timed_previous;
}

/* The item's result has come in time. */
static void
item_done(DbItem *item, const DbResult *result)
{
	Request *request = (Request *) ((char *) item - offsetof(Request, item));

	assert(request->client.phase == PHASE_WAITING && !request->client.is_held);
	if (request->is_timed)
		request_untime(request);
	request->outcome(request, result);
}

void
request_await(Request *request)
{
	int64_t now_ms = request->client.http->now_ms;
	int64_t until_ms = request->client.wait_until_ms;

	assert(request->client.phase == PHASE_WAITING && !request->client.is_held);
	request->db = request_db(request, request->item.function);
	request->item.done = item_done;
	if (until_ms != 0)
		timed_add(request, (until_ms > now_ms ? until_ms : now_ms) + GRACE_MS);
	db_submit(request->db, &request->item, now_ms);
}

void
request_hold(Request *request, int64_t due_at_ms)
{
	timed_add(request, due_at_ms);
	request->client.is_held = true;
}

static void
leave_place(Request *request)
{
	Api *api = request_api(request);

	assert(!request->is_timed);
	api->waiting_count--;
	api->read_count -= request->method != METHOD_POST;
	api->outcome_count -= request->waits_for_outcome;
	assert(api->read_count >= 0 && api->waiting_count >= api->read_count);
}

void
request_finish(Request *request)
{
	leave_place(request);
	client_resume(&request->client);
}

void
request_go_on(Request *request)
{
	leave_place(request);
	client_go_on(&request->client);
}

void
request_finish_queued(Request *request)
{
	Buffer *out = &request->client.http->scratch;

	buffer_reset(out);
	shape_write_queued(out, request->route->kind->shape, request->members.handshake_id);
	reply_scratch(&request->client, MHD_HTTP_ACCEPTED);
	request_finish(request);
}

void
request_finish_problem(Request *request, WalletCode code, const char *message)
{
	reply_problem(&request->client, code, message);
	request_finish(request);
}
