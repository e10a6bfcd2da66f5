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

typedef struct TableFacts
{
	Oid table; /* the key */
	bool is_valid;
	bool is_bare[CMD_INSERT + 1]; /* nothing hangs on it that is only done in such a statement */
	bool is_immediate;
	bool is_fixed;
	bool has_usable_checks;
	List *checks;          /* of ExprState */
	MemoryContext context; /* of the checks; NULL before there were any */
} TableFacts;

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

/* Is the index on nothing but columns that an update leaves as they are? */
static bool
index_is_fixed(const IndexInfo *info, const RowLayout *layout)
{
	if (info->ii_Expressions != NIL || info->ii_Predicate != NIL || info->ii_ExclusionOps != NULL ||
	    info->ii_Am != BTREE_AM_OID)
		return false;
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		AttrNumber column = info->ii_IndexAttrNumbers[i];

		if (column <= 0 || !layout->columns[column - 1].is_fixed)
			return false;
	}
	return true;
}

static void
look_at_indexes(TableFacts *facts, Relation heap, const RowLayout *layout)
{
	List *oids = RelationGetIndexList(heap);
	ListCell *cell;

	facts->is_immediate = facts->is_fixed = true;
	foreach (cell, oids)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		facts->is_immediate = facts->is_immediate && index->rd_index->indimmediate;
		facts->is_fixed = facts->is_fixed && index_is_fixed(BuildIndexInfo(index), layout);
		index_close(index, NoLock);
	}
	list_free(oids);
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

/* Read and compile the CHECK expressions. */
static void
compile_checks(TableFacts *facts, const TupleConstr *constraints)
{
	MemoryContext before;

	if (facts->context == NULL)
		facts->context =
		    AllocSetContextCreate(CacheMemoryContext, "pg_wallet checks", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(facts->context);
	before = MemoryContextSwitchTo(facts->context);
	facts->checks = NIL;
	facts->has_usable_checks = true;
	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		Expr *expression = stringToNode(constraints->check[i].ccbin);

		if (calls_foreign_function((Node *) expression, NULL) ||
		    contain_mutable_functions((Node *) expression))
			facts->has_usable_checks = false;
		else
			facts->checks =
			    lappend(facts->checks, ExecInitExpr(expression_planner(expression), NULL));
	}
	MemoryContextSwitchTo(before);
}

/*
 * The caller has locked the table.  What is altered nevertheless while this looks (an index that is
 * being made concurrently) waits for him before it matters, and is looked at the next time.
 */
static const TableFacts *
facts_of(Relation table, const RowLayout *layout)
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
	{
		look_at_indexes(facts, table, layout);
		compile_checks(facts, RelationGetDescr(table)->constr);
	}
	facts->is_valid = alterations == before;
	return facts;
}

bool
table_is_plain(Relation parent, Relation heap, const RowLayout *layout, CmdType command)
{
	const FormData_pg_class *form = heap->rd_rel;

	return form->relkind == RELKIND_RELATION && form->relam == HEAP_TABLE_AM_OID &&
	       !form->relhassubclass && form->relispartition == (parent != NULL) &&
	       facts_of(heap, layout)->is_bare[command] &&
	       (parent == NULL ||
	        (!parent->rd_rel->relispartition && facts_of(parent, layout)->is_bare[command]));
}

bool
indexes_are_immediate(Relation heap, const RowLayout *layout)
{
	return facts_of(heap, layout)->is_immediate;
}

bool
indexes_are_fixed(Relation heap, const RowLayout *layout)
{
	return facts_of(heap, layout)->is_fixed;
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
checks_pass(Relation heap, const RowLayout *layout, EState *estate, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(estate);
	const TableFacts *facts;
	ListCell *cell;

	if (heap->rd_att->constr == NULL)
		return true;
	facts = facts_of(heap, layout);
	if (!facts->has_usable_checks || has_null(RelationGetDescr(heap), slot))
		return false;
	context->ecxt_scantuple = slot;
	foreach (cell, facts->checks)
	{
		if (!ExecCheck(lfirst(cell), context))
			return false;
	}
	return true;
}
