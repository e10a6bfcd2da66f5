/*
 * sql.c
 *		Statements that are planned once in a session, and arrays to feed them.
 */
#include "base/statement.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "optimizer/cost.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/session.h"

/* One plan for all arguments: what differs is how many rows an array has. */
static void
prepare(Statement *statement)
{
	SPIPlanPtr plan = SPI_prepare_cursor(statement->sql, statement->argument_count,
	                                     statement->argument_types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	statement->plan = plan;
}

static void
execute(Statement *statement, Datum *arguments, const char *nulls, bool read_only)
{
	int result;

	if (statement->plan == NULL)
		prepare(statement);
	result = SPI_execute_plan(statement->plan, arguments, nulls, read_only, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	/* A rule of the user's that does nothing instead leaves a plan that does not notice its end. */
	if (result == SPI_OK_REWRITTEN)
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
}

/*
 * Every statement finds its rows by a key.  It is to do so however empty the tables are while it is
 * planned, since the plan stays while they grow, and whatever the session has set.
 */
static bool
planner_is_set(void)
{
	return enable_indexscan && enable_nestloop && !enable_seqscan && !enable_hashjoin &&
	       !enable_mergejoin && !jit_enabled;
}

/* The list of session.h, as far as it is about plans. */
static void
set_planner(void)
{
	static const SessionSetting settings[] = SESSION_SETTING_TABLE;

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (settings[i].who & SESSION_PLANNER)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
			                         PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
}

/* Planned anew, it is while the plan's locks are taken: nobody can tell before. */
void
statement_run(Statement *statement, Datum *arguments, const char *nulls, bool read_only)
{
	int nest_level;

	if (planner_is_set())
	{
		execute(statement, arguments, nulls, read_only);
		return;
	}
	nest_level = NewGUCNestLevel();
	set_planner();
	execute(statement, arguments, nulls, read_only);
	AtEOXact_GUC(true, nest_level);
}

Datum
member_array(const void *structs, int count, size_t size, size_t offset, Oid type)
{
	Datum *items = palloc(sizeof(Datum) * count);
	ArrayType *array;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i] = Int64GetDatum(*(const int64 *) ((const char *) structs + i * size + offset));
	}
	array = construct_array(items, count, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(items);
	return PointerGetDatum(array);
}

Datum
int64_array(const int64 *values, int count)
{
	return member_array(values, count, sizeof(int64), 0, INT8OID);
}

Datum
text_array(const char *const *values, int count)
{
	Datum *items = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		items[i] = CStringGetTextDatum(values[i]);
	}
	return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Read as something else a number could be any amount of money. */
static Datum
result_column(uint64 row, int column, Oid type, bool *is_null)
{
	Oid actual = SPI_gettypeid(SPI_tuptable->tupdesc, column);

	if (actual != type && !(actual == TIMESTAMPTZOID && type == INT8OID))
		elog(ERROR, "column %d of a statement's result is of type %u, not %u", column, actual,
		     type);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

int64
result_int64(uint64 row, int column)
{
	bool is_null;
	Datum value = result_column(row, column, INT8OID, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}

const char *
result_text(uint64 row, int column)
{
	bool is_null;
	Datum value = result_column(row, column, TEXTOID, &is_null);

	return is_null ? "" : TextDatumGetCString(value);
}

void
result_expect(int count, const char *table)
{
	if (SPI_processed != (uint64) count)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("wrote " UINT64_FORMAT " rows to %s instead of %d", SPI_processed,
		                       table, count)));
}

/* Relations that have been looked up, until one is made or dropped somewhere. */
#define KNOWN_MAX 16

typedef struct KnownRelation
{
	char name[NAMEDATALEN];
	Oid oid;
} KnownRelation;

static KnownRelation known_relations[KNOWN_MAX];
static int known_count = -1; /* nobody has asked to be told yet */
static uint64 times_forgotten;

static void
forget_relations(Datum argument, int cache, uint32 hash)
{
	known_count = 0;
	times_forgotten++;
}

static Oid
known_relation(const char *name)
{
	for (int i = 0; i < known_count; i++)
	{
		if (strcmp(known_relations[i].name, name) == 0)
			return known_relations[i].oid;
	}
	return InvalidOid;
}

static void
know_relation(const char *name, Oid oid)
{
	if (known_count == KNOWN_MAX)
		return;
	strlcpy(known_relations[known_count].name, name, NAMEDATALEN);
	known_relations[known_count++].oid = oid;
}

Oid
wallet_relation(const char *relation)
{
	Oid found = known_relation(relation);
	uint64 before = times_forgotten;
	Oid schema;

	if (OidIsValid(found))
		return found;
	if (known_count < 0)
	{
		CacheRegisterSyscacheCallback(RELNAMENSP, forget_relations, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACENAME, forget_relations, (Datum) 0);
		known_count = 0;
	}
	schema = get_namespace_oid("wallet", true);
	found = OidIsValid(schema) ? get_relname_relid(relation, schema) : InvalidOid;
	if (!OidIsValid(found))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("relation \"wallet.%s\" does not exist", relation),
		                errhint("Is the extension pg_wallet installed in this database?")));
	if (times_forgotten == before)
		know_relation(relation, found);
	return found;
}

bool
relation_lock_at_once(const char *name)
{
	Oid oid = wallet_relation(name);
	Relation relation;
	List *indexes;
	ListCell *cell;
	bool locked = true;

	if (!ConditionalLockRelationOid(oid, AccessShareLock))
		return false;
	relation = table_open(oid, NoLock);
	indexes = RelationGetIndexList(relation);
	foreach (cell, indexes)
		locked = locked && ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock);
	list_free(indexes);
	table_close(relation, NoLock);
	return locked;
}

/* Is the index unique, on just the columns of these names, each compared as its key is? */
static bool
index_has_columns(Relation index, Relation heap, const char *const *columns,
                  const ScanKeyData *keys, int count)
{
	const FormData_pg_index *form = index->rd_index;

	if (!form->indisunique || !form->indisvalid || form->indnkeyatts != count ||
	    index->rd_rel->relam != BTREE_AM_OID || RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < count; i++)
	{
		Oid family =
		    keys[i].sk_func.fn_oid == F_TEXTEQ ? TEXT_BTREE_FAM_OID : INTEGER_BTREE_FAM_OID;
		Oid type = family == TEXT_BTREE_FAM_OID ? TEXTOID : INT8OID;
		AttrNumber column = get_attnum(RelationGetRelid(heap), columns[i]);

		if (column == InvalidAttrNumber || form->indkey.values[i] != column ||
		    index->rd_opfamily[i] != family || get_atttype(RelationGetRelid(heap), column) != type)
			return false;
	}
	return true;
}

/* The unique index on these columns, opened; NULL where there is none. */
static Relation
open_unique_index(Relation heap, const char *const *columns, const ScanKeyData *keys, int count)
{
	List *oids = RelationGetIndexList(heap);
	Relation found = NULL;
	ListCell *cell;

	foreach (cell, oids)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (found == NULL && index_has_columns(index, heap, columns, keys, count))
			found = index;
		else
			index_close(index, AccessShareLock);
	}
	list_free(oids);
	return found;
}

/*
 * An insertion with the same key would wait for the end of the transaction that has inserted it: a
 * dirty snapshot shows the row before that has committed.
 */
static bool
entry_is_busy(Relation heap, Relation unique, ScanKeyData *keys, int key_count)
{
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;
	bool busy = false;

	/* A key is compared as the index is ordered. */
	for (int i = 0; i < key_count; i++)
		keys[i].sk_collation = unique->rd_indcollation[keys[i].sk_attno - 1];
	InitDirtySnapshot(dirty);
#if PG_VERSION_NUM >= 180000
	scan = index_beginscan(heap, unique, &dirty, NULL, key_count, 0);
#else
	scan = index_beginscan(heap, unique, &dirty, key_count, 0);
#endif
	index_rescan(scan, keys, key_count, NULL, 0);
	while (!busy && index_getnext_slot(scan, ForwardScanDirection, slot))
		busy = TransactionIdIsValid(dirty.xmin);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return busy;
}

bool
index_entry_is_busy(const char *table, const char *const *columns, ScanKeyData *keys, int key_count)
{
	Relation heap = table_open(wallet_relation(table), AccessShareLock);
	Relation unique = open_unique_index(heap, columns, keys, key_count);
	bool busy = false;

	if (unique != NULL)
	{
		busy = entry_is_busy(heap, unique, keys, key_count);
		index_close(unique, AccessShareLock);
	}
	table_close(heap, AccessShareLock);
	return busy;
}

/* pg_extension.extversion, or NULL when the extension is absent. */
static char *
installed_version(void)
{
	Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	char *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum("pg_wallet"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool is_null;
		Datum stored = heap_getattr(tuple, Anum_pg_extension_extversion,
		                            RelationGetDescr(extensions), &is_null);

		version = is_null ? pstrdup("") : TextDatumGetCString(stored);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

ExtensionState
extension_state(void)
{
	char *version = installed_version();

	if (version == NULL)
		return EXTENSION_ABSENT;
	return strcmp(version, PG_WALLET_VERSION) == 0 ? EXTENSION_READY : EXTENSION_OTHER_VERSION;
}
