/*
 * wallet.c
 *		The rules of what is about one wallet: a new one, a read, a change of status.
 */
#include "rules/wallet.h"

#include <string.h>

#include "rules/transfer.h"

WalletCode
rule_wallet(const Operation *operation, WorkingSet *set, Effects *effects)
{
	const Currency *currency;
	int64_t amount;
	Wallet *wallet;
	WalletCode code;

	currency = working_set_currency(set, operation->currency);
	if (currency == NULL)
		return CODE_UNKNOWN_CURRENCY;
	if (touched_find(set, -operation->user_id)->is_there)
		return CODE_WALLET_EXISTS;
	code = amount_to_minor(operation->amount, currency->minor_digits, &amount);
	if (code == CODE_OK)
		code = check_max_amount(operation, amount, currency);
	if (code != CODE_OK)
		return code;

	wallet = effects_make_wallet(set, effects, operation->user_id, currency);
	if (amount > 0)
	{
		Wallet outside = outside_wallet(currency);

		effects_move(set, effects, operation, KIND_DEPOSIT, amount, &outside, wallet);
	}
	effects_add_outcome(effects, operation, (Outcome){.wallet_id = wallet->wallet_id});
	return CODE_OK;
}

WalletCode
rule_wallet_read(const Operation *operation, WorkingSet *set, Effects *effects)
{
	const Wallet *wallet = working_set_wallet(set, operation->source_wallet_id);

	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (wallet->user_id != operation->user_id)
		return CODE_NOT_OWNER;

	effects_add_outcome(effects, operation,
	                    (Outcome){
	                        .sees_changes = wallet->changes != 0,
	                        .wallet_id = wallet->wallet_id,
	                        .balance = wallet->balance,
	                        .updated_at = wallet->updated_at,
	                        .status = wallet->status,
	                    });
	return CODE_OK;
}

/* Nothing may be left on a wallet that is closed; due holds are left out. */
static WalletCode
check_empty(const Wallet *wallet)
{
	if (wallet->held - wallet->due != 0)
		return CODE_WALLET_HAS_HOLDS;
	return wallet->balance != 0 ? CODE_WALLET_NOT_EMPTY : CODE_OK;
}

static void
set_status(Wallet *wallet, WalletStatus status, WorkingSet *set, Effects *effects)
{
	if (status == STATUS_CLOSED)
		effects_expire_due(set, effects, wallet);
	effects_change(set, effects, wallet, CHANGE_STATUS);
	wallet->status = status;
}

WalletCode
rule_status(int64_t wallet_id, WalletStatus status, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, wallet_id);
	WalletCode code = CODE_OK;

	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (wallet->status == STATUS_CLOSED && status == STATUS_FROZEN)
		return CODE_WALLET_CLOSED;
	if (status == STATUS_CLOSED && wallet->status != STATUS_CLOSED)
		code = check_empty(wallet);
	if (code != CODE_OK)
		return code;

	set_status(wallet, status, set, effects);
	return CODE_OK;
}

/* What is judged of the money that a wallet leaves behind; the floor does not matter. */
static WalletCode
check_sweep(const Wallet *wallet, const Wallet *heir)
{
	WalletCode code = check_statuses(wallet, heir);

	if (code == CODE_OK && strcmp(wallet->currency.code, heir->currency.code) != 0)
		code = CODE_CURRENCY_MISMATCH;
	return code == CODE_OK ? check_balances(wallet, heir, wallet->balance) : code;
}

WalletCode
rule_close(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, operation->source_wallet_id);
	Wallet *heir = working_set_wallet(set, operation->destination_wallet_id);
	WalletCode code = CODE_OK;

	if (operation->source_wallet_id == operation->destination_wallet_id)
		return CODE_SAME_WALLET;
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (heir == NULL && operation->destination_wallet_id != 0)
		return CODE_DESTINATION_NOT_FOUND;
	if (wallet->status == STATUS_CLOSED)
		return CODE_OK;
	if (heir == NULL || wallet->balance <= 0)
		code = check_empty(wallet);
	else
	{
		code = check_sweep(wallet, heir);
		if (code == CODE_OK && wallet->held - wallet->due != 0)
			code = CODE_WALLET_HAS_HOLDS;
	}
	if (code != CODE_OK)
		return code;

	effects_expire_due(set, effects, wallet);
	if (wallet->balance > 0)
		effects_move(set, effects, operation, KIND_SWEEP, wallet->balance, wallet, heir);
	set_status(wallet, STATUS_CLOSED, set, effects);
	return CODE_OK;
}

WalletCode
rule_limits(int64_t wallet_id, const Limits *limits, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, wallet_id);
	int64_t floor;
	int64_t ceiling;
	WalletCode code = CODE_OK;

	if (!AMOUNT_IS_GIVEN(limits->floor) && !AMOUNT_IS_GIVEN(limits->ceiling) && !limits->no_ceiling)
		return CODE_MISSING_MEMBER;
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (wallet->status == STATUS_CLOSED)
		return CODE_WALLET_CLOSED;
	floor = wallet->floor;
	ceiling = limits->no_ceiling ? NO_CEILING : wallet->ceiling;
	if (AMOUNT_IS_GIVEN(limits->floor))
		code = amount_to_minor(limits->floor, wallet->currency.minor_digits, &floor);
	if (AMOUNT_IS_GIVEN(limits->ceiling))
		code = code_first(
		    code, amount_to_minor(limits->ceiling, wallet->currency.minor_digits, &ceiling));
	if (code == CODE_OK && (floor == INT64_MIN || ceiling == INT64_MIN))
		code = CODE_AMOUNT_TOO_LARGE;
	if (code == CODE_OK && floor > ceiling)
		code = CODE_FLOOR_ABOVE_CEILING;
	if (code != CODE_OK)
		return code;

	effects_change(set, effects, wallet, CHANGE_LIMITS);
	wallet->floor = floor;
	wallet->ceiling = ceiling;
	return CODE_OK;
}
