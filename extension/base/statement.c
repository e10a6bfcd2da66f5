/*
 * statement.c
 *		Statements that are planned once in a session, and their results.
 */
#include "base/statement.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "nodes/parsenodes.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/session.h"

/* One plan for all arguments: what differs is how many rows an array has. */
static void
prepare(Statement *statement)
{
	SPIPlanPtr plan = SPI_prepare_cursor(statement->sql, statement->argument_count,
	                                     statement->argument_types, CURSOR_OPT_GENERIC_PLAN);

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
	/* A rule of the user's that does nothing instead leaves a plan that does not notice its end. */
	if (result == SPI_OK_REWRITTEN)
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
}

/*
 * Every statement finds its rows by a key.  It is to do so however empty the tables are while it is
 * planned, since the plan stays while they grow, and whatever the session has set.
 */
static bool
planner_is_set(void)
{
	return enable_indexscan && enable_nestloop && !enable_seqscan && !enable_hashjoin &&
	       !enable_mergejoin && !jit_enabled;
}

/* The list of session.h, as far as it is about plans. */
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

/* Planned anew, it is while the plan's locks are taken: nobody can tell before. */
void
statement_run(Statement *statement, Datum *arguments, const char *nulls, bool read_only)
{
	int nest_level;

	if (planner_is_set())
	{
		execute(statement, arguments, nulls, read_only);
		return;
	}
	nest_level = NewGUCNestLevel();
	set_planner();
	execute(statement, arguments, nulls, read_only);
	AtEOXact_GUC(true, nest_level);
}

/* Read as something else a number could be any amount of money. */
static Datum
result_column(uint64 row, int column, Oid type, bool *is_null)
{
	Oid actual = SPI_gettypeid(SPI_tuptable->tupdesc, column);

	if (actual != type && !(actual == TIMESTAMPTZOID && type == INT8OID))
		elog(ERROR, "column %d of a statement's result is of type %u, not %u", column, actual,
		     type);
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
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("wrote " UINT64_FORMAT " rows to %s instead of %d", SPI_processed,
		                       table, count)));
}
