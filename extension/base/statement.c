/*
 * statement.c
 *		Statements that are planned once in a session, and their results.
 */
#include "base/statement.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "nodes/parsenodes.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "base/search_path.h"
#include "base/session.h"

/* Plans the statement once for all arguments: arguments differ only in the length of arrays. */
static void
prepare(Statement *statement)
{
	SPIPlanPtr plan;

	Assert(statement->argument_count <= lengthof(statement->argument_types));
	plan = SPI_prepare_cursor(statement->sql, statement->argument_count, statement->argument_types,
	                          CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	statement->plan = plan;
}

static void
execute(Statement *statement, Datum *arguments, const char *nulls, bool read_only)
{
	int result;

	if (statement->plan == NULL)
		prepare(statement);
	result = SPI_execute_plan(statement->plan, arguments, nulls, read_only, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	/* When a user drops a rule DO INSTEAD NOTHING, PostgreSQL keeps a plan that was made with it.
	 */
	if (result == SPI_OK_REWRITTEN)
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
}

/*
 * Whether names mean what we mean by them, and the session's settings make the planner find rows
 * by a key.  Each statement must be planned that way even while the tables are empty, because the
 * plan is kept while the tables grow.
 */
static bool
planner_is_set(void)
{
	return enable_indexscan && enable_nestloop && !enable_seqscan && !enable_hashjoin &&
	       !enable_mergejoin && !jit_enabled && search_path_is_pinned();
}

/* Sets the settings of session.h that are for our statements, until the GUC nest level ends. */
static void
set_planner(void)
{
	static const SessionSetting settings[] = SESSION_SETTING_TABLE;

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (settings[i].who & SESSION_PLANNER)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
			                         PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
}

/*
 * SPI leaves its own memory context behind, which ends with SPI_finish(): what the caller makes
 * after a statement must last as long as what the caller has made before.
 *
 * The settings are in force for the execution too, and not only for prepare(): PostgreSQL may plan
 * the statement anew while it takes the plan's locks.
 */
void
statement_run(Statement *statement, Datum *arguments, const char *nulls, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	int nest_level;

	Assert(arguments != NULL || statement->argument_count == 0);
	Assert(!read_only || ActiveSnapshotSet());
	if (planner_is_set())
		execute(statement, arguments, nulls, read_only);
	else
	{
		nest_level = NewGUCNestLevel();
		set_planner();
		execute(statement, arguments, nulls, read_only);
		AtEOXact_GUC(true, nest_level);
	}
	MemoryContextSwitchTo(context);
}

/*
 * Raises an error when the column has another type than expected: read as another type, a number
 * could be any amount of money.
 */
static Datum
result_column(uint64 row, int column, Oid type, bool *is_null)
{
	Oid actual;

	Assert(SPI_tuptable != NULL && row < SPI_processed);
	Assert(column >= 1 && column <= SPI_tuptable->tupdesc->natts);
	actual = SPI_gettypeid(SPI_tuptable->tupdesc, column);
	if (actual != type && !(actual == TIMESTAMPTZOID && type == INT8OID))
		ereport(ERROR,
		        (errcode(ERRCODE_INTERNAL_ERROR),
		         errmsg("column %d of a statement's result has type %s instead of %s", column,
		                format_type_be(actual), format_type_be(type)),
		         errhint("Give the columns of the tables in schema wallet the types back that "
		                 "CREATE EXTENSION gave them.")));
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

int64
result_int64(uint64 row, int column)
{
	bool is_null;
	Datum value = result_column(row, column, INT8OID, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}

const char *
result_text(uint64 row, int column)
{
	bool is_null;
	Datum value = result_column(row, column, TEXTOID, &is_null);

	return is_null ? "" : TextDatumGetCString(value);
}

void
result_expect(int count, const char *table)
{
	if (SPI_processed != (uint64) count)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("wrote " UINT64_FORMAT " rows to %s instead of %d", SPI_processed, table,
		                count),
		         errhint("A trigger or a rule on %s may suppress rows.  Change it or drop it.",
		                 table)));
}

void
push_new_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}
