/*
 * payload.c
 *		Reads the JSON of a request into a Request.
 *
 * A payload is one flat object, so PostgreSQL's JSON lexer is enough and no
 * recursion can run deep.  The text of a number decides what an amount is; it
 * never passes through a double.  Escapes in strings are not resolved: no
 * member name and no value that we know needs one.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "queue/payload.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

/* Characters of a member's name that a message repeats. */
#define NAME_SHOWN_MAX 64

/* Characters of an amount; the message of whoever has more says it, too. */
#define AMOUNT_LENGTH_MAX 1024

typedef struct Parser
{
	bool seen[KIND_MEMBERS_MAX]; /* by the place of the member in its kind's list */
	JsonLexContext *lex;
	RequestKind kind;
	int encoding;
	Request *request;
	StringInfo message;
} Parser;

StaticAssertDecl(lengthof(((Parser *) 0)->seen) >= KIND_MEMBERS_MAX,
                 "there is room for the kind with the most members");

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

/* Say what is wrong with which member. */
static WalletCode
complain(Parser *parser, WalletCode code, const char *name, int length, const char *what)
{
	int shown = shown_length(parser->encoding, name, length);

	appendStringInfo(parser->message, "member \"%.*s\"%s %s", shown, name,
	                 shown < length ? " (cut)" : "", what);
	return code;
}

/* Whether the payload begins with a byte order mark, which no editor shows. */
static bool
has_mark(const Parser *parser)
{
	static const char mark[] = "\xef\xbb\xbf";

	return parser->encoding == PG_UTF8 && parser->lex->input_length >= (int) strlen(mark) &&
	       memcmp(parser->lex->input, mark, strlen(mark)) == 0;
}

static WalletCode
complain_json(Parser *parser)
{
	appendStringInfoString(parser->message, has_mark(parser)
	                                            ? "the payload begins with a byte order mark, and "
	                                              "must begin with JSON"
	                                            : wallet_codes[CODE_INVALID_JSON].message);
	return CODE_INVALID_JSON;
}

/* The next token; JSON_TOKEN_INVALID where the text is no JSON. */
static JsonTokenType
next_token(Parser *parser)
{
	if (json_lex(parser->lex) != JSON_SUCCESS)
		return JSON_TOKEN_INVALID;
	return parser->lex->token_type;
}

static const char *
token_text(const Parser *parser, int *length)
{
	*length = (int) (parser->lex->token_terminator - parser->lex->token_start);
	return parser->lex->token_start;
}

/* The characters between a string token's quotes. */
static const char *
string_text(const Parser *parser, int *length)
{
	const char *quoted = token_text(parser, length);

	*length -= 2;
	return quoted + 1;
}

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

static WalletCode
read_id(Parser *parser, const KindMember *member, JsonTokenType token)
{
	int64_t *id = (int64_t *) ((char *) parser->request + member->offset);
	int length;
	const char *text;
	const char *wrong = id_wrong_type;
	WalletCode code = CODE_WRONG_TYPE;

	if (number_text(parser, token, &text, &length))
		code = id_parse(text, length, id, &wrong);
	if (code == CODE_OK)
		return code;
	return complain(parser, code, member->name, strlen(member->name), wrong);
}

static WalletCode
read_amount(Parser *parser, const KindMember *member, JsonTokenType token)
{
	Amount *amount = (Amount *) ((char *) parser->request + member->offset);
	int length;
	const char *text;
	WalletCode code;

	if (!number_text(parser, token, &text, &length))
		return complain(parser, CODE_WRONG_TYPE, member->name, strlen(member->name),
		                "must be a number, or a number in a string");
	if (length > AMOUNT_LENGTH_MAX)
		return complain(parser, CODE_INVALID_AMOUNT, member->name, strlen(member->name),
		                "must have at most 1024 characters");
	code = amount_parse(text, length, amount);
	switch (code)
	{
		case CODE_OK:
			return code;
		case CODE_AMOUNT_PRECISION:
			return complain(parser, code, member->name, strlen(member->name),
			                "has more decimals than any currency");
		case CODE_AMOUNT_TOO_LARGE:
			return complain(parser, code, member->name, strlen(member->name),
			                "does not fit into 64 bits of the smallest unit: the largest is "
			                "9223372036854775807 units");
		default:
			return complain(parser, code, member->name, strlen(member->name),
			                "must be a plain decimal number such as 777.88, without an exponent");
	}
}

static WalletCode
read_currency(Parser *parser, const KindMember *member, JsonTokenType token)
{
	char *currency = (char *) parser->request + member->offset;
	int length;
	const char *text;

	if (token != JSON_TOKEN_STRING)
		return complain(parser, CODE_WRONG_TYPE, member->name, strlen(member->name),
		                "must be a string");
	text = string_text(parser, &length);
	if (length != 3)
		return complain(parser, CODE_UNKNOWN_CURRENCY, member->name, strlen(member->name),
		                "must be a currency's code of three letters, such as usd");
	for (int i = 0; i < length; i++)
		currency[i] = pg_ascii_tolower((unsigned char) text[i]);
	currency[length] = '\0';
	return CODE_OK;
}

/* A member of a type that is not read yet. */
static WalletCode
read_nothing(Parser *parser, const KindMember *member, JsonTokenType token)
{
	(void) token;
	return complain(parser, CODE_UNKNOWN_MEMBER, member->name, strlen(member->name),
	                "is not known");
}

typedef WalletCode (*MemberReader)(Parser *parser, const KindMember *member, JsonTokenType token);

static const MemberReader readers[] = {
    [TYPE_ID] = read_id,
    [TYPE_USER] = read_id,
    [TYPE_TIME] = read_nothing,
    [TYPE_DEADLINE] = read_nothing,
    [TYPE_INTERVAL] = read_nothing,
    [TYPE_FLAG] = read_nothing,
    [TYPE_NEGATED_FLAG] = read_nothing,
    [TYPE_AMOUNT_MODE] = read_nothing,
    [TYPE_SHORTFALL] = read_nothing,
    [TYPE_HANDSHAKE] = read_nothing,
    [TYPE_LEGS] = read_nothing,
    [TYPE_SPLIT] = read_nothing,
    [TYPE_AMOUNT] = read_amount,
    [TYPE_AMOUNT_OR_ZERO] = read_amount,
    [TYPE_CURRENCY] = read_currency,
};

StaticAssertDecl(lengthof(readers) == TYPE_COUNT, "each type of member has its reader");

/* Which member has this name?  -1 where the kind has none. */
static int
find_member(RequestKind kind, const char *name, int length)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (strlen(info->members[i].name) == (size_t) length &&
		    memcmp(info->members[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

/* The value of a member; the next token is its first. */
static WalletCode
read_value(Parser *parser, const KindMember *member)
{
	JsonTokenType token = next_token(parser);

	switch (token)
	{
		case JSON_TOKEN_STRING:
		case JSON_TOKEN_NUMBER:
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
		case JSON_TOKEN_NULL:
		case JSON_TOKEN_OBJECT_START:
		case JSON_TOKEN_ARRAY_START:
			break;
		default:
			return complain_json(parser);
	}
	return readers[member->type](parser, member, token);
}

/* "name": value; the current token is the name. */
static WalletCode
read_member(Parser *parser)
{
	int length;
	const char *name = string_text(parser, &length);
	int found = find_member(parser->kind, name, length);

	if (found < 0)
		return complain(parser, CODE_UNKNOWN_MEMBER, name, length, "is not known");
	if (parser->seen[found])
		return complain(parser, CODE_DUPLICATE_MEMBER, name, length, "must be given only once");
	parser->seen[found] = true;
	if (next_token(parser) != JSON_TOKEN_COLON)
		return complain_json(parser);
	return read_value(parser, &kind_infos[parser->kind].members[found]);
}

/* name: value, name: value }; the object has been opened. */
static WalletCode
read_members(Parser *parser)
{
	JsonTokenType token = next_token(parser);

	if (token == JSON_TOKEN_OBJECT_END)
		return CODE_OK;
	for (;;)
	{
		WalletCode code;

		if (token != JSON_TOKEN_STRING)
			return complain_json(parser);
		code = read_member(parser);
		if (code != CODE_OK)
			return code;
		token = next_token(parser);
		if (token == JSON_TOKEN_OBJECT_END)
			return CODE_OK;
		if (token != JSON_TOKEN_COMMA)
			return complain_json(parser);
		token = next_token(parser);
	}
}

static WalletCode
check_required(Parser *parser)
{
	const KindInfo *info = &kind_infos[parser->kind];

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];

		if (member->required && !parser->seen[i])
			return complain(parser, CODE_MISSING_MEMBER, member->name, strlen(member->name),
			                "is missing");
	}
	return CODE_OK;
}

static WalletCode
parse_object(Parser *parser)
{
	WalletCode code;

	switch (next_token(parser))
	{
		case JSON_TOKEN_OBJECT_START:
			break;
		case JSON_TOKEN_STRING:
		case JSON_TOKEN_NUMBER:
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
		case JSON_TOKEN_NULL:
		case JSON_TOKEN_ARRAY_START:
			appendStringInfoString(parser->message, wallet_codes[CODE_NOT_AN_OBJECT].message);
			return CODE_NOT_AN_OBJECT;
		default:
			return complain_json(parser);
	}
	code = read_members(parser);
	if (code == CODE_OK && next_token(parser) != JSON_TOKEN_END)
		code = complain_json(parser);
	return code == CODE_OK ? check_required(parser) : code;
}

/* What the members are where the payload does not have them; all others are zero. */
static void
set_defaults(RequestKind kind, Request *request)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		void *value = (char *) request + info->members[i].offset;

		if (info->members[i].type == TYPE_CURRENCY)
			strcpy(value, "usd");
		if (info->members[i].type == TYPE_AMOUNT)
			*(Amount *) value = AMOUNT_NONE;
	}
}

WalletCode
payload_parse(RequestKind kind, int encoding, const char *json, int length, Request *request,
              StringInfo message)
{
	Parser parser = {.kind = kind, .encoding = encoding, .request = request, .message = message};
	WalletCode code;

#if PG_VERSION_NUM >= 170000
	parser.lex = makeJsonLexContextCstringLen(NULL, json, length, encoding, false);
#else
	parser.lex = makeJsonLexContextCstringLen((char *) json, length, encoding, false);
#endif
	*request = (Request){.kind = kind};
	set_defaults(kind, request);
	code = parse_object(&parser);
#if PG_VERSION_NUM >= 170000
	freeJsonLexContext(parser.lex);
#else
	pfree(parser.lex);
#endif
	return code;
}

const char *
payload_amount_member(RequestKind kind)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (info->members[i].type == TYPE_AMOUNT || info->members[i].type == TYPE_AMOUNT_OR_ZERO)
			return info->members[i].name;
	}
	return "";
}
