/*
 * money.h
 *		Amounts as SQL has them: numeric.
 */
#ifndef PG_WALLET_MONEY_H
#define PG_WALLET_MONEY_H

#include "base/version.h"

#include "utils/numeric.h"

#include "rules/number.h"

/* Read a numeric; its value counts, not its scale.  Raises the error of what cannot be an amount.
 */
extern Amount amount_from_numeric(Numeric value);

/* Minor units as a numeric with the currency's decimals. */
extern Numeric amount_to_numeric(int64 minor, int minor_digits);

#endif /* PG_WALLET_MONEY_H */
