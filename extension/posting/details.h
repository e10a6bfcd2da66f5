/*
 * details.h
 *		What was the cause of a refusal of a direct call: the detail of its error.
 */
#ifndef PG_WALLET_DETAILS_H
#define PG_WALLET_DETAILS_H

#include "base/version.h"

#include "posting/ledger.h"

/*
 * The cause of a refusal as a sentence: which wallet, share, transfer or member it was, and the
 * numbers that the rule compares.  ledger has refused the operation last; it is NULL where the
 * operation was refused before any wallet was read.  NULL where there is nothing to say.
 */
extern char *call_detail(const Operation *operation, WalletCode code, const Ledger *ledger);

/* An amount with its currency, such as "12.5 usd". */
extern char *money_text(int64 minor, const Currency *currency);

/*
 * The cause of a refusal with this code where this member is it; NULL otherwise.  The currency may
 * be NULL where the code needs none.
 */
extern char *amount_detail(const char *member, Amount amount, WalletCode code,
                           const Currency *currency);

#endif /* PG_WALLET_DETAILS_H */
