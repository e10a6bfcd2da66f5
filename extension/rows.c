/*
 * rows.c
 *		Rows in and out of a table without a statement.
 *
 * These are the steps that the executor takes for INSERT, UPDATE and an index scan, in its order
 *and through its own functions and the table access method, less the planning and the plan.  A
 *table on which something hangs that is not done here is refused; see table_is_plain.
 *
 * Locking: tables and indexes are opened with the locks of the statement that they replace, and
 *kept locked until the transaction ends.  Nothing here waits for a row.
 */
#include "pg_wallet.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "rows.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Does a trigger of the user's want to see this command?  Foreign keys that point here watch keys.
 */
static bool
triggers_allow(Relation heap, CmdType command)
{
	TriggerDesc *triggers = heap->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		bool is_fired = command == CMD_INSERT ? TRIGGER_FOR_INSERT(trigger->tgtype)
		                                      : TRIGGER_FOR_UPDATE(trigger->tgtype);

		if (is_fired && trigger->tgenabled != TRIGGER_DISABLED &&
		    RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK)
			return false;
	}
	return true;
}

/* Has the table the columns that we gave it, and no others? */
static bool
columns_are_ours(Relation heap, const RowLayout *layout)
{
	if (RelationGetNumberOfAttributes(heap) != layout->column_count)
		return false;
	for (int i = 0; i < layout->column_count; i++)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(RelationGetDescr(heap), i);
		Oid type = layout->columns[i].type;

		if (attribute->attisdropped || (OidIsValid(type) && attribute->atttypid != type) ||
		    strcmp(NameStr(attribute->attname), layout->columns[i].name) != 0)
			return false;
	}
	return true;
}

/* Is the table as we have made it, as far as it matters for reading and for this command? */
static bool
table_is_plain(Relation heap, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = heap->rd_rel;

	return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
	       !form->relhasrules && !form->relhassubclass && !form->relispartition &&
	       !form->relrowsecurity && columns_are_ours(heap, layout) &&
	       (command == CMD_SELECT || triggers_allow(heap, command));
}

/* A constraint that is checked at the end of a transaction needs a trigger's queue. */
static bool
indexes_are_immediate(const ResultRelInfo *result)
{
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		if (!result->ri_IndexRelationDescs[i]->rd_index->indimmediate)
			return false;
	}
	return true;
}

static void
release(RowWriter *writer)
{
	for (int i = 0; i < writer->slot_count; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	ExecCloseIndices(writer->result);
	FreeExecutorState(writer->estate);
	table_close(writer->heap, NoLock);
}

bool
writer_open(RowWriter *writer, const RowLayout *layout, CmdType command)
{
	writer->heap = table_open(wallet_relation(layout->table), RowExclusiveLock);
	if (!table_is_plain(writer->heap, layout, command))
	{
		table_close(writer->heap, NoLock);
		return false;
	}
	CheckCmdReplicaIdentity(writer->heap, command);
	writer->estate = CreateExecutorState();
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->heap, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->command = GetCurrentCommandId(true);
	writer->slot_count = 0;
	writer->filled = 0;
	if (indexes_are_immediate(writer->result))
		return true;
	release(writer);
	return false;
}

static void
insert_index_entries(RowWriter *writer, TupleTableSlot *slot, bool is_update, bool only_summarizing)
{
	if (writer->result->ri_NumIndices == 0)
		return;
	ResetPerTupleExprContext(writer->estate);
#if PG_VERSION_NUM >= 160000
	ExecInsertIndexTuples(writer->result, slot, writer->estate, is_update, false, NULL, NIL,
	                      only_summarizing);
#else
	ExecInsertIndexTuples(writer->result, slot, writer->estate, is_update, false, NULL, NIL);
#endif
}

static void
check_row(RowWriter *writer, TupleTableSlot *slot)
{
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->heap);
	if (writer->heap->rd_att->constr != NULL)
	{
		ResetPerTupleExprContext(writer->estate);
		ExecConstraints(writer->result, slot, writer->estate);
	}
}

static void
flush(RowWriter *writer)
{
	for (int i = 0; i < writer->filled; i++)
		check_row(writer, writer->slots[i]);
	table_multi_insert(writer->heap, writer->slots, writer->filled, writer->command, 0, NULL);
	for (int i = 0; i < writer->filled; i++)
		insert_index_entries(writer, writer->slots[i], false, false);
	writer->filled = 0;
}

TupleTableSlot *
writer_next(RowWriter *writer)
{
	TupleTableSlot *slot;

	if (writer->filled == ROWS_AT_ONCE)
		flush(writer);
	if (writer->filled == writer->slot_count)
		writer->slots[writer->slot_count++] = table_slot_create(writer->heap, NULL);
	slot = writer->slots[writer->filled++];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return slot;
}

bool
writer_update(RowWriter *writer, ItemPointer tid, bool is_locked)
{
	TupleTableSlot *slot = writer->slots[--writer->filled];
	TM_FailureData failure;
	LockTupleMode lock_mode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes indexes;
#else
	bool indexes;
#endif

	check_row(writer, slot);
	/* It would not look who holds a lock if it were not to wait. */
	result = table_tuple_update(writer->heap, tid, slot, writer->command, GetActiveSnapshot(),
	                            InvalidSnapshot, is_locked, &failure, &lock_mode, &indexes);
	if (result != TM_Ok)
		return false;
#if PG_VERSION_NUM >= 160000
	if (indexes != TU_None)
		insert_index_entries(writer, slot, true, indexes == TU_Summarizing);
#else
	if (indexes)
		insert_index_entries(writer, slot, true, false);
#endif
	return true;
}

void
writer_close(RowWriter *writer)
{
	if (writer->filled > 0)
		flush(writer);
	release(writer);
	CommandCounterIncrement();
}

static void
begin_scan(RowReader *reader)
{
#if PG_VERSION_NUM >= 180000
	reader->scan = index_beginscan(reader->heap, reader->index, GetActiveSnapshot(), NULL, 1, 0);
#else
	reader->scan = index_beginscan(reader->heap, reader->index, GetActiveSnapshot(), 1, 0);
#endif
}

bool
reader_open(RowReader *reader, const RowLayout *layout)
{
	Oid primary_key;

	reader->heap = table_open(wallet_relation(layout->table), AccessShareLock);
#if PG_VERSION_NUM >= 180000
	primary_key = RelationGetPrimaryKeyIndex(reader->heap, false);
#else
	primary_key = RelationGetPrimaryKeyIndex(reader->heap);
#endif
	if (!OidIsValid(primary_key) || !table_is_plain(reader->heap, layout, CMD_SELECT))
	{
		table_close(reader->heap, NoLock);
		return false;
	}
	reader->index = index_open(primary_key, AccessShareLock);
	reader->slot = table_slot_create(reader->heap, NULL);
	reader->block_count = InvalidBlockNumber;
	reader->pruned_block = InvalidBlockNumber;
	begin_scan(reader);
	return true;
}

/* Make room on a page, as an index scan does: else no update would find any, and be HOT. */
static void
prune_page(Relation heap, BlockNumber block)
{
	Buffer buffer = ReadBuffer(heap, block);

	heap_page_prune_opt(heap, buffer);
	ReleaseBuffer(buffer);
}

bool
reader_fetch(RowReader *reader, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (reader->block_count == InvalidBlockNumber)
		reader->block_count = RelationGetNumberOfBlocks(reader->heap);
	if (block >= reader->block_count)
		return false;
	if (block != reader->pruned_block)
		prune_page(reader->heap, block);
	reader->pruned_block = block;
	return table_tuple_fetch_row_version(reader->heap, tid, GetActiveSnapshot(), reader->slot);
}

void
reader_renew_snapshot(RowReader *reader)
{
	index_endscan(reader->scan);
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	begin_scan(reader);
}

static void
seek(RowReader *reader, StrategyNumber strategy, RegProcedure procedure, Datum key)
{
	ScanKeyData scan_key;

	ScanKeyInit(&scan_key, 1, strategy, procedure, key);
	scan_key.sk_collation = reader->index->rd_indcollation[0];
	index_rescan(reader->scan, &scan_key, 1, NULL, 0);
}

void
reader_seek(RowReader *reader, int64 key)
{
	seek(reader, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key));
}

void
reader_seek_from(RowReader *reader, int64 key)
{
	seek(reader, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(key));
}

void
reader_seek_text(RowReader *reader, const char *key)
{
	seek(reader, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(key));
}

bool
reader_next(RowReader *reader)
{
	return index_getnext_slot(reader->scan, ForwardScanDirection, reader->slot);
}

void
reader_close(RowReader *reader)
{
	index_endscan(reader->scan);
	ExecDropSingleTupleTableSlot(reader->slot);
	index_close(reader->index, NoLock);
	table_close(reader->heap, NoLock);
}

void
enum_values_load(EnumValues *values, Oid type, const char *const *names, int count)
{
	if (values->type == type)
		return;
	Assert(count <= ENUM_VALUES_MAX);
	values->type = InvalidOid;
	values->count = count;
	for (int i = 0; i < count; i++)
	{
		values->values[i] = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
		                                    ObjectIdGetDatum(type), CStringGetDatum(names[i]));
		if (!OidIsValid(values->values[i]))
			elog(ERROR, "enum type %u has no value \"%s\"", type, names[i]);
	}
	values->type = type;
}

int
enum_values_find(const EnumValues *values, Oid value)
{
	for (int i = 0; i < values->count; i++)
	{
		if (values->values[i] == value)
			return i;
	}
	elog(ERROR, "%u is no value of enum type %u", value, values->type);
}

bool
table_has_rows(const char *table)
{
	Relation heap = table_open(wallet_relation(table), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TableScanDesc scan = table_beginscan(heap, GetActiveSnapshot(), 0, NULL);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(heap, NoLock);
	return found;
}
