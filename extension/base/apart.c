/*
 * apart.c
 *		Finds the items of a step that fail, by halving, and does the step for the others.
 *
 * A subtransaction costs a transaction id, and a fifth of the time of a batch of 64 requests.  So
 * callers use run_apart only where a table may refuse a row (table_may_refuse).  Nothing is halved
 * unless a step has failed.  When an attempt fails, the locks that the attempt took are released.
 */
#include "base/apart.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/resowner.h"

#include "base/refusal.h"
#include "base/relations.h"

/* After so many failures that are no item's fault (no space, no memory), run_apart gives up. */
#define FAILURES_MAX 64

typedef struct Apart
{
	void *items;
	ApartStep step;
	ApartStep undo;
	ApartRefusal refuse;
	int failures; /* that were no item's fault */
} Apart;

/* Run the step in a subtransaction; returns its error, or NULL. */
static ErrorData *
try_step(const Apart *apart, int first, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		apart->step(apart->items, first, count);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

static bool
is_about_no_item(Apart *apart, const ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_TRANSACTION_ROLLBACK ||
	       category == MAKE_SQLSTATE('5', '7', '0', '0', '0') /* operator intervention */ ||
	       error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
	       (!is_fault_of_request(error) && ++apart->failures > FAILURES_MAX);
}

static void
run_range(Apart *apart, int first, int count)
{
	ErrorData *error;

	CHECK_FOR_INTERRUPTS();
	error = try_step(apart, first, count);
	if (error == NULL)
		return;
	if (is_about_no_item(apart, error))
		ReThrowError(error);
	apart->undo(apart->items, first, count);
	if (count == 1)
		apart->refuse(apart->items, first, error);
	FreeErrorData(error);
	if (count > 1)
	{
		run_range(apart, first, count / 2);
		run_range(apart, first + count / 2, count - count / 2);
	}
}

void
run_apart(void *items, int count, ApartStep step, ApartStep undo, ApartRefusal refuse)
{
	Apart apart;

	Assert(count > 0);
	apart = (Apart){.items = items, .step = step, .undo = undo, .refuse = refuse};

	run_range(&apart, 0, count);
}

bool
table_may_refuse(const char *name, int columns, int checks, int indexes)
{
	Relation table = table_open(wallet_relation(name), AccessShareLock);
	const TupleConstr *constraints = RelationGetDescr(table)->constr;
	const TriggerDesc *triggers = table->trigdesc;
	List *oids = RelationGetIndexList(table);
	bool may_refuse = table->rd_rel->relhasrules || table->rd_rel->relrowsecurity ||
	                  RelationGetNumberOfAttributes(table) > columns ||
	                  list_length(oids) > indexes ||
	                  (constraints != NULL && constraints->num_check > checks);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		may_refuse = may_refuse || TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype);
	list_free(oids);
	table_close(table, NoLock);
	return may_refuse;
}
