/*
 * process.c
 *		The queue from SQL: posting in the caller's session, and the worker's state.
 */
#include "pg_wallet.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(wallet_process);
PG_FUNCTION_INFO_V1(wallet_worker_state);
PG_FUNCTION_INFO_V1(wallet_announce);

/*
 * One round in a subtransaction, so that a batch that fails can be halved as the worker does it.
 * False when it failed and is to be tried again at once; other errors are the caller's.
 */
static bool
process_round(Queue *queue, int requests_max, Round *round)
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
		*round = queue_round(queue, requests_max, true);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
		queue_advance(queue);
		done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		if (queue_failed(queue, error) == RECOVERY_LATER)
			ReThrowError(error);
		error->elevel = LOG;
		ThrowErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/*
 * wallet_process(max_requests integer) → bigint: how many requests got their outcome.
 * Posts what is queued in the caller's transaction; the worker waits until that has ended.
 */
Datum
wallet_process(PG_FUNCTION_ARGS)
{
	int64 requests_max = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
	int64 settled = 0;
	Queue *queue;
	Round round;
	bool done;

	if (requests_max <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("max_requests must be greater than zero")));
	PreventCommandIfReadOnly("wallet_process()");
	/* A snapshot older than the lock would not show what others have posted before it. */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("wallet_process() needs the isolation level READ COMMITTED"),
		                errhint("Call it in a transaction that starts with BEGIN ISOLATION LEVEL "
		                        "READ COMMITTED.")));
	queue_lock(true);
	queue = queue_make(CurrentMemoryContext);
	do
	{
		round = (Round){0};
		CHECK_FOR_INTERRUPTS();
		done = process_round(queue, (int) Min(requests_max - settled, setting_batch_max), &round);
		settled += round.posted + round.refused;
	} while (settled < requests_max && (!done || round.more || round.posted + round.refused > 0));
	queue_free(queue);
	if (round.closed)
		ereport(WARNING, (errmsg("nothing is posted: the queue is closed"),
		                  errhint("%s", QUEUE_CLOSED_HINT)));
	shared_backlog_done_at_commit(settled);
	PG_RETURN_INT64(settled);
}

/* wallet.worker_state() → row: what this database's worker says of itself. */
Datum
wallet_worker_state(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	WorkerState state = {0};
	Datum values[10] = {0};
	bool nulls[10];
	bool found = shared_worker_state(&state);
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
	values[8] = Int32GetDatum(state.deferred);
	values[9] = IntervalPGetDatum(heartbeat_age);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* wallet.announce(): this database wants a worker as soon as the transaction commits. */
Datum
wallet_announce(PG_FUNCTION_ARGS)
{
	shared_wake_at_commit();
	PG_RETURN_VOID();
}
