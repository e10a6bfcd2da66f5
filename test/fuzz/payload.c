/*
 * payload.c
 *		Fuzzes the reading of a request's JSON.
 *
 * The first byte says which kind of request, the rest is the JSON; or, with its
 * highest bit, the rest is a request that is written as JSON and must be read
 * as the same.  The shim reads the same bodies with another reader (object.c,
 * text.c): whatever the extension accepts means the same to both.
 */
#include "postgres_fe.h"

#include "mb/pg_wchar.h"

#include <jansson.h>

#include "../../shim/api/question.h"
#include "../../shim/api/object.h"
#include "../../shim/base/text.h"
#include "fuzz.h"
#include "queue/payload.h"
#include "rules/fingerprint.h"

#define JSON_TEXT_MAX 512

/* ---- requests as JSON ---- */

/* The amount as text with all of its decimals. */
static void
write_amount(char *out, size_t size, Amount amount)
{
	char digits[32];
	bool negative = amount.digits < 0;
	unsigned long long magnitude =
	    negative ? 0 - (unsigned long long) amount.digits : (unsigned long long) amount.digits;
	int length;

	length = snprintf(digits, sizeof(digits), "%0*llu", amount.scale + 1, magnitude);
	snprintf(out, size, "%s%.*s%s%s", negative ? "-" : "", length - amount.scale, digits,
	         amount.scale > 0 ? "." : "", digits + length - amount.scale);
}

/* A member's value as JSON; numbers in strings where they are to be quoted, ids also with a decimal
 * of zero. */
static void
write_value(char *out, size_t size, const Request *request, const KindMember *member, bool quoted)
{
	const void *value = (const char *) request + member->offset;
	const char *quote = quoted ? "\"" : "";
	char amount[48];

	switch (member->type)
	{
		case TYPE_ID:
			snprintf(out, size, "%s%lld%s%s", quote, (long long) *(const int64_t *) value,
			         !quoted && *(const int64_t *) value % 3 == 0 ? ".0" : "", quote);
			break;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			write_amount(amount, sizeof(amount), *(const Amount *) value);
			snprintf(out, size, "%s%s%s", quote, amount, quote);
			break;
		case TYPE_CURRENCY:
			snprintf(out, size, "\"%s\"", (const char *) value);
			break;
		default:
			EXPECT(false, "member %s has a type that this target does not know", member->name);
	}
}

/* The request as JSON, its members but one in an order that depends on its user. */
static void
write_request(char *out, const Request *request, bool quoted, const KindMember *without)
{
	const KindInfo *info = &kind_infos[request->kind];
	int first = (int) (request->user_id % info->member_count);
	int length = snprintf(out, JSON_TEXT_MAX, " {");

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[(first + i) % info->member_count];
		char value[64];

		if (member == without)
			continue;
		write_value(value, sizeof(value), request, member, quoted);
		length += snprintf(out + length, JSON_TEXT_MAX - length, "%s\"%s\"%s%s",
		                   out[length - 1] == '{' ? "" : ",\n", member->name,
		                   i % 2 == 0 ? ":" : " : ", value);
		EXPECT(length < JSON_TEXT_MAX - 2, "%s has no room", info->name);
	}
	strcpy(out + length, "}");
}

/* Do they ask for the same?  By the bytes that a fingerprint is made from. */
static bool
is_same_request(const Request *a, const Request *b)
{
	unsigned char left[OPERATION_BYTES_MAX];
	unsigned char right[OPERATION_BYTES_MAX];
	size_t length = operation_to_bytes(a, left);

	return a->request_id == b->request_id && a->kind == b->kind &&
	       operation_to_bytes(b, right) == length && memcmp(left, right, length) == 0;
}

static WalletCode
parse(RequestKind kind, const char *json, size_t length, Request *request)
{
	StringInfoData message;
	WalletCode code;

	initStringInfo(&message);
	memset(request, 0x55, sizeof(*request));
	code = payload_parse(kind, PG_UTF8, json, (int) length, request, &message);
	EXPECT((code == CODE_OK) == (message.len == 0), "%s says \"%s\"", wallet_codes[code].name,
	       message.data);
	EXPECT(message.len < MESSAGE_SIZE && utf8_valid(message.data, (size_t) message.len),
	       "the message is \"%s\"", message.data);
	pfree(message.data);
	return code;
}

static void
check_round_trip(const Request *request, bool quoted)
{
	char json[JSON_TEXT_MAX];
	Request again;
	WalletCode code;

	write_request(json, request, quoted, NULL);
	code = parse(request->kind, json, strlen(json), &again);
	EXPECT(code == CODE_OK && is_same_request(request, &again), "%s: %s", json,
	       wallet_codes[code].name);
}

/* ---- the two ways in ---- */

static int64_t
take_id(Input *input)
{
	int64_t id = take_int64(input);

	return id > 0 ? id : 1;
}

/* A member that is given twice is refused, and so is a request without one that it needs. */
static void
check_members(const Request *request, bool quoted)
{
	const KindInfo *info = &kind_infos[request->kind];
	char json[2 * JSON_TEXT_MAX];
	char again[64];
	Request ignored;

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];
		WalletCode expected = member->required ? CODE_MISSING_MEMBER : CODE_OK;

		write_request(json, request, quoted, member);
		EXPECT(parse(request->kind, json, strlen(json), &ignored) == expected, "%s", json);
		write_request(json, request, quoted, NULL);
		snprintf(again, sizeof(again), ",\"%s\":1}", member->name);
		strcpy(strrchr(json, '}'), again);
		EXPECT(parse(request->kind, json, strlen(json), &ignored) == CODE_DUPLICATE_MEMBER, "%s",
		       json);
	}
}

static void
take_value(Request *request, const KindMember *member, Input *input)
{
	void *value = (char *) request + member->offset;

	switch (member->type)
	{
		case TYPE_ID:
			*(int64_t *) value = take_id(input);
			break;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			((Amount *) value)->digits = take_int64(input);
			((Amount *) value)->scale = take_below(input, MINOR_DIGITS_MAX + 1);
			break;
		case TYPE_CURRENCY:
			for (int i = 0; i < 3; i++)
				((char *) value)[i] = (char) ('a' + take_below(input, 26));
			break;
		default:
			EXPECT(false, "member %s has a type that this target does not know", member->name);
	}
}

/* A request with all members of its kind. */
static void
check_request_taken(RequestKind kind, Input *input)
{
	const KindInfo *info = &kind_infos[kind];
	Request request = {.kind = kind};
	bool quoted = take_byte(input) & 1;

	for (int i = 0; i < info->member_count; i++)
		take_value(&request, &info->members[i], input);
	check_round_trip(&request, quoted);
	check_members(&request, quoted);
}

/*
 * The server's reader and the shim's agree on who asks in whatever the server accepts; and the
 * shim's agrees with jansson on what is JSON, but for numbers that jansson cannot hold.
 */
static void
check_readers(const char *json, size_t length, WalletCode code, const Request *request)
{
	json_error_t error;
	json_t *value = json_loadb(json, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	bool is_huge = value == NULL && json_error_code(&error) == json_error_numeric_overflow;
	ObjectWalk walk;
	WalletCode walked = object_walk(&walk, json, length);
	Payload payload;

	EXPECT(is_huge || (value == NULL) == (walked == CODE_INVALID_JSON), "%.*s: %s", (int) length,
	       json, wallet_codes[walked].name);
	EXPECT(walked == CODE_INVALID_JSON || code != CODE_INVALID_JSON, "%.*s is JSON to the shim",
	       (int) length, json);
	EXPECT(walked == CODE_INVALID_JSON || (walked == CODE_OK) == (code != CODE_NOT_AN_OBJECT),
	       "%.*s is an object to one reader", (int) length, json);
	if (code == CODE_OK)
		EXPECT(question_read_payload(json, length, &payload) == CODE_OK &&
		           payload.user_id == request->user_id,
		       "%.*s is asked by %lld to the shim", (int) length, json,
		       (long long) payload.user_id);
	json_decref(value);
}

static void
check_json(RequestKind kind, const char *json, size_t length)
{
	bool valid = pg_encoding_verifymbstr(PG_UTF8, json, (int) length) == (int) length;
	Request request;
	WalletCode code;

	EXPECT(valid == utf8_valid(json, length), "UTF-8 to one reader");
	if (!valid)
		return; /* the server lets no such text in */
	code = parse(kind, json, length, &request);
	EXPECT(code >= CODE_OK && code < CODE_COUNT, "code %d", (int) code);
	check_readers(json, length, code, &request);
	if (code != CODE_OK)
		return;
	EXPECT(request.kind == kind && request.user_id > 0 && request.request_id == 0,
	       "%.*s is accepted", (int) length, json);
	EXPECT(strlen(request.currency) == 0 || strlen(request.currency) == 3, "currency \"%.3s\"",
	       request.currency);
	if (strpbrk(request.currency, "\\\"") == NULL)
		check_round_trip(&request, length % 2 == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	uint8_t first = take_byte(&input);
	RequestKind kind = all_kinds[(first & 0x7F) % KIND_COUNT];

	if (first & 0x80)
		check_request_taken(kind, &input);
	else
		check_json(kind, (const char *) input.data, input.size);
	EXPECT((payload_amount_member(kind)[0] != '\0') == kind_infos[kind].has_amount,
	       "the amount's name is \"%s\"", payload_amount_member(kind));
	return 0;
}
