/*
 * recovery.c
 *		What follows when a round has failed.
 *
 * A batch that fails is put back whole and tried again, because the cause may have been a race
 * with another transaction.  When the batch fails again, it is halved, whatever the error, until
 * one request fails alone.  When the request's own data are to blame, the request is refused.
 * Otherwise the request is tried again by itself after growing pauses, and the other requests go
 * on.  When CULPRITS_MAX requests have failed alone and no request has succeeded in between, the
 * queue pauses.
 */
#include "queue/recovery.h"

#include "base/clock.h"
#include "base/refusal.h"
#include "posting/batch.h"
#include "queue/deferred.h"
#include "queue/reading.h"
#include "queue/state.h"

/* How often a batch is tried before it is halved, by the kind of error. */
#define TRIES_OF_A_RACE 3
#define TRIES_OF_NOBODY 2
#define TRIES_OF_REQUEST 1

/* The queue pauses when so many requests have failed alone, or for so long, without a success. */
#define CULPRITS_MAX 64
#define CULPRITS_MS 5000

/* An error that may be a race, or that lies outside of the requests, allows more tries. */
static int
tries_before_halving(const ErrorData *error)
{
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
		return TRIES_OF_A_RACE;
	return is_fault_of_request(error) ? TRIES_OF_REQUEST : TRIES_OF_NOBODY;
}

/* Whether the error may be gone after a moment: a lack of resources, I/O, a cancelled statement. */
static bool
a_moment_may_help(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
			return true;
		default:
			return false;
	}
}

/* Tells the server's log, or the session that has called wallet_process(). */
static void
report_culprit(const Queue *queue, int64 request_id, const ErrorData *error)
{
	ereport(queue->is_worker ? LOG : WARNING,
	        (errcode(error->sqlerrcode),
	         errmsg("request " INT64_FORMAT " fails, and waits: %s", request_id,
	                error->message == NULL ? "" : error->message),
	         errdetail("Later requests for the same wallets wait behind this request.  All other "
	                   "requests go on."),
	         errhint("The request is carried out when the cause of the error is gone.")));
}

/* Whether so many requests have failed that the cause must lie outside of all requests. */
static bool
nothing_succeeds(Queue *queue)
{
	if (queue->culprits++ == 0)
		queue->culprits_since_ms = monotonic_ms();
	return queue->culprits >= CULPRITS_MAX ||
	       monotonic_ms() - queue->culprits_since_ms >= CULPRITS_MS;
}

/*
 * A request has failed alone.  The first time it is tried again, because the cause may have been a
 * race with another transaction.  The second time the request is refused when its data are to
 * blame. When they are not, or when its refusal fails too, the request waits for a later try.
 */
static Recovery
failed_alone(Queue *queue, DeferredEntry *entry, const ErrorData *error)
{
	int64 id = deferred_request_id(entry);
	bool is_retry = deferred_attempts(entry) > 0;

	if (!is_retry && queue->suspect != id)
	{
		queue->suspect = id;
		return RECOVERY_AT_ONCE;
	}
	if (is_fault_of_request(error) && queue->culprit.request_id != id)
	{
		queue->culprit = (Culprit){id, outcome_of_error(error)};
		if (!is_retry)
			return RECOVERY_AT_ONCE;
	}
	if (deferred_fail(queue->deferred, entry, error, monotonic_ms()))
		report_culprit(queue, id, error);
	return !is_retry && nothing_succeeds(queue) ? RECOVERY_LATER : RECOVERY_AT_ONCE;
}

static void
remember_error(Queue *queue, const ErrorData *error)
{
	queue->last_sqlstate = error->sqlerrcode;
	strlcpy(queue->last_message, error->message == NULL ? "" : error->message,
	        sizeof(queue->last_message));
}

/* Defers all requests of the round.  Returns the entry of the request when it is the only one. */
static DeferredEntry *
put_all_back(Queue *queue)
{
	Reading *reading = &queue->reading;
	DeferredEntry *entry = NULL;

	if (reading->count == 1)
	{
		entry = reading->entries[0];
		if (entry == NULL)
			entry = deferred_add(queue->deferred, &reading->requests[0], monotonic_ms());
		else
			deferred_return(queue->deferred, entry);
	}
	else
		put_back(queue, 0);
	end_reading(queue);
	return entry;
}

Recovery
queue_failed(Queue *queue, const ErrorData *error)
{
	int count = queue->reading.count;
	DeferredEntry *only;

	queue->next_position.table = InvalidOid;
	if (queue->is_reading || !queue->loaded)
	{
		queue->is_reading = queue->loaded = false;
		queue->reading = (Reading){0};
		return RECOVERY_LATER;
	}
	remember_error(queue, error);
	only = put_all_back(queue);
	/* A session that was cancelled stops.  In the worker, a request's statement may be cancelled.
	 */
	if (count == 0 || (!queue->is_worker && ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
	                                            MAKE_SQLSTATE('5', '7', '0', '0', '0')))
		return RECOVERY_LATER;
	if (only != NULL && deferred_attempts(only) > 0)
		return failed_alone(queue, only, error);
	if (queue->failures++ < tries_before_halving(error))
		return a_moment_may_help(error) ? RECOVERY_SHORTLY : RECOVERY_AT_ONCE;
	if (only != NULL)
		return failed_alone(queue, only, error);
	queue->requests_max = count / 2;
	return RECOVERY_AT_ONCE;
}

bool
queue_error_is_known(const Queue *queue, const ErrorData *error)
{
	const Reading *reading = &queue->reading;

	if (reading->count == 1 && reading->entries[0] != NULL &&
	    deferred_error_is_known(reading->entries[0], error))
		return true;
	return queue->last_sqlstate == error->sqlerrcode && error->message != NULL &&
	       strncmp(queue->last_message, error->message, sizeof(queue->last_message) - 1) == 0;
}
