/*
 * statement.h
 *		Statements that are planned once in a session, and their results.
 */
#ifndef PG_WALLET_STATEMENT_H
#define PG_WALLET_STATEMENT_H

#include "base/version.h"

/* A statement that is planned once in a session. */
typedef struct Statement
{
	const char *sql;
	int argument_count;
	Oid argument_types[12];
	struct _SPI_plan *plan;
} Statement;

/*
 * Run it, inside SPI_connect.  A session that plans as session.h says makes it do so with nothing
 * to change.  nulls may be NULL.  read_only: with the snapshot that is active. */
extern void statement_run(Statement *statement, Datum *arguments, const char *nulls,
                          bool read_only);

/* Columns of the result's row, bigint or timestamptz and text; null reads as 0 or "". */
extern int64 result_int64(uint64 row, int column);
extern const char *result_text(uint64 row, int column);

/*
 * The statement has written this many rows, or an error is raised: a trigger or a rule that
 * swallows rows of ours would lose money without a word.
 */
extern void result_expect(int count, const char *table);

#endif /* PG_WALLET_STATEMENT_H */
