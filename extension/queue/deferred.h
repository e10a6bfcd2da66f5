/*
 * deferred.h
 *		Deferred requests: the worker has read them and could not carry them out yet.
 *
 * Every wallet has a line of deferred requests, in the order of their ids.  A request stands in
 * the line of every wallet that it touches.  A request that names a hold by a handshake which is
 * not settled yet touches no wallet, and stands in the line of that hold, behind the request that
 * makes the hold.  Only a request that is the first in all of its lines may be tried.  When one of
 * its wallets was locked, the request is tried again after a pause.  When the request has failed
 * alone, for a reason that lies outside of the request, the queue tries the request again by
 * itself, after a longer pause.
 *
 * A round takes requests and tries them.  A taken request keeps its place in its lines.  When the
 * round's transaction has committed, the caller calls deferred_remove; when the transaction has
 * failed, the caller calls deferred_return.
 *
 * Cost: a round costs what it adds and what it takes, whatever else is waiting.
 */
#ifndef PG_WALLET_DEFERRED_H
#define PG_WALLET_DEFERRED_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "queue/failing.h"
#include "rules/operation.h"

/* How many deferred requests are kept in memory; of further ones only the ids are kept. */
#define DEFERRED_MAX 100000

typedef struct Deferred Deferred;
typedef struct DeferredEntry DeferredEntry;

/* Makes the lines in a new memory context below parent.  may_claim: whether to use claims.c. */
extern Deferred *deferred_make(MemoryContext parent, bool may_claim);
extern void deferred_free(Deferred *deferred);

/* The number of deferred requests, with those of which only the ids are kept. */
extern int64 deferred_count(const Deferred *deferred);

/* Whether a request may be tried at once. */
extern bool deferred_has_ready(const Deferred *deferred);

/* Milliseconds until the pause or the time of a request is over; -1 when no request has either. */
extern int deferred_pause_ms(const Deferred *deferred, int64 now_ms, TimestampTz clock);

/*
 * Walks over the ids of all deferred requests that are not marked as settled, in rising order.
 * Returns the next id, and PG_INT64_MAX at the end.  A cursor of zeros stands at the beginning.
 */
typedef struct DeferredCursor
{
	bool is_begun;
	const struct Link *link;
	int unread;
} DeferredCursor;

extern int64 deferred_next_id(const Deferred *deferred, DeferredCursor *cursor);

/* Whether a deferred request stands in a line of this request; or one of which the id alone is
 * kept. */
extern bool deferred_blocks(Deferred *deferred, const Request *request);
extern bool deferred_has_unread(Deferred *deferred, const Request *request);

/*
 * Both put a request into its lines, at the place of its id.  deferred_put is for a blocked
 * request: when DEFERRED_MAX requests are in memory, it keeps the id alone.
 */
extern DeferredEntry *deferred_add(Deferred *deferred, const Request *request, int64 now_ms);
extern void deferred_put(Deferred *deferred, const Request *request, int64 now_ms);

/*
 * Requests of which only the ids are kept.  deferred_wants_reading: whether there are some, and
 * room in memory for them.  deferred_ids_to_read: their lowest ids, count_max at most.
 * deferred_reread: the caller has read such a request, in the order of the ids, and puts it into
 * its lines next.
 */
extern bool deferred_wants_reading(const Deferred *deferred);
extern int deferred_ids_to_read(const Deferred *deferred, int count_max, int64 *request_ids);
extern void deferred_reread(Deferred *deferred, const Request *request);

/* Puts a request into its lines that the round has tried already: the entry is taken. */
extern DeferredEntry *deferred_take_new(Deferred *deferred, const Request *request, int64 now_ms);

/*
 * What becomes of a taken entry.  mark_settled: carried out, if the transaction commits.  remove:
 * the transaction has committed.  return: as it was before it was taken.  busy: a wallet was
 * locked.
 */
extern void deferred_mark_settled(DeferredEntry *entry);
extern void deferred_remove(Deferred *deferred, DeferredEntry *entry);
extern void deferred_return(Deferred *deferred, DeferredEntry *entry);
extern void deferred_busy(Deferred *deferred, DeferredEntry *entry, int64 now_ms);

/*
 * A taken entry's request has become this one, since the hold that it names has been found: it
 * moves into the lines of its wallets.  Returns whether it may be tried; if not, it is not taken
 * any more.
 */
extern bool deferred_rename(Deferred *deferred, DeferredEntry *entry, const Request *request);

/* A request has failed alone, and waits.  Returns whether the error differs from its last one. */
extern bool deferred_fail(Deferred *deferred, DeferredEntry *entry, const ErrorData *error,
                          int64 now_ms);

extern int64 deferred_request_id(const DeferredEntry *entry);

/* How often the request has failed alone. */
extern int deferred_attempts(const DeferredEntry *entry);

/* Whether the request failed with this error the last time. */
extern bool deferred_error_is_known(const DeferredEntry *entry, const ErrorData *error);

/* The cause of this error is gone: ends the pauses of all requests that have failed with it. */
extern void deferred_cause_is_gone(Deferred *deferred, int sqlstate, int64 now_ms);
extern int deferred_sqlstate(const DeferredEntry *entry);

/* What wallet.queue shows about the requests that fail. */
extern void deferred_failing(const Deferred *deferred, FailingRequests *failing);

/* Gives claims back that have lasted for CLAIM_MAX_MS; or all claims. */
extern void deferred_tend_claims(Deferred *deferred, int64 now_ms, bool all);
extern bool deferred_has_claims(const Deferred *deferred);

#endif /* PG_WALLET_DEFERRED_H */
