/*
 * apart.h
 *		One step for many items, of which one may fail without failing the others.
 */
#ifndef PG_WALLET_APART_H
#define PG_WALLET_APART_H
#include "base/version.h"

#include "base/refusal.h"

/* Does something for the items from first to first + count - 1. */
typedef void (*ApartStep)(void *items, int first, int count);

/* Refuses one item, because the step has failed for this item alone. */
typedef void (*ApartRefusal)(void *items, int item, const ErrorData *error);

/*
 * Runs step for all items, in a subtransaction.  When the step raises an error, the subtransaction
 * is rolled back, undo takes back what the step has noted in memory, and the step runs for each
 * half of the items.  An item that fails alone is refused.  An error that is about no item is
 * raised again: a cancelled statement, a lock timeout, a deadlock, or FAILURES_MAX errors of the
 * server.
 */
extern void run_apart(void *items, int count, ApartStep step, ApartStep undo, ApartRefusal refuse);

/*
 * Whether a user has changed a table so that it may refuse a correct row.  The table was made with
 * so many columns, CHECKs and indexes: true when it has more of them, or a rule, row security or a
 * trigger on INSERT.
 */
extern bool table_may_refuse(const char *name, int columns, int checks, int indexes);

#endif /* PG_WALLET_APART_H */
