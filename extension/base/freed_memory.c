/*
 * freed_memory.c
 *		What becomes of the memory that a batch has freed.
 *
 * Locking: none; the memory is the process's own.
 */
#include "base/freed_memory.h"

#include <malloc.h>

void
freed_memory_keep(int megabytes)
{
#ifdef __GLIBC__
	static int kept = 0;

	Assert(megabytes > 0 && megabytes <= WORKER_KEEPS_MB);
	if (megabytes <= kept)
		return;
	/* A chunk above the first threshold is never kept.  It is 32 MB at the most. */
	(void) mallopt(M_MMAP_THRESHOLD, megabytes / 2 * 1024 * 1024);
	(void) mallopt(M_TRIM_THRESHOLD, megabytes * 1024 * 1024);
	kept = megabytes;
#endif
}
