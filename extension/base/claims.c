/*
 * claims.c
 *		Wallets for which deferred requests wait, and direct payments step back.
 *
 * The worker never waits for a wallet.  Under a steady stream of direct payments the worker would
 * never find the wallet free, and a request that is deferred for the wallet would starve.  So the
 * worker claims the wallets of a request that has waited for long.  To claim a wallet, the worker
 * takes an advisory lock on the wallet's id, for its session, and publishes the id in shared
 * memory. A direct payment that finds its wallet published waits for the advisory lock before the
 * payment locks any wallet, and releases the advisory lock at once.  Payments that wait for the
 * wallet already are carried out first.  Then the wallet is free, the worker posts the deferred
 * requests, and the worker gives the claim back.
 *
 * A transaction that has locked a wallet already does not wait for claims, because the worker
 * waits for that transaction.  A payment that waits for a claim may hold other locks, and the
 * holder of the wallet may wait for those.  The deadlock detector does not see that circle.
 * Therefore a claim ends after a second in any case (deferred.c), and the next claim comes after a
 * pause.
 *
 * Locking: atomic variables, and the advisory locks.  A payment that reads a slot while the slot
 * changes does one of two harmless things.  Either the payment waits for a claim that has ended
 * already, which takes no time, or only the next payment waits for the new claim.  When nothing is
 * claimed, a payment reads one counter.  When a worker exits, its slots are freed, and PostgreSQL
 * releases the advisory locks of its session.
 */
#include "base/claims.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"

/* The class of these advisory locks.  Those of SQL have 1 and 2; locks.c lists the others. */
#define CLAIM_LOCK_CLASS 7

#if PG_VERSION_NUM >= 170000
#define MY_LOCAL_TRANSACTION_ID MyProc->vxid.lxid
#else
#define MY_LOCAL_TRANSACTION_ID MyProc->lxid
#endif

typedef struct Claim
{
	pg_atomic_uint32 database; /* 0: a free slot */
	pg_atomic_uint64 wallet_id;
} Claim;

typedef struct Claims
{
	pg_atomic_uint32 count; /* slots that are taken */
	Claim slots[CLAIMS_MAX];
} Claims;

static Claims *claims = NULL;

/* The transaction in which this session locked a wallet last. */
static LocalTransactionId locked_in = InvalidLocalTransactionId;

Size
claims_size(void)
{
	return sizeof(Claims);
}

void
claims_start(void *memory, LWLock *lock, bool is_new)
{
	claims = memory;
	if (!is_new)
		return;
	pg_atomic_init_u32(&claims->count, 0);
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		pg_atomic_init_u32(&claims->slots[i].database, 0);
		pg_atomic_init_u64(&claims->slots[i].wallet_id, 0);
	}
}

static LOCKTAG
claim_tag(int64 wallet_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (wallet_id >> 32), (uint32) wallet_id,
	                     CLAIM_LOCK_CLASS);
	return tag;
}

static void
free_slot(Claim *slot)
{
	Assert(pg_atomic_read_u32(&slot->database) == MyDatabaseId);
	pg_atomic_write_u64(&slot->wallet_id, 0);
	pg_atomic_write_u32(&slot->database, 0);
	pg_atomic_fetch_sub_u32(&claims->count, 1);
}

/*
 * A database has one worker.  So the slots of the database belong to this worker, or to a worker
 * that has exited.
 */
static void
free_all_slots(int code, Datum argument)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		if (pg_atomic_read_u32(&claims->slots[i].database) == MyDatabaseId)
			free_slot(&claims->slots[i]);
	}
}

void
claims_attach(void)
{
	Assert(claims != NULL && OidIsValid(MyDatabaseId));
	free_all_slots(0, (Datum) 0);
	before_shmem_exit(free_all_slots, (Datum) 0);
}

/* Takes a free slot for this database; NULL when no slot is free. */
static Claim *
take_slot(void)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		uint32 nobody = 0;

		if (pg_atomic_compare_exchange_u32(&claims->slots[i].database, &nobody, MyDatabaseId))
		{
			pg_atomic_fetch_add_u32(&claims->count, 1);
			return &claims->slots[i];
		}
	}
	return NULL;
}

static bool
is_claimed(int64 wallet_id)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		Claim *slot = &claims->slots[i];

		if (pg_atomic_read_u64(&slot->wallet_id) == (uint64) wallet_id &&
		    pg_atomic_read_u32(&slot->database) == MyDatabaseId)
			return true;
	}
	return false;
}

bool
claim_take(int64 wallet_id)
{
	LOCKTAG tag = claim_tag(wallet_id);
	Claim *slot;

	Assert(claims != NULL && wallet_id > 0);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	slot = take_slot();
	if (slot == NULL)
	{
		LockRelease(&tag, ExclusiveLock, true);
		return false;
	}
	pg_atomic_write_u64(&slot->wallet_id, (uint64) wallet_id);
	return true;
}

void
claim_give(int64 wallet_id)
{
	LOCKTAG tag = claim_tag(wallet_id);

	Assert(is_claimed(wallet_id));
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		Claim *slot = &claims->slots[i];

		if (pg_atomic_read_u32(&slot->database) == MyDatabaseId &&
		    pg_atomic_read_u64(&slot->wallet_id) == (uint64) wallet_id)
			free_slot(slot);
	}
	LockRelease(&tag, ExclusiveLock, true);
}

void
claims_obey(const int64 *wallet_ids, int count)
{
	if (claims == NULL || pg_atomic_read_u32(&claims->count) == 0 ||
	    locked_in == MY_LOCAL_TRANSACTION_ID)
		return;
	for (int i = 0; i < count; i++)
	{
		LOCKTAG tag = claim_tag(wallet_ids[i]);

		CHECK_FOR_INTERRUPTS();
		if (!is_claimed(wallet_ids[i]))
			continue;
		(void) LockAcquire(&tag, ShareLock, false, false);
		LockRelease(&tag, ShareLock, false);
	}
}

void
claims_note_lock(void)
{
	locked_in = MY_LOCAL_TRANSACTION_ID;
}

bool
claims_have_noted_lock(void)
{
	return locked_in == MY_LOCAL_TRANSACTION_ID;
}
