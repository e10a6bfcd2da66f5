/*
 * wallet.c
 *		The rules of what is about one wallet: a new one, a read, a change of status.
 */
#include "rules/wallet.h"

WalletCode
rule_wallet(const Operation *operation, WorkingSet *set, Effects *effects)
{
	const Currency *currency;
	int64_t amount;
	Wallet *wallet;
	WalletCode code = operation_check(operation);

	if (code != CODE_OK)
		return code;
	currency = working_set_currency(set, operation->currency);
	if (currency == NULL)
		return CODE_UNKNOWN_CURRENCY;
	if (touched_find(set, -operation->user_id)->is_there)
		return CODE_WALLET_EXISTS;
	code = amount_to_minor(operation->amount, currency->minor_digits, &amount);
	if (code != CODE_OK)
		return code;

	wallet = effects_make_wallet(set, effects, operation->user_id, currency);
	if (amount > 0)
	{
		Wallet outside = outside_wallet(currency);

		effects_move(set, effects, operation, amount, &outside, wallet);
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

WalletCode
rule_status(int64_t wallet_id, WalletStatus status, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, wallet_id);

	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (wallet->status == STATUS_CLOSED && status != STATUS_CLOSED)
		return CODE_WALLET_CLOSED;
	if (status == STATUS_CLOSED && wallet->balance != 0)
		return CODE_WALLET_NOT_EMPTY;

	effects_change(set, effects, wallet, CHANGE_STATUS);
	wallet->status = status;
	return CODE_OK;
}
