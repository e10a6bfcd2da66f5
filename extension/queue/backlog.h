/*
 * backlog.h
 *		How many requests wait.
 */
#ifndef PG_WALLET_BACKLOG_H
#define PG_WALLET_BACKLOG_H

#include "base/version.h"

#include "queue/queue.h"

extern Size backlog_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void backlog_start(void);

/*
 * How many requests of this database wait in this table, as far as it is known: begin says how many
 * do at first.  admit counts in as many of these as the limit leaves room for (0: no limit), until
 * the transaction or its savepoint is rolled back, and returns how many.  Without shared memory
 * everything is admitted.
 */
extern bool backlog_known(Oid queue);
extern void backlog_begin(Oid queue, int64 waiting);
extern int backlog_admit(int count, int64 limit);

/* So many that were counted in by this transaction are not stored by it after all. */
extern void backlog_not_stored(int64 count);

/* How many have been counted in so far; -1 when nobody counts. */
extern int64 backlog_admitted(void);

/*
 * A round has been posted, before whose snapshot so many had been counted in: by the worker, whose
 * transaction has committed; or by somebody else, which counts when the transaction commits.
 */
extern void backlog_round_done(const Round *round, int64 admitted_before);
extern void backlog_done_at_commit(const Round *round, int64 admitted_before);

#endif /* PG_WALLET_BACKLOG_H */
