/*
 * ledger.c
 *		Carries out operations on the tables: finds and loads what they touch, and writes what they
 *		have changed.
 *
 * In between, the rules judge one operation after the other, and know no tables.  Many operations
 * may touch one wallet: each finds the wallet as the operation before left it, and the table gets
 * one update with the last state.
 *
 * Locking: docs/posting.md, "Lock modes" and "Holds and reversals".  All wallets that are touched
 * are known before the first is locked, since wallets are locked in the order of their ids.  Holds
 * and sums reversed are read after that.
 */
#include "posting/ledger.h"

#include <stdlib.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/arrays.h"
#include "base/chosen.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/settings.h"
#include "posting/links.h"
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

/* Notes what an operation or a leg wants to have read, and to make. */
static void
count_links(Ledger *ledger, const Operation *operation)
{
	ledger->holds_to_make += operation->kind == KIND_HOLD;
	ledger->holds_named += kind_names_hold(operation->kind);
	ledger->originals_named += operation->kind == KIND_REVERSAL;
}

/* Notes what an operation touches. */
static void
open_operation(Ledger *ledger, const Operation *operation)
{
	int rows = operation_transfers_max(operation);

	working_set_touch(&ledger->set, operation);
	ledger->rows_max += rows;
	if (operation->parts == NULL)
	{
		count_links(ledger, operation);
		return;
	}
	ledger->marked_max = Max(ledger->marked_max, rows);
	for (int i = 0; i < operation->parts->leg_count; i++)
		count_links(ledger, &operation->parts->legs[i]);
}

void
ledger_open(Ledger *ledger, const Operation *operations, int count)
{
	WorkingSet *set = &ledger->set;
	uint32 keys_max = 0;

	for (int i = 0; i < count; i++)
		keys_max += operation_keys_max(&operations[i]);
	*ledger = (Ledger){
	    .set = {.touched_max = touched_room(keys_max),
	            .hash = chosen_hash,
	            .find_currency = currency_find},
	    .operations = operations,
	    .count = count,
	    .is_lazy = true,
	};
	set->touched = ledger_memory(sizeof(Touched), set->touched_max, MCXT_ALLOC_ZERO);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		open_operation(ledger, &operations[i]);
	}
	/* A user who is touched gets one wallet at the most. */
	set->wallets_max = set->touched_count;
	set->wallets = ledger_memory(sizeof(Wallet), set->wallets_max, 0);
	ledger->effects.outcomes = ledger_memory(sizeof(Outcome), count, 0);
	ledger->effects.outcomes_max = count;
	ledger->ids = ledger_memory(sizeof(int64), set->touched_count, 0);
}

void
ledger_open_one(Ledger *ledger, LedgerRoom *room, const Operation *operation)
{
	if (operation->parts != NULL)
	{
		ledger_open(ledger, operation, 1);
		return;
	}
	memset(room->touched, 0, sizeof(room->touched));
	*ledger = (Ledger){
	    .set =
	        {
	            .touched = room->touched,
	            .touched_max = lengthof(room->touched),
	            .wallets = room->wallets,
	            .wallets_max = lengthof(room->wallets),
	            .find_currency = currency_find,
	        },
	    .operations = operation,
	    .count = 1,
	    .room = room,
	    .ids = room->ids,
	    /* What nobody can ask for in a request is not judged by ledger_judge(). */
	    .is_lazy =
	        kind_is_known(operation->kind) && (kind_infos[operation->kind].uses & USE_REQUEST) != 0,
	};
	open_operation(ledger, operation);
	ledger->marked_max = ledger->rows_max;
}

/*
 * The ids of all wallets, or of all users, that have not been found yet.  They come in the order
 * of a keyed hash: what sorts them need not fear an order of a caller's choice.
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

static int
compare_wallets(const void *a, const void *b)
{
	int64 left = ((const Wallet *) a)->wallet_id;
	int64 right = ((const Wallet *) b)->wallet_id;

	return left < right ? -1 : left > right;
}

/*
 * Reads wallets that were left out, because another transaction holds them, where a hold has them
 * for its destination: the hold writes its source alone, and no other operation is judged by them.
 * The ids of all wallets are in ledger->ids, in any order where a statement has read the found
 * wallets.  Returns how many have been read then.
 */
static int
read_destinations(Ledger *ledger, int count, int found)
{
	WorkingSet *set = &ledger->set;
	int wanted = 0;
	int taken = 0;

	(void) sort_ids(ledger->ids, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (taken < found && set->wallets[taken].wallet_id == ledger->ids[i])
			taken++;
		else if (touched_find(set, ledger->ids[i])->gets_hold)
			ledger->ids[wanted++] = ledger->ids[i];
	}
	if (wanted == 0)
		return found;
	Assert(taken == found && found + wanted <= set->wallets_max);
	wanted = wallets_lock(ledger->ids, wanted, LOCK_NONE, set->wallets + found);
	for (int i = 0; i < wanted; i++)
		touched_find(set, set->wallets[found + i].wallet_id)->is_busy = true;
	qsort(set->wallets, found + wanted, sizeof(Wallet), compare_wallets);
	return found + wanted;
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
	if (found < count && !lock_waits(mode) && ledger->holds_to_make > 0)
		found = read_destinations(ledger, count, found);
	working_set_load(set, found);
	if (found == count || lock_waits(mode))
		return;
	count = collect_ids(ledger, false);
	found = wallets_existing(ledger->ids, count, ledger->ids);
	for (int i = 0; i < found; i++)
		touched_find(set, ledger->ids[i])->is_busy = true;
}

/*
 * Find out which users have a wallet.  A user who gets one in an open transaction is busy.  That
 * is asked first, so that a transaction which ends in between is not missed.
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

/* Gives the effects their memory, in the caller's room where that is enough. */
static void
make_effects(Ledger *ledger)
{
	LedgerRoom *room = ledger->room;
	int rows = ledger->rows_max + ledger->due_count;
	int befores = ledger->marked_max == 0 && room == NULL
	                  ? 0
	                  : BEFORES_OF_ROW * (ledger->marked_max + ledger->due_count + 1);
	bool is_enough =
	    room != NULL && rows <= lengthof(room->transfers) && befores <= lengthof(room->befores);

	ledger->effects.transfers =
	    is_enough ? room->transfers : ledger_memory(sizeof(Transfer), rows, 0);
	ledger->effects.transfers_max = rows;
	ledger->set.befores = is_enough ? room->befores : ledger_memory(sizeof(Before), befores, 0);
	ledger->set.befores_max = befores;
	ledger->effects.draw_transfer_id = draw_transfer_id;
	ledger->effects.draw_wallet_id = draw_wallet_id;
}

/* Gives the effects room for so many more due holds, while nothing can be undone. */
static void
extend_effects(Ledger *ledger, int due)
{
	Effects *effects = &ledger->effects;
	WorkingSet *set = &ledger->set;
	const Transfer *transfers = effects->transfers;
	int rows = ledger->rows_max + ledger->due_count + due;

	Assert(set->before_count == 0);
	ledger->due_count += due;
	if (effects->transfers_max < rows)
	{
		effects->transfers_max = rows + ledger->due_count;
		effects->transfers = ledger_memory(sizeof(Transfer), effects->transfers_max, 0);
		memcpy(effects->transfers, transfers, sizeof(Transfer) * effects->transfer_count);
	}
	if (set->befores_max > 0)
	{
		set->befores_max = BEFORES_OF_ROW * (ledger->marked_max + ledger->due_count + 1);
		set->befores = ledger_memory(sizeof(Before), set->befores_max, 0);
	}
}

/* Reads the due holds of the operation's wallets that have not been read.  False: there are none.
 */
static bool
load_lacking(Ledger *ledger, const Operation *operation)
{
	int found = links_load_lacking(ledger, operation);

	if (found > 0)
		extend_effects(ledger, found);
	return found > 0;
}

/* Does it depend on what is available how much the operation moves, or what its row says? */
static bool
is_elastic(const Operation *operation)
{
	return operation->amount_mode != MODE_EXACT || operation->shortfall != SHORTFALL_REFUSE;
}

static bool
has_elastic_leg(const Operation *operation)
{
	const Parts *parts = operation->parts;

	for (int i = 0; parts != NULL && i < parts->leg_count; i++)
	{
		if (is_elastic(&parts->legs[i]))
			return true;
	}
	return false;
}

WalletCode
ledger_judge(Ledger *ledger, const Operation *operation)
{
	Effects *effects = &ledger->effects;
	int outcome_count = effects->outcome_count;
	bool is_undone_by_caller = operation->parts != NULL && ledger->set.is_marked;
	WalletCode code;

	Assert(ledger->is_lazy);
	if (is_elastic(operation) || has_elastic_leg(operation) ||
	    (is_undone_by_caller && ledger->mode != LOCK_WHAT_IS_HELD))
		(void) load_lacking(ledger, operation);
	code = rules_judge(operation, &ledger->set, effects);
	if ((code != CODE_INSUFFICIENT_FUNDS && code != CODE_BALANCE_LIMIT) || is_undone_by_caller ||
	    !load_lacking(ledger, operation))
		return code;
	effects->outcome_count = outcome_count;
	return rules_judge(operation, &ledger->set, effects);
}

void
ledger_load(Ledger *ledger, LockMode mode)
{
	ledger->mode = mode;
	load_wallets(ledger, mode);
	if (ledger->set.loaded_count < ledger->set.touched_count)
		load_users(ledger, mode);
	effects_begin(&ledger->effects, &ledger->set, ledger_now());
	ledger->effects.hold_expiry = setting_hold_expiry_us;
	if (ledger->holds_to_make > 0 || links_matter(ledger))
		links_load(ledger);
	make_effects(ledger);
}

bool
ledger_is_current(const Ledger *ledger)
{
	return !links_matter(ledger) ||
	       wallets_are_current(ledger->set.wallets, ledger->set.loaded_count);
}

/*
 * Gives the first count wallets, which this transaction has written, their old balances again.
 * Nobody else can have changed them; if somebody has, the transaction must not be committed.
 */
static void
write_back(Wallet *wallets, int count)
{
	if (wallets_update(wallets, count) != count)
		elog(ERROR, "a wallet that was written has changed");
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
	write_back(set->wallets, count);
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

Wallet *
ledger_copy_wallets(const Ledger *ledger)
{
	int count = ledger->set.loaded_count;
	Wallet *copy = ledger_memory(sizeof(Wallet), count, 0);

	memcpy(copy, ledger->set.wallets, sizeof(Wallet) * count);
	return copy;
}

bool
ledger_update_or_restore(Ledger *ledger, Wallet *loaded)
{
	const WorkingSet *set = &ledger->set;
	int updated = wallets_update(set->wallets, set->loaded_count);

	if (updated == set->loaded_count)
		return true;
	for (int i = 0; i < updated; i++)
	{
		loaded[i].row = set->wallets[i].row;
		loaded[i].changes = set->wallets[i].changes;
	}
	write_back(loaded, updated);
	return false;
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
	links_store(set);
	if (effects->outcome_count > 0)
		outcomes_insert(effects->outcomes, effects->outcome_count, effects->moment);
	return true;
}
