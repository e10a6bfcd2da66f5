/*
 * members.c
 *		The members of a question: their names, their limits, and how they are
 *		read from a query string.
 */
#include "api/members.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const names[MEMBER_COUNT] = {
    "user_id", "handshake_id", "wallet_id", "transaction_id", "before",
    "limit",   "hold_id",      "state",     "include",        "dry_run"};

/* Each word, and the member that may be it. */
static const struct
{
	const char *text;
	Member member;
} words[WORD_COUNT] = {
    [WORD_OPEN] = {"open", MEMBER_STATE},     [WORD_CAPTURED] = {"captured", MEMBER_STATE},
    [WORD_VOIDED] = {"voided", MEMBER_STATE}, [WORD_EXPIRED] = {"expired", MEMBER_STATE},
    [WORD_ALL] = {"all", MEMBER_STATE},       [WORD_LIMITS] = {"limits", MEMBER_INCLUDE},
    [WORD_HOLDS] = {"holds", MEMBER_INCLUDE}, [WORD_LINKS] = {"links", MEMBER_INCLUDE},
    [WORD_TRUE] = {"true", MEMBER_DRY_RUN},   [WORD_FALSE] = {"false", MEMBER_DRY_RUN},
};

bool
members_include(const Members *members, Word word)
{
	assert(words[word].member == MEMBER_INCLUDE);
	return (members->given & MEMBER_BIT(MEMBER_INCLUDE)) && members->number[MEMBER_INCLUDE] == word;
}

const char *
member_name(Member member)
{
	assert(member < MEMBER_COUNT);
	return names[member];
}

Member
member_by_name(const char *name, size_t length)
{
	int member = 0;

	while (member < MEMBER_COUNT &&
	       (strlen(names[member]) != length || memcmp(names[member], name, length) != 0))
		member++;
	return (Member) member;
}

WalletCode
member_unknown(const char *name, size_t length, char message[MESSAGE_SIZE])
{
	if (length <= 64 && utf8_valid(name, length))
		snprintf(message, MESSAGE_SIZE, "member \"%.*s\" is not known", (int) length, name);
	else
		snprintf(message, MESSAGE_SIZE, "%s", wallet_codes[CODE_UNKNOWN_MEMBER].message);
	return CODE_UNKNOWN_MEMBER;
}

WalletCode
member_duplicate(Member member, char message[MESSAGE_SIZE])
{
	assert(member < MEMBER_COUNT);
	snprintf(message, MESSAGE_SIZE, "member \"%s\" must be given only once", names[member]);
	return CODE_DUPLICATE_MEMBER;
}

WalletCode
member_no_handshake(char message[MESSAGE_SIZE])
{
	snprintf(message, MESSAGE_SIZE,
	         "member \"handshake_id\" must be a string of 64 hexadecimal digits");
	return CODE_WRONG_TYPE;
}

/* A page's size is written as an id is, but bounded. */
static WalletCode
check_limit(WalletCode code, int64_t limit, char message[MESSAGE_SIZE])
{
	if (code == CODE_OK && limit <= HISTORY_ROWS_MAX)
		return code;
	if (code == CODE_WRONG_TYPE)
		snprintf(message, MESSAGE_SIZE, "member \"limit\" must be a whole number from 1 to %d",
		         HISTORY_ROWS_MAX);
	else
		snprintf(message, MESSAGE_SIZE, "member \"limit\" must be from 1 to %d", HISTORY_ROWS_MAX);
	return code == CODE_WRONG_TYPE ? code : CODE_INVALID_LIMIT;
}

WalletCode
member_store_number(Members *members, Member member, const char *text, size_t length,
                    char message[MESSAGE_SIZE])
{
	const char *wrong;
	WalletCode code;

	assert(member < MEMBER_COUNT && member != MEMBER_HANDSHAKE_ID);
	code = id_parse(text, length, &members->number[member], &wrong);
	if (member == MEMBER_LIMIT)
		return check_limit(code, members->number[member], message);
	if (code != CODE_OK)
		snprintf(message, MESSAGE_SIZE, "member \"%s\" %s", names[member], wrong);
	return code;
}

bool
member_is_word(Member member)
{
	return member == MEMBER_STATE || member == MEMBER_INCLUDE || member == MEMBER_DRY_RUN;
}

const char *
word_text(Word word)
{
	assert(word < WORD_COUNT);
	return words[word].text;
}

WalletCode
member_store_word(Members *members, Member member, const char *text, size_t length,
                  char message[MESSAGE_SIZE])
{
	int size = snprintf(message, MESSAGE_SIZE, "member \"%s\" must be one of", names[member]);

	assert(member_is_word(member));
	for (int word = 0; word < WORD_COUNT; word++)
	{
		if (words[word].member != member)
			continue;
		if (strlen(words[word].text) == length && memcmp(words[word].text, text, length) == 0)
		{
			members->number[member] = word;
			return CODE_OK;
		}
		size += snprintf(message + size, MESSAGE_SIZE - (size_t) size, " %s", words[word].text);
	}
	return CODE_WRONG_TYPE;
}

WalletCode
member_store_handshake(Members *members, const char *text, size_t length,
                       char message[MESSAGE_SIZE])
{
	size_t digits = 0;

	while (digits < length && hex_value(text[digits]) >= 0)
		digits++;
	if (digits != HANDSHAKE_LENGTH || length != HANDSHAKE_LENGTH)
	{
		snprintf(message, MESSAGE_SIZE, "member \"handshake_id\" must have 64 hexadecimal digits");
		return CODE_INVALID_HANDSHAKE;
	}
	memcpy(members->handshake_id, text, HANDSHAKE_LENGTH);
	members->handshake_id[HANDSHAKE_LENGTH] = '\0';
	return CODE_OK;
}

WalletCode
members_complete(const Members *members, unsigned required, char message[MESSAGE_SIZE])
{
	for (int member = 0; member < MEMBER_COUNT; member++)
		if ((required & MEMBER_BIT(member)) && !(members->given & MEMBER_BIT(member)))
		{
			snprintf(message, MESSAGE_SIZE, "member \"%s\" is missing", names[member]);
			return CODE_MISSING_MEMBER;
		}
	return CODE_OK;
}

/* No valid value of a member is longer. */
#define VALUE_LENGTH_MAX (HANDSHAKE_LENGTH > ID_LENGTH_MAX ? HANDSHAKE_LENGTH : ID_LENGTH_MAX)

typedef struct QueryValue
{
	char
	    text[VALUE_LENGTH_MAX + 1]; /* of a longer value the beginning, which is too long already */
	size_t length;
} QueryValue;

static WalletCode
store_value(Members *members, Member member, const QueryValue *value, char message[MESSAGE_SIZE])
{
	if (member == MEMBER_HANDSHAKE_ID)
		return member_store_handshake(members, value->text, value->length, message);
	if (member_is_word(member))
		return member_store_word(members, member, value->text, value->length, message);
	return member_store_number(members, member, value->text, value->length, message);
}

/* Reads one name=value; the value is stored later, when all names are known to be right. */
static WalletCode
read_pair(const char *pair, size_t length, unsigned allowed, Members *members,
          QueryValue values[MEMBER_COUNT], char message[MESSAGE_SIZE])
{
	const char *equals = memchr(pair, '=', length);
	size_t name_length = equals ? (size_t) (equals - pair) : length;
	char name[HANDSHAKE_LENGTH + 1];
	size_t size;
	Member member;

	size = percent_decode(pair, name_length, name, sizeof(name));
	if (size == DECODE_FAILED)
	{
		snprintf(message, MESSAGE_SIZE, "the query string is not encoded correctly");
		return CODE_BAD_REQUEST;
	}
	member = size > sizeof(name) ? MEMBER_COUNT : member_by_name(name, size);
	if (member == MEMBER_COUNT || !(allowed & MEMBER_BIT(member)))
		return member_unknown(name, size, message);
	if (members->given & MEMBER_BIT(member))
		return member_duplicate(member, message);
	members->given |= MEMBER_BIT(member);
	if (equals == NULL)
		return CODE_OK;
	size = percent_decode(equals + 1, length - name_length - 1, values[member].text,
	                      sizeof(values[member].text));
	if (size == DECODE_FAILED)
	{
		snprintf(message, MESSAGE_SIZE, "the query string is not encoded correctly");
		return CODE_BAD_REQUEST;
	}
	values[member].length = size > sizeof(values[member].text) ? sizeof(values[member].text) : size;
	return CODE_OK;
}

WalletCode
query_read_members(const char *text, unsigned allowed, unsigned required, Members *members,
                   char message[MESSAGE_SIZE])
{
	QueryValue values[MEMBER_COUNT] = {0};
	WalletCode code = CODE_OK;

	assert((required & ~allowed) == 0);
	memset(members, 0, sizeof(*members));
	while (code == CODE_OK && *text != '\0')
	{
		size_t length = strcspn(text, "&");

		if (length > 0)
			code = read_pair(text, length, allowed, members, values, message);
		text += length + (text[length] == '&');
	}
	if (code == CODE_OK)
		code = members_complete(members, required, message);
	for (int member = 0; code == CODE_OK && member < MEMBER_COUNT; member++)
		if (members->given & MEMBER_BIT(member))
			code = store_value(members, (Member) member, &values[member], message);
	return code;
}
