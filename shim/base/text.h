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
 * Decodes percent-encoding into out, at most size bytes.  Returns the length of
 * the whole, which may be more than size (then out holds the beginning), or
 * DECODE_FAILED for what is not percent-encoding, or encodes a NUL.
 */
size_t percent_decode(const char *text, size_t length, char *out, size_t size);

#endif /* WALLET_SHIM_TEXT_H */
