/*
 * apart.h
 *		One step for many items, of which one may fail without failing the others.
 */
#ifndef PG_WALLET_APART_H
#define PG_WALLET_APART_H
#include "base/version.h"

#include "base/refusal.h"

/* What is done for count items from first on, with the items' owner as argument. */
typedef void (*ApartStep)(void *items, int first, int count);

/* What becomes of an item for which the step alone has failed. */
typedef void (*ApartRefusal)(void *items, int item, const ErrorData *error);

/*
 * Run step for all items, in a subtransaction.  When the step raises an error, its writes are
 * taken back, undo takes back what it has noted of the items, and the step runs for each half of
 * them.  An item that fails alone is refused.  An error that says something about the server
 * or about other transactions, and no item, is raised again: a cancelled statement, a lock that
 * does not come, a deadlock, or the same want of the server's over and over.
 */
extern void run_apart(void *items, int count, ApartStep step, ApartStep undo, ApartRefusal refuse);

/*
 * Might a table refuse a row that is in order: has somebody added to its columns, CHECKs and
 * indexes, of which we made so many, or a rule, a policy or a trigger on INSERT?
 */
extern bool table_may_refuse(const char *name, int columns, int checks, int indexes);

#endif /* PG_WALLET_APART_H */
