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
 * A row of these columns, whose types are those that CREATE TYPE gave the first count of them.  By
 * now some may have been dropped, or may have got another type or type modifier, and others may
 * have come after them: a value becomes one of its column's present type, as an assignment in
 * PL/pgSQL makes it, with an error where it is none; columns of somebody's own are null.
 */
extern HeapTuple result_row(TupleDesc columns, const Oid *types, int count, Datum *values,
                            bool *nulls);

/* Has the row type just these columns, so that a row of theirs is one of its? */
extern bool result_is_as_made(TupleDesc columns, const Oid *types, int count);

#endif /* PG_WALLET_RESULT_H */
