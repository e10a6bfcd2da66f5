/*
 * object.h
 *		Walks through a JSON object, member by member, as its text stands.
 *
 * The text of a number decides what an id is: 9223372036854775807.0 is one that
 * no double holds.  So values are handed over as they were written.
 */
#ifndef WALLET_SHIM_OBJECT_H
#define WALLET_SHIM_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/codes.h"
#include "base/text.h"

/* Levels of objects and arrays in each other; more are no JSON here. */
#define OBJECT_DEPTH_MAX 2048

/* One member; both are pieces of the object's text. */
typedef struct ObjectMember
{
	Slice name;  /* between its quotes, where escapes stand as they were written */
	Slice value; /* with the quotes of a string */
} ObjectMember;

typedef struct ObjectWalk
{
	const char *text;
	size_t length;
	size_t at; /* the brace or comma before the next member */
} ObjectWalk;

/*
 * Begins a walk through the text's one object: CODE_OK, CODE_NOT_AN_OBJECT when it is some other
 * JSON, or CODE_INVALID_JSON (RFC 8259; no NUL in strings, no half of a surrogate pair, valid
 * UTF-8).
 */
WalletCode object_walk(ObjectWalk *walk, const char *text, size_t length);

/* The next member; false at the end. */
bool object_next(ObjectWalk *walk, ObjectMember *member);

#endif /* WALLET_SHIM_OBJECT_H */
