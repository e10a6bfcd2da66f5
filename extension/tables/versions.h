/*
 * versions.h
 *		New versions of rows on the page of the old version.
 */
#ifndef PG_WALLET_VERSIONS_H
#define PG_WALLET_VERSIONS_H

#include "base/version.h"

#include "access/htup.h"
#include "storage/itemptr.h"

#include "tables/layout.h"
#include "tables/writer.h"

/*
 * Can version_make() make new versions of the table's rows?  Not where an update changes a column
 * that other tables may refer to, or that an index only summarizes; where an index is on whole
 * rows; or where the changes of the table are decoded for logical replication.  Sets the writer's
 * watched columns.
 */
extern bool versions_fit(RowWriter *writer, const RowLayout *layout);

typedef enum VersionResult
{
	VERSION_MADE,          /* it is HOT */
	VERSION_NEEDS_ENTRIES, /* it is made, and each index is to have an entry of it */
	VERSION_HELD,          /* another transaction holds the row, or has changed it */
	VERSION_ELSEWHERE      /* heap_update() has to make the version */
} VersionResult;

/*
 * Makes a new version of the row at tid, which some snapshot of the caller's shows, as
 * heap_update() would.  Sets the place in the new version.  Waits for nobody.
 */
extern VersionResult version_make(RowWriter *writer, ItemPointer tid, HeapTuple version);

#endif /* PG_WALLET_VERSIONS_H */
