/*
 * json.h
 *		The pieces that the JSON of an answer is made of.
 *
 * Each function writes name, which is a member's name with all that stands between it and the
 * value before ("{\"code\":"), and then the value.
 */
#ifndef WALLET_SHIM_JSON_H
#define WALLET_SHIM_JSON_H

#include "base/buffer.h"

/* A text that needs no escaping, in quotes; null when text is NULL. */
void json_put_text(Buffer *out, const char *name, const char *text);

/* A number as the database wrote it; null when number is NULL. */
void json_put_number(Buffer *out, const char *name, const char *number);

/* Any text, escaped and in quotes; text that is no UTF-8 becomes "". */
void json_put_escaped(Buffer *out, const char *name, const char *text);

#endif /* WALLET_SHIM_JSON_H */
