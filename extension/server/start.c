/*
 * start.c
 *		The library's start: settings, hooks, and, when preloaded, shared memory and the launcher.
 */
#include "base/version.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/claims.h"
#include "base/hints.h"
#include "base/ids.h"
#include "base/settings.h"
#include "queue/backlog.h"
#include "server/clock_step.h"
#include "server/guard.h"
#include "server/launcher.h"
#include "server/upgrade.h"
#include "server/workers.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/* The pieces of shared memory.  lock is the name of the LWLock of a piece; NULL: it has none. */
static const struct SharedPiece
{
	Size (*size)(void);
	void (*start)(void);
	const char *lock;
} pieces[] = {
    {workers_size, workers_start, "pg_wallet"},
    {clock_size, clock_start, "pg_wallet clock"},
    {backlog_size, backlog_start, "pg_wallet backlog"},
    {hints_size, hints_start, NULL},
    {ids_size, ids_start, NULL},
    {claims_size, claims_start, NULL},
};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	for (int i = 0; i < lengthof(pieces); i++)
	{
		RequestAddinShmemSpace(pieces[i].size());
		if (pieces[i].lock != NULL)
			RequestNamedLWLockTranche(pieces[i].lock, 1);
	}
}

static void
start_memory(void)
{
	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(pieces); i++)
		pieces[i].start();
	LWLockRelease(AddinShmemInitLock);
}

/* While the postmaster loads the library: asks for shared memory and for the launcher. */
static void
start_with_server(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_memory;
	launcher_register();
	upgrade_register();
}

void
_PG_init(void)
{
	settings_define();
	if (process_shared_preload_libraries_in_progress)
		start_with_server();
	guard_install();
}
