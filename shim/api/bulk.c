/*
 * bulk.c
 *		Many transfers in one request: an array in, an array out.
 *
 * The body is kept as it came and cut into slices, which go to the database in one statement of
 * their own: all of them become durable in one commit, or none.  Each is judged by itself, so the
 * answer is one object for each, in their order.
 *
 * What all of this takes is charged to the loop (client_charge): the body while it comes in, the
 * slices and the answer to come before the statement is sent, the answer alone until the client
 * has it.
 */
#include "api/bulk.h"

#include <assert.h>
#include <stdlib.h>

#include "api/array.h"
#include "api/auth.h"
#include "api/question.h"
#include "http/reply.h"

/* An element of an answer has at most so many bytes, besides what it repeats of the body. */
#define REPLY_ITEM_SIZE 256

/* Refuses the request as a whole. */
static void
refuse(Client *client, WalletCode code)
{
	client_discharge(client);
	reply_problem(client, code, NULL);
}

static void
outcome_of_bulk(Request *request, const DbResult *result)
{
	Client *client = &request->client;
	Buffer *out = &client->http->scratch;

	if (result->code != CODE_OK)
		refuse(client, result->code);
	else if (result->row_count != request->item.slice_count)
		refuse(client, CODE_INTERNAL_ERROR);
	else
	{
		buffer_reset(out);
		shape_write_bulk(out, result);
		reply_scratch(client, MHD_HTTP_ACCEPTED);
		client_discharge(client);
		client_charge(client, out->length);
	}
	request_finish(request);
}

/* Whether a key that acts for one user acts for each element; one without a user is nobody's. */
static bool
allows_all(Request *request, const Slice *slices, size_t count)
{
	for (size_t i = 0; i < count && request->key.user_id != 0; i++)
	{
		int64_t user_id = 0;

		if (!question_read_user_id(slices[i].text, slices[i].length, &user_id))
			user_id = 0;
		if (!auth_allows_user(request, user_id))
			return false;
	}
	return true;
}

/* Cuts the body into slices, which are charged. */
static WalletCode
cut_body(Client *client, size_t *count)
{
	size_t slices_max = client->body.length / 2 + 1; /* an element and its comma */
	WalletCode code;

	if (slices_max > BULK_ITEMS_MAX)
		slices_max = BULK_ITEMS_MAX;
	client->extra = malloc(slices_max * sizeof(Slice));
	if (client->extra == NULL)
		return CODE_INTERNAL_ERROR;
	code = array_split(client->body.data, client->body.length, client->extra, slices_max, count);
	if (code == CODE_OK && *count > BULK_ITEMS_MAX)
		code = CODE_TOO_MANY_ITEMS;
	if (code == CODE_OK &&
	    !client_charge(client, client->body.capacity + slices_max * sizeof(Slice) +
	                               *count * REPLY_ITEM_SIZE))
		code = CODE_OVERLOADED;
	return code;
}

void
bulk_start(Request *request)
{
	Client *client = &request->client;
	DbItem *item = &request->item;
	size_t count;
	WalletCode code;

	assert(client->extra == NULL && client->body.length > 0);
	client->wait_until_ms = 0;
	code = cut_body(client, &count);
	if (code != CODE_OK)
		refuse(client, code);
	else if (count == 0)
	{
		buffer_reset(&client->http->scratch);
		buffer_puts(&client->http->scratch, "[]");
		reply_scratch(client, MHD_HTTP_ACCEPTED);
	}
	else if (!allows_all(request, client->extra, count))
		client_discharge(client);
	else
	{
		item->kind = request->route->kind->name;
		item->slices = client->extra;
		item->slice_count = (int) count;
		item->idempotency_key = client->head.key_count ? client->head.idempotency_key : NULL;
		request_submit(request, DB_BULK, outcome_of_bulk);
	}
}
