/*
 * currencies.h
 *		The table of currencies.
 */
#ifndef PG_WALLET_CURRENCIES_H
#define PG_WALLET_CURRENCIES_H

#include "base/version.h"

#include "rules/operation.h"

/* Finds a currency by its code; false when there is none. */
extern bool currency_find(const char *code, Currency *currency);

/* Finds a currency by its code with the active snapshot; false when there is none. */
extern bool currency_find_visible(const char *code, Currency *currency);

#endif /* PG_WALLET_CURRENCIES_H */
