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

#include <time.h>

#include "mb/pg_wchar.h"

#include <jansson.h>

#include "../../shim/api/question.h"
#include "../../shim/api/object.h"
#include "../../shim/base/text.h"
#include "fuzz.h"
#include "queue/payload.h"
#include "rules/extra.h"
#include "rules/fingerprint.h"

#define JSON_TEXT_MAX 65536

/* Legs of a group that the target makes. */
#define LEGS_MADE 5

/* The server's own needs the server: here an interval in a string is a number of seconds. */
bool
interval_parse(const char *text, int64 *us)
{
	Amount seconds;

	if (amount_parse(text, strlen(text), &seconds) != CODE_OK || seconds.scale > 6)
		return false;
	for (*us = seconds.digits; seconds.scale < 6; seconds.scale++)
	{
		if (__builtin_mul_overflow(*us, 10, us))
			return false;
	}
	return true;
}

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

/* A moment as ISO 8601; by a calendar of its own, so that it checks that of moment.c. */
static void
write_moment(char *out, size_t size, int64_t moment)
{
	int64_t day_us = INT64_C(86400000000);
	int64_t days = moment / day_us - (moment % day_us < 0 ? 1 : 0);
	int64_t rest = moment - days * day_us;
	time_t seconds = (time_t) ((days + 10957) * 86400 + rest / 1000000);
	struct tm parts;

	if (moment == NO_END)
	{
		snprintf(out, size, "\"infinity\"");
		return;
	}
	EXPECT(gmtime_r(&seconds, &parts) != NULL, "%lld", (long long) moment);
	snprintf(out, size, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06d%s\"", parts.tm_year + 1900,
	         parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
	         (int) (rest % 1000000), moment % 2 == 0 ? "Z" : "");
}

static void
write_handshake(char *out, const unsigned char *bytes)
{
	out += sprintf(out, "\"");
	for (int i = 0; i < HANDSHAKE_SIZE; i++)
		out += sprintf(out, "%02x", bytes[i]);
	strcpy(out, "\"");
}

static bool is_written(const Operation *operation, const KindMember *member, bool is_leg);
static void write_parts(char *out, const Operation *operation, const KindMember *member,
                        bool quoted);

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
		case TYPE_USER:
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
		case TYPE_TIME:
		case TYPE_DEADLINE:
			write_moment(out, size, *(const int64_t *) value);
			break;
		case TYPE_INTERVAL:
			write_amount(amount, sizeof(amount), (Amount){*(const int64_t *) value, 6});
			snprintf(out, size, "%s%s%s", quote, amount, quote);
			break;
		case TYPE_FLAG:
			strcpy(out, *(const bool *) value ? "true" : "false");
			break;
		case TYPE_NEGATED_FLAG:
			strcpy(out, *(const bool *) value ? "false" : "true");
			break;
		case TYPE_AMOUNT_MODE:
			snprintf(out, size, "\"%s\"", amount_mode_names[*(const uint8_t *) value]);
			break;
		case TYPE_SHORTFALL:
			snprintf(out, size, "\"%s\"", shortfall_names[*(const uint8_t *) value]);
			break;
		case TYPE_HANDSHAKE:
			write_handshake(out, value);
			break;
		case TYPE_LEGS:
		case TYPE_SPLIT:
			write_parts(out, request, member, quoted);
			break;
		default:
			EXPECT(false, "member %s has a type that this target does not know", member->name);
	}
}

/* The members of a request or a leg but one, in an order that depends on the request. */
static void
write_members(char *out, const Request *request, bool is_leg, bool quoted,
              const KindMember *without)
{
	static char value[JSON_TEXT_MAX];
	const KindInfo *info = &kind_infos[request->kind];
	int first = (int) (((uint64_t) request->user_id + (uint64_t) request->source_wallet_id) %
	                   (uint64_t) info->member_count);
	int length = is_leg ? snprintf(out, JSON_TEXT_MAX, "{\"kind\":\"%s\"", info->name)
	                    : snprintf(out, JSON_TEXT_MAX, " {");

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[(first + i) % info->member_count];

		if (member == without || !is_written(request, member, is_leg))
			continue;
		write_value(value, sizeof(value), request, member, quoted);
		length += snprintf(out + length, JSON_TEXT_MAX - length, "%s\"%s\"%s%s",
		                   out[length - 1] == '{' ? "" : ",\n", member->name,
		                   i % 2 == 0 ? ":" : " : ", value);
		EXPECT(length < JSON_TEXT_MAX - 2, "%s has no room", info->name);
	}
	strcpy(out + length, "}");
}

static void
write_request(char *out, const Request *request, bool quoted, const KindMember *without)
{
	write_members(out, request, false, quoted, without);
}

/* The legs of a group. */
static void
write_parts(char *out, const Operation *operation, const KindMember *member, bool quoted)
{
	const Parts *parts = operation->parts;
	static char leg[JSON_TEXT_MAX];
	static char legs[JSON_TEXT_MAX];
	int length = 0;

	EXPECT(member->type == TYPE_LEGS, "a leg has shares");
	for (int i = 0; i < parts->leg_count; i++)
	{
		write_members(leg, &parts->legs[i], true, quoted, NULL);
		length += snprintf(legs + length, sizeof(legs) - length, "%s%s", i == 0 ? "[" : ", ", leg);
		EXPECT(length < JSON_TEXT_MAX - 2, "the legs have no room");
	}
	sprintf(out, "%s]", legs);
}

/* Do they ask for the same?  By what a fingerprint is made from, and by what is stored. */
static bool
is_same_request(const Request *a, const Request *b)
{
	size_t size = operation_bytes_max(a);
	unsigned char *left = malloc(size);
	unsigned char *right = malloc(operation_bytes_max(b));
	size_t length = operation_to_bytes(a, left);
	bool same = operation_bytes_max(b) == size && operation_to_bytes(b, right) == length &&
	            memcmp(left, right, length) == 0 && a->request_id == b->request_id;

	free(left);
	free(right);
	if (!same || extra_pack(a, NULL) != extra_pack(b, NULL))
		return false;
	size = extra_pack(a, NULL);
	left = malloc(size + 1);
	right = malloc(size + 1);
	same = extra_pack(a, left) == size && extra_pack(b, right) == size &&
	       memcmp(left, right, size) == 0 && extra_is_empty(a) == (size == 0);
	free(left);
	free(right);
	return same;
}

/* What is stored of a request is read as the same. */
static void
check_extra(const Request *request)
{
	size_t length = extra_pack(request, NULL);
	unsigned char *bytes = malloc(length + 1);
	Request again = *request;
	size_t block_size;
	void *block;

	(void) extra_pack(request, bytes);
	EXPECT(extra_block_size(bytes, length, &block_size), "%zu bytes", length);
	block = block_size == 0 ? NULL : malloc(block_size);
	for (int i = 0; i < extra_field_count; i++)
	{
		static const size_t sizes[] = {8, 8, 1, sizeof(bool), sizeof(Amount)};

		memset((char *) &again + extra_fields[i].offset, 0, sizes[extra_fields[i].type]);
	}
	again.has_handshake = false;
	again.parts = NULL;
	EXPECT(extra_unpack(bytes, length, &again, block) && is_same_request(request, &again),
	       "%zu bytes of %s", length, kind_infos[request->kind].name);
	free(block);
	free(bytes);
}

static WalletCode
parse(RequestKind kind, const char *json, size_t length, Request *request)
{
	StringInfoData message;
	WalletCode code;

	initStringInfo(&message);
	memset(request, 0x55, sizeof(*request));
	code = payload_parse(kind, PG_UTF8, json, (int) length, false, request, &message);
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
	static char json[JSON_TEXT_MAX];
	Request again;
	WalletCode code;

	write_request(json, request, quoted, NULL);
	code = parse(request->kind, json, strlen(json), &again);
	EXPECT(code == CODE_OK && is_same_request(request, &again), "%s: %s", json,
	       wallet_codes[code].name);
	check_extra(&again);
	if (again.parts != NULL)
		pfree(again.parts);
}

/* ---- the two ways in ---- */

static int64_t
take_id(Input *input)
{
	int64_t id = take_int64(input);

	return id > 0 ? id : 1;
}

/* Does the request give the member?  A hold is named once, and the mode all takes no amount. */
static bool
is_written(const Operation *operation, const KindMember *member, bool is_leg)
{
	switch (member->type)
	{
		case TYPE_SPLIT:
			return false;
		case TYPE_USER:
			return !is_leg;
		case TYPE_HANDSHAKE:
			return operation->has_handshake;
		case TYPE_AMOUNT:
			return AMOUNT_IS_GIVEN(*(const Amount *) ((const char *) operation + member->offset));
		case TYPE_ID:
		case TYPE_TIME:
		case TYPE_DEADLINE:
		case TYPE_INTERVAL:
			return *(const int64_t *) ((const char *) operation + member->offset) != 0;
		default:
			return true;
	}
}

/* Is a request without this member refused? */
static bool
is_needed(const Request *request, const KindMember *member)
{
	if (member->offset == offsetof(Operation, link_id) || member->type == TYPE_HANDSHAKE)
		return true;
	return member->required;
}

/* A member that is given twice is refused, and so is a request without one that it needs. */
static void
check_members(const Request *request, bool quoted)
{
	const KindInfo *info = &kind_infos[request->kind];
	static char json[2 * JSON_TEXT_MAX];
	char again[64];
	Request ignored;

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];
		WalletCode expected = is_needed(request, member) ? CODE_MISSING_MEMBER : CODE_OK;
		WalletCode code;

		if (!is_written(request, member, false) || member->type == TYPE_AMOUNT_MODE)
			continue;
		write_request(json, request, quoted, member);
		code = parse(request->kind, json, strlen(json), &ignored);
		EXPECT(code == expected, "%s: %s", json, wallet_codes[code].name);
		if (ignored.parts != NULL)
			pfree(ignored.parts);
		write_request(json, request, quoted, NULL);
		snprintf(again, sizeof(again), ",\"%s\":1}", member->name);
		strcpy(strrchr(json, '}'), again);
		EXPECT(parse(request->kind, json, strlen(json), &ignored) == CODE_DUPLICATE_MEMBER, "%s",
		       json);
	}
}

/* Without zeros at the end of its decimals, as an amount is read. */
static Amount
take_amount(Input *input)
{
	Amount amount = {.digits = take_int64(input)};

	amount.scale = take_below(input, MINOR_DIGITS_MAX + 1);
	for (; amount.scale > 0 && amount.digits % 10 == 0; amount.scale--)
		amount.digits /= 10;
	return amount;
}

/* A moment that ISO 8601 can write, and that is given. */
static int64_t
take_moment(Input *input)
{
	int64_t moment = take_int64(input) % INT64_C(63082281600000000);

	return moment == 0 ? 1 : moment;
}

static void
take_value(Request *request, const KindMember *member, Input *input)
{
	void *value = (char *) request + member->offset;

	switch (member->type)
	{
		case TYPE_ID:
		case TYPE_USER:
			*(int64_t *) value = take_id(input);
			break;
		case TYPE_AMOUNT:
		case TYPE_AMOUNT_OR_ZERO:
			*(Amount *) value = take_amount(input);
			break;
		case TYPE_CURRENCY:
			for (int i = 0; i < 3; i++)
				((char *) value)[i] = (char) ('a' + take_below(input, 26));
			break;
		case TYPE_TIME:
			*(int64_t *) value = take_below(input, 8) == 0 ? NO_END : take_moment(input);
			break;
		case TYPE_DEADLINE:
			*(int64_t *) value = take_moment(input);
			break;
		case TYPE_INTERVAL:
			*(int64_t *) value = take_moment(input);
			break;
		case TYPE_FLAG:
		case TYPE_NEGATED_FLAG:
			*(bool *) value = take_byte(input) & 1;
			break;
		case TYPE_AMOUNT_MODE:
			*(uint8_t *) value = (uint8_t) take_below(input, MODE_COUNT);
			break;
		case TYPE_SHORTFALL:
			*(uint8_t *) value = (uint8_t) take_below(input, SHORTFALL_COUNT);
			break;
		case TYPE_HANDSHAKE:
			request->has_handshake = take_byte(input) & 1;
			for (int i = 0; request->has_handshake && i < HANDSHAKE_SIZE; i++)
				((unsigned char *) value)[i] = take_byte(input);
			break;
		case TYPE_LEGS:
		case TYPE_SPLIT:
			break; /* the legs come last, and a split in a text alone */
		default:
			EXPECT(false, "member %s has a type that this target does not know", member->name);
	}
}

/* A request or a leg with all members of its kind. */
static Operation
take_operation(RequestKind kind, Input *input, bool is_leg)
{
	const KindInfo *info = &kind_infos[kind];
	Operation operation = {.kind = kind, .amount = AMOUNT_NONE, .max_capture = AMOUNT_NONE};

	for (int i = 0; i < info->member_count; i++)
	{
		MemberType type = info->members[i].type;

		if (!is_leg || (type != TYPE_USER && type != TYPE_DEADLINE && type != TYPE_HANDSHAKE))
			take_value(&operation, &info->members[i], input);
	}
	if (operation.amount_mode == MODE_ALL)
		operation.amount = AMOUNT_NONE;
	if (operation.has_handshake)
		operation.link_id = 0;
	return operation;
}

static RequestKind
take_leg_kind(Input *input)
{
	RequestKind kind;

	do
		kind = all_kinds[take_byte(input) % KIND_COUNT];
	while (!(kind_infos[kind].uses & USE_LEG) && input->size > 0);
	return kind_infos[kind].uses & USE_LEG ? kind : KIND_FEE;
}

static void
check_request_taken(RequestKind kind, Input *input)
{
	Request request = take_operation(kind, input, false);
	bool quoted = take_byte(input) & 1;

	if (kind == KIND_GROUP)
	{
		int count = 1 + take_below(input, LEGS_MADE);

		request.parts = parts_init(malloc(parts_size(count, 0)), count, 0);
		for (int i = 0; i < count; i++)
			request.parts->legs[i] = take_operation(take_leg_kind(input), input, true);
	}
	check_round_trip(&request, quoted);
	check_members(&request, quoted);
	free(request.parts);
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

/* The checks of what was read, and the legs of a direct call: they end, and say what is wrong. */
static void
check_checks(const Request *request, const char *json, size_t length)
{
	Operation group;
	StringInfoData message;
	WalletCode code;

	initStringInfo(&message);
	code = request == NULL ? CODE_OK : payload_check(request, 0, &message);
	EXPECT((code == CODE_OK) == (message.len == 0), "%s", wallet_codes[code].name);
	resetStringInfo(&message);
	code = payload_parse_legs(PG_UTF8, json, (int) length, &group, &message);
	EXPECT((code == CODE_OK) == (group.parts != NULL), "%s", wallet_codes[code].name);
	EXPECT((code == CODE_OK) == (message.len == 0), "%s", wallet_codes[code].name);
	if (group.parts != NULL)
		pfree(group.parts);
	pfree(message.data);
}

static bool
has_split(const Request *request)
{
	return request->parts != NULL && request->parts->share_count > 0;
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
	check_checks(code == CODE_OK ? &request : NULL, json, length);
	if (code != CODE_OK)
		return;
	EXPECT(request.kind == kind && request.user_id > 0 && request.request_id == 0,
	       "%.*s is accepted", (int) length, json);
	check_extra(&request);
	EXPECT(strlen(request.currency) == 0 || strlen(request.currency) == 3, "currency \"%.3s\"",
	       request.currency);
	if (strpbrk(request.currency, "\\\"") == NULL && !has_split(&request))
		check_round_trip(&request, length % 2 == 0);
	if (request.parts != NULL)
		pfree(request.parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	uint8_t first = take_byte(&input);
	RequestKind kind = all_kinds[(first & 0x7F) % KIND_COUNT];

	if (!(kind_infos[kind].uses & USE_REQUEST))
		return 0;
	if (first & 0x80)
		check_request_taken(kind, &input);
	else
		check_json(kind, (const char *) input.data, input.size);
	EXPECT((payload_amount_member(kind)[0] != '\0') == kind_infos[kind].has_amount,
	       "the amount's name is \"%s\"", payload_amount_member(kind));
	return 0;
}
