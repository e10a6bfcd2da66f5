/*
 * locks.c
 *		Locks that stand for an activity, and not for a table.
 *
 * Each is an advisory lock with a class of its own.  SQL's advisory locks have the classes 1 and 2,
 * and LOCK TABLE, ANALYZE, VACUUM and CREATE INDEX CONCURRENTLY take locks on tables: none of them
 * can meet these.  tables/wallets.c has class 3, for the turns of direct payments.
 *
 * A lock is held until its transaction ends, and a prepared transaction keeps it.  The oid of a
 * table names it, so that an extension which is made anew has new locks.
 */
#include "base/locks.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"

#include "base/relations.h"

PG_FUNCTION_INFO_V1(wallet_lock_rotation);

#define QUEUE_LOCK_CLASS 4
#define ROTATION_LOCK_CLASS 5

static LockAcquireResult
lock_activity(const char *table, uint16 class, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, wallet_relation(table), class);
	return LockAcquire(&tag, ExclusiveLock, false, !wait);
}

/*
 * Only who posts takes it: those who enqueue, pay or look after the tables do not.  The lock of a
 * reader on the table keeps the extension from being dropped in the middle of a round.
 */
bool
queue_lock(bool wait)
{
	Oid table = wallet_relation("queue_position");

	if (wait)
		LockRelationOid(table, AccessShareLock);
	else if (!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	return lock_activity("queue_position", QUEUE_LOCK_CLASS, wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * wallet.lock_rotation() → boolean: keeps others from beginning a new partition until the
 * transaction ends.  False when this transaction has done so already.
 */
Datum
wallet_lock_rotation(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lock_activity("request", ROTATION_LOCK_CLASS, true) != LOCKACQUIRE_ALREADY_HELD);
}
