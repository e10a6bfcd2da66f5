/*
 * relations.h
 *		The tables of the schema wallet by their names.
 */
#ifndef PG_WALLET_RELATIONS_H
#define PG_WALLET_RELATIONS_H

#include "base/version.h"

#include "access/skey.h"

/*
 * Whether another open transaction has inserted a row with these keys into a table of the schema
 * wallet.  columns names the key's columns, keys has one key for each of them, in the same order.
 * Uses the unique index on these columns, whatever its name; false when there is none.
 */
extern bool index_entry_is_busy(const char *table, const char *const *columns, ScanKeyData *keys,
                                int key_count);

/* The oid of a table of the schema wallet; raises an error when there is no such table. */
extern Oid wallet_relation(const char *relation);

/*
 * Locks a table of the schema wallet and its indexes for reading until the end of the transaction.
 * Returns false instead of waiting for another transaction.
 */
extern bool relation_lock_at_once(const char *relation);

#endif /* PG_WALLET_RELATIONS_H */
