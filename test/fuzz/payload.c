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

#define JSON_TEXT_MAX 512
#define ID_TEXT_SIZE 32

/* ---- requests as JSON ---- */

/* The digits and scale that the amount is read as: zeros at the end of decimals say nothing. */
static Amount
shortest(Amount amount)
{
	for (; amount.scale > 0 && amount.digits % 10 == 0; amount.scale--)
		amount.digits /= 10;
	return amount;
}

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

/* An id, in a string like amounts, or with a decimal of zero. */
static const char *
write_id(char out[ID_TEXT_SIZE], int64_t id, bool quoted)
{
	const char *form = quoted ? "\"%lld\"" : id % 3 == 0 ? "%lld.0" : "%lld";

	snprintf(out, ID_TEXT_SIZE, form, (long long) id);
	return out;
}

static void
write_request(char *out, const Request *request, bool quoted)
{
	char text[48];
	char amount[64];
	char ids[3][ID_TEXT_SIZE];
	const char *user_id = write_id(ids[0], request->user_id, quoted);
	const char *source = write_id(ids[1], request->source_wallet_id, quoted);
	const char *destination = write_id(ids[2], request->destination_wallet_id, quoted);

	write_amount(text, sizeof(text), request->amount);
	snprintf(amount, sizeof(amount), quoted ? "\"%s\"" : "%s", text);
	switch (request->kind)
	{
		case KIND_WALLET:
			snprintf(out, JSON_TEXT_MAX, "{\"currency\":\"%s\" , \"amount\":%s,\"user_id\":%s}",
			         request->currency, amount, user_id);
			break;
		case KIND_TRANSACTION:
			snprintf(out, JSON_TEXT_MAX,
			         "{\"user_id\":%s,\"source_wallet_id\":%s,\n\"dest_wallet_id\":%s,"
			         "\"trans_sum\":%s}",
			         user_id, source, destination, amount);
			break;
		case KIND_DEPOSIT:
			snprintf(out, JSON_TEXT_MAX, " {\"wallet_id\":%s,\"user_id\":%s,\"amount\":%s} ",
			         destination, user_id, amount);
			break;
		case KIND_WITHDRAWAL:
			snprintf(out, JSON_TEXT_MAX, "{\"amount\":%s,\"wallet_id\":%s,\"user_id\":%s}", amount,
			         source, user_id);
			break;
		default:
			snprintf(out, JSON_TEXT_MAX, "{\"user_id\":%s,\"wallet_id\":%s}", user_id, source);
			break;
	}
}

static bool
is_same_request(const Request *a, const Request *b)
{
	Amount left = shortest(a->amount);
	Amount right = shortest(b->amount);

	return a->request_id == b->request_id && a->kind == b->kind && a->user_id == b->user_id &&
	       a->source_wallet_id == b->source_wallet_id &&
	       a->destination_wallet_id == b->destination_wallet_id && left.digits == right.digits &&
	       left.scale == right.scale && strcmp(a->currency, b->currency) == 0;
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

	write_request(json, request, quoted);
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

static void
check_request_taken(RequestKind kind, Input *input)
{
	Request request = {.kind = kind, .user_id = take_id(input)};
	bool quoted = take_byte(input) & 1;

	if (kind == KIND_TRANSACTION || kind == KIND_WITHDRAWAL || kind == KIND_WALLET_READ)
		request.source_wallet_id = take_id(input);
	if (kind == KIND_TRANSACTION || kind == KIND_DEPOSIT)
		request.destination_wallet_id = take_id(input);
	if (kind == KIND_WALLET)
		for (int i = 0; i < 3; i++)
			request.currency[i] = (char) ('a' + take_below(input, 26));
	if (kind != KIND_WALLET_READ)
	{
		request.amount.digits = take_int64(input);
		request.amount.scale = take_below(input, MINOR_DIGITS_MAX + 1);
	}
	check_round_trip(&request, quoted);
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
	int64_t user_id = 0;

	EXPECT(is_huge || (value == NULL) == (walked == CODE_INVALID_JSON), "%.*s: %s", (int) length,
	       json, wallet_codes[walked].name);
	EXPECT(walked == CODE_INVALID_JSON || code != CODE_INVALID_JSON, "%.*s is JSON to the shim",
	       (int) length, json);
	EXPECT(walked == CODE_INVALID_JSON || (walked == CODE_OK) == (code != CODE_NOT_AN_OBJECT),
	       "%.*s is an object to one reader", (int) length, json);
	if (code == CODE_OK)
		EXPECT(question_read_user_id(json, length, &user_id) && user_id == request->user_id,
		       "%.*s is asked by %lld to the shim", (int) length, json, (long long) user_id);
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
	EXPECT(strlen(request.currency) == (kind == KIND_WALLET ? 3 : 0), "currency \"%.3s\"",
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
	EXPECT(payload_amount_member(kind)[0] != '\0' || kind == KIND_WALLET_READ, "no amount's name");
	return 0;
}
