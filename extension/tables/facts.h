/*
 * facts.h
 *		What is known of a table: whether it is as we have made it, and how to check a row.
 *
 * The caller has opened the table and locked it for what he is about to do.
 */
#ifndef PG_WALLET_FACTS_H
#define PG_WALLET_FACTS_H

#include "base/version.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "utils/rel.h"

#include "tables/layout.h"

/* An index whose entries the row's columns alone tell: a B-tree on columns, maybe of some rows. */
typedef struct SimpleIndex
{
	Oid oid;
	IndexInfo *info;
	ExprState *predicate; /* NULL: there is an entry for every row */
} SimpleIndex;

typedef struct TableFacts
{
	Oid table; /* the key */
	bool is_valid;
	AclMode owner_rights;         /* of those that statements need */
	Oid key_index;                /* the primary key, on the first column alone; else InvalidOid */
	bool is_bare[CMD_INSERT + 1]; /* nothing hangs on it that is only done in such a statement */
	bool is_immediate;            /* no constraint is checked at the end of a transaction */
	bool is_simple;               /* all indexes are simple */
	bool is_fixed;                /* and on nothing but columns that an update leaves as they are */
	int index_count;
	SimpleIndex *indexes; /* when simple */
	bool has_usable_checks;
	List *checks;             /* of ExprState */
	ExprContext *expressions; /* what checks and predicates are evaluated in */
	MemoryContext context;    /* of all that is compiled; NULL before anything was */
} TableFacts;

/*
 * What is known of a table, when the table is as we have made it, as far as it matters for reading
 * and for this command, and the user whose rights are in force may do what the statement would do;
 * else NULL.  The parent is NULL, or partitioned, with the table as a partition.  What each
 * alteration means stands in facts.c.
 *
 * It stays true as long as the table is locked, and in place until the table is opened the next
 * time.
 */
extern const TableFacts *plain_facts(Relation parent, Relation heap, const RowLayout *layout,
                                     CmdType command);

/* Is the row one of those that the index has entries for? */
extern bool index_covers(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot *slot);

/*
 * Does the row meet the table's NOT NULL and CHECK constraints, for sure?  When not,
 * ExecConstraints finds out which one is broken, if any, and says so.
 */
extern bool checks_pass(const TableFacts *facts, Relation heap, TupleTableSlot *slot);

#endif /* PG_WALLET_FACTS_H */
