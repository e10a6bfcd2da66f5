/*
 * shapes.c
 *		Writes answers: every byte is prescribed by the protocol (docs/http.md).
 */
#include "api/shapes.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"

static void
put_info(Buffer *out, const char *message, const char *code)
{
	json_put_escaped(out, ",\"info\":{\"msg\":", message ? message : "");
	json_put_text(out, ",\"code\":", code);
	buffer_puts(out, "}");
}

void
shape_write_queued(Buffer *out, Shape shape, const char *handshake_id)
{
	assert(handshake_id != NULL);
	json_put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
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
shape_write_bulk(Buffer *out, const DbResult *result)
{
	assert(result->code == CODE_OK && result->row_count > 0);
	for (int row = 0; row < result->row_count; row++)
	{
		const char *code = db_value(result, row, ENQUEUE_CODE);

		json_put_text(out, row ? ",{\"handshake_id\":" : "[{\"handshake_id\":",
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
	json_put_number(out,
	                ",\"wallet_id\":", rejected ? NULL : db_value(result, 0, LOOKUP_WALLET_ID));
	json_put_text(
	    out, ",\"status\":", rejected ? "rejected" : db_value(result, 0, LOOKUP_WALLET_STATUS));
	json_put_number(out, ",\"amount\":", rejected ? NULL : db_value(result, 0, LOOKUP_AMOUNT));
	json_put_text(out,
	              ",\"created_at\":", rejected ? NULL : db_value(result, 0, LOOKUP_CREATED_AT));
	json_put_text(out,
	              ",\"updated_at\":", rejected ? NULL : db_value(result, 0, LOOKUP_UPDATED_AT));
	json_put_text(out, ",\"currency\":", rejected ? NULL : db_value(result, 0, LOOKUP_CURRENCY));
}

static void
write_transaction(Buffer *out, bool rejected, const DbResult *result)
{
	json_put_number(
	    out, ",\"transaction_id\":", rejected ? NULL : db_value(result, 0, LOOKUP_TRANSFER_ID));
	json_put_text(out, ",\"status\":", rejected ? "rejected" : "processed");
	json_put_number(out, ",\"source_wallet_id\":",
	                rejected ? NULL : db_value(result, 0, LOOKUP_SOURCE_WALLET_ID));
	json_put_number(out, ",\"destination_wallet_id\":",
	                rejected ? NULL : db_value(result, 0, LOOKUP_DESTINATION_WALLET_ID));
}

void
shape_write_outcome(Buffer *out, Shape shape, const char *handshake_id, const DbResult *result)
{
	const char *state = db_value(result, 0, LOOKUP_STATE);
	bool rejected = state == NULL || strcmp(state, "processed") != 0;

	json_put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	if (shape == SHAPE_WALLET)
		write_wallet(out, rejected, result);
	else
		write_transaction(out, rejected, result);
	if (rejected)
		put_info(out, db_value(result, 0, LOOKUP_MESSAGE), db_value(result, 0, LOOKUP_CODE));
	else if (shape != SHAPE_WALLET)
	{
		buffer_puts(out, ",\"info\":{\"msg\":\"");
		buffer_puts(out, wallet_codes[CODE_OK].message);
		buffer_puts(out, "\"}");
	}
	buffer_puts(out, "}");
}

void
shape_write_history(Buffer *out, int64_t wallet_id, int max_rows, const DbResult *result)
{
	buffer_printf(out, "{\"wallet_id\":%" PRId64 ",\"operations\":[", wallet_id);
	for (int row = 0; row < result->row_count; row++)
	{
		json_put_number(out, row ? ",{\"transaction_id\":" : "{\"transaction_id\":",
		                db_value(result, row, HISTORY_TRANSFER_ID));
		json_put_text(out, ",\"kind\":", db_value(result, row, HISTORY_KIND));
		json_put_number(out,
		                ",\"source_wallet_id\":", db_value(result, row, HISTORY_SOURCE_WALLET_ID));
		json_put_number(out, ",\"destination_wallet_id\":",
		                db_value(result, row, HISTORY_DESTINATION_WALLET_ID));
		json_put_number(out, ",\"amount\":", db_value(result, row, HISTORY_AMOUNT));
		json_put_number(out, ",\"balance\":", db_value(result, row, HISTORY_BALANCE));
		json_put_text(out, ",\"posted_at\":", db_value(result, row, HISTORY_POSTED_AT));
		buffer_puts(out, "}");
	}
	json_put_number(out, "],\"next\":",
	                result->row_count == max_rows
	                    ? db_value(result, result->row_count - 1, HISTORY_TRANSFER_ID)
	                    : NULL);
	buffer_puts(out, "}");
}
