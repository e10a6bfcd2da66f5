/*
 * launcher.c
 *		Sees to it that every database with the extension has a worker.
 *
 * Only a process that is connected to a database can tell whether the extension is installed
 * there. So the launcher starts a worker for each database when the server starts, after a reload,
 * and every LOOK_AT_ALL_MS; a worker exits at once when the extension is not installed.  In
 * between, a database asks for a worker at CREATE EXTENSION, when a request is queued and there is
 * no worker, and when its worker has died.
 *
 *		wanted --start--> worker --extension absent, paused--> (nothing)
 *		  ^                 |
 *		  +----- died ------+
 */
#include "server/launcher.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "base/settings.h"
#include "server/clock_step.h"
#include "server/ending.h"
#include "server/worker.h"
#include "server/workers.h"

/*
 * The interval between looks at all databases.  A database that was made from a template which has
 * the extension asks for no worker by itself.
 */
#define LOOK_AT_ALL_MS 60000

/*
 * The shortest time between two starts of a database's worker.  The time doubles whenever the
 * worker dies before the end of its first round, as happens when the database cannot be opened.
 * Each death writes two lines to the log.
 */
#define RESTART_MS 500
#define RESTART_MS_MAX 64000

/*
 * When workers could not be started for this time, the log says so.  All slots may be taken for a
 * shorter time by workers that exit because their database has no extension.
 */
#define FULL_LOG_MS 2000

/* A database that wants a worker, or has wanted one before. */
typedef struct Wanted
{
	Oid database;
	bool pending;
	bool asked;       /* a session in the database has asked for the worker */
	bool told;        /* the log says that the database may have no worker */
	int64 started_ms; /* of monotonic_ms(); 0: never */
	int pause_ms;     /* between two starts of the worker */
} Wanted;

static Wanted *databases = NULL;
static int database_count = 0;
static int database_room = 0;

void
launcher_register(void)
{
	BackgroundWorker launcher = {
	    .bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
	    .bgw_start_time = BgWorkerStart_RecoveryFinished,
	    .bgw_restart_time = 1,
	};

	/* pg_upgrade must be the only one that writes in a server that it has started. */
	if (IsBinaryUpgrade)
		return;
	strlcpy(launcher.bgw_name, "pg_wallet launcher", BGW_MAXLEN);
	strlcpy(launcher.bgw_type, "pg_wallet launcher", BGW_MAXLEN);
	strlcpy(launcher.bgw_library_name, "pg_wallet", sizeof(launcher.bgw_library_name));
	strlcpy(launcher.bgw_function_name, "pg_wallet_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&launcher);
}

static Wanted *
find_database(Oid database)
{
	for (int i = 0; i < database_count; i++)
	{
		if (databases[i].database == database)
			return &databases[i];
	}
	if (database_count == database_room)
	{
		database_room = Max(16, database_room * 2);
		databases = databases == NULL
		                ? MemoryContextAlloc(TopMemoryContext, sizeof(Wanted) * database_room)
		                : repalloc(databases, sizeof(Wanted) * database_room);
	}
	databases[database_count] = (Wanted){.database = database, .pause_ms = RESTART_MS};
	return &databases[database_count++];
}

static void
want(Oid database)
{
	find_database(database)->pending = true;
}

/*
 * Whether a worker may connect to this database.  A template has no worker, because a database
 * cannot be copied while a process is connected to it.  A limit of -2 connections marks a database
 * whose DROP was cut short.
 */
static bool
is_open_to_workers(const FormData_pg_database *database)
{
	return database->datallowconn && !database->datistemplate && database->datconnlimit >= -1 &&
	       setting_allows_database(NameStr(database->datname));
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

/* Notes each database that may have a worker as one that wants a worker. */
static void
look_at_all_databases(void)
{
	Relation catalog;
	TableScanDesc scan;
	HeapTuple tuple;

	pgstat_report_activity(STATE_RUNNING, "looking at all databases");
	begin();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);

		if (is_open_to_workers(row))
			want(row->oid);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
}

/* Whether the database still exists and may have a worker. */
static bool
may_have_worker(Oid database)
{
	HeapTuple tuple;
	bool may;

	begin();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	may = HeapTupleIsValid(tuple) && is_open_to_workers((Form_pg_database) GETSTRUCT(tuple));
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	CommitTransactionCommand();
	return may;
}

/*
 * Logs why workers could not be started, once when that has lasted for FULL_LOG_MS, and logs when
 * they could be started again.
 */
static void
note_trouble(LaunchTrouble trouble)
{
	static LaunchTrouble noted = LAUNCH_WELL;
	static int64 noted_ms = 0;
	static LaunchTrouble logged = LAUNCH_WELL;
	int64 now_ms = monotonic_ms();

	if (trouble != noted)
	{
		workers_note_trouble(noted = trouble);
		noted_ms = now_ms;
	}
	if (trouble == logged || (trouble != LAUNCH_WELL && now_ms - noted_ms < FULL_LOG_MS))
		return;
	logged = trouble;
	if (trouble == LAUNCH_WORKERS_MAX)
		ereport(LOG, (errmsg("could not start a pg_wallet worker: all %d are in use",
		                     setting_workers_max),
		              errhint("You might need to increase pg_wallet.max_workers.")));
	else if (trouble == LAUNCH_PROCESSES_MAX)
		ereport(LOG, (errmsg("could not start a pg_wallet worker: no slot for a background worker"),
		              errhint("You might need to increase max_worker_processes.")));
	else
		ereport(LOG, (errmsg("pg_wallet workers are started again")));
}

/*
 * A session has queued a request in a database that may have no worker.  Logs that once, until the
 * database has a worker or the settings are reloaded.
 */
static void
tell_of_ban(Wanted *wanted)
{
	char *name;

	begin();
	name = get_database_name(wanted->database);
	if (name != NULL)
		ereport(
		    LOG,
		    (errmsg("nothing is posted in database \"%s\": it may have no pg_wallet worker", name),
		     errhint("pg_wallet.databases must name it, and it must not be a template.")));
	CommitTransactionCommand();
	wanted->told = true;
}

/* Whether a worker is to be started for this database. */
static bool
is_needed(Wanted *wanted)
{
	if (!wanted->pending || workers_has(wanted->database))
		return false;
	if (may_have_worker(wanted->database))
		return true;
	if (wanted->asked && !wanted->told)
		tell_of_ban(wanted);
	return false;
}

/* Logs once that pg_wallet.worker is off. */
static void
tell_of_switch(void)
{
	static bool told = false;

	if (!setting_worker && !told)
		ereport(LOG, (errmsg("pg_wallet.worker is off: what is queued is not posted"),
		              errhint("Set it to on, and reload the configuration.")));
	told = !setting_worker;
}

/* Starts a worker for this database, or returns why that is not possible. */
static LaunchTrouble
launch(Wanted *wanted)
{
	int slot = workers_reserve(wanted->database);

	if (slot < 0)
		return LAUNCH_WORKERS_MAX;
	pgstat_report_activity(STATE_RUNNING, "starting a worker");
	wanted->started_ms = monotonic_ms();
	wanted->pending = !worker_start(slot);
	wanted->told = false;
	if (!wanted->pending)
		return LAUNCH_WELL;
	workers_release(slot);
	return LAUNCH_PROCESSES_MAX;
}

/* Starts the workers that are pending; returns whether some of them have to wait. */
static bool
start_workers(void)
{
	int64 now_ms = monotonic_ms();
	static LaunchTrouble trouble = LAUNCH_WELL; /* of the last one that was tried */
	bool waiting = false;

	for (int i = 0; i < database_count; i++)
	{
		Wanted *wanted = &databases[i];

		if (!is_needed(wanted))
		{
			wanted->pending = wanted->asked = false;
			continue;
		}
		if (wanted->started_ms == 0 || now_ms - wanted->started_ms >= wanted->pause_ms)
			trouble = launch(wanted);
		waiting = waiting || wanted->pending;
	}
	note_trouble(waiting ? trouble : (trouble = LAUNCH_WELL));
	return waiting;
}

static void
take_wanted(void)
{
	WantedWorker workers[16];
	int count;

	while ((count = workers_take_wanted(workers, lengthof(workers))) > 0)
	{
		for (int i = 0; i < count; i++)
		{
			Wanted *wanted = find_database(workers[i].database);

			wanted->pending = wanted->asked = true;
			if (workers[i].death == DEATH_EARLY)
				wanted->pause_ms = Min(wanted->pause_ms * 2, RESTART_MS_MAX);
			else if (workers[i].death == DEATH_LATE)
				wanted->pause_ms = RESTART_MS;
		}
	}
}

void
pg_wallet_launcher_main(Datum argument)
{
	int64 looked_ms = 0; /* 0: look at once */

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	ending_install(true);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	ending_connected();
	workers_attach_launcher();

	for (;;)
	{
		bool waiting = false;

		CHECK_FOR_INTERRUPTS();
		clock_look();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			looked_ms = 0;
			for (int i = 0; i < database_count; i++)
				databases[i].told = false;
		}
		tell_of_switch();
		take_wanted();
		if (looked_ms == 0 || monotonic_ms() - looked_ms >= LOOK_AT_ALL_MS)
		{
			look_at_all_databases();
			looked_ms = monotonic_ms();
		}
		if (setting_worker)
			waiting = start_workers();
		pgstat_report_activity(STATE_IDLE,
		                       waiting ? "idle: a worker is to be started soon" : "idle");
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
		                 waiting ? RESTART_MS / 5 : LOOK_AT_ALL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
