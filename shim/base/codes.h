/*
 * codes.h
 *		The codes that the extension and the shim share, and the messages that go with them.
 */
#ifndef WALLET_SHIM_CODES_H
#define WALLET_SHIM_CODES_H

#include "extension/rules/codes.h"

#define MESSAGE_SIZE 256 /* of a text that says which rule was broken */

/* The code whose stable name is name; CODE_INTERNAL_ERROR when no code has the name. */
WalletCode code_by_name(const char *name);

#endif /* WALLET_SHIM_CODES_H */
