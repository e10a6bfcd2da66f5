/*
 * encoding.h
 *		Texts in UTF-8.
 */
#ifndef PG_WALLET_ENCODING_H
#define PG_WALLET_ENCODING_H

#include "base/version.h"

/* Whether the text is valid UTF-8 without a NUL. */
extern bool utf8_is_valid(const char *text, int length);

/* Converts valid UTF-8 to the database's encoding; NULL when a character does not exist there. */
extern char *utf8_to_database(const char *text, int length);

/*
 * Converts valid UTF-8 that ends with a NUL, for people to read: when the text is not convertible,
 * each character beyond ASCII becomes a "?".
 */
extern char *utf8_to_database_lossy(const char *text, int length);

#endif /* PG_WALLET_ENCODING_H */
