/*
 * bulk.c
 *		Many in one request: an array in, an array out.
 *
 * The body is kept as it came and cut into slices, which go to the database in one statement of
 * their own: all that is stored becomes durable in one commit, or nothing.  Each is judged by
 * itself, so the answer is one object for each, in their order.  Some are refused here, and are
 * not sent: what names no kind, what the API key has no scope for, what is no question.
 *
 * What all of this takes is charged to the loop (client_charge): the body while it comes in, the
 * elements and the answer to come before the statement is sent, the answer alone until the client
 * has it.
 */
#include "api/bulk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/array.h"
#include "api/auth.h"
#include "api/question.h"
#include "http/reply.h"

/* An element of an answer has at most so many bytes, besides what it repeats of the body. */
#define REPLY_ITEM_SIZE 256

/* What the database has answered where it was not asked. */
static const DbResult nothing_asked = {.code = CODE_OK};

/* Refuses the request as a whole. */
static void
refuse(Client *client, WalletCode code)
{
	client_discharge(client);
	reply_problem(client, code, NULL);
}

/* Nothing was asked. */
static void
write_nothing(Client *client, unsigned status)
{
	client_discharge(client);
	buffer_reset(&client->http->scratch);
	buffer_puts(&client->http->scratch, "[]");
	reply_scratch(client, status);
}

/* Whether the database has answered all that was sent to it; if not, the request is refused. */
static bool
is_whole(Request *request, const DbResult *result)
{
	if (result->code != CODE_OK)
		refuse(&request->client, result->code);
	else if (result->row_count != request->item.sent_count)
		refuse(&request->client, CODE_INTERNAL_ERROR);
	return result->code == CODE_OK && result->row_count == request->item.sent_count;
}

/* Replies with the scratch buffer's text, which alone is charged from now on. */
static void
reply_many(Client *client, unsigned status)
{
	Buffer *out = &client->http->scratch;

	reply_scratch(client, status);
	client_discharge(client);
	client_charge(client, out->length);
}

/* result: nothing_asked where all were refused here. */
static void
write_stored(Request *request, const DbResult *result)
{
	Buffer *out = &request->client.http->scratch;
	int row = 0;

	buffer_reset(out);
	for (int i = 0; i < request->item.many_count; i++)
	{
		const DbPayload *payload = &request->item.payloads[i];

		buffer_puts(out, i ? "," : "[");
		if (payload->kind == NULL)
			shape_write_stored(out, NULL, wallet_codes[payload->refusal].name, payload->message);
		else
		{
			shape_write_stored(out, db_value(result, row, ENQUEUE_HANDSHAKE_ID),
			                   db_value(result, row, ENQUEUE_CODE),
			                   db_value(result, row, ENQUEUE_MESSAGE));
			row++;
		}
	}
	buffer_puts(out, "]");
	reply_many(&request->client, MHD_HTTP_ACCEPTED);
}

static void
outcome_of_bulk(Request *request, const DbResult *result)
{
	if (is_whole(request, result))
		write_stored(request, result);
	request_finish(request);
}

/* Makes extra an array of elements of item_size bytes, as many as the body has, and charges it. */
static WalletCode
cut_body(Client *client, size_t item_size, Slice **slices, size_t *count)
{
	size_t slices_max = client->body.length / 2 + 1; /* an element and its comma */
	WalletCode code;

	if (slices_max > BULK_ITEMS_MAX)
		slices_max = BULK_ITEMS_MAX;
	*slices = malloc(slices_max * sizeof(Slice));
	if (*slices == NULL)
		return CODE_INTERNAL_ERROR;
	code = array_split(client->body.data, client->body.length, *slices, slices_max, count);
	if (code == CODE_OK && *count > BULK_ITEMS_MAX)
		code = CODE_TOO_MANY_ITEMS;
	if (code == CODE_OK &&
	    !client_charge(client, client->body.capacity + *count * (item_size + REPLY_ITEM_SIZE)))
		code = CODE_OVERLOADED;
	if (code == CODE_OK)
	{
		client->extra = calloc(*count + 1, item_size);
		code = client->extra != NULL ? CODE_OK : CODE_INTERNAL_ERROR;
	}
	return code;
}

static void
refuse_payload(DbPayload *item, WalletCode code, const char *message)
{
	item->kind = NULL;
	item->refusal = code;
	item->message = message ? message : wallet_codes[code].message;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Makes blanks of the member that says the kind, and of the comma after it, or else before it: the
 * database takes the kind from elsewhere.
 */
static void
blank_kind(const ObjectMember *kind)
{
	char *from = (char *) kind->name.text - 1;
	char *end = (char *) kind->value.text + kind->value.length;
	char *next = end;

	while (is_blank(*next))
		next++;
	if (*next == ',')
		end = next + 1;
	else
	{
		for (next = from - 1; is_blank(*next);)
			next--;
		if (*next == ',')
			from = next;
	}
	memset(from, ' ', (size_t) (end - from));
}

/* Finds the kind of an element of an array of many kinds, or refuses the element. */
static void
take_kind(const Request *request, DbPayload *item, WalletCode code, const Payload *payload)
{
	const Kind *kind = payload_kind(payload);

	if (code != CODE_OK)
		refuse_payload(item, code, NULL);
	else if (payload->kind.name.text == NULL)
		refuse_payload(item, CODE_MISSING_MEMBER, "member \"kind\" is missing");
	else if (payload->has_kinds)
		refuse_payload(item, CODE_DUPLICATE_MEMBER, "member \"kind\" must be given only once");
	else if (payload->kind.value.text[0] != '"')
		refuse_payload(item, CODE_WRONG_TYPE, "member \"kind\" must be a string");
	else if (kind == NULL || !kind->is_posted)
		refuse_payload(item, CODE_UNKNOWN_KIND, NULL);
	else if (auth_missing_scopes(request, kind, payload) != 0)
		refuse_payload(item, CODE_INSUFFICIENT_SCOPE, NULL);
	else
	{
		item->kind = kind->name;
		blank_kind(&payload->kind);
	}
}

/*
 * Reads the elements, as far as they are read here.  False when a key that acts for one user does
 * not act for one of them, which names another one or none: then the reply is the refusal.
 */
static bool
read_payloads(Request *request, const Slice *slices, int count)
{
	const Kind *kind = request->route->kind;
	DbPayload *items = request->client.extra;

	for (int i = 0; i < count; i++)
	{
		Payload payload = {0};
		WalletCode code = CODE_OK;

		items[i].text = slices[i];
		items[i].kind = kind ? kind->name : NULL;
		if (kind == NULL || request->key.user_id != 0)
			code = question_read_payload(slices[i].text, slices[i].length, &payload);
		if (!auth_allows_user(request, payload.user_id))
			return false;
		if (kind == NULL)
			take_kind(request, &items[i], code, &payload);
		request->item.sent_count += items[i].kind != NULL;
	}
	return true;
}

void
bulk_start(Request *request)
{
	Client *client = &request->client;
	DbItem *item = &request->item;
	Slice *slices;
	size_t count = 0;
	WalletCode code;

	assert(client->extra == NULL && client->body.length > 0);
	client->wait_until_ms = 0;
	item->sent_count = 0;
	code = cut_body(client, sizeof(DbPayload), &slices, &count);
	item->many_count = (int) count;
	item->payloads = client->extra;
	if (code != CODE_OK)
		refuse(client, code);
	else if (count == 0)
		write_nothing(client, MHD_HTTP_ACCEPTED);
	else if (!read_payloads(request, slices, (int) count))
		client_discharge(client);
	else if (item->sent_count == 0)
		write_stored(request, &nothing_asked);
	else
	{
		item->idempotency_key = client->head.key_count ? client->head.idempotency_key : NULL;
		auth_tell(request);
		request_submit(request, DB_BULK, outcome_of_bulk);
	}
	free(slices);
}

/* The shape of an answer of this kind; a kind of a later version has that of an operation. */
static Shape
shape_of(const char *kind)
{
	const Kind *known = kind ? kind_find(kind, strlen(kind)) : NULL;

	return known != NULL ? known->shape : SHAPE_OPERATION;
}

static void
write_row(Buffer *out, const DbQuestion *question, const DbResult *result, int row)
{
	const char *handshake_id = question->handshake_id;
	const char *state = db_value(result, row, LOOKUP_STATE);
	Shape shape = shape_of(db_value(result, row, LOOKUP_KIND));

	if (state == NULL || strcmp(state, "unknown") == 0)
		shape_write_unknown(out, handshake_id, db_value(result, row, LOOKUP_CODE),
		                    db_value(result, row, LOOKUP_MESSAGE));
	else if (strcmp(state, "queued") == 0)
		shape_write_queued(out, shape, handshake_id);
	else
		shape_write_outcome(out, shape, question->include_limits, handshake_id, result, row);
}

/* Which members a question has; who speaks for all users may leave out the user. */
#define QUESTION_MEMBERS (MEMBER_BIT(MEMBER_USER_ID) | MEMBER_BIT(MEMBER_HANDSHAKE_ID))

/* Its include may be that of a wallet or of a transfer: the handshake alone tells the kind. */
static WalletCode
read_question(const Request *request, const Slice *text, Members *members,
              char message[MESSAGE_SIZE])
{
	unsigned required =
	    auth_speaks_for_all(request) ? MEMBER_BIT(MEMBER_HANDSHAKE_ID) : QUESTION_MEMBERS;
	WalletCode code = question_read_members(text->text, text->length,
	                                        QUESTION_MEMBERS | MEMBER_BIT(MEMBER_INCLUDE), required,
	                                        members, message);

	if (code != CODE_OK || !members_include(members, WORD_HOLDS))
		return code;
	snprintf(message, MESSAGE_SIZE, "member \"include\" must be %s or %s here",
	         word_text(WORD_LIMITS), word_text(WORD_LINKS));
	return CODE_WRONG_TYPE;
}

/*
 * result: nothing_asked where none was a question.  Those that were none are read again, for the
 * message.
 */
static void
write_outcomes(Request *request, const DbResult *result)
{
	Buffer *out = &request->client.http->scratch;
	int row = 0;

	buffer_reset(out);
	for (int i = 0; i < request->item.many_count; i++)
	{
		const DbQuestion *question = &request->item.questions[i];
		char message[MESSAGE_SIZE];
		Members members;

		buffer_puts(out, i ? "," : "[");
		if (question->refusal == CODE_OK)
			write_row(out, question, result, row++);
		else
		{
			read_question(request, &question->text, &members, message);
			shape_write_unknown(out, NULL, wallet_codes[question->refusal].name, message);
		}
		if (out->length > request->client.charge && !client_charge(&request->client, out->length))
		{
			refuse(&request->client, CODE_OVERLOADED);
			return;
		}
	}
	buffer_puts(out, "]");
	reply_many(&request->client, MHD_HTTP_OK);
}

static void
outcome_of_questions(Request *request, const DbResult *result)
{
	if (is_whole(request, result))
		write_outcomes(request, result);
	request_finish(request);
}

static bool
read_questions(Request *request, const Slice *slices, int count)
{
	DbQuestion *items = request->client.extra;

	for (int i = 0; i < count; i++)
	{
		char message[MESSAGE_SIZE];
		Members members;

		items[i].text = slices[i];
		items[i].refusal = read_question(request, &slices[i], &members, message);
		if (!auth_allows_user(request,
		                      items[i].refusal == CODE_OK ? members.number[MEMBER_USER_ID] : 0))
			return false;
		items[i].user_id = members.number[MEMBER_USER_ID];
		items[i].include_limits = members_include(&members, WORD_LIMITS);
		items[i].include_links = members_include(&members, WORD_LINKS);
		request->item.include_links = request->item.include_links || items[i].include_links;
		memcpy(items[i].handshake_id, members.handshake_id, sizeof(items[i].handshake_id));
		request->item.sent_count += items[i].refusal == CODE_OK;
	}
	return true;
}

void
bulk_read(Request *request)
{
	Client *client = &request->client;
	DbItem *item = &request->item;
	Slice *slices;
	size_t count = 0;
	WalletCode code;

	assert(client->extra == NULL && client->body.length > 0);
	client->wait_until_ms = 0;
	item->sent_count = 0;
	code = cut_body(client, sizeof(DbQuestion), &slices, &count);
	item->many_count = (int) count;
	item->questions = client->extra;
	if (code != CODE_OK)
		refuse(client, code);
	else if (count == 0)
		write_nothing(client, MHD_HTTP_OK);
	else if (!read_questions(request, slices, (int) count))
		client_discharge(client);
	else if (item->sent_count == 0)
		write_outcomes(request, &nothing_asked);
	else
		request_submit(request, DB_OUTCOMES, outcome_of_questions);
	free(slices);
}
