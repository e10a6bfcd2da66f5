/*
 * deferred.h
 *		Requests that have been read and not carried out: each waits in a line for every wallet that
 *		it touches.
 *
 * A request is first in all of its lines, or it waits for those before it.  One that is first is
 * ready; or one of its wallets was locked, and it is tried again after a pause; or it has failed
 * alone, through nobody's fault, and is tried again by itself after a longer one.
 *
 * What the lines hold has been read in a transaction's snapshot, and stays read whatever becomes of
 * that transaction.  What a round takes out of the lines to try stays in its place until
 * deferred_remove, which the caller calls when the transaction has committed; after a failure
 * deferred_return puts things back as they were.
 *
 * Work: a round costs what it adds and what it takes, never what else is waiting.
 */
#ifndef PG_WALLET_DEFERRED_H
#define PG_WALLET_DEFERRED_H

#include "pg_wallet.h"

typedef struct Deferred Deferred;
typedef struct DeferredEntry DeferredEntry;

/* In a memory context of its own below the one given.  may_claim: see claims.c. */
extern Deferred *deferred_make(MemoryContext parent, bool may_claim);
extern void deferred_free(Deferred *deferred);

/* How many requests wait, in memory or known by their ids alone. */
extern int64 deferred_count(const Deferred *deferred);

/* Is there one that may be tried at once? */
extern bool deferred_has_ready(const Deferred *deferred);

/* Milliseconds until one is worth another try; -1 when none waits for a moment. */
extern int deferred_pause_ms(const Deferred *deferred, int64 now_ms);

/* The lowest id of a request that waits and is not marked as settled; PG_INT64_MAX for none. */
extern int64 deferred_lowest(const Deferred *deferred);

/*
 * All of these ids, in order: the next one behind an id, PG_INT64_MAX at the end.  The cursor
 * begins as zeros.
 */
typedef struct DeferredCursor
{
	bool is_begun;
	const DeferredEntry *entry;
	int unread;
} DeferredCursor;

extern int64 deferred_next_id(const Deferred *deferred, DeferredCursor *cursor);

/* Does a request that waits come before this one? */
extern bool deferred_blocks(Deferred *deferred, const Request *request);

/*
 * Put a request into its lines, at the place of its id.  deferred_put is for one that is blocked:
 * when too many wait in memory, its id alone is kept.
 */
extern DeferredEntry *deferred_add(Deferred *deferred, const Request *request, int64 now_ms);
extern void deferred_put(Deferred *deferred, const Request *request, int64 now_ms);

/*
 * Is there room again for requests that are known by their ids alone?  The lowest of these ids, at
 * most count_max; deferred_reread says that such a request has been read, in the order of the ids,
 * and the caller puts it into its lines.
 */
extern bool deferred_wants_reading(const Deferred *deferred);
extern int deferred_ids_to_read(const Deferred *deferred, int count_max, int64 *request_ids);
extern void deferred_reread(Deferred *deferred, const Request *request);

/* Those whose wallets were locked, and whose pause is over, may be tried. */
extern void deferred_wake(Deferred *deferred, int64 now_ms);

/* Take what may be tried, in the order of the ids.  Returns how many, at most count_max. */
extern int deferred_take(Deferred *deferred, int count_max, Request *requests,
                         DeferredEntry **entries);

/* Put a request into its lines that has been tried in this round. */
extern DeferredEntry *deferred_take_new(Deferred *deferred, const Request *request, int64 now_ms);

/* Take one that has failed before and is due, to be tried by itself; NULL when there is none. */
extern DeferredEntry *deferred_take_failing(Deferred *deferred, int64 now_ms, Request *request);

/* What becomes of an entry that was taken. */
extern void deferred_mark_settled(DeferredEntry *entry);
extern void deferred_remove(Deferred *deferred, DeferredEntry *entry);
extern void deferred_return(Deferred *deferred, DeferredEntry *entry);
extern void deferred_busy(Deferred *deferred, DeferredEntry *entry, int64 now_ms);

/* It has failed alone.  False when that, with the same error, is known already. */
extern bool deferred_fail(Deferred *deferred, DeferredEntry *entry, const ErrorData *error,
                          int64 now_ms);

extern int64 deferred_request_id(const DeferredEntry *entry);

/* How often has it failed alone? */
extern int deferred_attempts(const DeferredEntry *entry);

/* Would deferred_fail say false? */
extern bool deferred_error_is_known(const DeferredEntry *entry, const ErrorData *error);

/* The cause of this error is gone: those that have failed with it are due. */
extern void deferred_cause_is_gone(Deferred *deferred, int sqlstate, int64 now_ms);
extern int deferred_sqlstate(const DeferredEntry *entry);

/* What is to be said about those that fail. */
extern void deferred_failing(const Deferred *deferred, FailingRequests *failing);

/* Give back claims that have lasted long enough, or all of them. */
extern void deferred_tend_claims(Deferred *deferred, int64 now_ms, bool all);
extern bool deferred_has_claims(const Deferred *deferred);

#endif /* PG_WALLET_DEFERRED_H */
