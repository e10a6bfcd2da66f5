/*
 * statements.h
 *		What each function is in SQL: the prepared statement, and the parameters of a batch.
 */
#ifndef WALLET_SHIM_STATEMENTS_H
#define WALLET_SHIM_STATEMENTS_H

#include "db/state.h"

/* The name of a function's prepared statement. */
const char *statement_name(DbFunction function);

/*
 * Sends what prepares the statements of the connection's role.  schema is that of the extension's
 * functions, quoted.  False when libpq refuses.
 */
bool statements_prepare(Db *db, const char *schema);

/* Sends a batch with items; false when libpq refuses, or when there is no memory. */
bool statements_send(Db *db, const DbBatch *batch);

#endif /* WALLET_SHIM_STATEMENTS_H */
