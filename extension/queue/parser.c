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

JsonTokenType
next_token(Parser *parser)
{
	if (json_lex(parser->lex) != JSON_SUCCESS)
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
