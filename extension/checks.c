/*
 * checks.c
 *		A table's constraints on single rows, ready to be checked again and again.
 *
 * The executor reads and compiles the CHECK expressions of a table in each statement that writes
 * there.  For a payment of its own that is a tenth of all the work, so here they are compiled
 * once in a session, and again after the table was altered.  Only functions that come with
 * PostgreSQL are trusted to stay what they are: a table with a constraint that calls another one
 * is left to the executor.
 */
#include "postgres.h"

#include "access/transam.h"
#include "checks.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

typedef struct Checks
{
	Oid table; /* the key */
	bool is_valid;
	bool is_usable;
	MemoryContext context; /* of the expressions; NULL before there were any */
	List *expressions;     /* of ExprState */
} Checks;

static HTAB *cache;

static void
forget(Datum argument, Oid table)
{
	HASH_SEQ_STATUS all;
	Checks *checks;

	hash_seq_init(&all, cache);
	while ((checks = hash_seq_search(&all)) != NULL)
	{
		if (!OidIsValid(table) || checks->table == table)
			checks->is_valid = false;
	}
}

static void
make_cache(void)
{
	HASHCTL layout = {.keysize = sizeof(Oid), .entrysize = sizeof(Checks)};

	cache = hash_create("pg_wallet checks", 16, &layout, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(forget, (Datum) 0);
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

/* Read and compile the expressions of a table, in the current memory context. */
static void
compile(Checks *checks, const TupleConstr *constraints)
{
	checks->expressions = NIL;
	checks->is_usable = true;
	for (int i = 0; i < constraints->num_check; i++)
	{
		Expr *expression = stringToNode(constraints->check[i].ccbin);

		if (calls_foreign_function((Node *) expression, NULL) ||
		    contain_mutable_functions((Node *) expression))
			checks->is_usable = false;
		else
			checks->expressions =
			    lappend(checks->expressions, ExecInitExpr(expression_planner(expression), NULL));
	}
}

static const Checks *
find_checks(Relation heap)
{
	Oid table = RelationGetRelid(heap);
	MemoryContext before;
	Checks *checks;
	bool found;

	if (cache == NULL)
		make_cache();
	checks = hash_search(cache, &table, HASH_ENTER, &found);
	if (!found)
		*checks = (Checks){.table = table};
	if (checks->is_valid)
		return checks;
	if (checks->context == NULL)
		checks->context =
		    AllocSetContextCreate(CacheMemoryContext, "pg_wallet checks", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(checks->context);
	before = MemoryContextSwitchTo(checks->context);
	compile(checks, heap->rd_att->constr);
	MemoryContextSwitchTo(before);
	/* The caller has locked the table, so that nobody can have altered it meanwhile. */
	checks->is_valid = true;
	return checks;
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
checks_pass(Relation heap, EState *estate, TupleTableSlot *slot)
{
	ExprContext *context = GetPerTupleExprContext(estate);
	const Checks *checks;
	ListCell *cell;

	if (heap->rd_att->constr == NULL)
		return true;
	checks = find_checks(heap);
	if (!checks->is_usable || has_null(RelationGetDescr(heap), slot))
		return false;
	context->ecxt_scantuple = slot;
	foreach (cell, checks->expressions)
	{
		if (!ExecCheck(lfirst(cell), context))
			return false;
	}
	return true;
}
