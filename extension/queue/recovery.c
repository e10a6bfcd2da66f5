/*
 * recovery.c
 *		What follows when a round has failed.
 *
 * Each batch that fails is put back whole, and tried again: it may have been a race.  Then it is
 * halved, whatever the error, until a request fails alone.  That one is refused when its own data
 * are to blame; otherwise it is tried again by itself, after pauses that grow, while all others go
 * on. When many have failed alone and nothing has succeeded in between, the queue pauses.
 */
#include "queue/recovery.h"

#include "base/clock.h"
#include "base/refusal.h"
#include "posting/batch.h"
#include "queue/deferred.h"
#include "queue/reading.h"
#include "queue/state.h"

/* How often a batch is tried again before it is halved. */
#define TRIES_OF_A_RACE 3
#define TRIES_OF_NOBODY 2
#define TRIES_OF_REQUEST 1

/* When so many requests have failed alone, or for so long, and none has succeeded: pause. */
#define CULPRITS_MAX 64
#define CULPRITS_MS 5000

/* The same batch again?  What may be a race, or somebody else's trouble, is tried more often. */
static int
tries_before_halving(const ErrorData *error)
{
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
		return TRIES_OF_A_RACE;
	return is_fault_of_request(error) ? TRIES_OF_REQUEST : TRIES_OF_NOBODY;
}

/* Space, memory, connections, input and output, or somebody who has cancelled it. */
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

/* The log, or the session that has called wallet_process, is told once. */
static void
report_culprit(const Queue *queue, int64 request_id, const ErrorData *error)
{
	ereport(queue->is_worker ? LOG : WARNING,
	        (errcode(error->sqlerrcode),
	         errmsg("request " INT64_FORMAT " fails, and waits: %s", request_id,
	                error->message == NULL ? "" : error->message),
	         errdetail("Later requests for its wallets wait behind it.  All others go on."),
	         errhint("It is carried out when the cause is gone.")));
}

/* Does nothing succeed at all?  Then it is none of the requests. */
static bool
nothing_succeeds(Queue *queue)
{
	if (queue->culprits++ == 0)
		queue->culprits_since_ms = monotonic_ms();
	return queue->culprits >= CULPRITS_MAX ||
	       monotonic_ms() - queue->culprits_since_ms >= CULPRITS_MS;
}

/*
 * A request has failed alone.  The first time it may have been a race with somebody else.  The
 * second time it is refused, or set aside when it is not to blame, or not even its refusal goes
 * through.
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

/* All of the round's requests wait again.  Returns the entry of the only one, NULL for several. */
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
	/* In a session somebody wants it to stop; a worker that is to stop is gone by now. */
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
