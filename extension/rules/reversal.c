/*
 * reversal.c
 *		The rule of reversals: money goes back the way that it came.
 *
 * Several reversals of one transfer add up to its amount at the most.
 */
#include "rules/reversal.h"

#include "rules/transfer.h"

/*
 * The user of the destination gives back; an operator, and who may reverse, gives anybody's back.
 * What touches the outside, and what overdraws, is an operator's.
 */
static bool
may_reverse(const Operation *operation, const Original *original, const WorkingSet *set)
{
	const Wallet *giver = working_set_wallet(set, original->destination_wallet_id);

	if (operation->user_id == 0)
		return true;
	if (original->source_wallet_id < 0 || original->destination_wallet_id < 0 ||
	    operation->shortfall == SHORTFALL_OVERDRAW)
		return false;
	return operation->may_reverse || (giver != NULL && giver->user_id == operation->user_id);
}

WalletCode
reversal_check(const Operation *operation, const WorkingSet *set)
{
	const Original *original = working_set_original(set, operation->link_id);

	if (original == NULL)
		return CODE_TRANSACTION_NOT_FOUND;
	if (!may_reverse(operation, original, set))
		return CODE_NOT_OWNER;
	if (!is_reversible(original->kind))
		return CODE_NOT_REVERSIBLE;
	return original->reversed >= original->amount ? CODE_ALREADY_REVERSED : CODE_OK;
}

/* The wallet, or the outside in the other wallet's currency. */
static Wallet *
wallet_or_outside(const WorkingSet *set, int64_t wallet_id, int64_t other_id, Wallet *outside)
{
	Wallet *wallet = working_set_wallet(set, wallet_id);
	const Wallet *other = working_set_wallet(set, other_id);

	if (wallet != NULL || wallet_id > 0 || other == NULL)
		return wallet;
	*outside = outside_wallet(&other->currency);
	return outside;
}

/* How much is moved of what is left, when so much is available. */
static WalletCode
choose_amount(const Operation *operation, const Wallet *giver, int64_t left, int64_t *amount)
{
	WalletCode code = CODE_OK;
	Wide available;

	*amount = left;
	if (AMOUNT_IS_GIVEN(operation->amount))
		code = amount_to_minor(operation->amount, giver->currency.minor_digits, amount);
	if (code != CODE_OK)
		return code;
	if (*amount > left)
		return CODE_EXCEEDS_REVERSIBLE;
	available = wallet_available(giver);
	if (operation->shortfall == SHORTFALL_AVAILABLE && !is_outside(giver) && available < *amount)
		*amount = available < 0 ? 0 : (int64_t) available;
	return CODE_OK;
}

WalletCode
rule_reversal(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Original *original = working_set_original(set, operation->link_id);
	Wallet outside;
	Wallet *giver;
	Wallet *taker;
	int64_t amount;
	bool is_short;
	Transfer *row;
	WalletCode code = reversal_check(operation, set);

	if (code != CODE_OK)
		return code;
	giver = wallet_or_outside(set, original->destination_wallet_id, original->source_wallet_id,
	                          &outside);
	taker = wallet_or_outside(set, original->source_wallet_id, original->destination_wallet_id,
	                          &outside);
	if (giver == NULL || taker == NULL)
		return CODE_TRANSACTION_NOT_FOUND;
	code = check_statuses(giver, taker);
	if (code == CODE_OK)
		code = choose_amount(operation, giver, original->amount - original->reversed, &amount);
	if (code == CODE_OK)
		code = check_max_amount(operation, amount, &giver->currency);
	if (code != CODE_OK)
		return code;
	is_short = amount == 0 || check_funds(giver, amount) != CODE_OK;
	if (is_short && operation->shortfall != SHORTFALL_OVERDRAW)
		return CODE_INSUFFICIENT_FUNDS;
	code = check_balances(giver, taker, amount);
	if (code != CODE_OK)
		return code;

	effects_expire_due(set, effects, giver);
	effects_reverse(set, original, amount);
	row = effects_move(set, effects, operation, KIND_REVERSAL, amount, giver, taker);
	row->link_id = original->transfer_id;
	row->overdraw = is_short;
	return CODE_OK;
}
