/*
 * locks.c
 *		Locks that stand for an activity, and not for a table.
 *
 * Each is an advisory lock with a class of its own.  SQL's advisory locks have the classes 1 and
 * 2, and LOCK TABLE, ANALYZE, VACUUM and CREATE INDEX CONCURRENTLY lock tables.  So none of them
 * can conflict with these locks.  Class 3 is for the turns of direct payments
 * (tables/wallets.c), class 7 for claims.c.
 *
 * A lock is held until its transaction ends; a prepared transaction keeps the lock.  The lock is
 * named by the oid of a table: when the extension is dropped and created again, its locks are new.
 */
#include "base/locks.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"

#include "base/relations.h"

PG_FUNCTION_INFO_V1(wallet_lock_rotation);

#define QUEUE_LOCK_CLASS 4
#define ROTATION_LOCK_CLASS 5

static LOCKTAG
activity_tag(const char *table, uint16 class)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, wallet_relation(table), class);
	return tag;
}

static LockAcquireResult
lock_activity(const char *table, uint16 class, bool wait)
{
	LOCKTAG tag = activity_tag(table, class);

	return LockAcquire(&tag, ExclusiveLock, false, !wait);
}

/*
 * Only those who post take this lock; those who enqueue, pay directly or maintain the tables do
 * not.  The reader's lock on the table keeps the extension from being dropped in the middle of a
 * round.
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

bool
queue_lock_is_held(void)
{
	LOCKTAG tag = activity_tag("queue_position", QUEUE_LOCK_CLASS);

#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(&tag, ExclusiveLock, false);
#else
	return LockHeldByMe(&tag, ExclusiveLock);
#endif
}

/*
 * wallet.lock_rotation() → boolean: keeps others from beginning a new partition until the
 * transaction ends.  False when this transaction holds that lock already.
 */
Datum
wallet_lock_rotation(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lock_activity("request", ROTATION_LOCK_CLASS, true) != LOCKACQUIRE_ALREADY_HELD);
}
