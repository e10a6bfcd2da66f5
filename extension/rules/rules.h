/*
 * rules.h
 *		Carries out an operation by the rule of its kind.
 */
#ifndef PG_WALLET_RULES_H
#define PG_WALLET_RULES_H

#include "rules/effects.h"

/*
 * Judges the operation by itself (operation_check), then its deadline, and carries it out by the
 * rule of its kind.  On CODE_OK the set and the effects have changed.  A refusal adds its outcome
 * and changes nothing else.
 */
extern Rule rules_judge;

/* The rule of its kind alone, for a leg of a group whose legs have been judged by themselves. */
extern Rule rules_carry_out;

/* Adds the outcome of an operation that is refused, whatever its rule says. */
extern void rules_refuse(const Operation *operation, WalletCode code, Effects *effects);

#endif /* PG_WALLET_RULES_H */
