/*
 * transfer.c
 *		The rules of what moves money: transactions, deposits and withdrawals.
 */
#include "rules/transfer.h"

#include <string.h>

static bool
has_status(const Wallet *wallet, WalletStatus status)
{
	return !is_outside(wallet) && wallet->status == status;
}

/* Who asks must own the wallet that is debited, or the one wallet there is. */
static bool
owner_agrees(const Operation *operation, const Wallet *source, const Wallet *destination)
{
	const Wallet *own = is_outside(source) ? destination : source;

	return operation->user_id == 0 || operation->user_id == own->user_id;
}

/* Moves the operation's amount between two wallets that there are. */
static WalletCode
transfer(const Operation *operation, Wallet *source, Wallet *destination, WorkingSet *set,
         Effects *effects)
{
	int64_t amount;
	WalletCode code;

	if (!owner_agrees(operation, source, destination))
		return CODE_NOT_OWNER;
	if (has_status(source, STATUS_CLOSED) || has_status(destination, STATUS_CLOSED))
		return CODE_WALLET_CLOSED;
	if (has_status(source, STATUS_FROZEN) || has_status(destination, STATUS_FROZEN))
		return CODE_WALLET_FROZEN;
	if (strcmp(source->currency.code, destination->currency.code) != 0)
		return CODE_CURRENCY_MISMATCH;
	code = amount_to_minor(operation->amount, source->currency.minor_digits, &amount);
	if (code != CODE_OK)
		return code;
	if (!is_outside(source) && source->balance < amount)
		return CODE_INSUFFICIENT_FUNDS;
	if (!is_outside(destination) && destination->balance > INT64_MAX - amount)
		return CODE_BALANCE_LIMIT;

	effects_move(set, effects, operation, amount, source, destination);
	return CODE_OK;
}

WalletCode
rule_transaction(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *source = working_set_wallet(set, operation->source_wallet_id);
	Wallet *destination = working_set_wallet(set, operation->destination_wallet_id);
	WalletCode code = operation_check(operation);

	if (code != CODE_OK)
		return code;
	if (source == NULL)
		return CODE_SOURCE_NOT_FOUND;
	if (destination == NULL)
		return CODE_DESTINATION_NOT_FOUND;
	return transfer(operation, source, destination, set, effects);
}

WalletCode
rule_deposit(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, operation->destination_wallet_id);
	WalletCode code = operation_check(operation);
	Wallet outside;

	if (code != CODE_OK)
		return code;
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	outside = outside_wallet(&wallet->currency);
	return transfer(operation, &outside, wallet, set, effects);
}

WalletCode
rule_withdrawal(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, operation->source_wallet_id);
	WalletCode code = operation_check(operation);
	Wallet outside;

	if (code != CODE_OK)
		return code;
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	outside = outside_wallet(&wallet->currency);
	return transfer(operation, wallet, &outside, set, effects);
}
