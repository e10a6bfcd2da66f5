/*
 * reply.c
 *		From a text to libmicrohttpd's response, with the fields each reply has.
 */
#include <stdio.h>

#include "client.h"

#define RETRY_AFTER_S "1"

static void
set_response(Client *client, unsigned status, const char *media_type)
{
	Buffer *text = &client->http->scratch;
	char preference[32];

	if (client->response != NULL)
		MHD_destroy_response(client->response);
	client->status = status;
	client->response = MHD_create_response_from_buffer(text->failed ? 0 : text->length, text->data,
	                                                   MHD_RESPMEM_MUST_COPY);
	if (client->response == NULL)
		return;
	if (text->failed)
		client->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	if (media_type != NULL)
		reply_field(client, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
	if (status == MHD_HTTP_ACCEPTED || status == MHD_HTTP_SERVICE_UNAVAILABLE)
		reply_field(client, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
	if (client->wait_until_ms != 0 && status < MHD_HTTP_BAD_REQUEST)
	{
		snprintf(preference, sizeof(preference), "wait=%d", client->head.wait_s);
		reply_field(client, "Preference-Applied", preference);
	}
	if (client->must_close || client->http->draining)
		reply_field(client, MHD_HTTP_HEADER_CONNECTION, "close");
}

void
reply_field(Client *client, const char *name, const char *value)
{
	if (client->response != NULL)
		MHD_add_response_header(client->response, name, value);
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
