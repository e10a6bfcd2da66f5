/*
 * values.h
 *		Reads the values of a payload's members.  For payload.c alone.
 */
#ifndef PG_WALLET_VALUES_H
#define PG_WALLET_VALUES_H

#include "queue/parser.h"

/*
 * Reads a value that begins with this token, and is no object or array, into the member.  What is
 * wrong with the value is kept in the parser.
 */
typedef void ValueReader(Parser *parser, const Place *place, void *member, JsonTokenType token);

/* By MemberType; NULL for what is no value of one token. */
extern ValueReader *const value_readers[TYPE_COUNT];

/* Of a share of a split. */
extern ValueReader read_parts_per_million;

#endif /* PG_WALLET_VALUES_H */
