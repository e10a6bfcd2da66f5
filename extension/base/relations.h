/*
 * relations.h
 *		The tables of the schema wallet by their names.
 */
#ifndef PG_WALLET_RELATIONS_H
#define PG_WALLET_RELATIONS_H

#include "base/version.h"

#include "access/skey.h"

/*
 * Is another open transaction inserting a row with these keys into a table of the schema wallet,
 * whose columns of these names have a unique index?  The keys are in the order of the columns;
 * false where there is no such index, whatever it is called.
 */
extern bool index_entry_is_busy(const char *table, const char *const *columns, ScanKeyData *keys,
                                int key_count);

/* A table of the schema wallet by name; an error when the extension is absent. */
extern Oid wallet_relation(const char *relation);

/*
 * Lock such a table and its indexes for reading until the end of the transaction; false where that
 * would have to wait for another transaction.
 */
extern bool relation_lock_at_once(const char *relation);

#endif /* PG_WALLET_RELATIONS_H */
