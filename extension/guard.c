/*
 * guard.c
 *		Money is not dropped by accident.
 *
 * Dropping the extension, its schema or its owner drops the journal.  The hook
 * sees the journal about to go, whatever command wants it, and refuses while it
 * holds a transfer.  The event trigger of the install script does nothing but
 * load this library in time, where it is not preloaded.
 */
#include "pg_wallet.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(wallet_guard_drop);

static object_access_hook_type previous_hook = NULL;

/* A schema that is not found goes with the same command, and has gone first. */
static bool
is_journal(Oid relation)
{
	char *name = get_rel_name(relation);
	char *schema;

	if (name == NULL || strcmp(name, "transfer") != 0)
		return false;
	schema = get_namespace_name(get_rel_namespace(relation));
	return schema == NULL || strcmp(schema, "wallet") == 0;
}

/* A plain scan: the indexes may be gone already. */
static bool
has_rows(Oid relation)
{
	Relation journal = table_open(relation, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(journal, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(journal, NULL);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(journal, AccessShareLock);
	return found;
}

static void
guard_money(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_hook != NULL)
		previous_hook(access, class, object, sub, argument);
	if (access == OAT_DROP && class == RelationRelationId && sub == 0 && !setting_allow_drop &&
	    is_journal(object) && has_rows(object))
		refuse(CODE_MONEY_KEPT, NULL);
}

void
guard_install(void)
{
	previous_hook = object_access_hook;
	object_access_hook = guard_money;
}

/* wallet.guard_drop(): being called is enough, since that loads the library. */
Datum
wallet_guard_drop(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		elog(ERROR, "must be called as an event trigger");
	PG_RETURN_NULL();
}
