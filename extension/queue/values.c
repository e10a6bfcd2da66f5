/*
 * values.c
 *		Reads the values of a payload's members.
 *
 * The text of a number decides what an amount is; it never passes through a double.  Escapes in
 * strings are not resolved: no value that we know needs one.  What a text means depends on no
 * setting of the session.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "queue/values.h"

#include "mb/pg_wchar.h"

#include "rules/moment.h"

#ifndef FRONTEND
#include "base/interval.h"
#else
/* A program brings its own: the server's reads intervals with functions that no library has. */
extern bool interval_parse(const char *text, int64 *us);
#endif

/* Characters of an amount; the message of whoever has more says it, too. */
#define AMOUNT_LENGTH_MAX 1024

/* Characters of an interval; no interval needs more. */
#define INTERVAL_LENGTH_MAX 255

/* Decimals of a number of seconds. */
#define SECOND_DECIMALS 6

/* The characters of a number, which may stand in a string; false where the token is neither. */
static bool
number_text(const Parser *parser, JsonTokenType token, const char **text, int *length)
{
	if (token == JSON_TOKEN_STRING)
		*text = string_text(parser, length);
	else if (token == JSON_TOKEN_NUMBER)
		*text = token_text(parser, length);
	else
		return false;
	return true;
}

/* The characters of a string; otherwise the complaint that it must be one. */
static bool
take_string(Parser *parser, const Place *place, JsonTokenType token, const char **text, int *length)
{
	if (token != JSON_TOKEN_STRING)
	{
		complain(parser, CODE_WRONG_TYPE, place, "must be a string");
		return false;
	}
	*text = string_text(parser, length);
	return true;
}

static void
read_id(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	int length;
	const char *text;
	const char *wrong = id_wrong_type;
	WalletCode code = CODE_WRONG_TYPE;

	if (number_text(parser, token, &text, &length))
		code = id_parse(text, length, member, &wrong);
	if (code != CODE_OK)
		complain(parser, code, place, wrong);
}

void
read_parts_per_million(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	int length;
	const char *text;
	const char *wrong;
	WalletCode code = CODE_WRONG_TYPE;

	if (number_text(parser, token, &text, &length))
		code = id_parse(text, length, member, &wrong);
	if (code == CODE_WRONG_TYPE)
		complain(parser, code, place, "must be a whole number");
	else if (code != CODE_OK || *(const int64 *) member > PARTS_PER_WHOLE)
		complain(parser, CODE_INVALID_SPLIT, place, "must be a whole number from 1 to 1000000");
}

/*
 * In place of an amount that no currency could hold, one is kept that breaks no rule: the checks of
 * the other members then find an amount that is given.
 */
static void
read_amount(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	const Amount stand_in = {.digits = 1};
	Amount *amount = member;
	int length;
	const char *text;
	WalletCode code;

	if (!number_text(parser, token, &text, &length))
	{
		complain(parser, CODE_WRONG_TYPE, place, "must be a number, or a number in a string");
		return;
	}
	if (length > AMOUNT_LENGTH_MAX)
	{
		complain(parser, CODE_INVALID_AMOUNT, place, "must have at most 1024 characters");
		return;
	}
	code = amount_parse(text, length, amount);
	switch (code)
	{
		case CODE_OK:
			break;
		case CODE_AMOUNT_PRECISION:
			*amount = stand_in;
			complain(parser, code, place, "has more decimals than any currency");
			break;
		case CODE_AMOUNT_TOO_LARGE:
			*amount = stand_in;
			complain(parser, code, place,
			         "does not fit into 64 bits of the smallest unit: the largest is "
			         "9223372036854775807 units");
			break;
		default:
			complain(parser, code, place,
			         "must be a plain decimal number such as 777.88, without an exponent");
			break;
	}
}

static void
read_currency(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	char *currency = member;
	int length;
	const char *text;

	if (!take_string(parser, place, token, &text, &length))
		return;
	if (length != 3)
	{
		complain(parser, CODE_UNKNOWN_CURRENCY, place,
		         "must be a currency's code of three letters, such as usd");
		return;
	}
	for (int i = 0; i < length; i++)
		currency[i] = pg_ascii_tolower((unsigned char) text[i]);
	currency[length] = '\0';
}

/* The moment of PostgreSQL's epoch is kept as the next one, since 0 means that none is given. */
static void
take_moment(Parser *parser, const Place *place, int64 *moment, const char *text, int length)
{
	if (!moment_parse(text, length, moment))
		complain(parser, CODE_WRONG_TYPE, place,
		         "must be a moment of ISO 8601, such as 2026-11-27T12:30:00Z");
	else if (*moment == 0)
		*moment = 1;
}

static void
read_time(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	static const char infinity[] = "infinity";
	int length;
	const char *text;

	if (!take_string(parser, place, token, &text, &length))
		return;
	if (length == (int) strlen(infinity) && memcmp(text, infinity, length) == 0)
		*(int64 *) member = NO_END;
	else
		take_moment(parser, place, member, text, length);
}

static void
read_deadline(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	int length;
	const char *text;

	if (take_string(parser, place, token, &text, &length))
		take_moment(parser, place, member, text, length);
}

/* A number of seconds as microseconds; false where the text is none.  More than fit are the most.
 */
static bool
parse_seconds(const char *text, int length, int64 *us)
{
	Amount seconds;
	int64 wide;

	if (length > AMOUNT_LENGTH_MAX)
		return false;
	switch (amount_parse(text, length, &seconds))
	{
		case CODE_OK:
			break;
		case CODE_AMOUNT_TOO_LARGE:
			*us = PG_INT64_MAX;
			return true;
		default:
			return false;
	}
	if (seconds.scale > SECOND_DECIMALS)
		return false;
	wide = seconds.digits;
	for (int i = seconds.scale; i < SECOND_DECIMALS; i++)
	{
		if (wide > PG_INT64_MAX / 10 || wide < -(PG_INT64_MAX / 10))
			wide = wide > 0 ? PG_INT64_MAX / 10 : -(PG_INT64_MAX / 10);
		wide *= 10;
	}
	*us = wide;
	return true;
}

static bool
parse_interval(const char *text, int length, int64 *us)
{
	char copy[INTERVAL_LENGTH_MAX + 1];

	if (length > INTERVAL_LENGTH_MAX)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return interval_parse(copy, us);
}

/* An interval of 0 is kept as one that is too short, since 0 means that none is given. */
static void
read_interval(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	int64 *us = member;
	int length;
	const char *text;

	if (!number_text(parser, token, &text, &length) ||
	    !(token == JSON_TOKEN_NUMBER ? parse_seconds(text, length, us)
	                                 : parse_interval(text, length, us)))
		complain(parser, CODE_WRONG_TYPE, place,
		         "must be a number of seconds, or an interval such as \"2 days\"");
	else if (*us == 0)
		*us = -1;
}

static void
read_flag(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	if (token != JSON_TOKEN_TRUE && token != JSON_TOKEN_FALSE)
		complain(parser, CODE_WRONG_TYPE, place, "must be true or false");
	else
		*(bool *) member = token == JSON_TOKEN_TRUE;
}

static void
read_negated_flag(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	read_flag(parser, place, member, token);
	*(bool *) member = token == JSON_TOKEN_FALSE;
}

/* One of so many words. */
static void
read_word(Parser *parser, const Place *place, uint8 *member, JsonTokenType token,
          const char *const *words, int count, WalletCode code, const char *wrong)
{
	int length;
	const char *text;

	if (!take_string(parser, place, token, &text, &length))
		return;
	for (int i = 0; i < count; i++)
	{
		if (strlen(words[i]) == (size_t) length && memcmp(words[i], text, length) == 0)
		{
			*member = (uint8) i;
			return;
		}
	}
	complain(parser, code, place, wrong);
}

static void
read_amount_mode(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	read_word(parser, place, member, token, amount_mode_names, MODE_COUNT, CODE_INVALID_AMOUNT_MODE,
	          "must be exact, up_to or all");
}

static void
read_shortfall(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	read_word(parser, place, member, token, shortfall_names, SHORTFALL_COUNT,
	          CODE_INVALID_SHORTFALL, "must be refuse, available or overdraw");
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case digits only: each handshake has one spelling. */
static void
read_handshake(Parser *parser, const Place *place, void *member, JsonTokenType token)
{
	unsigned char *bytes = member;
	int length;
	const char *text;
	bool is_right;

	if (!take_string(parser, place, token, &text, &length))
		return;
	is_right = length == 2 * HANDSHAKE_SIZE;
	for (int i = 0; is_right && i < HANDSHAKE_SIZE; i++)
	{
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);

		is_right = high >= 0 && low >= 0;
		bytes[i] = (unsigned char) (high * 16 + low);
	}
	if (!is_right)
		complain(parser, CODE_INVALID_HANDSHAKE, place, "must have 64 hexadecimal digits");
}

ValueReader *const value_readers[TYPE_COUNT] = {
    [TYPE_ID] = read_id,
    [TYPE_USER] = read_id,
    [TYPE_AMOUNT] = read_amount,
    [TYPE_AMOUNT_OR_ZERO] = read_amount,
    [TYPE_CURRENCY] = read_currency,
    [TYPE_TIME] = read_time,
    [TYPE_DEADLINE] = read_deadline,
    [TYPE_INTERVAL] = read_interval,
    [TYPE_FLAG] = read_flag,
    [TYPE_NEGATED_FLAG] = read_negated_flag,
    [TYPE_AMOUNT_MODE] = read_amount_mode,
    [TYPE_SHORTFALL] = read_shortfall,
    [TYPE_HANDSHAKE] = read_handshake,
};
