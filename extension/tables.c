/*
 * tables.c
 *		What is known of a table: whether it is as we have made it, and how to check a row.
 *
 * The executor finds that out in each statement: it looks at triggers and indexes, and reads and
 * compiles the CHECK expressions.  For a payment of its own that is a tenth of all the work, so
 * here it is done once in a session, and again after the table was altered.  Only functions that
 * come with PostgreSQL are trusted to stay what they are: a table with a constraint that calls
 * another one is left to the executor.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "tables.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static HTAB *cache;

/* How often we have heard that a table was altered. */
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

static bool
nothing_hangs_on(Relation table, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = table->rd_rel;

	return !form->relhasrules && !form->relrowsecurity && columns_are_ours(table, layout) &&
	       (command == CMD_SELECT || triggers_allow(table, command));
}

static bool
is_foreign_function(Oid function, void *argument)
{
	return function >= FirstGenbkiObjectId;
}

static bool
calls_foreign_function(Node *node, void *argument)
{
	return node != NULL &&
	       (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_foreign_function, NULL) ||
	        expression_tree_walker(node, calls_foreign_function, argument));
}

/* Does the expression depend on nothing but the row? */
static bool
is_usable(Node *expression)
{
	return !calls_foreign_function(expression, NULL) && !contain_mutable_functions(expression);
}

static bool
index_is_simple(const IndexInfo *info)
{
	return info->ii_Am == BTREE_AM_OID && info->ii_Expressions == NIL &&
	       info->ii_ExclusionOps == NULL && is_usable((Node *) info->ii_Predicate);
}

/* Is the simple index on nothing but columns that an update leaves as they are? */
static bool
index_is_fixed(const IndexInfo *info, const RowLayout *layout)
{
	if (info->ii_Predicate != NIL)
		return false;
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		AttrNumber column = info->ii_IndexAttrNumbers[i];

		if (column <= 0 || !layout->columns[column - 1].is_fixed)
			return false;
	}
	return true;
}

/* Look at all indexes, and compile their predicates. */
static void
look_at_indexes(TableFacts *facts, Relation heap, const RowLayout *layout)
{
	List *oids = RelationGetIndexList(heap);
	ListCell *cell;

	facts->is_immediate = facts->is_simple = facts->is_fixed = true;
	facts->index_count = 0;
	facts->indexes = palloc(sizeof(SimpleIndex) * list_length(oids));
	foreach (cell, oids)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		SimpleIndex *simple = &facts->indexes[facts->index_count++];

		*simple = (SimpleIndex){.oid = lfirst_oid(cell), .info = BuildIndexInfo(index)};
		facts->is_immediate = facts->is_immediate && index->rd_index->indimmediate;
		facts->is_simple = facts->is_simple && index_is_simple(simple->info);
		facts->is_fixed =
		    facts->is_simple && facts->is_fixed && index_is_fixed(simple->info, layout);
		if (facts->is_simple && simple->info->ii_Predicate != NIL)
			simple->predicate = ExecInitQual(
			    (List *) expression_planner((Expr *) simple->info->ii_Predicate), NULL);
		index_close(index, NoLock);
	}
	list_free(oids);
}

/* Read and compile the CHECK expressions. */
static void
compile_checks(TableFacts *facts, const TupleConstr *constraints)
{
	facts->checks = NIL;
	facts->has_usable_checks = true;
	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		Expr *expression = stringToNode(constraints->check[i].ccbin);

		if (is_usable((Node *) expression))
			facts->checks =
			    lappend(facts->checks, ExecInitExpr(expression_planner(expression), NULL));
		else
			facts->has_usable_checks = false;
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
	look_at_indexes(facts, table, layout);
	compile_checks(facts, RelationGetDescr(table)->constr);
	facts->expressions = CreateStandaloneExprContext();
	MemoryContextSwitchTo(before);
}

/*
 * The caller has locked the table.  What is altered nevertheless while this looks (an index that is
 * being made concurrently) waits for him before it matters, and is looked at the next time.
 */
const TableFacts *
table_facts(Relation table, const RowLayout *layout)
{
	Oid oid = RelationGetRelid(table);
	TableFacts *facts;
	uint64 before;
	bool found;

	if (cache == NULL)
		make_cache();
	facts = hash_search(cache, &oid, HASH_ENTER, &found);
	if (!found)
		*facts = (TableFacts){.table = oid};
	if (facts->is_valid)
		return facts;
	before = alterations;
	for (int command = CMD_SELECT; command <= CMD_INSERT; command++)
		facts->is_bare[command] = nothing_hangs_on(table, layout, (CmdType) command);
	if (facts->is_bare[CMD_SELECT] && table->rd_rel->relkind == RELKIND_RELATION)
		compile_facts(facts, table, layout);
	facts->is_valid = alterations == before;
	return facts;
}

bool
table_is_plain(Relation parent, Relation heap, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = heap->rd_rel;

	return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
	       !form->relhassubclass && form->relispartition == (parent != NULL) &&
	       table_facts(heap, layout)->is_bare[command] &&
	       (parent == NULL ||
	        (!parent->rd_rel->relispartition && table_facts(parent, layout)->is_bare[command]));
}

bool
index_covers(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot *slot)
{
	bool covers;

	if (index->predicate == NULL)
		return true;
	facts->expressions->ecxt_scantuple = slot;
	covers = ExecQual(index->predicate, facts->expressions);
	ResetExprContext(facts->expressions);
	return covers;
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
checks_pass(const TableFacts *facts, Relation heap, TupleTableSlot *slot)
{
	ListCell *cell;
	bool pass = true;

	if (RelationGetDescr(heap)->constr == NULL)
		return true;
	if (!facts->has_usable_checks || has_null(RelationGetDescr(heap), slot))
		return false;
	facts->expressions->ecxt_scantuple = slot;
	foreach (cell, facts->checks)
		pass = pass && ExecCheck(lfirst(cell), facts->expressions);
	ResetExprContext(facts->expressions);
	return pass;
}
