/*
 * codes.c
 *		The table of codes, as the extension reads it.
 */
#include "rules/codes.h"

const WalletCodeInfo wallet_codes[CODE_COUNT] = WALLET_CODE_TABLE;
