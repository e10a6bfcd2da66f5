/*
 * request_extra.c
 *		What the column extra of wallet.request says, for people to read.
 *
 * The packing is rules/extra.h.  This file reads no table and takes no lock.
 */
#include "base/version.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "rules/extra.h"

PG_FUNCTION_INFO_V1(wallet_request_extra);

/* Begins a member of the object that is being written. */
static void
put_name(StringInfo json, const char *name)
{
	appendStringInfo(json, "%s\"%s\": ", json->data[json->len - 1] == '{' ? "" : ", ", name);
}

static void
put_amount(StringInfo json, Amount amount)
{
	char text[AMOUNT_TEXT_SIZE];

	amount_format(amount.digits, amount.scale, text);
	appendStringInfoString(json, text);
}

static void
put_time(StringInfo json, int64 moment)
{
	char text[MAXDATELEN + 1];
	const int utc = 0;

	if (!IS_VALID_TIMESTAMP(moment) && !TIMESTAMP_NOT_FINITE(moment))
		appendStringInfo(json, INT64_FORMAT, moment);
	else
		appendStringInfo(
		    json, "\"%s\"",
		    JsonEncodeDateTime(text, TimestampTzGetDatum(moment), TIMESTAMPTZOID, &utc));
}

static void
put_word(StringInfo json, int value, const char *const *words, int count)
{
	if (value < count)
		appendStringInfo(json, "\"%s\"", words[value]);
	else
		appendStringInfo(json, "%d", value);
}

static void
put_byte(StringInfo json, const ExtraField *field, uint8 value)
{
	if (field->offset == offsetof(Operation, amount_mode))
		put_word(json, value, amount_mode_names, MODE_COUNT);
	else
		put_word(json, value, shortfall_names, SHORTFALL_COUNT);
}

/* Times are microseconds in memory, and an interval is seconds for people. */
static void
put_number(StringInfo json, const ExtraField *field, int64 value)
{
	if (field->offset == offsetof(Operation, expires_in))
		put_amount(json, (Amount){value, 6});
	else
		appendStringInfo(json, INT64_FORMAT, value);
}

static void
put_fields(StringInfo json, const ExtraField *fields, int count, const Operation *operation)
{
	for (int i = 0; i < count; i++)
	{
		const void *value = (const char *) operation + fields[i].offset;

		if (!extra_field_is_set(&fields[i], operation))
			continue;
		put_name(json, fields[i].name);
		switch (fields[i].type)
		{
			case EXTRA_NUMBER:
				put_number(json, &fields[i], *(const int64 *) value);
				break;
			case EXTRA_TIME:
				put_time(json, *(const int64 *) value);
				break;
			case EXTRA_BYTE:
				put_byte(json, &fields[i], *(const uint8 *) value);
				break;
			case EXTRA_FLAG:
				appendStringInfoString(json, "true");
				break;
			case EXTRA_AMOUNT:
				put_amount(json, *(const Amount *) value);
				break;
		}
	}
}

static void
put_share(StringInfo json, const Share *share)
{
	appendStringInfoChar(json, '{');
	put_name(json, "dest_wallet_id");
	appendStringInfo(json, INT64_FORMAT, share->destination_wallet_id);
	put_name(json, share->is_rest ? "rest" : share->has_parts ? "parts_per_million" : "amount");
	if (share->is_rest)
		appendStringInfoString(json, "true");
	else if (share->has_parts)
		appendStringInfo(json, INT64_FORMAT, share->parts_per_million);
	else
		put_amount(json, share->amount);
	appendStringInfoChar(json, '}');
}

static void
put_leg(StringInfo json, const Operation *leg)
{
	appendStringInfo(json, "{\"kind\": \"%s\"", kind_name(leg->kind));
	put_fields(json, extra_leg_fields, extra_leg_field_count, leg);
	put_fields(json, extra_fields, extra_field_count, leg);
	if (leg->share_count > 0)
	{
		put_name(json, "split");
		appendStringInfoChar(json, '[');
		for (int i = 0; i < leg->share_count; i++)
		{
			appendStringInfoString(json, i == 0 ? "" : ", ");
			put_share(json, &leg->parts->shares[leg->share_first + i]);
		}
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
}

static void
put_request(StringInfo json, const Operation *request)
{
	appendStringInfoChar(json, '{');
	put_fields(json, extra_fields, extra_field_count, request);
	if (request->has_handshake)
	{
		char digits[2 * HANDSHAKE_SIZE + 1] = "";

		hex_encode((const char *) request->hold_handshake, HANDSHAKE_SIZE, digits);
		put_name(json, "hold_handshake_id");
		appendStringInfo(json, "\"%s\"", digits);
	}
	for (int i = 0; request->parts != NULL && i < request->parts->leg_count; i++)
	{
		if (i == 0)
			put_name(json, "legs");
		appendStringInfoString(json, i == 0 ? "[" : ", ");
		put_leg(json, &request->parts->legs[i]);
		if (i == request->parts->leg_count - 1)
			appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
}

/*
 * wallet.request_extra(extra bytea) → jsonb: the members that have no column of their own.  Raises
 * data_corrupted where the bytes are not what this version packs.
 */
Datum
wallet_request_extra(PG_FUNCTION_ARGS)
{
	const bytea *extra = PG_GETARG_BYTEA_PP(0);
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(extra);
	size_t length = VARSIZE_ANY_EXHDR(extra);
	size_t block_size;
	Operation request = {0};
	StringInfoData json;
	bool is_right = extra_block_size(bytes, length, &block_size);

	/* Only a group has legs. */
	if (is_right && block_size > 0)
		request.kind = KIND_GROUP;
	if (!is_right ||
	    !extra_unpack(bytes, length, &request, block_size == 0 ? NULL : palloc(block_size)))
		ereport(ERROR,
		        (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the bytes are no members of a request"),
		         errdetail("They are damaged, or a newer version has written them.")));
	initStringInfo(&json);
	put_request(&json, &request);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}
