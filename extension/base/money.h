/*
 * money.h
 *		Amounts as SQL has them: numeric.
 */
#ifndef PG_WALLET_MONEY_H
#define PG_WALLET_MONEY_H

#include "base/version.h"

#include "utils/numeric.h"

#include "rules/number.h"

/* Reads a numeric by its value; its scale does not count.  Returns why it is no amount. */
extern WalletCode amount_read_numeric(Numeric value, Amount *amount);

/* Reads a numeric by its value; its scale does not count.  Raises an error when it is no amount. */
extern Amount amount_from_numeric(Numeric value, const char *name);

/* Minor units as a numeric with the currency's decimals. */
extern Numeric amount_to_numeric(int64 minor, int minor_digits);

#endif /* PG_WALLET_MONEY_H */
