/*
 * result.h
 *		Rows that functions return, of composite types that somebody may have altered.
 */
#ifndef PG_WALLET_RESULT_H
#define PG_WALLET_RESULT_H

#include "base/version.h"

#include "access/htup.h"
#include "access/tupdesc.h"

/*
 * Makes a row of these columns.  types are the types that CREATE TYPE gave the first count
 * columns. When a user has changed a column's type since, the value is converted as PL/pgSQL
 * converts an assignment, with an error when it cannot be.  Dropped columns and columns that a
 * user has added are null.
 */
extern HeapTuple result_row(TupleDesc columns, const Oid *types, int count, Datum *values,
                            bool *nulls);

/* Whether the row type still has exactly the columns that CREATE TYPE gave it. */
extern bool result_is_as_made(TupleDesc columns, const Oid *types, int count);

#endif /* PG_WALLET_RESULT_H */
