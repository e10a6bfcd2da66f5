/*
 * holder.h
 *		Who holds a version of a row.
 */
#ifndef PG_WALLET_HOLDER_H
#define PG_WALLET_HOLDER_H

#include "base/version.h"

#include "access/htup.h"
#include "storage/buf.h"

/* Who has locked a version of a row, or replaced it? */
typedef enum RowHolder
{
	HOLDER_NOBODY,
	HOLDER_OURSELVES,
	HOLDER_OTHERS /* or several transactions, we perhaps among them */
} RowHolder;

/*
 * Who holds the row with this header?  The page of the buffer has the row, and is locked.  A
 * transaction may lock the row as soon as the page is unlocked.
 */
extern RowHolder header_holder(Buffer buffer, HeapTupleHeader row);

/* For assertions: does this process hold the lock of the page? */
extern bool page_is_locked(Buffer buffer);

#endif /* PG_WALLET_HOLDER_H */
