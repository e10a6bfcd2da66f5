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
#include "queue/counts.h"
#include "server/clock_step.h"
#include "server/guard.h"
#include "server/held.h"
#include "server/launcher.h"
#include "server/upgrade.h"
#include "server/workers.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/*
 * The pieces of shared memory.  start is called when the server starts, and again after a crash.
 * is_new: the memory is new, and all its bytes are zero.  lock: a lock of the piece's name, or
 * NULL.
 */
static const struct SharedPiece
{
	const char *name;
	bool has_lock;
	Size (*size)(void);
	void (*start)(void *memory, LWLock *lock, bool is_new);
} pieces[] = {
    {"pg_wallet", true, workers_size, workers_start},
    {"pg_wallet clock", true, clock_size, clock_start},
    {"pg_wallet backlog", true, backlog_size, backlog_start},
    {"pg_wallet counts", true, counts_size, counts_start},
    {"pg_wallet held", true, held_size, held_start},
    {"pg_wallet hints", false, hints_size, hints_start},
    {"pg_wallet ids", false, ids_size, ids_start},
    {"pg_wallet claims", false, claims_size, claims_start},
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
		if (pieces[i].has_lock)
			RequestNamedLWLockTranche(pieces[i].name, 1);
	}
}

static void
start_memory(void)
{
	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(pieces); i++)
	{
		const struct SharedPiece *piece = &pieces[i];
		LWLock *lock = piece->has_lock ? &GetNamedLWLockTranche(piece->name)->lock : NULL;
		bool found;
		void *memory = ShmemInitStruct(piece->name, piece->size(), &found);

		if (!found)
			memset(memory, 0, piece->size());
		piece->start(memory, lock, !found);
	}
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
