/*
 * kinds.h
 *		What HTTP knows of each kind of request: columns of extension/rules/kinds.h.
 */
#ifndef WALLET_SHIM_KINDS_H
#define WALLET_SHIM_KINDS_H

#include "api/keys.h"
#include "api/shapes.h"
#include "extension/rules/kinds.h"

typedef struct Kind
{
	const char *name;
	unsigned scopes; /* one of this set the API key of a POST must have */
	Shape shape;     /* of the answer */
	bool is_posted;  /* there is a path to which a request of this kind is posted */
} Kind;

/* Indexed by a kind's number. */
extern const Kind kinds[KIND_END];

/* The scopes of all kinds that are posted. */
extern const unsigned kinds_scopes;

/* The kind that has this name; NULL where none has it. */
const Kind *kind_find(const char *name, size_t length);

#endif /* WALLET_SHIM_KINDS_H */
