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
 * Can new versions of the table's rows be HOT, and written to the write-ahead log as version_make()
 * does it?  So it is where no index has a column that an update changes, and the changes of the
 * table are not decoded for logical replication.
 */
extern bool versions_fit(Relation heap, const RowLayout *layout);

typedef enum VersionResult
{
	VERSION_MADE,
	VERSION_HELD,     /* another transaction holds the row, or has changed it */
	VERSION_ELSEWHERE /* heap_update() has to make the version */
} VersionResult;

/*
 * Makes a new version of the row at tid, which some snapshot of the caller's shows, as
 * heap_update() would.  Sets the place in the new version.  Waits for nobody.
 */
extern VersionResult version_make(RowWriter *writer, ItemPointer tid, HeapTuple version);

#endif /* PG_WALLET_VERSIONS_H */
