/*
 * readiness.h
 *		Why nothing is posted.
 */
#ifndef PG_WALLET_READINESS_H
#define PG_WALLET_READINESS_H

#include "base/version.h"

#include "server/workers.h"

#define QUEUE_CLOSED_HINT                                                                          \
	"Once the restore or the cut-over is complete, run REFRESH MATERIALIZED VIEW wallet.opening."

/*
 * The worker of this database (the name stays the caller's) notes how it stands with it.  The log
 * says when that has changed, and the worker's activity while it sleeps says it, too.
 */
extern void condition_start(const char *database);
extern void condition_note(WorkerCondition condition);
extern const char *condition_activity(void);

/* The worker ends for this reason; the log says so unless it never began. */
extern void condition_end(const char *reason);

/* Note an error; false when the worker has met the same one not long ago, and need not log it. */
extern bool condition_met_error(const ErrorData *error);

#endif /* PG_WALLET_READINESS_H */
