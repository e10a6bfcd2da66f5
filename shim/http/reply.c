/*
 * reply.c
 *		From a text to libmicrohttpd's response, with the fields each reply has.
 */
#include "http/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define RETRY_AFTER_S "1"
#define NEVER_KEPT "no-store" /* no cache may keep amounts and handshakes */

static void
add_field(Client *client, const char *name, const char *value)
{
	if (client->response != NULL)
		MHD_add_response_header(client->response, name, value);
}

/* Says which preferences the reply is made by. */
static void
add_preferences(Client *client, const ReplyHead *head)
{
	char wait[32] = "";
	char staleness[64] = "";

	if (head->wait_s != 0)
		snprintf(wait, sizeof(wait), "wait=%d", head->wait_s);
	if (head->staleness_s >= 0)
		snprintf(staleness, sizeof(staleness), "%s%smax-staleness=%d", wait, *wait ? ", " : "",
		         head->staleness_s);
	if (*staleness || *wait)
		add_field(client, "Preference-Applied", *staleness ? staleness : wait);
}

/* Adds the fields that depend on nothing but the head. */
static void
add_fields(Client *client)
{
	const ReplyHead *head = &client->reply_head;

	add_field(client, MHD_HTTP_HEADER_CACHE_CONTROL, NEVER_KEPT);
	if (head->media_type != NULL)
		add_field(client, MHD_HTTP_HEADER_CONTENT_TYPE, head->media_type);
	if (head->status == MHD_HTTP_ACCEPTED || head->status == MHD_HTTP_SERVICE_UNAVAILABLE ||
	    head->status == MHD_HTTP_TOO_MANY_REQUESTS)
		add_field(client, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
	add_preferences(client, head);
	if (head->must_close)
		add_field(client, MHD_HTTP_HEADER_CONNECTION, "close");
}

static bool
is_same(const ReplyHead *a, const ReplyHead *b)
{
	return a->status == b->status && a->media_type == b->media_type && a->length == b->length &&
	       a->wait_s == b->wait_s && a->staleness_s == b->staleness_s &&
	       a->must_close == b->must_close && a->has_location == b->has_location && !a->is_special;
}

/* Adds the location, in the place of the one that a kept response has. */
static void
set_location(Client *client, const char *location, bool is_kept)
{
	if (location == NULL)
		return;
	assert(strlen(location) < sizeof(client->location));
	if (is_kept)
		(void) MHD_del_response_header(client->response, MHD_HTTP_HEADER_LOCATION,
		                               client->location);
	strcpy(client->location, location);
	add_field(client, MHD_HTTP_HEADER_LOCATION, client->location);
}

/*
 * Makes the scratch buffer's text the reply, with the kept response if its head is the same.
 * location: NULL where there is none.
 */
static void
set_response(Client *client, unsigned status, const char *media_type, const char *location)
{
	Buffer *text = &client->http->scratch;
	bool applied = client->wait_until_ms != 0 && status < MHD_HTTP_BAD_REQUEST;
	ReplyHead head = {.status = text->failed ? MHD_HTTP_INTERNAL_SERVER_ERROR : status,
	                  .media_type = media_type,
	                  .length = text->failed ? 0 : text->length,
	                  .wait_s = applied ? client->head.wait_s : 0,
	                  .staleness_s = status < MHD_HTTP_BAD_REQUEST ? client->staleness_s : -1,
	                  .must_close = client->must_close || client->http->stage >= HTTP_CLOSES,
	                  .has_location = location != NULL};
	bool is_short = head.length <= sizeof(client->reply);

	assert(client->phase > PHASE_LINE && client->phase < PHASE_ANSWERING);
	reply_drop(client);
	client->problem = CODE_OK;
	if (is_short && head.length > 0)
		memcpy(client->reply, text->data, head.length);
	if (client->kept != NULL && is_short && client->names.id[0] == '\0' &&
	    is_same(&client->reply_head, &head))
	{
		client->response = client->kept;
		client->kept = NULL;
		set_location(client, location, true);
		return;
	}
	reply_forget(client);
	client->reply_head = head;
	client->response =
	    MHD_create_response_from_buffer(head.length, is_short ? client->reply : text->data,
	                                    is_short ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);
	add_fields(client);
	set_location(client, location, false);
	if (client->names.id[0] != '\0')
		reply_field(client, "X-Request-Id", client->names.id);
}

void
reply_field(Client *client, const char *name, const char *value)
{
	assert(client->phase != PHASE_ANSWERING);
	client->reply_head.is_special = true;
	add_field(client, name, value);
}

void
reply_sent(Client *client)
{
	assert(client->response != NULL && client->kept == NULL);
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
	set_response(client, status, "application/json", NULL);
}

void
reply_queued(Client *client, const char *location)
{
	set_response(client, MHD_HTTP_ACCEPTED, "application/json", location);
}

void
reply_text(Client *client, unsigned status, const char *media_type)
{
	set_response(client, status, media_type, NULL);
}

void
reply_status(Client *client, const char *status)
{
	buffer_reset(&client->http->scratch);
	buffer_printf(&client->http->scratch, "{\"status\":\"%s\"}", status);
	reply_scratch(client, MHD_HTTP_OK);
}

static const char *
title_of(int status)
{
	static const struct
	{
		int status;
		const char *title;
	} titles[] = {{400, "Bad Request"},
	              {401, "Unauthorized"},
	              {403, "Forbidden"},
	              {404, "Not Found"},
	              {405, "Method Not Allowed"},
	              {408, "Request Timeout"},
	              {409, "Conflict"},
	              {410, "Gone"},
	              {413, "Content Too Large"},
	              {415, "Unsupported Media Type"},
	              {422, "Unprocessable Content"},
	              {429, "Too Many Requests"},
	              {503, "Service Unavailable"}};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Internal Server Error";
}

void
reply_write_problem(Buffer *out, WalletCode code, const char *message)
{
	const WalletCodeInfo *info = &wallet_codes[code];

	assert(code != CODE_OK && code < CODE_COUNT);
	buffer_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\"",
	              title_of(info->http_status), info->http_status, info->name);
	json_put_escaped(out, ",\"detail\":", message ? message : info->message);
	if (info->hint[0] != '\0')
		json_put_escaped(out, ",\"hint\":", info->hint);
	buffer_puts(out, "}");
}

void
reply_problem(Client *client, WalletCode code, const char *message)
{
	Buffer *out = &client->http->scratch;

	buffer_reset(out);
	reply_write_problem(out, code, message);
	set_response(client, (unsigned) wallet_codes[code].http_status, "application/problem+json",
	             NULL);
	client->problem = code;
}

void
reply_too_large(Client *client)
{
	char message[MESSAGE_SIZE];

	snprintf(message, sizeof(message), "the body is larger than %zu bytes", client->body_size_max);
	reply_problem(client, CODE_BODY_TOO_LARGE, message);
}

void
reply_empty(Client *client, unsigned status)
{
	buffer_reset(&client->http->scratch);
	set_response(client, status, NULL, NULL);
}
