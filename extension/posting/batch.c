/*
 * batch.c
 *		Posts one batch: read and lock its wallets, judge every request in order,
 *		write everything once.
 *
 * Many requests may touch one wallet: each finds it as the one before left it,
 * and the table gets one update with the last state.  A wallet that another
 * transaction holds is not waited for: requests that touch it are deferred, and
 * so are all later requests that touch a wallet of a deferred one, so that each
 * wallet sees its requests in their order.
 *
 * Usually nobody else touches the wallets of a batch while it is posted.  So they
 * are not locked first: the update locks them, in a subtransaction.  When it finds
 * that somebody has been there, that is rolled back; the next batches take locks.
 *
 * A large batch is good for many transfers an update, and bad for whoever pays by
 * himself meanwhile and has to wait for it.  So batches are small as soon as there
 * is somebody, and grow again when nobody comes any more.
 */
#include "posting/batch.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lockdefs.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/chosen.h"
#include "base/ids.h"
#include "base/settings.h"
#include "rules/codes.h"
#include "rules/post.h"
#include "tables/currencies.h"
#include "tables/journal.h"
#include "tables/outcomes.h"
#include "tables/wallets.h"

/*
 * So many batches without company are posted with locks, and are small: they have the usual size
 * by this power of two.  After them, it doubles with each of so many.
 */
#define LOCKING_BATCHES 64
#define SMALLEST_PART 5
#define GROWING_BATCHES 8
#define QUIET_BATCHES (LOCKING_BATCHES + GROWING_BATCHES * SMALLEST_PART)

/* How long an update waits whose wallet has just been taken by somebody else. */
#define OVERTAKEN_WAIT "10ms"

/* Batches since somebody has come across one, or has had to wait for one. */
static int quiet_batches = QUIET_BATCHES;

/* A wallet, or a user who wants one, that requests of the batch touch. */
typedef struct Touched
{
	int64 id;
	Wallet *wallet; /* NULL where there is none; unused for users */
	bool stored;    /* it has a row in the table */
	bool busy;      /* whoever touches it has to wait */
	char status;    /* of the hash table's slot */
} Touched;

#define TOUCHED_MAX 3 /* by one request */

#define SH_PREFIX touched
#define SH_ELEMENT_TYPE Touched
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(table, key) chosen_hash(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Batch
{
	touched_hash *wallets;
	touched_hash *users; /* of requests for a new wallet */
	Wallet *stored;      /* the wallets that were read, in the order of their ids */
	int stored_count;
	int64 *stored_transfer_ids; /* last_transfer_id in the table; tells whether it changed */
	TimestampTz posted_at; /* as far as it is known: a wallet to come may have been written later */
	bool postponed;        /* posted_at was earlier for some that have been posted already */
	Currency currency;     /* the last one looked up for a new wallet */
	bool currency_known;
	Wallet **new_wallets;
	int new_wallet_count;
	Transfer *transfers;
	int transfer_count;
	Outcome *outcomes;
	int outcome_count;
} Batch;

/* Add an id to the table; new ones have no wallet yet. */
static Touched *
touch(touched_hash *table, int64 id)
{
	bool found;
	Touched *entry = touched_insert(table, id, &found);

	if (!found)
	{
		entry->wallet = NULL;
		entry->stored = false;
		entry->busy = false;
	}
	return entry;
}

/* All ids of the table that may be asked for yet, in an array that the caller frees. */
static int64 *
open_ids(touched_hash *table, int *count)
{
	int64 *ids = palloc(sizeof(int64) * table->members);
	touched_iterator iterator;
	Touched *entry;

	*count = 0;
	touched_start_iterate(table, &iterator);
	while ((entry = touched_iterate(table, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!entry->stored && !entry->busy)
			ids[(*count)++] = entry->id;
	}
	return ids;
}

/* Read the wallets; those that exist but belong to somebody else just now are busy. */
static void
load_wallets(Batch *batch, LockMode mode)
{
	touched_hash *table = batch->wallets;
	int count;
	int64 *ids = open_ids(table, &count);
	int found;

	batch->stored = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Wallet) * Max(count, 1));
	batch->stored_transfer_ids = palloc(sizeof(int64) * count);
	found = count == 0 ? 0 : wallets_lock(ids, count, mode, batch->stored);
	batch->stored_count = found;
	for (int i = 0; i < found; i++)
	{
		Touched *entry = touched_lookup(table, batch->stored[i].wallet_id);

		CHECK_FOR_INTERRUPTS();
		entry->wallet = &batch->stored[i];
		entry->stored = true;
		batch->stored_transfer_ids[i] = batch->stored[i].last_transfer_id;
	}
	pfree(ids);
	if (found == count)
		return;

	ids = open_ids(table, &count);
	found = wallets_existing(ids, count, ids);
	for (int i = 0; i < found; i++)
		touched_lookup(table, ids[i])->busy = true;
	pfree(ids);
}

/*
 * Find out which users have a wallet.  Whoever is getting one in an open transaction is busy;
 * that is asked first, so that a transaction which ends in between is not missed.
 */
static void
load_users(touched_hash *table)
{
	int count;
	int64 *ids = open_ids(table, &count);
	int found;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		touched_lookup(table, ids[i])->busy = wallets_user_is_busy(ids[i]);
	}
	found = count == 0 ? 0 : wallets_of_users(ids, count, ids);
	for (int i = 0; i < found; i++)
		touched_lookup(table, ids[i])->stored = true;
	pfree(ids);
}

/* What a request touches: at most two wallets and a user.  Returns how many. */
static int
touch_all(Batch *batch, const Request *request, Touched **entries)
{
	int count = 0;

	if (request->kind == KIND_WALLET)
		entries[count++] = touch(batch->users, request->user_id);
	if (request->source_wallet_id > 0)
		entries[count++] = touch(batch->wallets, request->source_wallet_id);
	if (request->destination_wallet_id > 0)
		entries[count++] = touch(batch->wallets, request->destination_wallet_id);
	return count;
}

static void
load_batch(Batch *batch, const Request *requests, int count, LockMode mode)
{
	Touched *entries[TOUCHED_MAX];

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) touch_all(batch, &requests[i], entries);
	}
	load_wallets(batch, mode);
	load_users(batch->users);
}

/* Must the request wait?  Then whatever it touches is busy for the later ones too. */
static bool
must_wait(Batch *batch, const Request *request)
{
	Touched *entries[TOUCHED_MAX];
	int count = touch_all(batch, request, entries);
	bool busy = false;

	for (int i = 0; i < count; i++)
		busy = busy || entries[i]->busy;
	for (int i = 0; i < count; i++)
		entries[i]->busy = busy;
	return busy;
}

static Wallet *
find_wallet(Batch *batch, int64 wallet_id)
{
	Touched *entry = wallet_id > 0 ? touched_lookup(batch->wallets, wallet_id) : NULL;

	return entry == NULL ? NULL : entry->wallet;
}

/* Ids must rise along each wallet's chain; a sequence that was set back must not break it. */
static int64
next_transfer_id(const Wallet *source, const Wallet *destination)
{
	int64 transfer_id = id_draw(ID_TRANSFER);

	if (transfer_id <= Max(source->last_transfer_id, destination->last_transfer_id))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("sequence wallet.transfer_id_seq is behind the journal"),
		                errhint("Set it to the largest transfer_id with setval().")));
	return transfer_id;
}

WalletCode
post_money(const Request *request, Wallet *source, Wallet *destination, TimestampTz now,
           Transfer *transfer)
{
	Wallet outside;
	int64 amount;
	WalletCode code;

	if (request->kind == KIND_DEPOSIT && destination != NULL)
		source = &outside, outside = outside_wallet(&destination->currency);
	else if (request->kind == KIND_WITHDRAWAL && source != NULL)
		destination = &outside, outside = outside_wallet(&source->currency);

	code = check_transfer(request, source, destination, &amount);
	if (code == CODE_OK)
		post_transfer(request, next_transfer_id(source, destination), amount, now, source,
		              destination, transfer);
	return code;
}

WalletCode
post_new_wallet(const Request *request, bool user_has_wallet, const Currency *currency,
                TimestampTz posted_at, Wallet *wallet, Transfer *deposit)
{
	int64 amount;
	WalletCode code = check_new_wallet(request, user_has_wallet, currency, &amount);

	deposit->transfer_id = 0;
	if (code != CODE_OK)
		return code;
	*wallet = (Wallet){
	    .wallet_id = id_draw(ID_WALLET),
	    .user_id = request->user_id,
	    .created_at = posted_at,
	    .updated_at = posted_at,
	    .currency = *currency,
	    .status = STATUS_ACTIVE,
	};
	if (amount > 0)
	{
		Wallet outside = outside_wallet(currency);

		post_transfer(request, next_transfer_id(&outside, wallet), amount, posted_at, &outside,
		              wallet, deposit);
	}
	return CODE_OK;
}

/* The request's currency, or NULL: most batches know but one. */
static const Currency *
find_currency(Batch *batch, const char *code)
{
	if (!batch->currency_known || strcmp(batch->currency.code, code) != 0)
		batch->currency_known = currency_find(code, &batch->currency);
	return batch->currency_known ? &batch->currency : NULL;
}

static void
add_outcome(Batch *batch, const Request *request, WalletCode code)
{
	batch->outcomes[batch->outcome_count++] =
	    (Outcome){.request_id = request->request_id, .code = code};
}

static WalletCode
make_wallet(Batch *batch, const Request *request)
{
	Touched *user = touched_lookup(batch->users, request->user_id);
	Wallet *wallet = palloc(sizeof(Wallet));
	Transfer *deposit = &batch->transfers[batch->transfer_count];
	WalletCode code =
	    post_new_wallet(request, user->stored, find_currency(batch, request->currency),
	                    batch->posted_at, wallet, deposit);

	add_outcome(batch, request, code);
	if (code != CODE_OK)
		return code;
	batch->outcomes[batch->outcome_count - 1].wallet_id = wallet->wallet_id;
	batch->transfer_count += deposit->transfer_id > 0 ? 1 : 0;
	batch->new_wallets[batch->new_wallet_count++] = wallet;
	touch(batch->wallets, wallet->wallet_id)->wallet = wallet;
	user->stored = true;
	return code;
}

/* Has the batch written this wallet, which is one that it has loaded or made? */
static bool
is_written(const Batch *batch, const Wallet *wallet)
{
	const Touched *entry = touched_lookup(batch->wallets, wallet->wallet_id);

	return !entry->stored ||
	       wallet->last_transfer_id != batch->stored_transfer_ids[wallet - batch->stored];
}

static WalletCode
read_wallet(Batch *batch, const Request *request)
{
	Wallet *wallet = find_wallet(batch, request->source_wallet_id);
	WalletCode code = check_read(request, wallet);
	Outcome *outcome = &batch->outcomes[batch->outcome_count];

	add_outcome(batch, request, code);
	if (code != CODE_OK)
		return code;
	outcome->wallet_id = wallet->wallet_id;
	outcome->balance = wallet->balance;
	outcome->updated_at = wallet->updated_at;
	outcome->sees_batch = is_written(batch, wallet);
	outcome->status = wallet->status;
	return code;
}

static WalletCode
move_money(Batch *batch, const Request *request)
{
	Transfer *transfer = &batch->transfers[batch->transfer_count];
	WalletCode code =
	    post_money(request, find_wallet(batch, request->source_wallet_id),
	               find_wallet(batch, request->destination_wallet_id), batch->posted_at, transfer);

	if (code != CODE_OK)
	{
		add_outcome(batch, request, code);
		return code;
	}
	batch->transfer_count++;
	batch->postponed = batch->postponed || transfer->posted_at > batch->posted_at;
	batch->posted_at = transfer->posted_at;
	return code;
}

static RequestFate
post_request(Batch *batch, const Request *request, const Culprit *culprit)
{
	WalletCode code;

	if (request->request_id == culprit->request_id)
		add_outcome(batch, request, code = culprit->code);
	else if (request->kind == KIND_WALLET)
		code = make_wallet(batch, request);
	else if (request->kind == KIND_WALLET_READ)
		code = read_wallet(batch, request);
	else
		code = move_money(batch, request);
	return code == CODE_OK ? FATE_POSTED : FATE_REFUSED;
}

/*
 * A batch has one moment: what the clock said, or the newest updated_at of the wallets that it
 * writes where that is later.  That is rarely so, and known only when all have been posted: then
 * those that were posted first get the moment of the last.
 */
static void
postpone(Batch *batch)
{
	for (int i = 0; i < batch->transfer_count; i++)
		batch->transfers[i].posted_at = batch->posted_at;
	for (int i = 0; i < batch->stored_count; i++)
	{
		if (is_written(batch, &batch->stored[i]))
			batch->stored[i].updated_at = batch->posted_at;
	}
	for (int i = 0; i < batch->new_wallet_count; i++)
		batch->new_wallets[i]->created_at = batch->new_wallets[i]->updated_at = batch->posted_at;
	for (int i = 0; i < batch->outcome_count; i++)
	{
		if (batch->outcomes[i].sees_batch)
			batch->outcomes[i].updated_at = batch->posted_at;
	}
}

static void
write_new_wallets(Batch *batch)
{
	Wallet *wallets = palloc(sizeof(Wallet) * batch->new_wallet_count);

	for (int i = 0; i < batch->new_wallet_count; i++)
		wallets[i] = *batch->new_wallets[i];
	if (wallets_insert(wallets, batch->new_wallet_count) != batch->new_wallet_count)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
		                errmsg("another transaction has made a wallet for the same user")));
	pfree(wallets);
}

/* One update for each stored wallet that money moved into or out of; false as the store says. */
static bool
write_changed_wallets(Batch *batch)
{
	int count = 0;

	for (int i = 0; i < batch->stored_count; i++)
	{
		if (batch->stored[i].last_transfer_id != batch->stored_transfer_ids[i])
			batch->stored[count++] = batch->stored[i];
	}
	return count == 0 || wallets_update(batch->stored, count) == count;
}

/*
 * The same, so that nothing is left of it when it says false or throws an error.
 *
 * An update waits where somebody takes its wallet in the moment between the look at the row and the
 * update.  The others of the batch are not to wait long: then it says false too.
 */
static bool
try_write_changed_wallets(Batch *batch)
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

		(void) set_config_option("lock_timeout", OVERTAKEN_WAIT, PGC_USERSET, PGC_S_SESSION,
		                         GUC_ACTION_SAVE, true, 0, false);
		written = write_changed_wallets(batch);
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
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return written;
}

static void
write_batch(Batch *batch)
{
	if (batch->new_wallet_count > 0)
		write_new_wallets(batch);
	if (batch->transfer_count > 0)
		journal_insert(batch->transfers, batch->transfer_count, NULL);
	if (batch->outcome_count > 0)
		outcomes_insert(batch->outcomes, batch->outcome_count, batch->posted_at);
}

/* What batch_post is asked to do. */
typedef struct Job
{
	const Request *requests;
	int count;
	const Culprit *culprit;
	RequestFate *fates;
} Job;

static void
post_requests(Batch *batch, const Job *job)
{
	for (int i = 0; i < job->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		job->fates[i] = must_wait(batch, &job->requests[i])
		                    ? FATE_DEFERRED
		                    : post_request(batch, &job->requests[i], job->culprit);
	}
	if (batch->postponed)
		postpone(batch);
}

/* Does anybody wait for our transaction to end? */
static bool
somebody_waits(void)
{
	TransactionId ours = GetCurrentTransactionIdIfAny();
	LOCKTAG tag;

	SET_LOCKTAG_TRANSACTION(tag, ours);
	return TransactionIdIsValid(ours) && LockHasWaiters(&tag, ExclusiveLock, false);
}

/* Read, judge, write; false, with nothing written, when LOCK_LATER was too late. */
static bool
try_batch(const Job *job, LockMode mode)
{
	Batch batch = {
	    .wallets = touched_create(CurrentMemoryContext, job->count, NULL),
	    .users = touched_create(CurrentMemoryContext, 16, NULL),
	    .new_wallets = palloc(sizeof(Wallet *) * job->count),
	    .transfers = palloc(sizeof(Transfer) * job->count),
	    .outcomes = palloc(sizeof(Outcome) * job->count),
	};
	bool written;

	load_batch(&batch, job->requests, job->count, mode);
	batch.posted_at = GetCurrentTimestamp();
	post_requests(&batch, job);
	written =
	    mode == LOCK_LATER ? try_write_changed_wallets(&batch) : write_changed_wallets(&batch);
	if (written)
		write_batch(&batch);
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
