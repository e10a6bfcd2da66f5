/*
 * effects.c
 *		What operations do: the wallets that they change, and the rows that they add.
 */
#include "rules/effects.h"

#include <assert.h>

void
effects_begin(Effects *effects, const WorkingSet *set, int64_t clock)
{
	effects->clock = clock;
	effects->moment = clock < set->newest_updated_at ? set->newest_updated_at : clock;
}

/* The next element of befores, where somebody wants to undo what follows. */
static Before *
remember(WorkingSet *set)
{
	assert(set->before_count < set->befores_max);
	return &set->befores[set->before_count++];
}

void
effects_change(WorkingSet *set, Effects *effects, Wallet *wallet, WalletChange change)
{
	if (is_outside(wallet))
		return;
	if (set->is_marked)
		*remember(set) = (Before){.wallet = wallet, .as_wallet = *wallet};
	assert(effects->moment >= wallet->updated_at);
	wallet->changes |= change;
}

void
effects_touch_hold(WorkingSet *set, Effects *effects, Hold *hold)
{
	if (set->is_marked)
		*remember(set) = (Before){.hold = hold, .as_hold = *hold};
	hold->is_changed = true;
	hold->updated_at = effects->moment;
}

/* A row of the journal; the caller changes what is special about it. */
static Transfer *
add_row(Effects *effects, const Operation *operation, RequestKind kind, int64_t amount,
        Wallet *source, Wallet *destination)
{
	/* A place until the transfer gets its id: -1 is that of the first. */
	int64_t transfer_id = -1 - effects->transfer_count;
	Transfer *row = &effects->transfers[effects->transfer_count++];

	assert(effects->transfer_count <= effects->transfers_max);
	*row = (Transfer){
	    .transfer_id = transfer_id,
	    .request_id = operation->request_id,
	    .kind = kind,
	    .source_wallet_id = source->wallet_id,
	    .destination_wallet_id = destination->wallet_id,
	    .amount = amount,
	    .source_balance = source->balance,
	    .destination_balance = destination->balance,
	    .source_previous = source->last_transfer_id,
	    .destination_previous = destination->last_transfer_id,
	    .held = source->held,
	};
	source->last_transfer_id = transfer_id;
	return row;
}

Transfer *
effects_move(WorkingSet *set, Effects *effects, const Operation *operation, RequestKind kind,
             int64_t amount, Wallet *source, Wallet *destination)
{
	Transfer *row;

	assert(amount > 0);
	effects_change(set, effects, source, CHANGE_MONEY);
	effects_change(set, effects, destination, CHANGE_MONEY);
	source->balance -= is_outside(source) ? 0 : amount;
	destination->balance += is_outside(destination) ? 0 : amount;
	row = add_row(effects, operation, kind, amount, source, destination);
	destination->last_transfer_id = row->transfer_id;
	return row;
}

void
effects_change_hold(WorkingSet *set, Effects *effects, Hold *hold, Wallet *source, int64_t rest,
                    int64_t captured)
{
	effects_touch_hold(set, effects, hold);
	effects_change(set, effects, source, CHANGE_MONEY);
	hold->rest += rest;
	hold->captured += captured;
	source->held += rest;
	assert(hold->rest >= 0 && source->held >= 0);
}

Hold *
effects_make_hold(WorkingSet *set, Effects *effects, int64_t source_wallet_id,
                  int64_t destination_wallet_id)
{
	Hold *hold = &set->holds[set->hold_count];

	assert(set->hold_count < set->holds_max);
	set->hold_count++;
	*hold = (Hold){
	    .hold_id = -1 - effects->transfer_count,
	    .source_wallet_id = source_wallet_id,
	    .destination_wallet_id = destination_wallet_id,
	    .updated_at = effects->moment,
	    .is_made = true,
	};
	return hold;
}

Transfer *
effects_note(WorkingSet *set, Effects *effects, const Operation *operation, RequestKind kind,
             int64_t amount, Wallet *source, const Hold *hold)
{
	Wallet destination = {.wallet_id = hold->destination_wallet_id};
	Transfer *row;

	effects_change(set, effects, source, CHANGE_MONEY);
	row = add_row(effects, operation, kind, amount, source, &destination);
	row->link_id = hold->hold_id;
	return row;
}

void
effects_expire_due(WorkingSet *set, Effects *effects, Wallet *wallet)
{
	static const Operation nobody = {.kind = KIND_EXPIRY};

	if (wallet->due == 0)
		return;
	effects_change(set, effects, wallet, CHANGE_MONEY);
	while (wallet->first_due != 0)
	{
		Hold *hold = &set->holds[wallet->first_due - 1];
		int64_t rest = hold->rest;

		assert(hold->state == HOLD_OPEN && hold->expires_at <= effects->moment);
		effects_change_hold(set, effects, hold, wallet, -rest, 0);
		hold->state = HOLD_STATE_EXPIRED;
		wallet->due -= rest;
		wallet->first_due = hold->next_due;
		effects_note(set, effects, &nobody, KIND_EXPIRY, rest, wallet, hold);
	}
	assert(wallet->due == 0);
}

void
effects_reverse(WorkingSet *set, Original *original, int64_t amount)
{
	if (set->is_marked)
		*remember(set) = (Before){.original = original, .as_original = *original};
	original->reversed += amount;
	original->is_changed = true;
}

Wallet *
effects_make_wallet(WorkingSet *set, Effects *effects, int64_t user_id, const Currency *currency)
{
	Wallet wallet = {
	    .wallet_id = effects->draw_wallet_id(),
	    .user_id = user_id,
	    .currency = *currency,
	    .ceiling = NO_CEILING,
	    .status = STATUS_ACTIVE,
	    .changes = CHANGE_MONEY | CHANGE_STATUS,
	};

	return working_set_make(set, &wallet);
}

void
effects_add_outcome(Effects *effects, const Operation *operation, Outcome outcome)
{
	if (operation->request_id == 0)
		return;
	assert(effects->outcome_count < effects->outcomes_max);
	outcome.request_id = operation->request_id;
	effects->outcomes[effects->outcome_count++] = outcome;
}

/* The id of a transfer that may have had a place alone so far. */
static int64_t
settled_id(const Effects *effects, int64_t transfer_id)
{
	assert(transfer_id >= -effects->transfer_count);
	return transfer_id < 0 ? effects->transfers[-1 - transfer_id].transfer_id : transfer_id;
}

static void
settle_transfer(const Effects *effects, Transfer *transfer, int to_come)
{
	int64_t source_previous = settled_id(effects, transfer->source_previous);
	int64_t destination_previous = settled_id(effects, transfer->destination_previous);
	int64_t newest =
	    source_previous > destination_previous ? source_previous : destination_previous;

	assert(transfer->transfer_id < 0);
	transfer->transfer_id = effects->draw_transfer_id(newest, to_come);
	assert(transfer->transfer_id > newest);
	transfer->link_id = settled_id(effects, transfer->link_id);
	transfer->group_id = settled_id(effects, transfer->group_id);
	transfer->source_previous = source_previous;
	transfer->destination_previous = destination_previous;
	transfer->posted_at = effects->moment;
}

void
effects_settle(WorkingSet *set, Effects *effects)
{
	for (int i = 0; i < effects->transfer_count; i++)
		settle_transfer(effects, &effects->transfers[i], effects->transfer_count - i);
	for (int i = 0; i < set->wallet_count; i++)
	{
		Wallet *wallet = &set->wallets[i];

		if (wallet->changes == 0)
			continue;
		wallet->last_transfer_id = settled_id(effects, wallet->last_transfer_id);
		wallet->updated_at = effects->moment;
		if (i >= set->loaded_count)
			wallet->created_at = effects->moment;
	}
	for (int i = set->loaded_holds; i < set->hold_count; i++)
		set->holds[i].hold_id = settled_id(effects, set->holds[i].hold_id);
	for (int i = 0; i < effects->outcome_count; i++)
	{
		if (effects->outcomes[i].sees_changes)
			effects->outcomes[i].updated_at = effects->moment;
	}
}

EffectsMark
effects_mark(WorkingSet *set, const Effects *effects)
{
	assert(!set->is_marked && set->before_count == 0);
	set->is_marked = true;
	return (EffectsMark){
	    .transfer_count = effects->transfer_count,
	    .outcome_count = effects->outcome_count,
	    .wallet_count = set->wallet_count,
	    .hold_count = set->hold_count,
	};
}

/* What was changed several times ends as it was before the first change. */
void
effects_undo(WorkingSet *set, Effects *effects, const EffectsMark *mark)
{
	assert(set->is_marked && effects->transfer_count >= mark->transfer_count &&
	       effects->outcome_count >= mark->outcome_count);
	while (set->before_count > 0)
	{
		const Before *before = &set->befores[--set->before_count];

		if (before->wallet != NULL)
			*before->wallet = before->as_wallet;
		else if (before->hold != NULL)
			*before->hold = before->as_hold;
		else
			*before->original = before->as_original;
	}
	working_set_unmake(set, mark->wallet_count);
	set->hold_count = mark->hold_count;
	effects->transfer_count = mark->transfer_count;
	effects->outcome_count = mark->outcome_count;
	set->is_marked = false;
}

void
effects_keep(WorkingSet *set)
{
	assert(set->is_marked);
	set->before_count = 0;
	set->is_marked = false;
}

Wallet
outside_wallet(const Currency *currency)
{
	return (Wallet){.wallet_id = currency->outside_wallet_id, .currency = *currency};
}
