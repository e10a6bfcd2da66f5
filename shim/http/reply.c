/*
 * reply.c
 *		From a text to libmicrohttpd's response, with the fields each reply has.
 */
#include <stdio.h>
#include <string.h>

#include "http/client.h"

#define RETRY_AFTER_S "1"
#define NEVER_KEPT "no-store" /* amounts and handshakes are nobody's but the asker's */

static void
add_field(Client *client, const char *name, const char *value)
{
	if (client->response != NULL)
		MHD_add_response_header(client->response, name, value);
}

/* The fields that depend on nothing but the head. */
static void
add_fields(Client *client)
{
	const ReplyHead *head = &client->reply_head;
	char preference[32];

	add_field(client, MHD_HTTP_HEADER_CACHE_CONTROL, NEVER_KEPT);
	if (head->media_type != NULL)
		add_field(client, MHD_HTTP_HEADER_CONTENT_TYPE, head->media_type);
	if (head->status == MHD_HTTP_ACCEPTED || head->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		add_field(client, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
	if (head->wait_s != 0)
	{
		snprintf(preference, sizeof(preference), "wait=%d", head->wait_s);
		add_field(client, "Preference-Applied", preference);
	}
	if (head->must_close)
		add_field(client, MHD_HTTP_HEADER_CONNECTION, "close");
}

static bool
is_same(const ReplyHead *a, const ReplyHead *b)
{
	return a->status == b->status && a->media_type == b->media_type && a->length == b->length &&
	       a->wait_s == b->wait_s && a->must_close == b->must_close && !a->is_special;
}

/* Makes the scratch buffer's text the reply, with the kept response if that does. */
static void
set_response(Client *client, unsigned status, const char *media_type)
{
	Buffer *text = &client->http->scratch;
	bool applied = client->wait_until_ms != 0 && status < MHD_HTTP_BAD_REQUEST;
	ReplyHead head = {.status = text->failed ? MHD_HTTP_INTERNAL_SERVER_ERROR : status,
	                  .media_type = media_type,
	                  .length = text->failed ? 0 : text->length,
	                  .wait_s = applied ? client->head.wait_s : 0,
	                  .must_close = client->must_close || client->http->stage >= HTTP_CLOSES};
	bool is_short = head.length <= sizeof(client->reply);

	reply_drop(client);
	if (is_short && head.length > 0)
		memcpy(client->reply, text->data, head.length);
	if (client->kept != NULL && is_short && is_same(&client->reply_head, &head))
	{
		client->response = client->kept;
		client->kept = NULL;
		return;
	}
	reply_forget(client);
	client->reply_head = head;
	client->response =
	    MHD_create_response_from_buffer(head.length, is_short ? client->reply : text->data,
	                                    is_short ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);
	add_fields(client);
}

void
reply_field(Client *client, const char *name, const char *value)
{
	client->reply_head.is_special = true;
	add_field(client, name, value);
}

void
reply_sent(Client *client)
{
	if (client->reply_head.length <= sizeof(client->reply))
		client->kept = client->response;
	else
		MHD_destroy_response(client->response);
	client->response = NULL;
}

void
reply_drop(Client *client)
{
	if (client->response != NULL)
		MHD_destroy_response(client->response);
	client->response = NULL;
}

void
reply_forget(Client *client)
{
	reply_drop(client);
	if (client->kept != NULL)
		MHD_destroy_response(client->kept);
	client->kept = NULL;
}

void
reply_scratch(Client *client, unsigned status)
{
	set_response(client, status, "application/json");
}

void
reply_status(Client *client, const char *status)
{
	buffer_reset(&client->http->scratch);
	buffer_printf(&client->http->scratch, "{\"status\":\"%s\"}", status);
	reply_scratch(client, MHD_HTTP_OK);
}

void
reply_problem(Client *client, WalletCode code, const char *message)
{
	Buffer *out = &client->http->scratch;

	buffer_reset(out);
	json_write_problem(out, code, message);
	set_response(client, (unsigned) wallet_codes[code].http_status, "application/problem+json");
}

void
reply_empty(Client *client, unsigned status)
{
	buffer_reset(&client->http->scratch);
	set_response(client, status, NULL);
}
