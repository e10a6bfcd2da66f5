/*
 * worker.c
 *		The background worker of one database: posts what is queued, round by round.
 *
 * Each round is one transaction.  Between rounds the worker holds no lock and no snapshot.  At the
 * beginning of each round the worker checks that the extension is still installed, in the version
 * of this library.  An error ends the round, never the worker.
 */
#include "server/worker.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/claims.h"
#include "base/clock.h"
#include "base/extension.h"
#include "base/freed_memory.h"
#include "base/locks.h"
#include "base/session.h"
#include "base/settings.h"
#include "posting/expire.h"
#include "queue/backlog.h"
#include "queue/handshake.h"
#include "queue/queue.h"
#include "queue/recovery.h"
#include "server/clock_step.h"
#include "server/ending.h"
#include "server/readiness.h"
#include "server/workers.h"

/* While another transaction holds queue_lock, the worker tries again after this pause. */
#define LOCKED_RETRY_MS 50

/* After this time without queue_lock, the worker's condition is CONDITION_EXCLUDED. */
#define EXCLUDED_MS 3000

/* The pause after a round that has failed; doubles with each further failure, up to the maximum. */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000

/*
 * A round that settles BUSY_ROUND requests or more is followed by the next round no sooner than
 * ROUND_INTERVAL_MS after its beginning.  In the meantime requests gather, and share the next
 * round's commit.  After a smaller round the next one begins at once, because a client that makes
 * one payment after the other would wait.  AWAITED_INTERVAL_MS is for somebody who waits: since
 * the beginning of the round, a request was looked up that had no outcome yet.  See docs/queue.md,
 * "Rounds".
 */
#define ROUND_INTERVAL_MS 20
#define AWAITED_INTERVAL_MS 2
#define BUSY_ROUND 16

/* The interval after a round that settles FULL_ROUND requests or more. */
#define FULL_INTERVAL_MS 200
#define FULL_ROUND 1000

/* The interval of heartbeats while the worker sleeps; wallet_ready() expects them. */
#define HEARTBEAT_MS 5000

/*
 * For so long at the most the worker expires due holds between two looks at the queue.  A step
 * takes a part of that; see posting/expire.c.
 */
#define EXPIRY_US 20000

/* The pause after the last round, when it failed; 0 when it did not fail. */
static int backoff_ms = 0;

/* The last round was allowed to post, so that holds may expire. */
static bool may_expire = false;

typedef enum RoundEnd
{
	ROUND_DONE,
	ROUND_EXCLUDED, /* another transaction holds queue_lock */
	ROUND_FAILED,
	ROUND_ABSENT, /* the extension is not installed in the database */
	ROUND_OTHER_VERSION
} RoundEnd;

bool
worker_start(int slot)
{
	BackgroundWorker worker = {
	    .bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
	    .bgw_start_time = BgWorkerStart_RecoveryFinished,
	    .bgw_restart_time = BGW_NEVER_RESTART, /* the launcher starts a new one */
	    .bgw_main_arg = Int32GetDatum(slot),
	    .bgw_notify_pid = MyProcPid,
	};
	BackgroundWorkerHandle *handle;
	pid_t pid;

	strlcpy(worker.bgw_name, "pg_wallet worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_wallet worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_wallet", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pg_wallet_worker_main", BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	/* A worker that has ended already had nothing to do, or has asked for another worker itself. */
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		workers_release(slot);
	/* The wait has reset the latch, which another process may have set. */
	SetLatch(MyLatch);
	pfree(handle);
	return true;
}

/*
 * Sets the settings of session.h, so that the server's configuration does not change how posting
 * works.  With PGC_S_OVERRIDE they stay when the configuration is reloaded.
 */
static void
set_session(void)
{
	static const SessionSetting settings[] = SESSION_SETTING_TABLE;

	for (int i = 0; i < lengthof(settings); i++)
	{
		const char *value = GetConfigOption(settings[i].name, true, false);

		/* Not every version has every setting. */
		if ((settings[i].who & SESSION_WORKER) && value != NULL)
			SetConfigOption(settings[i].name,
			                strcmp(value, settings[i].keep) == 0 ? settings[i].keep
			                                                     : settings[i].value,
			                PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/* Begins a transaction that may post.  When it may not, ends it again, and returns the reason. */
static RoundEnd
begin(void)
{
	ExtensionState extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = extension_state();
	if (extension != EXTENSION_READY || !queue_lock(false))
	{
		CommitTransactionCommand();
		return extension == EXTENSION_ABSENT  ? ROUND_ABSENT
		       : extension == EXTENSION_READY ? ROUND_EXCLUDED
		                                      : ROUND_OTHER_VERSION;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	return ROUND_DONE;
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Runs a round in a transaction of its own.  Errors are raised. */
static RoundEnd
try_round(Queue *queue, Round *round)
{
	RoundEnd end = begin();

	if (end != ROUND_DONE)
		return end;
	pgstat_report_activity(STATE_RUNNING, "posting");
	*round = queue_round(queue, setting_batch_max, workers_takeovers());
	commit();
	queue_advance(queue, round);
	return end;
}

/* Runs a round.  Logs an error, and sets *recovery to how the worker goes on then. */
static RoundEnd
run_round(Queue *queue, Round *round, Recovery *recovery)
{
	MemoryContext context = CurrentMemoryContext;
	volatile RoundEnd end = ROUND_FAILED;

	PG_TRY();
	{
		end = try_round(queue, round);
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (condition_met_error(error) && !queue_error_is_known(queue, error))
			EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		*recovery = queue_failed(queue, error);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return end;
}

/*
 * Runs a step of the expirer in a transaction of its own.  False when nothing may be posted now: a
 * restore may have begun since the last round.
 *
 * The commit does not wait for the disk, nor for a standby, so that payments do not wait for that
 * either.  See docs/posting.md, "Expiry".
 */
static bool
try_to_expire(Queue *queue, Expirer *expirer)
{
	if (begin() != ROUND_DONE)
		return false;
	may_expire = queue_is_open(queue, workers_takeovers());
	if (!may_expire)
	{
		commit();
		return false;
	}
	pgstat_report_activity(STATE_RUNNING, "expiring holds");
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_LOCAL, true, 0, false);
	expirer_step(expirer);
	commit();
	expirer_committed(expirer);
	return true;
}

/* Runs a step of the expirer.  Logs an error, after which the expirer pauses. */
static bool
run_expirer(Queue *queue, Expirer *expirer)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		done = try_to_expire(queue, expirer);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		expirer_failed(expirer);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/*
 * Expires due holds, for about EXPIRY_US at the most; and when somebody wakes the worker, for
 * least_us at the most.  Returns for how many milliseconds there is nothing to do then; no more
 * than most_ms.
 */
static long
expire_due(Queue *queue, Expirer *expirer, long most_ms, int64 least_us)
{
	int64 began_us = monotonic_us();
	int64 spent_us = 0;
	bool has_run = false;
	long pause_ms = -1;

	while (pause_ms < 0 && may_expire && expirer_pause_ms(expirer) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (spent_us >= EXPIRY_US || (MyLatch->is_set && spent_us >= least_us))
			pause_ms = 0;
		else if (!run_expirer(queue, expirer))
			pause_ms = LOCKED_RETRY_MS;
		has_run = true;
		spent_us = monotonic_us() - began_us;
	}
	if (pause_ms < 0)
		pause_ms = may_expire ? expirer_pause_ms(expirer) : most_ms;
	if (has_run)
	{
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, condition_activity());
	}
	return Min(most_ms, pause_ms);
}

/*
 * Another transaction holds queue_lock: it has called wallet_process() and is still open.  The
 * condition is noted only when that has lasted for EXCLUDED_MS.
 */
static void
note_exclusion(bool is_excluded)
{
	static int64 since_us = 0;

	if (!is_excluded || since_us == 0)
		since_us = is_excluded ? monotonic_us() : 0;
	else if (monotonic_us() - since_us > EXCLUDED_MS * 1000)
		condition_note(CONDITION_EXCLUDED);
}

/*
 * Ends the worker; the launcher starts another one when somebody asks for it.  When that has
 * happened since this worker looked last, the worker stays, unless also_if_asked is true.
 */
static void
leave(bool also_if_asked, const char *reason)
{
	if (!workers_leaves(also_if_asked))
		return;
	condition_end(reason);
	proc_exit(0);
}

static void
reload_settings(const char *database, Queue *queue)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (setting_worker && setting_allows_database(database))
		return;
	if (begin() == ROUND_DONE)
	{
		queue_store(queue, workers_takeovers());
		commit();
	}
	leave(true, setting_worker ? "pg_wallet.databases does not name the database"
	                           : "pg_wallet.worker is off");
}

static int
next_backoff(void)
{
	return backoff_ms == 0 ? BACKOFF_MIN_MS : Min(backoff_ms * 2, BACKOFF_MAX_MS);
}

/*
 * Returns the interval of rounds for now.  The short one also holds where pg_wallet.queue_limit
 * could be reached in a long one: where it is less than 8 times what the last round has settled.
 */
static int
round_interval_ms(int64 settled)
{
	bool is_awaited = workers_gather();
	bool may_fill_up = setting_queue_limit > 0 && settled * 8 > setting_queue_limit;

	if (is_awaited || may_fill_up)
		return AWAITED_INTERVAL_MS;
	return settled < FULL_ROUND ? ROUND_INTERVAL_MS : FULL_INTERVAL_MS;
}

/* After a busy round that has left no request: waits until the interval is over. */
static void
gather(const Round *round, int64 started_us, Queue *queue, Expirer *expirer)
{
	int64 settled = round->posted + round->refused;

	while (!round->more && settled >= BUSY_ROUND)
	{
		long left_ms = round_interval_ms(settled) - (monotonic_us() - started_us) / 1000;

		if (left_ms <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
		                 expire_due(queue, expirer, left_ms, 0), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * In a database that was made by CREATE DATABASE ... TEMPLATE: stores the database's own key of
 * handshakes, before somebody dumps the database.  An error is logged and does no harm, because
 * the next enqueue stores the key as well.
 */
static void
keep_key(void)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (extension_state() == EXTENSION_READY)
			handshake_keep_key(handshake_sealer_make());
		commit();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/* Shows the requests that fail in wallet.worker_state(), until they no longer fail. */
static void
report_failing(const Queue *queue)
{
	static int reported = 0;
	FailingRequests failing;

	queue_failing(queue, &failing);
	if (failing.count > 0 || reported > 0)
		workers_failing(&failing);
	reported = failing.count;
}

/* Runs a round; returns for how many milliseconds to sleep before the next one. */
static int
work(Queue *queue, Expirer *expirer)
{
	Round round = {0};
	Recovery recovery = RECOVERY_LATER;
	int64 started_us = monotonic_us();
	int64 round_us;
	int64 admitted_before = backlog_admitted();
	RoundEnd end;

	clock_look();
	workers_looks();
	end = run_round(queue, &round, &recovery);

	may_expire = end == ROUND_DONE && round.opening == QUEUE_OPEN;
	report_failing(queue);
	if (end != ROUND_DONE)
		queue_give_claims_back(queue);
	if (end == ROUND_FAILED && recovery != RECOVERY_AT_ONCE)
	{
		condition_note(CONDITION_FAILING);
		return backoff_ms = next_backoff();
	}
	if (end == ROUND_FAILED)
		return 0;
	backoff_ms = 0;
	note_exclusion(end == ROUND_EXCLUDED);
	if (end == ROUND_ABSENT)
		leave(false, "the extension is not installed");
	if (end == ROUND_OTHER_VERSION)
		condition_note(CONDITION_OTHER_VERSION);
	if (end == ROUND_EXCLUDED)
		return LOCKED_RETRY_MS;
	if (end == ROUND_DONE)
		condition_note(round.opening == QUEUE_CLOSED ? CONDITION_CLOSED : CONDITION_POSTING);
	round_us = monotonic_us() - started_us;
	workers_report(&round, round_us);
	backlog_round_done(&round, admitted_before);
	(void) expire_due(queue, expirer, 0, round_us);
	gather(&round, started_us, queue, expirer);
	/* A commit that waits for a standby may swallow a wake-up, so look once more before a sleep. */
	if (round.more || round.posted + round.refused > 0)
		return 0;
	return round.retry_ms < 0 ? setting_poll_ms : Min(round.retry_ms, setting_poll_ms);
}

/*
 * Sleeps until the time is over or the latch is set; after a failed round only the time counts.
 * Meanwhile holds expire.
 */
static void
wait_for_work(int sleep_ms, Queue *queue, Expirer *expirer)
{
	int64 now_ms = monotonic_ms();
	int64 until_ms = now_ms + sleep_ms;
	int64 beat_ms = now_ms + HEARTBEAT_MS;
	bool woken = false;

	while (!woken && !ConfigReloadPending && now_ms < until_ms)
	{
		long left_ms = expire_due(queue, expirer, Max(0, Min(until_ms, beat_ms) - now_ms), 0);
		int events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left_ms,
		                       PG_WAIT_EXTENSION);

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		clock_look();
		/* No heartbeat after a failed round: wallet_ready() shall see a worker that posts nothing.
		 */
		woken = (events & WL_LATCH_SET) != 0 && backoff_ms == 0;
		now_ms = monotonic_ms();
		if (backoff_ms > 0 || (!woken && now_ms < beat_ms && now_ms < until_ms))
			continue;
		workers_beat();
		beat_ms = now_ms + HEARTBEAT_MS;
	}
}

void
pg_wallet_worker_main(Datum argument)
{
	Oid database;
	char *name;
	Queue *queue;
	Expirer *expirer;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	database = workers_attach(DatumGetInt32(argument));
	if (!OidIsValid(database))
		proc_exit(0); /* the launcher has restarted and given the slot back */
	ending_install(false);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	ending_connected();
	claims_attach();
	freed_memory_keep(WORKER_KEEPS_MB);
	set_session();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	name = MemoryContextStrdup(TopMemoryContext, get_database_name(database));
	CommitTransactionCommand();
	condition_start(name);
	MemoryContextSwitchTo(
	    AllocSetContextCreate(TopMemoryContext, "pg_wallet worker", ALLOCSET_DEFAULT_SIZES));
	queue = queue_make(TopMemoryContext, true);
	expirer = expirer_make(TopMemoryContext);
	keep_key();

	for (;;)
	{
		int sleep_ms;

		CHECK_FOR_INTERRUPTS();
		reload_settings(name, queue);
		sleep_ms = work(queue, expirer);
		pgstat_report_stat(false);
		if (sleep_ms > 0)
		{
			pgstat_report_activity(STATE_IDLE, condition_activity());
			wait_for_work(sleep_ms, queue, expirer);
		}
		MemoryContextReset(CurrentMemoryContext);
	}
}
