/*
 * checks.c
 *		Expressions on the columns of a row.
 *
 * The executor takes 180 instructions for a comparison of a column, and 280 for the predicate of a
 * partial index.  Nearly all of our constraints and predicates compare whole numbers or ask
 * whether a column is null, so these are done here: see docs/posting.md, "Rows without
 * statements".
 *
 * Locking: none.
 */
#include "tables/checks.h"

#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

/* The strategy of <>, which B-trees do not have. */
#define STRATEGY_NOT_EQUAL InvalidStrategy

static bool
is_foreign_function(Oid function, void *argument)
{
	return function >= FirstGenbkiObjectId;
}

/* Do the functions for the type's values come with PostgreSQL, and depend on the values alone? */
static bool
is_plain_type(Oid type)
{
	Oid element = get_element_type(type);

	switch (OidIsValid(element) ? element : type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case TEXTOID:
		case JSONBOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

/* Does a function of somebody's run, or may one run for values of the type of a part? */
static bool
calls_foreign_function(Node *node, void *argument)
{
	return node != NULL &&
	       ((!IsA(node, List) && !IsA(node, CaseWhen) && !is_plain_type(exprType(node))) ||
	        check_functions_in_node(node, is_foreign_function, NULL) ||
	        expression_tree_walker(node, calls_foreign_function, argument));
}

bool
expression_is_usable(Node *expression)
{
	return !calls_foreign_function(expression, NULL) && !contain_mutable_functions(expression);
}

/* The bytes of a whole number of this type; 0 for another type. */
static int16
whole_number_length(Oid type)
{
	return type == INT8OID   ? sizeof(int64)
	       : type == INT4OID ? sizeof(int32)
	       : type == INT2OID ? sizeof(int16)
	                         : 0;
}

static int64
whole_number(Datum value, int16 length)
{
	return length == sizeof(int64)   ? DatumGetInt64(value)
	       : length == sizeof(int32) ? DatumGetInt32(value)
	                                 : DatumGetInt16(value);
}

/* Which comparison of whole numbers is the operator?  False for another operator. */
static bool
find_strategy(Oid operator, int * strategy)
{
	*strategy = get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID);
	if (*strategy != InvalidStrategy)
		return true;
	*strategy = STRATEGY_NOT_EQUAL;
	operator= get_negator(operator);
	return OidIsValid(operator) &&
	       get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID) == BTEqualStrategyNumber;
}

/* Is it a comparison of a column with a column or a constant, of whole numbers? */
static bool
compile_comparison(const OpExpr *operation, RowTest *test)
{
	const Var *left = linitial(operation->args);
	const Expr *right;

	if (list_length(operation->args) != 2 || !IsA(left, Var) || left->varattno <= 0 ||
	    !find_strategy(operation->opno, &test->strategy))
		return false;
	right = lsecond(operation->args);
	test->left = left->varattno;
	test->left_length = whole_number_length(left->vartype);
	test->right_length = whole_number_length(exprType((const Node *) right));
	if (test->left_length == 0 || test->right_length == 0)
		return false;
	if (IsA(right, Var))
		test->right = ((const Var *) right)->varattno;
	else if (IsA(right, Const) && !((const Const *) right)->constisnull)
		test->constant = whole_number(((const Const *) right)->constvalue, test->right_length);
	else
		return false;
	return test->right >= 0;
}

static bool
compile_not_null(const NullTest *question, RowTest *test)
{
	const Var *column = (const Var *) question->arg;

	if (question->nulltesttype != IS_NOT_NULL || question->argisrow || !IsA(column, Var))
		return false;
	test->left = column->varattno;
	return test->left > 0;
}

/* Does the expression name columns alone that no update of ours changes? */
static bool
names_fixed_columns(Node *expression, const RowLayout *layout)
{
	Bitmapset *names = NULL;
	int name = -1;

	pull_varattnos(expression, 1, &names);
	while ((name = bms_next_member(names, name)) >= 0)
	{
		int column = name + FirstLowInvalidHeapAttributeNumber;

		if (column <= 0 || column > layout->column_count ||
		    layout->columns[column - 1].changes != 0)
			return false;
	}
	return true;
}

RowTest *
test_compile(const RowLayout *layout, Expr *expression)
{
	RowTest *test = palloc0(sizeof(RowTest));

	expression = expression_planner(expression);
	test->is_fixed = names_fixed_columns((Node *) expression, layout);
	if (IsA(expression, OpExpr) && compile_comparison((OpExpr *) expression, test))
		test->type = TEST_COMPARISON;
	else if (IsA(expression, NullTest) && compile_not_null((NullTest *) expression, test))
		test->type = TEST_NOT_NULL;
	else
	{
		test->type = TEST_EXPRESSION;
		test->expression = ExecInitExpr(expression, NULL);
	}
	return test;
}

static bool
compare(int64 left, int strategy, int64 right)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return left < right;
		case BTLessEqualStrategyNumber:
			return left <= right;
		case BTEqualStrategyNumber:
			return left == right;
		case BTGreaterEqualStrategyNumber:
			return left >= right;
		case BTGreaterStrategyNumber:
			return left > right;
		default:
			Assert(strategy == STRATEGY_NOT_EQUAL);
			return left != right;
	}
}

static bool
evaluate_comparison(const RowTest *test, TupleTableSlot *slot, bool *is_null)
{
	bool right_is_null = false;
	int64 left = whole_number(slot_getattr(slot, test->left, is_null), test->left_length);
	int64 right = test->right == 0 ? test->constant
	                               : whole_number(slot_getattr(slot, test->right, &right_is_null),
	                                              test->right_length);

	*is_null |= right_is_null;
	return compare(left, test->strategy, right);
}

static bool
evaluate(const RowTest *test, ExprContext *context, TupleTableSlot *slot, bool *is_null)
{
	bool result;

	if (test->type == TEST_COMPARISON)
		return evaluate_comparison(test, slot, is_null);
	if (test->type == TEST_NOT_NULL)
	{
		(void) slot_getattr(slot, test->left, &result);
		*is_null = false;
		return !result;
	}
	context->ecxt_scantuple = slot;
	result = DatumGetBool(ExecEvalExprSwitchContext(test->expression, context, is_null));
	ResetExprContext(context);
	return result;
}

bool
test_is_true(const RowTest *test, ExprContext *context, TupleTableSlot *slot)
{
	bool is_null;
	bool result = evaluate(test, context, slot, &is_null);

	return result && !is_null;
}

bool
test_is_not_false(const RowTest *test, ExprContext *context, TupleTableSlot *slot)
{
	bool is_null;
	bool result = evaluate(test, context, slot, &is_null);

	return result || is_null;
}
