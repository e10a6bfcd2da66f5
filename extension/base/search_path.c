/*
 * search_path.c
 *		The search_path of code that runs with the owner's rights.
 *
 * SET search_path in a function's definition costs 10,800 instructions a call: a sixth of what a
 * direct payment needs.  So the functions that are called most have no such clause:
 * wallet_transfer, wallet_deposit, wallet_withdraw, wallet_hold, wallet_capture, wallet_void,
 * wallet_enqueue, wallet_enqueue_many, wallet_enqueue_utf8 and wallet_lookup_many.  They run with
 * the caller's search_path, and pin it only around what the search_path can matter for.  This
 * comment lists all that these functions do on their way.
 *
 * Behind a pin, because functions of somebody's may run:
 *
 * - statement_run: all statements, with the triggers, rules and foreign keys that they fire, and
 *   with their planning (SESSION_PLANNER)
 * - writer_begin to release (rows.c): CHECK constraints that facts.c does not evaluate by itself;
 *   indexes on expressions, of other access methods, and of operator classes of somebody's
 * - table_facts, and a writer again: what the server evaluates when it reads the expressions and
 *   the predicates of indexes, because it does not depend on the row
 * - is_partitioned_by_key: the same for the key of a partitioned table
 * - result_row: the input of a type that somebody has given to an attribute of a result, with the
 *   constraints of domains
 *
 * Without a pin, because the search_path makes no difference:
 *
 * - Tables, indexes, sequences, partitions and enum values are found by oid, or by schema and name.
 * - Rows that are read and written without a statement pass through heap and B-tree, which call
 *   comparison functions of PostgreSQL's own (key_index, index_is_simple, index_has_columns).
 * - CHECK constraints and predicates that facts.c evaluates have nothing but functions and types
 *   of PostgreSQL's own, and depend on the row alone (is_usable).
 * - The row filters of a publication and the predicate of an index that index_has_columns reads are
 *   not evaluated.
 * - A conversion between encodings is looked for in pg_catalog (FindDefaultConversion).
 * - format_type_be, which makes the texts of statements (map.c), may or may not write "pg_catalog."
 *   before a type.  Where the text is parsed, it means the same.
 * - Arguments, JSON, numbers, HMAC, SHA-256, locks, hints, claims and ids are C alone.  The words
 *   of an error show a type or an index with or without its schema.
 *
 * Not ours to pin: what runs at the commit (deferred constraint triggers), which no SET of a
 * function's reaches either, and the C code of other libraries' hooks.
 *
 * An error ends the pin, as it ends a SET: the abort of the transaction or of the subtransaction
 * closes its GUC nest levels.  test/pgtap/hostile.sql and hostile_tables.sql set traps for all
 * this.
 */
#include "base/search_path.h"

#include "catalog/namespace.h"
#include "utils/guc.h"

#define PINNED_PATH "pg_catalog, pg_temp"

bool
search_path_is_pinned(void)
{
	return strcmp(namespace_search_path, PINNED_PATH) == 0;
}

int
search_path_pin(void)
{
	int level;

	if (search_path_is_pinned())
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", PINNED_PATH, PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
search_path_unpin(int level)
{
	if (level > 0)
		AtEOXact_GUC(true, level);
}
