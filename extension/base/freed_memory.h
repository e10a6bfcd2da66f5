/*
 * freed_memory.h
 *		What becomes of the memory that a batch has freed.
 */
#ifndef PG_WALLET_FREED_MEMORY_H
#define PG_WALLET_FREED_MEMORY_H

#include "base/version.h"

/* How much a worker keeps, which makes batch after batch, and how much a session; in megabytes. */
#define WORKER_KEEPS_MB 64
#define SESSION_KEEPS_MB 16

/*
 * Lets this process keep so much of what it has freed for its next batch, from now on.  Without
 * this the C library gives it back to the kernel after each batch, and each page is a page fault
 * again: a tenth of the time of posting.  See docs/posting.md, "Memory that is kept".
 */
extern void freed_memory_keep(int megabytes);

#endif /* PG_WALLET_FREED_MEMORY_H */
