/*
 * reversal.h
 *		The rules of reversals: of one transfer, and of a group's.
 */
#ifndef PG_WALLET_REVERSAL_H
#define PG_WALLET_REVERSAL_H

#include "rules/effects.h"

extern Rule rule_reversal;

/*
 * Is there something for a reversal to do?  CODE_NOT_REVERSIBLE and CODE_ALREADY_REVERSED say no,
 * CODE_TRANSACTION_NOT_FOUND and CODE_NOT_OWNER as well.
 */
extern WalletCode reversal_check(const Operation *operation, const WorkingSet *set);

/* Can rows of this kind be reversed? */
static inline bool
is_reversible(RequestKind kind)
{
	return kind_moves_money(kind) && kind != KIND_REVERSAL;
}

#endif /* PG_WALLET_REVERSAL_H */
