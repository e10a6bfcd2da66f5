/*
 * hold.c
 *		The rules of holds: money that is reserved, and then captured or released.
 *
 * The total of a hold is captured + rest.  A hold is over when its rest is 0, and its state is
 * named after what took the last of the rest.  A hold that is due has expired, whether or not
 * somebody has recorded that already.
 */
#include "rules/hold.h"

#include <string.h>

#include "rules/transfer.h"

/* A hold that an operation names, with its wallets.  The outside stands for a payee there is not.
 */
typedef struct Named
{
	Hold *hold;
	Wallet *source;
	Wallet *destination;
	Wallet outside;
} Named;

/* CODE_OK, or why the hold is over. */
static WalletCode
check_open(const Hold *hold, int64_t moment)
{
	switch (hold->state)
	{
		case HOLD_STATE_CAPTURED:
			return CODE_HOLD_CAPTURED;
		case HOLD_STATE_VOIDED:
			return CODE_HOLD_VOIDED;
		case HOLD_STATE_EXPIRED:
			return CODE_HOLD_EXPIRED;
		default:
			return hold->expires_at <= moment ? CODE_HOLD_EXPIRED : CODE_OK;
	}
}

/* Finds the hold, and judges who asks and whether the hold is open.  The payer extends. */
static WalletCode
find_hold(const Operation *operation, const WorkingSet *set, const Effects *effects, Named *named)
{
	named->hold = working_set_hold(set, operation->link_id);
	if (named->hold == NULL)
		return CODE_HOLD_NOT_FOUND;
	named->source = working_set_wallet(set, named->hold->source_wallet_id);
	named->destination = working_set_wallet(set, named->hold->destination_wallet_id);
	if (named->source == NULL)
		return CODE_HOLD_NOT_FOUND;
	if (named->destination == NULL)
	{
		named->outside = outside_wallet(&named->source->currency);
		named->destination = &named->outside;
	}
	if (!is_owner(operation,
	              operation->kind == KIND_HOLD_EXTEND ? named->source : named->destination))
		return CODE_NOT_OWNER;
	return check_open(named->hold, effects->moment);
}

/* The moment at which a hold ends that is made or extended now; 0 where none is given. */
static int64_t
end_of_hold(const Operation *operation, const Effects *effects)
{
	return operation->expires_in > 0 ? effects->moment + operation->expires_in
	                                 : operation->expires_at;
}

/* CODE_BALANCE_LIMIT where the wallet would hold more than 64 bits. */
static WalletCode
check_held(const Wallet *source, int64_t amount)
{
	return (Wide) source->held - source->due + amount > INT64_MAX ? CODE_BALANCE_LIMIT : CODE_OK;
}

/* What is judged of money that is to be reserved. */
static WalletCode
check_reserving(const Operation *operation, const Wallet *source, int64_t amount)
{
	WalletCode code = check_max_amount(operation, amount, &source->currency);

	if (code == CODE_OK)
		code = check_funds(source, amount);
	return code == CODE_OK ? check_held(source, amount) : code;
}

/* Records what a hold is from now on; the row is that of a hold or an extension. */
static void
note_terms(WorkingSet *set, Effects *effects, const Operation *operation, int64_t amount,
           Wallet *source, const Hold *hold)
{
	Transfer *row = effects_note(set, effects, operation, operation->kind, amount, source, hold);

	row->expires_at = hold->expires_at;
	row->max_capture = hold->max_capture;
}

static void
make_hold(const Operation *operation, int64_t amount, int64_t max_capture, Wallet *source,
          const Wallet *destination, WorkingSet *set, Effects *effects)
{
	int64_t end = end_of_hold(operation, effects);
	Hold *hold;

	effects_expire_due(set, effects, source);
	hold = effects_make_hold(set, effects, source->wallet_id, destination->wallet_id);
	effects_change_hold(set, effects, hold, source, amount, 0);
	hold->max_capture = max_capture;
	hold->expires_at = end != 0 ? end : effects->moment + effects->hold_expiry;
	note_terms(set, effects, operation, amount, source, hold);
}

WalletCode
rule_hold(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Wallet *source = working_set_wallet(set, operation->source_wallet_id);
	const Wallet *destination = working_set_wallet(set, operation->destination_wallet_id);
	Wallet outside;
	int64_t amount;
	int64_t max_capture;
	WalletCode code;

	if (source == NULL)
		return CODE_SOURCE_NOT_FOUND;
	outside = outside_wallet(&source->currency);
	if (operation->destination_wallet_id == 0)
		destination = &outside;
	if (destination == NULL)
		return CODE_DESTINATION_NOT_FOUND;
	if (!is_owner(operation, source))
		return CODE_NOT_OWNER;
	code = check_statuses(source, destination);
	if (code != CODE_OK)
		return code;
	if (strcmp(source->currency.code, destination->currency.code) != 0)
		return CODE_CURRENCY_MISMATCH;
	code = amount_to_minor(operation->amount, source->currency.minor_digits, &amount);
	max_capture = amount;
	if (AMOUNT_IS_GIVEN(operation->max_capture))
		code = code_first(code, amount_to_minor(operation->max_capture,
		                                        source->currency.minor_digits, &max_capture));
	if (code == CODE_OK)
		code = check_reserving(operation, source, amount);
	if (code != CODE_OK)
		return code;

	make_hold(operation, amount, max_capture, source, destination, set, effects);
	return CODE_OK;
}

/* The amount of a capture or void: what is named, or the rest. */
static WalletCode
amount_of_hold(const Operation *operation, const Named *named, int64_t *amount)
{
	*amount = named->hold->rest;
	return AMOUNT_IS_GIVEN(operation->amount)
	           ? amount_to_minor(operation->amount, named->source->currency.minor_digits, amount)
	           : CODE_OK;
}

/* What a capture takes beyond the rest is judged as a transfer is; the rest has been judged. */
static WalletCode
check_capture(const Operation *operation, const Named *named, int64_t amount)
{
	const Hold *hold = named->hold;
	Wide total = (Wide) hold->captured + hold->rest;
	Wide excess = (Wide) amount - hold->rest;
	WalletCode code;

	if (amount > hold->rest + (hold->max_capture - total))
		return CODE_EXCEEDS_HOLD;
	code = check_max_amount(operation, amount, &named->source->currency);
	if (code == CODE_OK && excess > 0)
		code = check_funds(named->source, excess);
	return code == CODE_OK ? check_balances(named->source, named->destination, amount) : code;
}

static void
capture(const Operation *operation, int64_t amount, Named *named, WorkingSet *set, Effects *effects)
{
	Hold *hold = named->hold;
	int64_t reserved = amount < hold->rest ? amount : hold->rest;
	int64_t released = operation->keeps_rest ? reserved : hold->rest;

	if (amount > reserved)
		effects_expire_due(set, effects, named->source);
	effects_change_hold(set, effects, hold, named->source, -released, amount);
	if (hold->rest == 0)
		hold->state = HOLD_STATE_CAPTURED;
	effects_move(set, effects, operation, operation->kind, amount, named->source,
	             named->destination)
	    ->link_id = hold->hold_id;
}

WalletCode
rule_capture(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Named named;
	int64_t amount;
	WalletCode code = find_hold(operation, set, effects, &named);

	if (code == CODE_OK)
		code = check_statuses(named.source, named.destination);
	if (code == CODE_OK)
		code = amount_of_hold(operation, &named, &amount);
	if (code == CODE_OK)
		code = check_capture(operation, &named, amount);
	if (code != CODE_OK)
		return code;

	capture(operation, amount, &named, set, effects);
	return CODE_OK;
}

WalletCode
rule_void(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Named named;
	int64_t amount;
	WalletCode code = find_hold(operation, set, effects, &named);

	if (code == CODE_OK)
		code = amount_of_hold(operation, &named, &amount);
	if (code != CODE_OK)
		return code;
	if (amount > named.hold->rest)
		return CODE_EXCEEDS_HOLD;

	effects_change_hold(set, effects, named.hold, named.source, -amount, 0);
	named.hold->max_capture -= amount;
	if (named.hold->rest == 0)
		named.hold->state = HOLD_STATE_VOIDED;
	effects_note(set, effects, operation, operation->kind, amount, named.source, named.hold);
	return CODE_OK;
}

static void
extend(const Operation *operation, int64_t increase, int64_t end, Named *named, WorkingSet *set,
       Effects *effects)
{
	Hold *hold = named->hold;
	int64_t total;

	if (increase > 0)
		effects_expire_due(set, effects, named->source);
	effects_change_hold(set, effects, hold, named->source, increase, 0);
	total = hold->captured + hold->rest;
	if (hold->max_capture < total)
		hold->max_capture = total;
	hold->expires_at = end;
	note_terms(set, effects, operation, increase, named->source, hold);
}

WalletCode
rule_hold_extend(const Operation *operation, WorkingSet *set, Effects *effects)
{
	Named named;
	int64_t total;
	int64_t new_total;
	int64_t end;
	WalletCode code = find_hold(operation, set, effects, &named);

	if (code == CODE_OK)
		code = check_statuses(named.source, named.destination);
	if (code != CODE_OK)
		return code;
	total = new_total = named.hold->captured + named.hold->rest;
	if (AMOUNT_IS_GIVEN(operation->amount))
		code = amount_to_minor(operation->amount, named.source->currency.minor_digits, &new_total);
	if (code != CODE_OK)
		return code;
	end = end_of_hold(operation, effects);
	if (end == 0)
		end = named.hold->expires_at;
	if (new_total < total || end < named.hold->expires_at ||
	    (new_total == total && end == named.hold->expires_at))
		return CODE_BELOW_HOLD;
	if (new_total > total)
		code = check_reserving(operation, named.source, new_total - total);
	if (code != CODE_OK)
		return code;

	extend(operation, new_total - total, end, &named, set, effects);
	return CODE_OK;
}
