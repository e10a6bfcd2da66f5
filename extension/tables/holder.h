/*
 * holder.h
 *		Who holds a version of a row.
 */
#ifndef PG_WALLET_HOLDER_H
#define PG_WALLET_HOLDER_H

#include "base/version.h"

#include "access/htup.h"
#include "executor/tuptable.h"
#include "storage/buf.h"

/* Who has locked a version of a row, or replaced it? */
typedef enum RowHolder
{
	HOLDER_NOBODY,
	HOLDER_OURSELVES,
	HOLDER_OTHERS /* or a multixact, whose members nobody has looked up */
} RowHolder;

/*
 * Who holds the version of a row in a slot of a reader?  A transaction may lock the row before the
 * caller gets the answer.
 */
extern RowHolder row_holder(TupleTableSlot *slot);

/* Who holds the row with this header?  The page of the buffer has the row, and is locked. */
extern RowHolder header_holder(Buffer buffer, HeapTupleHeader row);

#endif /* PG_WALLET_HOLDER_H */
