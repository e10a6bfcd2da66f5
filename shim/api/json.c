/*
 * json.c
 *		JSON in and out: by object.c, by jansson where something has escapes or
 *		needs them; the rest is text whose every byte the protocol prescribes.
 */
#include "api/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/object.h"

static const char *
http_title(int status)
{
	switch (status)
	{
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 408:
			return "Request Timeout";
		case 409:
			return "Conflict";
		case 410:
			return "Gone";
		case 413:
			return "Content Too Large";
		case 415:
			return "Unsupported Media Type";
		case 422:
			return "Unprocessable Content";
		case 503:
			return "Service Unavailable";
		default:
			return "Internal Server Error";
	}
}

/* A string without its quotes, and with its escapes resolved; NULL when there is no memory. */
static json_t *
load_string(const char *text, size_t length)
{
	return json_loadb(text, length, JSON_DECODE_ANY, NULL);
}

/* The member that a name stands for, which may have escapes; MEMBER_COUNT for none. */
static Member
find_member(const Slice *name)
{
	Member member;
	json_t *string;

	if (memchr(name->text, '\\', name->length) == NULL)
		return member_by_name(name->text, name->length);
	string = load_string(name->text - 1, name->length + 2);
	member = string == NULL ? MEMBER_COUNT
	                        : member_by_name(json_string_value(string), json_string_length(string));
	json_decref(string);
	return member;
}

static bool
is_string(const Slice *value)
{
	return value->text[0] == '"';
}

static WalletCode
store_handshake(Members *members, const Slice *value, char message[MESSAGE_SIZE])
{
	json_t *string;
	WalletCode code;

	if (!is_string(value))
		return member_no_handshake(message);
	string = load_string(value->text, value->length);
	if (string == NULL)
		return member_no_handshake(message);
	code = member_store_handshake(members, json_string_value(string), json_string_length(string),
	                              message);
	json_decref(string);
	return code;
}

/* A number, or one in a string, as its text stands: no escape is resolved. */
static Slice
number_text(const Slice *value)
{
	return is_string(value) ? (Slice){value->text + 1, value->length - 2} : *value;
}

static WalletCode
store_value(Members *members, Member member, const Slice *value, char message[MESSAGE_SIZE])
{
	Slice number = number_text(value);

	if (member == MEMBER_HANDSHAKE_ID)
		return store_handshake(members, value, message);
	return member_store_number(members, member, number.text, number.length, message);
}

/* Finds the values of the members by their names. */
static WalletCode
find_values(ObjectWalk *walk, unsigned allowed, Members *members, Slice values[MEMBER_COUNT],
            char message[MESSAGE_SIZE])
{
	ObjectMember next;

	while (object_next(walk, &next))
	{
		Member member = find_member(&next.name);

		if (member == MEMBER_COUNT || !(allowed & MEMBER_BIT(member)))
			return member_unknown(next.name.text, next.name.length, message);
		if (members->given & MEMBER_BIT(member))
			return member_duplicate(member, message);
		members->given |= MEMBER_BIT(member);
		values[member] = next.value;
	}
	return CODE_OK;
}

WalletCode
json_read_members(const char *text, size_t length, unsigned allowed, unsigned required,
                  Members *members, char message[MESSAGE_SIZE])
{
	Slice values[MEMBER_COUNT];
	ObjectWalk walk;
	WalletCode code = object_walk(&walk, text, length);

	memset(members, 0, sizeof(*members));
	if (code != CODE_OK)
	{
		snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[code].message);
		return code;
	}
	code = find_values(&walk, allowed, members, values, message);
	if (code == CODE_OK)
		code = members_complete(members, required, message);
	for (int member = 0; code == CODE_OK && member < MEMBER_COUNT; member++)
		if (members->given & MEMBER_BIT(member))
			code = store_value(members, (Member) member, &values[member], message);
	return code;
}

bool
json_read_user_id(const char *text, size_t length, int64_t *user_id)
{
	ObjectWalk walk;
	ObjectMember next;
	Slice value = {0};
	const char *wrong;

	if (object_walk(&walk, text, length) != CODE_OK)
		return false;
	while (object_next(&walk, &next))
	{
		if (find_member(&next.name) != MEMBER_USER_ID)
			continue;
		if (value.text != NULL)
			return false;
		value = number_text(&next.value);
	}
	return value.text != NULL && id_parse(value.text, value.length, user_id, &wrong) == CODE_OK;
}

/* A text that needs no escaping, in quotes; null when there is none. */
static void
put_text(Buffer *out, const char *name, const char *text)
{
	buffer_puts(out, name);
	if (text == NULL)
	{
		buffer_puts(out, "null");
		return;
	}
	buffer_puts(out, "\"");
	buffer_puts(out, text);
	buffer_puts(out, "\"");
}

/* A number as the database wrote it; null when there is none. */
static void
put_number(Buffer *out, const char *name, const char *number)
{
	buffer_puts(out, name);
	buffer_puts(out, number ? number : "null");
}

static int
put_json(const char *bytes, size_t size, void *out)
{
	buffer_put(out, bytes, size);
	return 0;
}

/* Any text, escaped. */
static void
put_escaped(Buffer *out, const char *name, const char *text)
{
	json_t *string = json_string(text);

	buffer_puts(out, name);
	if (string == NULL)
		string = json_string("");
	if (string == NULL || json_dump_callback(string, put_json, out, JSON_ENCODE_ANY) != 0)
		out->failed = true;
	json_decref(string);
}

static void
put_info(Buffer *out, const char *message, const char *code)
{
	put_escaped(out, ",\"info\":{\"msg\":", message ? message : "");
	put_text(out, ",\"code\":", code);
	buffer_puts(out, "}");
}

void
json_write_queued(Buffer *out, Shape shape, const char *handshake_id)
{
	put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	if (shape == SHAPE_WALLET)
		buffer_puts(out,
		            ",\"wallet_id\":null,\"status\":null,\"amount\":null,"
		            "\"created_at\":null,\"updated_at\":null,\"currency\":null}");
	else
		buffer_puts(out,
		            ",\"transaction_id\":null,\"status\":null,\"source_wallet_id\":null,"
		            "\"destination_wallet_id\":null,\"info\":null}");
}

void
json_write_bulk(Buffer *out, const DbResult *result)
{
	for (int row = 0; row < result->row_count; row++)
	{
		const char *code = db_value(result, row, ENQUEUE_CODE);

		put_text(out, row ? ",{\"handshake_id\":" : "[{\"handshake_id\":",
		         db_value(result, row, ENQUEUE_HANDSHAKE_ID));
		if (code != NULL)
			put_info(out, db_value(result, row, ENQUEUE_MESSAGE), code);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
write_wallet(Buffer *out, bool rejected, const DbResult *result)
{
	put_number(out, ",\"wallet_id\":", rejected ? NULL : db_value(result, 0, LOOKUP_WALLET_ID));
	put_text(out,
	         ",\"status\":", rejected ? "rejected" : db_value(result, 0, LOOKUP_WALLET_STATUS));
	put_number(out, ",\"amount\":", rejected ? NULL : db_value(result, 0, LOOKUP_AMOUNT));
	put_text(out, ",\"created_at\":", rejected ? NULL : db_value(result, 0, LOOKUP_CREATED_AT));
	put_text(out, ",\"updated_at\":", rejected ? NULL : db_value(result, 0, LOOKUP_UPDATED_AT));
	put_text(out, ",\"currency\":", rejected ? NULL : db_value(result, 0, LOOKUP_CURRENCY));
}

static void
write_transaction(Buffer *out, bool rejected, const DbResult *result)
{
	put_number(out,
	           ",\"transaction_id\":", rejected ? NULL : db_value(result, 0, LOOKUP_TRANSFER_ID));
	put_text(out, ",\"status\":", rejected ? "rejected" : "processed");
	put_number(out, ",\"source_wallet_id\":",
	           rejected ? NULL : db_value(result, 0, LOOKUP_SOURCE_WALLET_ID));
	put_number(out, ",\"destination_wallet_id\":",
	           rejected ? NULL : db_value(result, 0, LOOKUP_DESTINATION_WALLET_ID));
}

void
json_write_outcome(Buffer *out, Shape shape, const char *handshake_id, const DbResult *result)
{
	const char *state = db_value(result, 0, LOOKUP_STATE);
	bool rejected = state == NULL || strcmp(state, "processed") != 0;

	put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	if (shape == SHAPE_WALLET)
		write_wallet(out, rejected, result);
	else
		write_transaction(out, rejected, result);
	if (rejected)
		put_info(out, db_value(result, 0, LOOKUP_MESSAGE), db_value(result, 0, LOOKUP_CODE));
	else if (shape == SHAPE_TRANSACTION)
	{
		buffer_puts(out, ",\"info\":{\"msg\":\"");
		buffer_puts(out, wallet_codes[CODE_OK].message);
		buffer_puts(out, "\"}");
	}
	buffer_puts(out, "}");
}

void
json_write_history(Buffer *out, int64_t wallet_id, int max_rows, const DbResult *result)
{
	buffer_printf(out, "{\"wallet_id\":%" PRId64 ",\"operations\":[", wallet_id);
	for (int row = 0; row < result->row_count; row++)
	{
		put_number(out, row ? ",{\"transaction_id\":" : "{\"transaction_id\":",
		           db_value(result, row, HISTORY_TRANSFER_ID));
		put_text(out, ",\"kind\":", db_value(result, row, HISTORY_KIND));
		put_number(out, ",\"source_wallet_id\":", db_value(result, row, HISTORY_SOURCE_WALLET_ID));
		put_number(out, ",\"destination_wallet_id\":",
		           db_value(result, row, HISTORY_DESTINATION_WALLET_ID));
		put_number(out, ",\"amount\":", db_value(result, row, HISTORY_AMOUNT));
		put_number(out, ",\"balance\":", db_value(result, row, HISTORY_BALANCE));
		put_text(out, ",\"posted_at\":", db_value(result, row, HISTORY_POSTED_AT));
		buffer_puts(out, "}");
	}
	put_number(out, "],\"next\":",
	           result->row_count == max_rows
	               ? db_value(result, result->row_count - 1, HISTORY_TRANSFER_ID)
	               : NULL);
	buffer_puts(out, "}");
}

void
json_write_problem(Buffer *out, WalletCode code, const char *message)
{
	const WalletCodeInfo *info = &wallet_codes[code];

	buffer_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\"",
	              http_title(info->http_status), info->http_status, info->name);
	put_escaped(out, ",\"detail\":", message ? message : info->message);
	if (info->hint[0] != '\0')
		put_escaped(out, ",\"hint\":", info->hint);
	buffer_puts(out, "}");
}
