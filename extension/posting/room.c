/*
 * room.c
 *		The memory of a ledger.
 */
#include "posting/room.h"

#include "utils/memutils.h"
#include "utils/palloc.h"

void *
ledger_memory(Size size, Size count, int flags)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size * Max(count, 1),
	                                  MCXT_ALLOC_HUGE | flags);
}
