/*
 * kinds.c
 *		The table of kinds, as the shim reads it.
 */
#include "api/kinds.h"

#include <string.h>

#define KIND(symbol, number, name, path, scope, shape, ...)                                        \
	[symbol] = {name, scope, shape, (path) != NULL},
const Kind kinds[KIND_END] = {WALLET_KINDS(KIND)};

#define POSTED_SCOPES(symbol, number, name, path, scope, ...) | ((path) != NULL ? (scope) : 0)
const unsigned kinds_scopes = 0 WALLET_KINDS(POSTED_SCOPES);

const Kind *
kind_find(const char *name, size_t length)
{
	for (size_t i = 0; i < KIND_END; i++)
		if (kinds[i].name != NULL && strlen(kinds[i].name) == length &&
		    memcmp(kinds[i].name, name, length) == 0)
			return &kinds[i];
	return NULL;
}
