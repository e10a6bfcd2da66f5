/*
 * process.c
 *		The queue from SQL: posting in the caller's session, and the worker's state.
 */
#include "base/version.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/locks.h"
#include "base/settings.h"
#include "base/standbys.h"
#include "base/wake.h"
#include "posting/expire.h"
#include "queue/backlog.h"
#include "queue/queue.h"
#include "queue/recovery.h"
#include "server/readiness.h"
#include "server/workers.h"

PG_FUNCTION_INFO_V1(wallet_process);
PG_FUNCTION_INFO_V1(wallet_worker_state);
PG_FUNCTION_INFO_V1(wallet_metric_state);
PG_FUNCTION_INFO_V1(wallet_announce);

/*
 * A round has failed with this error.  Raises the error when the caller has cancelled the round,
 * or when nothing can be posted and nothing was settled before.  Otherwise logs the error, unless
 * it was logged before.
 */
static void
round_failed(Queue *queue, ErrorData *error, bool is_known, bool has_settled)
{
	bool is_cancelled =
	    ERRCODE_TO_CATEGORY(error->sqlerrcode) == MAKE_SQLSTATE('5', '7', '0', '0', '0');

	if (queue_failed(queue, error) == RECOVERY_LATER && (is_cancelled || !has_settled))
		ReThrowError(error);
	if (is_known)
		return;
	error->elevel = LOG;
	ThrowErrorData(error);
}

/*
 * Runs a round in a subtransaction, so that a batch which fails can be halved, as the worker does.
 * Returns false when the round has failed, and sets *last_error then.
 */
static bool
process_round(Queue *queue, int requests_max, bool has_settled, Round *round,
              ErrorData **last_error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		*round = queue_round(queue, requests_max, 0);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;
		bool is_known;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		*last_error = error;
		is_known = queue_error_is_known(queue, error);
		round_failed(queue, error, is_known, has_settled);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (done)
		queue_advance(queue, round);
	return done;
}

/*
 * Runs a step of the expirer in a subtransaction.  Logs an error, after which the expirer leaves
 * out the wallet that has caused the error.
 */
static void
process_expiry(Expirer *expirer)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		expirer_step(expirer);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
		expirer_committed(expirer);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		    ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
			ReThrowError(error);
		error->elevel = LOG;
		ThrowErrorData(error);
		expirer_failed(expirer);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/* Expires all holds that are due, but for those of wallets that another transaction holds. */
static void
process_due_holds(void)
{
	Expirer *expirer = expirer_make(CurrentMemoryContext);

	while (!expirer_is_idle(expirer))
	{
		CHECK_FOR_INTERRUPTS();
		process_expiry(expirer);
	}
	expirer_free(expirer);
}

/*
 * wallet_process(max_requests integer) → bigint: how many requests got their outcome. Posts what
 * is queued, and expires the holds that are due, in the caller's transaction; the worker posts
 * nothing until that transaction ends.
 * When no request could be settled, raises the last error.
 */
Datum
wallet_process(PG_FUNCTION_ARGS)
{
	int64 requests_max = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
	int64 settled = 0;
	int64 admitted_before;
	ErrorData *error = NULL;
	Queue *queue;
	Round round;
	bool done;

	if (requests_max <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("max_requests must be greater than zero")));
	PreventCommandIfReadOnly("wallet_process()");
	/* A snapshot that is older than queue_lock would not show what others have posted before. */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("wallet_process() needs the isolation level READ COMMITTED"),
		                errhint("Call it in a transaction that starts with BEGIN ISOLATION LEVEL "
		                        "READ COMMITTED.")));
	queue_lock(true);
	workers_take_over();
	queue = queue_make(CurrentMemoryContext, false);
	do
	{
		round = (Round){0};
		CHECK_FOR_INTERRUPTS();
		admitted_before = backlog_admitted();
		done = process_round(queue, (int) Min(requests_max - settled, setting_batch_max),
		                     settled > 0, &round, &error);
		if (done)
			backlog_done_at_commit(&round, admitted_before);
		settled += round.posted + round.refused;
	} while (settled < requests_max && (!done || round.more || round.posted + round.refused > 0));
	queue_free(queue);
	if (round.opening == QUEUE_OPEN)
		process_due_holds();
	if (settled == 0 && error != NULL)
		ReThrowError(error);
	if (round.opening == QUEUE_CLOSED)
		ereport(WARNING, (errmsg("nothing is posted: the queue is closed"),
		                  errhint("%s", QUEUE_CLOSED_HINT)));
	PG_RETURN_INT64(settled);
}

/* wallet.worker_state() → row: the state of this database's worker; nulls when there is none. */
Datum
wallet_worker_state(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	WorkerState state = {0};
	Datum values[15] = {0};
	bool nulls[15];
	bool found = workers_state(&state);
	Interval *duration = palloc0(sizeof(Interval));
	Interval *heartbeat_age = palloc0(sizeof(Interval));

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result must be a row");
	memset(nulls, !found, sizeof(nulls));
	duration->time = state.batch_us;
	heartbeat_age->time = monotonic_us() - state.heartbeat_us;
	values[0] = Int32GetDatum(state.pid);
	values[1] = TimestampTzGetDatum(state.started_at);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp() - heartbeat_age->time);
	values[3] = Int64GetDatum(state.posted);
	values[4] = Int64GetDatum(state.refused);
	values[5] = Int32GetDatum(state.batch_requests);
	values[6] = IntervalPGetDatum(duration);
	values[7] = Int32GetDatum(state.gaps);
	values[8] = Int64GetDatum(state.deferred);
	values[9] = IntervalPGetDatum(heartbeat_age);
	values[10] = Int32GetDatum(state.failing.count);
	values[11] = Int64GetDatum(state.failing.request_id);
	values[12] = TimestampTzGetDatum(state.failing.since);
	values[13] = CStringGetTextDatum(state.failing.error);
	values[14] = Int32GetDatum(state.failing.attempts);
	for (int i = 11; i < 15; i++)
		nulls[i] = nulls[i] || state.failing.count == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/*
 * wallet.metric_state() → row: whether what is queued is posted, how many requests wait, the
 * highest id that the worker has read and the lowest that it has deferred, and how many synchronous
 * standbys are missing.  Null: unknown.
 */
Datum
wallet_metric_state(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	WorkerState state = {0};
	Datum values[5];
	bool nulls[5] = {false};
	int64 waiting;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result must be a row");
	SPI_connect();
	waiting = backlog_waiting();
	SPI_finish();
	(void) workers_state(&state);
	values[0] = BoolGetDatum(readiness_posts());
	values[1] = Int64GetDatum(waiting);
	values[2] = Int64GetDatum(state.highest);
	values[3] = Int64GetDatum(state.first_deferred);
	values[4] = Int32GetDatum(standbys_missing());
	nulls[1] = waiting < 0;
	nulls[2] = state.highest == 0;
	nulls[3] = state.first_deferred == 0;
	nulls[4] = RecoveryInProgress();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* wallet.announce(): asks for a worker of this database when the transaction commits. */
Datum
wallet_announce(PG_FUNCTION_ARGS)
{
	wake_at_commit();
	PG_RETURN_VOID();
}
