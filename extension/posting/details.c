/*
 * details.c
 *		What was the cause of a refusal of a direct call: the detail of its error.
 *
 * The rules say which leg and which share of a split they have refused (Effects).  All else is
 * found here, by a look at the wallets as the rule has seen them: the call has not undone anything.
 */
#include "posting/details.h"

#include "utils/timestamp.h"

#include "base/interval.h"
#include "rules/transfer.h"

#define EXTENSION_LACKS "Give a new total (amount), a new end (expires_in or expires_at), or both."

/* What a refusal may be about.  The wallets are NULL where there is none, or it is the outside. */
typedef struct Case
{
	const Operation *operation;
	WalletCode code;
	const WorkingSet *set; /* may be NULL */
	const Wallet *source;
	const Wallet *destination; /* of a share that was refused: its wallet */
	const Currency *currency;  /* of one of the two */
	int share;                 /* of the split, from 1 on, that was refused; 0 for none */
} Case;

/* ---- Amounts ---- */

char *
money_text(int64 minor, const Currency *currency)
{
	char amount[AMOUNT_TEXT_SIZE];

	amount_format(minor, currency->minor_digits, amount);
	return psprintf("%s %s", amount, currency->code);
}

/* An amount as it was given, in no currency. */
static char *
amount_text(Amount amount)
{
	char *text = palloc(AMOUNT_TEXT_SIZE);

	Assert(AMOUNT_IS_GIVEN(amount));
	amount_format(amount.digits, amount.scale, text);
	return text;
}

char *
amount_detail(const char *member, Amount amount, WalletCode code, const Currency *currency)
{
	int64 minor;

	if (!AMOUNT_IS_GIVEN(amount))
		return NULL;
	if (code == CODE_AMOUNT_NOT_POSITIVE)
		return amount.digits > 0 ? NULL : psprintf("%s is %s.", member, amount_text(amount));
	if (currency == NULL)
		return NULL;
	/* Limits are kept as numbers that have a negative one of the same size. */
	if (amount_to_minor(amount, currency->minor_digits, &minor) != code &&
	    (code != CODE_AMOUNT_TOO_LARGE || minor != PG_INT64_MIN))
		return NULL;
	return psprintf("%s is %s, and %s has %d decimals.", member, amount_text(amount),
	                currency->code, currency->minor_digits);
}

static const Share *
share_of(const Operation *operation, int place)
{
	return &operation->parts->shares[operation->share_first + place];
}

/* The first of the amounts that have the fault, in the order in which the rules look at them. */
static char *
describe_amounts(const Case *about)
{
	const Operation *operation = about->operation;
	char *detail = amount_detail("amount", operation->amount, about->code, about->currency);

	if (detail == NULL)
		detail = amount_detail("max_capture", operation->max_capture, about->code, about->currency);
	for (int i = 0; detail == NULL && i < operation->share_count; i++)
		detail = amount_detail(psprintf("amount of share %d", i), share_of(operation, i)->amount,
		                       about->code, about->currency);
	return detail;
}

static char *
describe_split(const Case *about)
{
	const Operation *operation = about->operation;
	const Currency *currency = about->currency;
	int64 total = 0;
	Wide sum = 0;

	(void) amount_to_minor(operation->amount, currency->minor_digits, &total);
	for (int i = 0; i < operation->share_count; i++)
	{
		const Share *share = share_of(operation, i);
		int64 amount = 0;

		if (AMOUNT_IS_GIVEN(share->amount))
			(void) amount_to_minor(share->amount, currency->minor_digits, &amount);
		sum += share->has_parts ? amount_of_parts(total, share) : amount;
	}
	return psprintf("The shares add up to %s%s, and the amount is %s.",
	                sum > INT64_MAX ? "more than " : "",
	                money_text(sum > INT64_MAX ? INT64_MAX : (int64) sum, currency),
	                money_text(total, currency));
}

/* ---- Wallets ---- */

static char *
name_wallet(int64 wallet_id)
{
	return psprintf("Wallet " INT64_FORMAT ".", wallet_id);
}

/* What a wallet holds, and where that differs, what of it is available. */
static char *
describe_funds(const Wallet *wallet)
{
	const char *holds = money_text(wallet->balance, &wallet->currency);
	Wide available = wallet_available(wallet);

	if (available == wallet->balance)
		return psprintf("Wallet " INT64_FORMAT " holds %s.", wallet->wallet_id, holds);
	if (available > INT64_MAX || available < -INT64_MAX)
		return psprintf("Wallet " INT64_FORMAT " holds %s, and less is available.",
		                wallet->wallet_id, holds);
	return psprintf("Wallet " INT64_FORMAT " holds %s, and %s is available.", wallet->wallet_id,
	                holds, money_text((int64) available, &wallet->currency));
}

/* The one of the two wallets that has the status, the source first. */
static char *
describe_status(const Case *about, WalletStatus status)
{
	if (about->source != NULL && about->source->status == status)
		return name_wallet(about->source->wallet_id);
	return about->destination == NULL ? NULL : name_wallet(about->destination->wallet_id);
}

static char *
describe_currencies(const Case *about)
{
	return psprintf("Wallet " INT64_FORMAT " holds %s, and wallet " INT64_FORMAT " holds %s.",
	                about->source->wallet_id, about->source->currency.code,
	                about->destination->wallet_id, about->destination->currency.code);
}

/* Would the amount take more from the source than its balance can become? */
static bool
is_below_64_bits(const Case *about)
{
	const Wallet *source = about->source;
	Amount amount = about->operation->amount;
	int64 minor;

	if (source == NULL || about->destination == NULL)
		return source != NULL;
	return AMOUNT_IS_GIVEN(amount) &&
	       amount_to_minor(amount, source->currency.minor_digits, &minor) == CODE_OK &&
	       (Wide) source->balance - minor < -INT64_MAX;
}

/* What the holds reserve, or what a wallet has, and the bound that it would pass. */
static char *
describe_bound(const Case *about)
{
	const Wallet *source = about->source;
	const Wallet *wallet = about->destination;
	RequestKind kind = about->operation->kind;

	if (source != NULL && (kind == KIND_HOLD || kind == KIND_HOLD_EXTEND))
		return psprintf(
		    "Holds of wallet " INT64_FORMAT " reserve %s, and 64 bits have room for %s.",
		    source->wallet_id, money_text(source->held - source->due, &source->currency),
		    money_text(INT64_MAX, &source->currency));
	if (is_below_64_bits(about))
		return psprintf("Wallet " INT64_FORMAT " holds %s, and 64 bits have room for %s.",
		                source->wallet_id, money_text(source->balance, &source->currency),
		                money_text(-INT64_MAX, &source->currency));
	if (wallet == NULL)
		return NULL;
	return psprintf("Wallet " INT64_FORMAT " holds %s, and %s %s.", wallet->wallet_id,
	                money_text(wallet->balance, &wallet->currency),
	                wallet->ceiling == NO_CEILING ? "64 bits have room for" : "its ceiling is",
	                money_text(wallet->ceiling, &wallet->currency));
}

static char *
describe_reserved(const Wallet *wallet)
{
	return psprintf("Holds of wallet " INT64_FORMAT " reserve %s.", wallet->wallet_id,
	                money_text(wallet->held - wallet->due, &wallet->currency));
}

static char *
describe_balance(const Wallet *wallet)
{
	return psprintf("The balance of wallet " INT64_FORMAT " is %s%s.", wallet->wallet_id,
	                money_text(wallet->balance, &wallet->currency),
	                wallet->balance < 0 ? ": the wallet owes money" : "");
}

static char *
describe_wallets(const Operation *operation)
{
	int64 source = operation->source_wallet_id;
	int64 destination = operation->destination_wallet_id;

	if (source > 0 && destination > 0)
		return psprintf("From wallet " INT64_FORMAT " to wallet " INT64_FORMAT ".", source,
		                destination);
	if (source > 0 || destination > 0)
		return name_wallet(Max(source, destination));
	if (kind_names_hold(operation->kind))
		return psprintf("Hold " INT64_FORMAT ".", operation->link_id);
	switch (operation->kind)
	{
		case KIND_REVERSAL:
			return psprintf("Transfer " INT64_FORMAT ".", operation->link_id);
		case KIND_GROUP_REVERSAL:
			return psprintf("Group " INT64_FORMAT ".", operation->link_id);
		default:
			return NULL;
	}
}

/* ---- Holds and originals ---- */

/* What is left of a hold, and what a capture may take where that differs. */
static char *
describe_rest(const Operation *operation, const Hold *hold, const Currency *currency)
{
	Wide most = (Wide) hold->max_capture - hold->captured;

	if (operation->kind != KIND_CAPTURE || most == hold->rest)
		return psprintf("Hold " INT64_FORMAT " has %s left.", hold->hold_id,
		                money_text(hold->rest, currency));
	return psprintf("Hold " INT64_FORMAT " has %s left, and up to %s may be captured.",
	                hold->hold_id, money_text(hold->rest, currency),
	                money_text((int64) most, currency));
}

/* What an extension must not lower. */
static char *
describe_terms(const Hold *hold, const Currency *currency)
{
	const char *total = money_text(hold->captured + hold->rest, currency);

	if (hold->expires_at == NO_END)
		return psprintf("The total of hold " INT64_FORMAT " is %s, and it has no end.",
		                hold->hold_id, total);
	return psprintf("The total of hold " INT64_FORMAT " is %s, and its end is %s.", hold->hold_id,
	                total, timestamptz_to_str(hold->expires_at));
}

static char *
describe_hold(const Case *about)
{
	const Hold *hold =
	    about->set == NULL ? NULL : working_set_hold(about->set, about->operation->link_id);

	if (hold == NULL || about->source == NULL)
		return NULL;
	return about->code == CODE_BELOW_HOLD
	           ? describe_terms(hold, &about->source->currency)
	           : describe_rest(about->operation, hold, &about->source->currency);
}

static char *
describe_expiry(const Operation *operation)
{
	if (operation->expires_in != 0 && operation->expires_at != 0)
		return pstrdup("Both expires_in and expires_at are given.");
	if (operation->expires_in < 0)
		return pstrdup("expires_in must be longer than 0.");
	if (operation->expires_in > 0)
		return psprintf("expires_in must be shorter than %d days.",
		                (int) (INTERVAL_US_MAX / USECS_PER_DAY));
	return pstrdup("expires_at has passed.");
}

static char *
describe_original(const Case *about)
{
	const Original *original =
	    about->set == NULL ? NULL : working_set_original(about->set, about->operation->link_id);

	if (original == NULL || about->currency == NULL)
		return NULL;
	return psprintf("Of transfer " INT64_FORMAT " %s is left to reverse.", original->transfer_id,
	                money_text(original->amount - original->reversed, about->currency));
}

/* ---- The cause ---- */

/* What is said of codes that are about a hold, or about what was to be reversed. */
static char *
describe_link(const Case *about)
{
	const Operation *operation = about->operation;

	switch (about->code)
	{
		case CODE_HOLD_CAPTURED:
		case CODE_HOLD_VOIDED:
		case CODE_HOLD_EXPIRED:
			return psprintf("Hold " INT64_FORMAT ".", operation->link_id);
		case CODE_EXCEEDS_HOLD:
		case CODE_BELOW_HOLD:
			return describe_hold(about);
		case CODE_NOT_REVERSIBLE:
		case CODE_ALREADY_REVERSED:
			return psprintf("%s " INT64_FORMAT ".",
			                operation->kind == KIND_GROUP_REVERSAL ? "Group" : "Transfer",
			                operation->link_id);
		case CODE_EXCEEDS_REVERSIBLE:
			return describe_original(about);
		default:
			return NULL;
	}
}

/* NULL where there is nothing special to say of the code. */
static char *
describe_cause(const Case *about)
{
	const Operation *operation = about->operation;
	const Wallet *source = about->source;

	switch (about->code)
	{
		case CODE_MISSING_MEMBER:
			/* All other arguments that a call needs have been required one by one. */
			return operation->kind == KIND_HOLD_EXTEND ? pstrdup(EXTENSION_LACKS) : NULL;
		case CODE_INVALID_EXPIRY:
			return describe_expiry(operation);
		case CODE_AMOUNT_NOT_POSITIVE:
		case CODE_AMOUNT_PRECISION:
		case CODE_AMOUNT_TOO_LARGE:
			return describe_amounts(about);
		case CODE_INVALID_MAX_CAPTURE:
			return psprintf("max_capture is %s, and amount is %s.",
			                amount_text(operation->max_capture), amount_text(operation->amount));
		case CODE_WALLET_NOT_FOUND:
		case CODE_SOURCE_NOT_FOUND:
			return source == NULL && operation->source_wallet_id > 0
			           ? name_wallet(operation->source_wallet_id)
			           : NULL;
		case CODE_DESTINATION_NOT_FOUND:
			return name_wallet(about->share == 0
			                       ? operation->destination_wallet_id
			                       : share_of(operation, about->share - 1)->destination_wallet_id);
		case CODE_WALLET_CLOSED:
			return describe_status(about, STATUS_CLOSED);
		case CODE_WALLET_FROZEN:
			return describe_status(about, STATUS_FROZEN);
		case CODE_CURRENCY_MISMATCH:
			return source == NULL || about->destination == NULL ? NULL : describe_currencies(about);
		case CODE_SPLIT_MISMATCH:
			return about->currency == NULL ? NULL : describe_split(about);
		case CODE_INSUFFICIENT_FUNDS:
			return source == NULL ? NULL : describe_funds(source);
		case CODE_BALANCE_LIMIT:
			return describe_bound(about);
		case CODE_WALLET_HAS_HOLDS:
			return source == NULL ? NULL : describe_reserved(source);
		case CODE_WALLET_NOT_EMPTY:
			return source == NULL ? NULL : describe_balance(source);
		default:
			return describe_link(about);
	}
}

/* Finds the wallets.  A share that was refused counts for the destination. */
static Case
case_of(const Operation *operation, WalletCode code, const Ledger *ledger)
{
	Case about = {.operation = operation, .code = code};
	int64 destination = operation->destination_wallet_id;

	if (ledger == NULL)
		return about;
	about.set = &ledger->set;
	about.source = working_set_wallet(about.set, operation->source_wallet_id);
	if (ledger->effects.failed_share > 0 && operation->share_count > 0)
	{
		about.share = ledger->effects.failed_share;
		destination = share_of(operation, about.share - 1)->destination_wallet_id;
	}
	about.destination = working_set_wallet(about.set, destination);
	if (about.source != NULL || about.destination != NULL)
		about.currency =
		    about.source != NULL ? &about.source->currency : &about.destination->currency;
	return about;
}

/* Is the refused share the cause, and not the source, which all shares have? */
static bool
is_of_share(const Case *about)
{
	switch (about->code)
	{
		case CODE_DESTINATION_NOT_FOUND:
		case CODE_CURRENCY_MISMATCH:
			return about->share > 0;
		case CODE_WALLET_CLOSED:
			return about->share > 0 && about->source->status != STATUS_CLOSED;
		case CODE_WALLET_FROZEN:
			return about->share > 0 && about->source->status != STATUS_FROZEN;
		case CODE_BALANCE_LIMIT:
			return about->share > 0 && !is_below_64_bits(about);
		default:
			return false;
	}
}

/* Which leg of a group it was; of a group's reversal, also what the leg was to reverse. */
static char *
name_leg(const Operation *group, const Case *leg, int number)
{
	const Original *original = working_set_original(leg->set, leg->operation->link_id);

	if (group->kind == KIND_GROUP && is_of_share(leg))
		return psprintf("Leg %d, share %d", number, leg->share - 1);
	if (group->kind == KIND_GROUP || original == NULL || leg->currency == NULL)
		return psprintf("Leg %d", number);
	return psprintf("Leg %d, reversing %s of transfer " INT64_FORMAT, number,
	                money_text(original->amount - original->reversed, leg->currency),
	                original->transfer_id);
}

char *
call_detail(const Operation *operation, WalletCode code, const Ledger *ledger)
{
	int leg = ledger == NULL ? 0 : ledger->effects.failed_leg;
	Case about = case_of(leg == 0 ? operation : ledger->effects.failed, code, ledger);
	char *detail = describe_cause(&about);

	Assert(leg == 0 || (operation->parts != NULL && about.operation != NULL &&
	                    about.operation >= operation->parts->legs &&
	                    about.operation < operation->parts->legs + operation->parts->leg_count));
	if (detail == NULL)
		detail = describe_wallets(about.operation);
	if (leg == 0)
		return detail;
	return detail == NULL ? psprintf("%s.", name_leg(operation, &about, leg - 1))
	                      : psprintf("%s: %s", name_leg(operation, &about, leg - 1), detail);
}
