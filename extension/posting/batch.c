/*
 * batch.c
 *		Posts one batch of queued requests, and decides how large the next batch is.
 *
 * The worker does not wait for a wallet that another transaction holds.  A request that touches
 * such a wallet is deferred.  So is every later request that touches a wallet of a deferred one,
 * so that each wallet sees its requests in their order.
 *
 * Locking: docs/posting.md, "Lock modes".  As a rule, a batch locks no wallet before the UPDATE,
 * which runs in a subtransaction.  When the UPDATE finds that another transaction has changed a
 * wallet, the subtransaction is rolled back, and the following batches lock their wallets first.
 *
 * Size: docs/posting.md, "Batch sizes".  Direct payments wait until a batch commits.  So batches
 * are small after a conflict, and grow again when no conflict follows.
 */
#include "posting/batch.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lockdefs.h"
#include "utils/guc.h"
#include "utils/resowner.h"

#include "base/settings.h"
#include "posting/ledger.h"

/*
 * After a conflict with a direct payment, the next LOCKING_BATCHES batches lock their wallets first
 * and hold 1 / 2^SMALLEST_PART of the usual number of requests.  Then the size doubles every
 * GROWING_BATCHES batches without a conflict.
 */
#define LOCKING_BATCHES 64
#define SMALLEST_PART 5
#define GROWING_BATCHES 8
#define QUIET_BATCHES (LOCKING_BATCHES + GROWING_BATCHES * SMALLEST_PART)

/* How long the UPDATE of a batch waits for a wallet that another transaction has just taken. */
#define OVERTAKEN_WAIT "10ms"

/* Batches since the last conflict; more than QUIET_BATCHES make no difference. */
static int quiet_batches = QUIET_BATCHES;

bool
batch_try_update(Ledger *ledger, const char *lock_timeout)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;
	volatile bool written = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int nest_level = NewGUCNestLevel();

		if (lock_timeout != NULL)
			(void) set_config_option("lock_timeout", lock_timeout, PGC_USERSET, PGC_S_SESSION,
			                         GUC_ACTION_SAVE, true, 0, false);
		written = ledger_update(ledger, NULL);
		AtEOXact_GUC(true, nest_level);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	if (written)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && (lock_timeout == NULL || error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE))
		ReThrowError(error);
	return written;
}

/* The arguments of batch_post. */
typedef struct Job
{
	const Request *requests;
	int count;
	const Culprit *culprit;
	RequestFate *fates;
} Job;

/* Says why a request is refused that nobody can read, and refuses it. */
static void
refuse_broken(const Request *request, Effects *effects)
{
	ereport(LOG,
	        (errcode(ERRCODE_DATA_CORRUPTED),
	         errmsg("request " INT64_FORMAT " cannot be read, and is refused", request->request_id),
	         errdetail("The bytes in wallet.request.extra are damaged, or a newer version has "
	                   "written them.")));
	rules_refuse(request, CODE_INTERNAL_ERROR, effects);
}

/*
 * What needs no wallet is told first: a request whose time has passed is refused while its wallets
 * are locked, and blocks nobody.  One that names a hold which is not settled yet touches no wallet.
 */
static RequestFate
post_request(Ledger *ledger, const Request *request, const Culprit *culprit)
{
	if (request->valid_until != 0 && request->valid_until < ledger->effects.clock &&
	    request->request_id != culprit->request_id && !request->is_broken)
		return rules_judge(request, &ledger->set, &ledger->effects);
	if (request->is_unresolved)
		return FATE_DEFERRED;
	if (working_set_must_wait(&ledger->set, request))
		return FATE_DEFERRED;
	if (request->request_id == culprit->request_id)
	{
		rules_refuse(request, culprit->code, &ledger->effects);
		return culprit->code;
	}
	if (request->is_broken)
	{
		refuse_broken(request, &ledger->effects);
		return CODE_INTERNAL_ERROR;
	}
	return ledger_judge(ledger, request);
}

/* Does a direct payment wait until our transaction ends? */
static bool
somebody_waits(void)
{
	TransactionId ours = GetCurrentTransactionIdIfAny();
	LOCKTAG tag;

	SET_LOCKTAG_TRANSACTION(tag, ours);
	return TransactionIdIsValid(ours) && LockHasWaiters(&tag, ExclusiveLock, false);
}

/*
 * Loads, judges and writes the batch.  Returns false, with nothing written, when a wallet has
 * changed before its UPDATE, which only happens with LOCK_LATER.
 */
static bool
try_batch(const Job *job, LockMode mode)
{
	Ledger ledger;
	bool written;

	ledger_open(&ledger, job->requests, job->count);
	ledger_load(&ledger, mode);
	for (int i = 0; i < job->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		job->fates[i] = post_request(&ledger, &job->requests[i], job->culprit);
	}
	ledger_settle(&ledger);
	if (mode == LOCK_LATER)
		written = ledger_is_current(&ledger) && batch_try_update(&ledger, OVERTAKEN_WAIT);
	else
		written = ledger_update(&ledger, NULL);
	if (written && !ledger_insert(&ledger, NULL))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("another transaction has made a wallet for the same user")));
	if (written && !somebody_waits())
		quiet_batches = Min(quiet_batches + 1, QUIET_BATCHES);
	else
		quiet_batches = 0;
	return written;
}

int
batch_size(void)
{
	int doubled = Max(0, quiet_batches - LOCKING_BATCHES) / GROWING_BATCHES;

	return Max(1, setting_batch_max >> Max(0, SMALLEST_PART - doubled));
}

bool
batch_post(const Request *requests, int count, const Culprit *culprit, RequestFate *fates)
{
	Job job = {requests, count, culprit, fates};

	if (quiet_batches >= LOCKING_BATCHES)
		return try_batch(&job, LOCK_LATER);
	if (!try_batch(&job, LOCK_SKIP_LOCKED))
		elog(ERROR, "a locked wallet has changed");
	return true;
}
