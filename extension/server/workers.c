/*
 * workers.c
 *		What workers, the launcher and sessions tell each other through shared memory.
 *
 * One slot for each worker, and a short list of databases that want one.  All
 * of it is protected by one LWLock; nobody holds it for longer than a few
 * assignments.  A process is named by its number in the ProcArray, never by a
 * pointer.  Without the memory (the library is not in
 * shared_preload_libraries) nobody is woken and there is no worker.
 */
#include "server/workers.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/wake.h"
#include "queue/queue.h"

#if PG_VERSION_NUM >= 170000
#define MY_PROC_NUMBER MyProcNumber
#else
#define MY_PROC_NUMBER MyProc->pgprocno
#endif

#define NO_PROC (-1)
#define WANTED_MAX 64

typedef struct Slot
{
	WorkerState state;
	int proc;        /* NO_PROC while the worker starts */
	bool wanted;     /* when this worker exits, the launcher starts another */
	bool asked;      /* somebody has work for it that it may not have seen */
	int64 takeovers; /* so often somebody else has posted what is its work */
} Slot;

typedef struct Shared
{
	LWLock *lock;
	int launcher_proc;
	LaunchTrouble launch_trouble;
	int wanted_count;
	WantedWorker wanted[WANTED_MAX];
	int slot_count;
	Slot slots[FLEXIBLE_ARRAY_MEMBER];
} Shared;

static Shared *shared = NULL;
static Slot *my_slot = NULL;

Size
workers_size(void)
{
	return offsetof(Shared, slots) + sizeof(Slot) * setting_workers_max;
}

static void
set_latch_of(int proc)
{
	if (proc != NO_PROC)
		SetLatch(&GetPGProcByNumber(proc)->procLatch);
}

/* A slot that is free; NULL when there is none.  With the lock held. */
static Slot *
find_free_slot(void)
{
	for (int i = 0; i < shared->slot_count; i++)
	{
		if (!OidIsValid(shared->slots[i].state.database))
			return &shared->slots[i];
	}
	return NULL;
}

/* The slot of a database, but not of a worker about to leave; NULL when it has none.  Likewise. */
static Slot *
find_slot(Oid database)
{
	for (int i = 0; i < shared->slot_count; i++)
	{
		if (shared->slots[i].state.database == database && shared->slots[i].wanted)
			return &shared->slots[i];
	}
	return NULL;
}

/* Ask the launcher for a worker.  With the lock held exclusively. */
static void
want_worker(Oid database, WorkerDeath death)
{
	for (int i = 0; i < shared->wanted_count; i++)
	{
		if (shared->wanted[i].database == database)
		{
			shared->wanted[i].death = Max(shared->wanted[i].death, death);
			return;
		}
	}
	/* When the list is full, the launcher's next look at all databases finds this one. */
	if (shared->wanted_count < WANTED_MAX)
		shared->wanted[shared->wanted_count++] = (WantedWorker){database, death};
	set_latch_of(shared->launcher_proc);
}

static void
wake_worker(void)
{
	Slot *slot;

	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(MyDatabaseId);
	if (slot != NULL)
	{
		/* Many may say so at the same time: all say the same. */
		slot->asked = true;
		set_latch_of(slot->proc);
	}
	LWLockRelease(shared->lock);
	if (slot != NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	want_worker(MyDatabaseId, DEATH_NONE);
	LWLockRelease(shared->lock);
}

void
workers_start(void)
{
	bool found;

	shared = ShmemInitStruct("pg_wallet", workers_size(), &found);
	wake_hook = wake_worker;
	if (found)
		return;
	memset(shared, 0, workers_size());
	shared->lock = &GetNamedLWLockTranche("pg_wallet")->lock;
	shared->launcher_proc = NO_PROC;
	shared->slot_count = setting_workers_max;
}

static void
launcher_detach(int code, Datum argument)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher_proc = NO_PROC;
	LWLockRelease(shared->lock);
}

void
workers_attach_launcher(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher_proc = MY_PROC_NUMBER;
	/* Slots that a launcher before this one reserved for workers that never came. */
	for (int i = 0; i < shared->slot_count; i++)
	{
		if (shared->slots[i].proc == NO_PROC)
			shared->slots[i].state.database = InvalidOid;
	}
	LWLockRelease(shared->lock);
	before_shmem_exit(launcher_detach, (Datum) 0);
}

int
workers_take_wanted(WantedWorker *workers, int room)
{
	int count;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	count = Min(shared->wanted_count, room);
	memcpy(workers, shared->wanted, sizeof(WantedWorker) * count);
	memmove(shared->wanted, shared->wanted + count,
	        sizeof(WantedWorker) * (shared->wanted_count - count));
	shared->wanted_count -= count;
	LWLockRelease(shared->lock);
	return count;
}

int
workers_reserve(Oid database)
{
	Slot *slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_free_slot();
	if (slot != NULL)
		*slot = (Slot){.state = {.database = database}, .proc = NO_PROC, .wanted = true};
	LWLockRelease(shared->lock);
	return slot == NULL ? -1 : (int) (slot - shared->slots);
}

void
workers_release(int slot)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (shared->slots[slot].proc == NO_PROC)
		shared->slots[slot].state.database = InvalidOid;
	LWLockRelease(shared->lock);
}

bool
workers_has(Oid database)
{
	bool exists;

	LWLockAcquire(shared->lock, LW_SHARED);
	exists = find_slot(database) != NULL;
	LWLockRelease(shared->lock);
	return exists;
}

static void
worker_detach(int code, Datum argument)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	/* A reload that it has not seen may want it again. */
	if (my_slot->wanted || ConfigReloadPending)
		want_worker(my_slot->state.database,
		            my_slot->state.condition == CONDITION_STARTING ? DEATH_EARLY : DEATH_LATE);
	my_slot->state.database = InvalidOid;
	my_slot->proc = NO_PROC;
	LWLockRelease(shared->lock);
}

Oid
workers_attach(int slot)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot = &shared->slots[slot];
	if (!OidIsValid(my_slot->state.database))
	{
		LWLockRelease(shared->lock);
		return InvalidOid;
	}
	my_slot->proc = MY_PROC_NUMBER;
	my_slot->state.pid = MyProcPid;
	my_slot->state.started_at = GetCurrentTimestamp();
	my_slot->state.heartbeat_us = monotonic_us();
	LWLockRelease(shared->lock);
	before_shmem_exit(worker_detach, (Datum) 0);
	return my_slot->state.database;
}

void
workers_looks(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->asked = false;
	LWLockRelease(shared->lock);
}

bool
workers_leaves(bool also_if_asked)
{
	bool leaves;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	leaves = also_if_asked || !my_slot->asked;
	my_slot->wanted = !leaves;
	LWLockRelease(shared->lock);
	return leaves;
}

void
workers_beat(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->state.heartbeat_us = monotonic_us();
	LWLockRelease(shared->lock);
}

void
workers_take_over(void)
{
	Slot *slot;

	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(MyDatabaseId);
	if (slot != NULL)
		slot->takeovers++;
	LWLockRelease(shared->lock);
}

int64
workers_takeovers(void)
{
	int64 takeovers;

	if (my_slot == NULL)
		return 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	takeovers = my_slot->takeovers;
	LWLockRelease(shared->lock);
	return takeovers;
}

void
workers_report(const Round *round, int64 batch_us)
{
	WorkerState *state = &my_slot->state;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	state->heartbeat_us = monotonic_us();
	state->posted += round->posted;
	state->refused += round->refused;
	state->gaps = round->gaps;
	state->deferred = round->deferred;
	if (round->posted + round->refused > 0)
	{
		state->batch_requests = round->posted + round->refused;
		state->batch_us = batch_us;
	}
	LWLockRelease(shared->lock);
}

void
workers_failing(const FailingRequests *failing)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->state.failing = *failing;
	LWLockRelease(shared->lock);
}

void
workers_condition(WorkerCondition condition)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	my_slot->state.condition = condition;
	my_slot->state.condition_us = monotonic_us();
	LWLockRelease(shared->lock);
}

void
workers_error(const ErrorData *error)
{
	WorkerState *state = &my_slot->state;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	state->sqlstate = error->sqlerrcode;
	strlcpy(state->error, error->message ? error->message : "", sizeof(state->error));
	strlcpy(state->hint, error->hint ? error->hint : "", sizeof(state->hint));
	LWLockRelease(shared->lock);
}

bool
workers_state(WorkerState *state)
{
	Slot *slot;

	if (shared == NULL)
		return false;
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(MyDatabaseId);
	if (slot != NULL)
	{
		*state = slot->state;
		state->wait_event =
		    slot->proc == NO_PROC ? 0 : GetPGProcByNumber(slot->proc)->wait_event_info;
	}
	LWLockRelease(shared->lock);
	return slot != NULL;
}

bool
workers_are_shared(void)
{
	return shared != NULL;
}

void
workers_note_trouble(LaunchTrouble trouble)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launch_trouble = trouble;
	LWLockRelease(shared->lock);
}

LaunchTrouble
workers_trouble(void)
{
	LaunchTrouble trouble;

	LWLockAcquire(shared->lock, LW_SHARED);
	trouble = shared->launch_trouble;
	LWLockRelease(shared->lock);
	return trouble;
}
