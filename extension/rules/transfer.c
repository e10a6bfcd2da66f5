/*
 * transfer.c
 *		The rules of what moves money: transactions, fees, deposits and withdrawals.
 */
#include "rules/transfer.h"

#include <assert.h>
#include <string.h>

Wide
wallet_available(const Wallet *wallet)
{
	return (Wide) wallet->balance - (wallet->held - wallet->due) - wallet->floor;
}

static bool
has_status(const Wallet *wallet, WalletStatus status)
{
	return !is_outside(wallet) && wallet->status == status;
}

WalletCode
check_statuses(const Wallet *source, const Wallet *destination)
{
	if (has_status(source, STATUS_CLOSED) || has_status(destination, STATUS_CLOSED))
		return CODE_WALLET_CLOSED;
	if (has_status(source, STATUS_FROZEN) || has_status(destination, STATUS_FROZEN))
		return CODE_WALLET_FROZEN;
	return CODE_OK;
}

bool
is_owner(const Operation *operation, const Wallet *wallet)
{
	return operation->user_id == 0 ||
	       (!is_outside(wallet) && operation->user_id == wallet->user_id);
}

WalletCode
check_max_amount(const Operation *operation, int64_t amount, const Currency *currency)
{
	Wide moved = amount;
	Wide most = operation->max_amount.digits;

	if (most == 0)
		return CODE_OK;
	for (int i = currency->minor_digits; i < operation->max_amount.scale; i++)
		moved *= 10;
	for (int i = operation->max_amount.scale; i < currency->minor_digits; i++)
		most *= 10;
	return moved > most ? CODE_AMOUNT_ABOVE_LIMIT : CODE_OK;
}

WalletCode
check_funds(const Wallet *source, Wide amount)
{
	return is_outside(source) || wallet_available(source) >= amount ? CODE_OK
	                                                                : CODE_INSUFFICIENT_FUNDS;
}

WalletCode
check_balances(const Wallet *source, const Wallet *destination, Wide amount)
{
	if (!is_outside(source) && source->balance - amount < -INT64_MAX)
		return CODE_BALANCE_LIMIT;
	if (!is_outside(destination) && destination->balance + amount > destination->ceiling)
		return CODE_BALANCE_LIMIT;
	return CODE_OK;
}

static WalletCode
check_currencies(const Wallet *source, const Wallet *destination)
{
	return strcmp(source->currency.code, destination->currency.code) == 0 ? CODE_OK
	                                                                      : CODE_CURRENCY_MISMATCH;
}

/* The amount that the operation's mode makes of the one that is named, which may be none. */
static WalletCode
choose_amount(const Operation *operation, const Wallet *source, int64_t *amount)
{
	Wide available = wallet_available(source);
	Wide own = (Wide) source->balance - (source->held - source->due);
	Wide most =
	    operation->amount_mode == MODE_ALL ? (available < own ? available : own) : available;

	if (operation->amount_mode == MODE_EXACT || is_outside(source))
		return CODE_OK;
	if (operation->amount_mode == MODE_ALL)
		*amount = most > INT64_MAX ? INT64_MAX : (int64_t) (most < 0 ? 0 : most);
	else if (most < *amount)
		*amount = (int64_t) (most < 0 ? 0 : most);
	return *amount > 0 ? CODE_OK : CODE_INSUFFICIENT_FUNDS;
}

/* Moves the operation's amount between two wallets that there are. */
static WalletCode
transfer(const Operation *operation, Wallet *source, Wallet *destination, WorkingSet *set,
         Effects *effects)
{
	int64_t amount = 0;
	WalletCode code = CODE_OK;
	WalletCode funds;

	if (!is_owner(operation, is_outside(source) ? destination : source))
		return CODE_NOT_OWNER;
	code = check_statuses(source, destination);
	if (code == CODE_OK)
		code = check_currencies(source, destination);
	if (code == CODE_OK && operation->amount_mode != MODE_ALL)
		code = amount_to_minor(operation->amount, source->currency.minor_digits, &amount);
	if (code != CODE_OK)
		return code;
	funds = choose_amount(operation, source, &amount);
	code = check_max_amount(operation, amount, &source->currency);
	if (code == CODE_OK)
		code = funds;
	if (code == CODE_OK)
		code = check_funds(source, amount);
	if (code == CODE_OK)
		code = check_balances(source, destination, amount);
	if (code != CODE_OK)
		return code;

	effects_expire_due(set, effects, source);
	effects_move(set, effects, operation, operation->kind, amount, source, destination);
	return CODE_OK;
}

/* ---- Splits ---- */

/* What a split comes to: the wallets of its shares, and how much each gets. */
typedef struct Split
{
	int count;
	const Share *shares;
	Wallet *destinations[LEGS_MAX];
	int64_t amounts[LEGS_MAX];
	int64_t total;
	int failed; /* the share that is refused, from 1 on; 0: it is no share's fault */
} Split;

int64_t
amount_of_parts(int64_t total, const Share *share)
{
	return (int64_t) ((Wide) total * share->parts_per_million / PARTS_PER_WHOLE);
}

/* Says which share is refused, counted from 0. */
static WalletCode
fail(Split *split, int share, WalletCode code)
{
	split->failed = share + 1;
	return code;
}

/* All that is judged of a split before its amounts, rule by rule over all destinations. */
static WalletCode
check_destinations(const Operation *operation, const Wallet *source, Split *split)
{
	for (int i = 0; i < split->count; i++)
	{
		if (split->destinations[i] == NULL)
			return fail(split, i, CODE_DESTINATION_NOT_FOUND);
	}
	if (!is_owner(operation, source))
		return CODE_NOT_OWNER;
	for (int i = 0; i < split->count; i++)
	{
		if (check_statuses(source, split->destinations[i]) == CODE_WALLET_CLOSED)
			return fail(split, i, CODE_WALLET_CLOSED);
	}
	for (int i = 0; i < split->count; i++)
	{
		if (check_statuses(source, split->destinations[i]) == CODE_WALLET_FROZEN)
			return fail(split, i, CODE_WALLET_FROZEN);
	}
	for (int i = 0; i < split->count; i++)
	{
		if (check_currencies(source, split->destinations[i]) != CODE_OK)
			return fail(split, i, CODE_CURRENCY_MISMATCH);
	}
	return CODE_OK;
}

/* Each share is rounded down, and the rest takes what remains. */
static WalletCode
divide(const Operation *operation, const Wallet *source, Split *split)
{
	int digits = source->currency.minor_digits;
	WalletCode code = amount_to_minor(operation->amount, digits, &split->total);
	Wide remaining;
	int rest = -1;

	for (int i = 0; i < split->count; i++)
	{
		split->amounts[i] = 0;
		if (AMOUNT_IS_GIVEN(split->shares[i].amount))
			code = code_first(code,
			                  amount_to_minor(split->shares[i].amount, digits, &split->amounts[i]));
	}
	if (code != CODE_OK)
		return code;
	remaining = split->total;
	for (int i = 0; i < split->count; i++)
	{
		if (split->shares[i].is_rest)
			rest = i;
		if (split->shares[i].has_parts)
			split->amounts[i] = amount_of_parts(split->total, &split->shares[i]);
		remaining -= split->amounts[i];
	}
	if (remaining < 0 || (rest < 0 && remaining != 0))
		return CODE_SPLIT_MISMATCH;
	if (rest >= 0)
		split->amounts[rest] = (int64_t) remaining;
	return CODE_OK;
}

/* A wallet may have several shares: what it gets in all must have room.  0 is no credit. */
static WalletCode
check_rooms(const Wallet *source, Split *split)
{
	for (int i = 0; i < split->count; i++)
	{
		Wide amount = 0;

		for (int j = 0; j <= i; j++)
			amount += split->destinations[j] == split->destinations[i] ? split->amounts[j] : 0;
		if (split->amounts[i] > 0 &&
		    check_balances(source, split->destinations[i], amount) != CODE_OK)
			return fail(split, i, CODE_BALANCE_LIMIT);
	}
	return CODE_OK;
}

static WalletCode
transfer_split(const Operation *operation, Wallet *source, WorkingSet *set, Effects *effects)
{
	Split split = {
	    .count = operation->share_count,
	    .shares = operation->parts->shares + operation->share_first,
	};
	WalletCode code;

	assert(split.count <= LEGS_MAX);
	for (int i = 0; i < split.count; i++)
		split.destinations[i] = working_set_wallet(set, split.shares[i].destination_wallet_id);
	code = check_destinations(operation, source, &split);
	if (code == CODE_OK)
		code = divide(operation, source, &split);
	for (int i = 0; i < split.count && code == CODE_OK; i++)
		code = check_max_amount(operation, split.amounts[i], &source->currency);
	if (code == CODE_OK)
		code = check_funds(source, split.total);
	if (code == CODE_OK)
		code = check_rooms(source, &split);
	effects->failed_share = split.failed;
	if (code != CODE_OK)
		return code;

	effects_expire_due(set, effects, source);
	for (int i = 0; i < split.count; i++)
	{
		if (split.amounts[i] > 0)
			effects_move(set, effects, operation, operation->kind, split.amounts[i], source,
			             split.destinations[i]);
	}
	return CODE_OK;
}

/* ---- The rules ---- */

WalletCode
rule_transaction(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *source = working_set_wallet(set, operation->source_wallet_id);
	Wallet *destination = working_set_wallet(set, operation->destination_wallet_id);

	if (source == NULL)
		return CODE_SOURCE_NOT_FOUND;
	if (operation->share_count > 0)
		return transfer_split(operation, source, set, effects);
	if (destination == NULL)
		return CODE_DESTINATION_NOT_FOUND;
	return transfer(operation, source, destination, set, effects);
}

/* Moves money between a wallet and the outside of its currency. */
static WalletCode
transfer_outside(const Operation *operation, int64_t wallet_id, bool is_deposit, WorkingSet *set,
                 Effects *effects)
{
	Wallet *wallet = working_set_wallet(set, wallet_id);
	Wallet outside;

	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	outside = outside_wallet(&wallet->currency);
	return is_deposit ? transfer(operation, &outside, wallet, set, effects)
	                  : transfer(operation, wallet, &outside, set, effects);
}

WalletCode
rule_deposit(const Operation *operation, WorkingSet *set, Effects *effects)
{
	return transfer_outside(operation, operation->destination_wallet_id, true, set, effects);
}

WalletCode
rule_withdrawal(const Operation *operation, WorkingSet *set, Effects *effects)
{
	return transfer_outside(operation, operation->source_wallet_id, false, set, effects);
}
