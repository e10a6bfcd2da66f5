/*
 * readiness.c
 *		Whether what is queued is posted.  If not, the log and wallet_ready() say why, and what to
 *		do.
 *
 * After each round the worker notes its condition in shared memory.  When the condition has
 * changed, the worker logs it as well.  Why there is no worker, wallet_ready() finds from the
 * settings and from what the launcher has noted.
 */
#include "server/readiness.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/extension.h"
#include "base/settings.h"
#include "base/standbys.h"
#include "server/workers.h"

#define QUEUE_EXCLUDED_HINT                                                                        \
	"Its process is in pg_locks, with locktype advisory and objsubid 4: let it commit, or end it."

PG_FUNCTION_INFO_V1(wallet_ready);

/* After this time of failures, or in one round, a worker counts as one that does not post. */
#define PATIENCE_US (10 * USECS_PER_SEC)

/* An error that the worker last met longer ago than this is logged in full again. */
#define FORGET_US (600 * USECS_PER_SEC)

/* ---- what the worker notes ---- */

/* The database's name, the condition that was noted last, and since when it has lasted. */
static const char *my_database = NULL;
static WorkerCondition noted = CONDITION_STARTING;
static int64 noted_us = 0;

/* Whether, since the worker posted last, an error was logged, and a pause. */
static bool error_is_logged = false;
static bool pause_is_logged = false;

void
condition_start(const char *database)
{
	Assert(my_database == NULL && database != NULL);
	my_database = database;
	pgstat_report_activity(STATE_RUNNING, "starting");
}

/* Returns why the worker is paused in this condition, and sets *cure; NULL: it is not paused. */
static const char *
reason_for_pause(WorkerCondition condition, const char **cure)
{
	switch (condition)
	{
		case CONDITION_CLOSED:
			*cure = QUEUE_CLOSED_HINT;
			return "the queue is closed";
		case CONDITION_EXCLUDED:
			*cure = QUEUE_EXCLUDED_HINT;
			return "another transaction posts the queue";
		case CONDITION_OTHER_VERSION:
			*cure = "Restart the server, or run ALTER EXTENSION pg_wallet UPDATE.";
			return "the installed extension and the loaded library have different versions";
		case CONDITION_FAILING:
			*cure =
			    "The error stands in the log before this line.  The worker tries again after "
			    "a pause of 0.1 s, which doubles up to 10 s.";
			return "posting has failed";
		default:
			return NULL;
	}
}

static void
log_condition(WorkerCondition condition, int64 lasted_us)
{
	bool had_failed = noted == CONDITION_FAILING;
	const char *cure;
	const char *reason = reason_for_pause(condition, &cure);

	Assert(my_database != NULL);
	if (noted == CONDITION_STARTING)
		ereport(LOG, (errmsg("pg_wallet worker of database \"%s\" has started", my_database)));
	/* When the same error comes again and again, neither it nor its pause is logged each time. */
	if (reason != NULL && (condition != CONDITION_FAILING || error_is_logged))
	{
		pause_is_logged = true;
		ereport(LOG,
		        (errmsg("pg_wallet worker of database \"%s\" is paused: %s", my_database, reason),
		         condition == CONDITION_OTHER_VERSION
		             ? errdetail("The extension has version %s, the library has %s.",
		                         extension_other_version(), PG_WALLET_VERSION)
		             : 0,
		         errhint("%s", cure)));
	}
	if (condition != CONDITION_POSTING)
		return;
	if (pause_is_logged || (had_failed && lasted_us >= PATIENCE_US))
		ereport(LOG, (errmsg("pg_wallet worker of database \"%s\" posts again", my_database)));
	pause_is_logged = error_is_logged = false;
}

void
condition_note(WorkerCondition condition)
{
	int64 now_us = monotonic_us();

	if (condition == noted)
		return;
	workers_condition(condition);
	log_condition(condition, now_us - noted_us);
	noted = condition;
	noted_us = now_us;
}

const char *
condition_activity(void)
{
	static char text[128];
	const char *cure;
	const char *reason = reason_for_pause(noted, &cure);

	if (reason == NULL)
		return "idle";
	snprintf(text, sizeof(text), "paused: %s", reason);
	return text;
}

void
condition_end(const char *reason)
{
	if (noted != CONDITION_STARTING)
		ereport(LOG,
		        (errmsg("pg_wallet worker of database \"%s\" has ended: %s", my_database, reason)));
}

/*
 * Whether the worker's last error was the same, and is not older than FORGET_US.  A repeated error
 * is logged in short when it has come 2, 4, 8, 16, … times.
 */
static bool
is_known_error(const ErrorData *error)
{
	static int sqlstate = 0;
	static char message[WORKER_TEXT_SIZE];
	static int count = 0;
	static int64 met_us = 0;
	const char *text = error->message ? error->message : "";
	int64 now_us = monotonic_us();
	bool known = count > 0 && sqlstate == error->sqlerrcode &&
	             strncmp(message, text, sizeof(message) - 1) == 0 && now_us - met_us < FORGET_US;

	count = known ? count + 1 : 1;
	met_us = now_us;
	sqlstate = error->sqlerrcode;
	strlcpy(message, text, sizeof(message));
	if (known && (count & (count - 1)) == 0)
		ereport(LOG, (errmsg("pg_wallet worker has met the same error %d times: %s", count, text)));
	return known;
}

bool
condition_met_error(const ErrorData *error)
{
	bool is_known = is_known_error(error);

	workers_error(error);
	error_is_logged = error_is_logged || !is_known;
	return !is_known;
}

/* ---- who asks ---- */

/* Returns why a worker that runs posts nothing; NULL when it posts. */
static char *
trouble_of_worker(const WorkerState *state)
{
	int64 now_us = monotonic_us();
	int64 silent_us = now_us - state->heartbeat_us;

	if (state->pid == 0)
		return pstrdup("the worker is starting");
	if (state->condition == CONDITION_CLOSED)
		return psprintf("the queue is closed. %s", QUEUE_CLOSED_HINT);
	if (state->condition == CONDITION_EXCLUDED)
		return psprintf(
		    "the worker is kept out: a transaction that has called wallet_process() is "
		    "still open. %s",
		    QUEUE_EXCLUDED_HINT);
	if (state->condition == CONDITION_FAILING && now_us - state->condition_us >= PATIENCE_US)
		return psprintf("posting fails again and again: %s (SQLSTATE %s). %s", state->error,
		                unpack_sql_state(state->sqlstate), state->hint);
	if (silent_us < PATIENCE_US)
		return NULL;
	return psprintf(
	    "the worker has been busy with one round for %d s, and waits for %s. Its row in "
	    "pg_stat_activity says more.",
	    (int) (silent_us / USECS_PER_SEC),
	    state->wait_event == 0 ? "nothing" : pgstat_get_wait_event(state->wait_event));
}

/* Returns why there is no worker. */
static char *
trouble_of_launcher(void)
{
	switch (workers_trouble())
	{
		case LAUNCH_WORKERS_MAX:
			return psprintf(
			    "no worker can be started: all %d are in use. Increase "
			    "pg_wallet.max_workers and restart the server.",
			    setting_workers_max);
		case LAUNCH_PROCESSES_MAX:
			return pstrdup(
			    "no worker can be started: there is no slot for a background worker. "
			    "Increase max_worker_processes and restart the server.");
		default:
			return pstrdup(
			    "the worker is not running. It is started within a second; if that "
			    "fails, the server's log says why.");
	}
}

/* Whether this database has no worker because it is a template or takes no connections. */
static bool
is_closed_to_workers(void)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool closed;

	if (!HeapTupleIsValid(tuple))
		return false;
	closed = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate ||
	         !((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
	ReleaseSysCache(tuple);
	return closed;
}

/* Returns why nothing is posted in this database, and what to do; NULL when requests are posted. */
static char *
find_trouble(void)
{
	WorkerState state;
	char *trouble;

	if (RecoveryInProgress())
		return pstrdup("the database is a standby. Ask the primary, or promote the standby.");
	if (!workers_are_shared())
		return pstrdup(
		    "the library is not preloaded. Add pg_wallet to shared_preload_libraries "
		    "and restart the server.");
	if (extension_state() == EXTENSION_OTHER_VERSION)
		return psprintf(
		    "the installed extension has version %s, and the loaded library has %s. "
		    "Restart the server, or run ALTER EXTENSION pg_wallet UPDATE.",
		    extension_other_version(), PG_WALLET_VERSION);
	if (!setting_worker)
		return pstrdup(
		    "the worker is switched off. Set pg_wallet.worker to on and reload the "
		    "configuration.");
	if (!setting_allows_database(get_database_name(MyDatabaseId)))
		return pstrdup(
		    "the database is not one of those that may have a worker. Add it to "
		    "pg_wallet.databases and reload the configuration.");
	if (is_closed_to_workers())
		return pstrdup(
		    "the database is a template, or takes no connections, so that it has no "
		    "worker. Change that by ALTER DATABASE.");
	trouble = trouble_of_standbys();
	if (trouble != NULL)
		return trouble;
	return workers_state(&state) ? trouble_of_worker(&state) : trouble_of_launcher();
}

bool
readiness_posts(void)
{
	return find_trouble() == NULL;
}

/*
 * wallet_ready() → row: worker_alive says whether what is queued is posted, and detail why not,
 * and what to do.
 */
Datum
wallet_ready(PG_FUNCTION_ARGS)
{
	TupleDesc descriptor;
	char *trouble = find_trouble();
	bool nulls[2] = {false};
	Datum values[2] = {
	    BoolGetDatum(trouble == NULL),
	    CStringGetTextDatum(trouble == NULL ? "the worker is alive" : trouble),
	};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result must be a row");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
