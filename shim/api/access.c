/*
 * access.c
 *		The access log: a line of JSON for each request, on stdout.
 *
 * A loop collects the lines of a round and writes them at once, so that a busy shim makes one
 * system call for many requests, and lines of two loops do not mix.
 */
#include "api/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"

/* The method as it is counted: a client's own word is not repeated. */
static const char *const methods[] = {[METHOD_READ] = "GET",
                                      [METHOD_POST] = "POST",
                                      [METHOD_OPTIONS] = "OPTIONS",
                                      [METHOD_OTHER] = NULL};

static const char *
text_or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

static void
put_time(Buffer *lines)
{
	struct timespec now;
	struct tm parts;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	buffer_printf(lines, "{\"time\":\"%s.%03dZ\"", text, (int) (now.tv_nsec / 1000000));
}

void
access_add(Buffer *lines, Request *request, const char *route)
{
	Client *client = &request->client;
	const char *code = client->problem != CODE_OK ? wallet_codes[client->problem].name : NULL;

	/* A request that ends before its head was there has none yet. */
	if (client->names.id[0] == '\0')
		names_make_id(client->http, &client->names);
	put_time(lines);
	json_put_text(lines, ",\"id\":", client->names.id);
	json_put_text(lines, ",\"trace_id\":", text_or_null(client->names.trace_id));
	json_put_text(lines, ",\"method\":", methods[request->method]);
	json_put_text(lines, ",\"route\":", route);
	if (client->answered_status != 0)
		buffer_printf(lines, ",\"status\":%u", client->answered_status);
	else
		json_put_text(lines, ",\"status\":", NULL);
	json_put_text(lines, ",\"code\":", code);
	buffer_printf(lines, ",\"ms\":%" PRId64, client->http->now_ms - client->started_at_ms);
	if (request->key.name[0] != '\0')
		json_put_escaped(lines, ",\"key\":", request->key.name);
	else
		json_put_text(lines, ",\"key\":", NULL);
	buffer_puts(lines, "}\n");
}

void
access_write(Buffer *lines)
{
	if (lines->length == 0)
		return;
	flockfile(stdout);
	fwrite(lines->data, 1, lines->length, stdout);
	fflush(stdout);
	funlockfile(stdout);
	buffer_reset(lines);
}
