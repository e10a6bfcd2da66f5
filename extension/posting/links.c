/*
 * links.c
 *		What operations refer to: holds and transfers to be reversed; and the due holds of wallets.
 *
 * Locking: docs/posting.md, "Holds and reversals".
 */
#include "posting/links.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/statement.h"
#include "tables/holds.h"
#include "tables/journal.h"
#include "tables/opening.h"
#include "tables/reversed.h"
#include "tables/rows.h"

/*
 * A wallet with fewer due holds than these expires them when somebody else writes the wallet.  A
 * wallet has more only when many end at the same time: the worker expires those, in steps that
 * nobody has to wait for.
 */
#define DUE_HOLDS_FEW 16

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
	return operation->source_wallet_id != 0 && kind_names_hold(operation->kind);
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

/*
 * Reads the due holds of these wallets behind the first count holds, which have room for spare
 * more.  Returns how many.  lacks: NULL, or where to mark the wallets that are left out because
 * they have more than a few.
 */
static int
read_due(Ledger *ledger, const int64 *wallet_ids, int wallets, bool *lacks, Hold **holds, int count,
         int spare)
{
	int room = ledger->due_max > 0 ? ledger->due_max : DUE_HOLDS_FEW + 1;

	for (;; room *= 2)
	{
		Hold *larger = ledger_memory(sizeof(Hold), count + room + spare, 0);
		int found;

		if (*holds != NULL)
		{
			memcpy(larger, *holds, sizeof(Hold) * count);
			pfree(*holds);
		}
		*holds = larger;
		found = holds_find_due(wallet_ids, wallets, ledger->effects.moment, DUE_HOLDS_FEW, lacks,
		                       larger + count, room);
		if (found < room || ledger->due_max > 0)
			return found;
	}
}

/* Reads due holds of the loaded wallets behind the first count holds.  Returns how many. */
static int
load_due(Ledger *ledger, Hold **holds, int count)
{
	WorkingSet *set = &ledger->set;
	bool reads_few = ledger->is_lazy && ledger->due_max == 0;
	int holders = collect_holders(ledger, ledger->ids);
	bool *lacks = NULL;
	int found;

	if (holders == 0)
		return 0;
	if (reads_few)
		lacks = ledger_memory(sizeof(bool), holders, MCXT_ALLOC_ZERO);
	found = read_due(ledger, ledger->ids, holders, lacks, holds, count, ledger->holds_to_make);
	if (!reads_few)
		return found;
	for (int i = 0; i < holders; i++)
	{
		if (lacks[i])
			working_set_wallet(set, ledger->ids[i])->lacks_due = true;
	}
	pfree(lacks);
	return found;
}

/* The holds that operations name, and those that are due, each once and in the order of their ids.
 */
static void
load_holds(Ledger *ledger)
{
	WorkingSet *set = &ledger->set;
	int64 *ids = ledger_memory(sizeof(int64), ledger->holds_named, 0);
	int named = ledger->holds_named == 0 ? 0 : collect_links(ledger, ids, names_hold);
	Hold *holds = ledger_memory(sizeof(Hold), named + ledger->holds_to_make, 0);
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
	int64 *ids = ledger_memory(sizeof(int64), ledger->originals_named, 0);
	int count = collect_links(ledger, ids, names_original);
	Transfer *rows = ledger_memory(sizeof(Transfer), count, 0);

	if (count > 0)
		count = journal_find(ids, count, rows);
	set->originals = ledger_memory(sizeof(Original), count, 0);
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

bool
links_matter(const Ledger *ledger)
{
	return ledger->set.holders > 0 || ledger->holds_named > 0 || ledger->originals_named > 0;
}

/*
 * The snapshot is taken after the wallets were read and locked.  So it shows everything that those
 * have done who had their locks before, and nobody else changes it afterwards without changing a
 * wallet.
 */
void
links_load(Ledger *ledger)
{
	push_new_snapshot();
	if (ledger->set.holders > 0 || ledger->holds_named + ledger->holds_to_make > 0)
		load_holds(ledger);
	if (ledger->originals_named > 0)
		load_originals(ledger);
	PopActiveSnapshot();
}

int
links_load_lacking(Ledger *ledger, const Operation *operation)
{
	WorkingSet *set = &ledger->set;
	int64 keys[OPERATION_KEYS_MAX];
	int key_count = operation_keys(operation, keys);
	int count = 0;
	int spare = set->holds_max - set->hold_count;
	int found;

	for (int i = 0; i < key_count; i++)
	{
		Wallet *wallet = working_set_wallet(set, keys[i]);

		if (wallet == NULL || !wallet->lacks_due)
			continue;
		wallet->lacks_due = false;
		keys[count++] = keys[i];
	}
	if (count == 0)
		return 0;
	push_new_snapshot();
	found = read_due(ledger, keys, count, NULL, &set->holds, set->hold_count, spare);
	PopActiveSnapshot();
	set->holds_max = set->hold_count + found + spare;
	return working_set_add_due(set, found);
}

static void
store_holds(const WorkingSet *set)
{
	Hold *holds = ledger_memory(sizeof(Hold), set->hold_count, 0);
	int changed = 0;
	int made = 0;

	/* The changed ones from the front on, the made ones behind them. */
	for (int i = 0; i < set->hold_count; i++)
	{
		if (set->holds[i].is_changed && !set->holds[i].is_made)
			holds[changed++] = set->holds[i];
	}
	for (int i = set->loaded_holds; i < set->hold_count; i++)
	{
		if (set->holds[i].is_made)
			holds[changed + made++] = set->holds[i];
	}
	if (changed > 0)
		holds_update(holds, changed);
	if (made > 0)
	{
		holds_insert(holds + changed, made);
		opening_make_once();
	}
	pfree(holds);
}

void
links_store(const WorkingSet *set)
{
	if (set->hold_count > 0)
		store_holds(set);
	if (set->original_count > 0)
		reversed_store(set->originals, set->original_count);
}
