/*
 * json.c
 *		JSON in and out, by jansson where something has to be understood or
 *		escaped; the rest is text whose every byte the protocol prescribes.
 */
#include "json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Why jansson would not read the text, in our codes. */
static WalletCode
code_of_error(const json_error_t *error, char message[MESSAGE_SIZE])
{
	switch (json_error_code(error))
	{
		case json_error_duplicate_key:
			snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_DUPLICATE_MEMBER].message);
			return CODE_DUPLICATE_MEMBER;
		case json_error_numeric_overflow:
			snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_ID_OUT_OF_RANGE].message);
			return CODE_ID_OUT_OF_RANGE;
		default:
			snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_INVALID_JSON].message);
			return CODE_INVALID_JSON;
	}
}

/*
 * With too_big the text was read with every integer as a real, because one of
 * them does not fit: those that would fit are passed over.
 */
static WalletCode
store_value(Members *members, Member member, const json_t *value, bool too_big,
            char message[MESSAGE_SIZE])
{
	if (member == MEMBER_HANDSHAKE_ID)
	{
		if (!json_is_string(value))
			return member_wrong_type(member, message);
		return member_store_handshake(members, json_string_value(value), json_string_length(value),
		                              message);
	}
	if (too_big && json_is_real(value))
		return fabs(json_real_value(value)) < 0x1p63 ? CODE_OK
		                                             : member_out_of_range(member, message);
	if (!json_is_integer(value))
		return member_wrong_type(member, message);
	return member_store_number(members, member, json_integer_value(value), message);
}

static WalletCode
read_object(json_t *object, bool too_big, unsigned allowed, unsigned required, Members *members,
            char message[MESSAGE_SIZE])
{
	const char *name;
	json_t *value;
	WalletCode code = CODE_OK;

	if (!json_is_object(object))
	{
		snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_NOT_AN_OBJECT].message);
		return CODE_NOT_AN_OBJECT;
	}
	json_object_foreach(object, name, value)
	{
		Member member = member_by_name(name, strlen(name));

		if (member == MEMBER_COUNT || !(allowed & MEMBER_BIT(member)))
			return member_unknown(name, strlen(name), message);
		members->given |= MEMBER_BIT(member);
	}
	code = members_complete(members, required, message);
	for (int member = 0; code == CODE_OK && member < MEMBER_COUNT; member++)
		if (members->given & MEMBER_BIT(member))
			code = store_value(members, (Member) member,
			                   json_object_get(object, member_name((Member) member)), too_big,
			                   message);
	return code;
}

WalletCode
json_read_members(const char *text, size_t length, unsigned allowed, unsigned required,
                  Members *members, char message[MESSAGE_SIZE])
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t error;
	json_t *object = json_loadb(text, length, flags, &error);
	bool too_big = object == NULL && json_error_code(&error) == json_error_numeric_overflow;
	WalletCode code;

	memset(members, 0, sizeof(*members));
	if (too_big) /* read again as a real, so that its member can be named */
		object = json_loadb(text, length, flags | JSON_DECODE_INT_AS_REAL, &error);
	if (object == NULL)
		return code_of_error(&error, message);
	code = read_object(object, too_big, allowed, required, members, message);
	if (code == CODE_OK && too_big)
	{
		snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_ID_OUT_OF_RANGE].message);
		code = CODE_ID_OUT_OF_RANGE;
	}
	json_decref(object);
	return code;
}

bool
json_read_user_id(const char *text, size_t length, int64_t *user_id)
{
	json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *value = json_object_get(object, "user_id");
	bool found = json_is_integer(value);

	if (found)
		*user_id = json_integer_value(value);
	json_decref(object);
	return found;
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
