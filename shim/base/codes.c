/*
 * codes.c
 *		The codes that extension and shim share (extension/rules/codes.h).
 */
#include <string.h>

#include "db/db.h"

const WalletCodeInfo wallet_codes[CODE_COUNT] = WALLET_CODE_TABLE;

WalletCode
code_by_name(const char *name)
{
	for (int code = 0; code < CODE_COUNT; code++)
		if (strcmp(wallet_codes[code].name, name) == 0)
			return (WalletCode) code;
	return CODE_INTERNAL_ERROR;
}
