/*
 * workers.c
 *		What workers, the launcher and sessions tell each other through shared memory.
 *
 * The memory has one slot for each worker, and a short list of databases that want a worker.  A
 * process is named by its number in the ProcArray, never by a pointer.  When the library is not in
 * shared_preload_libraries, there is no shared memory and no worker, and nobody is woken.
 *
 * Locking: one LWLock protects all of the memory.  No process holds the lock for longer than a few
 * assignments.
 */
#include "server/workers.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/locks.h"
#include "base/settings.h"
#include "base/wake.h"
#include "queue/counts.h"
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
	bool wanted;     /* when this worker exits, the launcher starts another one */
	bool asked;      /* a request was queued after the worker looked last */
	bool gathers;    /* until the worker looks again, WAKE_AWAITED alone wakes the worker */
	bool awaited;    /* WAKE_AWAITED has come after the worker looked last */
	int64 takeovers; /* how often a session has called wallet_process() */
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

/* Returns a free slot; NULL when there is none. */
static Slot *
find_free_slot(void)
{
	Assert(LWLockHeldByMeInMode(shared->lock, LW_EXCLUSIVE));
	for (int i = 0; i < shared->slot_count; i++)
	{
		if (!OidIsValid(shared->slots[i].state.database))
			return &shared->slots[i];
	}
	return NULL;
}

/* Returns the slot of a database's worker; NULL when there is none, or the worker is leaving. */
static Slot *
find_slot(Oid database)
{
	Assert(LWLockHeldByMe(shared->lock));
	for (int i = 0; i < shared->slot_count; i++)
	{
		if (shared->slots[i].state.database == database && shared->slots[i].wanted)
			return &shared->slots[i];
	}
	return NULL;
}

/* Asks the launcher for a worker. */
static void
want_worker(Oid database, WorkerDeath death)
{
	Assert(LWLockHeldByMeInMode(shared->lock, LW_EXCLUSIVE));
	for (int i = 0; i < shared->wanted_count; i++)
	{
		if (shared->wanted[i].database == database)
		{
			shared->wanted[i].death = Max(shared->wanted[i].death, death);
			return;
		}
	}
	/* When the list is full, the launcher finds this database when it next looks at all of them. */
	if (shared->wanted_count < WANTED_MAX)
		shared->wanted[shared->wanted_count++] = (WantedWorker){database, death};
	set_latch_of(shared->launcher_proc);
}

/* Wakes this database's worker.  For a request that was queued, has one started if need be. */
static void
wake_worker(WakeReason reason)
{
	Slot *slot;

	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(MyDatabaseId);
	if (slot != NULL)
	{
		/* A shared lock is enough: all who write at the same time write the same value. */
		if (reason == WAKE_QUEUED)
			slot->asked = true;
		else
			slot->awaited = true;
		if (slot->gathers == (reason == WAKE_AWAITED))
			set_latch_of(slot->proc);
	}
	LWLockRelease(shared->lock);
	if (slot != NULL || reason == WAKE_AWAITED)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	want_worker(MyDatabaseId, DEATH_NONE);
	LWLockRelease(shared->lock);
}

void
workers_start(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	wake_hook = wake_worker;
	if (!is_new)
		return;
	shared->lock = lock;
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
	/* A launcher that ran before this one may have reserved slots for workers that never came. */
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

	Assert(room > 0);
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

	Assert(OidIsValid(database));
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
	Assert(slot >= 0 && slot < shared->slot_count);
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
	/* After a reload that this worker has not seen yet, a worker may be wanted again. */
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
	Assert(my_slot == NULL && slot >= 0 && slot < shared->slot_count);
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

/* Locks the memory, and returns the slot of the worker that calls. */
static Slot *
lock_my_slot(void)
{
	Assert(my_slot != NULL);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	return my_slot;
}

void
workers_looks(void)
{
	lock_my_slot()->asked = false;
	my_slot->gathers = my_slot->awaited = false;
	LWLockRelease(shared->lock);
}

bool
workers_gather(void)
{
	bool awaited;

	lock_my_slot()->gathers = true;
	awaited = my_slot->awaited;
	LWLockRelease(shared->lock);
	return awaited;
}

bool
workers_leaves(bool also_if_asked)
{
	bool leaves;

	leaves = !lock_my_slot()->asked || also_if_asked;
	my_slot->wanted = !leaves;
	LWLockRelease(shared->lock);
	return leaves;
}

void
workers_beat(void)
{
	lock_my_slot()->state.heartbeat_us = monotonic_us();
	LWLockRelease(shared->lock);
}

void
workers_take_over(void)
{
	Slot *slot;

	Assert(queue_lock_is_held());
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

	takeovers = lock_my_slot()->takeovers;
	LWLockRelease(shared->lock);
	return takeovers;
}

void
workers_report(const Round *round, int64 batch_us)
{
	WorkerState *state = &lock_my_slot()->state;

	state->heartbeat_us = monotonic_us();
	state->posted += round->posted;
	state->refused += round->refused;
	state->gaps = round->gaps;
	state->deferred = round->deferred;
	state->highest = round->highest;
	state->first_deferred = round->first_deferred;
	if (round->posted + round->refused > 0)
	{
		state->batch_requests = round->posted + round->refused;
		state->batch_us = batch_us;
	}
	LWLockRelease(shared->lock);
	if (round->posted + round->refused > 0)
		counts_batch(round->posted + round->refused, batch_us);
}

void
workers_failing(const FailingRequests *failing)
{
	lock_my_slot()->state.failing = *failing;
	LWLockRelease(shared->lock);
}

void
workers_condition(WorkerCondition condition)
{
	lock_my_slot()->state.condition = condition;
	my_slot->state.condition_us = monotonic_us();
	LWLockRelease(shared->lock);
}

void
workers_error(const ErrorData *error)
{
	WorkerState *state = &lock_my_slot()->state;

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
