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
 * Nor is a partition of requests or outcomes dropped, by a DROP TABLE of its own,
 * before its rows have expired.  (Where all is dropped, the journal decides.)
 *
 * The library may be loaded in databases without the extension, where the event
 * trigger never runs and no table is the journal.
 */
#include "pg_wallet.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(wallet_guard_drop);

static object_access_hook_type previous_hook = NULL;
static Oid journal = InvalidOid;
static bool is_drop_table = false; /* as the command that is under way */

/*
 * Has the table a row?  Then its first column, an id, is read if id is not NULL.  A plain scan: the
 * indexes may be gone already.
 */
static bool
find_row(Oid relation, int64 *id)
{
	Relation table = table_open(relation, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	if (found && id != NULL)
		*id = DatumGetInt64(slot_getattr(slot, 1, &(bool){false}));
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return found;
}

/* Is this a partition of requests or outcomes that have not expired?  All of them do at once. */
static bool
is_kept_partition(Oid relation)
{
	Oid schema = get_namespace_oid("wallet", true);
	Oid parent;
	int64 id;

	if (!is_drop_table || !OidIsValid(schema) || get_rel_namespace(relation) != schema ||
	    !get_rel_relispartition(relation))
		return false;
	parent = get_partition_parent(relation, true);
	return (parent == get_relname_relid("request", schema) ||
	        parent == get_relname_relid("outcome", schema)) &&
	       extension_state() != EXTENSION_ABSENT && find_row(relation, &id) &&
	       id >= expired_below();
}

static void
guard_money(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_hook != NULL)
		previous_hook(access, class, object, sub, argument);
	if (access != OAT_DROP || class != RelationRelationId || sub != 0 || !OidIsValid(journal) ||
	    setting_allow_drop)
		return;
	if (object == journal && find_row(journal, NULL))
		refuse(CODE_MONEY_KEPT, NULL);
	if (is_kept_partition(object))
		refuse(CODE_APPEND_ONLY, psprintf("DROP of table wallet.%s.", get_rel_name(object)));
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
	is_drop_table = ((EventTriggerData *) fcinfo->context)->tag == CMDTAG_DROP_TABLE;
	journal = OidIsValid(schema) ? get_relname_relid("transfer", schema) : InvalidOid;
	if (OidIsValid(journal) && get_rel_relkind(journal) != RELKIND_RELATION)
		journal = InvalidOid;
	PG_RETURN_NULL();
}
