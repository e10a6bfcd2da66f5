/*
 * expected.h
 *		What the rules of posting must answer, found in another way than in extension/rules.
 *
 * Each rule is judged for itself, wherever it makes sense, in any order and with 128 bits.  The
 * answer is the broken rule that stands first in codes.h.  Groups are no concern of this file:
 * post.c carries out their legs one by one.
 */
#ifndef WALLET_FUZZ_EXPECTED_H
#define WALLET_FUZZ_EXPECTED_H

#include "rules/rules.h"

typedef __int128 Wide;

/* The rules that an operation breaks: the first of them so far, or CODE_COUNT. */
typedef struct Verdict
{
	const Operation *operation;
	const WorkingSet *set;
	int64_t moment;
	WalletCode first;
	const Wallet *source; /* NULL: the outside, or none */
	const Wallet *destination;
	Wide amount; /* in minor units; what is moved or reserved */
} Verdict;

static void
breaks(Verdict *verdict, WalletCode code, bool is_broken)
{
	if (is_broken && code < verdict->first)
		verdict->first = code;
}

/* The amount in minor units; what does not fit its currency is noted. */
static Wide
expected_minor(Verdict *verdict, Amount amount, const Currency *currency)
{
	Wide minor = amount.digits;
	Wide unit = 1;

	for (int i = 0; i < currency->minor_digits; i++)
		minor *= 10;
	for (int i = 0; i < amount.scale; i++)
		unit *= 10;
	breaks(verdict, CODE_AMOUNT_PRECISION, minor % unit != 0);
	minor /= unit;
	breaks(verdict, CODE_AMOUNT_TOO_LARGE, minor > INT64_MAX);
	return minor;
}

/* The amount with as many decimals as any may have. */
static Wide
longest(Amount amount)
{
	Wide digits = amount.digits;

	for (int i = amount.scale; i < MINOR_DIGITS_MAX; i++)
		digits *= 10;
	return digits;
}

/* What the open holds of a wallet reserve that are not due. */
static Wide
expected_held(const Verdict *verdict, const Wallet *wallet)
{
	Wide held = wallet->held;

	for (int i = 0; i < verdict->set->hold_count; i++)
	{
		const Hold *hold = &verdict->set->holds[i];

		if (hold->source_wallet_id == wallet->wallet_id && hold->state == HOLD_OPEN &&
		    hold->expires_at <= verdict->moment)
			held -= hold->rest;
	}
	return held;
}

static Wide
expected_available(const Verdict *verdict, const Wallet *wallet)
{
	return (Wide) wallet->balance - expected_held(verdict, wallet) - wallet->floor;
}

static void
judge_asker(Verdict *verdict, const Wallet *owner)
{
	int64_t user_id = verdict->operation->user_id;

	breaks(verdict, CODE_NOT_OWNER, user_id != 0 && (owner == NULL || owner->user_id != user_id));
}

static void
judge_status(Verdict *verdict, const Wallet *wallet)
{
	if (wallet == NULL)
		return;
	breaks(verdict, CODE_WALLET_CLOSED, wallet->status == STATUS_CLOSED);
	breaks(verdict, CODE_WALLET_FROZEN, wallet->status == STATUS_FROZEN);
}

static void
judge_currencies(Verdict *verdict, const Wallet *payee)
{
	breaks(verdict, CODE_CURRENCY_MISMATCH,
	       strcmp(verdict->source->currency.code, payee->currency.code) != 0);
}

static void
judge_max_amount(Verdict *verdict, Wide amount, const Currency *currency)
{
	Amount given = verdict->operation->max_amount;
	Wide most = given.digits;
	Wide unit = 1;

	for (int i = 0; i < currency->minor_digits; i++)
		most *= 10;
	for (int i = 0; i < given.scale; i++)
		unit *= 10;
	breaks(verdict, CODE_AMOUNT_ABOVE_LIMIT, most > 0 && amount > most / unit);
}

/* What moving the verdict's amount makes of the two balances. */
static void
judge_balances(Verdict *verdict)
{
	const Wallet *source = verdict->source;
	const Wallet *destination = verdict->destination;

	if (source != NULL)
		breaks(verdict, CODE_BALANCE_LIMIT, source->balance - verdict->amount < -INT64_MAX);
	if (destination != NULL)
		breaks(verdict, CODE_BALANCE_LIMIT,
		       destination->balance + verdict->amount > destination->ceiling);
}

/* The source must have so much; a wallet that does not exist has been noted before. */
static void
judge_funds(Verdict *verdict, Wide amount)
{
	if (verdict->source != NULL)
		breaks(verdict, CODE_INSUFFICIENT_FUNDS,
		       amount < 1 || expected_available(verdict, verdict->source) < amount);
}

/* The amount that a mode makes of what is asked for. */
static Wide
expected_wanted(const Verdict *verdict, Wide asked)
{
	const Wallet *source = verdict->source;
	Wide available = source != NULL ? expected_available(verdict, source) : asked;
	Wide own = source != NULL ? source->balance - expected_held(verdict, source) : asked;

	if (verdict->operation->amount_mode == MODE_UP_TO)
		return available < asked ? available : asked;
	if (verdict->operation->amount_mode == MODE_ALL)
		return available < own ? available : own;
	return asked;
}

/* The end of a hold, or of its extension. */
static void
judge_end(Verdict *verdict)
{
	const Operation *operation = verdict->operation;

	breaks(verdict, CODE_INVALID_EXPIRY, operation->expires_in != 0 && operation->expires_at != 0);
	breaks(verdict, CODE_INVALID_EXPIRY, operation->expires_in < 0);
	breaks(verdict, CODE_INVALID_EXPIRY,
	       operation->expires_at != 0 && operation->expires_at <= verdict->moment);
}

static void
judge_payload(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	const Amount *amount = &operation->amount;
	bool is_given = AMOUNT_IS_GIVEN(*amount);
	bool has_mode = operation->kind == KIND_TRANSACTION || operation->kind == KIND_FEE ||
	                operation->kind == KIND_WITHDRAWAL;

	breaks(verdict, CODE_INVALID_AMOUNT_MODE, operation->amount_mode >= MODE_COUNT);
	breaks(verdict, CODE_INVALID_SHORTFALL, operation->shortfall >= SHORTFALL_COUNT);
	breaks(verdict, CODE_INVALID_AMOUNT_MODE,
	       has_mode && operation->amount_mode == MODE_ALL && is_given);
	breaks(verdict, CODE_MISSING_MEMBER,
	       has_mode && operation->amount_mode != MODE_ALL && !is_given);
	if (operation->kind == KIND_WALLET)
		breaks(verdict, CODE_AMOUNT_NEGATIVE, amount->digits < 0);
	else if (operation->kind != KIND_WALLET_READ)
		breaks(verdict, CODE_AMOUNT_NOT_POSITIVE, is_given && amount->digits <= 0);
}

static void
judge_transfer(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	const Wallet *own = verdict->source != NULL ? verdict->source : verdict->destination;
	bool has_two = operation->source_wallet_id != 0 && operation->destination_wallet_id != 0;
	Wide asked = 0;

	breaks(verdict, CODE_SAME_WALLET,
	       has_two && operation->source_wallet_id == operation->destination_wallet_id);
	if (operation->kind == KIND_TRANSACTION || operation->kind == KIND_FEE)
	{
		breaks(verdict, CODE_SOURCE_NOT_FOUND, verdict->source == NULL);
		breaks(verdict, CODE_DESTINATION_NOT_FOUND, verdict->destination == NULL);
	}
	else
		breaks(verdict, CODE_WALLET_NOT_FOUND, own == NULL);
	if (own == NULL)
		return;
	judge_asker(verdict, own);
	judge_status(verdict, verdict->source);
	judge_status(verdict, verdict->destination);
	if (verdict->source != NULL && verdict->destination != NULL)
		judge_currencies(verdict, verdict->destination);
	if (AMOUNT_IS_GIVEN(operation->amount))
		asked = expected_minor(verdict, operation->amount, &own->currency);
	verdict->amount = expected_wanted(verdict, asked);
	judge_max_amount(verdict, verdict->amount, &own->currency);
	judge_funds(verdict, verdict->amount);
	judge_balances(verdict);
}

/* A leg that divides its amount. */
static void
judge_split(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	const Wallet *source = verdict->source;
	const Share *shares = operation->parts->shares + operation->share_first;
	Wide amounts[LEGS_MAX] = {0};
	Wide left;
	bool has_rest = false;

	breaks(verdict, CODE_SOURCE_NOT_FOUND, source == NULL);
	if (source == NULL)
		return;
	judge_asker(verdict, source);
	judge_status(verdict, source);
	left = verdict->amount = expected_minor(verdict, operation->amount, &source->currency);
	for (int i = 0; i < operation->share_count; i++)
	{
		has_rest = has_rest || shares[i].is_rest;
		if (AMOUNT_IS_GIVEN(shares[i].amount))
			amounts[i] = expected_minor(verdict, shares[i].amount, &source->currency);
		if (shares[i].has_parts)
			amounts[i] = verdict->amount * shares[i].parts_per_million / 1000000;
		left -= amounts[i];
	}
	breaks(verdict, CODE_SPLIT_MISMATCH, left < 0 || (left > 0 && !has_rest));
	judge_funds(verdict, verdict->amount);
	for (int i = 0; i < operation->share_count; i++)
	{
		const Wallet *payee = working_set_wallet(verdict->set, shares[i].destination_wallet_id);
		Wide gain = 0;

		breaks(verdict, CODE_DESTINATION_NOT_FOUND, payee == NULL);
		if (payee == NULL)
			continue;
		judge_status(verdict, payee);
		judge_currencies(verdict, payee);
		for (int j = 0; j < operation->share_count; j++)
		{
			if (shares[j].destination_wallet_id == payee->wallet_id)
				gain += shares[j].is_rest ? left : amounts[j];
		}
		breaks(verdict, CODE_BALANCE_LIMIT, payee->balance + gain > payee->ceiling);
		judge_max_amount(verdict, shares[i].is_rest ? left : amounts[i], &source->currency);
	}
}

static void
judge_reserving(Verdict *verdict, Wide amount)
{
	judge_max_amount(verdict, amount, &verdict->source->currency);
	judge_funds(verdict, amount);
	breaks(verdict, CODE_BALANCE_LIMIT,
	       expected_held(verdict, verdict->source) + amount > INT64_MAX);
}

static void
judge_hold(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	bool has_payee = operation->destination_wallet_id != 0;

	judge_end(verdict);
	breaks(verdict, CODE_SAME_WALLET,
	       operation->source_wallet_id != 0 &&
	           operation->source_wallet_id == operation->destination_wallet_id);
	breaks(verdict, CODE_SOURCE_NOT_FOUND, verdict->source == NULL);
	breaks(verdict, CODE_DESTINATION_NOT_FOUND, has_payee && verdict->destination == NULL);
	if (AMOUNT_IS_GIVEN(operation->max_capture))
	{
		breaks(verdict, CODE_AMOUNT_NOT_POSITIVE, operation->max_capture.digits <= 0);
		breaks(verdict, CODE_INVALID_MAX_CAPTURE,
		       longest(operation->max_capture) < longest(operation->amount));
	}
	if (verdict->source == NULL)
		return;
	judge_asker(verdict, verdict->source);
	judge_status(verdict, verdict->source);
	judge_status(verdict, verdict->destination);
	if (verdict->destination != NULL)
		judge_currencies(verdict, verdict->destination);
	if (AMOUNT_IS_GIVEN(operation->max_capture))
		(void) expected_minor(verdict, operation->max_capture, &verdict->source->currency);
	verdict->amount = expected_minor(verdict, operation->amount, &verdict->source->currency);
	judge_reserving(verdict, verdict->amount);
}

static void
judge_capture(Verdict *verdict, const Hold *hold)
{
	Wide most = (Wide) hold->rest + hold->max_capture - ((Wide) hold->captured + hold->rest);

	judge_asker(verdict, verdict->destination);
	judge_status(verdict, verdict->source);
	judge_status(verdict, verdict->destination);
	breaks(verdict, CODE_EXCEEDS_HOLD, verdict->amount > most);
	judge_max_amount(verdict, verdict->amount, &verdict->source->currency);
	if (verdict->amount > hold->rest)
		judge_funds(verdict, verdict->amount - hold->rest);
	judge_balances(verdict);
}

static void
judge_extension(Verdict *verdict, const Hold *hold)
{
	const Operation *operation = verdict->operation;
	Wide total = (Wide) hold->captured + hold->rest;
	Wide more = AMOUNT_IS_GIVEN(operation->amount) ? verdict->amount - total : 0;
	Wide end = operation->expires_at != 0  ? operation->expires_at
	           : operation->expires_in > 0 ? (Wide) verdict->moment + operation->expires_in
	                                       : hold->expires_at;

	judge_asker(verdict, verdict->source);
	judge_status(verdict, verdict->source);
	judge_status(verdict, verdict->destination);
	breaks(verdict, CODE_BELOW_HOLD, more < 0 || end < hold->expires_at);
	breaks(verdict, CODE_BELOW_HOLD, more == 0 && end == hold->expires_at);
	if (more > 0)
		judge_reserving(verdict, more);
}

/* A capture, a void or an extension. */
static void
judge_named_hold(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	const Hold *hold = working_set_hold(verdict->set, operation->link_id);

	if (operation->kind == KIND_HOLD_EXTEND)
	{
		judge_end(verdict);
		breaks(verdict, CODE_MISSING_MEMBER,
		       !AMOUNT_IS_GIVEN(operation->amount) && operation->expires_in == 0 &&
		           operation->expires_at == 0);
	}
	breaks(verdict, CODE_MISSING_MEMBER, operation->link_id == 0);
	breaks(verdict, CODE_HOLD_NOT_FOUND, hold == NULL);
	if (hold == NULL)
		return;
	verdict->source = working_set_wallet(verdict->set, hold->source_wallet_id);
	verdict->destination = working_set_wallet(verdict->set, hold->destination_wallet_id);
	breaks(verdict, CODE_HOLD_CAPTURED, hold->state == HOLD_STATE_CAPTURED);
	breaks(verdict, CODE_HOLD_VOIDED, hold->state == HOLD_STATE_VOIDED);
	breaks(verdict, CODE_HOLD_EXPIRED,
	       hold->state == HOLD_STATE_EXPIRED ||
	           (hold->state == HOLD_OPEN && hold->expires_at <= verdict->moment));
	verdict->amount = hold->rest;
	if (AMOUNT_IS_GIVEN(operation->amount))
		verdict->amount = expected_minor(verdict, operation->amount, &verdict->source->currency);
	if (operation->kind == KIND_CAPTURE)
		judge_capture(verdict, hold);
	else if (operation->kind == KIND_HOLD_EXTEND)
		judge_extension(verdict, hold);
	else
	{
		judge_asker(verdict, verdict->destination);
		breaks(verdict, CODE_EXCEEDS_HOLD, verdict->amount > hold->rest);
	}
}

static void
judge_reversal(Verdict *verdict)
{
	const Operation *operation = verdict->operation;
	const Original *original = working_set_original(verdict->set, operation->link_id);
	const Wallet *own;
	Wide left;

	breaks(verdict, CODE_MISSING_MEMBER, operation->link_id == 0);
	breaks(verdict, CODE_TRANSACTION_NOT_FOUND, original == NULL);
	if (original == NULL)
		return;
	verdict->source = working_set_wallet(verdict->set, original->destination_wallet_id);
	verdict->destination = working_set_wallet(verdict->set, original->source_wallet_id);
	own = verdict->source != NULL ? verdict->source : verdict->destination;
	if (verdict->source == NULL || verdict->destination == NULL ||
	    operation->shortfall == SHORTFALL_OVERDRAW)
		breaks(verdict, CODE_NOT_OWNER, operation->user_id != 0);
	else if (!operation->may_reverse)
		judge_asker(verdict, verdict->source);
	breaks(verdict, CODE_NOT_REVERSIBLE,
	       original->kind == KIND_REVERSAL || !kind_moves_money(original->kind));
	left = (Wide) original->amount - original->reversed;
	breaks(verdict, CODE_ALREADY_REVERSED, left == 0);
	judge_status(verdict, verdict->source);
	judge_status(verdict, verdict->destination);
	verdict->amount = left;
	if (AMOUNT_IS_GIVEN(operation->amount))
		verdict->amount = expected_minor(verdict, operation->amount, &own->currency);
	breaks(verdict, CODE_EXCEEDS_REVERSIBLE, verdict->amount > left);
	if (operation->shortfall == SHORTFALL_AVAILABLE && verdict->source != NULL &&
	    expected_available(verdict, verdict->source) < verdict->amount)
		verdict->amount = expected_available(verdict, verdict->source);
	judge_max_amount(verdict, verdict->amount, &own->currency);
	if (operation->shortfall != SHORTFALL_OVERDRAW)
		judge_funds(verdict, verdict->amount);
	judge_balances(verdict);
}

/* Whether the user has a wallet, and the currency (NULL: unknown), of an operation that wants one.
 */
static void
judge_wallet(Verdict *verdict, bool has_wallet, const Currency *currency)
{
	Wide amount;

	breaks(verdict, CODE_UNKNOWN_CURRENCY, currency == NULL);
	breaks(verdict, CODE_WALLET_EXISTS, has_wallet);
	if (currency == NULL)
		return;
	amount = expected_minor(verdict, verdict->operation->amount, currency);
	judge_max_amount(verdict, amount, currency);
}

/* What should come of an operation that is no group, on the set as it is now. */
static WalletCode
expected_code(const Operation *operation, const WorkingSet *set, int64_t moment, int64_t clock,
              bool (*find_currency)(const char *code, Currency *currency))
{
	Verdict verdict = {
	    .operation = operation,
	    .set = set,
	    .moment = moment,
	    .first = CODE_COUNT,
	    .source = working_set_wallet(set, operation->source_wallet_id),
	    .destination = working_set_wallet(set, operation->destination_wallet_id),
	};
	Currency currency;

	judge_payload(&verdict);
	breaks(&verdict, CODE_REQUEST_EXPIRED,
	       operation->valid_until != 0 && operation->valid_until < clock);
	switch (operation->kind)
	{
		case KIND_WALLET:
			judge_wallet(&verdict, touched_find(set, -operation->user_id)->is_there,
			             find_currency(operation->currency, &currency) ? &currency : NULL);
			break;
		case KIND_WALLET_READ:
			breaks(&verdict, CODE_WALLET_NOT_FOUND, verdict.source == NULL);
			breaks(&verdict, CODE_NOT_OWNER,
			       verdict.source != NULL && verdict.source->user_id != operation->user_id);
			break;
		case KIND_HOLD:
			judge_hold(&verdict);
			break;
		case KIND_CAPTURE:
		case KIND_VOID:
		case KIND_HOLD_EXTEND:
			judge_named_hold(&verdict);
			break;
		case KIND_REVERSAL:
			judge_reversal(&verdict);
			break;
		default:
			if (operation->share_count > 0)
				judge_split(&verdict);
			else
				judge_transfer(&verdict);
			break;
	}
	return verdict.first == CODE_COUNT ? CODE_OK : verdict.first;
}

#endif /* WALLET_FUZZ_EXPECTED_H */
