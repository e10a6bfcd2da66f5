/*
 * pg_wallet.h
 *		What the parts of the extension offer each other inside the server.
 *
 * The way of a request: enqueue.c (payload.c, handshake.c) stores it; queue.c says which requests
 * come next; batch.c posts them by the rules of post.c, through the tables of store.c; lookup.c
 * reads the outcome.  worker.c and launcher.c keep that going, direct.c takes the short way.
 */
#ifndef PG_WALLET_H
#define PG_WALLET_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM > 189999
#error "pg_wallet needs PostgreSQL 15, 16, 17 or 18"
#endif

#include "access/skey.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/numeric.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "storage/itemptr.h"

#include "queue/gaps.h"
#include "queue/payload.h"
#include "rules/post.h"

/* Its name since PostgreSQL 18. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Requests that wait in memory; of those beyond that wait, only the ids are kept. */
#define DEFERRED_MAX 100000

/* ---- pg_wallet.c: settings ---- */

extern bool setting_worker;     /* pg_wallet.worker */
extern char *setting_databases; /* pg_wallet.databases */
extern int setting_workers_max; /* pg_wallet.max_workers */
extern int setting_batch_max;   /* pg_wallet.batch_max */
extern int setting_poll_ms;     /* pg_wallet.poll_interval */
extern bool setting_allow_drop; /* pg_wallet.allow_drop */
extern int setting_retention_s; /* pg_wallet.idempotency_retention */
extern int setting_queue_limit; /* pg_wallet.queue_limit */

/* pg_wallet.request_retention; 0: for ever */
extern int setting_request_retention_s;

/* ---- clock.c: intervals ---- */

/* Since some moment before the server's start, the same for all processes.  No interval is measured
 * with the wall clock, which may be set while the server runs. */
extern int64 monotonic_ms(void);
extern int64 monotonic_us(void);

/* Warn once in the log when the wall clock has been set since somebody looked last. */
extern void clock_look(void);

/* ---- refusal.c: codes as errors ---- */

/* Raise the error of this code; detail may be NULL, else it is a full sentence. */
extern pg_noreturn void refuse(WalletCode code, const char *detail);

/* The same with a message that is more specific than the code's own. */
extern pg_noreturn void refuse_with_message(WalletCode code, const char *message);

/*
 * Is a request to blame for this error, so that it may be refused with internal_error?  No space, a
 * shutdown, a deadlock, a sequence at its end, a table that an operator has changed and the like
 * are nobody's fault.
 */
extern bool is_fault_of_request(const ErrorData *error);

/* How a request ends that is to blame for this error: with the error's own code, if it is one of
 * ours, or with internal_error. */
extern WalletCode outcome_of_error(const ErrorData *error);

/* ---- money.c: amounts as SQL has them ---- */

/* Read a numeric; its value counts, not its scale.  Raises the error of what cannot be an amount.
 */
extern Amount amount_from_numeric(Numeric value);

/* Minor units as a numeric with the currency's decimals. */
extern Numeric amount_to_numeric(int64 minor, int minor_digits);

/* ---- handshake.c: names of requests that nobody can guess ---- */

#define HANDSHAKE_TEXT_LENGTH 64

typedef struct HandshakeSealer HandshakeSealer;

/* Reads the key; free it with handshake_sealer_free, in the same transaction. */
extern HandshakeSealer *handshake_sealer_make(void);
extern void handshake_sealer_free(HandshakeSealer *sealer);

/*
 * Store the sealer's key where this database is a copy that has not stored a key of its own yet,
 * unless another transaction does so just now.  In a transaction that may write.
 */
extern void handshake_keep_key(const HandshakeSealer *sealer);

/* The handshake of a request, as text; the same request always has the same. */
extern text *handshake_seal(HandshakeSealer *sealer, const Request *request);

/*
 * The request that a handshake names, if it was made for this kind and user; 0 if it was not.
 * The handshake of a queued read serves for its wallet.
 */
extern int64 handshake_open(HandshakeSealer *sealer, RequestKind kind, int64 user_id,
                            const char *handshake, int length);

/* ---- expiry.c: old requests ---- */

/* Requests with smaller ids are gone, whatever the active snapshot says. */
extern int64 expired_below(void);

/* ---- request.c: the table of requests ---- */

/* Those given are in the order of their ids. */
extern void request_insert(const Request *requests, int count, TimestampTz enqueued_at);

/*
 * Read at most count_max requests in the order of their ids, with the active snapshot, and return
 * how many: those with ids above this one; those in the gaps.  When there are fewer than count_max
 * above, and the last of the ids there belong to many rows that are not visible, *seen is the id of
 * the very last one; else it stays as it is.
 */
extern int request_read_after(int64 request_id, int count_max, Request *requests, int64 *seen);
extern int request_read_gaps(const Gap *gaps, int gap_count, int count_max, Request *requests);

/* Take out those that have an outcome already, and return how many are left. */
extern int request_drop_settled(Request *requests, int count);

/* ---- store.c, store_sql.c: the tables as posting sees them; nobody else knows their columns ----
 */

typedef enum LockMode
{
	LOCK_WAIT,         /* a direct call waits for a wallet that another transaction holds */
	LOCK_WHAT_IS_HELD, /* the same, but those after the last such one are locked by their update */
	LOCK_SKIP_LOCKED,  /* the queue goes on without it */
	LOCK_LATER         /* the same, but all that nobody holds are locked by their update */
} LockMode;

static inline bool
lock_waits(LockMode mode)
{
	return mode == LOCK_WAIT || mode == LOCK_WHAT_IS_HELD;
}

/* What became of a request that has no transfer of its own. */
typedef struct Outcome
{
	int64 request_id;
	WalletCode code;
	bool sees_batch; /* a queued read of a wallet that its own batch had written before */
	int64 wallet_id; /* 0 for none */
	int64 balance;   /* what a queued read saw */
	TimestampTz updated_at;
	WalletStatus status;
} Outcome;

/*
 * Read and lock wallets in the order of their ids, so that two callers never wait for each other
 * in a circle.  Fills wallets (room for count) and returns how many; the others do not exist, or
 * with LOCK_SKIP_LOCKED are locked by somebody else.
 */
extern int store_lock_wallets(const int64 *wallet_ids, int count, LockMode mode, Wallet *wallets);

/* Which of these wallets exist?  No lock.  Returns how many, and their ids in found. */
extern int store_existing_wallets(const int64 *wallet_ids, int count, int64 *found);

/* Which of these users have a wallet?  Returns how many, and their ids in found. */
extern int store_users_with_wallets(const int64 *user_ids, int count, int64 *found);

/* Is another open transaction making a wallet for this user just now? */
extern bool store_user_is_busy(int64 user_id);

/* A wallet without a lock; false when there is none. */
extern bool store_find_wallet(int64 wallet_id, Wallet *wallet);

/* A currency by its code; false when there is none. */
extern bool store_find_currency(const char *code, Currency *currency);

/* A transfer and its currency by id; the caller knows that it exists. */
extern void store_get_transfer(int64 transfer_id, Transfer *transfer, Currency *currency);

/* Returns how many: a user who has got a wallet in the meantime gets no second one. */
extern int store_insert_wallets(const Wallet *wallets, int count);

/*
 * Store the new state of wallets that store_lock_wallets has read, one after the other, until one
 * that was not locked there has been locked or changed since by somebody else.  Returns how many
 * have been stored, which the caller must undo if it is not all of them; row says where they are
 * now.
 */
extern int store_update_wallets(Wallet *wallets, int count);
extern void store_update_status(const Wallet *wallet);

/*
 * In the order of the requests' ids.  The moment of a read is posted_at, or the wallet's updated_at
 * where that is later.
 */
extern void store_insert_outcomes(const Outcome *outcomes, int count, TimestampTz posted_at);

/* metadata: one jsonb for all of them, or NULL. */
extern void store_insert_transfers(const Transfer *transfers, int count, const Datum *metadata);

/* ---- sql.c: kept plans and arrays ---- */

/* A statement that is planned once in a session. */
typedef struct Statement
{
	const char *sql;
	int argument_count;
	Oid argument_types[12];
	struct _SPI_plan *plan;
} Statement;

/*
 * Run it, inside SPI_connect.  A session that plans as session.h says makes it do so with nothing
 * to change.  nulls may be NULL.  read_only: with the snapshot that is active. */
extern void statement_run(Statement *statement, Datum *arguments, const char *nulls,
                          bool read_only);

/* Arrays for unnest(): also of one int64 member of each struct of an array. */
extern Datum member_array(const void *structs, int count, size_t size, size_t offset, Oid type);

#define INT64_MEMBER(structs, count, type, member)                                                 \
	member_array(structs, count, sizeof(type), offsetof(type, member), INT8OID)
#define TIME_MEMBER(structs, count, type, member)                                                  \
	member_array(structs, count, sizeof(type), offsetof(type, member), TIMESTAMPTZOID)

/* For assertions: does this int64 member rise from each struct of an array to the next? */
static inline bool
member_rises(const void *structs, int count, size_t size, size_t offset)
{
	const char *member = (const char *) structs + offset;

	for (int i = 1; i < count; i++)
	{
		if (*(const int64 *) (member + (i - 1) * size) >= *(const int64 *) (member + i * size))
			return false;
	}
	return true;
}

#define MEMBER_RISES(structs, count, type, member)                                                 \
	member_rises(structs, count, sizeof(type), offsetof(type, member))

extern Datum int64_array(const int64 *values, int count);
extern Datum text_array(const char *const *values, int count);

/* Columns of the result's row, bigint or timestamptz and text; null reads as 0 or "". */
extern int64 result_int64(uint64 row, int column);
extern const char *result_text(uint64 row, int column);

/*
 * The statement has written this many rows, or an error is raised: a trigger or a rule that
 * swallows rows of ours would lose money without a word.
 */
extern void result_expect(int count, const char *table);

/*
 * Is another open transaction inserting a row with these keys into a table of the schema wallet,
 * whose columns of these names have a unique index?  The keys are in the order of the columns;
 * false where there is no such index, whatever it is called.
 */
extern bool index_entry_is_busy(const char *table, const char *const *columns, ScanKeyData *keys,
                                int key_count);

/* A table of the schema wallet by name; an error when the extension is absent. */
extern Oid wallet_relation(const char *relation);

/*
 * Lock such a table and its indexes for reading until the end of the transaction; false where that
 * would have to wait for another transaction.
 */
extern bool relation_lock_at_once(const char *relation);

/* Is this extension, of this library's version, installed in the database? */
typedef enum ExtensionState
{
	EXTENSION_ABSENT,
	EXTENSION_OTHER_VERSION,
	EXTENSION_READY
} ExtensionState;

extern ExtensionState extension_state(void);

/* ---- encoding.c: texts in UTF-8 ---- */

/* Is it valid UTF-8, without a NUL? */
extern bool utf8_is_valid(const char *text, int length);

/* A valid UTF-8 text in the database's encoding; NULL where that lacks one of its characters. */
extern char *utf8_to_database(const char *text, int length);

/* The same for people to read: the text's end is a NUL, and what cannot be converted is a "?". */
extern char *utf8_to_database_lossy(const char *text, int length);

/* ---- idempotency.c: keys that make a retry harmless ---- */

#define FINGERPRINT_SIZE 32

/* A request or a direct call that came with a key. */
typedef struct IdempotentCall
{
	int64 user_id; /* the scope of the key */
	const char *key;
	uint8 fingerprint[FINGERPRINT_SIZE];
	bool is_direct;    /* it makes a transfer at once, and no request */
	int64 request_id;  /* of the request, or 0 */
	int64 transfer_id; /* of the direct call's transfer, or 0 */
	bool repeated;     /* out: the ids are those of an earlier call */
	bool mismatched;   /* out: the key stands for something else */
} IdempotentCall;

/* Is this a key that may be used? */
extern bool idempotency_key_is_valid(const char *key);

/* Of what is asked, without its ids; extra is a direct call's metadata as text, or NULL. */
extern void idempotency_fingerprint(const Request *request, const char *extra, uint8 *fingerprint);

/* Which of these keys have been used?  There repeated is set, or mismatched. */
extern void idempotency_find(IdempotentCall **calls, int count);

/* Is another open transaction storing this key just now?  Storing it would wait for its end. */
extern bool idempotency_key_is_busy(const IdempotentCall *call);

/*
 * Store the keys, waiting where another open transaction stores the same one.  The calls are
 * sorted, so that two callers never wait for each other in a circle.
 */
extern void idempotency_claim(IdempotentCall **calls, int count);

/* ---- locks.c: locks that stand for an activity ---- */

/*
 * Keep others from posting until the transaction ends.  Without wait: false when somebody else
 * posts now.
 */
extern bool queue_lock(bool wait);

/* ---- queue.c: which requests come next ---- */

typedef struct Queue Queue;

/* What one round did. */
typedef struct Round
{
	int posted;     /* requests that moved money, made a wallet or read one */
	int refused;    /* requests with a refusal as their outcome */
	int64 deferred; /* requests that have been read and wait for a locked wallet, or have failed */
	int gaps;       /* runs of ids below the highest that are not visible yet */
	bool more;      /* there may be more to do at once */
	bool drained;   /* all that was visible has been read: what waits now is deferred, or newer */
	bool closed;    /* nothing may be posted: see wallet.opening */
	int retry_ms;   /* until the deferred ones are worth another try; -1: none is waited for */
} Round;

/* Requests that have failed alone, through nobody's fault, and wait for another try. */
#define FAILING_ERROR_SIZE 256

typedef struct FailingRequests
{
	int count;
	int64 request_id;  /* of the one that has failed for longest */
	TimestampTz since; /* when it has failed first */
	int attempts;
	int sqlstate;
	char error[FAILING_ERROR_SIZE]; /* its message */
} FailingRequests;

/*
 * A queue's state, in a memory context of its own below the one given.  is_worker: it may claim
 * wallets (claims.c), and somebody reads the server's log alone.
 */
extern Queue *queue_make(MemoryContext parent, bool is_worker);
extern void queue_free(Queue *queue);

/*
 * Post one batch of at most requests_max requests, inside the caller's (sub)transaction, with a
 * snapshot set by the caller after queue_lock.  Then either queue_advance, when that transaction
 * has committed, or queue_failed, when it did not.  taking_over: the caller is not the worker,
 * which shared_take_over has told.
 */
extern Round queue_round(Queue *queue, int requests_max, bool taking_over);
extern void queue_advance(Queue *queue, Round *round);

/*
 * Store how far the queue has been posted, under the same conditions, before the process ends: who
 * goes on need not look whether what was posted last has its outcome.
 */
extern void queue_store(Queue *queue);

/* How the caller goes on after an error in queue_round. */
typedef enum Recovery
{
	RECOVERY_AT_ONCE, /* a smaller batch, or the culprit alone, comes next */
	RECOVERY_SHORTLY, /* it may have been a race: try the same again after a moment */
	RECOVERY_LATER    /* nothing succeeds, or somebody has stopped it: pause */
} Recovery;

extern Recovery queue_failed(Queue *queue, const ErrorData *error);

/* Has this error, in queue_round, been said already? */
extern bool queue_error_is_known(const Queue *queue, const ErrorData *error);

/* What is to be said about requests that fail. */
extern void queue_failing(const Queue *queue, FailingRequests *failing);

/* While it does not post: nobody has to step back for it. */
extern void queue_give_claims_back(Queue *queue);

/* ---- batch.c: posts one batch ---- */

/*
 * Move money between locked wallets, NULL where there is none; the outside is filled in for a
 * deposit or a withdrawal.  On CODE_OK the wallets have changed and the transfer is to be stored;
 * it may have been posted later than now, as post_transfer says.
 */
extern WalletCode post_money(const Request *request, Wallet *source, Wallet *destination,
                             TimestampTz now, Transfer *transfer);

/*
 * Make a wallet, with its initial amount as a deposit.  On CODE_OK the wallet is to be stored,
 * and so is the deposit unless its transfer_id is 0.  The currency is NULL when it is not known.
 */
extern WalletCode post_new_wallet(const Request *request, bool user_has_wallet,
                                  const Currency *currency, TimestampTz posted_at, Wallet *wallet,
                                  Transfer *deposit);

/* What became of one request of a batch. */
typedef enum RequestFate
{
	FATE_POSTED,
	FATE_REFUSED,
	FATE_DEFERRED
} RequestFate;

/* A request that is refused whatever the rules say, since it has failed alone. */
typedef struct Culprit
{
	int64 request_id; /* 0 for none */
	WalletCode code;
} Culprit;

/* How many requests the next batch should have at the most. */
extern int batch_size(void);

/*
 * Post requests in their order; those that touch a wallet that is locked elsewhere, or that an
 * earlier deferred request touches, are deferred.  The culprit is refused with its code.  False
 * when somebody else came across: nothing is left of it then, and a batch of what batch_size says
 * now comes next.
 */
extern bool batch_post(const Request *requests, int count, const Culprit *culprit,
                       RequestFate *fates);

/* ---- hints.c: where the rows of wallets were last seen ---- */

extern Size hints_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void hints_start(void);

/* Maybe the wallet's row is there; false when nothing is known. */
extern bool hint_find(int64 wallet_id, ItemPointer tid);
extern void hint_keep(int64 wallet_id, const ItemPointerData *tid);

/* ---- backlog.c: how many requests wait ---- */

extern Size backlog_size(void);

/* At the server's start, with AddinShmemInitLock held. */
extern void backlog_start(void);

/*
 * How many requests of this database wait in this table, as far as it is known: begin says how many
 * do at first.  admit counts in as many of these as the limit leaves room for (0: no limit), until
 * the transaction or its savepoint is rolled back, and returns how many.  Without shared memory
 * everything is admitted.
 */
extern bool backlog_known(Oid queue);
extern void backlog_begin(Oid queue, int64 waiting);
extern int backlog_admit(int count, int64 limit);

/* So many that were counted in by this transaction are not stored by it after all. */
extern void backlog_not_stored(int64 count);

/* How many have been counted in so far; -1 when nobody counts. */
extern int64 backlog_admitted(void);

/*
 * A round has been posted, before whose snapshot so many had been counted in: by the worker, whose
 * transaction has committed; or by somebody else, which counts when the transaction commits.
 */
extern void backlog_round_done(const Round *round, int64 admitted_before);
extern void backlog_done_at_commit(const Round *round, int64 admitted_before);

/* ---- shared.c: what processes tell each other ---- */

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
	uint32 wait_event; /* what it waits for; filled in by shared_worker_state() */
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

/* While the postmaster loads the library: ask for the shared memory. */
extern void shared_request(void);

/*
 * By how many microseconds the wall clock has run ahead of the monotonic one (negative: back) since
 * any process asked last.
 */
extern int64 shared_clock_step(void);

/* When this transaction commits: wake this database's worker, or have one started. */
extern void shared_wake_at_commit(void);

/*
 * Tell this database's worker that somebody else posts, with queue_lock held; and how often the
 * worker which asks has been told.
 */
extern void shared_take_over(void);
extern int64 shared_takeovers(void);

/* The launcher's side: who asked for a worker, and a slot for a new one (-1: none is free). */
extern void shared_launcher_attach(void);
extern int shared_take_wanted(WantedWorker *workers, int room);
extern int shared_worker_reserve(Oid database);
extern void shared_worker_release(int slot);
extern bool shared_worker_exists(Oid database);

/*
 * The worker's side.  When it exits its slot is free, and the launcher is asked for another worker
 * unless shared_worker_leaves() has said true: nobody has asked for it since shared_worker_looks(),
 * or it goes all the same.  Attaching returns InvalidOid when the slot is no longer its own.  It
 * beats while it sleeps, and reports after each round.
 */
extern Oid shared_worker_attach(int slot);
extern void shared_worker_looks(void);
extern bool shared_worker_leaves(bool also_if_asked);
extern void shared_worker_beat(void);
extern void shared_worker_report(const Round *round, int64 batch_us);
extern void shared_worker_failing(const FailingRequests *failing);

extern void shared_worker_condition(WorkerCondition condition);
extern void shared_worker_error(const ErrorData *error);

/* The state of this database's worker; false when there is none. */
extern bool shared_worker_state(WorkerState *state);

/* Is there shared memory?  There is none where the library is not preloaded. */
extern bool shared_is_there(void);

/* What the launcher has noted last. */
extern void shared_launcher_note(LaunchTrouble trouble);
extern LaunchTrouble shared_launch_trouble(void);

/* ---- launcher.c, worker.c, guard.c ---- */

/* Is this database one of those that pg_wallet.databases names? */
extern bool database_is_allowed(const char *database);

extern void launcher_register(void);

/* Start a worker in this slot and wait until it runs; false when no process was free for it. */
extern bool worker_start(int slot);

/* Install the hook that refuses to drop a journal with transfers. */
extern void guard_install(void);

extern PGDLLEXPORT void pg_wallet_launcher_main(Datum argument);
extern PGDLLEXPORT void pg_wallet_worker_main(Datum argument);

/* ---- upgrade.c: for pg_upgrade ---- */

/* Does nothing in any other server than one of pg_upgrade's. */
extern void upgrade_register(void);

#endif /* PG_WALLET_H */
