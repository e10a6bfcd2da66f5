/*
 * holder.c
 *		Who holds a version of a row.
 */
#include "tables/holder.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"

bool
page_is_locked(Buffer buffer)
{
	return LWLockHeldByMe(BufferDescriptorGetContentLock(GetBufferDescriptor(buffer - 1)));
}

/* Does a transaction that shares the row still run, or has one of them changed the row for good? */
static bool
multixact_counts(HeapTupleHeader row)
{
	uint16 infomask = row->t_infomask;
	bool is_lock = HEAP_XMAX_IS_LOCKED_ONLY(infomask);

	if (HEAP_LOCKED_UPGRADED(infomask))
		return false;
	return MultiXactIdIsRunning(HeapTupleHeaderGetRawXmax(row), is_lock) ||
	       (!is_lock && TransactionIdDidCommit(HeapTupleGetUpdateXid(row)));
}

RowHolder
header_holder(Buffer buffer, HeapTupleHeader row)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(row);

	Assert(page_is_locked(buffer));
	if (row->t_infomask & HEAP_XMAX_INVALID)
		return HOLDER_NOBODY;
	if (row->t_infomask & HEAP_XMAX_IS_MULTI)
		return multixact_counts(row) ? HOLDER_OTHERS : HOLDER_NOBODY;
	if (TransactionIdIsCurrentTransactionId(xmax))
		return HOLDER_OURSELVES;
	if (TransactionIdIsInProgress(xmax))
		return HOLDER_OTHERS;
	/* A lock has ended with its transaction.  A change counts when it has been committed. */
	return !HEAP_XMAX_IS_LOCKED_ONLY(row->t_infomask) && TransactionIdDidCommit(xmax)
	           ? HOLDER_OTHERS
	           : HOLDER_NOBODY;
}
