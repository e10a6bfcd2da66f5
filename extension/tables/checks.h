/*
 * checks.h
 *		Expressions on the columns of a row: CHECK constraints, and predicates of indexes.
 */
#ifndef PG_WALLET_CHECKS_H
#define PG_WALLET_CHECKS_H

#include "base/version.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "tables/layout.h"

/* Does the expression depend on nothing but the row, and on functions that come with PostgreSQL? */
extern bool expression_is_usable(Node *expression);

/* A usable expression, compiled.  The simplest are compared here, which spares the executor. */
typedef struct RowTest
{
	enum
	{
		TEST_EXPRESSION, /* by the executor */
		TEST_COMPARISON, /* of two whole numbers */
		TEST_NOT_NULL    /* left IS NOT NULL */
	} type;
	ExprState *expression; /* of TEST_EXPRESSION */
	AttrNumber left;       /* the columns that are compared; right 0: with the constant */
	AttrNumber right;
	int16 left_length; /* bytes */
	int16 right_length;
	int64 constant;
	int strategy;  /* of a B-tree; 0: <> */
	bool is_fixed; /* all updates leave it as it is, as its columns */
} RowTest;

/* Compiles a usable expression, in the current memory context. */
extern RowTest *test_compile(const RowLayout *layout, Expr *expression);

/* Is it certainly true, or certainly not false, of the row in the slot?  A null is neither. */
extern bool test_is_true(const RowTest *test, ExprContext *context, TupleTableSlot *slot);
extern bool test_is_not_false(const RowTest *test, ExprContext *context, TupleTableSlot *slot);

#endif /* PG_WALLET_CHECKS_H */
