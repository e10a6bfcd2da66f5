/*
 * relations.c
 *		The tables of the schema wallet by their names, and their unique indexes.
 */
#include "base/relations.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Relations that were looked up; forgotten when any relation or schema is made, renamed or dropped.
 */
#define KNOWN_MAX 16

typedef struct KnownRelation
{
	char name[NAMEDATALEN];
	Oid oid;
} KnownRelation;

static KnownRelation known_relations[KNOWN_MAX];
static int known_count = -1; /* -1: the callback is not registered yet */
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

/*
 * Whether the index is unique, on exactly the columns of these names, and compares each column as
 * the key of the same place does.
 */
static bool
index_has_columns(Relation index, Relation heap, const char *const *columns,
                  const ScanKeyData *keys, int count)
{
	const FormData_pg_index *form = index->rd_index;

	if (!form->indisunique || !form->indisvalid || form->indnkeyatts != count ||
	    index->rd_rel->relam != BTREE_AM_OID ||
	    !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
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

/* Opens the unique index on these columns; NULL when there is none. */
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
 * Whether an insertion with these keys would wait for an open transaction that has inserted such a
 * row.  A dirty snapshot shows the rows of transactions that have not committed.
 */
static bool
entry_is_busy(Relation heap, Relation unique, ScanKeyData *keys, int key_count)
{
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;
	bool busy = false;

	/* Compare each key with the collation that the index is ordered by. */
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

	Assert(key_count > 0);
	if (unique != NULL)
	{
		busy = entry_is_busy(heap, unique, keys, key_count);
		index_close(unique, AccessShareLock);
	}
	table_close(heap, AccessShareLock);
	return busy;
}
