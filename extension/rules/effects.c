/*
 * effects.c
 *		What operations do: the wallets that they change, and the rows that they add.
 */
#include "rules/effects.h"

#include <assert.h>

void
effects_change(WorkingSet *set, Effects *effects, Wallet *wallet, WalletChange change)
{
	if (is_outside(wallet))
		return;
	if (set->is_marked)
	{
		assert(set->before_count < set->befores_max);
		set->befores[set->before_count++] = (WalletBefore){wallet, *wallet};
	}
	if (effects->moment < wallet->updated_at)
	{
		effects->moment = wallet->updated_at;
		effects->is_later = true;
	}
	wallet->updated_at = effects->moment;
	wallet->changes |= change;
}

void
effects_move(WorkingSet *set, Effects *effects, const Operation *operation, int64_t amount,
             Wallet *source, Wallet *destination)
{
	int64_t newest = source->last_transfer_id > destination->last_transfer_id
	                     ? source->last_transfer_id
	                     : destination->last_transfer_id;
	int64_t transfer_id = effects->draw_transfer_id(newest);

	assert(amount > 0 && transfer_id > newest);
	assert(effects->transfer_count < effects->transfers_max);
	effects_change(set, effects, source, CHANGE_MONEY);
	effects_change(set, effects, destination, CHANGE_MONEY);
	source->balance -= is_outside(source) ? 0 : amount;
	destination->balance += is_outside(destination) ? 0 : amount;
	effects->transfers[effects->transfer_count++] = (Transfer){
	    .transfer_id = transfer_id,
	    .request_id = operation->request_id,
	    .kind = operation->kind == KIND_WALLET ? KIND_DEPOSIT : operation->kind,
	    .source_wallet_id = source->wallet_id,
	    .destination_wallet_id = destination->wallet_id,
	    .amount = amount,
	    .source_balance = source->balance,
	    .destination_balance = destination->balance,
	    .source_previous = source->last_transfer_id,
	    .destination_previous = destination->last_transfer_id,
	    .posted_at = effects->moment,
	};
	source->last_transfer_id = destination->last_transfer_id = transfer_id;
	source->updated_at = destination->updated_at = effects->moment;
}

Wallet *
effects_make_wallet(WorkingSet *set, Effects *effects, int64_t user_id, const Currency *currency)
{
	Wallet wallet = {
	    .wallet_id = effects->draw_wallet_id(),
	    .user_id = user_id,
	    .created_at = effects->moment,
	    .updated_at = effects->moment,
	    .currency = *currency,
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

/* The moment rarely moves, and the last operation may have moved it: so this is done once. */
void
effects_settle(WorkingSet *set, Effects *effects)
{
	if (!effects->is_later)
		return;
	for (int i = 0; i < effects->transfer_count; i++)
		effects->transfers[i].posted_at = effects->moment;
	for (int i = 0; i < set->wallet_count; i++)
	{
		if (set->wallets[i].changes != 0)
			set->wallets[i].updated_at = effects->moment;
		if (i >= set->loaded_count)
			set->wallets[i].created_at = effects->moment;
	}
	for (int i = 0; i < effects->outcome_count; i++)
	{
		if (effects->outcomes[i].sees_changes)
			effects->outcomes[i].updated_at = effects->moment;
	}
	effects->is_later = false;
}

EffectsMark
effects_mark(WorkingSet *set, const Effects *effects)
{
	assert(!set->is_marked && set->before_count == 0);
	set->is_marked = true;
	return (EffectsMark){
	    .moment = effects->moment,
	    .is_later = effects->is_later,
	    .transfer_count = effects->transfer_count,
	    .outcome_count = effects->outcome_count,
	    .wallet_count = set->wallet_count,
	};
}

/* A wallet that was changed several times ends as it was before the first change. */
void
effects_undo(WorkingSet *set, Effects *effects, const EffectsMark *mark)
{
	assert(set->is_marked && effects->transfer_count >= mark->transfer_count &&
	       effects->outcome_count >= mark->outcome_count);
	while (set->before_count > 0)
	{
		const WalletBefore *before = &set->befores[--set->before_count];

		*before->wallet = before->before;
	}
	working_set_unmake(set, mark->wallet_count);
	effects->moment = mark->moment;
	effects->is_later = mark->is_later;
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
