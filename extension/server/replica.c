/*
 * replica.c
 *		How far a server has come, so that a reader can compare a replica with its primary.
 *
 * A position is a place in the write-ahead log together with its timeline.  On a primary the
 * position is past every commit that anybody can see.  On a standby the position is what has been
 * replayed.  A standby on the same timeline whose position is not below a primary's position shows
 * every commit that was visible on the primary when the primary was asked.
 *
 * Two timelines are never compared.  A standby that has received more than the server that was
 * promoted stays on the old timeline, and its place there says nothing of the new one.
 *
 * Locking: none but the spinlocks of the server's functions.
 */
#include "base/version.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(wallet_position);

/*
 * The end of what has been inserted.  GetXLogInsertRecPtr says where the next record begins: at
 * the start of a page that is past the page's header, which no record's end reaches.
 */
static XLogRecPtr
inserted_end(void)
{
	XLogRecPtr next = GetXLogInsertRecPtr();
	XLogRecPtr header = XLogSegmentOffset(next, wal_segment_size) == SizeOfXLogLongPHD
	                        ? SizeOfXLogLongPHD
	                        : SizeOfXLogShortPHD;

	return next % XLOG_BLCKSZ == header ? next - header : next;
}

/*
 * A primary's position.  What others have inserted without a commit that waits for the disk is not
 * sent to standbys yet: the WAL writer is asked to flush it, and nobody waits here.
 */
static XLogRecPtr
primary_position(TimeLineID *timeline)
{
	XLogRecPtr end = inserted_end();

	*timeline = GetWALInsertionTimeLine();
	if (GetFlushRecPtr(NULL) < end)
		XLogSetAsyncXactLSN(end);
	return end;
}

/*
 * wallet_position() → row: reached, the position as "TIMELINE-LSN", and is_standby.
 */
Datum
wallet_position(PG_FUNCTION_ARGS)
{
	bool is_standby = RecoveryInProgress();
	TupleDesc descriptor;
	TimeLineID timeline;
	XLogRecPtr lsn = is_standby ? GetXLogReplayRecPtr(&timeline) : primary_position(&timeline);
	bool nulls[2] = {false};
	Datum values[2] = {
	    CStringGetTextDatum(psprintf("%u-%X/%X", timeline, LSN_FORMAT_ARGS(lsn))),
	    BoolGetDatum(is_standby),
	};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result must be a row");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
