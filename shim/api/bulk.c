/*
 * bulk.c
 *		Many transfers in one request: an array in, an array out.
 *
 * The body is kept as it came and cut into slices, which go to the database in
 * one statement of their own: all of them become durable in one commit, or
 * none.  Each is judged by itself, so the answer is one object for each, in
 * their order.
 *
 * What all of this takes is charged to the loop (client_charge): the body while
 * it comes in, the slices and the answer to come before the statement is sent,
 * the answer alone until the client has it.
 */
#include <stdlib.h>

#include "api/array.h"
#include "http/client.h"

/* No element of an answer is longer than this and what it repeats of the body. */
#define REPLY_ITEM_SIZE 256

void
bulk_release(Client *client)
{
	free(client->slices);
	client->slices = NULL;
	buffer_free(&client->body);
}

/* Puts the refusal of the whole request into the client. */
static void
refuse(Client *client, WalletCode code)
{
	bulk_release(client);
	client_charge(client, 0);
	reply_problem(client, code, NULL);
}

/* Whether all of them are in the name of the key's user; an element that names none is not. */
static bool
allows_all(Client *client, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!auth_allows_payload(client, client->slices[i].text, client->slices[i].length))
			return false;
	return true;
}

static void
outcome_of_bulk(DbItem *item, const DbResult *result)
{
	Client *client = (Client *) item;
	Buffer *out = &client->http->scratch;

	if (result->code != CODE_OK)
		refuse(client, result->code);
	else if (result->row_count != item->slice_count)
		refuse(client, CODE_INTERNAL_ERROR);
	else
	{
		buffer_reset(out);
		json_write_bulk(out, result);
		reply_scratch(client, MHD_HTTP_ACCEPTED);
		bulk_release(client);
		client_charge(client, out->length);
	}
	client_resume(client);
}

/* Nothing was asked for, and nothing is wrong. */
static void
answer_nothing(Client *client)
{
	buffer_reset(&client->http->scratch);
	buffer_puts(&client->http->scratch, "[]");
	reply_scratch(client, MHD_HTTP_ACCEPTED);
}

void
bulk_start(Client *client)
{
	DbItem *item = &client->item;
	size_t slices_max = client->body.length / 2 + 1; /* an element and its comma */
	size_t count;
	WalletCode code;

	if (slices_max > BULK_ITEMS_MAX)
		slices_max = BULK_ITEMS_MAX;
	client->wait_until_ms = 0;
	client->slices = malloc(slices_max * sizeof(Slice));
	if (client->slices == NULL)
	{
		refuse(client, CODE_INTERNAL_ERROR);
		return;
	}
	code = array_split(client->body.data, client->body.length, client->slices, slices_max, &count);
	if (code == CODE_OK && count > BULK_ITEMS_MAX)
		code = CODE_TOO_MANY_ITEMS;
	if (code == CODE_OK &&
	    !client_charge(client, client->body.capacity + slices_max * sizeof(Slice) +
	                               count * REPLY_ITEM_SIZE))
		code = CODE_OVERLOADED;
	if (code != CODE_OK)
	{
		refuse(client, code);
		return;
	}
	if (count == 0)
	{
		answer_nothing(client);
		return;
	}
	if (!allows_all(client, count))
	{
		bulk_release(client);
		client_charge(client, 0);
		return;
	}
	item->kind = client->route->kind;
	item->slices = client->slices;
	item->slice_count = (int) count;
	item->idempotency_key = client->head.key_count ? client->head.idempotency_key : NULL;
	route_submit(client, DB_BULK, outcome_of_bulk);
}
