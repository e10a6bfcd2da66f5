/*
 * codes.c
 *		The codes that the extension and the shim share (extension/rules/codes.h).
 */
#include "base/codes.h"

#include <assert.h>
#include <string.h>

const WalletCodeInfo wallet_codes[CODE_COUNT] = WALLET_CODE_TABLE;

WalletCode
code_by_name(const char *name)
{
	assert(name != NULL);
	for (int code = 0; code < CODE_COUNT; code++)
		if (strcmp(wallet_codes[code].name, name) == 0)
			return (WalletCode) code;
	return CODE_INTERNAL_ERROR;
}
