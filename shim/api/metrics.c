/*
 * metrics.c
 *		GET /metrics: the shim's own counters, and behind them the text of the database.
 */
#include "api/metrics.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "base/file.h"
#include "base/log.h"
#include "http/reply.h"

#define MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TOKEN_LENGTH_MIN 16

bool
monitor_load_token(Monitor *monitor, const char *file)
{
	char *text = file_load(file, "token");
	size_t length = text ? strcspn(text, "\r\n") : 0;
	bool is_valid;

	if (text == NULL)
		return false;
	is_valid = length >= TOKEN_LENGTH_MIN && auth_is_token(text, length) &&
	           text[length + strspn(text + length, "\r\n")] == '\0';
	if (!is_valid)
		log_line(
		    "the file \"%s\" must have one line, a token of %d characters or more of "
		    "A-Z a-z 0-9 - . _ ~ + / =",
		    file, TOKEN_LENGTH_MIN);
	monitor->has_token =
	    is_valid && gnutls_hash_fast(GNUTLS_DIG_SHA256, text, length, monitor->token_hash) == 0;
	gnutls_memset(text, 0, strlen(text));
	free(text);
	return monitor->has_token;
}

static void
reply_metrics(Request *request, const char *of_database)
{
	Buffer *out = &request->client.http->scratch;

	buffer_reset(out);
	counters_write(out, request_api(request)->config.monitor, of_database != NULL);
	if (of_database != NULL)
		buffer_puts(out, of_database);
	reply_text(&request->client, MHD_HTTP_OK, MEDIA_TYPE);
}

static void
answer_metrics(Request *request, const DbResult *result)
{
	bool is_there = result->code == CODE_OK && result->row_count == 1;

	reply_metrics(request, is_there ? db_value(result, 0, METRICS_TEXT) : NULL);
	request_finish(request);
}

/* Whether a proxy has brought the request, which then does not come from where it seems to. */
static bool
is_forwarded(const Client *client)
{
	static const char *const fields[] = {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (MHD_lookup_connection_value(client->connection, MHD_HEADER_KIND, fields[i]) != NULL)
			return true;
	return false;
}

/* Whether the asker may see the numbers; else the reply is the refusal. */
static bool
may_read(Request *request)
{
	const Monitor *monitor = request_api(request)->config.monitor;
	Client *client = &request->client;

	if (monitor->has_token && !auth_has_token(request, monitor->token_hash))
	{
		reply_problem(client, CODE_UNAUTHENTICATED, "the token of --metrics-token-file is needed");
		reply_field(client, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"pg_wallet metrics\"");
		return false;
	}
	if (!monitor->has_token && (!client_is_local(client) || is_forwarded(client)))
	{
		reply_problem(
		    client, CODE_FOREIGN_ORIGIN,
		    "without --metrics-token-file this is for the programs of this machine alone");
		return false;
	}
	return true;
}

void
metrics_read(Request *request)
{
	if (!may_read(request))
		return;
	if (db_is_up(request_api(request)->dbs[DB_READS]))
		request_submit(request, DB_METRICS, answer_metrics);
	else
		reply_metrics(request, NULL);
}
