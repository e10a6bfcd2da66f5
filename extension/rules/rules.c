/*
 * rules.c
 *		Carries out an operation by the rule of its kind.
 */
#include "rules/rules.h"

#include <assert.h>

#include "rules/group.h"
#include "rules/hold.h"
#include "rules/reversal.h"
#include "rules/transfer.h"
#include "rules/wallet.h"

/* Of kinds that nobody asks for. */
static WalletCode
rule_none(const Operation *operation, WorkingSet *set, Effects *effects)
{
	(void) operation;
	(void) set;
	(void) effects;
	return CODE_UNKNOWN_KIND;
}

/* By the kind's number. */
static Rule *const rules[KIND_END] = {
#define RULE_ROW(symbol, number, name, path, scope, shape, transfers, members, rule, ...)          \
	[number] = rule_##rule,
    WALLET_KINDS(RULE_ROW)
#undef RULE_ROW
};

/* The rule of a group carries its legs out by this function, which that file does not know. */
WalletCode
rules_carry_out(const Operation *operation, WorkingSet *set, Effects *effects)
{
	assert(kind_is_known(operation->kind));
	effects->carry_out = rules_carry_out;
	return rules[operation->kind](operation, set, effects);
}

WalletCode
rules_judge(const Operation *operation, WorkingSet *set, Effects *effects)
{
	WalletCode code = operation_check(operation, effects->moment);

	effects->failed_leg =
	    code == CODE_OK ? 0 : 1 + operation_find_leg(operation, effects->moment, code);
	if (effects->failed_leg > 0)
		effects->failed = &operation->parts->legs[effects->failed_leg - 1];
	effects->failed_share = 0;
	if (code == CODE_OK && operation->valid_until != 0 && operation->valid_until < effects->clock)
		code = CODE_REQUEST_EXPIRED;
	if (code == CODE_OK)
		code = rules_carry_out(operation, set, effects);
	if (code != CODE_OK)
		effects_add_outcome(effects, operation,
		                    (Outcome){.code = code, .failed_leg = effects->failed_leg});
	return code;
}

void
rules_refuse(const Operation *operation, WalletCode code, Effects *effects)
{
	assert(code != CODE_OK);
	effects_add_outcome(effects, operation, (Outcome){.code = code});
}
