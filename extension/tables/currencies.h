/*
 * currencies.h
 *		The table of currencies.
 */
#ifndef PG_WALLET_CURRENCIES_H
#define PG_WALLET_CURRENCIES_H

#include "base/version.h"

#include "rules/post.h"

/* A currency by its code; false when there is none. */
extern bool currency_find(const char *code, Currency *currency);

/* The same with the active snapshot. */
extern bool currency_find_visible(const char *code, Currency *currency);

/* A currency in three columns of a statement's result: code, minor digits, outside wallet. */
extern Currency currency_from_result(uint64 row, int first_column);

#endif /* PG_WALLET_CURRENCIES_H */
