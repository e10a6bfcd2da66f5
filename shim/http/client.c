/*
 * client.c
 *		The clients of an event loop, their phases and what they are charged.
 */
#include "http/client.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/listener.h"

Client *
client_open(Http *http, struct MHD_Connection *connection)
{
	Client *client;

	assert(owner_is_here(&http->owner) && http->handler->client_size >= sizeof(Client));
	client = calloc(1, http->handler->client_size);
	if (client == NULL)
		return NULL;
	client->http = http;
	client->connection = connection;
	client->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	client->idle_known = true;
	client->next = http->clients;
	if (http->clients != NULL)
		http->clients->previous = client;
	http->clients = client;
	http->client_count++;
	client_set_phase(client, PHASE_IDLE,
	                 http->now_ms + http->config.request_timeout_s * INT64_C(1000));
	return client;
}

bool
client_is_local(const Client *client)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(client->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info != NULL && info->client_addr != NULL && listener_is_loopback(info->client_addr);
}

void
client_close(Client *client)
{
	Http *http = client->http;

	assert(client->phase != PHASE_WAITING && client->response == NULL && client->kept == NULL);
	http->client_count--;
	if (client->phase >= PHASE_HEAD)
		http->request_count--;
	if (http->sweep_next == client)
		http->sweep_next = client->next;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		http->clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	client_discharge(client);
	buffer_free(&client->query);
	free(client);
}

void
client_set_phase(Client *client, Phase phase, int64_t deadline_ms)
{
	client->phase = phase;
	client->deadline_ms = deadline_ms;
}

bool
client_charge(Client *client, size_t bytes)
{
	Http *http = client->http;
	size_t others;

	assert(http->charged >= client->charge);
	others = http->charged - client->charge;
	if (bytes > client->charge && bytes > http->config.large_bytes_max - others)
		return false;
	client->charge = bytes;
	http->charged = others + bytes;
	return true;
}

void
client_discharge(Client *client)
{
	free(client->extra);
	client->extra = NULL;
	buffer_free(&client->body);
	client_charge(client, 0);
}

void
client_wait(Client *client)
{
	assert(client->phase == PHASE_RECEIVING || client->phase == PHASE_COMPLETE);
	client->suspended_phase = client->phase;
	client->suspended_at_ms = client->http->now_ms;
	client->phase = PHASE_WAITING;
}

static void
resume(Client *client, Phase phase, int64_t deadline_ms)
{
	assert(owner_is_here(&client->http->owner) && client->phase == PHASE_WAITING);
	assert(!client->is_held);
	client->http->pending = true;
	client_set_phase(client, phase, deadline_ms);
	MHD_resume_connection(client->connection);
}

void
client_resume(Client *client)
{
	resume(client, PHASE_ANSWERING, client->http->now_ms + CLIENT_ANSWER_TIMEOUT_MS);
}

/* The time that the request has waited does not count as the client's. */
void
client_go_on(Client *client)
{
	bool at_head = client->suspended_phase == PHASE_RECEIVING;
	int64_t waited_ms = clock_ms() - client->suspended_at_ms;

	if (!at_head && client->response != NULL)
		client_resume(client);
	else
		resume(client, at_head ? PHASE_RESUMED : PHASE_COMPLETE, client->deadline_ms + waited_ms);
}
