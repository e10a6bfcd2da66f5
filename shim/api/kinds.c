/*
 * kinds.c
 *		The table of kinds, as the shim reads it.
 */
#include "api/kinds.h"

#define KIND(symbol, number, name, path, scope, shape, ...) [symbol] = {name, scope, shape},
const Kind kinds[KIND_END] = {WALLET_KINDS(KIND)};
