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
		effects->moment = wallet->updated_at;
	wallet->changes |= change;
}

void
effects_move(WorkingSet *set, Effects *effects, const Operation *operation, int64_t amount,
             Wallet *source, Wallet *destination)
{
	/* A place until the transfer gets its id: -1 is that of the first. */
	int64_t transfer_id = -1 - effects->transfer_count;

	assert(amount > 0 && effects->transfer_count < effects->transfers_max);
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
	};
	source->last_transfer_id = destination->last_transfer_id = transfer_id;
}

Wallet *
effects_make_wallet(WorkingSet *set, Effects *effects, int64_t user_id, const Currency *currency)
{
	Wallet wallet = {
	    .wallet_id = effects->draw_wallet_id(),
	    .user_id = user_id,
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
	    .moment = effects->moment,
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
