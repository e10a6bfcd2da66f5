/*
 * api.c
 *		The handler of HTTP requests, and what the requests of a loop share.
 */
#include "api/api.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/answers.h"
#include "api/routes.h"

static void
arrive(Client *client)
{
	routes_find(request_of(client));
}

static bool
admit(Client *client)
{
	return routes_admit(request_of(client));
}

static void
begin(Client *client)
{
	routes_begin(request_of(client));
}

static void
start(Client *client)
{
	routes_start(request_of(client));
}

static void
abandon(Client *client)
{
	answers_release(request_of(client));
}

static void
finish(Client *client)
{
	Request *request = request_of(client);
	Api *api = request_api(request);
	int route = routes_number(request);

	counters_add(api->metrics, route, request->method, client->answered_status,
	             client->http->now_ms - client->started_at_ms);
	if (api->config.access_log)
		access_add(&api->access_lines, request, route < 0 ? NULL : routes_path(route));
}

static void
run(Http *http)
{
	const Api *api = http->context;
	Gauges gauges;

	answers_run_timed(http);
	gauges.connections = http->client_count;
	gauges.waiting = api->waiting_count;
	gauges.waiting_for_outcome = api->outcome_count;
	counters_set_gauges(api->metrics, &gauges);
}

const HttpHandler api_handler = {
    sizeof(Request), arrive, admit, begin, start, finish, abandon, run,
};

Api *
api_create(const ApiConfig *config, Db *const dbs[DB_ROLE_COUNT])
{
	Api *api = calloc(1, sizeof(Api));

	if (api == NULL)
		return NULL;
	api->config = *config;
	memcpy(api->dbs, dbs, sizeof(api->dbs));
	if (config->keys_needed)
		api->keys = keys_create();
	api->metrics = counters_create(config->monitor, routes_count(), routes_path);
	if (api->metrics != NULL && (!config->keys_needed || api->keys != NULL))
		return api;
	free(api->keys);
	free(api);
	return NULL;
}

void
api_end_round(Api *api)
{
	access_write(&api->access_lines);
}

void
api_destroy(Api *api)
{
	if (api == NULL)
		return;
	assert(api->timed == NULL && api->waiting_count == 0);
	access_write(&api->access_lines);
	buffer_free(&api->access_lines);
	free(api->keys);
	free(api);
}
