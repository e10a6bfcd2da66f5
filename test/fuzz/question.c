/*
 * question.c
 *		Fuzzes what the shim reads itself: the members of a question, in JSON and
 *		in a query string, and the elements of an array.
 *
 * The first byte says which of the three, the second which members.  What is
 * accepted is written down in both ways and must be read as the same; an array
 * is cut as jansson would.
 */
#include <inttypes.h>
#include <jansson.h>

#include "../../shim/api/array.h"
#include "../../shim/api/question.h"
#include "../../shim/base/buffer.h"
#include "../../shim/base/text.h"
#include "fuzz.h"

#define TEXT_MAX 4096
#define SLICES_MAX 64
#define ALL_MEMBERS ((1u << MEMBER_COUNT) - 1)

/* ---- members ---- */

static bool
is_same_member(const Members *a, const Members *b, Member member)
{
	if (member == MEMBER_HANDSHAKE_ID)
		return strcmp(a->handshake_id, b->handshake_id) == 0;
	return a->number[member] == b->number[member];
}

static bool
is_same(const Members *a, const Members *b)
{
	bool same = a->given == b->given;

	for (int member = 0; same && member < MEMBER_COUNT; member++)
		same = is_same_member(a, b, (Member) member);
	return same;
}

/* A member's value as text, with quotes where it is a string of JSON. */
static void
write_value(Buffer *out, const Members *members, Member member, const char *quote)
{
	if (member == MEMBER_HANDSHAKE_ID)
		buffer_printf(out, "%s%s%s", quote, members->handshake_id, quote);
	else if (member_is_word(member))
		buffer_printf(out, "%s%s%s", quote, word_text((Word) members->number[member]), quote);
	else if (members->number[member] % 3 == 0)
		buffer_printf(out, "%" PRId64 ".0", members->number[member]);
	else
		buffer_printf(out, "%s%" PRId64 "%s", quote, members->number[member], quote);
}

static void
write_json(Buffer *out, const Members *members)
{
	const char *before = "{";

	for (int member = 0; member < MEMBER_COUNT; member++)
		if (members->given & MEMBER_BIT(member))
		{
			buffer_printf(out, "%s\"%s\" :", before, member_name((Member) member));
			write_value(out, members, (Member) member, "\"");
			before = ",";
		}
	buffer_puts(out, members->given ? "}" : "{}");
}

/* Each byte that is a multiple of step is percent-encoded; step 0: none. */
static void
encode(Buffer *out, const Buffer *text, int step)
{
	for (size_t i = 0; i < text->length; i++)
		if (step != 0 && (unsigned char) text->data[i] % step == 0)
			buffer_printf(out, "%%%02x", (unsigned char) text->data[i]);
		else
			buffer_put(out, text->data + i, 1);
}

static void
write_query(Buffer *out, const Members *members, int step)
{
	Buffer text = {0};

	for (int member = MEMBER_COUNT - 1; member >= 0; member--)
		if (members->given & MEMBER_BIT(member))
		{
			buffer_reset(&text);
			buffer_puts(&text, member_name((Member) member));
			encode(out, &text, step);
			buffer_puts(out, "=");
			buffer_reset(&text);
			write_value(&text, members, (Member) member, "");
			encode(out, &text, step);
			buffer_puts(out, "&");
		}
	buffer_put(out, "", 1);
	buffer_free(&text);
}

/* The members, once they have been accepted, are the same in every way of writing. */
static void
check_written(const Members *members, unsigned allowed, unsigned required)
{
	char message[MESSAGE_SIZE];
	Buffer text = {0};
	Members again;

	write_json(&text, members);
	EXPECT(question_read_members(text.data, text.length, allowed, required, &again, message) ==
	               CODE_OK &&
	           is_same(members, &again),
	       "%.*s", (int) text.length, text.data);
	for (int step = 0; step < 3; step++)
	{
		buffer_reset(&text);
		write_query(&text, members, step);
		EXPECT(query_read_members(text.data, allowed, required, &again, message) == CODE_OK &&
		           is_same(members, &again),
		       "%s", text.data);
	}
	buffer_free(&text);
}

static void
check_members(WalletCode code, const Members *members, unsigned allowed, unsigned required,
              const char *message)
{
	if (code != CODE_OK)
	{
		EXPECT(code < CODE_COUNT && wallet_codes[code].http_status / 100 == 4, "code %d",
		       (int) code);
		EXPECT(memchr(message, '\0', MESSAGE_SIZE) != NULL && *message != '\0' &&
		           utf8_valid(message, strlen(message)),
		       "%s with the message \"%s\"", wallet_codes[code].name, message);
		return;
	}
	EXPECT((members->given & ~allowed) == 0 && (required & ~members->given) == 0, "members %x",
	       members->given);
	for (int member = 0; member < MEMBER_COUNT; member++)
		if ((members->given & MEMBER_BIT(member)) && member != MEMBER_HANDSHAKE_ID &&
		    !member_is_word((Member) member))
			EXPECT(members->number[member] > 0 &&
			           (member != MEMBER_LIMIT || members->number[member] <= HISTORY_ROWS_MAX),
			       "%s is %" PRId64, member_name((Member) member), members->number[member]);
	EXPECT(strspn(members->handshake_id, "0123456789abcdefABCDEF") ==
	           (members->given & MEMBER_BIT(MEMBER_HANDSHAKE_ID) ? HANDSHAKE_LENGTH : 0),
	       "handshake %s", members->handshake_id);
	check_written(members, allowed, required);
}

static void
check_json(const char *text, size_t length, unsigned allowed, unsigned required)
{
	char message[MESSAGE_SIZE];
	Members members;
	Payload payload;
	WalletCode code;

	memset(message, '#', sizeof(message));
	code = question_read_members(text, length, allowed, required, &members, message);
	check_members(code, &members, allowed, required, message);
	if (code == CODE_OK && (members.given & MEMBER_BIT(MEMBER_USER_ID)))
		EXPECT(question_read_payload(text, length, &payload) == CODE_OK &&
		           payload.user_id == members.number[MEMBER_USER_ID],
		       "%.*s", (int) length, text);
}

static void
check_query(const char *data, size_t length, unsigned allowed, unsigned required)
{
	char message[MESSAGE_SIZE];
	char *text = strndup(data, length);
	Members members;
	WalletCode code;

	memset(message, '#', sizeof(message));
	code = query_read_members(text, allowed, required, &members, message);
	check_members(code, &members, allowed, required, message);
	free(text);
}

/* ---- arrays ---- */

/* Each slice as jansson reads it; NULL when one of them is no JSON. */
static json_t *
load_slices(const Slice *slices, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(
		        array, json_loadb(slices[i].text, slices[i].length, JSON_DECODE_ANY, NULL)) != 0)
		{
			json_decref(array);
			return NULL;
		}
	return array;
}

static void
check_array(const char *text, size_t length)
{
	Slice slices[SLICES_MAX];
	size_t count = 0;
	WalletCode code = array_split(text, length, slices, SLICES_MAX, &count);
	json_t *whole = json_loadb(text, length, JSON_DECODE_ANY, NULL);
	json_t *parts = NULL;

	EXPECT(code == CODE_OK || code == CODE_INVALID_JSON || code == CODE_NOT_AN_ARRAY, "code %d",
	       (int) code);
	EXPECT(whole == NULL || (code == CODE_OK) == json_is_array(whole), "%.*s: %s", (int) length,
	       text, wallet_codes[code].name);
	if (code == CODE_OK && count <= SLICES_MAX)
	{
		for (size_t i = 0; i < count; i++)
			EXPECT(slices[i].length > 0 && slices[i].text >= text &&
			           slices[i].text + slices[i].length <= text + length,
			       "slice %zu", i);
		parts = load_slices(slices, count);
		EXPECT((parts == NULL) == (whole == NULL), "%.*s is JSON in one way only", (int) length,
		       text);
		EXPECT(parts == NULL || json_equal(parts, whole), "%.*s", (int) length, text);
	}
	json_decref(parts);
	json_decref(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	int way = take_below(&input, 3);
	uint8_t set = take_byte(&input);
	unsigned allowed = set & ALL_MEMBERS ? set & ALL_MEMBERS : ALL_MEMBERS;
	unsigned required = set & 0x80 ? MEMBER_BIT(MEMBER_USER_ID) & allowed : 0;
	const char *text = (const char *) input.data;

	if (input.size > TEXT_MAX)
		return 0;
	if (way == 0)
		check_json(text, input.size, allowed, required);
	else if (way == 1)
		check_query(text, input.size, allowed, required);
	else
		check_array(text, input.size);
	return 0;
}
