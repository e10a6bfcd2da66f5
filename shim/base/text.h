/*
 * text.h
 *		Small readers of text that know nothing of HTTP or JSON.
 */
#ifndef WALLET_SHIM_TEXT_H
#define WALLET_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_FAILED SIZE_MAX

/* A piece of a text that somebody else keeps. */
typedef struct Slice
{
	const char *text;
	size_t length;
} Slice;

/* Whether PostgreSQL would take the bytes as UTF-8 text: RFC 3629, and no NUL. */
bool utf8_valid(const char *text, size_t length);

/* The value of a hexadecimal digit, or -1. */
int hex_value(char digit);

/*
 * Decodes percent-encoding into out, which takes size bytes.  Returns the length of the whole
 * decoded text: when it is more than size, out holds the beginning.  DECODE_FAILED for a
 * malformed encoding and for an encoded NUL.
 */
size_t percent_decode(const char *text, size_t length, char *out, size_t size);

#endif /* WALLET_SHIM_TEXT_H */
