/*
 * rules.c
 *		Carries out an operation by the rule of its kind.
 */
#include "rules/rules.h"

#include <assert.h>

#include "rules/transfer.h"
#include "rules/wallet.h"

/* By the kind's number. */
static Rule *const rules[KIND_END] = {
#define RULE_ROW(symbol, number, name, path, scope, shape, transfers, members, rule, ...)          \
	[number] = rule_##rule,
    WALLET_KINDS(RULE_ROW)
#undef RULE_ROW
};

WalletCode
rules_judge(const Operation *operation, WorkingSet *set, Effects *effects)
{
	WalletCode code = CODE_UNKNOWN_KIND;

	if (kind_is_known(operation->kind))
	{
		int transfers_max = effects->transfer_count + kind_infos[operation->kind].transfers_max;

		code = rules[operation->kind](operation, set, effects);
		assert(effects->transfer_count <= transfers_max);
		(void) transfers_max;
	}
	if (code != CODE_OK)
		rules_refuse(operation, code, effects);
	return code;
}

void
rules_refuse(const Operation *operation, WalletCode code, Effects *effects)
{
	assert(code != CODE_OK);
	effects_add_outcome(effects, operation, (Outcome){.code = code});
}
