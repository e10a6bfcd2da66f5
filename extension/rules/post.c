/*
 * post.c
 *		The rules of posting: pure functions over structs.
 *
 * No I/O, no allocation and no errors thrown: every check comes first, in the
 * order of codes.h, and then comes post_transfer, which cannot fail.
 */
#include "rules/post.h"

#include <string.h>

const WalletCodeInfo wallet_codes[CODE_COUNT] = WALLET_CODE_TABLE;

const char *const status_names[STATUS_COUNT] = {
    [STATUS_ACTIVE] = "active",
    [STATUS_FROZEN] = "frozen",
    [STATUS_CLOSED] = "closed",
};

bool
status_from_name(const char *name, WalletStatus *status)
{
	for (int i = 0; i < STATUS_COUNT; i++)
	{
		if (strcmp(status_names[i], name) == 0)
		{
			*status = (WalletStatus) i;
			return true;
		}
	}
	return false;
}

WalletCode
check_request(const Request *request)
{
	switch (request->kind)
	{
		case KIND_WALLET:
			return request->amount.digits < 0 ? CODE_AMOUNT_NEGATIVE : CODE_OK;
		case KIND_TRANSACTION:
		case KIND_DEPOSIT:
		case KIND_WITHDRAWAL:
			if (request->amount.digits <= 0)
				return CODE_AMOUNT_NOT_POSITIVE;
			if (request->source_wallet_id == request->destination_wallet_id)
				return CODE_SAME_WALLET;
			return CODE_OK;
		case KIND_WALLET_READ:
			return CODE_OK;
		default:
			/* A row of a newer version, or one that an owner has written. */
			return CODE_UNKNOWN_KIND;
	}
}

static bool
is_outside(const Wallet *wallet)
{
	return wallet->wallet_id < 0;
}

static bool
has_status(const Wallet *wallet, WalletStatus status)
{
	return !is_outside(wallet) && wallet->status == status;
}

/* Which wallet is missing, in the words of the request: a deposit has only one. */
static WalletCode
check_found(const Request *request, const Wallet *source, const Wallet *destination)
{
	if (source != NULL && destination != NULL)
		return CODE_OK;
	if (request->kind != KIND_TRANSACTION)
		return CODE_WALLET_NOT_FOUND;
	return source == NULL ? CODE_SOURCE_NOT_FOUND : CODE_DESTINATION_NOT_FOUND;
}

/* Who asks must own the wallet that is debited, or the one wallet there is. */
static bool
owner_agrees(const Request *request, const Wallet *source, const Wallet *destination)
{
	const Wallet *own = is_outside(source) ? destination : source;

	return request->user_id == 0 || request->user_id == own->user_id;
}

WalletCode
check_transfer(const Request *request, const Wallet *source, const Wallet *destination,
               int64_t *amount)
{
	WalletCode code = check_request(request);

	if (code == CODE_OK)
		code = check_found(request, source, destination);
	if (code != CODE_OK)
		return code;
	if (!owner_agrees(request, source, destination))
		return CODE_NOT_OWNER;
	if (has_status(source, STATUS_CLOSED) || has_status(destination, STATUS_CLOSED))
		return CODE_WALLET_CLOSED;
	if (has_status(source, STATUS_FROZEN) || has_status(destination, STATUS_FROZEN))
		return CODE_WALLET_FROZEN;
	if (strcmp(source->currency.code, destination->currency.code) != 0)
		return CODE_CURRENCY_MISMATCH;

	code = amount_to_minor(request->amount, source->currency.minor_digits, amount);
	if (code != CODE_OK)
		return code;
	if (!is_outside(source) && source->balance < *amount)
		return CODE_INSUFFICIENT_FUNDS;
	if (!is_outside(destination) && destination->balance > INT64_MAX - *amount)
		return CODE_BALANCE_LIMIT;
	return CODE_OK;
}

WalletCode
check_new_wallet(const Request *request, bool user_has_wallet, const Currency *currency,
                 int64_t *amount)
{
	WalletCode code = check_request(request);

	if (code != CODE_OK)
		return code;
	if (currency == NULL)
		return CODE_UNKNOWN_CURRENCY;
	if (user_has_wallet)
		return CODE_WALLET_EXISTS;
	return amount_to_minor(request->amount, currency->minor_digits, amount);
}

WalletCode
check_read(const Request *request, const Wallet *wallet)
{
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	return request->user_id == wallet->user_id ? CODE_OK : CODE_NOT_OWNER;
}

WalletCode
check_status(const Wallet *wallet, WalletStatus status)
{
	if (wallet == NULL)
		return CODE_WALLET_NOT_FOUND;
	if (wallet->status == STATUS_CLOSED && status != STATUS_CLOSED)
		return CODE_WALLET_CLOSED;
	if (status == STATUS_CLOSED && wallet->balance != 0)
		return CODE_WALLET_NOT_EMPTY;
	return CODE_OK;
}

int64_t
moment_of_write(int64_t now, const Wallet *wallet)
{
	return now < wallet->updated_at ? wallet->updated_at : now;
}

void
post_transfer(const Request *request, int64_t transfer_id, int64_t amount, int64_t now,
              Wallet *source, Wallet *destination, Transfer *transfer)
{
	int64_t posted_at = moment_of_write(moment_of_write(now, source), destination);

	source->balance -= is_outside(source) ? 0 : amount;
	destination->balance += is_outside(destination) ? 0 : amount;
	*transfer = (Transfer){
	    .transfer_id = transfer_id,
	    .request_id = request->request_id,
	    .kind = request->kind == KIND_WALLET ? KIND_DEPOSIT : request->kind,
	    .source_wallet_id = source->wallet_id,
	    .destination_wallet_id = destination->wallet_id,
	    .amount = amount,
	    .source_balance = source->balance,
	    .destination_balance = destination->balance,
	    .source_previous = source->last_transfer_id,
	    .destination_previous = destination->last_transfer_id,
	    .posted_at = posted_at,
	};
	source->last_transfer_id = destination->last_transfer_id = transfer_id;
	source->updated_at = destination->updated_at = posted_at;
}

Wallet
outside_wallet(const Currency *currency)
{
	return (Wallet){.wallet_id = currency->outside_wallet_id, .currency = *currency};
}
