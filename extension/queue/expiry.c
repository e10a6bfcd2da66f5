/*
 * expiry.c
 *		Old requests: for how long they are kept, and which have gone.
 *
 * wallet_expire_requests() drops whole partitions, and notes the first id that is left in
 * wallet.expiry.  A table that is dropped disappears for every snapshot at once.  So the note is
 * always read with the latest snapshot, whatever the transaction's snapshot is.
 */
#include "queue/expiry.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/relations.h"
#include "base/settings.h"

PG_FUNCTION_INFO_V1(wallet_expired_below);
PG_FUNCTION_INFO_V1(wallet_request_retention);

int64
expired_below(void)
{
	Relation expiry = table_open(wallet_relation("expiry"), AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(expiry, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(expiry, NULL);
	int64 below = 0;

	if (TupleDescAttr(RelationGetDescr(expiry), 0)->atttypid != INT8OID)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("the first column of wallet.expiry is not of type bigint"),
		         errhint("Give \"expired_below\" the type back that CREATE EXTENSION gave it.")));
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		below = Max(below, DatumGetInt64(slot_getattr(slot, 1, &(bool){false})));
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(expiry, AccessShareLock);
	return below;
}

/* wallet.expired_below() → bigint: requests with smaller ids have been dropped. */
Datum
wallet_expired_below(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(expired_below());
}

/* wallet.request_retention() → interval: how long a request is kept; null: for ever. */
Datum
wallet_request_retention(PG_FUNCTION_ARGS)
{
	Interval *retention = palloc0(sizeof(Interval));

	if (setting_request_retention_s == 0)
		PG_RETURN_NULL();
	retention->time = setting_request_retention_s * USECS_PER_SEC;
	PG_RETURN_INTERVAL_P(retention);
}
