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

/* Keeps a fault of the member: its name, and what is wrong with it in words that follow. */
extern void complain(Parser *parser, WalletCode code, const Place *place, const char *what);

/* The same where the message is not about a member. */
extern void complain_plainly(Parser *parser, WalletCode code, const char *message);

/* The next token; JSON_TOKEN_INVALID where the text is no JSON. */
extern JsonTokenType next_token(Parser *parser);

/* The characters of the present token; of a string those between its quotes. */
extern const char *token_text(const Parser *parser, int *length);
extern const char *string_text(const Parser *parser, int *length);

#endif /* PG_WALLET_PARSER_H */
