/*
 * claims.c
 *		Wallets for which deferred requests wait, and direct payments step back.
 *
 * The worker never waits for a wallet.  Under a steady stream of direct payments it would never
 * find it free, and a request that is deferred for it would starve.  So a worker claims the wallets
 * of a request that has waited for long: it locks the wallet's claim (an advisory lock of the
 * session, of a class of its own) and publishes that here.  A direct payment that finds the wallet
 * published waits for that lock before it locks any wallet, and lets go of it at once.  Those who
 * stand in line already are done first; then the wallet is free, the worker posts what was
 * deferred, and gives the claim back.
 *
 * Whoever has locked a wallet already does not wait here, since the worker waits for him.  He may
 * hold other locks that somebody needs who holds the wallet: nobody would see that circle, so a
 * claim ends after a second in any case, and the next one comes later.
 *
 * Locking: none but the claims' own.  A payment that reads a slot while it changes may wait for a
 * claim that is gone, which takes no time, or step back one payment later.  When nothing is
 * claimed, a payment reads one counter.  A worker that exits takes its slots back; its session's
 * locks go with it.
 */
#include "base/claims.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

/* Sets these advisory locks apart from those of SQL (1 and 2) and from our other ones. */
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

/* The transaction in which this session has locked a wallet last. */
static LocalTransactionId locked_in = InvalidLocalTransactionId;

Size
claims_size(void)
{
	return sizeof(Claims);
}

void
claims_start(void)
{
	bool found;

	claims = ShmemInitStruct("pg_wallet claims", sizeof(Claims), &found);
	if (found)
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
	pg_atomic_write_u64(&slot->wallet_id, 0);
	pg_atomic_write_u32(&slot->database, 0);
	pg_atomic_fetch_sub_u32(&claims->count, 1);
}

/* A database has one worker, so its slots are this one's, or of one that is gone. */
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
	free_all_slots(0, (Datum) 0);
	before_shmem_exit(free_all_slots, (Datum) 0);
}

/* A free slot, taken for this database; NULL when there is none. */
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

bool
claim_take(int64 wallet_id)
{
	LOCKTAG tag = claim_tag(wallet_id);
	Claim *slot;

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

	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		Claim *slot = &claims->slots[i];

		if (pg_atomic_read_u32(&slot->database) == MyDatabaseId &&
		    pg_atomic_read_u64(&slot->wallet_id) == (uint64) wallet_id)
			free_slot(slot);
	}
	LockRelease(&tag, ExclusiveLock, true);
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
