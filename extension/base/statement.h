/*
 * statement.h
 *		Statements that are planned once in a session, and their results.
 */
#ifndef PG_WALLET_STATEMENT_H
#define PG_WALLET_STATEMENT_H

#include "base/version.h"

#define STATEMENT_ARGUMENTS_MAX 24

/* A statement that is planned once in a session. */
typedef struct Statement
{
	const char *sql;
	int argument_count;
	Oid argument_types[STATEMENT_ARGUMENTS_MAX];
	struct _SPI_plan *plan;
} Statement;

/*
 * Runs the statement.  The caller has called SPI_connect.  While the statement is planned and
 * runs, the search_path and the planner's settings of session.h are in force, whatever the session
 * has set.  nulls: as for SPI_execute_plan; NULL: no argument is null.  read_only: uses the active
 * snapshot.
 */
extern void statement_run(Statement *statement, Datum *arguments, const char *nulls,
                          bool read_only);

/*
 * A column of a row of the last result, of type bigint or timestamptz, or of type text.  Rows
 * count from 0, columns from 1.  A null is returned as 0, or as "".
 */
extern int64 result_int64(uint64 row, int column);
extern const char *result_text(uint64 row, int column);

/*
 * Raises an error unless the last statement has written this many rows.  Money would be lost
 * silently if a trigger or a rule of a user's suppressed some of the rows.
 */
extern void result_expect(int count, const char *table);

/* Pushes a snapshot that sees what this transaction has written, as a new statement does. */
extern void push_new_snapshot(void);

#endif /* PG_WALLET_STATEMENT_H */
