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
} Kind;

/* Indexed by a kind's number. */
extern const Kind kinds[KIND_END];

#endif /* WALLET_SHIM_KINDS_H */
