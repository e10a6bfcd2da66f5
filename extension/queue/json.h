/*
 * json.h
 *		Walks through the objects and arrays of a payload.  For payload.c alone.
 */
#ifndef PG_WALLET_JSON_H
#define PG_WALLET_JSON_H

#include "queue/parser.h"

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

#endif /* PG_WALLET_JSON_H */
