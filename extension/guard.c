/*
 * guard.c
 *		Money is not dropped by accident.
 *
 * Dropping the extension, its schema or its owner drops the journal.  The event
 * trigger of the install script runs before each command that changes objects:
 * it notes which table is the journal, and loads this library where it is not
 * preloaded.  The hook sees that table about to go, whatever command wants it,
 * and refuses while it holds a transfer.  By then the rest of the extension may
 * be gone already.
 *
 * The library may be loaded in databases without the extension, where the event
 * trigger never runs and no table is the journal.
 */
#include "pg_wallet.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(wallet_guard_drop);

static object_access_hook_type previous_hook = NULL;
static Oid journal = InvalidOid;

/* A plain scan: the indexes may be gone already. */
static bool
has_rows(Oid relation)
{
	Relation table = table_open(relation, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return found;
}

static void
guard_money(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_hook != NULL)
		previous_hook(access, class, object, sub, argument);
	if (access == OAT_DROP && class == RelationRelationId && sub == 0 && object == journal &&
	    OidIsValid(journal) && !setting_allow_drop && has_rows(journal))
		refuse(CODE_MONEY_KEPT, NULL);
}

void
guard_install(void)
{
	previous_hook = object_access_hook;
	object_access_hook = guard_money;
}

/* wallet.guard_drop(): notes which table is the journal. */
Datum
wallet_guard_drop(PG_FUNCTION_ARGS)
{
	Oid schema = get_namespace_oid("wallet", true);

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		elog(ERROR, "must be called as an event trigger");
	journal = OidIsValid(schema) ? get_relname_relid("transfer", schema) : InvalidOid;
	if (OidIsValid(journal) && get_rel_relkind(journal) != RELKIND_RELATION)
		journal = InvalidOid;
	PG_RETURN_NULL();
}
