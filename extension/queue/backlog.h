/*
 * backlog.h
 *		How many requests of a database wait, for pg_wallet.queue_limit.
 */
#ifndef PG_WALLET_BACKLOG_H
#define PG_WALLET_BACKLOG_H

#include "base/version.h"

#include "storage/lwlock.h"

#include "queue/queue.h"

/* Shared memory: see server/start.c. */
extern Size backlog_size(void);
extern void backlog_start(void *memory, LWLock *lock, bool is_new);

/*
 * Counts in as many of count new requests as the limit (0: no limit) has room for, and returns how
 * many; when the transaction or its savepoint rolls back, they no longer count.  Without shared
 * memory, admits all.  The caller has called SPI_connect.
 */
extern int backlog_admit(int count, int64 limit);

/* This transaction has counted in so many requests that it does not store after all. */
extern void backlog_not_stored(int64 count);

/* How many requests of this database were counted in so far; -1: they are not counted. */
extern int64 backlog_admitted(void);

/*
 * How many requests of this database wait, those of open transactions among them; -1: that is not
 * known, on a standby or without shared memory.  The caller has called SPI_connect.
 */
extern int64 backlog_waiting(void);

/*
 * A round was posted; admitted_before is what backlog_admitted returned before the round's
 * snapshot was taken.  backlog_round_done: the round's transaction has committed.
 * backlog_done_at_commit: the round counts when the present transaction commits.
 */
extern void backlog_round_done(const Round *round, int64 admitted_before);
extern void backlog_done_at_commit(const Round *round, int64 admitted_before);

#endif /* PG_WALLET_BACKLOG_H */
