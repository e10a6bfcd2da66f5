/*
 * facts.h
 *		What is known of a table: whether it is as we have made it, and how to check a row.
 *
 * The caller has opened the table, with the lock that its statement would take.
 */
#ifndef PG_WALLET_FACTS_H
#define PG_WALLET_FACTS_H

#include "base/version.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/nodes.h"
#include "access/tupdesc.h"
#include "nodes/parsenodes.h"
#include "utils/rel.h"

#include "tables/checks.h"
#include "tables/form.h"
#include "tables/layout.h"

/* The most keys of an entry that runs.h makes. */
#define RUN_KEYS_MAX 2

/* An index whose entries the row's columns alone tell: a B-tree on columns, maybe of some rows. */
typedef struct SimpleIndex
{
	Oid oid;
	IndexInfo *info;
	RowTest *predicate; /* NULL: there is an entry for every row */
	int run_keys; /* of how many numbers its entries consist, where runs.h can make them; else 0 */
	bool is_ordered; /* a scan finds all its rows in the usual order of whole numbers and times */
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
	bool is_fixed;                /* and the unique ones on columns that an update leaves alone */
	TupleDesc columns;            /* as those of the table, and nobody counts who refers to them */
	RowForm form;                 /* how rows are made of the columns */
	int index_count;
	SimpleIndex *indexes; /* when simple */
	bool has_usable_checks;
	List *checks;             /* of RowTest */
	ExprContext *expressions; /* what checks and predicates are evaluated in */
	MemoryContext context;    /* of all that is compiled; NULL before anything was */
} TableFacts;

/*
 * Returns what is known of a table.  Returns NULL where a statement has to do the work: a user has
 * altered the table in a way that matters for reading or for this command (facts.c lists the
 * alterations), or the current user has not the rights that the statement needs.  The parent is
 * NULL, or the partitioned table whose partition the table is.
 *
 * The facts stay true while the table is locked.  The memory is valid until the table is opened
 * again.
 */
extern const TableFacts *plain_facts(Relation parent, Relation heap, const RowLayout *layout,
                                     CmdType command);

/* Returns the index on this key, as CREATE EXTENSION has made it; InvalidOid where there is none.
 */
extern Oid second_index(const TableFacts *facts, const SecondKey *key);

/* Is the row one of those that the index has entries for? */
extern bool index_covers(const TableFacts *facts, const SimpleIndex *index, TupleTableSlot *slot);

/*
 * Does the row certainly meet the NOT NULL and CHECK constraints of the table?  If not, the caller
 * calls ExecConstraints(), which raises an error when a constraint is broken.  The row of an
 * update differs from the one before in columns alone that the layout lets an update change.
 */
extern bool checks_pass(const TableFacts *facts, Relation heap, TupleTableSlot *slot,
                        bool is_update);

#endif /* PG_WALLET_FACTS_H */
