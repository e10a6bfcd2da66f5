/*
 * resolve.c
 *		Finds the wallets of operations that name a hold, a transfer or a group.
 *
 * Locking: none; see resolve.h and docs/posting.md, "Holds and reversals".
 */
#include "posting/resolve.h"

#include <stdlib.h>

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/arrays.h"
#include "base/statement.h"
#include "tables/holds.h"
#include "tables/journal.h"
#include "tables/rows.h"

static bool
names_hold(const Operation *operation)
{
	return kind_names_hold(operation->kind) && operation->source_wallet_id == 0 &&
	       operation->link_id > 0 && !operation->is_unresolved;
}

static bool
names_transfer(const Operation *operation)
{
	return operation->kind == KIND_REVERSAL && operation->source_wallet_id == 0 &&
	       operation->link_id > 0;
}

static bool
names_group(const Operation *operation)
{
	return operation->kind == KIND_GROUP_REVERSAL && operation->parts == NULL &&
	       operation->link_id > 0;
}

/* The operations and legs that name something, one after the other. */
typedef struct Naming
{
	Operation **operations;
	int64 *ids; /* that they name */
	int count;
} Naming;

/* Collects the operations and legs for which names() is true. */
static void
collect(Operation *operations, int count, bool (*names)(const Operation *), Naming *naming)
{
	int room = 0;

	for (int i = 0; i < count; i++)
		room += 1 + (operations[i].parts == NULL ? 0 : operations[i].parts->leg_count);
	naming->operations = palloc(sizeof(Operation *) * Max(room, 1));
	naming->ids = palloc(sizeof(int64) * Max(room, 1));
	naming->count = 0;
	for (int i = 0; i < count; i++)
	{
		Parts *parts = operations[i].parts;

		CHECK_FOR_INTERRUPTS();
		if (names(&operations[i]))
			naming->operations[naming->count++] = &operations[i];
		for (int j = 0; parts != NULL && j < parts->leg_count; j++)
		{
			if (names(&parts->legs[j]))
				naming->operations[naming->count++] = &parts->legs[j];
		}
	}
	for (int i = 0; i < naming->count; i++)
		naming->ids[i] = naming->operations[i]->link_id;
}

/* For bsearch: the id is the first member of a Hold and of a Transfer. */
static int
compare_with_row(const void *id, const void *row)
{
	int64 wanted = *(const int64 *) id;
	int64 found = *(const int64 *) row;

	return wanted < found ? -1 : wanted > found;
}

static void
resolve_holds(const Naming *naming)
{
	int ids = sort_ids(naming->ids, naming->count);
	Hold *holds = palloc(sizeof(Hold) * ids);
	int found = holds_find(naming->ids, ids, holds);

	for (int i = 0; i < naming->count; i++)
	{
		Operation *operation = naming->operations[i];
		const Hold *hold =
		    bsearch(&operation->link_id, holds, found, sizeof(Hold), compare_with_row);

		if (hold == NULL)
			continue;
		operation->source_wallet_id = hold->source_wallet_id;
		operation->destination_wallet_id = hold->destination_wallet_id;
	}
	pfree(holds);
}

/* A reversal has the transfer's destination for its source. */
static void
set_reversed_wallets(Operation *operation, const Transfer *transfer)
{
	operation->source_wallet_id = transfer->destination_wallet_id;
	operation->destination_wallet_id = transfer->source_wallet_id;
}

static void
resolve_transfers(const Naming *naming)
{
	int ids = sort_ids(naming->ids, naming->count);
	Transfer *transfers = palloc(sizeof(Transfer) * ids);
	int found = journal_find(naming->ids, ids, transfers);

	for (int i = 0; i < naming->count; i++)
	{
		Operation *operation = naming->operations[i];
		const Transfer *transfer =
		    bsearch(&operation->link_id, transfers, found, sizeof(Transfer), compare_with_row);

		if (transfer != NULL)
			set_reversed_wallets(operation, transfer);
	}
	pfree(transfers);
}

static void
resolve_group(Operation *operation)
{
	Transfer rows[LEGS_MAX];
	int count = journal_find_group(operation->link_id, rows, LEGS_MAX);

	if (count == 0)
		return;
	operation->parts = parts_init(palloc(parts_size(count, 0)), count, 0);
	for (int i = 0; i < count; i++)
	{
		const Transfer *row = &rows[count - 1 - i];
		Operation *leg = &operation->parts->legs[i];

		*leg = (Operation){
		    .kind = KIND_REVERSAL,
		    .link_id = row->transfer_id,
		    .amount = AMOUNT_NONE,
		    .max_capture = AMOUNT_NONE,
		    .parts = leg->parts,
		};
		set_reversed_wallets(leg, row);
	}
}

/* Plain transfers, which name nothing, cost no more than this look. */
static bool
name_something(const Operation *operations, int count)
{
	for (int i = 0; i < count; i++)
	{
		const Operation *operation = &operations[i];

		if (operation->parts != NULL || names_hold(operation) || names_transfer(operation) ||
		    names_group(operation))
			return true;
	}
	return false;
}

void
resolve_links(Operation *operations, int count)
{
	Naming naming;

	if (!name_something(operations, count))
		return;
	push_new_snapshot();
	collect(operations, count, names_hold, &naming);
	if (naming.count > 0)
		resolve_holds(&naming);
	collect(operations, count, names_transfer, &naming);
	if (naming.count > 0)
		resolve_transfers(&naming);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (names_group(&operations[i]))
			resolve_group(&operations[i]);
	}
	PopActiveSnapshot();
}
