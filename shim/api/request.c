/*
 * request.c
 *		Requests that wait: for the database, or held until it is worth asking again.
 *
 * A read may go to a replica (--db-read).  First the primary is asked how far it is, unless the
 * client allows some staleness and that was asked not long ago.  Then the replica is asked, and
 * says how far it was before it read.  Whatever speaks against its answer, an error of its own or
 * its age, sends the question to the primary: an answer is never worse for the replica.
 */
#include "api/request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "http/reply.h"

#define REPLICA_REST_MS 100
#define GRACE_MS 100 /* for the last question, which is asked when the time is over */

Db *
request_db(const Request *request, DbFunction function)
{
	bool writes = db_stores(function) || ((function == DB_KEY || function == DB_POSITION) &&
	                                      request->method == METHOD_POST);

	return request_api(request)->dbs[writes ? DB_WRITES : DB_READS];
}

/* How old what is read may be; a client that says nothing is told what is true when it asks. */
static int64_t
staleness_ms(const Request *request)
{
	int seconds = request->client.head.staleness_s;

	return seconds > 0 ? seconds * INT64_C(1000) : 0;
}

/*
 * What is done first for a question of this function.  A read with some staleness uses a sample
 * that half of it is left for, or any that is not too old while the primary is away; a read
 * without takes its own.
 */
static Step
first_step(const Request *request, DbFunction function, int64_t now_ms)
{
	const Api *api = request_api(request);
	const Db *replica = api->dbs[DB_REPLICA];
	int64_t age_ms = replica_sample_age_ms(&api->replica, now_ms);
	int64_t allowed_ms = staleness_ms(request);

	if (replica == NULL || !db_is_standby(replica) ||
	    (now_ms < api->replica.rests_until_ms && allowed_ms < api->replica.behind_ms) ||
	    request->method == METHOD_POST || !db_is_read(function))
		return STEP_PRIMARY;
	if (age_ms < allowed_ms / 2 || (age_ms < allowed_ms && !db_is_up(api->dbs[DB_READS])))
		return STEP_REPLICA;
	return STEP_SAMPLE;
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

	if (!db_available(request_db(request, function)) &&
	    first_step(request, function, client->http->now_ms) != STEP_REPLICA)
	{
		reply_problem(client, db_refusal(request_db(request, function)), NULL);
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

static void send_item(Request *request, Step step, DbFunction function);

/* The question goes to the primary, whatever the replica has said. */
static void
ask_primary(Request *request)
{
	if (db_available(request_db(request, request->function)))
		send_item(request, STEP_PRIMARY, request->function);
	else
		request_finish_problem(request, db_refusal(request_db(request, request->function)), NULL);
}

/* The primary has said how far it is. */
static void
take_sample(Request *request, const DbResult *result)
{
	Api *api = request_api(request);
	int64_t now_ms = request->client.http->now_ms;
	bool known = result->code == CODE_OK && result->row_count == 1 &&
	             position_read(db_value(result, 0, POSITION_TEXT), &request->sampled);

	if (known)
		replica_sample(&api->replica, &request->sampled, request->item.submitted_at_ms);
	known = known || replica_sample_age_ms(&api->replica, now_ms) < staleness_ms(request);
	if (known && db_is_standby(api->dbs[DB_REPLICA]))
		send_item(request, STEP_REPLICA, request->function);
	else
		ask_primary(request);
}

/*
 * Whether what the replica has read is new enough: not older than what the client was told, and
 * than the client allows.  A replica that is too far behind for a client is not asked again soon.
 */
static bool
is_new_enough(Request *request, const DbResult *result)
{
	Replica *replica = &request_api(request)->replica;
	int64_t now_ms = clock_ms();
	int64_t allowed_ms = staleness_ms(request);
	Position replayed;

	if (result->code != CODE_OK || result->before == NULL ||
	    !position_read(result->before, &replayed))
		return false;
	request->lag_ms = replica_lag_ms(replica, &replayed, now_ms);
	if (request->lag_ms > allowed_ms + REPLICA_REST_MS)
	{
		replica->behind_ms = request->lag_ms;
		replica->rests_until_ms = now_ms + REPLICA_REST_MS;
	}
	if (!position_covers(&replayed, &request->demanded))
		return false;
	if (allowed_ms > 0)
		return request->lag_ms <= allowed_ms;
	assert(request->sampled.timeline != 0);
	request->lag_ms = now_ms - request->asked_at_ms;
	return position_covers(&replayed, &request->sampled);
}

/* The item's result has come in time. */
static void
item_done(DbItem *item, const DbResult *result)
{
	Request *request = (Request *) ((char *) item - offsetof(Request, item));

	assert(request->client.phase == PHASE_WAITING && !request->client.is_held);
	if (request->is_timed)
		request_untime(request);
	if (request->step == STEP_SAMPLE)
	{
		take_sample(request, result);
		return;
	}
	if (request->step == STEP_PRIMARY)
		request->lag_ms = db_is_read(item->function) ? 0 : -1;
	else if (!is_new_enough(request, result))
	{
		ask_primary(request);
		return;
	}
	if (result->code == CODE_OK && result->after != NULL)
		snprintf(request->position, sizeof(request->position), "%s", result->after);
	request->outcome(request, result);
}

static void
send_item(Request *request, Step step, DbFunction function)
{
	Client *client = &request->client;
	int64_t now_ms = client->http->now_ms;
	int64_t until_ms = client->wait_until_ms;
	DbItem *item = &request->item;

	assert(client->phase == PHASE_WAITING && !client->is_held);
	request->step = step;
	request->db = step == STEP_REPLICA ? request_api(request)->dbs[DB_REPLICA]
	                                   : request_db(request, function);
	item->function = function;
	item->done = item_done;
	item->wants_position = request->tells_position && db_is_read(function);
	if (until_ms != 0)
		timed_add(request, (until_ms > now_ms ? until_ms : now_ms) + GRACE_MS);
	db_submit(request->db, item, now_ms);
}

void
request_await(Request *request)
{
	int64_t now_ms = request->client.http->now_ms;
	Step step = first_step(request, request->item.function, now_ms);

	request->function = request->item.function;
	request->asked_at_ms = now_ms;
	request->sampled = (Position){0};
	send_item(request, step, step == STEP_SAMPLE ? DB_POSITION : request->function);
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

/* Adds what the client has asked for: up to where it was told, and how old that may be. */
static void
finish(Request *request)
{
	bool tells =
	    request->tells_position && request->client.reply_head.status < MHD_HTTP_BAD_REQUEST;
	char lag[32];

	if (tells && request->position[0] != '\0')
		reply_field(&request->client, "X-Wallet-Position", request->position);
	if (tells && request->lag_ms >= 0)
	{
		snprintf(lag, sizeof(lag), "%" PRId64 ".%03d", request->lag_ms / 1000,
		         (int) (request->lag_ms % 1000));
		reply_field(&request->client, "X-Wallet-Lag", lag);
	}
	leave_place(request);
	client_resume(&request->client);
}

static void
finish_positioned(Request *request, const DbResult *result)
{
	if (result->code == CODE_OK && result->row_count == 1)
		snprintf(request->position, sizeof(request->position), "%s",
		         db_value(result, 0, POSITION_TEXT));
	finish(request);
}

/*
 * What was stored is committed: the database's position now is one that a read has to reach.  It
 * is asked for where the client wants it, and only once.
 */
void
request_finish(Request *request)
{
	bool stored = db_stores(request->item.function) &&
	              request->client.reply_head.status < MHD_HTTP_BAD_REQUEST;

	if (!stored || !request->tells_position || !db_is_up(request_db(request, DB_ENQUEUE)))
	{
		finish(request);
		return;
	}
	request->outcome = finish_positioned;
	request->item.function = DB_POSITION;
	request_await(request);
}

void
request_go_on(Request *request)
{
	leave_place(request);
	client_go_on(&request->client);
}

void
request_tell_repeated(Request *request)
{
	if (request->is_repeated)
		reply_field(&request->client, "Idempotent-Replayed", "true");
}

void
request_finish_queued(Request *request)
{
	Buffer *out = &request->client.http->scratch;
	const Members *members = &request->members;
	int64_t user_id = members->number[MEMBER_USER_ID];
	const char *path = request->route->path;
	char location[LOCATION_SIZE];

	if (user_id != 0)
		snprintf(location, sizeof(location), "%s?user_id=%" PRId64 "&handshake_id=%s", path,
		         user_id, members->handshake_id);
	else
		snprintf(location, sizeof(location), "%s?handshake_id=%s", path, members->handshake_id);
	buffer_reset(out);
	shape_write_queued(out, request->route->kind->shape, members->handshake_id);
	reply_queued(&request->client, location);
	request_tell_repeated(request);
	request_finish(request);
}

void
request_finish_problem(Request *request, WalletCode code, const char *message)
{
	reply_problem(&request->client, code, message);
	request_finish(request);
}
