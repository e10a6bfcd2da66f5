/*
 * parser.h
 *		What payload.c, json.c and values.c share: where the reading of a payload stands.  Nobody
 *		else sees it.
 */
#ifndef PG_WALLET_PARSER_H
#define PG_WALLET_PARSER_H

#include "common/jsonapi.h"
#include "lib/stringinfo.h"

#include "rules/operation.h"

/* The legs of a group and their shares, while they are read. */
typedef struct Draft
{
	int leg_count;
	int share_count; /* more than LEGS_MAX are counted and not kept */
	Operation legs[LEGS_MAX];
	Share shares[LEGS_MAX];
} Draft;

/* A payload may have several faults: the one whose code stands first in codes.h is told. */
typedef struct Parser
{
	JsonLexContext *lex;
	int encoding;
	WalletCode code; /* CODE_OK, or of the fault */
	StringInfo message;
	Draft *draft; /* NULL without legs */
} Parser;

/* Where a value stands: "legs[2]." and a name.  The text is not ended by a zero. */
typedef struct Place
{
	const char *path;
	const char *name;
	int length;
} Place;

/*
 * Reads a value that begins with this token, and is no object or array, into the member.  What is
 * wrong with the value is kept in the parser.
 */
typedef void ValueReader(Parser *parser, const Place *place, void *member, JsonTokenType token);

/* By MemberType; NULL for what is no value of one token. */
extern ValueReader *const value_readers[TYPE_COUNT];

/* Of a share of a split. */
extern ValueReader read_parts_per_million;

/* Keeps a fault of the member: its name, and what is wrong with it in words that follow. */
extern void complain(Parser *parser, WalletCode code, const Place *place, const char *what);

/* The same where the message is not about a member. */
extern void complain_plainly(Parser *parser, WalletCode code, const char *message);

/*
 * Reads the value of the member that has just been named, or skips it.  This function and all below
 * return false where the text is no JSON, which has been complained of then.
 */
typedef bool MemberReader(Parser *parser, void *object, const Place *place);

/* Reads an element that begins with this token, and is the one of this number, from 0. */
typedef bool ElementReader(Parser *parser, void *owner, int number, JsonTokenType token);

/* Reads the members of an object that has been opened. */
extern bool read_members(Parser *parser, MemberReader *reader, void *object, const char *path);

/* Reads the elements of an array that has been opened; *count becomes how many there are. */
extern bool read_elements(Parser *parser, ElementReader *reader, void *owner, int *count);

/* Skips the rest of a value that begins with this token; refuse_value() complains of it, too. */
extern bool skip_value(Parser *parser, JsonTokenType token);
extern bool refuse_value(Parser *parser, JsonTokenType token, WalletCode code, const Place *place,
                         const char *what);

extern bool begins_value(JsonTokenType token);

/* Complains that the text is no JSON, and returns false. */
extern bool complain_json(Parser *parser);

/* The next token; JSON_TOKEN_INVALID where the text is no JSON. */
extern JsonTokenType next_token(Parser *parser);

/* The characters of the present token; of a string those between its quotes. */
extern const char *token_text(const Parser *parser, int *length);
extern const char *string_text(const Parser *parser, int *length);

#endif /* PG_WALLET_PARSER_H */
