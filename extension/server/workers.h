/*
 * workers.h
 *		What workers, the launcher and sessions tell each other through shared memory.
 */
#ifndef PG_WALLET_WORKERS_H
#define PG_WALLET_WORKERS_H

#include "base/version.h"

#include "storage/lwlock.h"
#include "datatype/timestamp.h"

#include "queue/failing.h"
#include "queue/queue.h"

/* The condition of a worker after its last round. */
typedef enum WorkerCondition
{
	CONDITION_STARTING,
	CONDITION_POSTING,
	CONDITION_CLOSED,        /* the queue may not be posted: see wallet.opening */
	CONDITION_EXCLUDED,      /* a transaction that has called wallet_process() is still open */
	CONDITION_OTHER_VERSION, /* the extension and the library have different versions */
	CONDITION_FAILING        /* the last round has failed; another try follows after a pause */
} WorkerCondition;

/* Room for the text of an error, with its end. */
#define WORKER_TEXT_SIZE 256

typedef struct WorkerState
{
	Oid database; /* InvalidOid: a free slot */
	int pid;      /* 0 while the worker starts */
	TimestampTz started_at;
	int64 heartbeat_us; /* of monotonic_us() */
	int64 posted;       /* requests, since the worker started */
	int64 refused;
	int batch_requests; /* of the last batch that had any */
	int64 batch_us;
	int gaps;
	int64 deferred;
	int64 highest; /* of the last round: see Round */
	int64 first_deferred;
	FailingRequests failing;
	WorkerCondition condition;
	int64 condition_us; /* since this moment of monotonic_us() */
	int sqlstate;       /* of the last error */
	char error[WORKER_TEXT_SIZE];
	char hint[WORKER_TEXT_SIZE];
	uint32 wait_event; /* what the worker waits for; filled in by workers_state() */
} WorkerState;

/* How the last worker of the database ended: DEATH_EARLY is before the end of its first round. */
typedef enum WorkerDeath
{
	DEATH_NONE,
	DEATH_LATE,
	DEATH_EARLY
} WorkerDeath;

/* A database for which the launcher is to start a worker. */
typedef struct WantedWorker
{
	Oid database;
	WorkerDeath death;
} WantedWorker;

/* Why the launcher could not start a worker. */
typedef enum LaunchTrouble
{
	LAUNCH_WELL,
	LAUNCH_WORKERS_MAX,  /* pg_wallet.max_workers are in use */
	LAUNCH_PROCESSES_MAX /* max_worker_processes are in use */
} LaunchTrouble;

/* Shared memory: see server/start.c. */
extern Size workers_size(void);
extern void workers_start(void *memory, LWLock *lock, bool is_new);

/*
 * workers_take_over: a session posts in place of this database's worker.  The session holds
 * queue_lock.  workers_takeovers returns, to the worker, how often that has happened.
 */
extern void workers_take_over(void);
extern int64 workers_takeovers(void);

/*
 * Called by the launcher.  workers_take_wanted takes databases that want a worker off the list, as
 * many as there is room for, and returns their number.  workers_reserve returns the number of a
 * slot for a new worker; -1 when no slot is free.  workers_release gives the slot back, unless a
 * worker has attached to it.  workers_has: whether the database has a worker that does not leave.
 */
extern void workers_attach_launcher(void);
extern int workers_take_wanted(WantedWorker *workers, int room);
extern int workers_reserve(Oid database);
extern void workers_release(int slot);
extern bool workers_has(Oid database);

/*
 * Called by a worker.  workers_attach, called once, returns the worker's database; InvalidOid when
 * the slot is no longer the worker's own.  workers_looks is called before the worker looks for
 * work.  workers_leaves: whether the worker may exit, because no request was queued since then, or
 * because also_if_asked is true.  When a worker exits, its slot becomes free; unless
 * workers_leaves has returned true, the launcher is asked for another worker.  workers_gather:
 * until the next workers_looks, requests that are queued do not set the worker's latch, and a look
 * for an outcome that is not there does; returns whether somebody has looked like that already.  A
 * worker calls workers_beat while it sleeps, and workers_report after each round.
 */
extern Oid workers_attach(int slot);
extern void workers_looks(void);
extern bool workers_gather(void);
extern bool workers_leaves(bool also_if_asked);
extern void workers_beat(void);
extern void workers_report(const Round *round, int64 batch_us);
extern void workers_failing(const FailingRequests *failing);

extern void workers_condition(WorkerCondition condition);
extern void workers_error(const ErrorData *error);

/* Copies the state of this database's worker; false when there is no worker. */
extern bool workers_state(WorkerState *state);

/* Whether there is shared memory: there is none where the library is not preloaded. */
extern bool workers_are_shared(void);

/* The launcher notes why it could not start a worker; sessions read the last note. */
extern void workers_note_trouble(LaunchTrouble trouble);
extern LaunchTrouble workers_trouble(void);

#endif /* PG_WALLET_WORKERS_H */
