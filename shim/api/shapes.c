/*
 * shapes.c
 *		Writes answers: every byte is prescribed by the protocol (docs/http.md).
 */
#include "api/shapes.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"

/* leg: the leg that a group was refused for; NULL: none. */
static void
put_info(Buffer *out, const char *name, const char *message, const char *code, const char *leg)
{
	json_put_escaped(out, name, message ? message : "");
	json_put_text(out, ",\"code\":", code);
	if (leg != NULL)
		json_put_number(out, ",\"leg\":", leg);
	buffer_puts(out, "}");
}

void
shape_write_queued(Buffer *out, Shape shape, const char *handshake_id)
{
	static const char *const members[] = {
	    [SHAPE_WALLET] =
	        ",\"wallet_id\":null,\"status\":null,\"amount\":null,"
	        "\"created_at\":null,\"updated_at\":null,\"currency\":null}",
	    [SHAPE_TRANSACTION] =
	        ",\"transaction_id\":null,\"status\":null,\"source_wallet_id\":null,"
	        "\"destination_wallet_id\":null,\"info\":null}",
	    [SHAPE_OPERATION] =
	        ",\"transaction_id\":null,\"status\":null,\"source_wallet_id\":null,"
	        "\"destination_wallet_id\":null,\"info\":null,\"kind\":null,"
	        "\"amount\":null,\"link_id\":null,\"group_id\":null}",
	    [SHAPE_GROUP] = ",\"group_id\":null,\"status\":null,\"rows\":null,\"info\":null}",
	};

	assert(handshake_id != NULL);
	json_put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	buffer_puts(out, members[shape]);
}

void
shape_write_stored(Buffer *out, const char *handshake_id, const char *code, const char *message)
{
	json_put_text(out, "{\"handshake_id\":", handshake_id);
	if (code != NULL)
		put_info(out, ",\"info\":{\"msg\":", message, code, NULL);
	buffer_puts(out, "}");
}

void
shape_write_unknown(Buffer *out, const char *handshake_id, const char *code, const char *message)
{
	json_put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	put_info(out, ",\"status\":null,\"info\":{\"msg\":", message, code, NULL);
	buffer_puts(out, "}");
}

/* A row of an answer, and whether its request was refused: then nothing else of it is told. */
typedef struct Answer
{
	const DbResult *result;
	int row;
	bool rejected;
} Answer;

static const char *
value_of(const Answer *answer, int column)
{
	return answer->rejected ? NULL : db_value(answer->result, answer->row, column);
}

static void
write_wallet(Buffer *out, const Answer *answer)
{
	json_put_number(out, ",\"wallet_id\":", value_of(answer, LOOKUP_WALLET_ID));
	json_put_text(out, ",\"status\":",
	              answer->rejected ? "rejected" : value_of(answer, LOOKUP_WALLET_STATUS));
	json_put_number(out, ",\"amount\":", value_of(answer, LOOKUP_AMOUNT));
	json_put_text(out, ",\"created_at\":", value_of(answer, LOOKUP_CREATED_AT));
	json_put_text(out, ",\"updated_at\":", value_of(answer, LOOKUP_UPDATED_AT));
	json_put_text(out, ",\"currency\":", value_of(answer, LOOKUP_CURRENCY));
}

static void
write_transaction(Buffer *out, const Answer *answer)
{
	json_put_number(out, ",\"transaction_id\":", value_of(answer, LOOKUP_TRANSFER_ID));
	json_put_text(out, ",\"status\":", answer->rejected ? "rejected" : "processed");
	json_put_number(out, ",\"source_wallet_id\":", value_of(answer, LOOKUP_SOURCE_WALLET_ID));
	json_put_number(out,
	                ",\"destination_wallet_id\":", value_of(answer, LOOKUP_DESTINATION_WALLET_ID));
}

static void
write_group(Buffer *out, const Answer *answer)
{
	json_put_number(out, ",\"group_id\":", value_of(answer, LOOKUP_GROUP_ID));
	json_put_text(out, ",\"status\":", answer->rejected ? "rejected" : "processed");
	json_put_number(out, ",\"rows\":", value_of(answer, LOOKUP_ROWS));
}

/* What an operation has beside the members of a transaction. */
static void
write_operation_end(Buffer *out, const Answer *answer)
{
	json_put_text(out, ",\"kind\":", value_of(answer, LOOKUP_KIND));
	json_put_number(out, ",\"amount\":", value_of(answer, LOOKUP_AMOUNT));
	json_put_number(out, ",\"link_id\":", value_of(answer, LOOKUP_LINK_ID));
	json_put_number(out, ",\"group_id\":", value_of(answer, LOOKUP_GROUP_ID));
}

/* What a wallet has beside the members that each answer has; nulls for one as a read saw it. */
static void
write_limits(Buffer *out, const Answer *answer)
{
	json_put_number(out, ",\"held\":", value_of(answer, LOOKUP_HELD));
	json_put_number(out, ",\"floor\":", value_of(answer, LOOKUP_FLOOR));
	json_put_number(out, ",\"ceiling\":", value_of(answer, LOOKUP_CEILING));
	json_put_number(out, ",\"available\":", value_of(answer, LOOKUP_AVAILABLE));
}

/* What has reversed a transfer, where there is something. */
static void
put_reversals(Buffer *out, const char *reversed, const char *reversals)
{
	if (reversals == NULL || *reversals == '\0')
		return;
	json_put_number(out, ",\"reversed\":", reversed);
	json_put_number(out, ",\"reversals\":[", reversals);
	buffer_puts(out, "]");
}

/* What links to a transfer, which the row tells where that was asked for and there is something. */
static void
write_links(Buffer *out, const Answer *answer)
{
	const char *links = value_of(answer, LOOKUP_LINKS);

	put_reversals(out, value_of(answer, LOOKUP_REVERSED), value_of(answer, LOOKUP_REVERSALS));
	if (links == NULL)
		return;
	json_put_number(out, ",\"links\":[", links);
	buffer_puts(out, "]");
}

/* What became of a request, in words; the amount where its mode left that open. */
static void
write_info(Buffer *out, Shape shape, const Answer *answer)
{
	const DbResult *result = answer->result;
	int row = answer->row;

	if (answer->rejected)
	{
		put_info(out, ",\"info\":{\"msg\":", db_value(result, row, LOOKUP_MESSAGE),
		         db_value(result, row, LOOKUP_CODE), db_value(result, row, LOOKUP_LEG));
		return;
	}
	if (shape == SHAPE_WALLET)
		return;
	buffer_puts(out, ",\"info\":{\"msg\":\"");
	buffer_puts(out, wallet_codes[CODE_OK].message);
	buffer_puts(out, "\"");
	if (shape == SHAPE_TRANSACTION && db_value(result, row, LOOKUP_AMOUNT_MODE) != NULL)
		json_put_number(out, ",\"amount\":", db_value(result, row, LOOKUP_AMOUNT));
	buffer_puts(out, "}");
}

void
shape_write_outcome(Buffer *out, Shape shape, bool with_limits, const char *handshake_id,
                    const DbResult *result, int row)
{
	const char *state = db_value(result, row, LOOKUP_STATE);
	Answer answer = {result, row, state == NULL || strcmp(state, "processed") != 0};

	json_put_text(out, "{\"user_id\":null,\"handshake_id\":", handshake_id);
	if (shape == SHAPE_WALLET)
		write_wallet(out, &answer);
	else if (shape == SHAPE_GROUP)
		write_group(out, &answer);
	else
		write_transaction(out, &answer);
	write_info(out, shape, &answer);
	if (shape == SHAPE_OPERATION)
		write_operation_end(out, &answer);
	if (shape == SHAPE_WALLET && with_limits && !answer.rejected)
		write_limits(out, &answer);
	write_links(out, &answer);
	buffer_puts(out, "}");
}

static bool
is_true(const char *value)
{
	return value != NULL && *value == 't';
}

/* What only some operations have: it is left out of those that have it not. */
static void
write_history_end(Buffer *out, bool with_holds, const DbResult *result, int row)
{
	const char *link_id = db_value(result, row, HISTORY_LINK_ID);
	const char *group_id = db_value(result, row, HISTORY_GROUP_ID);

	if (link_id != NULL)
		json_put_number(out, ",\"link_id\":", link_id);
	if (group_id != NULL)
		json_put_number(out, ",\"group_id\":", group_id);
	if (is_true(db_value(result, row, HISTORY_OVERDRAW)))
		buffer_puts(out, ",\"overdraw\":true");
	put_reversals(out, db_value(result, row, HISTORY_REVERSED),
	              db_value(result, row, HISTORY_REVERSALS));
	if (!with_holds)
		return;
	json_put_number(out, ",\"held\":", db_value(result, row, HISTORY_HELD));
	json_put_text(out, ",\"expires_at\":", db_value(result, row, HISTORY_EXPIRES_AT));
}

static void
write_operation(Buffer *out, bool with_holds, const DbResult *result, int row)
{
	json_put_number(out, "{\"transaction_id\":", db_value(result, row, HISTORY_TRANSFER_ID));
	json_put_text(out, ",\"kind\":", db_value(result, row, HISTORY_KIND));
	json_put_number(out, ",\"source_wallet_id\":", db_value(result, row, HISTORY_SOURCE_WALLET_ID));
	json_put_number(
	    out, ",\"destination_wallet_id\":", db_value(result, row, HISTORY_DESTINATION_WALLET_ID));
	json_put_number(out, ",\"amount\":", db_value(result, row, HISTORY_AMOUNT));
	json_put_number(out, ",\"balance\":", db_value(result, row, HISTORY_BALANCE));
	json_put_text(out, ",\"posted_at\":", db_value(result, row, HISTORY_POSTED_AT));
	write_history_end(out, with_holds, result, row);
	buffer_puts(out, "}");
}

/* The cursor of the next page, which stands in each row; null on the last page. */
static void
write_next(Buffer *out, const DbResult *result, int column)
{
	json_put_number(out, "],\"next\":",
	                result->row_count > 0 ? db_value(result, result->row_count - 1, column) : NULL);
	buffer_puts(out, "}");
}

/* A page that found nothing has a row without an id, for its cursor. */
void
shape_write_history(Buffer *out, int64_t wallet_id, bool with_holds, const DbResult *result)
{
	const char *separator = "";

	buffer_printf(out, "{\"wallet_id\":%" PRId64 ",\"operations\":[", wallet_id);
	for (int row = 0; row < result->row_count; row++)
	{
		if (db_value(result, row, HISTORY_TRANSFER_ID) == NULL)
			continue;
		buffer_puts(out, separator);
		write_operation(out, with_holds, result, row);
		separator = ",";
	}
	write_next(out, result, HISTORY_NEXT);
}

void
shape_write_hold(Buffer *out, const DbResult *result, int row)
{
	json_put_number(out, "{\"hold_id\":", db_value(result, row, HOLDS_HOLD_ID));
	json_put_number(out, ",\"source_wallet_id\":", db_value(result, row, HOLDS_SOURCE_WALLET_ID));
	json_put_number(
	    out, ",\"destination_wallet_id\":", db_value(result, row, HOLDS_DESTINATION_WALLET_ID));
	json_put_number(out, ",\"amount\":", db_value(result, row, HOLDS_AMOUNT));
	json_put_number(out, ",\"captured\":", db_value(result, row, HOLDS_CAPTURED));
	json_put_number(out, ",\"rest\":", db_value(result, row, HOLDS_REST));
	json_put_number(out, ",\"max_capture\":", db_value(result, row, HOLDS_MAX_CAPTURE));
	json_put_text(out, ",\"state\":", db_value(result, row, HOLDS_STATE));
	json_put_text(out, ",\"expires_at\":", db_value(result, row, HOLDS_EXPIRES_AT));
	json_put_text(out, ",\"created_at\":", db_value(result, row, HOLDS_CREATED_AT));
	json_put_text(out, ",\"updated_at\":", db_value(result, row, HOLDS_UPDATED_AT));
	buffer_puts(out, "}");
}

void
shape_write_holds(Buffer *out, int64_t wallet_id, const DbResult *result)
{
	const char *separator = "";

	buffer_printf(out, "{\"wallet_id\":%" PRId64 ",\"holds\":[", wallet_id);
	for (int row = 0; row < result->row_count; row++)
	{
		if (db_value(result, row, HOLDS_HOLD_ID) == NULL)
			continue;
		buffer_puts(out, separator);
		shape_write_hold(out, result, row);
		separator = ",";
	}
	write_next(out, result, HOLDS_NEXT);
}
