/*
 * api.c
 *		The handler of HTTP requests, and what the requests of a loop share.
 */
#include "api/api.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
	const Request *request = request_of(client);

	counters_add(request_api(request)->metrics, routes_number(request), request->method,
	             client->answered_status, client->http->now_ms - client->started_at_ms);
}

static void
run(Http *http)
{
	const Api *api = http->context;

	answers_run_timed(http);
	counters_set_gauges(api->metrics, &(Gauges){.connections = http->client_count,
	                                            .waiting = api->waiting_count,
	                                            .waiting_for_outcome = api->outcome_count});
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
api_destroy(Api *api)
{
	if (api == NULL)
		return;
	assert(api->timed == NULL && api->waiting_count == 0);
	free(api->keys);
	free(api);
}
