/*
 * checks.h
 *		A table's constraints on single rows, ready to be checked again and again.
 */
#ifndef PG_WALLET_CHECKS_H
#define PG_WALLET_CHECKS_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

/*
 * Does the row meet the table's NOT NULL and CHECK constraints, for sure?  When not,
 * ExecConstraints finds out which one is broken, if any, and says so.
 */
extern bool checks_pass(Relation heap, EState *estate, TupleTableSlot *slot);

#endif /* PG_WALLET_CHECKS_H */
