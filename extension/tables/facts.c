/*
 * facts.c
 *		What is known of a table: whether it is as we have made it, and how to check a row.
 *
 * The executor looks at triggers and indexes in each statement, and reads and compiles the CHECK
 * expressions.  For a direct payment that would be a tenth of all the work.  So the facts are
 * worked out once in a session, and again after the table was altered.  Only the functions that
 * come with PostgreSQL certainly stay as they are: the executor checks a constraint that calls
 * another function.
 *
 * Locking: the facts belong to one session.  The caller has locked the table, so that nobody
 * alters it meanwhile; forget() hears of alterations that were committed before.
 *
 * What somebody may have altered, and who honours it:
 *
 *	the access method, the kind of relation		a statement, where it is no heap table
 *	columns: number, order, names, types,
 *	type modifiers, collations					a statement, where one is not as we made it
 *	generated and identity columns				a statement
 *	rules, row security, inheritance			a statement
 *	rights taken from the owner, another owner	a statement, unless a superuser asks
 *	triggers of any sort						a statement, where the command fires one; the
 *												referenced side of a foreign key onto columns that
 *												no update of ours changes has nothing to do
 *	deferrable constraints						a statement
 *	the primary key								a statement, where it is not the first column's
 *	partitions									a statement, where the key does not lead to one
 *	CHECK, NOT NULL								we, or the executor's ExecConstraints
 *	indexes, unique and exclusion constraints	we, or the executor's ExecInsertIndexTuples
 *	replica identity, publications				CheckCmdReplicaIdentity, as in a statement
 *	defaults									nobody: each column is written, also as null
 *	usual values (attmissingval)				form_row(): a row may end before them
 *	storage, compression, tablespace, logging,
 *	statistics									the functions of the server that we call
 */
#include "tables/facts.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/search_path.h"

static HTAB *cache;

/* Entries of the cache that were asked for last, which spares most searches. */
#define RECENT_COUNT 16

static TableFacts *recent[RECENT_COUNT];

/* How many messages have come that a table was altered. */
static uint64 alterations = 0;

static void
forget(Datum argument, Oid table)
{
	HASH_SEQ_STATUS all;
	TableFacts *facts;

	alterations++;
	hash_seq_init(&all, cache);
	while ((facts = hash_seq_search(&all)) != NULL)
	{
		if (!OidIsValid(table) || facts->table == table)
			facts->is_valid = false;
	}
}

static void
make_cache(void)
{
	HASHCTL layout = {.keysize = sizeof(Oid), .entrysize = sizeof(TableFacts)};

	cache = hash_create("pg_wallet tables", 16, &layout, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(forget, (Datum) 0);
}

/* Does the foreign key refer to nothing but columns that an update of ours leaves as they are? */
static bool
refers_to_fixed_columns(Oid foreign_key, const RowLayout *layout)
{
	HeapTuple row = SearchSysCache1(CONSTROID, ObjectIdGetDatum(foreign_key));
	AttrNumber referring[INDEX_MAX_KEYS];
	AttrNumber referred[INDEX_MAX_KEYS];
	bool are_fixed = true;
	int count;

	if (!HeapTupleIsValid(row))
		return false;
	DeconstructFkConstraintRow(row, &count, referring, referred, NULL, NULL, NULL, NULL, NULL);
	for (int i = 0; i < count; i++)
		are_fixed = are_fixed && referred[i] > 0 && referred[i] <= layout->column_count &&
		            layout->columns[referred[i] - 1].changes == 0;
	ReleaseSysCache(row);
	return are_fixed;
}

/* Is this a trigger on UPDATE OF columns which an update of ours leaves as they are? */
static bool
watches_fixed_columns(const Trigger *trigger, const RowLayout *layout)
{
	for (int i = 0; i < trigger->tgnattr; i++)
	{
		AttrNumber column = trigger->tgattr[i];

		if (column > layout->column_count || layout->columns[column - 1].changes != 0)
			return false;
	}
	return trigger->tgnattr > 0;
}

/* Has the trigger something to do in this command? */
static bool
trigger_matters(const Trigger *trigger, const RowLayout *layout, CmdType command)
{
	bool is_fired = command == CMD_INSERT ? TRIGGER_FOR_INSERT(trigger->tgtype)
	                                      : TRIGGER_FOR_UPDATE(trigger->tgtype) &&
	                                            !watches_fixed_columns(trigger, layout);

	if (!is_fired || trigger->tgenabled == TRIGGER_DISABLED)
		return false;
	return RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK ||
	       !refers_to_fixed_columns(trigger->tgconstraint, layout);
}

static bool
triggers_allow(Relation heap, const RowLayout *layout, CmdType command)
{
	TriggerDesc *triggers = heap->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (trigger_matters(&triggers->triggers[i], layout, command))
			return false;
	}
	return true;
}

/* Is it the enum type of ours that is called as the column is? */
static bool
is_own_enum(Oid type, const char *name)
{
	Oid schema = get_namespace_oid("wallet", true);

	return OidIsValid(schema) && get_typtype(type) == TYPTYPE_ENUM &&
	       type == GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
	                               ObjectIdGetDatum(schema));
}

/* Is the column as we have made it?  A generated column is, for reading alone. */
static bool
column_is_ours(const FormData_pg_attribute *attribute, const RowColumn *column, CmdType command)
{
	bool has_type = OidIsValid(column->type) ? attribute->atttypid == column->type
	                                         : is_own_enum(attribute->atttypid, column->name);
	bool has_collation = attribute->attcollation == get_typcollation(attribute->atttypid) ||
	                     attribute->attcollation == C_COLLATION_OID;
	bool is_computed =
	    attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS ||
	    (attribute->attgenerated != '\0' &&
	     (command != CMD_SELECT || attribute->attgenerated != ATTRIBUTE_GENERATED_STORED));

	return !attribute->attisdropped && has_type && has_collation && attribute->atttypmod == -1 &&
	       !is_computed && strcmp(NameStr(attribute->attname), column->name) == 0;
}

/* Has the table the columns that we gave it, and no others? */
static bool
columns_are_ours(Relation heap, const RowLayout *layout, CmdType command)
{
	if (RelationGetNumberOfAttributes(heap) != layout->column_count)
		return false;
	for (int i = 0; i < layout->column_count; i++)
	{
		if (!column_is_ours(TupleDescAttr(RelationGetDescr(heap), i), &layout->columns[i], command))
			return false;
	}
	return true;
}

static bool
nothing_hangs_on(Relation table, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = table->rd_rel;

	return !form->relhasrules && !form->relrowsecurity &&
	       columns_are_ours(table, layout, command) &&
	       (command == CMD_SELECT || triggers_allow(table, layout, command));
}

static bool
compares_by_foreign_function(Relation index)
{
	int count = index->rd_index->indnkeyatts * index->rd_indam->amsupport;

	for (int i = 0; i < count; i++)
	{
		if (index->rd_support[i] >= FirstGenbkiObjectId)
			return true;
	}
	return false;
}

static bool
index_is_simple(Relation index, const IndexInfo *info)
{
	return info->ii_Am == BTREE_AM_OID && info->ii_Expressions == NIL &&
	       info->ii_ExclusionOps == NULL && !compares_by_foreign_function(index) &&
	       expression_is_usable((Node *) info->ii_Predicate);
}

/*
 * Can an update not break the simple index?  So it is where the index is not unique, or on nothing
 * but columns that an update leaves as they are.
 */
static bool
index_is_fixed(const IndexInfo *info, const RowLayout *layout)
{
	if (!info->ii_Unique)
		return true;
	if (info->ii_Predicate != NIL)
		return false;
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		AttrNumber column = info->ii_IndexAttrNumbers[i];

		if (column <= 0 || layout->columns[column - 1].changes != 0)
			return false;
	}
	return true;
}

/* Does the index lead from values of the table's first column to rows, in their order? */
static bool
index_is_key(Relation index, const RowLayout *layout)
{
	const FormData_pg_index *form = index->rd_index;
	Oid family = layout->columns[0].type == TEXTOID ? TEXT_BTREE_FAM_OID : INTEGER_BTREE_FAM_OID;

	return form->indisprimary && form->indisvalid && form->indisready && form->indimmediate &&
	       form->indnkeyatts == 1 && form->indkey.values[0] == 1 &&
	       index->rd_rel->relam == BTREE_AM_OID && index->rd_opfamily[0] == family &&
	       index->rd_indoption[0] == 0;
}

/* Is the simple index on bigints and times alone, in ascending order, and valid? */
static bool
index_is_ordered(Relation index)
{
	int count = index->rd_index->indnkeyatts;

	if (RelationGetNumberOfAttributes(index) != count)
		return false;
	for (int i = 0; i < count; i++)
	{
		Oid type = index->rd_opcintype[i];

		if ((type != INT8OID && type != TIMESTAMPTZOID) || index->rd_indoption[i] != 0 ||
		    index->rd_index->indkey.values[i] <= 0 ||
		    index->rd_opfamily[i] != get_opclass_family(GetDefaultOpClass(type, BTREE_AM_OID)))
			return false;
	}
	return index->rd_index->indisvalid;
}

/* Of how many keys the entries of the ordered index consist, none of which is null but the first.
 */
static int
run_keys(Relation heap, const IndexInfo *info)
{
	int count = info->ii_NumIndexAttrs;

	for (int i = 0; count > 1 && i < count; i++)
	{
		if (!TupleDescAttr(RelationGetDescr(heap), info->ii_IndexAttrNumbers[i] - 1)->attnotnull)
			return 0;
	}
	return count <= RUN_KEYS_MAX ? count : 0;
}

/* Look at all indexes, and compile their predicates. */
static void
look_at_indexes(TableFacts *facts, Relation heap, const RowLayout *layout)
{
	List *oids = RelationGetIndexList(heap);
	ListCell *cell;

	facts->is_immediate = facts->is_simple = facts->is_fixed = true;
	facts->key_index = InvalidOid;
	facts->index_count = 0;
	facts->indexes = palloc(sizeof(SimpleIndex) * list_length(oids));
	foreach (cell, oids)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		SimpleIndex *simple = &facts->indexes[facts->index_count++];

		*simple = (SimpleIndex){.oid = lfirst_oid(cell), .info = BuildIndexInfo(index)};
		if (index_is_key(index, layout))
			facts->key_index = simple->oid;
		facts->is_immediate = facts->is_immediate && index->rd_index->indimmediate;
		facts->is_simple = facts->is_simple && index_is_simple(index, simple->info);
		facts->is_fixed =
		    facts->is_simple && facts->is_fixed && index_is_fixed(simple->info, layout);
		simple->is_ordered = facts->is_simple && index_is_ordered(index);
		simple->run_keys = simple->is_ordered ? run_keys(heap, simple->info) : 0;
		if (facts->is_simple && simple->info->ii_Predicate != NIL)
			simple->predicate =
			    test_compile(layout, make_ands_explicit(simple->info->ii_Predicate));
		index_close(index, NoLock);
	}
	list_free(oids);
}

/*
 * Read and compile the CHECK expressions.  A constraint that holds for all rows there are, and is
 * on columns that an update leaves as they are, holds for the new version too.
 */
static void
compile_checks(TableFacts *facts, const TupleConstr *constraints, const RowLayout *layout)
{
	facts->checks = NIL;
	facts->has_usable_checks = true;
	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		const ConstrCheck *check = &constraints->check[i];
		Expr *expression;
		RowTest *test;

#if PG_VERSION_NUM >= 180000
		if (!check->ccenforced)
			continue;
#endif
		expression = stringToNode(check->ccbin);
		if (!expression_is_usable((Node *) expression))
		{
			facts->has_usable_checks = false;
			continue;
		}
		test = test_compile(layout, expression);
		test->is_fixed = test->is_fixed && check->ccvalid;
		facts->checks = lappend(facts->checks, test);
	}
}

/* What is compiled for the table. */
static void
compile_facts(TableFacts *facts, Relation table, const RowLayout *layout)
{
	MemoryContext before;

	if (facts->context == NULL)
		facts->context =
		    AllocSetContextCreate(CacheMemoryContext, "pg_wallet table", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(facts->context);
	before = MemoryContextSwitchTo(facts->context);
	facts->columns = CreateTupleDescCopyConstr(RelationGetDescr(table));
	form_prepare(&facts->form, facts->columns);
	look_at_indexes(facts, table, layout);
	compile_checks(facts, RelationGetDescr(table)->constr, layout);
	facts->expressions = CreateStandaloneExprContext();
	MemoryContextSwitchTo(before);
}

/* Returns the entry of the table in the cache.  An entry keeps its address. */
static TableFacts *
find_facts(Oid table)
{
	TableFacts *facts;
	bool found;

	if (cache == NULL)
		make_cache();
	facts = hash_search(cache, &table, HASH_ENTER, &found);
	if (!found)
		*facts = (TableFacts){.table = table};
	return facts;
}

/*
 * The caller has locked the table.  CREATE INDEX CONCURRENTLY may alter the table nevertheless
 * while this function looks; it waits for the caller's transaction before the index matters.  The
 * facts are then worked out again at the next call.
 */
static const TableFacts *
table_facts(Relation table, const RowLayout *layout)
{
	Oid oid = RelationGetRelid(table);
	TableFacts *facts = recent[oid % RECENT_COUNT];
	uint64 before;
	int path;

	if (facts == NULL || facts->table != oid)
		facts = recent[oid % RECENT_COUNT] = find_facts(oid);
	if (facts->is_valid)
		return facts;
	before = alterations;
	path = search_path_pin();
	facts->owner_rights = pg_class_aclmask(oid, table->rd_rel->relowner,
	                                       ACL_SELECT | ACL_INSERT | ACL_UPDATE, ACLMASK_ALL);
	for (int command = CMD_SELECT; command <= CMD_INSERT; command++)
		facts->is_bare[command] = nothing_hangs_on(table, layout, (CmdType) command);
	if (facts->is_bare[CMD_SELECT] && table->rd_rel->relkind == RELKIND_RELATION)
		compile_facts(facts, table, layout);
	search_path_unpin(path);
	facts->is_valid = alterations == before;
	return facts;
}

/*
 * Has the current user the rights that a statement needs?  Users other than the owner and
 * superusers are left to the statement.
 */
static bool
user_may(Relation table, const TableFacts *facts, CmdType command)
{
	AclMode needed = command == CMD_INSERT   ? ACL_INSERT
	                 : command == CMD_UPDATE ? ACL_SELECT | ACL_UPDATE
	                                         : ACL_SELECT;

	return (GetUserId() == table->rd_rel->relowner && (facts->owner_rights & needed) == needed) ||
	       superuser();
}

const TableFacts *
plain_facts(Relation parent, Relation heap, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = heap->rd_rel;
	const TableFacts *facts;
	const TableFacts *rights;

	Assert(CheckRelationLockedByMe(heap, AccessShareLock, true));
	Assert(parent == NULL || CheckRelationLockedByMe(parent, AccessShareLock, true));
	if (form->relkind != RELKIND_RELATION || form->relam != HEAP_TABLE_AM_OID ||
	    form->relhassubclass || form->relispartition != (parent != NULL))
		return NULL;
	facts = rights = table_facts(heap, layout);
	if (!facts->is_bare[command])
		return NULL;
	if (parent != NULL)
	{
		rights = table_facts(parent, layout);
		if (parent->rd_rel->relispartition || !rights->is_bare[command])
			return NULL;
	}
	return user_may(parent == NULL ? heap : parent, rights, command) ? facts : NULL;
}

bool
index_covers(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot *slot)
{
	Assert(facts->is_simple);
	return index->predicate == NULL || test_is_true(index->predicate, facts->expressions, slot);
}

/* Is the predicate that this smallint column is 0? */
static bool
is_column_zero(const List *predicate, int column)
{
	const OpExpr *equals = list_length(predicate) == 1 ? linitial(predicate) : NULL;
	const Var *left;
	const Const *right;

	if (equals == NULL || !IsA(equals, OpExpr) || list_length(equals->args) != 2 ||
	    get_opcode(equals->opno) != F_INT24EQ)
		return false;
	left = linitial(equals->args);
	right = lsecond(equals->args);
	return IsA(left, Var) && left->varattno == column && IsA(right, Const) && !right->constisnull &&
	       DatumGetInt32(right->constvalue) == 0;
}

Oid
second_index(const TableFacts *facts, const SecondKey *key)
{
	int count = key->id_column > 0 ? 2 : 1;

	for (int i = 0; facts->is_simple && i < facts->index_count; i++)
	{
		const SimpleIndex *index = &facts->indexes[i];
		const IndexInfo *info = index->info;

		if (index->is_ordered && info->ii_NumIndexAttrs == count &&
		    (count == 1 || info->ii_IndexAttrNumbers[0] == key->id_column) &&
		    info->ii_IndexAttrNumbers[count - 1] == key->time_column &&
		    is_column_zero(info->ii_Predicate, key->state_column))
			return index->oid;
	}
	return InvalidOid;
}

static bool
has_null(const TupleDesc columns, const TupleTableSlot *slot)
{
	for (int i = 0; i < columns->natts; i++)
	{
		if (slot->tts_isnull[i] && TupleDescAttr(columns, i)->attnotnull)
			return true;
	}
	return false;
}

bool
checks_pass(const TableFacts *facts, Relation heap, TupleTableSlot *slot, bool is_update)
{
	ListCell *cell;

	Assert(!TTS_EMPTY(slot) && facts->table == RelationGetRelid(heap));
	if (RelationGetDescr(heap)->constr == NULL)
		return true;
	if (!facts->has_usable_checks || has_null(RelationGetDescr(heap), slot))
		return false;
	foreach (cell, facts->checks)
	{
		const RowTest *test = lfirst(cell);

		if (!(is_update && test->is_fixed) && !test_is_not_false(test, facts->expressions, slot))
			return false;
	}
	return true;
}
