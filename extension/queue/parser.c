/*
 * parser.c
 *		The tokens of a payload, and the fault that is told.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "queue/parser.h"

#include "mb/pg_wchar.h"

/* Characters of a member's name that a message repeats. */
#define NAME_SHOWN_MAX 64

/* How many bytes of a name fit into a message: whole characters, at most NAME_SHOWN_MAX bytes. */
static int
shown_length(int encoding, const char *name, int length)
{
	int shown = 0;

	while (shown < length)
	{
		int next = shown + pg_encoding_mblen(encoding, name + shown);

		if (next > NAME_SHOWN_MAX)
			break;
		shown = next;
	}
	return shown;
}

/* Whether a fault of this code is told in place of the one that has been met before, if any. */
static bool
comes_first(Parser *parser, WalletCode code)
{
	if (parser->code != CODE_OK && code >= parser->code)
		return false;
	parser->code = code;
	resetStringInfo(parser->message);
	return true;
}

void
complain(Parser *parser, WalletCode code, const Place *place, const char *what)
{
	int shown = shown_length(parser->encoding, place->name, place->length);

	if (comes_first(parser, code))
		appendStringInfo(parser->message, "member \"%s%.*s\"%s %s", place->path, shown, place->name,
		                 shown < place->length ? " (cut)" : "", what);
}

void
complain_plainly(Parser *parser, WalletCode code, const char *message)
{
	if (comes_first(parser, code))
		appendStringInfoString(parser->message, message);
}

/* ---- Tokens ---- */

static const char *
skip_digits(const char *text, const char *end)
{
	while (text < end && *text >= '0' && *text <= '9')
		text++;
	return text;
}

/* The end of a number that has no sign and no exponent; NULL where it has, or is none. */
static const char *
plain_number_end(const char *text, const char *end)
{
	const char *behind = skip_digits(text, end);

	if (behind == text || (*text == '0' && behind > text + 1))
		return NULL;
	if (behind < end && *behind == '.')
	{
		const char *decimals = behind + 1;

		behind = skip_digits(decimals, end);
		if (behind == decimals)
			return NULL;
	}
	return behind < end && (*behind == ',' || *behind == '}' || *behind == ']' || *behind == ' ')
	           ? behind
	           : NULL;
}

/* The end of a string of printable ASCII; NULL where it has an escape or anything else. */
static const char *
plain_string_end(const char *text, const char *end)
{
	while (++text < end && *text != '\\' && *text >= ' ' && *text <= '~')
	{
		if (*text == '"')
			return text + 1;
	}
	return NULL;
}

static const char *
plain_token_end(const char *text, const char *end, JsonTokenType *type)
{
	switch (*text)
	{
		case '{':
			*type = JSON_TOKEN_OBJECT_START;
			return text + 1;
		case '}':
			*type = JSON_TOKEN_OBJECT_END;
			return text + 1;
		case ',':
			*type = JSON_TOKEN_COMMA;
			return text + 1;
		case ':':
			*type = JSON_TOKEN_COLON;
			return text + 1;
		case '"':
			*type = JSON_TOKEN_STRING;
			return plain_string_end(text, end);
		default:
			*type = JSON_TOKEN_NUMBER;
			return plain_number_end(text, end);
	}
}

/*
 * Takes the next token as json_lex() would, where it has one of the forms that most payloads are
 * made of.  False: it has another form, and nothing is taken.
 */
static bool
take_plain_token(JsonLexContext *lex)
{
	const char *end = lex->input + lex->input_length;
	const char *text = lex->token_terminator;
	const char *behind;
	JsonTokenType type;

	while (text < end && *text == ' ')
		text++;
	if (text == end)
		return false;
	behind = plain_token_end(text, end, &type);
	if (behind == NULL)
		return false;
	/* Offsets, because the lexer's pointers are not const in every version. */
	lex->prev_token_terminator = lex->token_terminator;
	lex->token_start = lex->token_terminator + (text - lex->token_terminator);
	lex->token_terminator = lex->token_start + (behind - text);
	lex->token_type = type;
	return true;
}

#ifdef USE_ASSERT_CHECKING
/* Does json_lex() take the same token? */
static bool
is_same_token(JsonLexContext *before, const JsonLexContext *after)
{
	return json_lex(before) == JSON_SUCCESS && before->token_type == after->token_type &&
	       before->token_start == after->token_start &&
	       before->token_terminator == after->token_terminator &&
	       before->prev_token_terminator == after->prev_token_terminator;
}
#endif

JsonTokenType
next_token(Parser *parser)
{
#ifdef USE_ASSERT_CHECKING
	JsonLexContext before = *parser->lex;
#endif

	if (take_plain_token(parser->lex))
		Assert(is_same_token(&before, parser->lex));
	else if (json_lex(parser->lex) != JSON_SUCCESS)
		return JSON_TOKEN_INVALID;
	return parser->lex->token_type;
}

const char *
token_text(const Parser *parser, int *length)
{
	*length = (int) (parser->lex->token_terminator - parser->lex->token_start);
	return parser->lex->token_start;
}

const char *
string_text(const Parser *parser, int *length)
{
	const char *quoted = token_text(parser, length);

	*length -= 2;
	return quoted + 1;
}
