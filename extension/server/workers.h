/*
 * workers.h
 *		What workers, the launcher and sessions tell each other through shared memory.
 */
#ifndef PG_WALLET_WORKERS_H
#define PG_WALLET_WORKERS_H

#include "base/version.h"

#include "datatype/timestamp.h"

#include "queue/failing.h"
#include "queue/queue.h"

/* How it stands with a worker, after its last round. */
typedef enum WorkerCondition
{
	CONDITION_STARTING,
	CONDITION_POSTING,
	CONDITION_CLOSED,        /* the queue may not be posted: see wallet.opening */
	CONDITION_EXCLUDED,      /* an open transaction that has called wallet_process() keeps it out */
	CONDITION_OTHER_VERSION, /* the extension and the library are not of the same version */
	CONDITION_FAILING        /* the last round has failed, and will be tried again after a pause */
} WorkerCondition;

/* Room for the text of an error, with its end. */
#define WORKER_TEXT_SIZE 256

typedef struct WorkerState
{
	Oid database; /* InvalidOid: a free slot */
	int pid;      /* 0 while it starts */
	TimestampTz started_at;
	int64 heartbeat_us; /* of monotonic_us() */
	int64 posted;       /* requests, since the worker started */
	int64 refused;
	int batch_requests; /* of the last batch that had any */
	int64 batch_us;
	int gaps;
	int64 deferred;
	FailingRequests failing;
	WorkerCondition condition;
	int64 condition_us; /* since this moment of monotonic_us() */
	int sqlstate;       /* of the last error */
	char error[WORKER_TEXT_SIZE];
	char hint[WORKER_TEXT_SIZE];
	uint32 wait_event; /* what it waits for; filled in by workers_state() */
} WorkerState;

/* Has the worker before died?  Early is before the end of its first round. */
typedef enum WorkerDeath
{
	DEATH_NONE,
	DEATH_LATE,
	DEATH_EARLY
} WorkerDeath;

/* A worker that the launcher shall start. */
typedef struct WantedWorker
{
	Oid database;
	WorkerDeath death;
} WantedWorker;

/* Why the launcher could not start a worker that it wanted to start. */
typedef enum LaunchTrouble
{
	LAUNCH_WELL,
	LAUNCH_WORKERS_MAX,  /* pg_wallet.max_workers are in use */
	LAUNCH_PROCESSES_MAX /* max_worker_processes are in use */
} LaunchTrouble;

extern Size workers_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void workers_start(void);

/*
 * Tell this database's worker that somebody else posts, with queue_lock held; and how often the
 * worker which asks has been told.
 */
extern void workers_take_over(void);
extern int64 workers_takeovers(void);

/* The launcher's side: who asked for a worker, and a slot for a new one (-1: none is free). */
extern void workers_attach_launcher(void);
extern int workers_take_wanted(WantedWorker *workers, int room);
extern int workers_reserve(Oid database);
extern void workers_release(int slot);
extern bool workers_has(Oid database);

/*
 * The worker's side.  When it exits its slot is free, and the launcher is asked for another worker
 * unless workers_leaves() has said true: nobody has asked for it since workers_looks(),
 * or it goes all the same.  Attaching returns InvalidOid when the slot is no longer its own.  It
 * beats while it sleeps, and reports after each round.
 */
extern Oid workers_attach(int slot);
extern void workers_looks(void);
extern bool workers_leaves(bool also_if_asked);
extern void workers_beat(void);
extern void workers_report(const Round *round, int64 batch_us);
extern void workers_failing(const FailingRequests *failing);

extern void workers_condition(WorkerCondition condition);
extern void workers_error(const ErrorData *error);

/* The state of this database's worker; false when there is none. */
extern bool workers_state(WorkerState *state);

/* Is there shared memory?  There is none where the library is not preloaded. */
extern bool workers_are_shared(void);

/* What the launcher has noted last. */
extern void workers_note_trouble(LaunchTrouble trouble);
extern LaunchTrouble workers_trouble(void);

#endif /* PG_WALLET_WORKERS_H */
