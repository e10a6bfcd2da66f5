/*
 * json.c
 *		Walks through the objects and arrays of a JSON text.
 *
 * PostgreSQL's JSON lexer finds the tokens.  Nothing here calls itself, so that no nesting runs
 * deep: a value that is skipped may nest as deep as its text is long.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "queue/json.h"

#include "mb/pg_wchar.h"

/* Whether the payload begins with a byte order mark, which no editor shows. */
static bool
has_mark(const Parser *parser)
{
	static const char mark[] = "\xef\xbb\xbf";

	return parser->encoding == PG_UTF8 && parser->lex->input_length >= (int) strlen(mark) &&
	       memcmp(parser->lex->input, mark, strlen(mark)) == 0;
}

bool
complain_json(Parser *parser)
{
	complain_plainly(parser, CODE_INVALID_JSON,
	                 has_mark(parser) ? "the payload begins with a byte order mark, and "
	                                    "must begin with JSON"
	                                  : wallet_codes[CODE_INVALID_JSON].message);
	return false;
}

bool
begins_value(JsonTokenType token)
{
	switch (token)
	{
		case JSON_TOKEN_STRING:
		case JSON_TOKEN_NUMBER:
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
		case JSON_TOKEN_NULL:
		case JSON_TOKEN_OBJECT_START:
		case JSON_TOKEN_ARRAY_START:
			return true;
		default:
			return false;
	}
}

/* ---- What is skipped ---- */

/* The name of a member is the present token: the next ones are a colon and *token. */
static bool
skip_name(Parser *parser, JsonTokenType *token)
{
	if (parser->lex->token_type != JSON_TOKEN_STRING || next_token(parser) != JSON_TOKEN_COLON)
		return false;
	*token = next_token(parser);
	return begins_value(*token);
}

/*
 * An object or array has just been opened: goes on to its first value, which begins with *token, or
 * closes the object or array when it is empty, and then sets *is_empty.
 */
static bool
skip_opening(Parser *parser, bool is_object, JsonTokenType *token, bool *is_empty)
{
	*token = next_token(parser);
	*is_empty = *token == (is_object ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END);
	if (*is_empty)
		return true;
	return is_object ? skip_name(parser, token) : begins_value(*token);
}

/* Behind a value: closes what ends here.  Sets *token to that of the next value, if there is one.
 */
static bool
skip_closings(Parser *parser, StringInfo open, JsonTokenType *token)
{
	while (open->len > 0)
	{
		bool is_object = open->data[open->len - 1] == '{';

		*token = next_token(parser);
		if (*token == JSON_TOKEN_COMMA)
		{
			*token = next_token(parser);
			return is_object ? skip_name(parser, token) : begins_value(*token);
		}
		if (*token != (is_object ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END))
			return false;
		open->len--;
	}
	return true;
}

/* Skips the rest of an object or array.  open has a character for each that is open. */
static bool
skip_nested(Parser *parser, JsonTokenType token, StringInfo open)
{
	do
	{
		bool is_empty = true;

		if (token == JSON_TOKEN_OBJECT_START || token == JSON_TOKEN_ARRAY_START)
		{
			bool is_object = token == JSON_TOKEN_OBJECT_START;

			if (!skip_opening(parser, is_object, &token, &is_empty))
				return false;
			if (!is_empty)
				appendStringInfoChar(open, is_object ? '{' : '[');
		}
		if (is_empty && !skip_closings(parser, open, &token))
			return false;
	} while (open->len > 0);
	return true;
}

bool
skip_value(Parser *parser, JsonTokenType token)
{
	StringInfoData open;
	bool is_right;

	if (!begins_value(token))
		return complain_json(parser);
	if (token != JSON_TOKEN_OBJECT_START && token != JSON_TOKEN_ARRAY_START)
		return true;
	initStringInfo(&open);
	is_right = skip_nested(parser, token, &open);
	pfree(open.data);
	return is_right || complain_json(parser);
}

/* ---- Objects and arrays ---- */

bool
read_members(Parser *parser, MemberReader *reader, void *object, const char *path)
{
	JsonTokenType token = next_token(parser);

	if (token == JSON_TOKEN_OBJECT_END)
		return true;
	for (;;)
	{
		Place place = {.path = path};

		if (token != JSON_TOKEN_STRING)
			return complain_json(parser);
		place.name = string_text(parser, &place.length);
		if (next_token(parser) != JSON_TOKEN_COLON)
			return complain_json(parser);
		if (!reader(parser, object, &place))
			return false;
		token = next_token(parser);
		if (token == JSON_TOKEN_OBJECT_END)
			return true;
		if (token != JSON_TOKEN_COMMA)
			return complain_json(parser);
		token = next_token(parser);
	}
}

bool
read_elements(Parser *parser, ElementReader *reader, void *owner, int *count)
{
	JsonTokenType token = next_token(parser);

	*count = 0;
	if (token == JSON_TOKEN_ARRAY_END)
		return true;
	for (;;)
	{
		if (!reader(parser, owner, (*count)++, token))
			return false;
		token = next_token(parser);
		if (token == JSON_TOKEN_ARRAY_END)
			return true;
		if (token != JSON_TOKEN_COMMA)
			return complain_json(parser);
		token = next_token(parser);
	}
}

bool
refuse_value(Parser *parser, JsonTokenType token, WalletCode code, const Place *place,
             const char *what)
{
	if (!skip_value(parser, token))
		return false;
	complain(parser, code, place, what);
	return true;
}
