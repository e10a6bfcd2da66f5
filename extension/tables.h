/*
 * tables.h
 *		What is known of a table: whether it is as we have made it, and how to check a row.
 *
 * The caller has opened the table and locked it for what he is about to do.
 */
#ifndef PG_WALLET_TABLES_H
#define PG_WALLET_TABLES_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/nodes.h"
#include "rows.h"
#include "utils/rel.h"

/*
 * Is the table as we have made it, as far as it matters for reading and for this command?  The
 * parent is NULL, or partitioned, with the table as a partition.
 */
extern bool table_is_plain(Relation parent, Relation heap, const RowLayout *layout,
                           CmdType command);

/* Of a plain table: is no constraint checked at the end of a transaction, by a trigger's queue? */
extern bool indexes_are_immediate(Relation heap, const RowLayout *layout);

/* Of a plain table: are all indexes on nothing but columns that an update leaves as they are? */
extern bool indexes_are_fixed(Relation heap, const RowLayout *layout);

/*
 * Does the row meet the table's NOT NULL and CHECK constraints, for sure?  When not,
 * ExecConstraints finds out which one is broken, if any, and says so.
 */
extern bool checks_pass(Relation heap, const RowLayout *layout, EState *estate,
                        TupleTableSlot *slot);

#endif /* PG_WALLET_TABLES_H */
