/*
 * guard.c
 *		Money is not dropped by accident.
 *
 * A DROP of the extension, of its schema or of its owner drops the journal.  The event trigger of
 * the install script runs before each command that changes objects.  The trigger notes which table
 * is the journal, and loads this library where it is not preloaded.  The hook is called before any
 * table is dropped, by whatever command, and refuses to drop a journal that has a transfer.  By
 * then the rest of the extension may be dropped already.
 *
 * The hook also refuses DROP TABLE of a partition of requests or outcomes whose rows have not
 * expired, and the event trigger refuses to detach such a partition.  When the whole extension is
 * dropped, only the journal decides.  The schema wallet cannot be renamed, because the library
 * finds its tables by the schema's name.
 *
 * The library may be loaded in a database without the extension.  The event trigger never runs
 * there, and no table is the journal.
 */
#include "server/guard.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/extension.h"
#include "base/refusal.h"
#include "base/settings.h"
#include "queue/expiry.h"
#include "rules/codes.h"

PG_FUNCTION_INFO_V1(wallet_guard_drop);

static object_access_hook_type previous_hook = NULL;
static Oid journal = InvalidOid;
static bool is_drop_table = false; /* whether the present command is DROP TABLE */

/*
 * Whether the table has a row.  When id is not NULL, sets *id to the first column of that row; to
 * PG_INT64_MAX when a user has given the column another type than bigint.  Uses no index, because
 * the indexes may be dropped already.
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
		*id = TupleDescAttr(RelationGetDescr(table), 0)->atttypid == INT8OID
		          ? DatumGetInt64(slot_getattr(slot, 1, &(bool){false}))
		          : PG_INT64_MAX;
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return found;
}

/*
 * Whether this is a partition of requests or outcomes whose rows have not expired.  All rows of a
 * partition expire together, so one row decides.
 */
static bool
is_kept_partition(Oid relation)
{
	Oid schema = get_namespace_oid("wallet", true);
	Oid parent;
	int64 id;

	if (!OidIsValid(schema) || get_rel_namespace(relation) != schema ||
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
	if (is_drop_table && is_kept_partition(object))
		refuse(CODE_APPEND_ONLY, psprintf("DROP of table wallet.%s.", get_rel_name(object)));
}

void
guard_install(void)
{
	Assert(object_access_hook != guard_money);
	previous_hook = object_access_hook;
	object_access_hook = guard_money;
}

/* Refuses ALTER SCHEMA wallet RENAME: the library finds its tables by the schema's name. */
static void
keep_schema_name(const RenameStmt *command)
{
	if (command->renameType == OBJECT_SCHEMA && strcmp(command->subname, "wallet") == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("cannot rename the schema of pg_wallet's tables"),
		                errhint("The schema of its functions may have any name.")));
}

/*
 * Refuses ALTER TABLE … DETACH PARTITION while the partition has rows that have not expired.  The
 * event trigger does this, because DETACH … CONCURRENTLY commits before any hook is called.
 */
static void
keep_partitions(const AlterTableStmt *command)
{
	ListCell *cell;

	if (command->objtype != OBJECT_TABLE || setting_allow_drop)
		return;
	foreach (cell, command->cmds)
	{
		const AlterTableCmd *step = lfirst_node(AlterTableCmd, cell);
		Oid part = step->subtype == AT_DetachPartition
		               ? RangeVarGetRelid(((PartitionCmd *) step->def)->name, NoLock, true)
		               : InvalidOid;

		if (OidIsValid(part) && is_kept_partition(part))
			refuse(CODE_APPEND_ONLY, psprintf("DETACH of table wallet.%s.", get_rel_name(part)));
	}
}

/* wallet.guard_drop(): notes which table is the journal. */
Datum
wallet_guard_drop(PG_FUNCTION_ARGS)
{
	Oid schema = get_namespace_oid("wallet", true);
	const EventTriggerData *command;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		elog(ERROR, "must be called as an event trigger");
	command = (EventTriggerData *) fcinfo->context;
	if (IsA(command->parsetree, RenameStmt))
		keep_schema_name((RenameStmt *) command->parsetree);
	else if (IsA(command->parsetree, AlterTableStmt))
		keep_partitions((AlterTableStmt *) command->parsetree);
	is_drop_table = command->tag == CMDTAG_DROP_TABLE;
	journal = OidIsValid(schema) ? get_relname_relid("transfer", schema) : InvalidOid;
	if (OidIsValid(journal) && get_rel_relkind(journal) != RELKIND_RELATION)
		journal = InvalidOid;
	PG_RETURN_NULL();
}
