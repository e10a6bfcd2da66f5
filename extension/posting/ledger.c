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

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/chosen.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/settings.h"
#include "tables/currencies.h"
#include "tables/holds.h"
#include "tables/journal.h"
#include "tables/outcomes.h"
#include "tables/reversed.h"
#include "tables/rows.h"

StaticAssertDecl(lengthof(((LedgerRoom *) 0)->touched) > PLAIN_KEYS_MAX + 1,
                 "one element of a hash table stays free");

/* Room for due holds at first: there are more only where no worker has been there for a while. */
#define DUE_HOLDS_FEW 64

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

/* Memory for so many elements, which may be more than palloc gives. */
static void *
make_room(Size size, Size count, int flags)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size * Max(count, 1),
	                                  MCXT_ALLOC_HUGE | flags);
}

/* Notes what an operation or a leg wants to have read, and to make. */
static void
count_links(Ledger *ledger, const Operation *operation)
{
	switch (operation->kind)
	{
		case KIND_HOLD:
			ledger->holds_to_make++;
			break;
		case KIND_CAPTURE:
		case KIND_VOID:
		case KIND_HOLD_EXTEND:
			ledger->holds_named++;
			break;
		case KIND_REVERSAL:
			ledger->originals_named++;
			break;
		default:
			break;
	}
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
	};
	set->touched = make_room(sizeof(Touched), set->touched_max, MCXT_ALLOC_ZERO);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		open_operation(ledger, &operations[i]);
	}
	/* A user who is touched gets one wallet at the most. */
	set->wallets_max = set->touched_count;
	set->wallets = make_room(sizeof(Wallet), set->wallets_max, 0);
	ledger->effects.outcomes = make_room(sizeof(Outcome), count, 0);
	ledger->effects.outcomes_max = count;
	ledger->ids = make_room(sizeof(int64), set->touched_count, 0);
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

/* ---- What operations refer to, and due holds ---- */

/* Calls collect for each operation that is no group, and for each leg. */
static int
collect_links(const Ledger *ledger, int64 *ids, bool (*is_wanted)(const Operation *operation))
{
	int count = 0;

	for (int i = 0; i < ledger->count; i++)
	{
		const Operation *operation = &ledger->operations[i];
		const Parts *parts = operation->parts;

		CHECK_FOR_INTERRUPTS();
		if (is_wanted(operation))
			ids[count++] = operation->link_id;
		for (int j = 0; parts != NULL && j < parts->leg_count; j++)
		{
			if (is_wanted(&parts->legs[j]))
				ids[count++] = parts->legs[j].link_id;
		}
	}
	return sort_ids(ids, count);
}

/* A row that was found too late for its wallets to be locked is not looked at. */
static bool
names_hold(const Operation *operation)
{
	return operation->source_wallet_id != 0 &&
	       (operation->kind == KIND_CAPTURE || operation->kind == KIND_VOID ||
	        operation->kind == KIND_HOLD_EXTEND);
}

static bool
names_original(const Operation *operation)
{
	return operation->source_wallet_id != 0 && operation->kind == KIND_REVERSAL;
}

static int
compare_holds(const void *a, const void *b)
{
	int64 left = ((const Hold *) a)->hold_id;
	int64 right = ((const Hold *) b)->hold_id;

	return left < right ? -1 : left > right;
}

/* The loaded wallets that hold something.  Returns how many. */
static int
collect_holders(const Ledger *ledger, int64 *ids)
{
	const WorkingSet *set = &ledger->set;
	int count = 0;

	for (int i = 0; i < set->loaded_count; i++)
	{
		if (set->wallets[i].held > 0)
			ids[count++] = set->wallets[i].wallet_id;
	}
	return count;
}

/* Reads the due holds of the loaded wallets, behind the first count holds.  Returns how many. */
static int
load_due(Ledger *ledger, Hold **holds, int count)
{
	int holders = collect_holders(ledger, ledger->ids);
	int room = ledger->due_max > 0 ? ledger->due_max : DUE_HOLDS_FEW;
	int found;

	if (holders == 0)
		return 0;
	for (;; room *= 2)
	{
		Hold *larger = make_room(sizeof(Hold), count + room + ledger->holds_to_make, 0);

		memcpy(larger, *holds, sizeof(Hold) * count);
		pfree(*holds);
		*holds = larger;
		found = holds_find_due(ledger->ids, holders, ledger->effects.moment, larger + count, room);
		if (found < room || ledger->due_max > 0)
			return found;
	}
}

/* The holds that operations name, and those that are due, each once and in the order of their ids.
 */
static void
load_holds(Ledger *ledger)
{
	WorkingSet *set = &ledger->set;
	int64 *ids = make_room(sizeof(int64), ledger->holds_named, 0);
	int named = ledger->holds_named == 0 ? 0 : collect_links(ledger, ids, names_hold);
	Hold *holds = make_room(sizeof(Hold), named + ledger->holds_to_make, 0);
	int count = named == 0 ? 0 : holds_find(ids, named, holds);
	int kept = 0;

	ledger->due_count = load_due(ledger, &holds, count);
	count += ledger->due_count;
	if (ledger->due_count > 0)
		qsort(holds, count, sizeof(Hold), compare_holds);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || holds[i].hold_id != holds[i - 1].hold_id)
			holds[kept++] = holds[i];
	}
	set->holds = holds;
	set->holds_max = kept + ledger->holds_to_make;
	working_set_load_holds(set, kept, ledger->effects.moment);
	pfree(ids);
}

/* The transfers that operations want to reverse, and how much of each has been reversed. */
static void
load_originals(Ledger *ledger)
{
	WorkingSet *set = &ledger->set;
	int64 *ids = make_room(sizeof(int64), ledger->originals_named, 0);
	int count = collect_links(ledger, ids, names_original);
	Transfer *rows = make_room(sizeof(Transfer), count, 0);

	if (count > 0)
		count = journal_find(ids, count, rows);
	set->originals = make_room(sizeof(Original), count, 0);
	for (int i = 0; i < count; i++)
		set->originals[i] = (Original){
		    .transfer_id = rows[i].transfer_id,
		    .kind = rows[i].kind,
		    .source_wallet_id = rows[i].source_wallet_id,
		    .destination_wallet_id = rows[i].destination_wallet_id,
		    .amount = rows[i].amount,
		};
	if (count > 0)
		reversed_find(set->originals, count);
	set->originals_max = count;
	working_set_load_originals(set, count);
	pfree(rows);
	pfree(ids);
}

/* Does an operation or a loaded wallet depend on what wallet.hold and wallet.reversed say? */
static bool
depends_on_holds(const Ledger *ledger)
{
	return ledger->set.holders > 0 || ledger->holds_named > 0 || ledger->originals_named > 0;
}

/*
 * The snapshot is taken after the wallets were read and locked.  So it shows everything that those
 * have done who had their locks before, and nobody else changes it afterwards without changing a
 * wallet.
 */
static void
load_links(Ledger *ledger)
{
	push_new_snapshot();
	if (ledger->set.holders > 0 || ledger->holds_named + ledger->holds_to_make > 0)
		load_holds(ledger);
	if (ledger->originals_named > 0)
		load_originals(ledger);
	PopActiveSnapshot();
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

	ledger->effects.transfers = is_enough ? room->transfers : make_room(sizeof(Transfer), rows, 0);
	ledger->effects.transfers_max = rows;
	ledger->set.befores = is_enough ? room->befores : make_room(sizeof(Before), befores, 0);
	ledger->set.befores_max = befores;
	ledger->effects.draw_transfer_id = draw_transfer_id;
	ledger->effects.draw_wallet_id = draw_wallet_id;
}

void
ledger_load(Ledger *ledger, LockMode mode)
{
	load_wallets(ledger, mode);
	if (ledger->set.loaded_count < ledger->set.touched_count)
		load_users(ledger, mode);
	effects_begin(&ledger->effects, &ledger->set, ledger_now());
	ledger->effects.hold_expiry = setting_hold_expiry_us;
	if (ledger->holds_to_make > 0 || depends_on_holds(ledger))
		load_links(ledger);
	make_effects(ledger);
}

bool
ledger_is_current(const Ledger *ledger)
{
	return !depends_on_holds(ledger) ||
	       wallets_are_current(ledger->set.wallets, ledger->set.loaded_count);
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

/*
 * The wallets have been stored: so they are locked, and nobody else changes the holds.
 */
static void
store_holds(const WorkingSet *set)
{
	int made = set->hold_count - set->loaded_holds;
	Hold *changed = make_room(sizeof(Hold), set->loaded_holds, 0);
	int count = 0;

	for (int i = 0; i < set->loaded_holds; i++)
	{
		if (set->holds[i].is_changed)
			changed[count++] = set->holds[i];
	}
	if (count > 0)
		holds_update(changed, count);
	if (made > 0)
		holds_insert(&set->holds[set->loaded_holds], made);
	pfree(changed);
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
	if (set->hold_count > 0)
		store_holds(set);
	if (set->original_count > 0)
		reversed_store(set->originals, set->original_count);
	if (effects->outcome_count > 0)
		outcomes_insert(effects->outcomes, effects->outcome_count, effects->moment);
	return true;
}
