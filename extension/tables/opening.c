/*
 * opening.c
 *		Who opens the queue: the transaction that makes the first request or the first hold.
 *
 * While another session holds a snapshot, the row of the position has many versions, and the index
 * entry of the newest one comes first in descending order.
 */
#include "tables/opening.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/relations.h"
#include "base/statement.h"
#include "base/wake.h"

static Statement open_queue = {
    "INSERT INTO wallet.queue_position (origin) SELECT o.origin FROM wallet.opening AS o "
    "WHERE NOT EXISTS (SELECT FROM wallet.queue_position)",
    0,
    {0},
    NULL,
};

static Oid
primary_key_of(Relation table)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(table, false);
#else
	return RelationGetPrimaryKeyIndex(table);
#endif
}

bool
opening_exists(bool *stays)
{
	Relation table = table_open(wallet_relation("queue_position"), AccessShareLock);
	Relation key = index_open(primary_key_of(table), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan;
	TransactionId by;
	bool exists;

#if PG_VERSION_NUM >= 180000
	scan = index_beginscan(table, key, GetActiveSnapshot(), NULL, 0, 0);
#else
	scan = index_beginscan(table, key, GetActiveSnapshot(), 0, 0);
#endif
	index_rescan(scan, NULL, 0, NULL, 0);
	exists = index_getnext_slot(scan, BackwardScanDirection, slot);
	by = exists ? HeapTupleHeaderGetXmin(ExecFetchSlotHeapTuple(slot, false, NULL)->t_data)
	            : InvalidTransactionId;
	*stays = exists && !TransactionIdIsCurrentTransactionId(by);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(key, AccessShareLock);
	table_close(table, NoLock);
	return exists;
}

/* A session looks again until it has seen that a committed transaction has opened the queue. */
void
opening_make_once(void)
{
	static Oid open = InvalidOid;
	Oid table = wallet_relation("queue_position");
	bool stays;

	if (open == table)
		return;
	if (!opening_exists(&stays))
	{
		statement_run(&open_queue, NULL, NULL, false);
		wake_at_commit();
	}
	open = stays ? table : InvalidOid;
}
