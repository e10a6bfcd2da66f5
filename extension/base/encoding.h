/*
 * encoding.h
 *		Texts in UTF-8.
 */
#ifndef PG_WALLET_ENCODING_H
#define PG_WALLET_ENCODING_H

#include "base/version.h"

/* Is it valid UTF-8, without a NUL? */
extern bool utf8_is_valid(const char *text, int length);

/* A valid UTF-8 text in the database's encoding; NULL where that lacks one of its characters. */
extern char *utf8_to_database(const char *text, int length);

/* The same for people to read: the text's end is a NUL, and what cannot be converted is a "?". */
extern char *utf8_to_database_lossy(const char *text, int length);

#endif /* PG_WALLET_ENCODING_H */
