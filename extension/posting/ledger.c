/*
 * ledger.c
 *		Carries out operations on the tables: finds and loads what they touch, and writes what they
 *		have changed.
 *
 * In between, the rules judge one operation after the other, and know no tables.  Many operations
 * may touch one wallet: each finds the wallet as the operation before left it, and the table gets
 * one update with the last state.
 *
 * Locking: docs/posting.md, "Lock modes".  All that is touched is known before the first wallet is
 * locked, since wallets are locked in the order of their ids.
 */
#include "posting/ledger.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/chosen.h"
#include "base/clock.h"
#include "base/ids.h"
#include "tables/currencies.h"
#include "tables/journal.h"
#include "tables/outcomes.h"

StaticAssertDecl(lengthof(((LedgerRoom *) 0)->touched) > PLAIN_KEYS_MAX + 1,
                 "one element of a hash table stays free");

/* Ids of the present ledger's transfers. */
static IdBlock transfer_ids;

/* Ids must rise along each wallet's chain; a sequence that was set back must not break that. */
static int64
draw_transfer_id(int64 above, int to_come)
{
	int64 transfer_id = id_take(ID_TRANSFER, &transfer_ids, to_come);

	if (transfer_id <= above)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("sequence wallet.transfer_id_seq is behind the journal"),
		                errhint("Set it to the largest transfer_id with setval().")));
	return transfer_id;
}

static int64
draw_wallet_id(void)
{
	return id_draw(ID_WALLET);
}

static void
open_effects(Effects *effects, Transfer *transfers, int transfers_max)
{
	effects->transfers = transfers;
	effects->transfers_max = transfers_max;
	effects->draw_transfer_id = draw_transfer_id;
	effects->draw_wallet_id = draw_wallet_id;
}

/* Memory for so many elements, which may be more than palloc gives. */
static void *
make_room(Size size, Size count, int flags)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size * Max(count, 1),
	                                  MCXT_ALLOC_HUGE | flags);
}

void
ledger_open(Ledger *ledger, const Operation *operations, int count)
{
	WorkingSet *set = &ledger->set;
	int transfers_max = 0;
	int keys_max = 0;

	for (int i = 0; i < count; i++)
		keys_max += operation_keys_max(&operations[i]);
	*ledger = (Ledger){
	    .set = {.touched_max = touched_room(keys_max), .hash = chosen_hash},
	};
	set->touched = make_room(sizeof(Touched), set->touched_max, MCXT_ALLOC_ZERO);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		working_set_touch(set, &operations[i]);
		transfers_max += operation_transfers_max(&operations[i]);
	}
	/* A user who is touched gets one wallet at the most. */
	set->wallets_max = set->touched_count;
	set->wallets = make_room(sizeof(Wallet), set->wallets_max, 0);
	set->find_currency = currency_find;
	open_effects(&ledger->effects, make_room(sizeof(Transfer), transfers_max, 0), transfers_max);
	ledger->effects.outcomes = make_room(sizeof(Outcome), count, 0);
	ledger->effects.outcomes_max = count;
	ledger->ids = make_room(sizeof(int64), set->touched_count, 0);
}

void
ledger_open_one(Ledger *ledger, LedgerRoom *room, const Operation *operation)
{
	memset(room->touched, 0, sizeof(room->touched));
	*ledger = (Ledger){
	    .set =
	        {
	            .touched = room->touched,
	            .touched_max = lengthof(room->touched),
	            .wallets = room->wallets,
	            .wallets_max = lengthof(room->wallets),
	            .befores = room->befores,
	            .befores_max = lengthof(room->befores),
	            .find_currency = currency_find,
	        },
	    .ids = room->ids,
	};
	open_effects(&ledger->effects, room->transfers, lengthof(room->transfers));
	working_set_touch(&ledger->set, operation);
}

/*
 * The ids of all wallets, or of all users, that have not been found yet.  They come in the order of
 * a keyed hash: what sorts them need not fear an order of a caller's choice.
 */
static int
collect_ids(Ledger *ledger, bool users)
{
	const WorkingSet *set = &ledger->set;
	uint32 end = set->hash == NULL ? set->touched_count : set->touched_max;
	int count = 0;

	for (uint32 i = 0; i < end; i++)
	{
		const Touched *touched = &set->touched[i];

		CHECK_FOR_INTERRUPTS();
		if (touched->key != 0 && (touched->key < 0) == users && !touched->is_there)
			ledger->ids[count++] = users ? -touched->key : touched->key;
	}
	Assert(count <= set->touched_count);
	return count;
}

/* Read and lock the wallets; with a mode that does not wait, those of others are busy. */
static void
load_wallets(Ledger *ledger, LockMode mode)
{
	WorkingSet *set = &ledger->set;
	int count = collect_ids(ledger, false);
	int found;

	if (count == 0)
		return;
	found = wallets_lock(ledger->ids, count, mode, set->wallets);
	working_set_load(set, found);
	if (found == count || lock_waits(mode))
		return;
	count = collect_ids(ledger, false);
	found = wallets_existing(ledger->ids, count, ledger->ids);
	for (int i = 0; i < found; i++)
		touched_find(set, ledger->ids[i])->is_busy = true;
}

/*
 * Find out which users have a wallet.  A user who gets one in an open transaction is busy.  That is
 * asked first, so that a transaction which ends in between is not missed.
 */
static void
load_users(Ledger *ledger, LockMode mode)
{
	WorkingSet *set = &ledger->set;
	int count = collect_ids(ledger, true);
	int found;

	if (count == 0)
		return;
	for (int i = 0; i < count && !lock_waits(mode); i++)
	{
		CHECK_FOR_INTERRUPTS();
		touched_find(set, -ledger->ids[i])->is_busy = wallets_user_is_busy(ledger->ids[i]);
	}
	found = wallets_of_users(ledger->ids, count, ledger->ids);
	for (int i = 0; i < found; i++)
		touched_find(set, -ledger->ids[i])->is_there = true;
}

void
ledger_load(Ledger *ledger, LockMode mode)
{
	load_wallets(ledger, mode);
	if (ledger->set.loaded_count < ledger->set.touched_count)
		load_users(ledger, mode);
	effects_begin(&ledger->effects, &ledger->set, ledger_now());
}

/*
 * Store the first count wallets as they were at the mark.  They are ours now, so that the caller
 * waits for the others in the order of their ids.
 */
static void
restore_wallets(Ledger *ledger, const EffectsMark *mark, int count)
{
	WorkingSet *set = &ledger->set;

	for (int i = 0; i < set->before_count; i++)
	{
		Before *before = &set->befores[i];

		if (before->wallet == NULL)
			continue;
		before->as_wallet.row = before->wallet->row;
		before->as_wallet.changes = before->wallet->changes;
	}
	ledger_undo(ledger, mark);
	(void) wallets_update(set->wallets, count);
}

void
ledger_settle(Ledger *ledger)
{
	transfer_ids = (IdBlock){0};
	effects_settle(&ledger->set, &ledger->effects);
}

bool
ledger_update(Ledger *ledger, const EffectsMark *mark)
{
	WorkingSet *set = &ledger->set;
	int count = set->loaded_count;
	int updated;

	updated = wallets_update(set->wallets, count);
	if (updated < count && mark != NULL)
		restore_wallets(ledger, mark, updated);
	return updated == count;
}

bool
ledger_insert(Ledger *ledger, const Datum *metadata)
{
	const WorkingSet *set = &ledger->set;
	const Effects *effects = &ledger->effects;
	int made = set->wallet_count - set->loaded_count;

	if (made > 0 && wallets_insert(&set->wallets[set->loaded_count], made) != made)
		return false;
	if (effects->transfer_count > 0)
		journal_insert(effects->transfers, effects->transfer_count, metadata);
	if (effects->outcome_count > 0)
		outcomes_insert(effects->outcomes, effects->outcome_count, effects->moment);
	return true;
}
