/*
 * readiness.h
 *		Whether what is queued is posted, and if not, why.
 */
#ifndef PG_WALLET_READINESS_H
#define PG_WALLET_READINESS_H

#include "base/version.h"

#include "server/workers.h"

#define QUEUE_CLOSED_HINT                                                                          \
	"Once the restore or the cut-over is complete, run REFRESH MATERIALIZED VIEW wallet.opening."

/*
 * Called by the worker of a database.  condition_start, called once, takes the database's name;
 * the caller keeps the memory of the name.  condition_note notes the worker's condition, and logs
 * a change.  condition_activity returns a text for pg_stat_activity while the worker sleeps.
 */
extern void condition_start(const char *database);
extern void condition_note(WorkerCondition condition);
extern const char *condition_activity(void);

/* Logs why the worker ends, unless the worker ends before its first condition was noted. */
extern void condition_end(const char *reason);

/* Notes an error.  Returns false when the same error was logged not long ago. */
extern bool condition_met_error(const ErrorData *error);

/* Whether what is queued in this database is posted, as wallet_ready() says. */
extern bool readiness_posts(void);

#endif /* PG_WALLET_READINESS_H */
